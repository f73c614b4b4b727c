"""The setting of models that may read several steps as one."""

from numbers import Integral

from timeseries.settings import setting, settings_class


@settings_class
class PatchSettings:
    """For models that read steps one after the other, or all beside each other; they derive from it."""

    patch_length: int = setting(
        1, "Steps that are read at once: a window of T is read in T / patch_length patches.", Integral, low=1
    )

    def tokens(self, steps: int) -> int:
        """Return how many patches a window of so many steps is read in.

        Examples
        --------
        >>> PatchSettings(patch_length=24).tokens(96), PatchSettings(patch_length=24).tokens(100)
        (4, 5)
        """
        return -(-steps // self.patch_length)
