"""How far forecasts are from the truth.

Shapes: M (series, origin) pairs, H steps, D targets. A truth of NaN was not observed and is left out; a
metric is None where nothing is left to measure.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timeseries.errors import DataError, require_whole

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Metric = Callable[[ArrayLike, ArrayLike], float | None]


def mae(truth: ArrayLike, forecast: ArrayLike) -> float | None:
    """Return the mean absolute error over all observed values.

    Parameters
    ----------
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.

    Returns
    -------
    float or None
        In the units of ``truth``; None when nothing was observed.

    Raises
    ------
    DataError
        If the shapes differ or are not (M, H, D), the forecast is not finite, or the truth is infinite.

    Examples
    --------
    >>> mae([[[1.0], [float("nan")], [3.0]]], [[[2.0], [9.0], [0.0]]])
    2.0
    """
    return _mean(np.abs(_errors(truth, forecast)))


def mse(truth: ArrayLike, forecast: ArrayLike) -> float | None:
    """Return the mean squared error over all observed values.

    Parameters
    ----------
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.

    Returns
    -------
    float or None
        In the squared units of ``truth``; None when nothing was observed.

    Raises
    ------
    DataError
        If the shapes differ or are not (M, H, D), the forecast is not finite, or the truth is infinite.

    Examples
    --------
    >>> mse([[[1.0], [float("nan")], [3.0]]], [[[2.0], [9.0], [0.0]]])
    5.0
    """
    return _mean(_errors(truth, forecast) ** 2)


def rmse(truth: ArrayLike, forecast: ArrayLike) -> float | None:
    """Return the square root of the mean squared error over all observed values.

    Parameters
    ----------
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.

    Returns
    -------
    float or None
        In the units of ``truth``; None when nothing was observed.

    Raises
    ------
    DataError
        If the shapes differ or are not (M, H, D), the forecast is not finite, or the truth is infinite.

    Examples
    --------
    >>> rmse([[[1.0], [3.0]]], [[[5.0], [3.0]]]) == 8**0.5
    True
    """
    squared = mse(truth, forecast)
    return None if squared is None else float(np.sqrt(squared))


METRICS: dict[str, Metric] = {
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
}
"""Name -> metric that needs nothing but truth and forecast."""


def mase(truth: ArrayLike, forecast: ArrayLike, scale: ArrayLike) -> float | None:
    """Return the mean absolute scaled error: how the forecast compares with repeating the last season.

    The absolute errors of each (pair, target) are averaged over its observed steps and divided by its scale;
    the result is the mean of these. Below 1 is better than repeating the last season was in the past.

    Parameters
    ----------
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.
    scale : array-like of shape (M, D)
        Mean absolute seasonal difference of each pair's series, in the same units, see `seasonal_scale`.
        Where it is 0 or NaN the ratio is undefined and left out.

    Returns
    -------
    float or None
        A ratio without unit; None when no (pair, target) is left.

    Raises
    ------
    DataError
        If shapes disagree, the forecast is not finite, the truth is infinite, or a scale is negative or
        infinite.

    Notes
    -----
    R. J. Hyndman, A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
    Forecasting 22 (2006), with the seasonal scale used by the M4 competition.

    Examples
    --------
    >>> mase([[[4.0], [6.0]], [[1.0], [1.0]]], [[[5.0], [9.0]], [[0.0], [0.0]]], scale=[[4.0], [0.0]])
    0.5
    """
    errors = np.abs(_errors(truth, forecast))  # (M, H, D)
    scale = np.asarray(scale, dtype=np.float64)
    pairs, _, targets = errors.shape
    if scale.shape != (pairs, targets):
        raise DataError(
            f"mase: scale must have shape (M, D) = {(pairs, targets)} for forecasts of shape {errors.shape}, "
            f"got {scale.shape}. Pass one scale per pair and target: seasonal_scale(...)[series]."
        )
    _refuse(
        (scale < 0) | np.isinf(scale), "mase: scales must be finite and not negative", "Use seasonal_scale()."
    )
    observed = ~np.isnan(errors)
    count = observed.sum(axis=1)  # (M, D)
    kept = (count > 0) & (scale > 0)
    if not kept.any():
        return None
    total = np.where(observed, errors, 0.0).sum(axis=1)  # (M, D)
    return float(np.mean(total[kept] / count[kept] / scale[kept]))


def seasonal_scale(values: Floats, offsets: Integers, stops: ArrayLike, season_length: int) -> Floats:
    """Return the mean absolute difference between values one season apart, per series and target.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        The rows of series s are ``offsets[s]:offsets[s + 1]``.
    stops : array-like of shape (S,)
        How many leading rows of each series to use: those that a model was fitted on.
    season_length : int
        Rows in one season (m); 1 compares neighbours.

    Returns
    -------
    ndarray of shape (S, D)
        Mean of ``|x[t] - x[t - m]|``, in the units of ``values``. NaN means undefined: no two observed values
        are one season apart. `mase` leaves such series out.

    Raises
    ------
    SettingError
        If ``season_length`` is not a positive whole number.
    DataError
        If ``stops`` does not lie within the series.

    Examples
    --------
    >>> rows = np.array([[1.0], [5.0], [2.0], [8.0], [99.0]])
    >>> seasonal_scale(rows, np.array([0, 5]), [4], season_length=2).tolist()
    [[2.0]]
    """
    require_whole(season_length=(season_length, 1))
    lengths = np.diff(offsets)
    stops = _checked_stops(stops, lengths)
    series = np.repeat(np.arange(len(lengths)), lengths)[
        season_length:
    ]  # of the later row of each difference
    position = np.arange(len(values))[season_length:] - offsets[series]
    used = (position >= season_length) & (position < stops[series])
    later = np.flatnonzero(used) + season_length
    difference = np.abs(values[later] - values[later - season_length])  # (used rows, D)

    observed = ~np.isnan(difference)
    targets = values.shape[1]
    cell = series[used][:, None] * targets + np.arange(targets)  # (used rows, D), numbers the cells of (S, D)
    count = np.bincount(cell[observed], minlength=len(lengths) * targets)
    total = np.bincount(cell[observed], weights=difference[observed], minlength=len(lengths) * targets)
    scale = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return scale.reshape(len(lengths), targets)


def by_step(metric: Metric, truth: ArrayLike, forecast: ArrayLike) -> list[float | None]:
    """Return the metric for each step of the horizon on its own.

    Parameters
    ----------
    metric : callable
        One of `METRICS`.
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.

    Returns
    -------
    list of float or None
        One number per step, the nearest first; None where nothing was observed.

    Raises
    ------
    DataError
        If the shapes differ or are not (M, H, D), the forecast is not finite, or the truth is infinite.

    Examples
    --------
    >>> by_step(mae, [[[1.0], [3.0]]], [[[2.0], [0.0]]])
    [1.0, 3.0]
    """
    truth, forecast = _checked(truth, forecast)
    return [metric(truth[:, step : step + 1], forecast[:, step : step + 1]) for step in range(truth.shape[1])]


def skill(error: float | None, reference: float | None) -> float | None:
    """Return the share of a reference's error that a forecast avoids.

    Parameters
    ----------
    error : float or None
        Error of the forecast.
    reference : float or None
        The same error of a simple baseline.

    Returns
    -------
    float or None
        ``1 - error / reference``: 1 is perfect, 0 as good as the baseline, negative worse. None when either
        is None or the reference makes no error.

    Examples
    --------
    >>> skill(3.0, 4.0)
    0.25
    """
    if error is None or reference is None or reference == 0:
        return None
    return 1.0 - error / reference


def _errors(truth: ArrayLike, forecast: ArrayLike) -> Floats:
    """Return forecast - truth, (M, H, D); NaN where the truth was not observed."""
    truth, forecast = _checked(truth, forecast)
    return forecast - truth


def _mean(errors: Floats) -> float | None:
    """Return the mean of what is not NaN, or None when all is."""
    observed = errors[~np.isnan(errors)]
    return float(observed.mean()) if observed.size else None


def _checked(truth: ArrayLike, forecast: ArrayLike) -> tuple[Floats, Floats]:
    """Return both as float64 arrays of the same shape (M, H, D)."""
    truth, forecast = np.asarray(truth, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if truth.shape != forecast.shape or truth.ndim != 3:
        raise DataError(
            "truth and forecast must have the same shape (M, H, D) = (pairs, steps, targets), "
            f"got truth {truth.shape} and forecast {forecast.shape}. Reshape them; a single target has D = 1."
        )
    _refuse(~np.isfinite(forecast), "Forecast values must be finite", "See what the model was given there.")
    _refuse(
        np.isinf(truth), "Truth values must be finite, or NaN where unobserved", "Replace infinity with NaN."
    )
    return truth, forecast


def _checked_stops(stops: ArrayLike, lengths: Integers) -> Integers:
    """Return the row counts as an integer array, (S,), each within its series."""
    stops = np.asarray(stops)
    if stops.shape != lengths.shape or stops.dtype.kind not in "iu":
        raise DataError(
            f"stops must hold one whole number of rows per series, shape {lengths.shape}, "
            f"got shape {stops.shape} of {stops.dtype}."
        )
    _refuse((stops < 0) | (stops > lengths), "stops must lie between 0 and the series' length", "Clip them.")
    return stops.astype(np.int64)


def _refuse(bad: NDArray[np.bool_], expected: str, fix: str) -> None:
    """Raise a DataError that names the first places where ``bad`` holds."""
    places = np.argwhere(bad)
    if len(places):
        shown = ", ".join(str(place) for place in places[:5].tolist())
        raise DataError(f"{expected}; {len(places)} are not, first at {shown}. {fix}")
