"""Search the settings that forecast best: rolling origins before the test rows, a budget, a file to go on.

What is tried for a setting is declared where the setting is: ``search=`` in deeplearning/models. No row is
scored that was fitted on, and no row is read that is held out for a test.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from timeseries.comparison import ERRORS, OutOfTime, TimeBudget, error_of, of_points, settings_text
from timeseries.configuration import WINDOW_SETTINGS, make_estimator
from timeseries.deeplearning.models import WindowRegressor
from timeseries.errors import (
    DataError,
    MemoryLimitError,
    SettingError,
    TrainingError,
    require_known,
    require_switch,
    require_whole,
    shown,
    unknown_name,
)
from timeseries.fitting import identity
from timeseries.forecaster import Forecaster
from timeseries.notes import tell
from timeseries.panel import Panel
from timeseries.settings import Rule, Span
from timeseries.splits import rolling_origins
from timeseries.study import COMPLETE, FAILED, PRUNED, Running, Space, Study, Trial, opened
from timeseries.table_forecaster import Table

CONTEXTS = (0.5, 1, 2, 4)
"""Lengths of the window that are tried, as multiples of the one that a Forecaster takes by itself."""


def search_space(model: str | WindowRegressor | type[Any] = "lstm") -> dict[str, Span | tuple[Any, ...]]:
    """Return what a search tries for each setting of a model, as the model declares it.

    The same serves scikit-learn: ``RandomizedSearchCV(LSTMModel(), search_space("lstm"))``.

    Parameters
    ----------
    model : str, estimator or class
        As `Forecaster` takes it, or the class of an estimator.

    Returns
    -------
    dict
        By setting, a `Span` to draw from, or a tuple of values.

    Examples
    --------
    >>> search_space("nlinear")
    {'batch_size': (32, 64, 128, 256), 'learning_rate': Span(low=0.0001, high=0.01, log=True)}
    """
    if isinstance(model, type) and issubclass(model, WindowRegressor):
        made: type[Any] = model
    else:
        made = type(make_estimator(model, {}, Forecaster)[0])
    return {name: rule.search for name, rule in _rules(made).items() if rule.search is not None}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TuningResult:
    """What a search found."""

    forecaster: Forecaster
    """With the best settings, fitted to all rows but the test rows."""
    settings: dict[str, Any]
    """The best of those that were searched; ``Forecaster(model, horizon=..., **settings)`` has them."""
    error: float
    """Their mean over the folds."""
    metric: str
    """Of what kind the errors are."""
    trials: pd.DataFrame
    """One row per trial, numbered from 1: its outcome ("complete", "pruned" or "failed"), mean error if it is
    complete, seconds, settings, error of each fold (fold_1 is the earliest), and the reason of a failure."""
    importance: dict[str, float]
    """How much each setting matters, as shares of 1 (Optuna's PED-ANOVA, Watanabe et al. 2023); empty where
    all complete trials have the same error, and rough with fewer than about 50."""
    interrupted: bool
    """Ctrl-C ended the search."""

    def __repr__(self) -> str:
        counts = self.trials["outcome"].value_counts()
        told = ", ".join(f"{counts[name]} {name}" for name in (COMPLETE, PRUNED, FAILED) if name in counts)
        best = self.trials["error"].idxmin()
        lines = [
            f"Tuned {self.forecaster.estimator.title} in {len(self.trials)} trials ({told}).",
            f"Best {self.metric}: {self.error:.4g}, of trial {best}:",
            f"  {settings_text(self.settings)}",
        ]
        first = self.trials.iloc[0]
        if first["outcome"] == COMPLETE:
            lines.append(f"The settings that it began with: {first['error']:.4g}.")
        if self.importance:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importance.items())
            lines.append(f"Importance: {shares}.")
        return "\n".join(lines)


def tune(
    model: str | WindowRegressor | type[Any],
    df: Table,
    *,
    horizon: int,
    trials: int = 50,
    seconds: float | None = None,
    space: Space | None = None,
    metric: str = "mae",
    windows: int = 3,
    step: int | None = None,
    gap: int = 0,
    test_size: int = 0,
    val_size: int | None = None,
    storage: str | PathLike[str] | None = None,
    verbose: bool = False,
    **settings: Any,
) -> TuningResult:
    """Search the settings of a model that forecast a table best, and fit it with them.

    Every trial is fitted anew before each of the last origins and scored on what follows (folds). The first
    trial has the settings of the recipe or estimator that was given, also where the space does not hold them;
    the others are chosen from the space by a tree-structured Parzen estimator (Bergstra et al. 2011). One
    whose mean error after a fold is above the median of earlier trials is pruned.

    Parameters
    ----------
    model : str, estimator or network class
        As `Forecaster` takes it. The search begins with what an estimator was made with, and tries other
        values too, also of ``LSTMModel(hidden_size=4)``. To fix a setting, give it as a keyword.
    df : DataFrame or path
        As ``Forecaster.fit`` takes it.
    horizon : int
        Steps to forecast.
    trials : int
        How many there are to be, those in ``storage`` included.
    seconds : float, optional
        Time for the trials, after which none is begun and the one under way is given up; one that is complete
        there will always be. The final fit comes after it.
    space : mapping, optional
        What to try, by setting: a `Span` or a sequence of values. By default what the model declares
        (`search_space`), and ``context_length``; settings that are given as keywords are not searched.
    metric : str
        The error to make small: mae, mse, rmse, mase, rmsse, mape, smape or wape.
    windows : int
        Folds: origins per series.
    step : int, optional
        Rows between origins; the horizon when absent.
    gap : int
        Rows before each origin that are not fitted on.
    test_size : int
        Last rows of each series that no trial and no fit sees; ``result.forecaster.evaluate(df)`` scores
        them.
    val_size : int, optional
        As in ``Forecaster.fit``, of every fit.
    storage : path, optional
        A file that keeps the trials. Where it exists, the search goes on from it, as if it had never ended;
        the table, the model and what is tried must be the same.
    verbose : bool
        Tell how every trial went, to the standard error stream.
    **settings
        As `Forecaster` takes them; ``seed`` also decides what is tried.

    Returns
    -------
    TuningResult
        The same for the same seed and number of trials, on the same machine with the same number of threads;
        with ``seconds`` it depends on how fast the machine is.

    Raises
    ------
    SettingError
        If a setting, a budget or what is to be tried makes no sense.
    DataError
        If the table has a fault, or a series is too short for the folds.
    TrainingError
        If every trial failed; the last reason is told.
    ArtifactError, BusyError
        If the storage belongs to another search, is damaged, or is being written.
    MissingExtraError
        If Optuna is not installed.
    KeyboardInterrupt
        After Ctrl-C, if no trial is complete; else the best so far is fitted and returned.

    Examples
    --------
    >>> from timeseries import load_airpassengers, tune
    >>> result = tune("nlinear", load_airpassengers(), horizon=12, trials=3, max_steps=5)
    >>> len(result.trials), result.forecaster.predict().shape
    (3, (12, 7))
    """
    require_whole(trials=(trials, 1), test_size=(test_size, 0))
    require_known("metric", metric, ERRORS)
    require_switch(verbose=verbose)
    budget = TimeBudget(seconds)
    forecaster = Forecaster(model, horizon=horizon, **settings)
    folds = _folds(forecaster, df, windows, step, gap, test_size, verbose=verbose)
    start, tried = _start(forecaster, folds[-1], space, settings)
    search = _Search(
        make=lambda chosen: Forecaster(model, horizon=horizon, **(settings | chosen)),
        folds=folds,
        gap=gap,
        val_size=val_size,
        metric=metric,
        verbose=verbose,
    )
    how: dict[str, Any] = {
        "windows": windows,
        "step": step,
        "gap": gap,
        "metric": metric,
        "val_size": val_size,
    }
    how |= {"test_size": test_size}
    how |= {"space": {name: repr(values) for name, values in tried.items()}}
    how |= asdict(forecaster.answers) | {"target_transform": forecaster.target_transform}
    described = identity(forecaster.estimator, folds[-1], how)
    described["settings"] |= {"horizon": horizon, "sequence_length": forecaster.context_length}
    seed = forecaster.estimator.seed
    with opened(storage, tried, start=start, seed=seed, identity=described) as study:
        interrupted = search.run(study, trials, budget)
        done, importance = study.trials, study.importance
    return search.result(done, importance, interrupted=interrupted)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """How a choice of settings is tried."""

    make: Any
    """From settings to an unfitted forecaster."""
    folds: Sequence[Panel]
    """The rows up to the end of each fold's targets; the last are all that may be seen."""
    gap: int
    val_size: int | None
    metric: str
    verbose: bool

    def run(self, study: Study, trials: int, budget: TimeBudget) -> bool:
        """Try until the budget is spent; return whether Ctrl-C ended that."""
        try:
            with suppress(OutOfTime):
                while len(study.trials) < trials:
                    has_result = _best(study.trials) is not None
                    if has_result and budget.is_over:
                        break
                    ended = self._try(study.next(), budget if has_result else TimeBudget())
                    self._tell(len(study.trials), trials, ended)
        except KeyboardInterrupt:
            if _best(study.trials) is None:
                raise
            return True
        return False

    def _try(self, trial: Running, budget: TimeBudget) -> Trial:
        """Score one choice of settings, fold by fold, unless it is worse than others were."""
        began = time.perf_counter()
        outcome, reason = COMPLETE, ""
        try:
            for number, error in enumerate(self._errors(trial.settings, budget), start=1):
                if trial.add(error) and number < len(self.folds):
                    outcome = PRUNED
                    break
        except (TrainingError, SettingError, MemoryLimitError) as fault:
            outcome, reason = FAILED, str(fault)
        return trial.end(outcome, time.perf_counter() - began, reason)

    def _errors(self, chosen: Mapping[str, Any], budget: TimeBudget) -> Iterator[float]:
        """Yield the error of each fold; the forecaster is handed no row after it."""
        for fold in self.folds:
            result = of_points(self.make(chosen)).backtest(
                fold, windows=1, gap=self.gap, val_size=self.val_size, callbacks=[budget]
            )
            yield error_of(result, self.metric)

    def _tell(self, number: int, trials: int, trial: Trial) -> None:
        if not self.verbose:
            return
        how = {
            COMPLETE: f"{self.metric} {trial.error:.4g}",
            PRUNED: f"pruned after {len(trial.errors)} of {len(self.folds)} folds",
            FAILED: f"failed: {trial.reason}",
        }[trial.outcome]
        told = f"Trial {number} of {trials}: {how}, {trial.seconds:.1f} s."
        tell(f"{told}\n  {settings_text(trial.settings)}")  # indented: to be pasted, not to be reworded

    def result(
        self, trials: Sequence[Trial], importance: dict[str, float], *, interrupted: bool
    ) -> TuningResult:
        """Fit the best to all rows that may be seen."""
        best = _best(trials)
        if best is None:
            raise TrainingError(
                f"None of the {len(trials)} trials could be completed. The last one: {trials[-1].reason}"
            )
        if self.verbose:
            tell(f"The best: {self.metric} {best.error:.4g}. Now it is fitted to all rows.")
        forecaster = self.make(best.settings)
        return TuningResult(
            forecaster=forecaster.fit(self.folds[-1], val_size=self.val_size, verbose=self.verbose),
            settings=best.settings,
            error=best.error,
            metric=self.metric,
            trials=_table(trials, len(self.folds)),
            importance=importance,
            interrupted=interrupted,
        )


def _best(trials: Sequence[Trial]) -> Trial | None:
    """Return the complete trial of the lowest error, the first of equals."""
    complete = [trial for trial in trials if trial.outcome == COMPLETE]
    return min(complete, key=lambda trial: trial.error, default=None)


def _table(trials: Sequence[Trial], folds: int) -> pd.DataFrame:
    """Return what came of every trial, a row each."""
    rows = [
        {"outcome": trial.outcome, "error": trial.error if trial.outcome == COMPLETE else np.nan}
        | {"seconds": trial.seconds}
        | trial.settings
        | {f"fold_{i + 1}": e for i, e in enumerate([*trial.errors, *[np.nan] * folds][:folds])}
        | {"reason": trial.reason}
        for trial in trials
    ]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="trial"))


