"""Many sequences: each alone, its y in one of two shapes, one scaling for all."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, cross_val_score

from timeseries.deeplearning.artifact import read_manifest
from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.models import MODELS
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.window import Window
from timeseries.errors import DataError, SettingError, UnusedStepsWarning

SEQUENCES, STEPS, FEATURES = 9, 12, 2
LENGTHS = [12, 7, 9, 3, 12, 10, 11, 8, 12]
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


def stacked(targets=()):
    """X and a target per step."""
    X = draw(SEQUENCES, STEPS, FEATURES)
    return X, (np.cumsum(X[..., :1], axis=1) + np.arange(math.prod(targets))).reshape(
        SEQUENCES, STEPS, *targets
    )


def listed(targets=()):
    X, y = stacked(targets)
    return (
        [x[:n] for x, n in zip(X, LENGTHS, strict=True)],
        [part[:n] for part, n in zip(y, LENGTHS, strict=True)],
    )


def quick(made=NLinearModel, **changed):
    return made(**{"sequence_length": 5, "epochs": 2, "batch_size": 16} | changed)


@pytest.mark.parametrize("targets", [(), (1,), (3,)])
def test_predictions_have_the_shape_of_y(targets):
    X, y = stacked(targets)
    assert quick().fit(X, y).predict(X).shape == y.shape
    assert quick(horizon=2).fit(X, y).predict(X, steps=2).shape == (SEQUENCES, STEPS, 2, *targets)
    one_each = y[:, -1]
    assert quick(sequence_length=STEPS).fit(X, one_each).predict(X).shape == (SEQUENCES, *targets)
    parts, answers = listed(targets)
    found = quick().fit(parts, answers).predict(parts)
    assert [part.shape for part in found] == [part.shape for part in answers]
    last = np.stack([part[-1] for part in answers])
    assert quick(sequence_length=STEPS).fit(parts, last).predict(parts).shape == (SEQUENCES, *targets)


def test_each_sequence_is_as_if_it_were_alone():
    X, y = stacked()
    model = quick(LSTMModel, hidden_size=8).fit(X, y)
    together = model.predict(X)
    for x, found in zip(X, together, strict=True):
        np.testing.assert_allclose(model.predict(x), found, atol=1e-6)
    changed = X.copy()
    changed[3] += 1
    moved = model.predict(changed) != together
    assert moved[3].all()
    assert not moved[np.arange(SEQUENCES) != 3].any()


def test_a_list_of_equal_sequences_is_an_array_of_them():
    X, y = stacked()
    one, other = quick().fit(X, y), quick().fit(list(X), list(y))
    np.testing.assert_array_equal(np.stack(other.predict(list(X))), one.predict(X))
    np.testing.assert_array_equal(quick().fit(tuple(X), y.tolist()).predict(X), one.predict(X))


@every_model
def test_the_order_of_sequences_and_their_company_change_nothing(name):
    """What scikit-learn checks as sample order and subset invariance, which rows of one series lack."""
    X, y = stacked()
    for target in (y, y[:, -1]):
        model = MODELS[name](sequence_length=STEPS, epochs=1).fit(X, target)
        expected = model.predict(X)
        order = np.random.default_rng(1).permutation(SEQUENCES)
        np.testing.assert_allclose(model.predict(X[order]), expected[order], rtol=1e-5, atol=1e-5)
        alone = np.concatenate([model.predict(X[[at]]) for at in range(SEQUENCES)])
        np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-5)


def test_a_target_per_sequence_is_predicted_from_its_last_steps():
    """y = 2 x[-1] - x[-4]: a linear model finds it, whatever the length of a sequence."""
    draw = np.random.default_rng(0)
    X = [draw.normal(size=(n, 1)) for n in draw.integers(4, 9, size=400)]
    y = np.array([2 * x[-1, 0] - x[-4, 0] for x in X])
    with pytest.warns(UnusedStepsWarning, match="up to 8 steps, of which a window shows the last 4"):
        model = NLinearModel(sequence_length=4, epochs=100, learning_rate=0.01).fit(X[:300], y[:300])
    np.testing.assert_allclose(model.predict(X[300:]), y[300:], atol=0.1)
    assert model.evaluate(X[300:], y[300:])["rmse"] < 0.05
    assert model.score(X[300:], y[300:]) > 0.99


def test_one_scaling_is_learned_from_the_training_rows_of_all_sequences():
    X, y = listed()
    stops = [n - round(n * 0.25) for n in LENGTHS]
    model = quick().fit(X, y, validation_split=0.25)
    seen = np.concatenate([x[:n] for x, n in zip(X, stops, strict=True)])
    targets = np.concatenate([part[:n] for part, n in zip(y, stops, strict=True)])
    np.testing.assert_allclose(model.center_[0], [*seen.mean(0), targets.mean()])
    np.testing.assert_allclose(model.scale_[0], [*seen.std(0), targets.std()])
    one_each = np.array([part[-1] for part in y])
    model = quick(sequence_length=12).fit(X, one_each, validation_split=0.25)
    seen = np.concatenate(X[:7])  # the last two of nine sequences watch
    np.testing.assert_allclose(model.center_[0], [*seen.mean(0), one_each[:7].mean()])
    np.testing.assert_allclose(model.scale_[0], [*seen.std(0), one_each[:7].std()])


def test_what_watches_is_never_trained_on():
    X, y = stacked()
    for target, held in ((y, np.s_[:, 9:]), (y[:, -1], np.s_[7:])):
        other, rows = target.copy(), X.copy()
        other[held] += 100
        rows[held] *= 50
        one = quick(sequence_length=12).fit(X, target, validation_split=0.25)
        two = quick(sequence_length=12).fit(rows, other, validation_split=0.25)
        np.testing.assert_array_equal(one.scale_, two.scale_)
        assert [h["train_loss"] for h in one.history_] == [h["train_loss"] for h in two.history_]
        assert one.history_[0]["val_loss"] != two.history_[0]["val_loss"]


def test_the_steps_of_an_epoch_count_the_windows():
    X, y = listed()
    steps = quick(epochs=1, batch_size=10).fit(X, y).train_history[0]["steps"]
    assert steps == math.ceil(sum(LENGTHS) / 10)
    steps = quick(epochs=1, batch_size=10, horizon=3).fit(X, y).train_history[0]["steps"]
    assert steps == math.ceil(sum(n - 2 for n in LENGTHS) / 10)
    one_each = [part[-1] for part in y]
    assert quick(epochs=1, batch_size=2, sequence_length=12).fit(X, one_each).history_[0]["steps"] == 5


def test_a_y_that_can_be_read_both_ways_is_one_per_step_unless_output_size_says_otherwise():
    X, y = stacked()
    assert not quick().fit(X, y).one_per_sequence_
    model = quick(sequence_length=STEPS, output_size=STEPS).fit(X, y)
    assert model.one_per_sequence_
    assert model.predict(X).shape == y.shape
    assert model.evaluate(X, y)["mse"] == pytest.approx(np.mean((model.predict(X) - y) ** 2))


def test_a_model_of_rows_predicts_sequences_and_one_of_sequences_predicts_rows():
    X, y = stacked()
    model = quick().fit(X[0], y[0])
    np.testing.assert_allclose(model.predict(X[:2])[1], model.predict(X[1]), atol=1e-6)
    of_sequences = quick().fit(X, y)
    np.testing.assert_allclose(of_sequences.predict(X[1]), of_sequences.predict(X)[1], atol=1e-6)
    with pytest.raises(DataError, match=r"one target each, but X holds rows, of shape \(12, 2\).*X\[None\]"):
        quick(sequence_length=STEPS).fit(X, y[:, -1]).predict(X[0])


@pytest.mark.parametrize("per_sequence", [True, False])
def test_the_file_knows_what_a_target_belongs_to(per_sequence, tmp_path):
    X, y = stacked()
    model = quick(sequence_length=STEPS).fit(X, y[:, -1] if per_sequence else y)
    model.save(tmp_path / "m")
    assert ("one_per_sequence" in read_manifest(tmp_path / "m")[0]) == per_sequence
    np.testing.assert_array_equal(NLinearModel.load(tmp_path / "m").predict(X), model.predict(X))


def test_scores_are_over_all_steps_of_all_sequences():
    X, y = listed()
    model = quick().fit(X, y)
    error = np.concatenate(model.predict(X)) - np.concatenate(y)
    scores = model.evaluate(X, y)
    assert scores["mae"] == pytest.approx(np.abs(error).mean())
    assert scores["r2"] == pytest.approx(1 - (error**2).mean() / np.concatenate(y).var())
    assert scores["r2"] == model.score(X, y)
    assert scores["mape"] == pytest.approx(100 * np.mean(np.abs(error / np.concatenate(y))))
    assert np.isnan(model.evaluate(X, [part * 0 for part in y])["mape"])


def test_quantiles_have_a_last_axis():
    X, y = stacked()
    model = quick(loss="pinball", quantiles=(0.2, 0.5, 0.8)).fit(X, y)
    assert model.predict_quantiles(X).shape == (SEQUENCES, STEPS, 3)
    assert [part.shape for part in model.predict_quantiles(listed()[0])] == [(n, 3) for n in LENGTHS]


def test_sequences_are_cross_validated_as_samples():
    X, y = stacked()
    scores = cross_val_score(quick(sequence_length=STEPS), X, y[:, -1], cv=KFold(3))
    assert scores.shape == (3,)


def test_frames_in_a_list_keep_the_names_of_their_columns():
    X, y = listed()
    frames = [pd.DataFrame(x, columns=["wind", "sun"]) for x in X]
    model = quick().fit(frames, y)
    assert model.feature_names_in_.tolist() == ["wind", "sun"]
    np.testing.assert_array_equal(
        np.concatenate(model.predict(frames)), np.concatenate(quick().fit(X, y).predict(X))
    )
    with pytest.raises(DataError, match="feature names"):
        model.predict([frame[["sun", "wind"]] for frame in frames])
    frames[4] = frames[4][["sun", "wind"]]
    with pytest.raises(DataError, match="Sequence 4 of X has other columns than the first"):
        quick().fit(frames, y)


def spoiled(at, value=np.nan):
    X, _ = listed()
    X[at[0]] = X[at[0]].copy()
    X[at[0]][at[1:]] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (spoiled((2, 4, 1)), listed()[1], "X contains NaN .* NaN in sequence 2, row 4, column 1"),
        (spoiled((8, 11, 0), np.inf), listed()[1], "the first is inf in sequence 8, row 11, column 0"),
        (listed()[0], [p * np.nan for p in listed()[1]], "y contains .* NaN in sequence 0, row 0, column 0"),
        (listed()[0], [0.0, np.nan] + [1.0] * 7, "y contains .* NaN in row 1, column 0"),
        (listed()[0], listed()[1][:-1], "X holds 9 sequences, but y 8"),
        (
            listed()[0],
            [p[:-1] for p in listed()[1]],
            "y of sequence 0 has 11 steps, but X of sequence 0 has 12",
        ),
        (listed()[0], [1.0] * 8 + [[2.0]], "differ in their number of axes"),
        ([*listed()[0][:8], np.zeros((0, 2))], listed()[1], r"Sequence 8 of X has shape \(0, 2\)"),
        (
            [*listed()[0][:8], np.zeros((3, 5))],
            listed()[1],
            r"Sequence 8 of X has shape \(3, 5\).*2 features",
        ),
        ([*listed()[0][:8], np.zeros(3)], listed()[1], r"Sequence 8 of X has shape \(3,\)"),
        ([*listed()[0][:8], [["a", "b"]]], listed()[1], "could not convert string"),
        (np.zeros((3, 0, 2)), np.zeros(3), "0 sample"),
        (np.zeros((3, 4, 0)), np.zeros(3), "0 feature"),
        (np.zeros((3, 4, 2), dtype=bool), np.zeros(3), "true and false"),
        (np.zeros((3, 4, 2)), None, "y to be passed"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(X, y, message):
    with pytest.raises(DataError, match=message):
        quick().fit(X, y)


def test_text_in_a_frame_is_named_by_its_column():
    frame = pd.DataFrame({"sun": [1.0, 2.0, 3.0], "place": ["north", "south", "north"]})
    with pytest.raises(DataError, match=r"X, column 'place', holds what is no number: .*'north'"):
        quick().fit(frame, [1.0, 2.0, 3.0])


def test_rows_and_targets_of_different_number_are_counted():
    with pytest.raises(DataError, match=r"X has 30 rows, but y 29: .* Row i of X belongs to y\[i\]"):
        quick().fit(np.zeros((30, 1)), np.zeros(29))


def test_a_message_never_holds_the_whole_array():
    with pytest.raises(DataError, match=r"Expected 2D array, got 1D array instead\.\s+Reshape") as refusal:
        quick().fit(np.arange(3000.0), np.arange(3000.0))
    assert len(str(refusal.value)) < 300


def test_every_position_of_rows_is_refused_with_the_reason():
    X, y = stacked()
    with pytest.raises(SettingError, match=r"hold the past of the targets.*those of fit\(X, y\) hold X"):
        LSTMModel(sequence_length=4, hidden_size=4, epochs=1, every_position=True).fit(X, y)


def test_several_steps_need_a_target_for_every_step():
    X, y = stacked()
    with pytest.raises(SettingError, match="horizon=3 needs a target for every step"):
        quick(sequence_length=STEPS, horizon=3).fit(X, y[:, -1])


def test_parts_without_a_window_are_refused():
    X, y = stacked()
    with pytest.raises(DataError, match=r"99 for training and 9 for .* horizon = 5 rows of each"):
        quick(horizon=5).fit(X, y, validation_split=0.1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 4), st.booleans())
def test_any_lengths_and_features_are_predicted(lengths, features, per_sequence):
    X = [draw(n, features) for n in lengths]
    y = draw(len(X)) ** 2 if per_sequence else [draw(n) ** 2 for n in lengths]
    model = quick(epochs=1, max_steps=1, sequence_length=max(lengths)).fit(X, y)
    assert model.n_features_in_ == features
    found = model.predict(X)
    assert [np.shape(part) for part in found] == [np.shape(part) for part in y]
    assert np.isfinite(np.concatenate([np.ravel(part) for part in found])).all()


def test_a_window_of_no_weight_teaches_nothing():
    """Rows 40 and later have weight 0: their targets may be anything."""
    X, y = np.random.default_rng(0).normal(size=(2, 60, 1))
    weight = np.r_[np.ones(40), np.zeros(20)]
    spoilt = y[:, 0].copy()
    spoilt[40:] = np.random.default_rng(1).permutation(spoilt[40:])  # mean and deviation stay
    settings = {"sequence_length": 4, "epochs": 3, "optimizer": "sgd", "learning_rate": 0.01}
    models = [NLinearModel(**settings) for _ in range(2)]
    one = models[0].fit(X, y[:, 0], window_weight=weight).predict(X)
    other = models[1].fit(X, spoilt, window_weight=weight).predict(X)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    unweighted = NLinearModel(**settings).fit(X, spoilt).predict(X)
    assert np.abs(unweighted - other).max() > 1e-3


def test_weights_count_as_repeated_windows_do():
    """One step over all windows: weight 3 is the mean with that window three times."""
    X, y = np.random.default_rng(0).normal(size=(2, 12, 3, 1))
    targets = y[:, 0, 0]
    weight = np.array([3.0] * 4 + [1.0] * 8)
    settings = {"sequence_length": 3, "epochs": 1, "batch_size": 100, "optimizer": "sgd", "momentum": 0.0}
    repeated = np.r_[np.tile(np.arange(4), 3), np.arange(4, 12)]
    model = NLinearModel(**settings).fit(X, targets, window_weight=weight)
    loss = model.train_history[0]["train_loss"]
    scaled = (targets - targets.mean()) / targets.std()
    inputs = (X - X.mean()) / X.std()
    with torch.inference_mode():
        fresh = NLinearModel(**settings | {"learning_rate": 1e-12}).fit(X, targets).network_
        found = fresh(Window(torch.from_numpy(inputs).float())).numpy()[:, 0, 0, 0]
    assert loss == pytest.approx(np.mean((found - scaled)[repeated] ** 2), rel=1e-4)


def test_equal_weights_are_no_weights_whatever_their_size():
    X, y = np.random.default_rng(0).normal(size=(2, 40, 1))
    plain = NLinearModel(sequence_length=4, epochs=2).fit(X, y[:, 0])
    equal = NLinearModel(sequence_length=4, epochs=2).fit(X, y[:, 0], window_weight=np.full(40, 0.001))
    np.testing.assert_allclose(plain.predict(X), equal.predict(X), rtol=1e-5)
    losses = [model.train_history[0]["train_loss"] for model in (plain, equal)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(39), "inconsistent|40"),
        (np.r_[np.ones(39), -1], "number 39 is -1"),
        (np.zeros(40), "not 0 everywhere"),
        (np.r_[np.ones(39), np.nan], "NaN"),
        (np.ones((40, 2)), "40 x 2"),
        (["a"] * 40, "number|convert"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weight, message):
    X, y = np.random.default_rng(0).normal(size=(2, 40, 1))
    with pytest.raises(DataError, match=message) as refusal:
        NLinearModel(sequence_length=4, epochs=2).fit(X, y[:, 0], window_weight=weight)
    assert "window_weight" in str(refusal.value)


def test_training_windows_may_stand_apart_while_every_row_is_predicted():
    X, y = np.random.default_rng(0).normal(size=(2, 100, 1))
    model = NLinearModel(sequence_length=4, epochs=2, batch_size=10, window_step=5).fit(X, y[:, 0])
    assert [record["steps"] for record in model.train_history] == [2, 2]  # 20 windows
    assert model.predict(X).shape == (100,)


def test_epochs_batches_and_steps_add_up_as_in_textbooks():
    """120 windows in batches of 10 for 10 epochs: 12 steps an epoch, 120 steps."""
    X, y = np.random.default_rng(0).normal(size=(2, 120, 1))
    model = NLinearModel(sequence_length=4, epochs=10, batch_size=10).fit(X, y[:, 0])
    steps = [record["steps"] for record in model.train_history]
    assert steps == [12] * 10
    assert sum(steps) == 120


def test_callbacks_hear_the_epochs_of_an_estimator():
    heard = []

    class Listener(Callback):
        def epoch(self, record):
            heard.append(record["epoch"])
            return record["epoch"] == 1

    X, y = np.random.default_rng(0).normal(size=(2, 40, 1))
    model = NLinearModel(sequence_length=4, epochs=5).fit(X, y[:, 0], callbacks=[Listener()])
    assert heard == [0, 1] == [record["epoch"] for record in model.train_history]


def test_finding_a_rate_or_a_batch_size_fits_nothing():
    X, noise = np.random.default_rng(0).normal(size=(2, 60, 1))
    y = 2 * X[:, 0] + noise[:, 0] / 2
    model = NLinearModel(sequence_length=4, optimizer="sgd")
    assert 1e-7 < model.find_learning_rate(X, y).suggestion < 10
    assert model.find_batch_size(X, y).suggestion in (8, 16, 32, 60)
    assert not hasattr(model, "network_")
    assert not hasattr(model, "n_features_in_")


def test_a_device_that_was_chosen_is_recorded_in_the_file(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(2, 40, 1))
    model = NLinearModel(sequence_length=4, epochs=1, device="auto").fit(X, y[:, 0])
    model.save(tmp_path / "model")
    assert model.device == "auto"
    assert NLinearModel.load(tmp_path / "model").device == next(model.network_.parameters()).device.type
