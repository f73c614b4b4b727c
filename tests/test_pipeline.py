"""From table to file, part by part: alignment of covariates, scaling, splits, order, what survives saving."""

import numpy as np
import pandas as pd
import pytest
import torch

from timeseries.deeplearning.engine import FORECAST_BATCH, fit_scaling, forecast
from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.losses import make_loss
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.trainer import Trainer
from timeseries.errors import TrainingError
from timeseries.fitted import _time_gap, series_table
from timeseries.forecaster import Forecaster
from timeseries.panel import Panel
from timeseries.tables.layout import TableLayout
from timeseries.windows import index_windows


def hours(n):
    return pd.date_range("2024-01-01", periods=n, freq="h")


def make(name="nlinear", **kw):
    small = {"nlinear": {}, "lstm": {"hidden_size": 8, "num_layers": 1}}[name]
    return Forecaster(
        name, **(small | {"horizon": 4, "context_length": 8, "max_steps": 20, "coverage": ()} | kw)
    )


def unit(s, c):
    return Affine(np.zeros((s, c)), np.ones((s, c)))


def test_padding_is_masked_in_every_column_covariates_too_and_targets_mask_by_their_own_column():
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[6, 0] = np.nan
    known = np.arange(30.0)[:, None]
    table = SeriesTable(
        names=("a",),
        offsets=np.array([0, 30]),
        values=values,
        inputs=slice(0, 2),
        targets=slice(2, 3),
        lead=1,
        known=known,
        known_offsets=np.array([0, 30]),
    )
    gather = ResidentGather(Buffers(table, context=5), Scaling(unit(1, 3), unit(1, 1)), horizon=3)
    assert (
        gather.window(np.array([0]), np.array([1])).observed[0].tolist()
        == [[False] * 3] * 3 + [[True] * 3] * 2
    )
    assert gather.target(np.array([0]), np.array([4]))[1].all()


@pytest.mark.parametrize("missing", [1, 3])
def test_every_filling_window_has_weight_zero(missing):
    table = SeriesTable(
        names=("a",),
        offsets=np.array([0, 20]),
        values=np.arange(20.0)[:, None],
        inputs=slice(0, 1),
        targets=slice(0, 1),
        lead=1,
    )
    gather = ResidentGather(Buffers(table, context=2), Scaling(unit(1, 1)), horizon=1)
    index = index_windows(
        np.array([0, 20]), np.array([0]), np.array([8 - missing + 2]), horizon=1, min_context=2
    )
    last = list(Batches(gather, index, batch_size=4).epoch(0))[-1]
    assert last.weight.sum() == 4 - missing


def test_known_covariates_are_scaled_by_the_training_rows_alone():
    table = SeriesTable(
        names=("a",),
        offsets=np.array([0, 6]),
        values=np.arange(6.0)[:, None],
        inputs=slice(0, 1),
        targets=slice(0, 1),
        lead=1,
        known=np.array([[1.0], [3], [5], [7], [90], [90], [90]]),
        known_offsets=np.array([0, 7]),
    )
    scaling = fit_scaling(table, np.array([3]))
    assert scaling.known.center.tolist() == [[3.0]]
    assert scaling.values.center.tolist() == [[1.0]]


class Fixed(torch.nn.Module):
    def forward(self, window):
        x = window.past[:, -1:, :, None]
        return torch.cat([x + 1, x - 1, x], dim=-1)


def test_quantiles_are_sorted_within_a_target_and_answers_keep_their_order_over_batches():
    rows = 2 * FORECAST_BATCH + 5
    table = SeriesTable(
        names=("a",),
        offsets=np.array([0, rows]),
        values=np.stack([np.arange(rows), -np.arange(rows)], 1) * 1.0,
        inputs=slice(0, 2),
        targets=slice(0, 2),
        lead=1,
    )
    gather = ResidentGather(Buffers(table, context=1), Scaling(unit(1, 2)), horizon=1)
    origins = np.arange(rows)
    answer = forecast(Fixed(), gather, unit(1, 2), np.zeros_like(origins), origins)
    np.testing.assert_allclose(answer[:, 0], table.values[:, :, None] + np.array([-1.0, 0.0, 1.0]))


