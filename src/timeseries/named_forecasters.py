"""Forecasters of several names with the same settings: who lacks one is named."""

from collections.abc import Sequence
from typing import Any

from timeseries.errors import SettingError, require_known
from timeseries.forecaster import Forecaster
from timeseries.recipes import NAMES


def forecasters_of(names: Sequence[str], settings: dict[str, Any]) -> list[Forecaster]:
    """Return a forecaster of each name, all with the same settings.

    Parameters
    ----------
    names : sequence of str
        Of recipes.
    settings : dict
        Of a `Forecaster`, ``horizon`` among them.

    Raises
    ------
    SettingError
        If there is no such model, or one does not take them: it is named, and so are those that do.

    Examples
    --------
    >>> [made.horizon for made in forecasters_of(["nlinear", "dlinear"], {"horizon": 3})]
    [3, 3]
    """
    made: dict[str, Forecaster] = {}
    faults: dict[str, SettingError] = {}
    for name in dict.fromkeys(names):
        require_known("model", name, NAMES)
        try:
            made[name] = Forecaster(name, **settings)
        except SettingError as fault:
            faults[name] = fault
    if faults:
        lacks, reason = next(iter(faults.items()))
        if not made:
            raise reason
        raise SettingError(
            f"{lacks}: {reason} What is given beside names goes to all of them, and suits {', '.join(made)}."
        ) from reason
    return [Forecaster(name, **settings) for name in names]
