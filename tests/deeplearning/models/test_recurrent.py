"""What the settings of recurrent models make of their networks."""

import doctest
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from timeseries.deeplearning.layers.state_attention import GeneralScore
from timeseries.deeplearning.layers.stepped import SteppedLayers
from timeseries.deeplearning.models.attention_lstm import AttentionLSTMModel
from timeseries.deeplearning.models.bigru import BiGRUModel
from timeseries.deeplearning.models.bilstm import BiLSTMModel
from timeseries.deeplearning.models.gru import GRUModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.rnn import RNNModel
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import DataError, SettingError
from timeseries.recipes import RECIPES

SIZES = Sizes(context=9, horizon=2, past=3, autoregressive=False)


def build(model):
    torch.manual_seed(0)
    return model.build_network(SIZES).eval()


def test_the_activation_reaches_the_cells():
    kinds = {
        (made, activation): type(build(made(activation=activation)).recurrence.blocks[0])
        for made in (RNNModel, LSTMModel, GRUModel)
        for activation in ("tanh", "relu")
    }
    assert kinds == {
        (RNNModel, "tanh"): nn.RNN,
        (RNNModel, "relu"): nn.RNN,
        (LSTMModel, "tanh"): nn.LSTM,
        (LSTMModel, "relu"): SteppedLayers,
        (GRUModel, "tanh"): nn.GRU,
        (GRUModel, "relu"): SteppedLayers,
    }


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid"])
def test_an_activation_survives_the_file(activation, tmp_path):
    X = np.sin(np.arange(40.0))[:, None]
    model = LSTMModel(hidden_size=4, sequence_length=5, epochs=1, activation=activation).fit(X, X[:, 0] ** 2)
    model.save(tmp_path / "model")
    loaded = LSTMModel.load(tmp_path / "model")
    assert loaded.activation == activation
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_an_activation_that_is_none_is_named_with_a_hint():
    with pytest.raises(SettingError, match="Did you mean 'relu'"):
        LSTMModel(activation="relo").check_settings()


@torch.no_grad()
def test_three_widths_are_three_layers_of_pytorch():
    network = build(LSTMModel(hidden_size=[100, 50, 25], num_layers=7, dropout=0.0))
    states = x = torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    for before, after in ((3, 100), (100, 50), (50, 25)):
        states = nn.LSTM(before, after, batch_first=True)(states)[0]
    forecast = states[:, -1] @ network.head.project.weight.T + network.head.project.bias
    torch.testing.assert_close(network(Window(x)), forecast.view(4, 2, 1, 1))


def test_the_head_settings_reach_the_head():
    head = build(GRUModel(head_sizes=[8, 4], head_activation="gelu", head_dropout=0.25)).head
    kinds = [type(layer) for layer in head.hidden]
    assert kinds == [nn.Dropout, nn.Linear, nn.GELU, nn.Dropout, nn.Linear, nn.GELU, nn.Dropout]
    assert [layer.p for layer in head.hidden if isinstance(layer, nn.Dropout)] == [0.25] * 3
    assert [layer.out_features for layer in head.hidden if isinstance(layer, nn.Linear)] == [8, 4]
    one = build(GRUModel(head_sizes=8)).head.hidden
    assert [layer.out_features for layer in one if isinstance(layer, nn.Linear)] == [8]


@pytest.mark.parametrize("made", [RNNModel, LSTMModel, GRUModel])
def test_without_head_settings_the_weights_keep_the_names_of_released_files(made):
    names = list(build(made(num_layers=1)).state_dict())
    block = [f"recurrence.blocks.0.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    assert names == [*block, "head.project.weight", "head.project.bias"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head_sizes": 0}, "head_sizes must be between 1 and 16384, got 0"),
        ({"head_sizes": (8, 2.5)}, "every head_sizes must be a whole number, got 2.5"),
        ({"head_dropout": 1.5}, "head_dropout must be between 0 and 0.99, got 1.5"),
        ({"head_activation": "rellu"}, "Did you mean 'relu'"),
    ],
)
def test_a_head_that_makes_no_sense_is_named(settings, message):
    with pytest.raises(SettingError, match=message):
        GRUModel(**settings).check_settings()