def test_a_bad_step_after_the_first_reading_is_named_by_its_number(monkeypatch):
    monkeypatch.setattr("timeseries.deeplearning.loss_record.READ_EVERY", 4)
    values = np.arange(20.0)[:, None]
    values[15] = 1e30
    table = SeriesTable(
        names=("a",),
        offsets=np.array([0, 20]),
        values=values,
        inputs=slice(0, 1),
        targets=slice(0, 1),
        lead=1,
    )
    gather = ResidentGather(Buffers(table, context=1), Scaling(unit(1, 1)), horizon=1)
    index = index_windows(np.array([0, 20]), np.array([0]), np.array([20]), horizon=1)

    class Zero(torch.nn.Module):
        def forward(self, w):
            return w.past[:, :1, :, None] * 0

    with pytest.raises(TrainingError, match="step 15 of 19"):
        Trainer(NLinearModel(), make_loss("mse", None)).evaluate(Zero(), Batches(gather, index, 1))


def test_the_point_column_is_the_median_wherever_it_stands_among_the_levels():
    frame = pd.DataFrame({"ds": hours(60), "y": np.sin(np.arange(60) / 3)})
    answer = make("lstm", loss="pinball", quantiles=(0.5, 0.8, 0.9)).fit(frame).predict()
    assert answer["y"].equals(answer["y_q0.5"].rename("y"))
    X = np.random.default_rng(0).normal(size=(40, 1))
    model = NLinearModel(epochs=2, loss="pinball", quantiles=(0.2, 0.3, 0.5, 0.9)).fit(X, X[:, 0] ** 2)
    np.testing.assert_array_equal(model.predict(X), model.predict_quantiles(X)[:, 2])


def test_joint_long_answers_of_several_series_and_targets_stand_at_their_own_rows():
    frame = pd.concat(
        [
            pd.DataFrame({"unique_id": k, "ds": hours(60), "a": 100.0 * i, "b": 100.0 * i + 50})
            for i, k in enumerate("pq")
        ]
    )
    frame["a"] += np.tile(np.sin(np.arange(60)), 2)
    frame["b"] += np.tile(np.cos(np.arange(60)), 2)
    answer = make(target=["a", "b"]).fit(frame).predict()
    near = answer.groupby("unique_id")[["a", "b"]].mean().round(-1)
    assert near.to_numpy().tolist() == [[0, 50], [100, 150]]


def test_time_gap_is_the_rows_since_the_last_observed_row_before():
    frame = pd.DataFrame(
        {
            "unique_id": list("aaaaaa") + list("bbb"),
            "ds": [0, 1, 2, 3, 4, 5, 0, 1, 2],
            "y": [1, 2, np.nan, np.nan, 3, 4, 1, np.nan, 5],
            "z": [1, np.nan, np.nan, 7, 1, 1, 1, 1, 1],
        }
    )
    panel = Panel.from_frame(frame, TableLayout(past=["z"], missing="mask"))
    assert _time_gap(panel).tolist() == [1, 1, 1, 2, 1, 1, 1, 1, 1]
    frame["z"] = frame["y"]
    panel = Panel.from_frame(frame, TableLayout(past=["z"], missing="mask"))
    assert _time_gap(panel).tolist() == [1, 1, 1, 2, 3, 1, 1, 1, 2]


def spied_fit(monkeypatch, frame, **options):
    import timeseries.fitting as fitting

    calls = []
    real = fitting.fit_network

    def spy(model, gather, train, validation, callback, keeper):
        calls.append((model, gather, train, validation))
        return real(model, gather, train, validation, callback, keeper=keeper)

    monkeypatch.setattr(fitting, "fit_network", spy)
    f = make(max_steps=None, epochs=3, learning_rate=1e-4).fit(frame, **options)
    return f, calls


