"""How good the forecasts would have been: rolling origins over anything that forecasts a panel.

Two doors: the forecaster is handed panels that are cut at the origin; the truth is read here, after the
forecast, from the rows it never saw.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries import baselines
from timeseries.errors import DataError, require_known, require_whole
from timeseries.intervals import whole
from timeseries.metrics import (
    EVERYTHING,
    METRICS,
    Cases,
    Groups,
    Metric,
    Score,
    central_intervals,
    evaluate,
    interval_metrics,
    seasonal_scale,
    skill,
)
from timeseries.panel import Panel, in_zone
from timeseries.splits import Origins, rolling_origins, training_rows
from timeseries.tables.alignment import numbered_within, offsets_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
REFERENCE = "seasonal_naive"  # what skill is measured against


class PanelForecaster(Protocol):
    """What a backtest needs of something that was fitted to a panel."""

    @property
    def name(self) -> str:
        """Return its name in tables."""

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Return its quantile levels, None for a point forecast."""

    def forecast(self, panel: Panel, origins: Origins) -> Floats:
        """Forecast from the given origins, each from the rows up to it alone: (M, H, D, P)."""


class Background(NamedTuple):
    """What scores know of rows that are not in the panel; S series, D targets."""

    known: npt.NDArray[np.bool_]  # (S,) whose scales are these; the rows up to their origin give the others
    scale: Floats | None = None  # (S, D) mean absolute seasonal difference of the rows that were fitted on
    square_scale: Floats | None = None  # (S, D) mean squared one
    earlier: baselines.Earlier | None = None  # what baselines know of the rows before those of the panel
    notes: tuple[str, ...] = ()  # what scores rest on where that is not the rows of the fit


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Backtest:
    """Forecasts, baselines and the truth, origin by origin.

    M counts pairs of series and origin, H steps, D targets, P numbers per target.
    """

    model: str
    ids: tuple[Hashable, ...]  # (M,) the series of each pair
    targets: tuple[str, ...]  # D
    cutoff: npt.NDArray[Any]  # (M,) the stamp of each origin
    time: npt.NDArray[Any]  # (M, H)
    truth: Floats  # (M, H, D), NaN where nothing was observed
    forecast: Floats  # (M, H, D, P)
    levels: tuple[float, ...] | None  # P quantile levels, None for a point
    baselines: dict[str, Floats]  # (M, H, D) each
    scale: Floats  # (M, D) mean absolute seasonal difference of the training rows, for MASE
    zone: str | None  # in which stamps are shown; those above are in UTC then
    square_scale: Floats  # (M, D) mean squared seasonal difference of the training rows, for RMSSE
    integer: bool = False  # the forecasts of the model are whole numbers
    what: str = "Backtest"  # how it is headed
    columns: tuple[Hashable, Hashable] = ("unique_id", "ds")  # what the table calls series and stamps
    notes: tuple[str, ...] = ()  # from which rows scales and baselines are, where not from those of the fit

    def __repr__(self) -> str:
        horizon = self.truth.shape[1]
        parts = [
            f"{self.what} of {self.model}, {len(self.truth)} forecasts of {horizon} steps:",
            self._printed(),
        ]
        if self.levels is not None:
            parts.append(self.coverage().to_string(float_format="{:.4g}".format, na_rep="undefined"))
        said = dict.fromkeys((metric, reason) for (_, metric), reason in self.reasons.items())
        remarks = [f"{metric} is undefined: {reason}." for metric, reason in said] + list(self.notes)
        return "\n\n".join([*parts, *(["\n".join(remarks)] if remarks else [])])

    def _printed(self) -> str:
        """Return the table as text, a column per contender: no column is ever cut where it is printed."""
        cells = {
            name: {
                metric: f"{x.value:.4g}"
                if x.value is not None
                else "undefined"
                if (name, metric) in self.reasons
                else "-"
                for metric, x in row.items()
            }
            for name, row in self._scores.items()
        }
        return pd.DataFrame(cells).to_string()

    @property
    def point(self) -> Floats:
        """Return the median of a quantile forecast, else the mean, (M, H, D)."""
        return self.forecast[..., 0 if self.levels is None else self.levels.index(0.5)]

    @property
    def forecasts(self) -> dict[str, Floats]:
        """Return the point forecasts of the model and of every baseline, (M, H, D) each."""
        return {self.model: self.point} | self.baselines

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Return every metric that these forecasts can be scored with; quantiles and intervals last."""
        known = {
            name: metric for name, metric in METRICS.items() if self.levels or metric.needs != "quantiles"
        }
        return known | interval_metrics(self.levels or ())

    def table(self) -> pd.DataFrame:
        """Score the model beside the baselines, over all windows, steps and targets.

        Returns
        -------
        DataFrame
            One row per contender; the columns are `timeseries.metrics.METRICS` (``pinball`` for quantile
            forecasts alone), in the user's units, ``skill``: 1 - MAE / MAE of the seasonal naive forecast
            (positive is better than it), and the share of truths within each interval, such as
            ``coverage_80``; baselines have none. NaN is undefined: `reasons` says why. `notes` are in its
            ``attrs``. What ``print`` shows of the backtest itself is the same, turned on its side.
        """
        rows = {name: {metric: x.value for metric, x in row.items()} for name, row in self._scores.items()}
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("forecast").astype(float)
        table.attrs["notes"] = list(self.notes)
        return table

    @property
    def reasons(self) -> dict[tuple[str, str], str]:
        """Return why a number of the table is undefined, by contender and metric.

        Baselines have no quantiles; that is not repeated here.
        """
        return {
            (name, metric): x.reason
            for name, row in self._scores.items()
            for metric, x in row.items()
            if x.reason is not None
            and (name == self.model or metric == "skill" or self.metrics[metric].needs != "quantiles")
        }

    def scores(self, metric: str, groups: Groups = EVERYTHING) -> dict[str, list[Score]]:
        """Score every contender that has what the metric needs, with the reason where that is undefined.

        Parameters
        ----------
        metric : str
            One of `metrics`.
        groups : Groups
            Which values are scored together; all when absent.

        Returns
        -------
        dict
            By contender, one score per group: series by series, then step by step.

        Raises
        ------
        SettingError
            If there is no such metric.
        """
        require_known("metric", metric, self.metrics)
        chosen = self.metrics[metric]
        return {
            name: [score for row in evaluate(chosen, cases, groups) for score in row]
            for name, cases in self._cases.items()
            if chosen.needs != "quantiles" or cases.quantiles is not None
        }

    def by_step(self, metric: str = "mae") -> pd.DataFrame:
        """Score every contender step by step.

        Parameters
        ----------
        metric : str
            A column of the table but ``skill``, or one of an interval, such as ``coverage_80``.

        Returns
        -------
        DataFrame
            One row per step (1 ... H), one column per contender; the model's alone for metrics of quantiles
            and intervals. NaN where it is undefined.
        """
        steps = pd.RangeIndex(1, self.truth.shape[1] + 1, name="step")
        return pd.DataFrame(_values(self.scores(metric, Groups(steps=True))), index=steps)

    def by_series(self, metric: str = "mae") -> pd.DataFrame:
        """Score every contender series by series, and target by target where there are several.

        Parameters
        ----------
        metric : str
            As in `by_step`.

        Returns
        -------
        DataFrame
            One row per series, or per series and target, in the order of the table; columns as in `by_step`.
        """
        names = list(dict.fromkeys(self.ids))  # S
        numbers = {name: i for i, name in enumerate(names)}
        targets = len(self.targets)
        code = np.array([numbers[name] for name in self.ids], dtype=np.int64)  # (M,)
        groups = Groups(series=code[:, None] * targets + np.arange(targets))  # (M, D)
        index: pd.Index[Any] = pd.Index(names, name="unique_id", tupleize_cols=False)
        if targets > 1:
            index = pd.MultiIndex.from_product([index, self.targets], names=["unique_id", "target"])
        return pd.DataFrame(_values(self.scores(metric, groups)), index=index)

    def coverage(self) -> pd.DataFrame:
        """Hold every central interval of the model against the truth, over all windows, steps and targets.

        Returns
        -------
        DataFrame
            One row per interval, the narrowest first: its ``nominal`` share, the share of truths ``observed``
            within, ``mean_width`` and ``interval_score`` (lower is better) in the user's units. Empty for a
            point forecast. ``by_step("coverage_80")`` tells the steps of the 80 % interval apart.
        """
        kinds = {"observed": "coverage", "mean_width": "width", "interval_score": "interval_score"}
        intervals = central_intervals(self.levels or ())
        columns = {"nominal": [interval.nominal for interval in intervals]} | {
            column: [self.scores(f"{kind}_{interval.name}")[self.model][0].value for interval in intervals]
            for column, kind in kinds.items()
        }
        names = pd.Index([f"{interval.name} %" for interval in intervals], name="interval", dtype=object)
        return pd.DataFrame(columns, index=names).astype(float)

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as plain data that JSON can hold: null where one is undefined, and the reasons.

        ``scores`` is the table, and ``undefined`` says why a number of it is null; ``by_step`` and
        ``by_series`` hold the MAE, null where nothing was observed; ``intervals`` is the coverage; ``notes``
        say what scores rest on where that is not the rows of the fit.
        """
        return {
            "model": self.model,
            "forecasts": len(self.truth),
            "horizon": self.truth.shape[1],
            "targets": list(self.targets),
            "first_cutoff": _plain(in_zone(np.array([self.cutoff.min()]), self.zone)[0]),
            "last_cutoff": _plain(self.cutoff.max()),
            "scores": _records(self.table().reset_index()),
            "undefined": [
                {"forecast": name, "metric": metric, "reason": reason}
                for (name, metric), reason in self.reasons.items()
            ],
            "by_step": _records(self.by_step().reset_index()),
            "by_series": _records(self.by_series().reset_index()),
            "intervals": _records(self.coverage().reset_index()),
            "notes": list(self.notes),
        }

    def frame(self) -> pd.DataFrame:
        """Return every forecast beside its truth: one row per series, origin, step and target.

        Series and stamps are in columns of the names that the table gives them, unless these are taken.
        """
        pairs, horizon, targets = self.truth.shape
        each = horizon * targets  # rows of one pair
        columns: dict[Hashable, Any] = {
            "unique_id": np.repeat(np.array(self.ids, dtype=object), each),
            "cutoff": in_zone(np.repeat(self.cutoff, each), self.zone),
            "ds": in_zone(np.repeat(self.time.ravel(), targets), self.zone),
            "target": np.tile(np.array(self.targets, dtype=object), pairs * horizon),
            "truth": whole(self.truth.ravel(), integer=self.integer),
        }
        columns |= {name: forecast.ravel() for name, forecast in self.forecasts.items()}
        columns[self.model] = whole(self.point.ravel(), integer=self.integer)
        for i, level in enumerate(self.levels or ()):
            numbers = self.forecast[..., i].ravel()
            columns[f"{self.model}_q{level:g}"] = whole(numbers, integer=self.integer)
        own = dict(zip(("unique_id", "ds"), self.columns, strict=True))
        renamed = {ours: theirs for ours, theirs in own.items() if theirs not in columns}
        return pd.DataFrame(columns).rename(columns=renamed)

    @cached_property
    def _cases(self) -> dict[str, Cases]:
        """Return what each contender is scored by; baselines have no quantiles."""
        given: dict[str, Any] = {
            "truth": self.truth,
            "scale": self.scale,
            "square_scale": self.square_scale,
        }
        quantiles = None if self.levels is None else self.forecast
        model = Cases(point=self.point, quantiles=quantiles, levels=self.levels or (), **given)
        return {self.model: model} | {name: Cases(point=x, **given) for name, x in self.baselines.items()}

    @cached_property
    def _scores(self) -> dict[str, dict[str, Score]]:
        """Return the table, with reasons."""
        covered = [f"coverage_{interval.name}" for interval in central_intervals(self.levels or ())]
        shown = [name for name in self.metrics if name in METRICS or name in covered]
        rows = {
            name: {metric: evaluate(self.metrics[metric], cases)[0][0] for metric in shown}
            for name, cases in self._cases.items()
        }
        for row in rows.values():
            row["skill"] = skill(row["mae"], rows[REFERENCE]["mae"])
            for name in covered:
                row[name] = row.pop(name)
        return rows


