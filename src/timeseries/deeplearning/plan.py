"""How many steps a training takes, and how long: planned before the first one."""

from dataclasses import dataclass, replace
from typing import Any, Self

from timeseries.errors import SettingError


@dataclass(frozen=True)
class Pace:
    """Seconds of one optimiser step, and of one validation."""

    step: float
    validation: float = 0.0


@dataclass(frozen=True)
class Plan:
    """So many steps in epochs of ``full`` steps each; the last epoch may be shorter.

    Every epoch ends with a validation. The pace is None where nobody measured it.

    Examples
    --------
    >>> plan = Plan(full=4, steps=10, pace=Pace(step=0.5, validation=1.0))
    >>> plan.epochs, plan.seconds
    ([4, 4, 2], 8.0)
    >>> plan.within(seconds=6.0).epochs
    [4, 4]
    """

    full: int
    steps: int
    pace: Pace | None = None

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Return the plan that ``dataclasses.asdict`` wrote."""
        pace = None if kept["pace"] is None else Pace(**kept["pace"])
        if pace is not None and not (pace.step >= 0 and pace.validation >= 0):
            raise ValueError(f"{pace}")
        return cls(kept["full"], kept["steps"], pace)

    @property
    def epochs(self) -> list[int]:
        """Return the steps of each epoch."""
        whole, rest = divmod(self.steps, self.full)
        return [self.full] * whole + [rest] * (rest > 0)

    def cycle_ends(self, cycles: int) -> list[int]:
        """Return the steps taken up to the end of each of so many cycles, which are as equal as can be.

        Raises
        ------
        SettingError
            If there are fewer steps than cycles.

        Examples
        --------
        >>> Plan(full=4, steps=10).cycle_ends(3)
        [3, 6, 10]
        """
        if cycles > self.steps:
            raise SettingError(
                f"A training of {self.steps} steps cannot be divided into {cycles} cycles. Take more steps "
                "(epochs, max_steps), or fewer cycles or snapshots."
            )
        return [self.steps * number // cycles for number in range(1, cycles + 1)]

    @property
    def seconds(self) -> float | None:
        """Return how long all steps and validations take, None when the pace is unknown."""
        if self.pace is None:
            return None
        return self.steps * self.pace.step + len(self.epochs) * self.pace.validation

    def within(self, seconds: float) -> Self:
        """Return the longest part of this plan that fits into so many seconds, at least one step."""
        if self.pace is None:
            raise ValueError("A plan without a pace does not know what fits.")
        whole, rest = divmod(seconds, self.full * self.pace.step + self.pace.validation)
        begun = max(0, int((rest - self.pace.validation) / self.pace.step))  # steps of a last, shorter epoch
        return replace(self, steps=max(1, min(self.steps, int(whole) * self.full + begun)))
