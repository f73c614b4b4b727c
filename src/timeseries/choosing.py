"""Choose a model for a table: simple baselines, linear maps and networks on the same rolling origins."""

import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from timeseries.backtesting import REFERENCE
from timeseries.comparison import ERRORS, OutOfTime, TimeBudget, error_of, of_points
from timeseries.errors import (
    MemoryLimitError,
    SettingError,
    TrainingError,
    require_known,
    require_switch,
    require_whole,
    shown,
)
from timeseries.forecaster import Forecaster
from timeseries.named_forecasters import forecasters_of
from timeseries.notes import tell
from timeseries.panel import Panel
from timeseries.recipes import NAMES
from timeseries.table_forecaster import Table

CANDIDATES = ("nlinear", "dlinear", "mlp", "lstm", "gru", "patchtst")
"""What is tried, in this order: the linear maps and the mlp are quick, and hard to beat."""
SECONDS = 60.0
"""How long that may take unless told otherwise."""
COMPARED, OUT_OF_TIME, BASELINE = "compared", "out of time", "baseline"


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """What was compared, what was chosen, and why."""

    forecaster: Forecaster
    """The chosen model, fitted to all rows."""
    model: str
    """Its name."""
    table: pd.DataFrame
    """One row per model and baseline, the best first: its error, the skill over the seasonal naive forecast
    (1 - error / error of that), seconds, and the outcome: "compared", "baseline", "out of time", or why it
    failed."""
    reason: str
    """Why it was chosen, in one or two sentences."""
    baseline_wins: bool
    """A simple baseline had the lowest error of all."""
    interrupted: bool
    """Ctrl-C ended the comparison."""

    def __repr__(self) -> str:
        return f"{self.table.to_string(float_format='{:.4g}'.format, na_rep='-')}\n\n{self.reason}"


class _Tried(NamedTuple):
    """What became of a candidate."""

    error: float | None
    seconds: float
    outcome: str


def choose_model(
    df: Table,
    *,
    horizon: int,
    candidates: Sequence[str] = CANDIDATES,
    seconds: float | None = SECONDS,
    metric: str = "mae",
    windows: int = 3,
    step: int | None = None,
    gap: int = 0,
    val_size: int | None = None,
    verbose: bool = False,
    **settings: Any,
) -> Choice:
    """Compare models on the last part of a table, and fit the best of them to all of it.

    Each is fitted once, to the rows before the first origin, and forecasts from all of them. Baselines are
    compared too. A baseline that wins is named; the best model is fitted all the same, because a baseline
    cannot be saved.

    Parameters
    ----------
    df : DataFrame or path
        As ``Forecaster.fit`` takes it.
    horizon : int
        Steps to forecast.
    candidates : sequence of str
        Names of recipes, in the order in which they are tried.
    seconds : float, optional
        Time for the comparison, 60 by default; None: no limit. The first candidate is always completed; one
        under way when the time is over is left out, and so are those after it. The final fit comes on top.
    metric : str
        The error to compare: mae, mse, rmse, mase, rmsse, mape, smape or wape.
    windows : int
        Origins per series.
    step : int, optional
        Rows between origins; the horizon when absent.
    gap : int
        Rows before the first origin that are not fitted on.
    val_size : int, optional
        As in ``Forecaster.fit``, of every fit.
    verbose : bool
        Tell how every candidate went, to the standard error stream.
    **settings
        Of `Forecaster`, for all candidates: ``context_length``, ``target``, ``max_steps``, ...

    Returns
    -------
    Choice
        The same for the same seed, as long as the seconds suffice for the same candidates.

    Raises
    ------
    SettingError
        If a setting makes no sense, or a candidate does not have it.
    DataError
        If the table has a fault, or a series is too short.
    TrainingError
        If every candidate failed; the last reason is told.
    KeyboardInterrupt
        After Ctrl-C, before a candidate is complete; later the best so far is fitted.

    Examples
    --------
    >>> from timeseries import choose_model, load_airpassengers
    >>> quick = {"candidates": ("nlinear", "dlinear"), "max_steps": 20}
    >>> choice = choose_model(load_airpassengers(), horizon=12, **quick)
    >>> sorted(choice.table.index)
    ['dlinear', 'drift', 'last_value', 'mean', 'nlinear', 'seasonal_naive']
    """
    require_known("metric", metric, ERRORS)
    require_switch(verbose=verbose)
    budget = TimeBudget(seconds)
    names = _names(candidates)
    made = dict(zip(names, forecasters_of(names, settings | {"horizon": horizon}), strict=True))
    every = horizon if step is None else step
    require_whole(horizon=(horizon, 1), windows=(windows, 1), step=(every, 1), gap=(gap, 0))
    first = made[candidates[0]]
    panel = first._read_to_fit(df, verbose=verbose)
    first._model_for(panel)  # which refuses what no model can be told
    contest = _Contest(metric, {"windows": windows, "step": step, "gap": gap, "val_size": val_size})
    try:
        for name, forecaster in made.items():
            contest.enter(name, copy(forecaster), panel, budget)
            if verbose:
                tell(contest.told(name))
    except KeyboardInterrupt:
        if not contest.errors:
            raise
    left = [name for name in made if name not in contest.tried]  # where Ctrl-C came
    best, reason = contest.winner, contest.reason(seconds, left)
    if verbose:
        tell(reason)
    return Choice(
        forecaster=made[best].fit(panel, val_size=val_size, verbose=verbose),
        model=best,
        table=contest.table(),
        reason=reason,
        baseline_wins=contest.better_baseline is not None,
        interrupted=bool(left),
    )


