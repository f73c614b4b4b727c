"""A clock that stands still or is put back: durations stay durations, and training ends."""

import time

import numpy as np
import pytest

from timeseries.deeplearning.models.lstm import LSTMModel

X = np.sin(np.arange(60))[:, None]  # (n, F)
DAY = 86_400.0
CLOCKS = {
    "stands still": lambda call: 1000.0,
    "runs back": lambda call: 1e9 - DAY * call,
    "jumps a year ahead and back": lambda call: 1e9 + (call % 3 - 1) * 365 * DAY,
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("max_seconds", [None, 5.0])
def test_training_ends_with_durations_that_are_none_below_zero(clock, max_seconds, monkeypatch):
    calls = iter(range(100_000))
    for name in ("time", "perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: CLOCKS[clock](next(calls)))
    settings = {"sequence_length": 6, "hidden_size": 8, "epochs": 3, "max_seconds": max_seconds}
    model = LSTMModel(**settings).fit(X, X[:, 0] ** 2, validation_split=0.2)
    assert 1 <= len(model.train_history) <= 3
    assert all(record["seconds"] >= 0 for record in model.train_history)
    assert np.isfinite(model.predict(X)).all()
