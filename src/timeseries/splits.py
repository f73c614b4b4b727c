"""Cut time in order: the rolling origins of a backtest, and what may be fitted on before them.

All series stand in one buffer: the rows of series s are ``offsets[s]:offsets[s + 1]``. An origin is the
buffer row of the last value that a forecast may see; its first target is the row after it.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timeseries.errors import DataError, require_whole

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


def rolling_origins(
    offsets: Integers,
    horizon: int,
    windows: int,
    step: int,
    gap: int = 0,
    names: Sequence[Hashable] | None = None,
) -> Origins:
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
    names : sequence, optional
        What to call the series in errors; their positions when absent.

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
    require_whole(horizon=(horizon, 1), windows=(windows, 1), step=(step, 1), gap=(gap, 0))
    needed = 1 + gap + (windows - 1) * step + horizon
    _require_length(
        np.diff(offsets),
        needed,
        "1 + gap + (windows - 1) * step + horizon "
        f"= 1 + {gap} + {windows - 1} * {step} + {horizon} = {needed}",
        "Lower windows, step, gap or horizon, or leave those series out.",
        names,
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
    require_whole(gap=(gap, 0))
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


def _require_length(
    lengths: Integers, needed: int, formula: str, fix: str, names: Sequence[Hashable] | None
) -> None:
    """Raise a DataError that names the series with fewer rows than needed."""
    short = np.flatnonzero(lengths < needed)
    if len(short):
        shown = [
            (f"position {s}" if names is None else repr(names[s]), lengths[s]) for s in short[:5].tolist()
        ]
        places = ", ".join(f"{name} has {length}" for name, length in shown)
        raise DataError(
            f"Each series needs at least {formula} rows; {len(short)} of {len(lengths)} series are shorter "
            f"({places}). {fix}"
        )


def _shown(positions: Integers) -> str:
    """Return the first five positions as text."""
    return ", ".join(map(str, positions[:5].tolist()))
