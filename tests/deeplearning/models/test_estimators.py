"""What every array estimator promises: scikit-learn's contract, and the meaning of rows and steps."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from timeseries.deeplearning.artifact import read, write
from timeseries.deeplearning.models import MODELS, CustomModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding
from timeseries.errors import ArtifactError, DataError, SettingError, UnsupportedError
from timeseries.normalization import DataNormalizer

SMALL = {
    "attention_lstm": {"hidden_size": 8, "num_layers": 1},
    "bigru": {"hidden_size": 8, "num_layers": 1},
    "bilstm": {"hidden_size": 8, "num_layers": 1},
    "cnn": {"channels": 16, "num_layers": 1, "pool_size": 3},
    "dlinear": {"kernel_size": 3},
    "gru": {"hidden_size": 16, "num_layers": 1},
    "lstm": {"hidden_size": 16, "num_layers": 1},
    "mlp": {"hidden_size": 16},
    "nlinear": {},
    "patchtst": {"patch_length": 2, "d_model": 8, "nhead": 2, "num_layers": 1},
    "reformer": {"chunk_length": 4, "d_model": 8, "nhead": 2, "num_layers": 1},
    "rnn": {"hidden_size": 16, "num_layers": 1},
    "tcn": {"channels": 16, "num_layers": 2},
    "transformer": {"d_model": 8, "nhead": 2, "num_layers": 1},
    "transformer_xl": {"segment_length": 2, "memory_length": 2, "d_model": 8, "nhead": 2, "num_layers": 1},
}
QUICK = {"sequence_length": 6, "epochs": 10, "learning_rate": 0.02, "batch_size": 64}
ORDER_CHECKS = dict.fromkeys(
    ["check_methods_sample_order_invariance", "check_methods_subset_invariance"],
    "rows are one sequence: what stands before a row is part of its window",
)
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def make(name, **settings):
    return MODELS[name](**(QUICK | SMALL[name] | settings))


def make_rows(rows=80, features=2, targets=1):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(rows, features))
    y = np.cumsum(X, axis=0)[:, :1] / 3 + 10 + np.arange(targets)
    return X, y[:, 0] if targets == 1 else y


def test_every_model_is_in_the_table_under_its_name():
    assert {name: cls.name for name, cls in MODELS.items()} == {name: name for name in MODELS}
    assert set(SMALL) == set(MODELS)


BY_ANOTHER_NAME = ("bilstm", "bigru")  # lstm and gru with a setting: their checks can wait for test-all
contract = partial(parametrize_with_checks, expected_failed_checks=lambda _: ORDER_CHECKS, xfail_strict=True)


@contract([make(name, sequence_length=3) for name in sorted(set(MODELS) - set(BY_ANOTHER_NAME))])
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@contract([make(name, sequence_length=3) for name in BY_ANOTHER_NAME])
def test_the_contract_of_scikit_learn_in_two_directions(estimator, check):
    check(estimator)


@every_model
def test_the_promised_usage_in_its_basic_form(name, tmp_path, capsys):
    X, y = make_rows()
    normalizer = DataNormalizer({"strategy": "zscore"})
    X_train, X_test = normalizer.fit_transform(X[:60]), normalizer.transform(X[60:])
    config = {"sequence_length": 6, "epochs": 3, "batch_size": 16}
    model = MODELS[name](config=config)
    model.fit(X_train, y[:60], validation_split=0.1, verbose=True)
    said = capsys.readouterr().err  # no terminal, no progress
    assert "epoch" not in said
    assert ("54 windows to learn from" in said) == (name not in ("nlinear", "dlinear"))
    predictions = model.predict(X_test)
    assert predictions.shape == y[60:].shape
    np.testing.assert_array_equal(model.predict(X_test, steps=1), predictions)
    assert [set(h) >= {"train_loss", "val_loss"} for h in model.train_history] == [True] * 3
    model.save(tmp_path / "model.pkl")
    loaded = MODELS[name]()
    assert loaded.load(tmp_path / "model.pkl") is loaded
    for other in (loaded, MODELS[name].load(tmp_path / "model.pkl")):
        np.testing.assert_array_equal(other.predict(X_test), predictions)
        assert other.get_params() == model.get_params()
        assert other.train_history == model.train_history


def test_scores_are_those_of_scikit_learn_in_the_units_of_y():
    X, y = make_rows(targets=2)
    model = make("nlinear").fit(X, y)
    scores, predicted = model.evaluate(X, y), model.predict(X)
    assert scores["mse"] == pytest.approx(mean_squared_error(y, predicted))
    assert scores["rmse"] == pytest.approx(mean_squared_error(y, predicted) ** 0.5)
    assert scores["mae"] == pytest.approx(mean_absolute_error(y, predicted))
    assert scores["r2"] == pytest.approx(r2_score(y, predicted)) == pytest.approx(model.score(X, y))
    assert scores["mape"] == pytest.approx(100 * mean_absolute_percentage_error(y, predicted))
    assert scores["smape"] == pytest.approx(
        100 * np.mean(2 * np.abs(y - predicted) / (np.abs(y) + np.abs(predicted)))
    )
    weight = np.arange(80.0)
    expected = r2_score(y, predicted, sample_weight=weight)
    assert model.score(X, y, sample_weight=weight) == pytest.approx(expected)
    y[3, 1] = 0
    assert np.isnan(model.evaluate(X, y)["mape"])


def test_a_linear_model_finds_the_rule_that_made_the_rows():
    """y[i] = 2 X[i] - X[i-3], on unseen rows too: the window ends at row i, inclusive."""
    X = np.random.default_rng(0).normal(size=(500, 1))
    y = 2 * X[:, 0] - np.roll(X[:, 0], 3)
    model = NLinearModel(**QUICK | {"sequence_length": 4, "epochs": 80}).fit(X[3:400], y[3:400])
    np.testing.assert_allclose(model.predict(X[400:])[10:], y[410:], atol=0.1)


@every_model
def test_a_prediction_sees_its_row_and_the_rows_before_it_and_no_other(name):
    X, y = make_rows()
    model = make(name, epochs=2).fit(X, y)
    before = model.predict(X)
    changed = X.copy()
    changed[50] += 3
    moved = model.predict(changed) != before
    assert not moved[:50].any()
    assert moved[50]
    assert not np.any(np.abs(model.predict(changed) - before)[56:] > 1e-6)  # sequence_length = 6


@every_model
@pytest.mark.parametrize("targets", [1, 2])
def test_several_steps_come_from_the_same_window(name, targets):
    X, y = make_rows(targets=targets)
    model = make(name, horizon=3, epochs=2).fit(X, y)
    steps = model.predict(X, steps=3)
    assert steps.shape == ((80, 3) if targets == 1 else (80, 3, 2))
    np.testing.assert_array_equal(steps[:, 0], model.predict(X))


def test_more_steps_than_trained_for_are_refused_with_the_fix():
    model = make("nlinear", horizon=2, epochs=1).fit(*make_rows())
    with pytest.raises(SettingError, match=r"horizon=2. Fit NLinearModel\(horizon=3\) instead"):
        model.predict(make_rows()[0], steps=3)


def test_quantiles_never_cross_and_the_prediction_is_the_median():
    X, y = make_rows()
    model = make("lstm", loss="pinball", quantiles=(0.1, 0.5, 0.9)).fit(X, y)
    quantiles = model.predict_quantiles(X)
    assert quantiles.shape == (80, 3)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    np.testing.assert_array_equal(quantiles[:, 1], model.predict(X))


def test_the_same_seed_gives_the_same_predictions_and_another_seed_others():
    X, y = make_rows()
    one, same, other = (make("lstm", seed=s, epochs=2).fit(X, y).predict(X) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_fitting_leaves_the_random_streams_of_the_caller_alone():
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  the global stream is what is tested
    expected = (torch.rand(1), np.random.rand())  # noqa: NPY002
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    make("lstm", epochs=1).fit(*make_rows())
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 1e9)])
def test_predictions_follow_the_scale_and_the_level_of_the_data(scale, shift):
    X, y = make_rows()
    plain = make("lstm", epochs=3).fit(X, y).predict(X)
    moved = make("lstm", epochs=3).fit(X * scale + shift, y * scale + shift).predict(X * scale + shift)
    np.testing.assert_allclose((moved - shift) / scale, plain, atol=2e-3)


def test_grid_search_pipeline_clone_and_pickle_work():
    X, y = make_rows()
    pipeline = make_pipeline(DataNormalizer(), make("nlinear", epochs=2))
    search = GridSearchCV(pipeline, {"nlinearmodel__sequence_length": [2, 5]}, cv=TimeSeriesSplit(3))
    assert search.fit(X, y).best_params_["nlinearmodel__sequence_length"] in (2, 5)
    model = make("lstm", epochs=1).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert not hasattr(clone(model), "network_")


@pytest.mark.slow
def test_cross_validation_in_processes_gives_what_it_gives_in_one():
    X, y = make_rows()
    frame = pd.DataFrame(X, columns=["wind", "sun"])
    pipeline = make_pipeline(DataNormalizer().set_output(transform="pandas"), make("lstm", epochs=2))
    scores = [cross_val_score(pipeline, frame, y, cv=TimeSeriesSplit(3), n_jobs=jobs) for jobs in (1, 2)]
    np.testing.assert_allclose(scores[1], scores[0])


def test_a_frame_goes_through_a_pipeline_with_the_names_of_its_columns():
    X, y = make_rows()
    frame = pd.DataFrame(X, columns=["wind", "sun"], index=pd.date_range("2024-01-01", periods=80))
    pipeline = make_pipeline(DataNormalizer(), make("nlinear", epochs=1)).set_output(transform="pandas")
    pipeline.fit(frame, pd.Series(y, index=frame.index))
    assert pipeline[-1].feature_names_in_.tolist() == ["wind", "sun"]
    scaled = pipeline[:-1].transform(frame)
    assert scaled.columns.tolist() == ["wind", "sun"]
    assert scaled.index.equals(frame.index)
    np.testing.assert_allclose(scaled["sun"], (X[:, 1] - X[:, 1].mean()) / X[:, 1].std())
    assert pipeline.predict(frame).shape == (80,)


def test_a_bad_value_is_named_by_its_column():
    X, y = make_rows()
    X[7, 1] = np.nan
    with pytest.raises(DataError, match="NaN in row 7, column 'sun'") as caught:
        make("lstm").fit(pd.DataFrame(X, columns=["wind", "sun"]), y)
    assert caught.value.where["column"] == "sun"


class Sums(ForecastNetwork):
    """A recurrent network by hand: its state is the sum of what it has read."""

    def __init__(self, sizes):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sizes.past))

    def forward(self, window):
        return (window.past[:, -1] @ self.weight)[:, None, None, None]  # (B, H, D, P)

    def encode(self, window):
        past = window.past if window.observed is None else window.past * window.observed  # (B, T, F)
        output = past.cumsum(dim=1)  # (B, T, F)
        return Encoding(output, output[:, -1][None], (output[:, 0][None], output[:, 1, :1][None]))


def test_the_states_of_a_recurrent_network_come_as_arrays_in_the_order_of_rows(monkeypatch):
    monkeypatch.setattr("timeseries.deeplearning.engine.FORECAST_BATCH", 7)
    X, y = make_rows()
    model = CustomModel(network=Sums, sequence_length=3, epochs=1).fit(X, y)
    scaled = (X - X.mean(0)) / X.std(0)
    before = np.concatenate([np.zeros((2, 2)), scaled])  # nothing before the first row
    expected = np.stack([before[row : row + 3].cumsum(0) for row in range(80)])
    found = model.encode(X)
    np.testing.assert_allclose(found.output, expected, atol=1e-5)
    np.testing.assert_allclose(found.hidden, expected[None, :, -1], atol=1e-5)
    np.testing.assert_allclose(found.cell[0], expected[None, :, 0], atol=1e-5)
    np.testing.assert_allclose(found.cell[1], expected[None, :, 1, :1], atol=1e-5)
    of_sequences = model.encode(X.reshape(16, 5, 2))
    np.testing.assert_allclose(of_sequences.output, expected[4::5], atol=1e-5)
    np.testing.assert_allclose(model.encode(list(X.reshape(16, 5, 2))).hidden, of_sequences.hidden)


def test_a_network_without_states_says_so():
    X, y = make_rows()
    with pytest.raises(UnsupportedError, match="has no states to return"):
        make("nlinear", epochs=1).fit(X, y).encode(X)


def test_column_names_are_remembered():
    X, y = make_rows()
    model = make("nlinear", epochs=1).fit(pd.DataFrame(X, columns=["wind", "sun"]), y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=["sun", "wind"]))


def test_nothing_works_before_fit():
    for call in (lambda m: m.predict(np.zeros((3, 1))), lambda m: m.train_history, lambda m: m.save("x")):
        with pytest.raises(NotFittedError):
            call(make("lstm"))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[0.0], [np.nan]], [0, 1], "X contains NaN.*NaN in row 1, column 0"),
        ([[0.0], [1.0]], [0, np.inf], "y contains NaN or infinity: 1 values, the first is inf in row 1"),
    ],
)
def test_bad_values_are_named(X, y, message):
    with pytest.raises(DataError, match=message):
        make("lstm").fit(X, y)


@pytest.mark.parametrize("X", [np.zeros(5), [["a"], ["b"]], np.zeros((2, 3, 4)), np.zeros((4, 1)), None])
def test_what_is_no_table_is_an_error_of_ours(X):
    with pytest.raises(DataError):
        make("lstm").fit(X, np.arange(5.0))


def test_evaluation_names_a_bad_truth():
    X, y = make_rows()
    model = make("nlinear", epochs=1).fit(X, y)
    with pytest.raises(DataError, match="y contains NaN or infinity: 1 values, the first is NaN in row 3"):
        model.evaluate(X, np.where(np.arange(80) == 3, np.nan, y))


def test_all_problems_of_a_configuration_are_one_message(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    model = LSTMModel(
        hidden_size=-1,
        dropout=1.5,
        num_layers="2",
        optimizer="adm",
        device="cuda",
        sequence_length=200,
        input_size=5,
        output_size=3,
    )
    with pytest.raises(SettingError) as caught:
        model.fit(*make_rows(), validation_split=2, verbose="yes")
    for part in (
        "hidden_size must be between 1 and",
        "dropout must be between 0 and 0.99, got 1.5",
        "num_layers must be a whole number, got '2'",
        "Unknown optimizer 'adm'. Did you mean 'adam'?",
        "device='cuda' is not available here. Available: cpu",
        "sequence_length=200 is longer than the data: X has 80 samples",
        "set sequence_length=80 at most",
        "input_size=5, but the data has 2",
        "output_size=3, but the data has 1",
        "validation_split must be at least 0 and below 1, got 2",
        "verbose must be True or False, got 'yes'",
    ):
        assert part in str(caught.value)


def test_an_unknown_key_is_told_with_the_other_problems_at_once():
    with pytest.raises(SettingError) as caught:
        LSTMModel({"hiden_size": 8, "dropout": 1.5, "batch_first": False}, learning_rte=1)
    for part in (
        "'hiden_size'. Did you mean 'hidden_size'?",
        "'learning_rte'. Did you mean 'learning_rate'?",
    ):
        assert f"Unknown LSTMModel setting {part}" in str(caught.value)
    assert "Besides: " in str(caught.value)
    assert "batch_first must be True" in str(caught.value)
    assert "dropout must be between" in str(caught.value)
    LSTMModel(dropout=1.5)  # alone it waits for fit: that is scikit-learn's rule


def test_as_many_rows_as_a_window_are_enough_and_one_less_is_not():
    X, y = make_rows(rows=9)
    make("nlinear", sequence_length=9, epochs=1).fit(X, y)
    with pytest.raises(SettingError, match=r"sequence_length=10 is longer than the data: X has 9 samples"):
        make("nlinear", sequence_length=10, epochs=1).fit(X, y)


def test_sizes_that_contradict_the_data_are_refused():
    with pytest.raises(SettingError, match="input_size=5, but the data has 2"):
        make("lstm", input_size=5).fit(*make_rows())
    with pytest.raises(SettingError, match="output_size=3, but the data has 1"):
        make("lstm", output_size=3).fit(*make_rows())


def test_instance_norm_needs_the_target_in_the_window():
    with pytest.raises(SettingError, match="do not hold the target"):
        make("lstm", instance_norm=True).fit(*make_rows())


@pytest.mark.parametrize("split", [-0.1, 1.0, "a"])
def test_a_senseless_validation_split_is_refused(split):
    with pytest.raises(SettingError, match="validation_split must be at least 0 and below 1"):
        make("lstm").fit(*make_rows(), validation_split=split)


def test_too_few_rows_for_the_horizon_are_refused():
    with pytest.raises(DataError, match="each part needs at least horizon = 9 rows"):
        make("lstm", horizon=9).fit(*make_rows(rows=8))


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SettingError, match="device='cuda' is not available here"):
        make("lstm", device="cuda").fit(*make_rows())


def test_the_device_is_chosen_where_it_is_left_open(monkeypatch, tmp_path):
    X, y = make_rows()
    model = make("lstm", epochs=1, device="auto").fit(X, y)
    assert clone(model).device == "auto"
    assert next(model.network_.parameters()).device.type in ("cpu", "cuda", "mps")
    model.save(tmp_path / "m")
    np.testing.assert_allclose(LSTMModel.load(tmp_path / "m").predict(X), model.predict(X), rtol=1e-4)
    monkeypatch.setattr("timeseries.deeplearning.rehearsal.choose_device", lambda *parts: "cpu")
    expected = make("lstm", epochs=1).fit(X, y).predict(X)
    np.testing.assert_array_equal(make("lstm", epochs=1, device="auto").fit(X, y).predict(X), expected)


def test_a_refused_file_leaves_the_model_as_it_was(tmp_path):
    X, y = make_rows()
    make("nlinear", sequence_length=9, epochs=1).fit(X, y).save(tmp_path / "m")
    stored = read(tmp_path / "m")
    stored.tensors["network.past.weight"] *= 3
    write(tmp_path / "m", stored)
    model = make("nlinear", sequence_length=4, epochs=1).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ArtifactError, match="does not answer as the saved one did"):
        model.load(tmp_path / "m")
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_file_of_another_model_is_refused(tmp_path):
    make("nlinear", epochs=1).fit(*make_rows()).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"holds: estimator 'nlinear', but LSTMModel\.load"):
        LSTMModel.load(tmp_path / "m")