@pytest.mark.parametrize(("both", "one"), [(BiLSTMModel, LSTMModel), (BiGRUModel, GRUModel)])
@torch.no_grad()
def test_a_bidirectional_model_is_the_setting_of_the_other_by_another_name(both, one):
    window = Window(torch.randn(4, 9, 3))
    expected = build(one(bidirectional=True))(window)
    assert torch.equal(build(both())(window), expected)
    assert set(one().settings()) - set(both().settings()) == {"bidirectional"}
    assert set(both().get_params()) == {*both().settings(), "batch_first"}
    with pytest.raises(SettingError, match="setting 'bidirectional'"):
        both(bidirectional=False)
    with pytest.raises(SettingError, match="one direction: set every_position=False"):
        both(every_position=True).check_settings()


def test_the_keras_recipe_is_the_network_of_the_textbooks():
    """LSTM(50, relu, sequences), Dropout(.2), LSTM(50, relu), Dropout(.2), Dense(1)."""
    recipe = RECIPES["lstm_keras"]
    model = LSTMModel(**recipe.settings)
    network = build(model)
    (layers,) = network.recurrence.blocks
    assert (layers.mode, layers.hidden_size, layers.num_layers, layers.dropout) == ("LSTM", 50, 2, 0.2)
    assert isinstance(layers.activation, nn.ReLU)
    (dropout,) = network.head.hidden
    assert (type(dropout), dropout.p) == (nn.Dropout, 0.2)
    assert network.head.head.project.in_features == 50
    trained = (model.optimizer, model.learning_rate, model.loss, model.batch_size, model.epochs)
    assert trained == ("adam", 1e-3, "mse", 32, 50)
    assert (model.schedule, model.max_steps, model.weight_decay) == ("constant", None, 0.0)


def test_the_settings_reach_the_attention_network():
    network = build(
        AttentionLSTMModel(
            hidden_size=(6, 4), attention_score="general", bidirectional=True, patch_length=2, head_sizes=7
        )
    )
    assert type(network.score) is GeneralScore
    assert [block.hidden_size for block in network.recurrence.blocks] == [6, 4]
    assert (network.recurrence.bidirectional, network.patch_length) == (True, 2)
    assert network.head.hidden[1].in_features == 2 * 2 * 4
    with pytest.raises(SettingError, match="Did you mean 'general'"):
        AttentionLSTMModel(attention_score="generall").check_settings()


def test_the_attention_of_every_row_is_that_of_its_window(monkeypatch):
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = AttentionLSTMModel(sequence_length=5, hidden_size=4, epochs=1).fit(X, X[:, 0] ** 2)
    weights = model.attention(X)
    assert weights.shape == (30, 5)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    for row in range(5):  # before the first row there is nothing to look at
        assert not weights[row, : 4 - row].any()
        assert (weights[row, 4 - row :] > 0).all()
    scaled = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0)).float()
    for row in (4, 17, 29):
        expected = model.network_.attention(Window(scaled[None, row - 4 : row + 1]))[0].detach()
        np.testing.assert_allclose(weights[row], expected, rtol=1e-4)
    monkeypatch.setattr("timeseries.deeplearning.models.attention_lstm.FORECAST_BATCH", 7)
    np.testing.assert_allclose(model.attention(X), weights, rtol=1e-5)


def test_attention_needs_a_fitted_model_and_rows_like_those_it_was_fitted_to():
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(NotFittedError):
        AttentionLSTMModel().attention(X)
    model = AttentionLSTMModel(sequence_length=5, hidden_size=4, epochs=1).fit(X, X[:, 0] ** 2)
    with pytest.raises(DataError, match="2 features"):
        model.attention(X[:, :1])


def test_the_example_of_the_page_runs_as_it_stands():
    page = Path(__file__).parents[3] / "docs" / "recurrent.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 5) == (0, True)
