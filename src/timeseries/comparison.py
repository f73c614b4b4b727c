"""What it takes to compare models: one error for all, a budget of seconds, and words for settings."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from numbers import Real
from typing import Any

from timeseries.backtesting import Backtest
from timeseries.deeplearning.history import Callback
from timeseries.errors import DataError, SettingError, shown
from timeseries.forecaster import Forecaster
from timeseries.metrics import METRICS

ERRORS = tuple(name for name, metric in METRICS.items() if name != "r2" and metric.needs != "quantiles")
"""What models can be compared by: lower is better, and a point forecast has it."""


class OutOfTime(Exception):  # noqa: N818  it ends a training, and is no fault
    """The seconds of a budget are over."""


class TimeBudget(Callback):
    """Counts seconds from its making, and ends the training that hears it once they are over.

    Parameters
    ----------
    seconds : float, optional
        How many there are; without end when absent.

    Raises
    ------
    SettingError
        If that is no positive number.

    Examples
    --------
    >>> TimeBudget(60.0).is_over, TimeBudget().is_over
    (False, False)
    """

    def __init__(self, seconds: float | None = None) -> None:
        given: Any = seconds
        is_number = isinstance(given, Real) and not isinstance(given, bool)
        if given is not None and not (is_number and given > 0):
            raise SettingError(
                f"seconds must be a number above 0, or None for no limit, got {shown(seconds)}."
            )
        self.seconds, self.began = seconds, time.perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether no second is left."""
        return self.seconds is not None and time.perf_counter() - self.began >= self.seconds

    def step(self) -> None:
        """End the training between two of its steps; what it has learnt is of no use to a comparison."""
        if self.is_over:
            raise OutOfTime


def of_points(forecaster: Forecaster) -> Forecaster:
    """Let a forecaster do without intervals, which a comparison of points need not calibrate; return it."""
    forecaster.answers = replace(forecaster.answers, levels=None)
    return forecaster


def error_of(result: Backtest, metric: str) -> float:
    """Return the error of the model of a backtest.

    Raises
    ------
    DataError
        If it is undefined there; the message says why.
    """
    score = result.scores(metric)[result.model][0]
    if score.value is None:
        raise DataError(f"The {metric} of {result.model} is undefined: {score.reason}. Take another metric.")
    return score.value


Writer = Callable[[Mapping[str, Any]], str]


def in_python(settings: Mapping[str, Any]) -> str:
    """Write settings as keywords of a call, numbers with four digits.

    >>> in_python({"learning_rate": 0.0012345678, "hidden_size": 64, "activation": "relu"})
    "learning_rate=0.001235, hidden_size=64, activation='relu'"
    """
    texts = (f"{value:.4g}" if isinstance(value, float) else repr(value) for value in settings.values())
    return ", ".join(f"{name}={text}" for name, text in zip(settings, texts, strict=True))


_writer: ContextVar[Writer] = ContextVar("writer", default=in_python)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Write settings to be pasted where the search was called: in Python, unless `written` says otherwise.

    Examples
    --------
    >>> settings_text({"hidden_size": 64, "context_length": 24})
    'hidden_size=64, context_length=24'
    """
    return _writer.get()(settings)


@contextmanager
def written(writer: Writer) -> Iterator[None]:
    """Let settings be written another way for a while.

    Examples
    --------
    >>> with written(" ".join):
    ...     settings_text({"hidden_size": 64, "context_length": 24})
    'hidden_size context_length'
    """
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)