def backtest(
    fit: Callable[[Panel], PanelForecaster],
    panel: Panel,
    *,
    horizon: int,
    windows: int = 5,
    step: int | None = None,
    gap: int = 0,
    refit: bool = False,
    on_round: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Forecast the last part of a panel from several origins, and hold the forecasts against it.

    Parameters
    ----------
    fit : callable
        Fits a fresh forecaster to the panel it is given.
    panel : Panel
        All rows, the truth included.
    horizon : int
        Steps of each forecast.
    windows : int
        Origins per series. The last one leaves exactly ``horizon`` rows.
    step : int, optional
        Rows between origins; ``horizon`` when absent, so that the forecasts do not overlap.
    gap : int
        Rows before each origin that are not fitted on.
    refit : bool
        Fit anew for every origin, instead of once before the first.
    on_round : callable, optional
        Called before each fit with its number, from 1, and how many there will be.

    Returns
    -------
    Backtest
    """
    origins = rolling_origins(
        panel.offsets, horizon, windows, horizon if step is None else step, gap, names=panel.ids
    )
    rounds = [origins.window == w for w in range(windows)] if refit else [np.ones(len(origins.row), bool)]
    forecasts = []
    for number, chosen in enumerate(rounds, start=1):
        if on_round is not None:
            on_round(number, len(rounds))
        part = Origins(origins.series[chosen], origins.row[chosen], origins.window[chosen])
        fitted = fit(panel.until(training_rows(panel.offsets, part, gap)))
        forecasts.append(_forecast(fitted, panel, part))  # (M of this round, H, D, P)
    order = np.concatenate([np.flatnonzero(chosen) for chosen in rounds])  # (M,)
    forecast = np.concatenate(forecasts)[np.argsort(order)]  # (M, H, D, P)
    return _collect(panel, origins, fitted, forecast, horizon, training_rows(panel.offsets, origins, gap))


def evaluate_fitted(
    fitted: PanelForecaster,
    panel: Panel,
    first: npt.ArrayLike,
    *,
    horizon: int,
    step: int | None = None,
    background: Background | None = None,
) -> Backtest:
    """Score a forecaster that is already fitted, on all origins from given rows on.

    Parameters
    ----------
    fitted : PanelForecaster
        What is scored; it is not fitted again.
    panel : Panel
        All rows, the truth included.
    first : array-like of shape (S,)
        Row of the first origin of each series, from 0: the last row of those that were fitted on. The rows up
        to it are the training rows of scaled errors.
    horizon : int
        Steps of each forecast.
    step : int, optional
        Rows between origins; ``horizon`` when absent.
    background : Background, optional
        What is known of rows that the panel lacks; nothing when absent.

    Returns
    -------
    Backtest
        A series that has fewer than ``horizon`` rows after its first origin is not part of it.

    Raises
    ------
    SettingError
        If ``horizon`` or ``step`` is not a positive whole number.
    DataError
        If ``first`` does not name a row of each series, or no series has ``horizon`` rows after it.
    """
    step = horizon if step is None else step
    require_whole(horizon=(horizon, 1), step=(step, 1))
    first = np.asarray(first)
    if first.shape != panel.lengths.shape or ((first < 0) | (first >= panel.lengths)).any():
        raise DataError(
            f"first must hold a row of each of the {panel.num_series} series, from 0 to its length - 1, got "
            f"shape {first.shape}. Count rows from the start of each series."
        )
    windows = np.maximum((panel.lengths - first - 1 - horizon) // step + 1, 0)  # (S,)
    if not windows.any():
        raise DataError(
            f"No series has horizon = {horizon} rows after its first origin: there is nothing to score. "
            "Pass more rows, or lower the horizon."
        )
    window = numbered_within(offsets_of(windows))  # (M,)
    series = np.repeat(np.arange(panel.num_series), windows)  # (M,)
    origins = Origins(series, panel.offsets[series] + first[series] + window * step, window)
    return _collect(panel, origins, fitted, _forecast(fitted, panel, origins), horizon, first + 1, background)


def _forecast(forecaster: PanelForecaster, panel: Panel, origins: Origins) -> Floats:
    """Hand the forecaster the rows up to the last of these origins, and no others."""
    rows = np.ones(len(panel.ids), dtype=np.int64)  # (S,)
    within = origins.row - panel.offsets[origins.series]  # (M,) rows counted from the series' start
    np.maximum.at(rows, origins.series, within + 1)
    past = panel.until(rows)
    return forecaster.forecast(
        past, Origins(origins.series, within + past.offsets[origins.series], origins.window)
    )


def _collect(
    panel: Panel,
    origins: Origins,
    fitted: PanelForecaster,
    forecasts: Floats,
    horizon: int,
    train_rows: Integers,
    background: Background | None = None,
) -> Backtest:
    """Read the truth, and what the baselines would have said.

    ``train_rows`` (S,) give the scales where the background does not.
    """
    background = Background(np.zeros(panel.num_series, dtype=bool)) if background is None else background
    values = panel.values[:, : len(panel.targets)]  # (N, D)
    season = panel.season_length
    future = origins.row[:, None] + np.arange(1, horizon + 1)  # (M, H)
    truth = values[future]  # (M, H, D)
    if not np.isfinite(truth).any():
        raise DataError(
            "There is nothing to score: no value was observed in any of the windows. "
            "Drop the empty rows at the end of the table, or use more windows."
        )
    scale, square_scale = (
        _scales(seasonal_scale(values, panel.offsets, train_rows, season, power), background.known, kept)
        for power, kept in ((1, background.scale), (2, background.square_scale))
    )  # (S, D) each
    given = values, panel.offsets, origins.row, horizon
    return Backtest(
        model=fitted.name,
        ids=tuple(panel.ids[s] for s in origins.series.tolist()),
        targets=panel.targets,
        cutoff=panel.time[origins.row],
        time=panel.time[future],
        zone=panel.zone,
        truth=truth,
        forecast=forecasts,
        levels=fitted.levels,
        baselines={
            REFERENCE: baselines.seasonal_naive(*given, season, panel.season_clock),
            "last_value": baselines.last_value(*given),
            "drift": baselines.drift(*given, background.earlier),
            "mean": baselines.mean(*given, background.earlier),
        },
        scale=scale[origins.series],
        square_scale=square_scale[origins.series],
        columns=(panel.layout.id, panel.layout.time),
        notes=background.notes,
    )


def _scales(own: Floats, known: npt.NDArray[np.bool_], kept: Floats | None) -> Floats:
    """Return the scales (S, D) of the fit where they are known, else those of the rows at hand."""
    return own if kept is None else np.where(known[:, None], kept, own)


def _values(scores: dict[str, list[Score]]) -> dict[str, list[float]]:
    """Return numbers for a table, NaN where a score is undefined."""
    return {name: [np.nan if x.value is None else x.value for x in row] for name, row in scores.items()}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON can hold it: one mapping per row, None for NaN."""
    return [
        {str(name): _plain(value) for name, value in zip(table, row, strict=True)}
        for row in table.itertuples(index=False, name=None)
    ]


def _plain(value: Any) -> Any:
    """Return a number, a text or a stamp as JSON can hold it."""
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (np.datetime64, pd.Timestamp)):
        return pd.Timestamp(value).isoformat()
    return value if isinstance(value, (int, str)) else str(value)
