"""What a CUDA device computes, against the CPU; and that training does not wait for it."""

import numpy as np
import pandas as pd
import pytest
import torch

from timeseries import Callback, Forecaster, LSTMModel
from timeseries.deeplearning.models import MODELS, CustomModel
from timeseries.recipes import RECIPES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
H, T = 4, 24
TOLERANCE = 2e-3  # products on the device round otherwise, and three steps of Adam spread that


def series(rows=200, number=2):
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    waves = np.sin(np.arange(rows) / 4)
    return pd.concat(
        [
            pd.DataFrame({"unique_id": f"s{s}", "ds": stamps, "y": waves + 0.1 * draw.normal(size=rows)})
            for s in range(number)
        ],
        ignore_index=True,
    )


def fitted(name="lstm", device="cuda", **settings):
    settings = {"max_steps": 3, "batch_size": 16, "seed": 0} | settings
    return Forecaster(name, horizon=H, context_length=T, device=device, **settings).fit(series())


@pytest.fixture
def on_the_cpu(tmp_path, monkeypatch):
    """Return a function that takes a forecaster to a machine without a device, as a file."""

    def move(forecaster):
        forecaster.save(tmp_path / "model")
        with monkeypatch.context() as patch:
            patch.setattr("timeseries.deeplearning.packing.available_devices", lambda: ["cpu"])
            return Forecaster.load(tmp_path / "model")

    return move


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_forecasts_on_the_device_what_it_forecasts_on_the_cpu(name, on_the_cpu):
    forecaster = fitted(name)
    elsewhere = on_the_cpu(forecaster)
    np.testing.assert_allclose(forecaster.predict()["y"], elsewhere.predict()["y"], atol=TOLERANCE)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_training_on_the_device_leads_where_it_leads_on_the_cpu(cell):
    one, other = (fitted(cell, device, dropout=0.0) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(one.predict()["y"], other.predict()["y"], atol=TOLERANCE)


def test_the_same_seed_gives_the_same_forecasts():
    pd.testing.assert_frame_equal(fitted().predict(), fitted().predict(), rtol=1e-5)


class Strict(Callback):
    """Lets nothing wait for the device from the third step to the last but one."""

    def __init__(self, steps):
        self.last, self.steps = steps - 1, 0

    def step(self):
        self.steps += 1
        torch.cuda.set_sync_debug_mode("error" if 2 <= self.steps < self.last else "default")


@pytest.mark.parametrize("settings", [{}, {"every_position": True}, {"clip_norm": 1.0}], ids=str)
def test_no_step_waits_for_the_device(settings):
    steps = 12
    model = LSTMModel(hidden_size=8, num_layers=2, batch_size=16, max_steps=steps, device="cuda", **settings)
    watch = Strict(steps)
    try:
        Forecaster(model, horizon=H, context_length=T, coverage=()).fit(series(), callbacks=[watch])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert watch.steps == steps


def test_a_stream_carries_its_state_on_the_device(on_the_cpu):
    forecaster = fitted()
    streams = [each.stream(engine="torch") for each in (forecaster, on_the_cpu(forecaster))]
    for value in (0.1, np.nan, -0.3):
        one, other = (stream.step([value, value]) for stream in streams)
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


def test_training_in_bfloat16_learns_about_as_much():
    whole, half = (
        fitted("lstm", max_steps=100, precision=precision).train_history[-1]["train_loss"]
        for precision in ("float32", "bfloat16")
    )
    assert half == pytest.approx(whole, rel=0.1)


def test_every_recipe_trains_on_the_device():
    for name in sorted({*RECIPES} - {CustomModel.name}):
        assert np.isfinite(fitted(name).predict()["y"]).all()
