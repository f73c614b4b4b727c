"""The multilayer perceptron against PyTorch's layers in a row."""

import pytest
import torch
from torch import nn

from timeseries.deeplearning.models.mlp import MLPModel
from timeseries.deeplearning.networks.mlp import MLPNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=6, horizon=3, past=2)


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    return MLPNetwork(sizes, **({"hidden_sizes": (8, 5), "activation": "tanh"} | settings))


def test_it_computes_and_learns_what_pytorchs_layers_in_a_row_do():
    network = make(dropout=0.4)
    torch.manual_seed(0)
    theirs = nn.Sequential(
        nn.Linear(12, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 5), nn.Tanh(), nn.Dropout(0.4)
    )
    theirs.append(nn.Linear(5, 3))
    draw = torch.Generator().manual_seed(1)
    past, target = torch.randn(4, 6, 2, generator=draw), torch.randn(4, 3, generator=draw)
    answers = []
    for module, answer in (
        (network, lambda: network(Window(past))[:, :, 0, 0]),
        (theirs, lambda: theirs(past.reshape(4, 12))),
    ):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        torch.manual_seed(2)  # dropout
        for _ in range(2):
            optimizer.zero_grad()
            forecast = answer()
            (forecast - target).pow(2).mean().backward()
            optimizer.step()
        answers.append(forecast)
    torch.testing.assert_close(*answers, rtol=0, atol=0)


@torch.no_grad()
def test_an_absent_step_enters_as_zeros_and_steps_before_the_window_are_left_out():
    network, past = make().eval(), torch.randn(2, 9, 2)
    torch.testing.assert_close(network(Window(past)), network(Window(past[:, 3:])))
    zeros = torch.cat([torch.zeros(2, 4, 2), past[:, 7:]], dim=1)
    torch.testing.assert_close(network(Window(past[:, 7:])), network(Window(zeros)))
    observed = torch.ones(2, 6, 2, dtype=torch.bool)
    observed[:, :4] = False
    torch.testing.assert_close(network(Window(past[:, 3:], observed)), network(Window(zeros)))


def test_settings_reach_the_network():
    hidden = MLPModel(hidden_size=(4, 3), activation="elu", dropout=0.3).build_network(SIZES).hidden
    assert [type(layer).__name__ for layer in hidden] == ["Linear", "ELU", "Dropout"] * 2
    assert (hidden[3].weight.shape, hidden[2].p) == ((3, 4), 0.3)
    assert len(MLPModel(num_layers=3).build_network(SIZES).hidden) == 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": (8,) * 65}, "hidden_size must name at most 64 layers, got 65"),
        ({"hidden_size": (8, 0)}, "every hidden_size must be between 1 and 16384, got 0"),
        ({"dropout": 1.5}, r"dropout must be between 0 and 0.99, got 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        MLPModel(**settings).check_settings()
