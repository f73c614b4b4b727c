"""What is sent to other tools is what the history says."""

import sys
import types

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.callbacks import MLflowCallback, TensorBoardCallback
from timeseries.deeplearning.history import Callback
from timeseries.errors import MissingExtraError, SettingError
from timeseries.forecaster import Forecaster

TABLE = pd.DataFrame(
    {"ds": pd.date_range("2024-01-01", periods=60, freq="h"), "y": np.sin(np.arange(60) / 3)}
)


def fit(callback, **settings):
    chosen = {"horizon": 2, "context_length": 4, "epochs": 3, "coverage": None} | settings
    return Forecaster("nlinear", **chosen).fit(TABLE, val_size=10, callbacks=[callback])


@pytest.fixture
def mlflow(monkeypatch):
    """Stand in for MLflow, with the four functions that are called, and write down what it is told."""
    module, module.told, module.active = types.ModuleType("mlflow"), [], []
    module.active_run = lambda: module.active[-1] if module.active else None
    module.start_run = lambda run_name: module.active.append(run_name)
    module.end_run = lambda: module.active.pop()
    module.log_metrics = lambda metrics, step: module.told.append((step, metrics, list(module.active)))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return module


def test_mlflow_is_told_every_epoch_of_both_runs(mlflow):
    history = fit(MLflowCallback(run_name="demand")).train_history
    first = [
        (r["epoch"], {k: r[k] for k in ("train_loss", "val_loss", "seconds")}, ["demand"]) for r in history
    ]
    assert mlflow.told[: len(history)] == first
    refit = mlflow.told[len(history) :]
    assert refit[0][1].keys() == {"refit_train_loss", "refit_seconds"}
    assert mlflow.active == []


def test_an_active_run_of_mlflow_is_used_and_left_open(mlflow):
    mlflow.start_run("mine")
    fit(MLflowCallback())
    assert {runs[0] for _, _, runs in mlflow.told} == {"mine"}
    assert mlflow.active == ["mine"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_back_what_the_history_says(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fit(TensorBoardCallback(tmp_path)).train_history
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    for name in ("train_loss", "val_loss"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(r["epoch"], pytest.approx(r[name], rel=1e-6)) for r in history]
    refit = reader.EventAccumulator(str(tmp_path / "refit")).Reload()
    assert refit.Tags()["scalars"] == ["train_loss", "seconds"]


@pytest.mark.parametrize(
    ("made", "module", "extra"),
    [(MLflowCallback, "mlflow", "mlflow"), (TensorBoardCallback, "torch.utils.tensorboard", "tensorboard")],
)
def test_a_tool_that_is_not_installed_is_named_with_the_command_that_installs_it(
    made, module, extra, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    arguments = ("runs",) if extra == "tensorboard" else ()
    with pytest.raises(MissingExtraError, match=rf"timeseries-deeplearning\[{extra}\]"):
        made(*arguments)


@pytest.mark.parametrize("wrong", [print, "mlflow", 3])
def test_what_is_no_callback_is_refused_by_name(wrong):
    with pytest.raises(SettingError, match="callbacks must hold objects derived from Callback"):
        fit(wrong)


def test_a_callback_that_would_never_hear_anything_is_refused():
    class Misspelt(Callback):
        def on_epoch_end(self, record):
            raise AssertionError("nobody calls this")

    with pytest.raises(SettingError, match="would never do anything: it has none of watch, begin"):
        fit(Misspelt())