def test_training_and_validation_rows_and_scalings_are_apart_and_the_refit_takes_all(monkeypatch):
    y = np.r_[np.sin(np.arange(48.0)), 100 + np.arange(12.0)]
    frame = pd.DataFrame({"ds": hours(60), "y": y})
    f, calls = spied_fit(monkeypatch, frame, val_size=12)
    (_, gather, train, validation), (final, gather2, train2, none) = calls

    def rows(index):
        return index.locate(np.arange(len(index)))[1]

    assert (rows(train).min(), rows(train).max()) == (7, 43)  # targets 8..47
    assert (rows(validation).min(), rows(validation).max()) == (47, 55)  # targets 48..59
    assert (rows(train2).min(), rows(train2).max(), none) == (7, 55, None)
    best = min(f.train_history, key=lambda r: r["val_loss"])["epoch"] + 1
    assert final.epochs == best

    def scale(g):
        return float(1 / g.values.slope[0, 0, 0])

    assert scale(gather) == pytest.approx(y[:48].std(), rel=1e-5)
    assert scale(gather2) == pytest.approx(y.std(), rel=1e-5)
    assert f.fitted_.scaling.values.scale[0, 0] == pytest.approx(y.std())


@pytest.mark.parametrize(("rows", "first"), [(11, 0), (12, 7), (13, 7)])
def test_a_series_gives_complete_windows_as_soon_as_it_holds_one(monkeypatch, rows, first):
    frame = pd.DataFrame({"ds": hours(rows), "y": np.arange(rows) * 1.0})
    _, calls = spied_fit(monkeypatch, frame)
    index = calls[0][2]
    assert index.locate(np.arange(len(index)))[1].tolist() == list(range(first, rows - 4))


def test_known_series_keep_their_scale_beside_unseen_ones():
    frame = pd.DataFrame(
        {"ds": hours(60), "a": np.sin(np.arange(60) / 3), "b": np.cos(np.arange(60) / 3) * 9}
    )
    f = make().fit(frame)
    part = frame.iloc[30:]
    mixed = f.predict(part.assign(c=part["a"] * 50 + 7)[["ds", "c", "b"]])
    np.testing.assert_allclose(mixed["b"], f.predict(part[["ds", "a", "b"]])["b"], rtol=1e-4)
    alone = f.predict(part.assign(c=part["a"] * 50 + 7)[["ds", "c"]])
    np.testing.assert_allclose(mixed["c"], alone["c"], rtol=1e-4)
    own = f.predict(part.assign(c=part["a"] * 5000 + 7)[["ds", "c"]])
    np.testing.assert_allclose((own["c"] - 7) / 100, alone["c"] - 7, rtol=1e-3)


def test_static_features_are_standardised_over_the_series_also_after_loading(tmp_path):
    frame = pd.concat(
        [
            pd.DataFrame({"unique_id": k, "ds": hours(40), "y": np.sin(np.arange(40.0)), "s": 1e6 + 1e3 * i})
            for i, k in enumerate("abc")
        ]
    )
    f = make(static=["s"]).fit(frame)
    table = series_table(f.fitted_.tail, f.fitted_.static_scaling)
    np.testing.assert_allclose(table.static.mean(), 0, atol=1e-9)
    np.testing.assert_allclose(table.static.std(), 1)
    f.save(tmp_path / "m")
    pd.testing.assert_frame_equal(Forecaster.load(tmp_path / "m").predict(), f.predict(), check_exact=True)


def test_covariate_scaling_and_index_survive_the_file(tmp_path):
    x = 1000 + np.random.default_rng(0).normal(size=64)
    frame = pd.DataFrame({"ds": hours(64), "y": 3 * x, "x": x}).set_index("ds")
    f = make(future=["x"]).fit(frame[:60])
    f.save(tmp_path / "m")
    pd.testing.assert_frame_equal(
        Forecaster.load(tmp_path / "m").predict(future=frame[60:][["x"]]),
        f.predict(future=frame[60:][["x"]]),
        check_exact=True,
    )


