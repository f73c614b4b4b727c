"""One forecast after every new observation, at a cost that does not depend on how long the history is."""

from typing import Any

import numpy as np
import numpy.typing as npt

from timeseries.answers import answer_frame
from timeseries.deeplearning.engine import Floats, refuse_not_finite
from timeseries.deeplearning.stepper import ENGINES, rows_since_observed, stepper
from timeseries.errors import DataError, UnsupportedError, shown, unknown_name
from timeseries.fitted import Answers, FittedForecaster, has_moved, last_origins, never_moved
from timeseries.intervals import restrict
from timeseries.panel import Panel
from timeseries.tables.layout import plain

UNLABELLED = (np.ndarray, np.generic, float, int, list, tuple)  # which need no look that would take long


class Stream:
    """Forecasts of several series that take one new observation of each at a time.

    A network that can carries its state from one observation to the next, so that it knows all of them, where
    ``predict`` reads the last ``context_length`` rows. One that scales each window by its own statistics, as
    the recipes do, or needs all of it, reads the window anew after each observation, as ``predict`` would.
    The forecaster that it comes from is left as it is. A stream belongs to one thread at a time.

    Made by ``Forecaster.stream``.

    Attributes
    ----------
    forecast : array of shape (S, H, D, Q)
        What follows the newest observation, in the user's units: series, steps, targets, quantile levels.
        Not to be written to.
    steps : int
        Observations so far.
    ids : tuple
        The S series, in the order of the rows of an observation.
    columns : tuple of str
        The C columns of an observation: targets, then past covariates.
    levels : tuple of float or None
        The Q quantile levels; None for a point forecast (Q = 1).
    engine : str
        "window", or "numpy", "numba" or "torch", which carry the state: what computes.

    Examples
    --------
    >>> from timeseries import Forecaster, load_airpassengers
    >>> past = load_airpassengers()
    >>> Forecaster("lstm", horizon=2, max_steps=5).fit(past[:-1]).stream()
    Stream(series=1, steps=0, engine='window')
    """

    def __init__(self, fitted: FittedForecaster, panel: Panel, engine: str = "auto") -> None:
        _refuse(fitted, engine)
        origins = last_origins(panel)
        self.forecast = fitted.forecast(panel, origins)  # (S, H, D, Q)
        self.forecast.flags.writeable = False
        self.steps, self.ids, self.levels = 0, panel.ids, fitted.levels
        self.columns = (*panel.targets, *panel.past)
        self._fitted, self._panel = fitted, panel.tail(1)
        seen = fitted.as_seen(panel, panel.lengths)
        gather, scaling = fitted.gather(seen, panel.lengths)
        targets = fitted.targets_of(scaling)  # (S, D)
        self._still = never_moved(panel, targets, origins, fitted.model.sequence_length)  # (S, D)
        self._some_still = bool(self._still.any())
        self._unbounded = fitted.answers == Answers(levels=fitted.answers.levels)
        window = gather.window(origins.series, origins.row)
        self._engine, self._state = stepper(fitted.network, window, engine, masked=fitted.sizes.masked)
        self._units = self._engine.units(*scaling.values, *targets, fitted.calibration)
        self._gap = rows_since_observed(window)  # (S,)

    def __repr__(self) -> str:
        """Say how many series there are and how far they are."""
        return f"Stream(series={len(self.ids)}, steps={self.steps}, engine={self.engine!r})"

    @property
    def engine(self) -> str:
        """Return what computes: "window", "numpy", "numba" or "torch"."""
        return self._engine.name

    @property
    def time(self) -> npt.NDArray[np.datetime64]:
        """Return the stamp that the next observation of each series belongs to, (S,)."""
        return self._panel.future_times(self.steps + 1)[:, -1]

    def step(self, values: Any) -> Floats:
        """Take the next observation of every series and forecast what follows it.

        Parameters
        ----------
        values : array-like of shape (S, C)
            One row per series of ``ids``, one column per name of ``columns``, in the user's units; NaN where
            nothing was observed, a row of NaN for a period without any. With one series or one column also
            (C,) or (S,), with both a number.

        Returns
        -------
        array of shape (S, H, D, Q)
            As in ``forecast``.

        Raises
        ------
        DataError
            When the values have another shape or are infinite. The stream stays as it was.
        TrainingError
            When a forecast is not finite. The stream stays as it was.
        """
        observation = self._checked(values)  # (S, C)
        scaled, complete = self._units.scaled(observation)  # (S, C)
        seen = None
        if not complete:
            seen = np.isfinite(scaled)  # (S, C)
            self._refuse_infinite(observation, scaled)
        forecast, state = self._engine.step(self._state, scaled, seen, self._gap)  # (S, H, D, P)
        answer, still = self._in_units(forecast, observation)
        answer.flags.writeable = False
        self._state, self._still, self.forecast = state, still, answer
        self._some_still = self._some_still and bool(still.any())
        self._gap = 1 if seen is None else np.where(seen.any(axis=1), 1, self._gap + 1)  # (S,)
        self.steps += 1
        return answer

    def frame(self) -> Any:
        """Return the newest forecast as a table, as ``Forecaster.predict`` does."""
        integer = self._fitted.answers.integer
        return answer_frame(self._panel, self.forecast, self.levels, integer=integer, passed=self.steps)

    def _checked(self, values: Any) -> Floats:
        """Return an observation as (S, C)."""
        shape = self._units.center.shape
        if _is_labelled(values):
            raise DataError(
                f"{self._asked()}, in this order: labels are not read. Got a {type(values).__name__}; put it "
                "in the order of `stream.ids` and `stream.columns`, and pass its numbers (.to_numpy())."
            )
        try:
            array = np.asarray(values)
        except ValueError:  # rows of different lengths
            array = np.empty(0, dtype=object)
        if array.dtype.kind not in "fiu":  # not even None and text that look like numbers
            raise DataError(
                f"{self._asked()}, in numbers that float64 can hold; got {shown(values)}. Pass numbers, NaN "
                "where nothing was observed."
            )
        array = array.astype(np.float64, copy=False)
        if isinstance(values, np.ma.MaskedArray) and array.size:
            array = np.where(np.ma.getmaskarray(values), np.nan, array)
        if array.shape != shape:
            if array.size != self._units.center.size or array.ndim > 1 or min(shape) > 1:
                raise DataError(
                    f"{self._asked()}; got one of shape {array.shape}, {shown(values)}. Pass a number for "
                    "each, NaN where nothing was observed."
                )
            array = array.reshape(shape)
        return array

    def _asked(self) -> str:
        """Say what an observation looks like."""
        return (
            f"An observation has shape {self._units.center.shape}: a row for each of {len(self.ids)} series, "
            f"a column for each of {', '.join(self.columns)}"
        )

    def _refuse_infinite(self, observation: Floats, scaled: npt.NDArray[np.float32]) -> None:
        bad = np.argwhere(np.isinf(observation) | (np.isinf(scaled) & np.isfinite(observation)))
        if len(bad):
            s, column = bad[0]
            at = plain(self._panel.written(self.time[s : s + 1])[0])
            raise DataError(
                f"Column {self.columns[column]!r} of series {self.ids[s]!r} at {at} holds "
                f"{observation[s, column]}, which is no number to forecast from: infinite, or far beyond the "
                "fitted rows. Pass NaN where nothing was observed.",
                series=self.ids[s],
            )

    def _in_units(self, forecast: Floats, observation: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return forecasts (S, H, D, P) in the user's units, (S, H, D, Q), and which targets are still."""
        fitted, still = self._fitted, self._still  # (S, D)
        answer, finite = self._units.answer(forecast)  # (S, H, D, Q)
        if not finite:
            rows = np.full(len(self.ids), self.steps)
            refuse_not_finite(answer, forecast, self.ids, np.arange(len(self.ids)), rows)
        if self._some_still:
            newest, level = observation[:, : still.shape[1]], self._units.level  # (S, D), (S, 1, D, 1)
            still = still & ~has_moved(newest, level[:, 0, :, 0])  # (S, D)
            answer = np.where(still[:, None, :, None], level, answer)
        if self._unbounded:
            return answer, still
        asked = fitted.answers
        bounds = {"lower": asked.lower, "upper": asked.upper, "integer": asked.integer}
        return restrict(answer, self.levels, **bounds), still  # type: ignore[arg-type]


def _is_labelled(values: Any) -> bool:
    """Tell a table or a column of any library that narwhals knows."""
    if isinstance(values, UNLABELLED):
        return False
    import narwhals.stable.v2 as nw

    opened = nw.from_native(values, pass_through=True, allow_series=True)
    return isinstance(opened, (nw.DataFrame, nw.LazyFrame, nw.Series))


def _refuse(fitted: FittedForecaster, engine: str) -> None:
    if engine not in ENGINES:
        raise unknown_name("engine", engine, known=ENGINES)
    if fitted.tail.future:
        raise UnsupportedError(
            f"stream() takes observations, but {fitted.name} also needs {', '.join(fitted.tail.future)} of "
            "the steps to forecast. Take update(df) and predict(future=...), or fit without `future`."
        )
    if fitted.transforms.names:
        raise UnsupportedError(
            f"stream() takes observations as they are, but {fitted.name} was fitted with target_transform="
            f"{list(fitted.transforms.names)}. Take update(df) and predict(), or fit without it."
        )
