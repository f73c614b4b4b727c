"""The interface that users were promised runs as it was written; only its ``...`` become data."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import timeseries
from timeseries.deeplearning.artifact import read_manifest
from timeseries.deeplearning.models import MODELS
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.errors import SettingError

BLOCKS = """
```python
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.normalization import DataNormalizer

X_train, y_train = ...  # Shape: (samples, features)
X_test, y_test = ...

normalizer = DataNormalizer({'strategy': 'zscore'})
X_train_norm = normalizer.fit_transform(X_train)
X_test_norm = normalizer.transform(X_test)

config = {'sequence_length': 20, 'hidden_size': 64, 'num_layers': 2, 'epochs': 100, 'batch_size': 32}
model = LSTMModel(config=config)
model.fit(X_train_norm, y_train, validation_split=0.1, verbose=True)
predictions = model.predict(X_test_norm)
metrics = model.evaluate(X_test_norm, y_test)
```
```python
config = {'sequence_length': 30, 'hidden_size': 128, 'num_layers': 3, 'dropout': 0.3, 'learning_rate': 0.0005, 'epochs': 200, 'batch_size': 64}
model = LSTMModel(config=config)
model.fit(X_train, y_train, validation_split=0.15, verbose=True)
history = model.train_history
train_losses = [h['train_loss'] for h in history]
val_losses = [h['val_loss'] for h in history]
predictions = model.predict(X_test, steps=1)
model.save('lstm_model.pkl')
loaded_model = LSTMModel()
loaded_model.load('lstm_model.pkl')
```
"""  # noqa: E501
BASIC, ADVANCED = re.findall(r"```python\n(.*?)```", BLOCKS, flags=re.DOTALL)


IMPORT = BASIC.splitlines(keepends=True)[0]


def rows(count):
    """y follows X: what it is depends on its row and the one before."""
    X = np.random.default_rng(0).normal(size=(count + 1, 3)) + np.array([0, 5, -5])
    return X[1:], X[1:, 0] + 0.5 * X[:-1, 1]


def given(train, test):
    return {"train": rows(train), "test": rows(test)}


def test_the_basic_usage_runs_as_written(capfd):
    code = BASIC.replace("X_train, y_train = ...", "X_train, y_train = train")
    code = code.replace("X_test, y_test = ...", "X_test, y_test = test")
    names = given(34, 25)
    exec(code, names)
    assert "\r" not in capfd.readouterr().err  # verbose draws a line on a terminal, and there is none
    X, y = names["X_test_norm"], names["y_test"]
    assert names["predictions"].shape == y.shape
    metrics, model = names["metrics"], names["model"]
    assert set(metrics) == {"mse", "rmse", "mae", "r2", "mape", "smape"}
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.mean((model.predict(X) - y) ** 2)))
    assert len(model.train_history) == 100
    assert model.train_history[0]["train_loss"] > 2 * model.train_history[-1]["train_loss"]


@pytest.mark.parametrize("epochs", [pytest.param(200, marks=pytest.mark.slow), 2])
def test_the_advanced_usage_runs_as_written(epochs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = ADVANCED.replace("'epochs': 200", f"'epochs': {epochs}")
    assert (code == ADVANCED) == (epochs == 200)
    names = {"X_train": rows(45)[0], "y_train": rows(45)[1], "X_test": rows(12)[0]}
    exec(IMPORT + code, names)
    assert len(names["train_losses"]) == len(names["val_losses"]) == epochs
    assert np.isfinite([names["train_losses"], names["val_losses"]]).all()
    assert names["predictions"].shape == (12,)
    np.testing.assert_array_equal(names["loaded_model"].predict(names["X_test"]), names["predictions"])
    assert names["loaded_model"].get_params() == names["model"].get_params()
    assert Path("lstm_model.pkl").read_bytes()[:1] != b"\x80"  # which every pickle begins with


def test_every_promised_key_of_a_config_is_taken():
    X, y = rows(30)
    keys = ["input_size", "hidden_size", "num_layers", "output_size", "dropout", "learning_rate", "epochs"]
    keys += ["batch_size", "sequence_length", "device", "batch_first"]
    values = [3, 4, 1, 1, 0.1, 0.01, 2, 16, 5, "cpu", True]
    model = LSTMModel(config=dict(zip(keys, values, strict=True)))
    assert [getattr(model, key) for key in keys] == values
    assert model.fit(X, y).predict(X).shape == (30,)


@pytest.mark.parametrize("config", [{}, {"config": {"batch_first": False}}, {"batch_first": False}])
def test_a_batch_that_does_not_come_first_is_explained(config):
    model = clone(LSTMModel(epochs=1, **config))
    if not config:
        model.set_params(batch_first=False)
    with pytest.raises(
        SettingError, match=r"batch_first must be True, .*swapaxes\(0, 1\).*; dropout must be"
    ):
        model.set_params(dropout=1.5).fit(*rows(30))


def test_that_the_batch_comes_first_is_in_no_file(tmp_path):
    model = LSTMModel(epochs=1, hidden_size=4, batch_first=True).fit(*rows(30))
    model.save(tmp_path / "m")
    assert "batch_first" not in read_manifest(tmp_path / "m")[0]["settings"]
    assert LSTMModel.load(tmp_path / "m").batch_first is True


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_can_be_had_from_its_home_and_from_the_library(name):
    made = MODELS[name]
    assert made.__module__ == f"timeseries.deeplearning.models.{name}"
    assert getattr(import_module(made.__module__), made.__name__) is made
    assert getattr(timeseries, made.__name__) is made
