"""Ctrl-C: training ends, the best so far stays, and the caller still hears of it."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.forecaster import Forecaster

SETTINGS = {"hidden_size": 4, "num_layers": 1, "learning_rate": 0.05, "batch_size": 16, "patience": None}


class Interrupt(Callback):
    """Presses Ctrl-C at a step (0: before the first) of one of the runs that are reported to it."""

    def __init__(self, run, step):
        self.at, self.run, self.steps = (run, step), 0, 0

    def begin(self, plan, before=0):
        self.run, self.steps = self.run + 1, 0
        self._press()

    def step(self):
        self.steps += 1
        self._press()

    def _press(self):
        if (self.run, self.steps) == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def press(monkeypatch):
    """Return a function that lets Ctrl-C come at a step of a run, in whatever is fitted verbosely."""

    def at(run, step):
        callback = Interrupt(run, step)
        monkeypatch.setattr("timeseries.deeplearning.progress.progress_line", lambda: callback)

    return at


def table():
    stamps = pd.date_range("2024-01-01", periods=90, freq="h")
    return pd.DataFrame({"ds": stamps, "y": np.sin(np.arange(90) / 3)})


def make(epochs=6):
    return Forecaster("lstm", horizon=3, context_length=8, epochs=epochs, schedule="constant", **SETTINGS)


def test_a_forecaster_interrupted_in_its_first_run_forecasts_with_the_best_so_far(press):
    press(run=1, step=14)  # 4 steps an epoch: in the fourth
    forecaster = make()
    with pytest.raises(KeyboardInterrupt):
        forecaster.fit(table(), val_size=20, verbose=True)
    expected = make(epochs=3).fit(table(), val_size=20, keep_validation=True)
    assert len(forecaster.train_history) == 3
    pd.testing.assert_frame_equal(forecaster.predict(), expected.predict(), check_exact=True)


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_forecaster_interrupted_in_its_refit_keeps_the_network_of_the_first_run(press, step, tmp_path):
    press(run=2, step=step)
    forecaster = make()
    with pytest.raises(KeyboardInterrupt):
        forecaster.fit(table(), val_size=20, verbose=True)
    expected = make().fit(table(), val_size=20, keep_validation=True)
    assert len(forecaster.train_history) == 6
    pd.testing.assert_frame_equal(forecaster.predict(), expected.predict(), check_exact=True)
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), expected.predict(), check_exact=True)


def test_a_forecaster_interrupted_before_its_first_step_stays_as_it_was(press):
    forecaster = make().fit(table())
    before = forecaster.fitted_
    press(run=1, step=0)
    with pytest.raises(KeyboardInterrupt):
        forecaster.fit(table(), verbose=True)
    assert forecaster.fitted_ is before


def test_an_estimator_keeps_the_steps_that_it_took(press):
    X = np.sin(np.arange(64) / 3)[:, None]
    press(run=1, step=7)
    model = LSTMModel(epochs=9, sequence_length=8, **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, 0] ** 2, verbose=True)
    expected = LSTMModel(epochs=9, max_steps=7, sequence_length=8, **SETTINGS).fit(X, X[:, 0] ** 2)
    assert [record["steps"] for record in model.train_history] == [4, 3]
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


SCRIPT = """
import os, signal, sys
from timeseries.cli import main
from timeseries.deeplearning import progress
from timeseries.deeplearning.history import Callback

class Press(Callback):
    steps = 0

    def step(self):
        self.steps += 1
        if self.steps == 30:
            os.kill(os.getpid(), signal.SIGINT)

progress.progress_line = Press
before = signal.getsignal(signal.SIGINT)
try:
    main(sys.argv[1:])
finally:
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler
"""


def test_a_real_signal_ends_the_command_with_130_and_the_best_model_saved(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    options = ["--model", "nlinear", "--horizon", "3", "--set", "epochs=1000000", "-o", "best.model"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "fit", "t.csv", "--val-size", "20", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 130, done.stderr
    assert "The best model so far is in best.model" in done.stderr
    assert done.stderr.endswith("Interrupted.\n")
    assert len(Forecaster.load(tmp_path / "best.model").predict()) == 3
