"""The simplest forecasts there are, which every network has to beat.

All series stand in one buffer: the rows of series s are ``offsets[s]:offsets[s + 1]``. An origin is the
buffer row of the last value that a forecast may see; no forecast reads a later row, nor another series.
Shapes: N rows, D targets, S series, M origins, H steps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timeseries.errors import DataError, require_whole

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Earlier(NamedTuple):
    """What was observed of each series before its first row in the buffer; each part is (S, D)."""

    observed: Floats  # how many values were; 0 for none
    mean: Floats  # of these values
    first: Floats  # the first of them
    rows: Floats  # from the first of them to the first row in the buffer


def last_value(values: Floats, offsets: Integers, origins: ArrayLike, horizon: int) -> Floats:
    """Forecast the last observed value for every step.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        Where each series starts, and where the last one ends.
    origins : array-like of shape (M,)
        Buffer row of the last value each forecast may see.
    horizon : int
        Steps to forecast (H).

    Returns
    -------
    ndarray of shape (M, H, D)
        The forecasts, in the units of ``values``.

    Raises
    ------
    SettingError
        If ``horizon`` is not a positive whole number.
    DataError
        If an origin lies outside the buffer, or nothing was observed in its series up to it.

    Examples
    --------
    >>> rows = np.array([[1.0], [4.0], [float("nan")], [9.0]])
    >>> last_value(rows, np.array([0, 4]), [2], horizon=2).tolist()
    [[[4.0], [4.0]]]
    """
    require_whole(horizon=(horizon, 1))
    origins, starts = _locate(origins, offsets)
    last = _last_observed_at_origin(_last_observed(values), origins, starts, offsets)  # (M, D)
    newest = np.take_along_axis(values, last, axis=0)  # (M, D)
    return np.repeat(newest[:, None, :], horizon, axis=1)


def seasonal_naive(
    values: Floats,
    offsets: Integers,
    origins: ArrayLike,
    horizon: int,
    season_length: int,
    clock: Integers | None = None,
) -> Floats:
    """Forecast the season that ends at the origin, over and over.

    Step k (counted from 0) repeats the row ``origin - season_length + 1 + (k mod season_length)``. If nothing
    was observed there, the last observed value before it stands in; if there is none, that at the origin.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        Where each series starts, and where the last one ends.
    origins : array-like of shape (M,)
        Buffer row of the last value each forecast may see.
    horizon : int
        Steps to forecast (H).
    season_length : int
        Rows in one season (p), for example 24 for hourly values with a daily rhythm.
    clock : ndarray of shape (N,), optional
        Rows by which the local clock is ahead of the stamps at every row. Where it changed in between, a step
        repeats the row at which the clock showed the same; the forecast steps must be rows of the buffer.

    Returns
    -------
    ndarray of shape (M, H, D)
        The forecasts, in the units of ``values``.

    Raises
    ------
    SettingError
        If ``horizon`` or ``season_length`` is not a positive whole number.
    DataError
        If an origin lies outside the buffer, or nothing was observed in its series up to it.

    Examples
    --------
    >>> rows = np.array([[7.0], [1.0], [2.0], [3.0]])
    >>> seasonal_naive(rows, np.array([0, 4]), [3], horizon=4, season_length=3).tolist()
    [[[1.0], [2.0], [3.0], [1.0]]]
    """
    require_whole(horizon=(horizon, 1), season_length=(season_length, 1))
    origins, starts = _locate(origins, offsets)
    last = _last_observed(values)  # (N, D)
    fallback = _last_observed_at_origin(last, origins, starts, offsets)  # (M, D)
    wanted = origins[:, None] - season_length + 1 + np.arange(horizon) % season_length  # (M, H)
    if clock is not None:
        rows = np.minimum(origins[:, None] + np.arange(1, horizon + 1), len(values) - 1)  # (M, H)
        wanted = wanted + clock[rows] - clock[np.maximum(wanted, starts[:, None])]  # (M, H)
        wanted = np.where(wanted > origins[:, None], wanted - season_length, wanted)  # (M, H) known by then
    source = last[np.maximum(wanted, starts[:, None])]  # (M, H, D)
    inside = (wanted >= starts[:, None])[:, :, None] & (source >= starts[:, None, None])
    return values[np.where(inside, source, fallback[:, None, :]), np.arange(values.shape[1])]


def drift(
    values: Floats, offsets: Integers, origins: ArrayLike, horizon: int, earlier: Earlier | None = None
) -> Floats:
    """Continue the straight line through the first and the last observed value.

    Where only one value was observed, the line is flat.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        Where each series starts, and where the last one ends.
    origins : array-like of shape (M,)
        Buffer row of the last value each forecast may see.
    horizon : int
        Steps to forecast (H).
    earlier : Earlier, optional
        What was observed before the buffer begins; nothing when absent.

    Returns
    -------
    ndarray of shape (M, H, D)
        The forecasts, in the units of ``values``.

    Raises
    ------
    SettingError
        If ``horizon`` is not a positive whole number.
    DataError
        If an origin lies outside the buffer, or nothing was observed in its series up to it.

    Notes
    -----
    R. J. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice" (3rd edition), section 5.2.

    Examples
    --------
    >>> rows = np.array([[1.0], [4.0], [5.0], [9.0]])
    >>> drift(rows, np.array([0, 4]), [2], horizon=2).tolist()
    [[[7.0], [9.0]]]
    """
    require_whole(horizon=(horizon, 1))
    origins, starts = _locate(origins, offsets)
    last = _last_observed_at_origin(_last_observed(values), origins, starts, offsets)  # (M, D)
    first = _next_observed(values)[starts]  # (M, D), none after the last
    left, right = (np.take_along_axis(values, row, axis=0) for row in (first, last))  # (M, D) each
    rows = np.maximum(last - first, 1)  # (M, D)
    if earlier is not None:
        series = np.searchsorted(offsets, origins, side="right") - 1  # (M,)
        begun = earlier.observed[series] > 0  # (M, D)
        left = np.where(begun, earlier.first[series], left)  # (M, D)
        rows = np.where(begun, last - starts[:, None] + earlier.rows[series], rows)  # (M, D)
    slope = right / rows - left / rows  # (M, D)
    ahead = origins[:, None, None] + np.arange(1, horizon + 1)[:, None] - last[:, None, :]  # (M, H, D)
    line: Floats = right[:, None, :] + ahead * slope[:, None, :]  # (M, H, D)
    return line


def mean(
    values: Floats, offsets: Integers, origins: ArrayLike, horizon: int, earlier: Earlier | None = None
) -> Floats:
    """Forecast the mean of all observed values up to the origin, for every step.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        Where each series starts, and where the last one ends.
    origins : array-like of shape (M,)
        Buffer row of the last value each forecast may see.
    horizon : int
        Steps to forecast (H).
    earlier : Earlier, optional
        What was observed before the buffer begins; nothing when absent.

    Returns
    -------
    ndarray of shape (M, H, D)
        The forecasts, in the units of ``values``.

    Raises
    ------
    SettingError
        If ``horizon`` is not a positive whole number.
    DataError
        If an origin lies outside the buffer, or nothing was observed in its series up to it.

    Examples
    --------
    >>> rows = np.array([[1.0], [5.0], [float("nan")], [9.0]])
    >>> mean(rows, np.array([0, 4]), [2], horizon=2).tolist()
    [[[3.0], [3.0]]]
    """
    require_whole(horizon=(horizon, 1))
    origins, starts = _locate(origins, offsets)
    _last_observed_at_origin(_last_observed(values), origins, starts, offsets)
    average = np.empty((len(origins), values.shape[1]))  # (M, D)
    order = np.argsort(starts, kind="stable")
    series, begin = np.unique(starts[order], return_index=True)
    for start, pairs in zip(series.tolist(), np.split(order, begin[1:]), strict=bool(len(series))):
        rows = origins[pairs] - start  # within the series: a sum over all series would round differently
        part = values[start : start + int(rows.max()) + 1]
        observed = ~np.isnan(part)
        total, count = (np.cumsum(x, axis=0)[rows] for x in (np.where(observed, part, 0.0), observed))
        if earlier is not None:
            s = np.searchsorted(offsets, start, side="right") - 1
            total, count = total + earlier.observed[s] * earlier.mean[s], count + earlier.observed[s]
        average[pairs] = total / count
    return np.repeat(average[:, None, :], horizon, axis=1)


def _last_observed(values: Floats) -> Integers:
    """Return, per row and target, the newest row so far that was observed, (N, D); -1 where there is none.

    It may lie in an earlier series: callers compare it with the start of theirs.
    """
    rows = np.where(np.isnan(values), -1, np.arange(len(values))[:, None])
    return np.maximum.accumulate(rows, axis=0)


def _next_observed(values: Floats) -> Integers:
    """Return, per row and target, the oldest row from here on that was observed, (N, D); N if none is."""
    rows = np.where(np.isnan(values), len(values), np.arange(len(values))[:, None])
    return np.minimum.accumulate(rows[::-1], axis=0)[::-1]


def _last_observed_at_origin(
    last: Integers, origins: Integers, starts: Integers, offsets: Integers
) -> Integers:
    """Return the newest observed row at or before each origin, (M, D), or raise where its series has none."""
    found = last[origins]
    bad = np.argwhere(found < starts[:, None])
    if len(bad):
        series = np.searchsorted(offsets, origins, side="right") - 1
        places = "; ".join(
            f"series at position {series[pair]}, its row {origins[pair] - starts[pair]}, target {target}"
            for pair, target in bad[:5].tolist()
        )
        raise DataError(
            f"A baseline needs an observed value at or before the origin; {len(bad)} forecast(s) have none "
            f"({places}). Choose a later origin, or leave those series out."
        )
    return found


def _locate(origins: ArrayLike, offsets: Integers) -> tuple[Integers, Integers]:
    """Return the origins as an array, (M,), and the first row of the series of each, (M,)."""
    rows = np.asarray(origins)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(
            f"origins must be a one-dimensional array of row numbers, got shape {rows.shape} of {rows.dtype}."
        )
    rows = rows.astype(np.int64)
    bad = rows[(rows < 0) | (rows >= offsets[-1])]
    if len(bad):
        shown = ", ".join(map(str, bad[:5].tolist()))
        raise DataError(
            f"Origins must be rows of the buffer, 0 to {offsets[-1] - 1}; {len(bad)} are not: {shown}. "
            "Count rows over all series, as offsets do."
        )
    return rows, offsets[np.searchsorted(offsets, rows, side="right") - 1]
