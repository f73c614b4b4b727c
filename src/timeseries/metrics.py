"""How far forecasts are from the truth.

`METRICS` is the table of all metrics. Each is one formula over groups of values, so that the score of
everything, of each step and of each series come from the same lines. A truth of NaN was not observed and is
left out. Where a metric is undefined its value is None, and a reason says why.

Shapes: M (series, origin) pairs, H steps, D targets, P quantiles; G groups of series, L groups of steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timeseries.errors import DataError, require_whole, unknown_name

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NOTHING = "nothing was observed"
TOO_LARGE = "the numbers are too large for double precision"
ROUNDING = 1e-9  # 1 - 0.9 is not quite 0.1
ROWS_AT_ONCE = 2**20  # of which differences are taken: they need eight times the memory of their rows
CONSTANT = 1e-12  # a truth whose relative deviations are smaller than this never changes


class Score(NamedTuple):
    """A number, or None and the reason why there is none."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Cases:
    """What was forecast and what happened, with all that a metric may need; checked when it is made.

    Parameters
    ----------
    truth : ndarray of shape (M, H, D)
        What happened; NaN where it was not observed.
    point : ndarray of shape (M, H, D)
        What was forecast, in the same units.
    scale : ndarray of shape (M, D), optional
        Mean absolute seasonal difference of each pair's series, see `seasonal_scale`; for MASE.
    square_scale : ndarray of shape (M, D), optional
        Mean squared seasonal difference; for RMSSE.
    quantiles : ndarray of shape (M, H, D, P), optional
        The forecast quantiles of ``levels``, in the same units; for the pinball loss and intervals.
    levels : sequence of P floats
        The quantile levels.

    Raises
    ------
    DataError
        If shapes disagree, a forecast is not finite, a truth is infinite, or a scale is negative or infinite.
    """

    truth: Floats
    point: Floats
    scale: Floats | None = None
    square_scale: Floats | None = None
    quantiles: Floats | None = None
    levels: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.truth.shape != self.point.shape or self.truth.ndim != 3:
            raise DataError(
                "truth and forecast must have the same shape (M, H, D) = (pairs, steps, targets), got truth "
                f"{self.truth.shape} and forecast {self.point.shape}. "
                "Reshape them; a single target has D = 1."
            )
        _refuse(
            ~np.isfinite(self.point), "Forecast values must be finite", "See what the model was given there."
        )
        _refuse(
            np.isinf(self.truth),
            "Truth values must be finite, or NaN where unobserved",
            "Replace infinity with NaN.",
        )
        self._check_scale("scale", self.scale)
        self._check_scale("square_scale", self.square_scale)
        self._check_quantiles()

    def _check_scale(self, name: str, scale: Floats | None) -> None:
        if scale is None:
            return
        pairs, _, targets = self.truth.shape
        if scale.shape != (pairs, targets):
            raise DataError(
                f"{name} must have shape (M, D) = {(pairs, targets)} for forecasts of shape "
                f"{self.truth.shape}, got {scale.shape}. Pass one per pair and target: "
                "seasonal_scale(...)[series]."
            )
        _refuse(
            (scale < 0) | np.isinf(scale), f"{name} must be finite and not negative", "Use seasonal_scale()."
        )

    def _check_quantiles(self) -> None:
        if self.quantiles is None:
            return
        expected = (*self.truth.shape, len(self.levels))
        if self.quantiles.shape != expected:
            raise DataError(
                f"quantiles must have shape (M, H, D, P) = {expected} for the levels {list(self.levels)}, "
                f"got {self.quantiles.shape}."
            )
        _refuse(
            ~np.isfinite(self.quantiles), "Quantiles must be finite", "See what the model was given there."
        )

    @cached_property
    def observed(self) -> NDArray[np.bool_]:
        """Return where the truth was observed, (M, H, D)."""
        return ~np.isnan(self.truth)

    @cached_property
    def actual(self) -> Floats:
        """Return the truth, (M, H, D); 0 where it was not observed."""
        return np.where(self.observed, self.truth, 0.0)

    @cached_property
    def size(self) -> Floats:
        """Return the absolute errors, (M, H, D); 0 where nothing was observed."""
        return np.where(self.observed, np.abs(self.point - self.actual), 0.0)

    @cached_property
    def square(self) -> Floats:
        """Return the squared errors, (M, H, D); 0 where nothing was observed."""
        squared: Floats = self.size**2
        return squared


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """Which values are scored together: all of them, unless told otherwise.

    Parameters
    ----------
    series : ndarray of shape (M, D), optional
        The number of the group, from 0, of each pair and target.
    steps : bool
        Score each step of the horizon on its own.
    """

    series: Integers | None = None
    steps: bool = False

    def within(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the totals of (M, H, D) over the steps of a group, (M, L, D)."""
        return x if self.steps else x.sum(axis=1, keepdims=True)

    def total(self, x: NDArray[Any]) -> Floats:
        """Return the totals of (M, H, D) over each group, (G, L)."""
        each = self.within(x)  # (M, L, D)
        if self.series is None:
            total: Floats = each.sum(axis=2).sum(axis=0, keepdims=True)  # (1, L)
            return total
        flat = np.moveaxis(each, 1, 0).reshape(each.shape[1], -1)  # (L, M * D)
        code, number = self.series.ravel(), int(self.series.max(initial=-1)) + 1
        return np.stack([np.bincount(code, weights=row, minlength=number) for row in flat], axis=1)

    def spread(self, each: Floats) -> Floats:
        """Return the number of its group for every value: (G, L) as (M, L, D), ready to broadcast."""
        if self.series is None:
            return each[:, :, None]  # (1, L, 1)
        return np.moveaxis(each[self.series], 1, 2)  # (M, D, L) -> (M, L, D)


EVERYTHING = Groups()
Formula = Callable[[Cases, Groups], Floats]


class Metric(NamedTuple):
    """One way to score forecasts."""

    formula: Formula  # the score of every group, (G, L); NaN where it is undefined
    meaning: str  # its name in full, and its unit
    undefined: str = NOTHING  # why a score can be missing although something was observed
    needs: str = "point"  # which field of the cases it is made from


def _mean(x: NDArray[Any], cases: Cases, groups: Groups) -> Floats:
    """Return the mean of (M, H, D) over the observed values of each group, (G, L)."""
    return groups.total(np.where(cases.observed, x, 0.0)) / groups.total(cases.observed)


def _mae(cases: Cases, groups: Groups) -> Floats:
    return _mean(cases.size, cases, groups)


def _mse(cases: Cases, groups: Groups) -> Floats:
    return _mean(cases.square, cases, groups)


def _rmse(cases: Cases, groups: Groups) -> Floats:
    return np.sqrt(_mse(cases, groups))


def _scaled(
    errors: Floats, scale: Floats, cases: Cases, groups: Groups, shape: Callable[[Floats], Floats]
) -> Floats:
    """Return the mean over pairs and targets of ``shape(mean error / scale)``, (G, L).

    Pairs whose scale is 0 or NaN are left out.
    """
    ratio = groups.within(errors) / groups.within(cases.observed) / scale[:, None, :]  # (M, L, D)
    kept = (scale > 0)[:, None, :] & ~np.isnan(ratio)
    return groups.total(np.where(kept, shape(ratio), 0.0)) / groups.total(kept)


def _mase(cases: Cases, groups: Groups) -> Floats:
    return _scaled(cases.size, cast("Floats", cases.scale), cases, groups, np.positive)


def _rmsse(cases: Cases, groups: Groups) -> Floats:
    return _scaled(cases.square, cast("Floats", cases.square_scale), cases, groups, np.sqrt)


def _mape(cases: Cases, groups: Groups) -> Floats:
    zero = groups.total(cases.observed & (cases.actual == 0)) > 0  # (G, L)
    return np.where(zero, np.nan, 100 * _mean(cases.size / np.abs(cases.actual), cases, groups))


def _smape(cases: Cases, groups: Groups) -> Floats:
    both = np.abs(cases.actual) + np.abs(cases.point)  # (M, H, D)
    return 200 * _mean(np.where(both > 0, cases.size / both, 0.0), cases, groups)


def _wape(cases: Cases, groups: Groups) -> Floats:
    actual = groups.total(np.abs(cases.actual))  # (G, L)
    return 100 * np.where(actual > 0, groups.total(cases.size) / actual, np.nan)


def _r2(cases: Cases, groups: Groups) -> Floats:
    mean = _mean(cases.actual, cases, groups)  # (G, L)
    deviation = np.where(cases.observed, cases.actual - groups.spread(mean), 0.0)  # (M, H, D)
    around = groups.total(deviation**2)  # (G, L)
    constant = around <= groups.total(cases.observed) * (CONSTANT * mean) ** 2  # the mean itself is rounded
    return np.where(constant, np.nan, 1 - groups.total(cases.square) / around)


def _pinball(cases: Cases, groups: Groups) -> Floats:
    quantiles = cast("Floats", cases.quantiles)
    losses = np.zeros_like(cases.actual)  # (M, H, D)
    for i, level in enumerate(cases.levels):
        short = cases.actual - quantiles[..., i]  # (M, H, D)
        losses += np.maximum(level * short, (level - 1) * short)
    return _mean(losses / len(cases.levels), cases, groups)


_NO_SCALE = "no series has a seasonal scale: training rows never change, or none lie one season apart"
METRICS = {
    "mae": Metric(_mae, "mean absolute error, in the units of the data"),
    "mse": Metric(_mse, "mean squared error, in squared units"),
    "rmse": Metric(_rmse, "root mean squared error, in the units of the data"),
    "mase": Metric(
        _mase, "mean absolute error of each pair over its seasonal scale, averaged", _NO_SCALE, "scale"
    ),
    "rmsse": Metric(
        _rmsse, "root mean squared error of each pair over that scale, averaged", _NO_SCALE, "square_scale"
    ),
    "mape": Metric(_mape, "mean absolute percentage error, in %", "an observed truth is 0"),
    "smape": Metric(_smape, "mean of 200 |y - f| / (|y| + |f|), in %; 0 where both are 0"),
    "wape": Metric(
        _wape, "sum of absolute errors over that of absolute truths, in %", "every observed truth is 0"
    ),
    "r2": Metric(_r2, "share of the variance that is explained", "the observed truth never changes"),
    "pinball": Metric(
        _pinball, "pinball loss, mean over levels, in the units of the data", needs="quantiles"
    ),
}
"""Every metric by name, in the order of tables. Lower is better, but for r2.

- mase: Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of
  Forecasting 22 (2006), with the seasonal scale and the averaging of the M4 competition; rmsse likewise, M5.
- mape is None as soon as one observed truth is 0: it would be infinite. smape: M4 (0 to 200).
- r2 pools all values of a group, as ``sklearn.metrics.r2_score`` of flat arrays; None where that must guess.
- pinball: Koenker and Bassett, "Regression Quantiles", Econometrica 46 (1978).
"""


class Interval(NamedTuple):
    """A central interval between two quantiles."""

    nominal: float  # the share it should cover
    low: int  # position of its lower level
    high: int

    @property
    def name(self) -> str:
        """Return its share in percent, such as 80."""
        return f"{100 * self.nominal:g}"


def central_intervals(levels: Sequence[float]) -> list[Interval]:
    """Return the intervals that pairs of levels q, 1 - q span, the narrowest first.

    Examples
    --------
    >>> [interval.name for interval in central_intervals((0.025, 0.1, 0.5, 0.9, 0.975))]
    ['80', '95']
    """
    found = [
        Interval(round(1 - 2 * low, 9), i, j)
        for i, low in enumerate(levels)
        for j, high in enumerate(levels)
        if low < high and abs(low + high - 1) < ROUNDING
    ]
    return sorted(found)


def _bounds(interval: Interval, cases: Cases) -> tuple[Floats, Floats]:
    quantiles = cast("Floats", cases.quantiles)
    return quantiles[..., interval.low], quantiles[..., interval.high]  # (M, H, D) each


def _coverage(interval: Interval, cases: Cases, groups: Groups) -> Floats:
    low, high = _bounds(interval, cases)
    return _mean((low <= cases.actual) & (cases.actual <= high), cases, groups)


def _width(interval: Interval, cases: Cases, groups: Groups) -> Floats:
    low, high = _bounds(interval, cases)
    return _mean(high - low, cases, groups)


def _interval_score(interval: Interval, cases: Cases, groups: Groups) -> Floats:
    low, high = _bounds(interval, cases)
    outside = np.maximum(low - cases.actual, 0) + np.maximum(cases.actual - high, 0)  # (M, H, D)
    return _mean(high - low + 2 / (1 - interval.nominal) * outside, cases, groups)


def interval_metrics(levels: Sequence[float]) -> dict[str, Metric]:
    """Return the metrics of each central interval, such as ``coverage_80``.

    ``coverage`` is the share of truths within, bounds included; ``width`` the mean width; ``interval_score``
    the width plus 2 / (1 - nominal share) times the distance of a truth outside: lower is better.

    Notes
    -----
    T. Gneiting, A. Raftery, "Strictly proper scoring rules, prediction, and estimation", Journal of the
    American Statistical Association 102 (2007), equation 43.

    Examples
    --------
    >>> list(interval_metrics((0.1, 0.5, 0.9)))
    ['coverage_80', 'width_80', 'interval_score_80']
    """
    kinds = {
        "coverage": (_coverage, "share of truths within the {} % interval"),
        "width": (_width, "mean width of the {} % interval, in the units of the data"),
        "interval_score": (_interval_score, "interval score of the {} % interval, in the units of the data"),
    }
    return {
        f"{kind}_{interval.name}": Metric(
            partial(formula, interval), meaning.format(interval.name), needs="quantiles"
        )
        for interval in central_intervals(levels)
        for kind, (formula, meaning) in kinds.items()
    }


_MISSING = {
    "quantiles": "a point forecast has no quantiles",
    "scale": "no scale was given",
    "square_scale": "no scale was given",
}


def evaluate(metric: Metric, cases: Cases, groups: Groups = EVERYTHING) -> list[list[Score]]:
    """Return the score of every group.

    Parameters
    ----------
    metric : Metric
        One of `METRICS` or of `interval_metrics`.
    cases : Cases
        Forecasts and truth.
    groups : Groups
        Which values are scored together; all when absent.

    Returns
    -------
    list of G lists of L Score
        G groups of series (1 if they are not told apart), L steps (1 if they are not).

    Examples
    --------
    >>> cases = Cases(truth=np.array([[[1.0], [3.0]]]), point=np.array([[[2.0], [0.0]]]))
    >>> evaluate(METRICS["mae"], cases, Groups(steps=True))
    [[Score(value=1.0, reason=None), Score(value=3.0, reason=None)]]
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        count = groups.total(cases.observed)  # (G, L)
        if metric.needs != "point" and getattr(cases, metric.needs) is None:
            return [[Score(None, _MISSING[metric.needs])] * count.shape[1] for _ in count]
        values = metric.formula(cases, groups)  # (G, L)
        fits = np.isfinite(values)
        if fits.all():
            return [[Score(value) for value in row] for row in values.tolist()]
        large = np.isinf(values) | ~np.isfinite(groups.total(cases.square + cases.actual**2))  # (G, L)
    reasons = np.select([count == 0, large], [NOTHING, TOO_LARGE], metric.undefined)  # (G, L)
    return [
        [Score(value) if fit else Score(None, reason) for value, fit, reason in zip(*row, strict=True)]
        for row in zip(values.tolist(), fits.tolist(), reasons.tolist(), strict=True)
    ]


def score(
    name: str,
    truth: ArrayLike,
    forecast: ArrayLike,
    *,
    scale: ArrayLike | None = None,
    square_scale: ArrayLike | None = None,
) -> Score:
    """Score point forecasts with one metric over all observed values.

    Parameters
    ----------
    name : str
        One of `METRICS`.
    truth : array-like of shape (M, H, D)
        What happened; NaN where it was not observed.
    forecast : array-like of shape (M, H, D)
        What was forecast, in the same units.
    scale, square_scale : array-like of shape (M, D), optional
        See `seasonal_scale`; for ``mase`` and ``rmsse``. Where one is 0 or NaN its pair is left out.

    Returns
    -------
    Score
        A value, or None and a reason.

    Raises
    ------
    SettingError
        If there is no such metric.
    DataError
        If shapes disagree, the forecast is not finite, the truth is infinite, or a scale is negative or
        infinite.

    Examples
    --------
    >>> score("mae", [[[1.0], [float("nan")], [3.0]]], [[[2.0], [9.0], [0.0]]]).value
    2.0
    >>> score("wape", [[[0.0]]], [[[2.0]]])
    Score(value=None, reason='every observed truth is 0')
    """
    if name not in METRICS:
        raise unknown_name("metric", name, known=METRICS)
    given = {"truth": truth, "point": forecast, "scale": scale, "square_scale": square_scale}
    arrays: Any = {key: np.asarray(x, dtype=np.float64) for key, x in given.items() if x is not None}
    cases = Cases(**arrays)
    return evaluate(METRICS[name], cases)[0][0]


def seasonal_scale(
    values: Floats, offsets: Integers, stops: ArrayLike, season_length: int, power: int = 1
) -> Floats:
    """Return how far values one season apart differ in the mean, per series and target.

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
    power : int
        1 for absolute differences, as in MASE; 2 for squared ones, as in RMSSE.

    Returns
    -------
    ndarray of shape (S, D)
        Mean of ``|x[t] - x[t - m]| ** power``, in the units of ``values`` to that power. NaN means undefined:
        no two observed values are one season apart, or the mean is too large for double precision.

    Raises
    ------
    SettingError
        If ``season_length`` or ``power`` is not a positive whole number.
    DataError
        If ``stops`` does not lie within the series.

    Examples
    --------
    >>> rows = np.array([[1.0], [5.0], [2.0], [8.0], [99.0]])
    >>> seasonal_scale(rows, np.array([0, 5]), [4], season_length=2).tolist()
    [[2.0]]
    """
    require_whole(season_length=(season_length, 1), power=(power, 1))
    lengths = np.diff(offsets)
    stops = _checked_stops(stops, lengths)
    cells = len(lengths) * values.shape[1]
    count, total = np.zeros((2, cells))
    for begin in range(season_length, len(values), ROWS_AT_ONCE):
        later = np.arange(begin, min(begin + ROWS_AT_ONCE, len(values)))  # of the two rows of a difference
        series = np.searchsorted(offsets, later, side="right") - 1
        position = later - offsets[series]
        used = (position >= season_length) & (position < stops[series])
        later = later[used]
        with np.errstate(over="ignore"):
            difference = np.abs(values[later] - values[later - season_length]) ** power  # (used rows, D)
        observed = ~np.isnan(difference)
        targets = np.arange(values.shape[1])
        cell = series[used][:, None] * len(targets) + targets  # (used rows, D), numbers the cells of (S, D)
        count += np.bincount(cell[observed], minlength=cells)
        total += np.bincount(cell[observed], weights=difference[observed], minlength=cells)
    scale = np.where((count > 0) & np.isfinite(total), total / np.maximum(count, 1), np.nan)
    return scale.reshape(len(lengths), values.shape[1])


def skill(error: Score, reference: Score) -> Score:
    """Return the share of a reference's error that a forecast avoids.

    Parameters
    ----------
    error : Score
        Error of the forecast.
    reference : Score
        The same error of a simple baseline.

    Returns
    -------
    Score
        ``1 - error / reference``: 1 is perfect, 0 as good as the baseline, negative worse. None when either
        is None or the reference makes no error.

    Examples
    --------
    >>> skill(Score(3.0), Score(4.0)).value
    0.25
    """
    if error.value is None or reference.value is None:
        return Score(None, error.reason or reference.reason)
    if reference.value == 0:
        return Score(None, "the reference makes no error")
    return Score(1.0 - error.value / reference.value)


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