def test_predict_without_a_table_equals_predict_of_the_fitted_table():
    for name in ("nlinear", "lstm"):
        frame = pd.DataFrame({"ds": hours(60), "y": np.random.default_rng(0).normal(size=60)})
        f = make(name).fit(frame)
        np.testing.assert_allclose(f.predict()["y"], f.predict(frame)["y"], rtol=1e-4, atol=1e-5)


def test_future_covariates_without_a_table_are_those_of_the_forecast_steps():
    x = np.random.default_rng(0).normal(size=64)
    frame = pd.DataFrame({"ds": hours(64), "y": 3 * x, "x": x})
    f = make(future=["x"]).fit(frame[:60])
    np.testing.assert_allclose(
        f.predict(future=frame[60:][["ds", "x"]])["y"],
        f.predict(frame[:60], future=frame[60:][["ds", "x"]])["y"],
        rtol=1e-4,
        atol=1e-5,
    )
    panel = Panel.from_frame(frame[:60], TableLayout(future=["x"]), future=frame[60:][["ds", "x"]])
    np.testing.assert_array_equal(panel.tail(8).known[:, 0], x[52:])


def test_mase_is_scaled_by_the_rows_before_the_gap():
    frame = pd.DataFrame({"ds": np.arange(60), "y": np.arange(60.0) ** 2})
    result = make().backtest(frame, windows=1, gap=6)
    y = frame["y"].to_numpy()[:50]
    assert result.scale[0, 0] == pytest.approx(np.abs(np.diff(y)).mean())


def test_a_refit_backtest_of_several_series_keeps_series_and_windows_together():
    frame = pd.DataFrame(
        {
            "ds": hours(60),
            "a": np.sin(np.arange(60)),
            "b": 1000 + np.cos(np.arange(60)),
            "c": 5000 + np.cos(np.arange(60)),
        }
    )
    result = make().backtest(frame, windows=3, refit=True)
    assert np.abs(result.truth - result.point).max() < 20


def test_the_estimators_validation_rows_touch_neither_weights_nor_scale_and_watch_alone():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X[:, 0] ** 2 + 5
    for other in (np.r_[y[:48], y[48:] * 100], None):
        X2, y2 = X.copy(), (y if other is None else other)
        if other is None:
            X2[48:] *= 50
        one = NLinearModel(epochs=1, horizon=3, sequence_length=4).fit(X, y, validation_split=0.2)
        two = NLinearModel(epochs=1, horizon=3, sequence_length=4).fit(X2, y2, validation_split=0.2)
        np.testing.assert_array_equal(one.predict(X[:48]), two.predict(X[:48]))
        np.testing.assert_array_equal(one.scale_, two.scale_)
        assert one.train_history[0]["val_loss"] != two.train_history[0]["val_loss"]
    y3 = y.copy()
    y3[:48] = y[:48]
    a = NLinearModel(epochs=1, horizon=3, sequence_length=4).fit(X, y, validation_split=0.2)
    error = (a.predict(X, steps=3) - np.stack([np.roll(y, -k) for k in range(3)], 1)) / a.scale_[0, -1]
    assert a.train_history[0]["val_loss"] == pytest.approx((error[48:58] ** 2).mean(), rel=1e-4)


def test_names_survive_the_file(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2))
    m = NLinearModel(epochs=1).fit(pd.DataFrame(X, columns=["p", "q"]), X[:, 0] ** 2)
    m.save(tmp_path / "m")
    assert NLinearModel.load(tmp_path / "m").feature_names_in_.tolist() == ["p", "q"]


def test_the_epoch_loss_weighs_a_short_last_batch_by_its_windows():
    pass
