"""What fitting a panel leaves behind: everything that a forecast needs."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from timeseries.deeplearning.engine import ROUNDING, Floats, fit_scaling, forecast, refuse_not_finite
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.history import EpochRecord
from timeseries.deeplearning.models import WindowRegressor
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.errors import IN_PYTHON, DataError, SettingError, require_switch, shown
from timeseries.in_sample import InSample
from timeseries.intervals import Calibration, restrict
from timeseries.panel import Panel, TableLayout
from timeseries.segments import pieces
from timeseries.splits import Origins
from timeseries.tables.layout import plain
from timeseries.transformed import (
    NO_TRANSFORMS,
    FittedTransforms,
    TransformedPanel,
    fit_transforms,
    rows_lost,
)
from timeseries.windows import Ints

FAR = 20.0  # standard deviations from what was fitted, beyond which a value deserves a warning


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is asked of every forecast, beyond the network's own numbers."""

    levels: tuple[float, ...] | None = None
    """Quantile levels to calibrate on held-out origins, .5 among them; None: the network's own."""
    lower: float | None = None
    """Smallest value there can be, in the user's units."""
    upper: float | None = None
    """Largest value there can be."""
    integer: bool = False
    """Only whole numbers make sense."""

    def check(self) -> None:
        """Refuse bounds that are no numbers, or that nothing lies between."""
        bounds: dict[str, Any] = {"lower": self.lower, "upper": self.upper}
        for name, bound in bounds.items():
            if bound is not None and not (isinstance(bound, Real) and _within(bound)):
                raise SettingError(
                    f"{name} must be a number in the user's units, or None, got {shown(bound)}."
                )
        require_switch(integer=self.integer)
        restrict(np.zeros(1), None, lower=self.lower, upper=self.upper, integer=self.integer)


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedForecaster:
    """A fitted network with the scaling of every series and the rows that the next forecast starts from."""

    model: WindowRegressor
    network: ForecastNetwork
    sizes: Sizes
    scaling: Scaling
    static_scaling: Affine  # (1, Q)
    tail: Panel  # the last rows of every series, as many as the network sees
    ends: npt.NDArray[Any]  # (S,) the last stamp of every series that was fitted or updated with
    history: list[EpochRecord]
    answers: Answers = Answers()
    calibration: Calibration | None = None
    in_sample: InSample | None = None  # None: the file that it was loaded from does not keep it
    transforms: FittedTransforms = NO_TRANSFORMS  # of the targets, before they are scaled

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.title

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Return the quantile levels, None for a point forecast."""
        if self.calibration is not None:
            return tuple(self.calibration.levels.tolist())
        return None if self.model.quantiles is None else tuple(self.model.quantiles)

    @property
    def layout(self) -> TableLayout:
        """Return the layout that further tables must have: what was found at fit is now demanded."""
        layout = replace(self.tail.layout, freq=self.tail.frequency.step)
        return replace(layout, target=self.tail.targets) if self.tail.shape == "joint" else layout

    @property
    def memory(self) -> int:
        """Return how many rows up to an origin a forecast is made from."""
        return memory_of(self.model, self.transforms.names, self.tail)

    def place_of(self, panel: Panel) -> Ints:
        """Return which of the fitted series each one of a panel is, (S,); -1: never seen."""
        place = {name: i for i, name in enumerate(self.tail.ids)}
        return np.array([place.get(name, -1) for name in panel.ids])

    def warn_if_short(self, panel: Panel) -> None:
        """Say so when a history has fewer rows than any that the network was fitted to."""
        enough = int(self.tail.lengths.min(initial=self.memory))
        short = np.flatnonzero(panel.lengths < enough)
        if len(short):
            warnings.warn(
                f"{len(short)} of {len(panel.ids)} histories have fewer rows than the network was fitted to "
                f"({enough}), the first is {panel.ids[short[0]]!r} with {panel.lengths[short[0]]}. They are "
                "padded; trust their forecasts less.",
                stacklevel=3,
            )

    def warn_if_far(self, panel: Panel) -> None:
        """Say so when a column lies far from what was fitted: another unit, or another world."""
        fitted = self.place_of(panel)  # (S,) -1: scaled anew
        seen = self.as_seen(panel, panel.lengths)
        context, series = self.model.sequence_length, fitted[fitted >= 0]  # (S',)
        recent, told = (
            part.tail(context).only(fitted >= 0)
            for part in (seen.panel, panel.after(np.full_like(panel.lengths, seen.lost)))
        )  # the same rows, transformed and as they are told of
        names = [*panel.targets, *panel.past]
        rows = np.repeat(series, recent.lengths)  # (N,)
        found = _far(recent.values, rows, self.scaling.values, names, told.values)
        if self.scaling.known is not None:
            rows = np.repeat(series, np.diff(recent.known_offsets))  # (M,)
            found += _far(recent.known, rows, self.scaling.known, panel.future, recent.known)
        if not found:
            return
        s, column, value, distance = found[0]
        name = self.tail.ids[s]
        more = f" ({len(found)} such values in all)" if len(found) > 1 else ""
        warnings.warn(
            f"Column {column!r} of series {name!r} holds {value:g}, {distance:.3g} standard deviations off "
            f"the rows that the model was fitted to{more}. Check its unit and what it holds, or fit again; "
            "trust this forecast less.",
            stacklevel=3,
        )

    def forecast(self, panel: Panel, origins: Origins) -> Floats:
        """Forecast from the given origins of a panel, each from the rows up to it alone.

        Returns
        -------
        array of shape (M, H, D, Q)
            In the user's units; one number per level, in increasing order.
        """
        check_same_columns(self.tail, panel)
        _check_future(panel, origins, self.model.horizon)
        past = panel.lengths  # (S,)
        np.minimum.at(past, origins.series, origins.row - panel.offsets[origins.series] + 1)
        seen = self.as_seen(panel, past)
        gather, scaling = self.gather(seen, past)
        targets = self.targets_of(scaling)
        places = replace(origins, row=seen.places(origins.series, origins.row))
        at_once = None if self.transforms.adds_up else self.calibration
        answer = forecast(self.network, gather, targets, places.series, places.row, at_once)  # (M, H, D, Q)
        context = self.model.sequence_length
        still = never_moved(seen.panel, targets, places, context)[:, None, :, None]  # (M, 1, D, 1)
        answer = np.where(still, targets.center[origins.series][:, None, :, None], answer)
        if self.transforms.adds_up:
            answer = self._calibrated_sums(seen.added_up(answer, origins), targets, origins, still)
        return self._answer(seen.restored(answer, origins), answer, seen, origins)

    def gather(self, seen: TransformedPanel, past: Ints) -> tuple[ResidentGather, Scaling]:
        """Return what cuts windows out of a panel, and how each series is scaled.

        A new one is scaled by its own first ``past`` (S,) rows.
        """
        table = series_table(seen.panel, self.static_scaling)
        scaling = self.scaling_of(seen.panel, table, past - seen.lost)
        # Anchored at the centres: no row outside the windows can move a forecast, not even by rounding.
        context, device = self.model.sequence_length, self.model.device
        buffers = Buffers(table, context=context, device=device, anchors=scaling)
        return ResidentGather(buffers, scaling, horizon=self.model.horizon), scaling

    def targets_of(self, scaling: Scaling) -> Affine:
        """Return centre and scale of the targets of each series, (S, D) each."""
        return Affine(*(part[:, : len(self.tail.targets)] for part in scaling.values))

    def _calibrated_sums(
        self, sums: Floats, targets: Affine, origins: Origins, still: npt.NDArray[np.bool_]
    ) -> Floats:
        """Return calibrated quantiles of sums of differences, (M, H, D, P) to (M, H, D, Q).

        They are calibrated after the summation, since the sum of quantiles is not the quantile of the sum.
        What never moved, (M, 1, D, 1), gets no interval.
        """
        if self.calibration is None:
            return sums
        unit = targets.scale[origins.series][:, None, :, None]  # (M, 1, D, 1)
        return np.where(still, sums[..., :1], self.calibration.apply(sums / unit) * unit)

    def _answer(self, answer: Floats, before: Floats, seen: TransformedPanel, origins: Origins) -> Floats:
        """Return what is told of forecasts (M, H, D, Q) in the user's units, which were finite ``before``."""
        panel = seen.original
        refuse_not_finite(
            answer, before, panel.ids, origins.series, origins.row - panel.offsets[origins.series]
        )
        asked = self.answers
        return restrict(answer, self.levels, lower=asked.lower, upper=asked.upper, integer=asked.integer)

    def as_seen(self, panel: Panel, rows: Ints) -> TransformedPanel:
        """Return a panel as the network sees it; a new series is transformed by its first ``rows`` (S,)."""
        transforms = self.transforms
        if transforms.names and panel.ids != self.tail.ids:
            own = fit_transforms(transforms.names, panel, rows)
            transforms = transforms.merged(self.place_of(panel), own)
        return transforms.apply(panel, self.memory)

    def scaling_of(self, panel: Panel, table: SeriesTable, rows: Ints) -> Scaling:
        """Return the fitted scaling of each series; a new one is scaled by its own first ``rows`` (S,)."""
        if panel.ids == self.tail.ids:
            return self.scaling
        fitted = self.place_of(panel)  # (S,)
        own = fit_scaling(table, rows)
        merged = [
            None if mine is None or theirs is None else Affine(*map(_choose(fitted), mine, theirs))
            for mine, theirs in zip(own, self.scaling, strict=True)
        ]
        return Scaling(cast("Affine", merged[0]), merged[1])


