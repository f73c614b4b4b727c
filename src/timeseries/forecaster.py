"""Tables in, forecasts out: fit, predict, update, evaluate, backtest, save, load."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike
from typing import Any, Self

from sklearn.base import clone

from timeseries import backtesting
from timeseries.answers import refuse_taken_names
from timeseries.configuration import choose_levels, make_estimator, season_patch
from timeseries.continuation import continued, refuse_unfit
from timeseries.deeplearning import artifact
from timeseries.deeplearning.checkpoint import Checkpoints, sole_writer, wanted_checkpoints
from timeseries.deeplearning.history import Callback, EpochRecord
from timeseries.deeplearning.losses import POINT_LOSSES
from timeseries.deeplearning.models import WindowRegressor
from timeseries.deeplearning.progress import listeners
from timeseries.deeplearning.rehearsal import (
    BatchSizeCurve,
    LearningRateCurve,
    Rehearsal,
    find_batch_size,
    find_learning_rate,
)
from timeseries.errors import (
    Refusals,
    SettingError,
    require_path,
    require_switch,
    require_whole,
)
from timeseries.fitted import Answers, FittedForecaster
from timeseries.fitting import TrainingInterrupted, fine_tune_model, fit_model, rehearse, training_windows
from timeseries.guidance import LINEAR, advice, trend_note
from timeseries.notes import tell
from timeseries.panel import Panel, TableLayout
from timeseries.storage import pack, unpack
from timeseries.streaming import Stream
from timeseries.table_forecaster import Table, TableForecaster, read_panel
from timeseries.transformed import rows_lost, transform_names


class Forecaster(TableForecaster):
    """Forecast every series of a table with one network.

    Parameters
    ----------
    model : str, estimator or network class
        A name of ``RECIPES`` (a model with settings found by measurement), an estimator such as
        ``LSTMModel(hidden_size=128)`` whose settings are taken as they are, or a class of your own that takes
        the `Sizes` of the data and makes an ``nn.Module`` (see `CustomModel`).
    horizon : int
        Steps to forecast.
    context_length : int, optional
        Rows that the network sees; when absent, twice the longer of horizon and season, at most half of
        the longest series.
    coverage : float or sequence of float, optional
        Shares of the truth that intervals are to cover, calibrated on rows that are held out for that;
        (0.8, 0.95) when absent, or the levels of ``quantiles`` if these are given. () asks for none.
    lower, upper : float, optional
        Smallest and largest value there can be; forecasts and intervals keep to them.
    integer : bool
        Only whole numbers make sense: forecasts are rounded, intervals outwards.
    target_transform : str or sequence of str, optional
        What is done to the targets of each series before they are scaled, and undone in its forecasts and
        intervals: "log", "box_cox", "detrend", "deseasonalize", "deseasonalize_multiplicative", "difference",
        "seasonal_difference", in the order given. Learned from the training rows alone.
    **settings
        Settings of the model (``hidden_size=128``) and of the table's layout (``target="load"``,
        ``freq="h"``, ``missing="mask"``): see ``TableLayout``.

    Examples
    --------
    >>> from timeseries.datasets import load_airpassengers
    >>> forecaster = Forecaster("nlinear", horizon=12, context_length=24, coverage=(0.8,), epochs=2)
    >>> forecaster.fit(load_airpassengers()).predict().columns.tolist()
    ['ds', 'y', 'y_q0.1', 'y_q0.5', 'y_q0.9']
    """

    def __init__(
        self,
        model: str | WindowRegressor | type[Any] = "lstm",
        *,
        horizon: int | None = None,
        context_length: int | None = None,
        coverage: float | Sequence[float] | None = None,
        lower: float | None = None,
        upper: float | None = None,
        integer: bool = False,
        target_transform: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        columns = {f.name for f in fields(TableLayout)}
        layout = {name: value for name, value in settings.items() if name in columns}
        given = {name: value for name, value in settings.items() if name not in columns}
        refusals = Refusals()
        made = refusals.of(lambda: make_estimator(model, given, type(self)))
        self.layout = refusals.of(lambda: TableLayout(**layout)) or TableLayout()
        self.target_transform = refusals.of(lambda: transform_names(target_transform)) or ()
        self.horizon, self.context_length = 0 if horizon is None else horizon, context_length
        answers = Answers(lower=lower, upper=upper, integer=integer)
        refusals.of(answers.check)
        if made is not None:
            self.estimator, self._patch_of_season = made
            levels = refusals.of(lambda: choose_levels(coverage, self.estimator))
            self.answers = replace(answers, levels=levels)
            if refusals.told:  # what waits for fit when it is alone
                refusals.of(self.check_settings)
        if horizon is None:
            refusals.told.append("A Forecaster needs to know how far: horizon=24, for example.")
        if refusals.told:
            raise SettingError(" ".join(refusals.told))

    def __repr__(self) -> str:
        parts = [repr(self.estimator), f"horizon={self.horizon}", f"context_length={self.context_length}"]
        parts += [f"target_transform={list(self.target_transform)}"] if self.target_transform else []
        return f"Forecaster({', '.join(parts)})"

    def fit(
        self,
        df: Table,
        *,
        val_size: int | None = None,
        keep_validation: bool = False,
        checkpoint: Checkpoints | str | PathLike[str] | None = None,
        resume: str | PathLike[str] | None = None,
        callbacks: Iterable[Callback] = (),
        verbose: bool = False,
    ) -> Self:
        """Learn from every series of a table.

        Parameters
        ----------
        df : DataFrame or path of a CSV file
            Long (``unique_id, ds, y``) or wide (one column per series), see ``TableLayout``.
        val_size : int, optional
            Last rows of each series that choose the number of epochs, and on which intervals are calibrated.
            When absent, a tenth of the rows if the model has ``patience``, a fifth if intervals are asked for
            (at least the horizon); then intervals alone do not choose epochs.
        keep_validation : bool
            Keep the network that never learned from the held-out rows. By default the network is then fitted
            again on all rows, for as many steps as the first took to its best epoch.
        checkpoint : path or Checkpoints, optional
            A file that keeps the training while it lasts, every minute or as often as Checkpoints says, and
            when Ctrl-C or SIGTERM ends it.
        resume : path, optional
            The checkpoint to go on from, with the same settings and table: the weights become those of an
            uninterrupted fit, bit for bit (on the CPU, with the same versions and number of threads).
        callbacks : iterable of Callback
            Told of every step and epoch of both runs: of the one that chooses the number of epochs, and of
            the one on all rows. A run ends when one of them wants it.
        verbose : bool
            Say what was found in the table to the standard error stream, and how far training is: on one
            line of a terminal, elsewhere in two lines if it takes long.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When the table has a fault; it says which series, column, row and time, and the fix.
        SettingError
            When settings make no sense; all problems at once.
        ArtifactError
            When the checkpoint to go on from is damaged or of another fit; it names the differences.
        BusyError
            When another fit keeps its training in the same file.
        KeyboardInterrupt
            After Ctrl-C; from its first step on, training leaves the best network so far to forecast with.
        """
        require_switch(keep_validation=keep_validation)
        callback = listeners(callbacks, verbose=verbose)
        self.check_settings()
        panel = self._read_to_fit(df, verbose=verbose)
        model = self._model_for(panel)  # which checks its quantiles
        refuse_taken_names(panel, self.answers.levels or model.quantiles)
        if verbose:
            _tell_of_guidance(model, panel)
        checkpoints = wanted_checkpoints(checkpoint, resume)
        try:
            with sole_writer(checkpoints):
                self.fitted_ = fit_model(
                    model,
                    panel,
                    val_size,
                    keep_validation=keep_validation,
                    callback=callback,
                    answers=self.answers,
                    checkpoints=checkpoints,
                    target_transform=self.target_transform,
                )
        except TrainingInterrupted as interrupted:
            self.fitted_ = interrupted.fitted
            raise
        self._tell_of_weak_intervals(verbose=verbose)
        return self

    def check_settings(self) -> None:
        """Raise one SettingError that lists every problem of the settings; ``fit`` asks it first."""
        model = copy.copy(self.estimator)
        model.set_params(horizon=self.horizon)
        if self.context_length is not None:
            model.set_params(sequence_length=self.context_length)
        problems = [*model.problems(), *self._misfits(model)]
        if problems:
            told = "; ".join(problems).replace("sequence_length", "context_length")
            raise SettingError(f"{type(self).__name__}: {told}.")

    def find_learning_rate(self, df: Table, *, steps: int = 100) -> LearningRateCurve:
        """Try growing learning rates on a copy, and show how the loss answers.

        Parameters
        ----------
        df : DataFrame or path
            As ``fit`` takes it.
        steps : int
            Optimiser steps.

        Returns
        -------
        LearningRateCurve
            With its ``suggestion``, the rate by which half of the fall is done: an upper end, of which a
            tenth is the cautious choice. Nothing is fitted or changed.

        Examples
        --------
        >>> from timeseries import load_airpassengers
        >>> forecaster = Forecaster("nlinear", horizon=12, optimizer="sgd")
        >>> 1e-7 < forecaster.find_learning_rate(load_airpassengers()).suggestion < 10
        True
        """
        return find_learning_rate(self._rehearsal(df), steps)

    def find_batch_size(self, df: Table) -> BatchSizeCurve:
        """Time a few steps on batches of every size, on a copy.

        Returns
        -------
        BatchSizeCurve
            With its ``suggestion``: the smallest batch that learns from nearly as many windows in a second as
            the fastest.
        """
        return find_batch_size(self._rehearsal(df))

    def _rehearsal(self, df: Table) -> Rehearsal:
        panel = self._read_to_fit(df, verbose=False)
        return rehearse(self._model_for(panel), panel, self.target_transform)

    @property
    def train_history(self) -> list[EpochRecord]:
        """One record per epoch of the run that chose the number of epochs; losses in scaled units."""
        return self._fitted.history

    def update(self, df: Table, *, fine_tune: int = 0, verbose: bool = False) -> Self:
        """Append new rows to what the model has seen, so that ``predict()`` follows them.

        Parameters
        ----------
        df : DataFrame or path
            The rows that follow, in the layout of the fitted table; series may stay behind, and new ones come
            (in a long table).
        fine_tune : int
            Optimiser steps on windows whose targets are new, at a tenth of the learning rate. Intervals keep
            the calibration of the fit.
        verbose : bool
            Say what was found in the table, to the standard error stream.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When rows were seen before, leave a gap, or do not suffice to learn from, or the model was saved
            without its last rows; nothing is changed then.
        KeyboardInterrupt
            After Ctrl-C during fine-tuning; nothing is changed then either.
        """
        fitted = self._fitted
        require_whole(fine_tune=(fine_tune, 0))
        panel = read_panel(df, fitted.layout, verbose=verbose)
        refuse_unfit(fitted, panel)
        joined = continued(fitted, panel)
        self.fitted_ = fine_tune_model(fitted, joined, int(fine_tune))
        return self

    def stream(self, df: Table | None = None, *, engine: str = "auto", verbose: bool = False) -> Stream:
        """Return a stream: one new observation of every series in, one forecast out, without the history.

        Parameters
        ----------
        df : DataFrame or path, optional
            The history to start from, in the layout of the fitted table; the fitted table when absent.
        engine : str
            "window" reads the last ``context_length`` rows anew after each observation, and forecasts what
            ``predict`` would. The others carry the state of a recurrent network in a fraction of the time,
            but keep the scale of a window (``instance_norm``) as it was at the start, so that forecasts grow
            worse and intervals too narrow when the level changes: "torch", "numpy" (the fastest for a few
            series, where the network has such a step), "numba" (the same step compiled, which takes some
            seconds at the start; needs the package numba). "auto" takes "window" for networks with
            ``instance_norm`` (the recipes) or without such a state, else numpy for up to 16 series, else
            torch.
        verbose : bool
            Say what was found in the table, to the standard error stream.

        Returns
        -------
        Stream
            Whose ``forecast`` is that of ``predict`` at first; ``step(values)`` takes an observation.

        Raises
        ------
        UnsupportedError
            When the model was fitted with covariates known ahead or a target transform; or the network has no
            state to carry, or no step in numpy, and the engine needs it.
        MissingExtraError
            When numba is asked for and not installed.

        Examples
        --------
        >>> from timeseries import load_airpassengers
        >>> past = load_airpassengers()
        >>> stream = Forecaster("gru", horizon=2, max_steps=5).fit(past[:-1]).stream()
        >>> stream.time.astype("datetime64[M]").astype(str).tolist()
        ['1960-12']
        >>> stream.step(432.0).shape, stream.engine  # series, steps, targets, quantile levels
        ((1, 2, 1, 5), 'window')
        """
        require_switch(verbose=verbose)
        panel = self._history(df, None, verbose=verbose)
        if panel is not self._fitted.tail:
            self._fitted.warn_if_far(panel)
        self._fitted.warn_if_short(panel)
        return Stream(self._fitted, panel, engine)

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
        callbacks: Iterable[Callback] = (),
        verbose: bool = False,
    ) -> backtesting.Backtest:
        """Forecast the last part of a table from several origins and score it beside simple baselines.

        A fresh copy is fitted on the rows before the first origin (with ``refit``, before each); this
        forecaster stays as it is.

        Parameters
        ----------
        df : DataFrame or path
            History and truth together, in any layout that ``fit`` takes.
        windows : int
            Origins per series.
        step : int, optional
            Rows between origins; the horizon when absent.
        gap : int
            Rows before each origin that are not fitted on.
        refit : bool
            Fit anew for every origin.
        val_size, keep_validation, callbacks, verbose
            As in ``fit``.

        Returns
        -------
        Backtest
            ``table()`` scores, ``by_step()`` errors by step, ``frame()`` every forecast beside its truth.
        """

        def fit(past: Panel) -> FittedForecaster:
            return fit_model(
                self._model_for(past),
                past,
                val_size,
                keep_validation=keep_validation,
                callback=callback,
                answers=self.answers,
                target_transform=self.target_transform,
            )

        callback = listeners(callbacks, verbose=verbose)
        require_switch(keep_validation=keep_validation)
        self.check_settings()
        return self._backtest(fit, df, windows=windows, step=step, gap=gap, refit=refit, verbose=verbose)

    def save(self, path: str | PathLike[str], *, history: bool = True) -> None:
        """Write the fitted forecaster to one file.

        Parameters
        ----------
        path : path
            The file; an older one stays until the new one is complete.
        history : bool
            Keep the last ``context_length`` rows of every series in the file, so that the loaded forecaster
            can ``predict()`` at once, and what ``evaluate`` needs of the fitted rows (their seasonal scale,
            mean and first value). Without them it needs ``predict(df)``, and the file holds no data.
        """
        require_path(path)
        require_switch(history=history)
        artifact.write(path, pack(self._fitted, history=history))

    def restore(
        self, stored: artifact.Artifact, path: str | PathLike[str], networks: Mapping[str, Any]
    ) -> Self:
        """Become the forecaster that a file holds."""
        return self.adopt(unpack(stored, path, networks))

    def adopt(self, fitted: FittedForecaster) -> Self:
        """Become the forecaster of what was fitted elsewhere."""
        self.fitted_ = fitted
        self.layout, model = self.fitted_.tail.layout, self.fitted_.model
        self.answers, self._patch_of_season = self.fitted_.answers, False
        self.target_transform = self.fitted_.transforms.names
        self.horizon, self.context_length, self.estimator = model.horizon, model.sequence_length, clone(model)
        return self

    @property
    def _fitted(self) -> FittedForecaster:
        self._refuse_unfitted()
        return self.fitted_

    @property
    def _keeper(self) -> FittedForecaster:
        return self._fitted

    def _rows_lost(self, panel: Panel) -> int:
        return rows_lost(self.target_transform, panel.season_length)

    def _model_for(self, panel: Panel) -> WindowRegressor:
        """Return a copy of the estimator with the window that suits the panel, checked."""
        context, season = self.context_length, panel.season_length
        if context is None:
            longest = int(panel.lengths.max())
            context = max(1, min(2 * max(self.horizon, season), longest // 2))
        model = copy.copy(self.estimator)
        model.set_params(sequence_length=context, horizon=self.horizon)
        model.check_settings(*self._misfits(model))
        if self._patch_of_season:
            model.set_params(patch_length=season_patch(context, season))
        return model

    def _misfits(self, model: WindowRegressor) -> Iterator[str]:
        loss = POINT_LOSSES.get(model.loss) if isinstance(model.loss, str) else None
        if self.target_transform and loss is not None and loss.relative:
            yield (
                f"loss={model.loss!r} is a share of the target, of which target_transform="
                f"{list(self.target_transform)} leaves other numbers: take loss='mae', or no transform"
            )


def _tell_of_guidance(model: WindowRegressor, panel: Panel) -> None:
    """Say where experience speaks against a choice."""
    windows = len(training_windows(panel, panel.lengths, model))
    notes = [*advice(model.name, model.settings(), windows)]
    if model.name not in LINEAR and (note := trend_note(panel.values[:, 0], panel.offsets)):
        notes.append(note)
    if notes:
        tell("\n".join(notes))
