"""Several forecasters that answer as one: fit, predict, spread, update, evaluate, backtest, save, load."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from timeseries import backtesting
from timeseries.answers import refuse_taken_names, spread_frame
from timeseries.combination import COMBINATIONS
from timeseries.continuation import continued, refuse_unfit
from timeseries.deeplearning import artifact
from timeseries.deeplearning.history import EpochRecord
from timeseries.ensemble_fitting import HowToFit, Unfitted, fit_ensemble
from timeseries.ensemble_storage import pack_ensemble, unpack_ensemble
from timeseries.errors import (
    SettingError,
    require_known,
    require_path,
    require_switch,
    require_whole,
    shown,
)
from timeseries.fitted import FittedForecaster, last_origins
from timeseries.fitted_ensemble import FittedEnsemble
from timeseries.fitting import fine_tune_model
from timeseries.forecaster import Forecaster
from timeseries.named_forecasters import forecasters_of
from timeseries.panel import Panel
from timeseries.table_forecaster import Table, TableForecaster, read_panel

REPLACEABLE = ("constant", "one_cycle", "cosine_restarts")
"""Schedules that estimators and recipes have by themselves, or that snapshots set."""


class Ensemble(TableForecaster):
    """Forecast with several forecasters at once: of several seeds, of several models, or of one training.

    Points and quantiles of the members are combined level by level; the intervals of the combination are then
    calibrated on held-out rows, as those of a single forecaster are.

    Parameters
    ----------
    members : sequence of Forecaster or str
        Forecasters that agree in everything but their models and contexts; or names of ``RECIPES``, which
        ``settings`` make forecasters of. They are fitted as copies and stay as they are.
    combine : str
        ``mean``; ``median``, which one bad member cannot move; or ``weighted``: the mean with weights that
        are inversely proportional to the squared error on held-out rows (Bates & Granger 1969).
    snapshots : int
        Members that each training gives: copies of its weights where the learning rate, which falls to 0 so
        many times, ends a cycle (Huang et al. 2017). 1: the last alone. They decide the schedule and take all
        steps: another ``schedule``, other ``cycles``, ``patience`` and ``max_seconds`` do not go with them.
    **settings
        Of a `Forecaster` each, where members are given by name.

    Attributes
    ----------
    members_ : list of Forecaster
        The fitted members, each a forecaster of its own.
    weights_ : array of shape (K,)
        After ``fit``, the share of each of the K members in a mean, with the sum 1, in the order of
        ``members_``.

    Raises
    ------
    SettingError
        If there is no member, one lacks a setting, they differ in what they have to agree in, or snapshots
        would replace what was given.

    Examples
    --------
    >>> from timeseries.datasets import load_airpassengers
    >>> ensemble = Ensemble(["nlinear", "dlinear"], horizon=12, coverage=(0.8,), max_steps=20)
    >>> ensemble.fit(load_airpassengers()).predict().columns.tolist()
    ['ds', 'y', 'y_q0.1', 'y_q0.5', 'y_q0.9']
    """

    def __init__(
        self,
        members: Sequence[Forecaster | str],
        *,
        combine: str = "mean",
        snapshots: int = 1,
        **settings: Any,
    ) -> None:
        require_known("combination", combine, COMBINATIONS)
        require_whole(snapshots=(snapshots, 1))
        self.members = _as_forecasters(members, settings)
        _refuse_disagreement(self.members)
        if snapshots > 1:
            _refuse_replaced(self.members, settings, snapshots)
        self.combine, self.snapshots = combine, int(snapshots)
        self._take_over_settings()

    @classmethod
    def of_seeds(
        cls, model: Any, *, seeds: int | Sequence[int] = 5, combine: str = "mean", **settings: Any
    ) -> Self:
        """Return an ensemble of one model that begins from several seeds.

        Parameters
        ----------
        model : str, estimator or network class
            As `Forecaster` takes it.
        seeds : int or sequence of int
            So many seeds from 0 on, or the seeds themselves.
        combine : str
            As for the class.
        **settings
            Of every forecaster; ``horizon`` among them.

        Returns
        -------
        Ensemble

        Examples
        --------
        >>> [member.estimator.seed for member in Ensemble.of_seeds("lstm", seeds=3, horizon=24).members]
        [0, 1, 2]
        """
        if isinstance(seeds, Sequence):
            chosen = list(seeds)
        else:
            require_whole(seeds=(seeds, 1))
            chosen = list(range(seeds))
        members = [Forecaster(model, **(settings | {"seed": seed})) for seed in chosen]
        return cls(members, combine=combine)

    def __repr__(self) -> str:
        more = f", snapshots={self.snapshots}" if self.snapshots > 1 else ""
        return f"Ensemble({self.members!r}, combine={self.combine!r}{more})"

    def fit(
        self,
        df: Table,
        *,
        val_size: int | None = None,
        keep_validation: bool = False,
        processes: int = 1,
        verbose: bool = False,
    ) -> Self:
        """Fit every member to a table.

        Parameters
        ----------
        df : DataFrame or path
            As `Forecaster.fit` takes it.
        val_size, keep_validation
            As in `Forecaster.fit`. Weights and intervals of the combination come from the held-out rows,
            which no member learned from before it was fitted again on all rows.
        processes : int
            Members that are fitted at a time, each in a process of its own with its share of the threads that
            this one has. With ``threads`` among the settings they become what they would one after the other,
            bit for bit on the CPU; without, the last bits may differ. A script needs
            ``if __name__ == "__main__":`` around what it runs.
        verbose : bool
            Say what was found in the table, and how far the fit is.

        Returns
        -------
        self

        Raises
        ------
        DataError, SettingError, TrainingError
            As from `Forecaster.fit`, also from within a process; and when weights are wanted but no rows are
            held out. The ensemble stays what it was.
        KeyboardInterrupt
            After Ctrl-C; all processes are ended, and the ensemble stays what it was.
        """
        how = self._how(val_size, keep_validation=keep_validation, processes=processes, verbose=verbose)
        self.fitted_ = self._fit(self._read_to_fit(df, verbose=verbose), how)
        self._tell_of_weak_intervals(verbose=verbose)
        return self

    def backtest(
        self,
        df: Table,
        *,
        windows: int = 5,
        step: int | None = None,
        gap: int = 0,
        refit: bool = False,
        val_size: int | None = None,
        keep_validation: bool = False,
        processes: int = 1,
        verbose: bool = False,
    ) -> backtesting.Backtest:
        """Forecast the last part of a table from several origins and score it beside simple baselines.

        A fresh copy of every member is fitted on the rows before the first origin (with ``refit``, before
        each); this ensemble stays as it is.

        Parameters
        ----------
        df, windows, step, gap, refit
            As in `Forecaster.backtest`.
        val_size, keep_validation, processes, verbose
            As in ``fit``.

        Returns
        -------
        Backtest
            The same as of a single forecaster; ``coverage()`` holds the intervals against the truth.
        """
        how = self._how(val_size, keep_validation=keep_validation, processes=processes, verbose=verbose)
        return self._backtest(
            lambda past: self._fit(past, how),
            df,
            windows=windows,
            step=step,
            gap=gap,
            refit=refit,
            verbose=verbose,
        )

    def spread(self, df: Table | None = None, *, future: Table | None = None) -> Any:
        """Show how far the members' points lie apart, step by step: what more training data could settle.

        It is no interval: noise that all members foresee alike does not widen it.

        Parameters
        ----------
        df, future
            As in ``predict``.

        Returns
        -------
        DataFrame
            In the layout of the question, with ``y_std`` (standard deviation over the K members, dividing by
            K), ``y_min`` and ``y_max`` for a target y.

        Examples
        --------
        >>> from timeseries.datasets import load_airpassengers
        >>> ensemble = Ensemble.of_seeds("nlinear", seeds=2, horizon=12, max_steps=5)
        >>> ensemble.fit(load_airpassengers()).spread().columns.tolist()
        ['ds', 'y_std', 'y_min', 'y_max']
        """
        panel = self._history(df, future, verbose=False)
        return spread_frame(panel, self._fitted.member_points(panel, last_origins(panel)))

    def update(self, df: Table, *, fine_tune: int = 0, verbose: bool = False) -> Self:
        """Append new rows to what the members have seen, so that ``predict()`` follows them.

        Parameters
        ----------
        df, fine_tune, verbose
            As in `Forecaster.update`; every member takes ``fine_tune`` steps. Weights and intervals keep what
            the fit learned.

        Returns
        -------
        self

        Raises
        ------
        DataError
            As from `Forecaster.update`; nothing is changed then.
        """
        fitted = self._fitted
        require_whole(fine_tune=(fine_tune, 0))
        panel = read_panel(df, fitted.layout, verbose=verbose)
        refuse_unfit(self._keeper, panel)
        members = [fine_tune_model(m, continued(m, panel), int(fine_tune)) for m in fitted.members]
        self.fitted_ = replace(fitted, members=tuple(members))
        return self

    def save(self, path: str | PathLike[str], *, history: bool = True) -> None:
        """Write the fitted ensemble to one file.

        Parameters
        ----------
        path : path
            The file; an older one stays until the new one is complete.
        history : bool
            As in `Forecaster.save`; the last rows are kept once for all members.
        """
        require_path(path)
        require_switch(history=history)
        artifact.write(path, pack_ensemble(self._fitted, history=history))

    @property
    def members_(self) -> list[Forecaster]:
        """The fitted members in order, each a forecaster of its own; snapshots of one training in a row."""
        return [_forecaster(member) for member in self._fitted.members]

    @property
    def weights_(self) -> npt.NDArray[np.float64]:
        """The share of every member in a mean, (K,); the median has none, and gives equal ones here.

        Examples
        --------
        >>> from timeseries.datasets import load_airpassengers
        >>> settings = {"horizon": 12, "max_steps": 20, "combine": "weighted"}
        >>> ensemble = Ensemble(["nlinear", "dlinear"], **settings).fit(load_airpassengers())
        >>> ensemble.weights_.shape, bool((ensemble.weights_ > 0).all())
        ((2,), True)
        """
        fitted = self._fitted
        count = len(fitted.members)
        return np.full(count, 1 / count) if fitted.weights is None else fitted.weights.copy()

    @property
    def train_history(self) -> list[list[EpochRecord]]:
        """What happened in each epoch of every member: as `Forecaster.train_history`, one list per member."""
        return [member.history for member in self._fitted.members]

    @property
    def _fitted(self) -> FittedEnsemble:
        self._refuse_unfitted()
        return self.fitted_

    @property
    def _keeper(self) -> FittedForecaster:
        return self._fitted.reference

    def _how(self, val_size: int | None, *, keep_validation: bool, processes: int, verbose: bool) -> HowToFit:
        require_switch(keep_validation=keep_validation, verbose=verbose)
        require_whole(processes=(processes, 1))
        return HowToFit(
            answers=self.answers,
            combine=self.combine,
            snapshots=self.snapshots,
            val_size=val_size,
            keep_validation=keep_validation,
            processes=int(processes),
            verbose=verbose,
        )

    def _fit(self, panel: Panel, how: HowToFit) -> FittedEnsemble:
        refuse_taken_names(panel, self.answers.levels or self.members[0].estimator.quantiles)
        given = [Unfitted(member._model_for(panel), member.target_transform) for member in self.members]
        return fit_ensemble(given, panel, how)

    def _rows_lost(self, panel: Panel) -> int:
        return max(member._rows_lost(panel) for member in self.members)

    def restore(
        self, stored: artifact.Artifact, path: str | PathLike[str], networks: Mapping[str, Any]
    ) -> Self:
        """Become the ensemble that a file holds."""
        self.fitted_ = unpack_ensemble(stored, path, networks)
        self.combine, self.snapshots = self.fitted_.combine, self.fitted_.snapshots
        self.members = self.members_[:: self.snapshots]
        self._take_over_settings()
        return self

    def _take_over_settings(self) -> None:
        first = self.members[0]
        self.layout, self.horizon, self.answers = first.layout, first.horizon, first.answers


def load_forecaster(
    path: str | PathLike[str], *, networks: Mapping[str, Any] | None = None
) -> Forecaster | Ensemble:
    """Read a forecaster or an ensemble, whichever a file holds.

    Parameters
    ----------
    path, networks
        As `Forecaster.load` takes them.

    Returns
    -------
    Forecaster or Ensemble

    Raises
    ------
    ArtifactError
        When a byte of the file changed, a part is missing, or it holds neither.

    Examples
    --------
    >>> import tempfile
    >>> from timeseries.datasets import load_airpassengers
    >>> ensemble = Ensemble.of_seeds("nlinear", seeds=2, horizon=3, max_steps=2).fit(load_airpassengers())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ensemble.save(f"{folder}/model")
    ...     type(load_forecaster(f"{folder}/model")).__name__
    'Ensemble'
    """
    require_path(path)
    stored = artifact.read(path)
    if stored.manifest.get("kind") == "ensemble":
        return Ensemble.__new__(Ensemble).restore(stored, path, networks or {})
    return Forecaster.__new__(Forecaster).restore(stored, path, networks or {})


def _as_forecasters(members: Any, settings: dict[str, Any]) -> list[Forecaster]:
    """Return members as forecasters; settings go with names alone."""
    given = list(members) if isinstance(members, (list, tuple)) else []
    strangers = [member for member in given if not isinstance(member, (Forecaster, str))]
    if not given or strangers:
        raise SettingError(
            "An ensemble needs a list of at least one Forecaster or name of a model such as 'lstm', got "
            f"{shown(strangers[0] if strangers else members)}."
        )
    names = [member for member in given if isinstance(member, str)]
    if settings and len(names) < len(given):
        raise SettingError(
            f"{', '.join(settings)}: these settings make forecasters of names, but a member is a Forecaster "
            "already. Give them to it, or give names alone."
        )
    if names and "horizon" not in settings:
        raise SettingError(f"Members given by name, such as {names[0]!r}, need horizon=... beside them.")
    if names:
        return forecasters_of(names, settings)
    return given


def _refuse_replaced(members: Sequence[Forecaster], settings: dict[str, Any], snapshots: int) -> None:
    """Refuse settings that snapshots would replace in silence; those of a recipe are theirs to replace."""
    wanted = {"schedule": "cosine_restarts", "cycles": snapshots, "patience": None, "max_seconds": None}
    given = {name: value for name, value in settings.items() if name in wanted}
    for member in members:
        own = member.estimator.settings()
        if own["schedule"] not in REPLACEABLE:
            given["schedule"] = own["schedule"]
        given |= {name: own[name] for name in ("patience", "max_seconds") if own[name] is not None}
    told = [f"{name}={value!r}" for name, value in given.items() if value != wanted[name]]
    if told:
        raise SettingError(
            f"snapshots={snapshots} sets schedule='cosine_restarts' and cycles={snapshots}, and takes all "
            f"steps of a training: {', '.join(told)} cannot be kept. Leave it out, or take snapshots=1."
        )


def _refuse_disagreement(members: Sequence[Forecaster]) -> None:
    """Refuse members whose forecasts cannot be combined: they differ in steps, tables, levels or bounds."""
    first = _agreed(members[0])
    for number, member in enumerate(members[1:], start=1):
        for name, value in _agreed(member).items():
            if value != first[name]:
                raise SettingError(
                    f"Members of an ensemble must agree in their {name}, but member 0 has "
                    f"{shown(first[name])} and member {number} {shown(value)}. Give all the same."
                )


def _agreed(member: Forecaster) -> dict[str, Any]:
    """Return what members must have in common."""
    answers, quantiles = member.answers, member.estimator.quantiles
    levels = quantiles if answers.levels is None else answers.levels
    return {
        "horizon": member.horizon,
        "layout of tables": member.layout,
        "levels (coverage and quantiles)": None if levels is None else tuple(levels),
        "calibration": answers.levels is not None,
        "bounds": (answers.lower, answers.upper, answers.integer),
    }


def _forecaster(fitted: FittedForecaster) -> Forecaster:
    """Return what was fitted as a forecaster of its own."""
    return Forecaster.__new__(Forecaster).adopt(fitted)
