"""Two doors: what a forecaster is handed, and what it must never see."""

import numpy as np
import pandas as pd
import torch

from timeseries.backtesting import backtest
from timeseries.deeplearning import engine
from timeseries.deeplearning.layers.heads import CovariateHead
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.window import Sizes, Window
from timeseries.panel import Panel


def test_a_backtest_hands_the_forecaster_no_row_after_the_last_origin_of_its_round():
    frame = pd.DataFrame({"ds": range(20), "a": np.arange(20.0), "b": np.arange(20.0)})
    seen = []

    class Spy:
        name, levels = "spy", None

        def forecast(self, panel, origins):
            seen.append((panel.lengths.tolist(), (origins.row - panel.offsets[origins.series]).tolist()))
            return panel.values[origins.row][:, None, :, None] * np.ones((1, 3, 1, 1))

    fitted = []

    def run(**kw):
        return backtest(
            lambda p: fitted.append(p.lengths.tolist()) or Spy(),
            Panel.from_frame(frame),
            horizon=3,
            windows=2,
            **kw,
        )

    run()
    assert (seen, fitted) == ([([17, 17], [13, 16, 13, 16])], [[14, 14]])
    seen.clear(), fitted.clear()
    result = run(refit=True, gap=2)
    assert (seen, fitted) == ([([14, 14], [13, 13]), ([17, 17], [16, 16])], [[12, 12], [15, 15]])
    assert result.point[:, 0, 0].tolist() == [13, 16, 13, 16]
    assert result.truth[:, 0, 0].tolist() == [14, 17, 14, 17]


def test_the_estimators_point_is_the_median_wherever_it_stands():
    X = np.random.default_rng(0).normal(size=(40, 1))
    model = NLinearModel(epochs=2, loss="pinball", quantiles=(0.5, 0.8, 0.9)).fit(X, X[:, 0] ** 2)
    np.testing.assert_array_equal(model.predict(X), model.predict_quantiles(X)[:, 0])


def test_no_training_target_of_the_estimator_lies_in_the_validation_part():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X[:, 0] ** 2 + 5
    weights = []
    for factor in (1, 100):
        y2 = np.r_[y[:48], y[48:] * factor]
        m = NLinearModel(epochs=1, horizon=3, sequence_length=4).fit(X, y2, validation_split=0.2)
        weights.append(m.network_.state_dict()["past.weight"].numpy())
    np.testing.assert_array_equal(*weights)


def test_the_seed_decides_the_order_of_the_windows_too(monkeypatch):
    seeds = []
    real = engine.Batches
    monkeypatch.setattr(
        engine, "Batches", lambda *a, seed=None, **k: seeds.append(seed) or real(*a, seed=seed, **k)
    )
    X = np.random.default_rng(0).normal(size=(40, 1))
    NLinearModel(epochs=1, seed=7).fit(X, X[:, 0] ** 2, validation_split=0.2)
    assert seeds == [7, None]


def test_a_covariate_of_one_future_step_moves_that_step_alone():
    head = CovariateHead(6, Sizes(context=3, horizon=4, past=2, future=2, targets=2, outputs=3))
    window = Window(torch.zeros(1, 3, 2), future=torch.randn(1, 4, 2))
    summary = torch.randn(1, 6)
    before = head(summary, window)
    for step in range(4):
        future = window.future.clone()
        future[:, step] += 1
        moved = (head(summary, window._replace(future=future)) != before).any(-1).any(-1)[0]
        assert moved.tolist() == [h == step for h in range(4)]
