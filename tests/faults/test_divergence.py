"""A training that diverges ends as such, and says where; no model comes out of it."""

import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from timeseries.cli import main
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.errors import NotFittedError, TrainingError
from timeseries.forecaster import Forecaster
from timeseries.recipes import NAMES


def table():
    t = np.arange(48)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=48), "y": np.sin(t / 3) + t / 10})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "custom"])
@pytest.mark.parametrize("max_steps", [1, 9])
def test_a_learning_rate_far_too_large_leaves_no_forecaster(name, max_steps):
    forecaster = Forecaster(name, horizon=3, learning_rate=1e10, max_steps=max_steps, schedule="constant")
    with pytest.raises(TrainingError, match=r"diverged.*Lower learning_rate \(now 1e\+10\)"):
        forecaster.fit(table())
    with pytest.raises(NotFittedError):
        forecaster.predict()


@pytest.mark.parametrize("validation_split", [0.0, 0.3])
def test_a_learning_rate_far_too_large_leaves_no_estimator(validation_split):
    X = np.sin(np.arange(60))[:, None]  # (n, F)
    model = LSTMModel(sequence_length=6, hidden_size=8, epochs=5, learning_rate=1e10)
    with pytest.raises(TrainingError, match=r"Lower learning_rate \(now 1e\+10\)"):
        model.fit(X, X[:, 0] ** 2, validation_split=validation_split)
    assert not hasattr(model, "network_")


def test_the_command_ends_with_6_and_names_step_series_and_learning_rate(tmp_path):
    table().to_csv(tmp_path / "data.csv", index=False)
    options = ["--horizon", "3", "--model", "transformer", "--set", "learning_rate=1e10", "-o"]
    done = CliRunner().invoke(main, ["fit", str(tmp_path / "data.csv"), *options, str(tmp_path / "out")])
    assert done.exit_code == 6, done.output
    assert re.search(r"epoch \d+, step \d+ of \d+.*series 'y'.*learning_rate \(now 1e\+10\)", done.stderr)
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()
