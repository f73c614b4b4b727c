"""What anything that was fitted to a table does: predict, evaluate, and be backtested and loaded like all."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, Protocol, Self

import numpy as np

from timeseries import backtesting
from timeseries.answers import answer_frame
from timeseries.continuation import background, continued, refuse_nothing_new, rows_seen
from timeseries.deeplearning import artifact
from timeseries.deeplearning.loading import LoadEitherWay
from timeseries.errors import DataError, NotFittedError, SettingError, require_switch, require_whole
from timeseries.fitted import Answers, FittedForecaster, last_origins
from timeseries.intervals import TOO_FEW, Calibration
from timeseries.notes import tell
from timeseries.panel import Panel, TableLayout

Table = Any  # a frame of any library, an array, a path or an open file


class Fitted(backtesting.PanelForecaster, Protocol):
    """What forecasts, and what its intervals rest on."""

    @property
    def calibration(self) -> Calibration | None:
        """Return how far quantiles are moved, None where there are none of ours."""


class TableForecaster(ABC):
    """Forecasts every series of a table."""

    layout: TableLayout
    horizon: int
    answers: Answers

    load = LoadEitherWay()
    """``Forecaster.load(path)`` makes a forecaster from a file; on an instance it replaces what it was."""

    @property
    @abstractmethod
    def _fitted(self) -> Fitted:
        """Return what was fitted, or raise NotFittedError."""

    @property
    @abstractmethod
    def _keeper(self) -> FittedForecaster:
        """Return what keeps the last rows of every series, or raise NotFittedError."""

    @abstractmethod
    def _rows_lost(self, panel: Panel) -> int:
        """Return how many first rows of a series transforms leave without a value."""

    @abstractmethod
    def restore(
        self, stored: artifact.Artifact, path: str | PathLike[str], networks: Mapping[str, Any]
    ) -> Self:
        """Become what a file holds."""

    @property
    def calibration_notes(self) -> tuple[str, ...]:
        """What each interval rests on, one sentence each; none for a point forecast."""
        calibration = self._fitted.calibration
        return () if calibration is None else calibration.notes

    def predict(self, df: Table | None = None, *, future: Table | None = None, verbose: bool = False) -> Any:
        """Forecast the steps that follow the last row of every series.

        Parameters
        ----------
        df : DataFrame or path, optional
            The history to forecast from, in the layout of the fitted table; the fitted table when absent.
            Series never seen before are scaled by their own rows.
        future : DataFrame or path, optional
            The future-known covariates of the steps to forecast; needed when the model was fitted with some.
        verbose : bool
            Say what was found in the table, to the standard error stream.

        Returns
        -------
        DataFrame
            In the layout of the question; quantiles as further columns, ``y_q0.1`` for level 0.1 of y. With
            ``integer`` these are columns of integers.
        """
        require_switch(verbose=verbose)
        panel = self._history(df, future, verbose=verbose)
        if panel is not self._keeper.tail:
            self._keeper.warn_if_far(panel)
            self._keeper.warn_if_short(panel)
        self._tell_of_weak_intervals(verbose=verbose)
        forecast = self._fitted.forecast(panel, last_origins(panel))  # (S, H, D, Q)
        return answer_frame(panel, forecast, self._fitted.levels, integer=self.answers.integer)

    def evaluate(self, df: Table, *, step: int | None = None, verbose: bool = False) -> backtesting.Backtest:
        """Score the fitted model on rows that came after those it was fitted to.

        Parameters
        ----------
        df : DataFrame or path
            New rows, with or without the ones before them; none that the model has seen is scored. A series
            never seen is scored from its first complete window on, and scaled by the rows of that window.
        step : int, optional
            Rows between origins; the horizon when absent.
        verbose : bool
            Say what was found in the table, to the standard error stream.

        Returns
        -------
        Backtest
            As from ``backtest``, but nothing is fitted. MASE and RMSSE are scaled by the rows of the fit, and
            drift and mean begin with the first of them, whether these rows are passed again or not; where
            that cannot be, ``notes`` says which rows stand in.

        Raises
        ------
        DataError
            When no series has a whole horizon of rows that the model has not seen.
        """
        fitted = self._keeper
        panel = continued(fitted, read_panel(df, fitted.layout, verbose=verbose))
        seen = rows_seen(fitted, panel)  # (S,)
        context = np.minimum(fitted.memory, panel.lengths)  # (S,)
        first = np.where(seen > 0, seen, context) - 1  # (S,)
        refuse_nothing_new(fitted, panel, seen)
        known = background(fitted, panel, first)
        result = backtesting.evaluate_fitted(
            self._fitted, panel, first, horizon=self.horizon, step=step, background=known
        )
        return replace(result, integer=self.answers.integer, what="Evaluation")

    def _load(self, path: str | PathLike[str], networks: Mapping[str, Any]) -> Self:
        return self.restore(artifact.read(path), path, networks)

    def _history(self, df: Table | None, future: Table | None, *, verbose: bool) -> Panel:
        """Return the rows to forecast from: those of a table, or those that were kept."""
        kept = self._keeper.tail
        if df is None and not len(kept.values):
            raise DataError("The model was saved without its last rows: pass the history, predict(df).")
        if df is None and future is None:
            return kept
        table = kept.to_frame() if df is None else df
        return read_panel(table, self._keeper.layout, future, verbose=verbose)

    def _refuse_unfitted(self) -> None:
        if not hasattr(self, "fitted_"):
            raise NotFittedError("This forecaster is not fitted yet. Call fit(df) or load(path) first.")

    def _backtest(
        self,
        fit: Callable[[Panel], Fitted],
        df: Table,
        *,
        windows: int,
        step: int | None,
        gap: int,
        refit: bool,
        verbose: bool,
    ) -> backtesting.Backtest:
        """Score what ``fit`` makes of the rows before each origin, or before the first."""
        require_switch(refit=refit)
        require_whole(horizon=(self.horizon, 1), windows=(windows, 1), gap=(gap, 0))
        every = self.horizon if step is None else step
        require_whole(step=(every, 1))
        tested = gap + (windows - 1) * every + self.horizon  # rows that are not fitted on
        result = backtesting.backtest(
            fit,
            self._read_to_fit(df, spare=tested, verbose=verbose),
            horizon=self.horizon,
            windows=windows,
            step=every,
            gap=gap,
            refit=refit,
        )
        return replace(result, integer=self.answers.integer)

    def _read_to_fit(self, df: Table, *, spare: int = 0, verbose: bool) -> Panel:
        """Read a table, and leave out the series that are too short, if the layout allows that.

        Fitting needs horizon + 1 rows and those that transforms take; ``spare`` rows more are wanted after
        those.
        """
        require_whole(horizon=(self.horizon, 1))
        panel = read_panel(df, self.layout, verbose=verbose)
        least = self.horizon + 1 + self._rows_lost(panel) + spare
        enough = panel.lengths >= least  # (S,)
        if self.layout.bad_series == "error" or enough.all() or not enough.any():
            return panel
        if verbose:
            short = [name for name, kept in zip(panel.ids, enough, strict=True) if not kept]
            named = ", ".join(map(repr, short[:5])) + (" ..." if len(short) > 5 else "")
            text = f"{len(short)} series with fewer than {least} rows were dropped: {named}."
            tell(text)
        return panel.only(enough)

    def _tell_of_weak_intervals(self, *, verbose: bool) -> None:
        """Say which intervals rest on too few rows to reach as far as they should."""
        weak = [note for note in self.calibration_notes if TOO_FEW in note]
        if verbose and weak:
            tell("\n".join(weak))


def read_panel(
    table: Table, layout: TableLayout, future: Table | None = None, *, verbose: bool = False
) -> Panel:
    """Read a frame or a CSV file; say on request what was found in it and done to it.

    A panel is taken as it was read, with the layout and the known covariates that it has.
    """
    require_switch(verbose=verbose)
    if isinstance(table, Panel):
        if future is not None:
            raise SettingError("A Panel has its known covariates in it: read the table again with future.")
        return table
    is_file = isinstance(table, (str, PathLike)) or hasattr(table, "read")
    panel = (Panel.from_file if is_file else Panel.from_frame)(table, layout, future=future)
    if verbose:
        rows = f"{panel.num_series} series, {len(panel.values)} rows."
        tell("\n".join([rows, *panel.notes]))
    return panel
