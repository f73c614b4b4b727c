"""Cut time in order: a chronological split, and the rolling origins of a backtest.

All series stand in one buffer: the rows of series s are ``offsets[s]:offsets[s + 1]``. An origin is the
buffer row of the last value that a forecast may see; its first target is the row after it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timeseries.errors import DataError, SettingError

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Origins:
    """The (series, origin) pairs of a backtest, M of them, in the order of the buffer."""

    series: Integers
    """Position of the series of each pair, (M,)."""
    row: Integers
    """Buffer row of each origin, (M,)."""
    window: Integers
    """Which rolling window the pair belongs to, (M,); 0 is the earliest."""


@dataclass(frozen=True, eq=False)
class ChronologicalSplit:
    """Where the parts of each series start and stop, counted in rows of that series, (S,) each.

    Training is ``[:train_stop]``, validation ``[validation_start:validation_stop]`` and test
    ``[test_start:test_stop]``; the rows between them are the gap.
    """

    train_stop: Integers
    """Rows before this one may be fitted on."""
    validation_start: Integers
    """First row of validation."""
    validation_stop: Integers
    """Row after the last one of validation."""
    test_start: Integers
    """First row of the test."""
    test_stop: Integers
    """Row after the last one of the test: the length of the series."""


def rolling_origins(offsets: Integers, horizon: int, windows: int, step: int, gap: int = 0) -> Origins:
    """Return the origins of the last rolling windows of every series.

    The targets of the last window end with the series; each window lies ``step`` rows before the next one.

    Parameters
    ----------
    offsets : ndarray of shape (S + 1,)
        Where each series starts in the buffer, and where the last one ends.
    horizon : int
        Rows that each window forecasts (H).
    windows : int
        Windows per series.
    step : int
        Rows from one window to the next; at least ``horizon`` keeps their targets from overlapping.
    gap : int, default 0
        Rows before an origin that must not be fitted on; a forecast's context still ends at the origin.

    Returns
    -------
    Origins
        S * windows pairs, series by series, earliest window first.

    Raises
    ------
    SettingError
        If ``horizon``, ``windows`` or ``step`` is not positive, or ``gap`` is negative.
    DataError
        If a series is too short to leave a row to fit on before the earliest window.

    Examples
    --------
    >>> origins = rolling_origins(np.array([0, 10, 18]), horizon=3, windows=2, step=2)
    >>> origins.row.tolist(), origins.series.tolist(), origins.window.tolist()
    ([4, 6, 12, 14], [0, 0, 1, 1], [0, 1, 0, 1])
    """
    _require(("horizon", horizon, 1), ("windows", windows, 1), ("step", step, 1), ("gap", gap, 0))
    needed = 1 + gap + (windows - 1) * step + horizon
    _require_length(
        np.diff(offsets),
        needed,
        "1 + gap + (windows - 1) * step + horizon "
        f"= 1 + {gap} + {windows - 1} * {step} + {horizon} = {needed}",
        "Lower windows, step, gap or horizon, or leave those series out.",
    )
    back = np.arange(windows - 1, -1, -1) * step  # (windows,), rows before the last origin
    rows = (offsets[1:] - 1 - horizon)[:, None] - back  # (S, windows)
    return Origins(
        series=np.repeat(np.arange(len(rows)), windows),
        row=rows.ravel(),
        window=np.tile(np.arange(windows), len(rows)),
    )


def training_rows(offsets: Integers, origins: Origins, gap: int = 0) -> Integers:
    """Return how many leading rows of each series may be fitted on without seeing any window's targets.

    Everything up to ``gap`` rows before the earliest origin of the series.

    Parameters
    ----------
    offsets : ndarray of shape (S + 1,)
        Where each series starts in the buffer, and where the last one ends.
    origins : Origins
        At least one origin for each series.
    gap : int, default 0
        Rows before an origin that must not be fitted on, as given to `rolling_origins`.

    Returns
    -------
    ndarray of shape (S,)
        Numbers of rows, counted from the start of each series; at least 1.

    Raises
    ------
    SettingError
        If ``gap`` is negative.
    DataError
        If a series has no origin, or no row is left to fit on.

    Examples
    --------
    >>> offsets = np.array([0, 10, 18])
    >>> training_rows(offsets, rolling_origins(offsets, horizon=3, windows=2, step=2)).tolist()
    [5, 3]
    """
    _require(("gap", gap, 0))
    earliest = offsets[1:].copy()  # no origin can lie there, so it marks a series without one
    np.minimum.at(earliest, origins.series, origins.row)
    without = np.flatnonzero(earliest == offsets[1:])
    if len(without):
        raise DataError(
            f"Every series needs an origin, where its training rows end; {len(without)} of {len(earliest)} "
            f"have none (positions: {_shown(without)}). Pass the origins of all series, or leave those out."
        )
    rows = earliest + 1 - gap - offsets[:-1]
    short = np.flatnonzero(rows < 1)
    if len(short):
        raise DataError(
            f"With gap={gap} no row is left to fit on before the earliest origin of {len(short)} series "
            f"(positions: {_shown(short)}). Lower the gap, or choose later origins."
        )
    return rows


def chronological(lengths: ArrayLike, validation: int, test: int = 0, gap: int = 0) -> ChronologicalSplit:
    """Split every series in order: training, then validation, then test.

    Parameters
    ----------
    lengths : array-like of shape (S,)
        Rows of each series.
    validation : int
        Rows of each series to validate on; 0 for none.
    test : int, default 0
        Rows at the end of each series to test on; 0 for none.
    gap : int, default 0
        Rows left out between two neighbouring parts; none beside an empty part.

    Returns
    -------
    ChronologicalSplit
        Row counts of each series; an empty part starts where it stops.

    Raises
    ------
    SettingError
        If a size is negative or no whole number.
    DataError
        If a series is too short to leave a row for training.

    Examples
    --------
    >>> split = chronological([10, 20], validation=3, test=2, gap=1)
    >>> split.train_stop.tolist(), split.validation_start.tolist(), split.validation_stop.tolist()
    ([3, 13], [4, 14], [7, 17])
    >>> split.test_start.tolist(), split.test_stop.tolist()
    ([8, 18], [10, 20])
    """
    _require(("validation", validation, 0), ("test", test, 0), ("gap", gap, 0))
    stop = np.array(lengths)
    if stop.ndim != 1 or (stop.size and stop.dtype.kind not in "iu"):
        raise DataError(
            f"lengths must be a one-dimensional array of row counts, got shape {stop.shape} of {stop.dtype}. "
            "Pass np.diff(offsets)."
        )
    stop = stop.astype(np.int64)
    before_validation, before_test = (gap if validation else 0), (gap if test else 0)
    needed = 1 + before_validation + validation + before_test + test
    _require_length(
        stop,
        needed,
        "1 + gap + validation + gap + test "
        f"= 1 + {before_validation} + {validation} + {before_test} + {test} = {needed}",
        "Lower validation, test or gap, or leave those series out.",
    )
    validation_stop = stop - test - before_test
    return ChronologicalSplit(
        train_stop=validation_stop - validation - before_validation,
        validation_start=validation_stop - validation,
        validation_stop=validation_stop,
        test_start=stop - test,
        test_stop=stop,
    )


def _require(*settings: tuple[str, object, int]) -> None:
    """Raise one SettingError for every (name, value, minimum) that is no whole number, or too small."""
    problems = [
        f"{name} must be a whole number of at least {minimum}, got {value!r}"
        for name, value, minimum in settings
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum
    ]
    if problems:
        raise SettingError("; ".join(problems) + ".")


def _require_length(lengths: Integers, needed: int, formula: str, fix: str) -> None:
    """Raise a DataError that names the series with fewer rows than needed."""
    short = np.flatnonzero(lengths < needed)
    if len(short):
        places = ", ".join(f"position {series} has {lengths[series]}" for series in short[:5].tolist())
        raise DataError(
            f"Each series needs at least {formula} rows; {len(short)} of {len(lengths)} series are shorter "
            f"({places}). {fix}"
        )


def _shown(positions: Integers) -> str:
    """Return the first five positions as text."""
    return ", ".join(map(str, positions[:5].tolist()))