def _within(bound: Any) -> bool:
    """Tell whether a number of any size is one that float64 can hold."""
    try:
        return math.isfinite(bound)
    except OverflowError:
        return False


def _far(
    values: Floats, series: Ints, fitted: Affine, names: Sequence[str], told: Floats
) -> list[tuple[int, str, float, float]]:
    """Return series, column, value and distance of what lies far from what was fitted.

    ``values`` are (N, C), ``series`` (N,) says which row of the affine they belong to; the value is that of
    ``told`` (N, C).
    """
    with np.errstate(over="ignore"):  # a distance beyond the largest float is far, too
        distance = np.abs(values - fitted.center[series]) / fitted.scale[series]  # (N, C), NaN unobserved
    return [
        (int(series[row]), names[column], float(told[row, column]), float(distance[row, column]))
        for row, column in np.argwhere(distance > FAR).tolist()
    ]


def was_constant(scale: Affine) -> npt.NDArray[np.bool_]:
    """Say which columns (S, C) have the scale that is given to a series without spread."""
    least = np.maximum(1.0, ROUNDING * np.abs(scale.center))  # (S, C)
    constant: npt.NDArray[np.bool_] = scale.scale == least  # (S, C)
    return constant


def has_moved(values: Floats, center: Floats) -> npt.NDArray[np.bool_]:
    """Say which values differ from a constant by more than rounding; none that was not observed does."""
    moved: npt.NDArray[np.bool_] = np.abs(values - center) > ROUNDING * np.abs(center)
    return moved


