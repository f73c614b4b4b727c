"""Tables in, forecasts out: fit, predict, backtest, save, load."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from timeseries import backtesting
from timeseries.answers import answer_frame
from timeseries.deeplearning import artifact
from timeseries.deeplearning.history import EpochRecord
from timeseries.deeplearning.loading import LoadEitherWay
from timeseries.deeplearning.models import MODELS, WindowRegressor, model_class
from timeseries.deeplearning.progress import progress_line
from timeseries.deeplearning.recipes import RECIPES
from timeseries.errors import DataError, NotFittedError, SettingError, unknown_name
from timeseries.fitted import FittedForecaster, TrainingInterrupted, fit_model, pack, unpack
from timeseries.panel import Panel, TableLayout
from timeseries.settings import setting_names
from timeseries.splits import Origins

Table = Any  # a frame of any library, an array, a path or an open file


class Forecaster:
    """Forecast every series of a table with one network.

    Parameters
    ----------
    model : str or estimator
        A name of ``MODELS`` (the model then gets its recipe of measured settings), or an estimator such as
        ``LSTMModel(hidden_size=128)`` whose settings are taken as they are.
    horizon : int
        Steps to forecast.
    context_length : int, optional
        Rows that the network sees; when absent, twice the longer of horizon and season, at most half of
        the longest series.
    **settings
        Settings of the model (``hidden_size=128``) and of the table's layout (``target="load"``,
        ``freq="h"``, ``missing="mask"``): see ``TableLayout``.

    Examples
    --------
    >>> from timeseries.datasets import load_airpassengers
    >>> forecaster = Forecaster("nlinear", horizon=12, context_length=24, epochs=2)
    >>> forecaster.fit(load_airpassengers()).predict().columns.tolist()
    ['ds', 'y']
    """

    load = LoadEitherWay()
    """``Forecaster.load(path)`` makes a forecaster from a file; on an instance it replaces what it was."""

    def __init__(
        self,
        model: str | WindowRegressor = "lstm",
        *,
        horizon: int,
        context_length: int | None = None,
        **settings: Any,
    ) -> None:
        columns = {f.name for f in fields(TableLayout)}
        self.layout = TableLayout(**{name: value for name, value in settings.items() if name in columns})
        self.horizon, self.context_length = horizon, context_length
        self.estimator = _estimator(model, {k: v for k, v in settings.items() if k not in columns})

    def __repr__(self) -> str:
        return f"Forecaster({self.estimator!r}, horizon={self.horizon}, context_length={self.context_length})"

    def fit(
        self,
        df: Table,
        *,
        val_size: int | None = None,
        keep_validation: bool = False,
        verbose: bool = False,
    ) -> Self:
        """Learn from every series of a table.

        Parameters
        ----------
        df : DataFrame or path of a CSV file
            Long (``unique_id, ds, y``) or wide (one column per series), see ``TableLayout``.
        val_size : int, optional
            Last rows of each series that choose the number of epochs. When absent: a tenth of the rows, at
            least the horizon, if the model has ``patience``; otherwise none.
        keep_validation : bool
            Keep the network of the best epoch, which never learned from the validation rows. By default the
            network is then fitted again on all rows, for the chosen number of epochs.
        verbose : bool
            Say what was found in the table to the standard error stream, and on one line how far training
            is, if that stream is a terminal.

        Returns
        -------
        self

        Raises
        ------
        DataError
            When the table has a fault; it says which series, column, row and time, and the fix.
        SettingError
            When settings make no sense; all problems at once.
        KeyboardInterrupt
            After Ctrl-C; from its first step on, training leaves the best network so far to forecast with.
        """
        panel = read_panel(df, self.layout, verbose=verbose)
        model = self._model_for(panel)
        reporter = progress_line() if verbose else None
        try:
            self.fitted_ = fit_model(
                model, panel, val_size, keep_validation=keep_validation, reporter=reporter
            )
        except TrainingInterrupted as interrupted:
            self.fitted_ = interrupted.fitted
            raise
        return self

    @property
    def train_history(self) -> list[EpochRecord]:
        """One record per epoch of the run that chose the number of epochs; losses in scaled units."""
        return self._fitted.history

    def predict(self, df: Table | None = None, *, future: Table | None = None) -> Any:
        """Forecast the steps that follow the last row of every series.

        Parameters
        ----------
        df : DataFrame or path, optional
            The history to forecast from, in the layout of the fitted table; the fitted table when absent.
            Series never seen before are scaled by their own rows.
        future : DataFrame or path, optional
            The future-known covariates of the steps to forecast; needed when the model was fitted with some.

        Returns
        -------
        DataFrame
            In the layout of the question; quantiles as further columns, ``y_q0.1`` for level 0.1 of y.
        """
        fitted = self._fitted
        layout = fitted.layout
        if df is None and not len(fitted.tail.values):
            raise DataError("The model was saved without its last rows: pass the history, predict(df).")
        if df is None and future is None:
            panel = fitted.tail
        else:
            panel = read_panel(fitted.tail.to_frame() if df is None else df, layout, future)
        fitted.warn_if_short(panel)
        series = np.arange(len(panel.ids))
        last = Origins(series, panel.offsets[1:] - 1, np.zeros_like(series))
        return answer_frame(panel, fitted.forecast(panel, last), fitted.levels)

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
        val_size, keep_validation, verbose
            As in ``fit``.

        Returns
        -------
        Backtest
            ``table()`` scores, ``by_step()`` errors by step, ``frame()`` every forecast beside its truth.
        """

        def fit(past: Panel) -> FittedForecaster:
            model = self._model_for(past)
            reporter = progress_line() if verbose else None
            return fit_model(model, past, val_size, keep_validation=keep_validation, reporter=reporter)

        return backtesting.backtest(
            fit,
            read_panel(df, self.layout, verbose=verbose),
            horizon=self.horizon,
            windows=windows,
            step=step,
            gap=gap,
            refit=refit,
        )

    def save(self, path: str | PathLike[str], *, history: bool = True) -> None:
        """Write the fitted forecaster to one file.

        Parameters
        ----------
        path : path
            The file; an older one stays until the new one is complete.
        history : bool
            Keep the last ``context_length`` rows of every series in the file, so that the loaded forecaster
            can ``predict()`` at once. Without them it needs ``predict(df)``, and the file holds no data.
        """
        artifact.write(path, pack(self._fitted, history=history))

    def _load(self, path: str | PathLike[str], networks: Mapping[str, Any]) -> Self:
        self.fitted_ = unpack(artifact.read(path), path, networks)
        self.layout, model = self.fitted_.tail.layout, self.fitted_.model
        self.horizon, self.context_length, self.estimator = model.horizon, model.sequence_length, clone(model)
        return self

    @property
    def _fitted(self) -> FittedForecaster:
        if not hasattr(self, "fitted_"):
            raise NotFittedError("This forecaster is not fitted yet. Call fit(df) or load(path) first.")
        return self.fitted_

    def _model_for(self, panel: Panel) -> WindowRegressor:
        """Return a copy of the estimator with the window that suits the panel, checked."""
        context = self.context_length
        if context is None:
            longest = int(panel.lengths.max())
            context = max(2 * max(self.horizon, panel.frequency.season_length), 1)
            context = max(1, min(context, longest // 2))
        model: WindowRegressor = clone(self.estimator)
        model.set_params(sequence_length=context, horizon=self.horizon)
        model.check_settings()
        return model


def read_panel(
    table: Table, layout: TableLayout, future: Table | None = None, *, verbose: bool = False
) -> Panel:
    """Read a frame or a CSV file; say on request what was found in it and done to it."""
    is_file = isinstance(table, (str, PathLike)) or hasattr(table, "read")
    panel = (Panel.from_file if is_file else Panel.from_frame)(table, layout, future=future)
    if verbose:
        rows = f"{panel.num_series} series, {len(panel.values)} rows."
        print("\n".join([rows, *panel.notes]), file=sys.stderr)  # noqa: T201
    return panel


def _estimator(model: str | WindowRegressor, settings: dict[str, Any]) -> WindowRegressor:
    """Return an unfitted estimator of its own: by name with its recipe, or a copy of the given one."""
    if not isinstance(model, (str, WindowRegressor)):
        raise SettingError(
            f"model must be a name such as 'lstm' or an estimator such as LSTMModel(), got {model!r}. "
            f"Names: {', '.join(MODELS)}."
        )
    known = setting_names(model_class(model) if isinstance(model, str) else type(model))
    known = [
        name for name in known if name not in ("sequence_length", "horizon", "input_size", "output_size")
    ]
    for name in settings:
        if name not in known:
            layout = [f.name for f in fields(TableLayout)]
            raise unknown_name("Forecaster setting", name, [*known, *layout, "horizon", "context_length"])
    if isinstance(model, str):
        return model_class(model)(**(RECIPES.get(model, {}) | settings))
    copy: WindowRegressor = clone(model)
    return copy.set_params(**settings)  # type: ignore[no-any-return]
