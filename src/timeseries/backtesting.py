"""How good the forecasts would have been: rolling origins over anything that forecasts a panel.

Two doors: the forecaster is handed panels that are cut at the origin; the truth is read here, after the
forecast, from the rows it never saw.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries import baselines, metrics
from timeseries.errors import DataError, unknown_name
from timeseries.panel import Panel
from timeseries.splits import Origins, rolling_origins, training_rows

Floats = npt.NDArray[np.float64]
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

    def __repr__(self) -> str:
        return f"Backtest of {self.model}, {len(self.truth)} forecasts:\n{self.table().to_string()}"

    @property
    def point(self) -> Floats:
        """Return the median of a quantile forecast, else the mean, (M, H, D)."""
        return self.forecast[..., 0 if self.levels is None else self.levels.index(0.5)]

    @property
    def forecasts(self) -> dict[str, Floats]:
        """Return the point forecasts of the model and of every baseline, (M, H, D) each."""
        return {self.model: self.point} | self.baselines

    def table(self) -> pd.DataFrame:
        """Score the model beside the baselines, over all windows, steps and targets.

        Returns
        -------
        DataFrame
            One row per contender; ``mae``, ``mse``, ``rmse``, ``mase`` in the user's units, and ``skill``:
            1 - MAE / MAE of the seasonal naive forecast (positive is better than it).
        """
        reference = metrics.mae(self.truth, self.baselines[REFERENCE])
        rows = {}
        for name, forecast in self.forecasts.items():
            row = {metric: score(self.truth, forecast) for metric, score in metrics.METRICS.items()}
            row["mase"] = metrics.mase(self.truth, forecast, self.scale)
            row["skill"] = metrics.skill(row["mae"], reference)
            rows[name] = row
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("forecast").astype(float)

    def by_step(self, metric: str = "mae") -> pd.DataFrame:
        """Score every contender step by step: one row per step (1 ... H), one column per contender."""
        if metric not in metrics.METRICS:
            raise unknown_name("metric", metric, metrics.METRICS)
        score = metrics.METRICS[metric]
        columns = {
            name: metrics.by_step(score, self.truth, forecast) for name, forecast in self.forecasts.items()
        }
        steps = pd.RangeIndex(1, self.truth.shape[1] + 1, name="step")
        return pd.DataFrame(columns, index=steps).astype(float)

    def frame(self) -> pd.DataFrame:
        """Return every forecast beside its truth: one row per series, origin, step and target."""
        pairs, horizon, targets = self.truth.shape
        each = horizon * targets  # rows of one pair
        columns: dict[str, Any] = {
            "unique_id": np.repeat(np.array(self.ids, dtype=object), each),
            "cutoff": np.repeat(self.cutoff, each),
            "ds": np.repeat(self.time.ravel(), targets),
            "target": np.tile(np.array(self.targets, dtype=object), pairs * horizon),
            "truth": self.truth.ravel(),
        }
        columns |= {name: forecast.ravel() for name, forecast in self.forecasts.items()}
        for i, level in enumerate(self.levels or ()):
            columns[f"{self.model}_q{level:g}"] = self.forecast[..., i].ravel()
        return pd.DataFrame(columns)


def backtest(
    fit: Callable[[Panel], PanelForecaster],
    panel: Panel,
    *,
    horizon: int,
    windows: int = 5,
    step: int | None = None,
    gap: int = 0,
    refit: bool = False,
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

    Returns
    -------
    Backtest
    """
    origins = rolling_origins(
        panel.offsets, horizon, windows, horizon if step is None else step, gap, names=panel.ids
    )
    rounds = [origins.window == w for w in range(windows)] if refit else [np.ones(len(origins.row), bool)]
    forecasts = []
    for chosen in rounds:
        part = Origins(origins.series[chosen], origins.row[chosen], origins.window[chosen])
        fitted = fit(panel.until(training_rows(panel.offsets, part, gap)))
        forecasts.append(_forecast(fitted, panel, part))  # (M of this round, H, D, P)
    order = np.concatenate([np.flatnonzero(chosen) for chosen in rounds])  # (M,)
    return _collect(panel, origins, fitted, np.concatenate(forecasts)[np.argsort(order)], horizon, gap)


def _forecast(forecaster: PanelForecaster, panel: Panel, origins: Origins) -> Floats:
    """Hand the forecaster the rows up to the last of these origins, and no others."""
    rows = np.zeros(len(panel.ids), dtype=np.int64)  # (S,)
    within = origins.row - panel.offsets[origins.series]  # (M,) rows counted from the series' start
    np.maximum.at(rows, origins.series, within + 1)
    past = panel.until(rows)
    return forecaster.forecast(
        past, Origins(origins.series, within + past.offsets[origins.series], origins.window)
    )


def _collect(
    panel: Panel, origins: Origins, fitted: PanelForecaster, forecasts: Floats, horizon: int, gap: int
) -> Backtest:
    """Read the truth, and what the baselines would have said."""
    values = panel.values[:, : len(panel.targets)]  # (N, D)
    season = panel.frequency.season_length
    future = origins.row[:, None] + np.arange(1, horizon + 1)  # (M, H)
    if not np.isfinite(values[future]).any():
        raise DataError(
            "There is nothing to score: no value was observed in any of the windows. "
            "Drop the empty rows at the end of the table, or use more windows."
        )
    first_fit = training_rows(panel.offsets, origins, gap)  # (S,)
    scale = metrics.seasonal_scale(values, panel.offsets, first_fit, season)  # (S, D)
    seasonal = baselines.seasonal_naive(values, panel.offsets, origins.row, horizon, season)
    return Backtest(
        model=fitted.name,
        ids=tuple(panel.ids[s] for s in origins.series),
        targets=panel.targets,
        cutoff=panel.time[origins.row],
        time=panel.time[future],
        truth=values[future],
        forecast=forecasts,
        levels=fitted.levels,
        baselines={
            REFERENCE: seasonal,
            "last_value": baselines.last_value(values, panel.offsets, origins.row, horizon),
        },
        scale=scale[origins.series],
    )