def never_moved(panel: Panel, scale: Affine, origins: Origins, context: int) -> npt.NDArray[np.bool_]:
    """Say which targets were constant where they were fitted, and in the window before an origin, (M, D).

    There is nothing to learn from them: their forecast is that constant, without an interval.
    """
    flat = was_constant(scale)[origins.series]  # (M, D)
    if not flat.any():
        return flat
    values = panel.values[:, : flat.shape[1]]  # (N, D)
    moved = has_moved(values, np.repeat(scale.center, panel.lengths, axis=0))  # (N, D)
    count = np.concatenate([np.zeros_like(moved[:1], dtype=np.int64), np.cumsum(moved, axis=0)])  # (N+1, D)
    first = np.maximum(origins.row - context + 1, panel.offsets[origins.series])  # (M,)
    still: npt.NDArray[np.bool_] = count[origins.row + 1] == count[first]  # (M, D)
    return flat & still


def _choose(fitted: Ints) -> Callable[[Floats, Floats], Floats]:
    """Return a function that takes rows of ``theirs`` where a series was fitted, else of ``mine``."""
    return lambda mine, theirs: np.where((fitted >= 0)[:, None], theirs[fitted], mine)


def memory_of(model: WindowRegressor, names: Sequence[str], panel: Panel) -> int:
    """Return how many rows a model sees up to an origin: its window, and what transforms take before it."""
    return model.sequence_length + rows_lost(names, panel.season_length)