def _folds(
    forecaster: Forecaster,
    df: Table,
    windows: int,
    step: int | None,
    gap: int,
    test_size: int,
    *,
    verbose: bool,
) -> tuple[Panel, ...]:
    """Read a table; return the rows up to the end of each fold's targets, the earliest fold first."""
    horizon = forecaster.horizon
    every = horizon if step is None else step
    require_whole(horizon=(horizon, 1), windows=(windows, 1), step=(every, 1), gap=(gap, 0))
    tested = gap + (windows - 1) * every + horizon  # rows that the earliest fold does not fit on
    panel = forecaster._read_to_fit(df, spare=test_size + tested, verbose=verbose)
    if (panel.lengths <= test_size).any():
        raise DataError(
            f"test_size={test_size} leaves nothing of the shortest series, which has {panel.lengths.min()} "
            "rows. Lower test_size, or leave that series out."
        )
    rows = panel.lengths - test_size  # (S,)
    seen = panel.until(rows)
    rolling_origins(
        seen.offsets, horizon, windows, every, gap, names=panel.ids
    )  # which says what is too short
    return tuple(seen.until(rows - back * every) for back in reversed(range(windows)))


def _start(
    forecaster: Forecaster, panel: Panel, space: Space | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Span | tuple[Any, ...]]]:
    """Return of what is searched the settings of the first trial, and all that is tried."""
    model = forecaster._model_for(panel)  # which checks what was given
    context = model.sequence_length
    rules = _rules(type(model))
    rules["context_length"] = rules["sequence_length"]
    if space is None:
        longest = max(context, int(panel.lengths.max()) // 2)
        contexts = {max(1, int(context * times)) for times in CONTEXTS}
        declared = search_space(type(model)) | {
            "context_length": tuple(sorted(c for c in contexts if c <= longest))
        }
        tried = {name: values for name, values in declared.items() if given.get(name) is None}
    else:
        tried = _checked(space, rules, given)
    if not tried:
        raise SettingError(
            "There is nothing to search: every setting is given. Leave one out, or give a space."
        )
    begun = model.settings() | {"context_length": context}
    return {name: begun[name] for name in tried}, tried


def _checked(
    space: Space, rules: Mapping[str, Rule], given: Mapping[str, Any]
) -> dict[str, Span | tuple[Any, ...]]:
    """Return what the caller wants to try, or say all that is wrong with it."""
    if not isinstance(space, Mapping):
        raise SettingError(f"space must be a dictionary from settings to what is tried, got {shown(space)}.")
    known = [name for name in rules if name not in WINDOW_SETTINGS]
    problems = []
    for name, values in space.items():
        if name not in known:
            raise unknown_name("setting to search", name, known=known)
        if given.get(name) is not None:
            problems.append(
                f"{name} is given as {shown(given[name])} and searched too: leave out one of them"
            )
        if not isinstance(values, (Span, tuple, list)) or not values:
            problems.append(f"{name} must be searched in a Span or a list of values, got {shown(values)}")
            continue
        each = (values.low, values.high) if isinstance(values, Span) else values
        problems += filter(None, (rules[name].problem(name, value) for value in each))
    if problems:
        raise SettingError(f"space: {'; '.join(problems)}.")
    return {name: values if isinstance(values, Span) else tuple(values) for name, values in space.items()}


def _rules(made: type[WindowRegressor]) -> dict[str, Rule]:
    """Return what is declared of every setting of an estimator."""
    return {f.name: f.metadata["rule"] for f in fields(made)}