class _Contest:
    """Models and baselines on the same origins."""

    def __init__(self, metric: str, how: dict[str, Any]) -> None:
        self.metric, self.how = metric, how
        self.tried: dict[str, _Tried] = {}
        self.baselines: dict[str, float] = {}

    @property
    def errors(self) -> dict[str, float]:
        """By model, of those that were compared."""
        return {name: tried.error for name, tried in self.tried.items() if tried.error is not None}

    @property
    def winner(self) -> str:
        """The model of the lowest error, the first of equals."""
        if not self.errors:
            last = list(self.tried.values())[-1]
            raise TrainingError(f"No candidate could be fitted. The last one {last.outcome}")
        return min(self.errors, key=self.errors.__getitem__)

    @property
    def better_baseline(self) -> str | None:
        """The best baseline, if no model has a lower error."""
        best = min(self.baselines, key=self.baselines.__getitem__, default=None)
        return best if best is not None and self.baselines[best] <= self.errors[self.winner] else None

    def enter(self, name: str, forecaster: Forecaster, panel: Panel, budget: TimeBudget) -> None:
        """Score a model, unless the time is over; somebody must have been scored first."""
        began = time.perf_counter()
        heard = [budget] if self.errors else []
        error, outcome = None, COMPARED
        try:
            for callback in heard:
                callback.step()  # which says that no time is left
            result = of_points(forecaster).backtest(panel, callbacks=heard, **self.how)
            error = error_of(result, self.metric)
            scores = result.scores(self.metric)
            self.baselines = {
                other: score for other in result.baselines if (score := scores[other][0].value) is not None
            }
        except OutOfTime:
            outcome = OUT_OF_TIME
        except (TrainingError, SettingError, MemoryLimitError) as fault:
            outcome = f"failed: {fault}"
        self.tried[name] = _Tried(error, time.perf_counter() - began, outcome)

    def told(self, name: str) -> str:
        """Say what became of a model."""
        tried = self.tried[name]
        how = tried.outcome if tried.error is None else f"{self.metric} {tried.error:.4g}"
        return f"{name}: {how}, {tried.seconds:.1f} s."

    def table(self) -> pd.DataFrame:
        """Return a row per model and baseline, the best first."""
        entered = self.tried | {name: _Tried(error, 0.0, BASELINE) for name, error in self.baselines.items()}
        frame = pd.DataFrame.from_dict(entered, orient="index", columns=_Tried._fields)
        frame["error"] = frame["error"].astype(float)
        frame.insert(1, "skill", 1 - frame["error"] / self.baselines.get(REFERENCE, np.nan))
        return frame.rename_axis("model").sort_values("error", kind="stable")

    def reason(self, seconds: float | None, left: Sequence[str]) -> str:
        """Say in a few sentences what was chosen, what it is worth, and who was left out."""
        best, better = self.winner, self.better_baseline
        error = f"{self.metric} {self.errors[best]:.4g}"
        origins = f"{self.how['windows']} rolling origins"
        if better is None:
            parts = [f"{best} has the lowest error of all on {origins}: {error}{self._beside_naive(best)}."]
        else:
            parts = [
                f"No model beats the {better.replace('_', ' ')} forecast ({self.metric} "
                f"{self.baselines[better]:.4g}) on {origins}: use that one if you can. {best} comes nearest "
                f"({error}), and is what was fitted."
            ]
        late = [name for name, tried in self.tried.items() if tried.outcome == OUT_OF_TIME]
        failed = [name for name, tried in self.tried.items() if tried.outcome.startswith("failed")]
        out = {
            f"Not compared within {seconds or 0:g} seconds": late,
            "Failed": failed,
            "Interrupted before": left,
        }
        return " ".join([*parts, *(f"{why}: {', '.join(names)}." for why, names in out.items() if names)])

    def _beside_naive(self, best: str) -> str:
        naive = self.baselines.get(REFERENCE)
        if not naive:
            return ""
        return f", {1 - self.errors[best] / naive:.0%} below the seasonal naive forecast's {naive:.4g}"


def _names(candidates: object) -> tuple[str, ...]:
    """Return the names of the candidates, each once."""
    if not isinstance(candidates, (tuple, list)) or not candidates:
        raise SettingError(f"candidates must be a list of names of models, got {shown(candidates)}.")
    for name in candidates:
        require_known("model", name, NAMES)
    return tuple(dict.fromkeys(candidates))
