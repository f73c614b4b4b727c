"""What is put around a network, and the linear networks, against arithmetic by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.dlinear import DLinearNetwork, moving_average
from timeseries.deeplearning.networks.last_value import AroundLastValue
from timeseries.deeplearning.networks.linear_skip import LinearSkip
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=6, horizon=3, past=3, targets=2, outputs=2)


class Silent(ForecastNetwork):
    """Forecast zero, so that only what stands around it speaks."""

    def forward(self, window):
        return torch.zeros(len(window.past), SIZES.horizon, SIZES.targets, SIZES.outputs)


@torch.no_grad()
def test_the_linear_skip_maps_each_targets_own_past_with_one_shared_matrix():
    skip = LinearSkip(Silent(), SIZES)
    past = torch.randn(4, 6, 3)
    weight, bias = skip.skip.weight.numpy(), skip.skip.bias.numpy()
    for d in range(2):
        expected = (past[:, :, d].numpy() @ weight.T + bias).reshape(4, 3, 2)
        np.testing.assert_allclose(skip(Window(past))[:, :, d], expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_last_observed_value_is_added_and_zero_where_there_is_none():
    past = torch.arange(1.0, 37.0).reshape(2, 6, 3)
    observed = torch.ones(2, 6, 3, dtype=torch.bool)
    observed[0, 4:, 0] = False
    observed[1, :, 1] = False
    answer = AroundLastValue(Silent(), 2)(Window(past, observed))
    expected = [[past[0, 3, 0], past[0, 5, 1]], [past[1, 5, 0], 0.0]]
    assert answer[:, 0, :, 0].tolist() == [[float(v) for v in row] for row in expected]
    assert torch.equal(answer, answer[:, :1, :, :1].expand_as(answer))


@pytest.mark.parametrize("kernel_size", [1, 4, 5, 25])
def test_the_moving_average_repeats_the_ends_of_the_window(kernel_size):
    past = torch.randn(2, 9, 3)
    before = kernel_size // 2
    padded = np.pad(past.numpy(), ((0, 0), (before, kernel_size - 1 - before), (0, 0)), mode="edge")
    expected = np.stack([padded[:, t : t + kernel_size].mean(axis=1) for t in range(9)], axis=1)
    np.testing.assert_allclose(moving_average(past, kernel_size), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_dlinear_maps_trend_and_rest_apart():
    network, past = DLinearNetwork(SIZES, kernel_size=3), torch.randn(4, 6, 3)
    trend = moving_average(past, 3)
    expected = (
        trend.flatten(1) @ network.trend.weight.T
        + network.trend.bias
        + (past - trend).flatten(1) @ network.rest.weight.T
        + network.rest.bias
    )
    torch.testing.assert_close(network(Window(past)), expected.view(4, 3, 2, 2))


def test_a_plain_network_has_nothing_around_it():
    assert isinstance(LSTMModel().build_network(SIZES), nn.Module)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_size": (8, 0)}, "every hidden_size must be between 1 and 16384, got 0"),
        ({"hidden_size": (8, 2.5)}, "every hidden_size must be a whole number, got 2.5"),
        ({"hidden_size": ((8, 8), 4)}, "every hidden_size must be a whole number"),
        ({"hidden_size": ()}, "hidden_size must be a whole number"),
        ({"every_position": True, "instance_norm": True}, "instance_norm reads the whole window"),
        ({"every_position": True, "linear_skip": True}, "linear_skip reads the whole window"),
        ({"every_position": True, "bidirectional": True}, "reads in one direction"),
        ({"patch_length": 0}, "patch_length must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        LSTMModel(**settings).check_settings()


@pytest.mark.parametrize("option", ["instance_norm", "linear_skip", "last_value_residual"])
def test_an_option_that_needs_the_past_of_the_target_is_refused_on_rows_without_it(option):
    X = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(SettingError, match=f"{option}=True works on the past of the targets"):
        LSTMModel(epochs=1, **{option: True}).fit(X, X[:, 0] ** 2)


def test_every_position_is_refused_on_rows():
    X = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(SettingError, match="every_position=False"):
        LSTMModel(epochs=1, every_position=True).fit(X, X[:, 0] ** 2)