def last_origins(panel: Panel) -> Origins:
    """Return the last row of every series as an origin."""
    series = np.arange(len(panel.ids))
    return Origins(series, panel.offsets[1:] - 1, np.zeros_like(series))


def series_table(panel: Panel, static_scaling: Affine) -> SeriesTable:
    """Return a panel's numbers as the gather wants them; static features are scaled here."""
    static = (panel.static - static_scaling.center) / static_scaling.scale  # (S, Q)
    return SeriesTable(
        names=panel.ids,
        offsets=panel.offsets,
        values=panel.values,
        inputs=slice(0, panel.values.shape[1]),
        targets=slice(0, len(panel.targets)),
        lead=1,  # the forecast begins one step after the origin
        time_gap=_time_gap(panel) if panel.has_missing else None,
        known=panel.known if panel.future else None,
        known_offsets=panel.known_offsets if panel.future else None,
        static=static if panel.static_names else None,
    )


def _time_gap(panel: Panel) -> npt.NDArray[np.float32]:
    """Return the rows since the last row before with any observed value, (N,); 1 on a complete grid."""
    gap = np.empty(len(panel.values), dtype=np.float32)
    last = -1  # the last observed row before the piece
    for piece in pieces(panel.offsets[:-1], panel.lengths):
        rows = np.arange(piece.place.start, piece.place.stop)  # (n,)
        seen = np.where(np.isfinite(panel.values[piece.rows]).any(axis=1), rows, -1)  # (n,)
        upto = np.maximum.accumulate(np.concatenate([[last], seen]))  # (n+1,) the last one before each row
        first = piece.spread(panel.offsets[piece.series])  # (n,) the first row of its series
        gap[piece.place] = rows - np.maximum(upto[:-1], first - 1)
        last = upto[-1]
    return gap


def _in_zone(zone: str | None) -> str:
    return "without time zone" if zone is None else f"in {zone}"


def check_same_columns(fitted: Panel, panel: Panel) -> None:
    """Refuse a panel whose columns are not those that the model was fitted with."""
    if fitted.shape != panel.shape:
        raise DataError(
            f"The model was fitted to a {fitted.shape} table, but this one is {panel.shape} (long: a column "
            f"{fitted.layout.id!r} names the series; wide: a column per series; joint: one series). "
            "Bring it into the shape of the fitted table."
        )
    if fitted.zone != panel.zone:
        raise DataError(
            f"The model was fitted to stamps {_in_zone(fitted.zone)}, but got stamps {_in_zone(panel.zone)}. "
            "Bring them into the same zone.\n"
            f"{IN_PYTHON}frame[{fitted.layout.time!r}].dt.tz_convert({fitted.zone!r}), or tz_localize"
        )
    for role, known, given in (
        ("targets", fitted.targets, panel.targets),
        ("past covariates", fitted.past, panel.past),
        ("future covariates", fitted.future, panel.future),
        ("static features", fitted.static_names, panel.static_names),
    ):
        if known != given:
            raise DataError(f"The model was fitted with the {role} {list(known)}, but got {list(given)}.")


def _check_future(panel: Panel, origins: Origins, horizon: int) -> None:
    """Refuse origins whose future covariates end before their horizon does."""
    if not panel.future:
        return
    needed = origins.row - panel.offsets[origins.series] + 1 + horizon  # (M,) rows from the series' start
    given = np.diff(panel.known_offsets)[origins.series]  # (M,)
    short = np.flatnonzero(given < needed)
    if len(short):
        s = int(origins.series[short[0]])
        raise DataError(
            f"Series {panel.ids[s]!r}: the covariates {', '.join(panel.future)} end "
            f"{int(needed[short[0]] - given[short[0]])} steps too early. A forecast of {horizon} steps needs "
            f"them up to {plain(panel.future_times(horizon)[s, -1])}: pass these rows, predict(future=...)."
        )
