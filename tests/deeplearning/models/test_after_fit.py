"""A fitted estimator is what it was fitted to be, whatever its settings say meanwhile."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from timeseries import AttentionLSTMModel, DLinearModel, LSTMModel, NLinearModel
from timeseries.errors import DataError, NotFittedError, SettingError

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(60, 2))
Y = np.tanh(X[:, 0]) + 0.1 * DRAW.normal(size=60)
SMALL = {"sequence_length": 5, "hidden_size": 4, "num_layers": 1, "epochs": 2}
CHANGES = [
    {"hidden_size": 9},
    {"sequence_length": 9},
    {"horizon": 3},
    {"loss": "quantile", "quantiles": (0.1, 0.5, 0.9)},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_settings_changed_after_a_fit_wait_for_the_next(change, tmp_path):
    model = LSTMModel(**SMALL).fit(X, Y)
    before = model.predict(X)
    model.set_params(**change)
    np.testing.assert_array_equal(model.predict(X), before)
    model.save(tmp_path / "model")
    loaded = LSTMModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), before)
    assert {name: getattr(loaded, name) for name in SMALL} == SMALL
    for name, value in change.items():
        assert getattr(model.fit(X, Y), name) == value
    assert not np.array_equal(model.predict(X), before)


def test_quantiles_are_those_of_the_fit():
    model = LSTMModel(**SMALL, loss="pinball", quantiles=(0.1, 0.5)).fit(X, Y)
    before = model.predict_quantiles(X)
    model.set_params(quantiles=None, loss="mse")
    np.testing.assert_array_equal(model.predict_quantiles(X), before)
    np.testing.assert_array_equal(model.predict(X), before[:, 1])


def test_a_linear_map_keeps_its_window_too():
    model = DLinearModel(sequence_length=5, epochs=2).fit(X, Y)
    before = model.predict(X)
    np.testing.assert_array_equal(model.set_params(sequence_length=9).predict(X), before)


@pytest.mark.parametrize("row", [0, 30])
@pytest.mark.parametrize("value", [1e8, -1e12, 1e30])
def test_a_huge_value_moves_only_the_windows_that_hold_it(value, row):
    model = NLinearModel(sequence_length=5, epochs=20).fit(X, Y)
    spoilt = X.copy()
    spoilt[row, 0] = value
    apart = np.r_[0:row, row + 5 : len(X)]
    np.testing.assert_array_equal(model.predict(spoilt)[apart], model.predict(X)[apart])


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.predict(X),
        lambda model: model.evaluate(X, Y),
        lambda model: model.encode(X),
        lambda model: model.save("never"),
        lambda model: model.train_history,
    ],
)
def test_before_a_fit_both_kinds_of_error_are_raised(use):
    for kind in (NotFittedError, SklearnNotFittedError):
        with pytest.raises(kind, match=r"LSTMModel is not fitted yet. Call fit\(X, y\)") as refusal:
            use(LSTMModel())
    assert refusal.value.code == "TS-N001"


def test_patience_without_rows_to_watch_is_refused():
    with pytest.raises(SettingError, match=r"patience=1 needs rows to watch: fit"):
        LSTMModel(**SMALL, patience=1).fit(X, Y)
    LSTMModel(**SMALL, patience=1).fit(X, Y, validation_split=0.1)


def test_a_validation_split_that_holds_nothing_out_is_refused():
    with pytest.raises(SettingError, match=r"validation_split=0.001 holds out none of the rows"):
        LSTMModel(**SMALL).fit(X, Y, validation_split=0.001)
    sequences = X.reshape(6, 10, 2)
    with pytest.raises(SettingError, match=r"validation_split=0.05 holds out none of the sequences"):
        LSTMModel(**SMALL | {"sequence_length": 10}).fit(sequences, np.arange(6.0), validation_split=0.05)


@pytest.mark.parametrize(
    ("weightless", "part"), [(slice(48, None), "validation"), (slice(0, 48), "training")]
)
def test_a_part_without_any_weight_is_refused(weightless, part):
    weights = np.ones(60)
    weights[weightless] = 0
    with pytest.raises(DataError, match=f"window_weight is 0 for every window of the {part} part"):
        LSTMModel(**SMALL).fit(X, Y, validation_split=0.2, window_weight=weights)


def test_attention_has_the_shape_of_what_it_is_asked_about():
    sequences = [X[:20], X[20:27]]
    model = AttentionLSTMModel(**SMALL).fit(sequences, [Y[:20], Y[20:27]])
    listed = model.attention(sequences)
    assert [part.shape for part in listed] == [(20, 5), (7, 5)]
    np.testing.assert_array_equal(listed[1], model.attention(X[20:27]))
    assert model.attention(X.reshape(3, 20, 2)).shape == (3, 20, 5)
    one_each = AttentionLSTMModel(**SMALL).fit(X.reshape(12, 5, 2), np.arange(12.0))
    assert one_each.attention(X.reshape(12, 5, 2)).shape == (12, 5)
