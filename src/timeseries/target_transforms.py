"""Transforms of the targets before a network sees them, and their inverses for its forecasts.

Each learns its numbers, one set per series and target, from the training rows; missing values (NaN) stay
missing. Its inverse never falls as the forecast of a step rises, so that quantiles remain quantiles, with one
exception: forecasts of differences are added up over the steps, and the sum of quantiles is not the quantile
of the sum. Whoever undoes differences must calibrate intervals after that (see `TargetTransform.cumulative`).

Recurrent networks usually learn trend and season themselves: measure whether a transform helps.
docs/target_transforms.md has the equations, and a table of when they did.

Shapes: S series, N rows, D targets, M origins, H steps, P numbers per target, m rows of a season.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, Floats]
ROUNDING = 64 * np.finfo(np.float64).eps  # of the numbers that a difference is of: less is nothing
POWERS = np.linspace(0.0, 1.0, 21)  # of Box and Cox, tried first
HALVINGS = 30  # of the interval around the best of them


class Rows(NamedTuple):
    """Where the rows of all series stand in time."""

    offsets: Ints  # (S+1,) rows of series s are offsets[s]:offsets[s + 1]
    step: Floats  # (N,) whole steps since a stamp that is the same for all series and tables
    phase: Ints  # (N,) row of its season, from 0
    season: int  # rows of a season, m

    @property
    def series(self) -> Ints:
        """Return the series of each row, (N,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


class Ahead(NamedTuple):
    """Where forecasts stand in time."""

    series: Ints  # (M,)
    row: Ints  # (M,) of the origin: the last row that may be looked at
    step: Floats  # (M, H) as in Rows
    phase: Ints  # (M, H)
    memory: int  # rows up to the origin that may be looked at


class TargetTransform(ABC):
    """What a transform does; it holds no numbers of its own."""

    state: ClassVar[dict[str, bool]] = {}
    """Names of the arrays that it learns: (S, D), or (S, m, D) where True."""
    span: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    """The smallest and the largest number that these can hold."""
    cumulative: ClassVar[bool] = False
    """Whether a step of its inverse adds up the steps before."""
    positive: ClassVar[bool] = False
    """Whether it takes values above 0 alone."""
    seasonal: ClassVar[bool] = False
    """Whether it needs seasons of at least two rows."""

    def reach(self, season: int) -> int:
        """Return how many first rows of each series it leaves without a value."""
        return 0

    @abstractmethod
    def fit(self, values: Floats, rows: Rows) -> State:
        """Learn from the targets (N, D), which are NaN after the training rows of each series."""

    @abstractmethod
    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Return the transformed targets, (N, D)."""

    @abstractmethod
    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Return forecasts (M, H, D, P) in the units of the ``values`` (N, D) that were transformed."""


class Log(TargetTransform):
    """The natural logarithm: growth by a share becomes growth by a sum.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> Log().transform(np.exp([[0.0], [1.0], [2.0], [3.0]]), rows, {}).ravel().round(12).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """

    positive = True

    def fit(self, values: Floats, rows: Rows) -> State:
        """Learn nothing."""
        return {}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Take the logarithm."""
        return np.log(values)

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Take the exponential."""
        return np.exp(forecast)


class BoxCox(TargetTransform):
    """The power transform (x^p - 1) / p, its power p the likeliest between 0, the logarithm, and 1.

    Negative powers are left out: with them a finite forecast can stand for an infinite value. G. E. P. Box,
    D. R. Cox, "An analysis of transformations", Journal of the Royal Statistical Society B 26 (1964).

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> values = np.array([[1.0], [4.0], [9.0], [16.0]])
    >>> BoxCox().transform(values, rows, {"power": np.array([[0.5]])}).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0]
    """

    state: ClassVar[dict[str, bool]] = {"power": False}
    span = (0.0, 1.0)
    positive = True

    def fit(self, values: Floats, rows: Rows) -> State:
        """Maximise the profile likelihood of the power, series by series and target by target."""
        logs = np.log(values)  # (N, D)
        logs = logs - _statistics(logs, rows.offsets)[0][rows.series]  # the unit decides nothing
        tried = np.stack([_likelihood(logs, rows, np.array(power)) for power in POWERS])  # (powers, S, D)
        best = tried.argmax(axis=0)  # (S, D)
        low, high = (POWERS[np.clip(best + side, 0, len(POWERS) - 1)] for side in (-1, 1))  # (S, D) each
        for _ in range(HALVINGS):
            left, right = low + (high - low) / 3, high - (high - low) / 3  # (S, D) each
            rises = _likelihood(logs, rows, left) < _likelihood(logs, rows, right)  # (S, D)
            low, high = np.where(rises, left, low), np.where(rises, high, right)
        return {"power": (low + high) / 2}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Raise to the power."""
        from scipy.special import boxcox  # here, since the header of a model file is read without it

        return np.asarray(boxcox(values, state["power"][rows.series]))

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Take the root; what lies below the transformed 0 becomes 0."""
        from scipy.special import inv_boxcox

        power = state["power"][ahead.series][:, None, :, None]  # (M, 1, D, 1)
        least = -np.divide(1.0, power, out=np.full_like(power, np.inf), where=power > 0)  # (M, 1, D, 1)
        return np.asarray(inv_boxcox(np.maximum(forecast, least), power))


class Detrend(TargetTransform):
    """The rest after the straight line of least squares through the training rows, which runs on for ever.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> values, line = np.array([[1.0], [3.0], [5.0], [7.0]]), Detrend()
    >>> line.transform(values, rows, line.fit(values, rows)).ravel().tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    state: ClassVar[dict[str, bool]] = {"level": False, "slope": False, "middle": False}

    def fit(self, values: Floats, rows: Rows) -> State:
        """Fit the line to what was observed."""
        series, step = rows.series, np.where(np.isnan(values), np.nan, rows.step[:, None])  # (N, D)
        level, middle = (_statistics(part, rows.offsets)[0] for part in (values, step))  # (S, D) each
        run, rise = step - middle[series], values - level[series]  # (N, D) each
        square, product = (_statistics(part, rows.offsets)[0] for part in (run * run, run * rise))
        slope = np.divide(product, square, out=np.zeros_like(square), where=square > 0)  # (S, D)
        return {"level": level, "slope": slope, "middle": middle}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Subtract the line."""
        return _difference(values, _line(rows.step[:, None], rows.series, state))

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Add the line."""
        line = _line(ahead.step[..., None], ahead.series[:, None], state)  # (M, H, D)
        return forecast + line[..., None]


class Deseasonalize(TargetTransform):
    """The rest after the mean of each row of the season, less that of all.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> values, season = np.array([[1.0], [5.0], [1.0], [5.0]]), Deseasonalize()
    >>> season.transform(values, rows, season.fit(values, rows)).ravel().tolist()
    [3.0, 3.0, 3.0, 3.0]
    """

    state: ClassVar[dict[str, bool]] = {"component": True}
    seasonal = True

    def fit(self, values: Floats, rows: Rows) -> State:
        """Average what was observed in each row of the season; a row never observed deviates by nothing."""
        whole, of_phase, seen = _phase_means(values, rows)
        return {"component": np.where(seen, of_phase - whole[:, None], 0.0)}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Subtract the season."""
        return _difference(values, state["component"][rows.series, rows.phase])

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Add the season."""
        return forecast + state["component"][ahead.series[:, None], ahead.phase][..., None]


class DeseasonalizeMultiplicative(TargetTransform):
    """The rest after division by the share that the mean of each row of the season has of that of all.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> values, season = np.array([[2.0], [6.0], [2.0], [6.0]]), DeseasonalizeMultiplicative()
    >>> season.transform(values, rows, season.fit(values, rows)).ravel().tolist()
    [4.0, 4.0, 4.0, 4.0]
    """

    state: ClassVar[dict[str, bool]] = {"component": True}
    span = (float(np.finfo(np.float64).tiny), np.inf)
    positive = True
    seasonal = True

    def fit(self, values: Floats, rows: Rows) -> State:
        """Average what was observed in each row of the season; a row never observed has share 1."""
        whole, of_phase, seen = _phase_means(values, rows)
        return {"component": np.divide(of_phase, whole[:, None], out=np.ones_like(of_phase), where=seen)}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Divide by the season."""
        return values / state["component"][rows.series, rows.phase]

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Multiply by the season."""
        return forecast * state["component"][ahead.series[:, None], ahead.phase][..., None]


class Difference(TargetTransform):
    """The change from the row before; the first row of a series has none.

    Forecasts are added up from the last value, or where that was not observed from the newest one that was;
    from the mean of the training rows where none was within the memory of the model.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> Difference().transform(np.array([[1.0], [5.0], [2.0], [9.0]]), rows, {}).ravel().tolist()
    [nan, 4.0, -3.0, 7.0]
    """

    state: ClassVar[dict[str, bool]] = {"level": False}
    cumulative = True

    def reach(self, season: int) -> int:
        """Return over how many rows differences are taken."""
        return 1

    def fit(self, values: Floats, rows: Rows) -> State:
        """Learn the mean."""
        return {"level": _statistics(values, rows.offsets)[0]}

    def transform(self, values: Floats, rows: Rows, state: State) -> Floats:
        """Take differences."""
        lag = self.reach(rows.season)
        before = np.full_like(values, np.nan)  # (N, D)
        before[lag:] = values[:-lag]
        within = np.arange(len(values)) - rows.offsets[:-1][rows.series]  # (N,)
        before[within < lag] = np.nan
        return _difference(values, before)

    def inverse(self, forecast: Floats, values: Floats, rows: Rows, ahead: Ahead, state: State) -> Floats:
        """Add up the steps that are a multiple of the lag apart."""
        lag, (origins, horizon) = self.reach(rows.season), forecast.shape[:2]
        base = _last_known(values, rows, ahead, state["level"], lag)  # (M, lag, D)
        cycles = -(-horizon // lag)
        steps = np.zeros((origins, cycles * lag, *forecast.shape[2:]))  # (M, cycles * lag, D, P)
        steps[:, :horizon] = forecast
        sums = steps.reshape(origins, cycles, lag, *forecast.shape[2:]).cumsum(axis=1)
        return np.asarray((base[:, None, ..., None] + sums).reshape(steps.shape)[:, :horizon])


class SeasonalDifference(Difference):
    """The change from the same row of the season before; the rows of the first season have none.

    Examples
    --------
    >>> rows = Rows(np.array([0, 4]), np.arange(4.0), np.array([0, 1, 0, 1]), season=2)
    >>> SeasonalDifference().transform(np.array([[1.0], [5.0], [2.0], [9.0]]), rows, {}).ravel().tolist()
    [nan, nan, 1.0, 4.0]
    """

    seasonal = True

    def reach(self, season: int) -> int:
        """Return over how many rows differences are taken."""
        return season


TRANSFORMS: dict[str, TargetTransform] = {
    "log": Log(),
    "box_cox": BoxCox(),
    "detrend": Detrend(),
    "deseasonalize": Deseasonalize(),
    "deseasonalize_multiplicative": DeseasonalizeMultiplicative(),
    "difference": Difference(),
    "seasonal_difference": SeasonalDifference(),
}
"""Name -> transform of targets."""


def _statistics(values: Floats, offsets: Ints) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of every column of every series, (S, D) each."""
    from timeseries.normalization import segment_statistics  # here, since it brings scikit-learn: see BoxCox

    return segment_statistics(values, offsets)


def _difference(values: Floats, other: Floats) -> Floats:
    """Subtract; what is only the rounding of both is nothing, so that a constant rest is seen to be one."""
    rest = values - other
    return np.where(np.abs(rest) <= ROUNDING * (np.abs(values) + np.abs(other)), 0.0, rest)


def _line(step: Floats, series: Ints, state: State) -> Floats:
    """Return the lines of some series (...,) at steps (..., 1), shape (..., D)."""
    level, slope, middle = (state[name][series] for name in ("level", "slope", "middle"))  # (..., D) each
    line: Floats = level + slope * (step - middle)
    return line


def _phase_means(values: Floats, rows: Rows) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the mean of each series (S, D) and of each row of its season (S, m, D), and which were seen."""
    count, width = len(rows.offsets) - 1, values.shape[1]
    group = rows.series * rows.season + rows.phase  # (N,)
    order = np.argsort(group, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=count * rows.season))])  # (S*m+1,)
    shape = (count, rows.season, width)
    means = _statistics(values[order], offsets)[0].reshape(shape)  # (S, m, D)
    finite = np.where(np.isnan(values), 0.0, 1.0)[order]  # (N, D)
    seen = _statistics(finite, offsets)[0].reshape(shape) > 0  # (S, m, D)
    return _statistics(values, rows.offsets)[0], means, seen


def _likelihood(logs: Floats, rows: Rows, power: Floats) -> Floats:
    """Return the profile log-likelihood per row of a power, (S, D) or one for all, of exp(logs) (N, D).

    The logarithms have mean 0, so that the Jacobian of the transform adds nothing.
    """
    p = np.broadcast_to(power, (len(rows.offsets) - 1, logs.shape[1]))[rows.series]  # (N, D)
    with np.errstate(over="ignore", invalid="ignore"):
        powered = np.expm1(p * logs)  # (N, D)
    transformed = np.where(p > 0, np.divide(powered, p, out=np.zeros_like(logs), where=p > 0), logs)
    return -np.log(_statistics(transformed, rows.offsets)[1])  # (S, D)


def _last_known(values: Floats, rows: Rows, ahead: Ahead, level: Floats, lag: int) -> Floats:
    """Return the values of the last ``lag`` rows up to each origin, (M, lag, D).

    Where one was not observed, the newest before it stands in that is a multiple of the lag older.
    """
    series = rows.series
    within = np.arange(len(values)) - rows.offsets[:-1][series]  # (N,)
    order = np.lexsort((within, within % lag, series))
    seen = np.where(np.isnan(values[order]), -1, np.arange(len(values))[:, None])  # (N, D)
    newest = np.maximum.accumulate(seen, axis=0)  # (N, D) place in the order, possibly of another series
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    wanted = ahead.row[:, None] - lag + 1 + np.arange(lag)  # (M, lag)
    inside = wanted >= rows.offsets[ahead.series][:, None]  # (M, lag)
    found = newest[place[np.maximum(wanted, 0)]]  # (M, lag, D)
    source = order[np.maximum(found, 0)]  # (M, lag, D) rows
    oldest = np.maximum(rows.offsets[ahead.series], ahead.row - ahead.memory + 1)[:, None, None]  # (M, 1, 1)
    same = (wanted[..., None] - source) % lag == 0  # (M, lag, D)
    known = inside[..., None] & (found >= 0) & (source >= oldest) & same
    targets = np.arange(values.shape[1])
    base: Any = np.where(known, values[source, targets], level[ahead.series][:, None])
    return np.asarray(base)
