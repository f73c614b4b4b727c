"""The temporal convolutional network: how far it sees, and what it says when that is too short."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.models.tcn import TCNModel
from timeseries.deeplearning.networks.tcn import TCNNetwork, receptive_field
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=40, horizon=2, past=1)


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    return TCNNetwork(
        sizes, **({"channels": (4, 4), "kernel_size": 3, "activation": "tanh"} | settings)
    ).eval()


@pytest.mark.parametrize(("kernel", "blocks"), [(1, 3), (2, 1), (2, 4), (3, 2), (5, 2)])
def test_the_forecast_depends_on_the_receptive_field_and_on_no_step_before_it(kernel, blocks):
    network = make(channels=(4,) * blocks, kernel_size=kernel)
    past = torch.randn(1, 40, 1, generator=torch.Generator().manual_seed(1), requires_grad=True)
    network(Window(past)).sum().backward()
    seen = (past.grad[0, :, 0] != 0).numpy()
    field = 1 + 2 * (kernel - 1) * sum(2**level for level in range(blocks))
    assert receptive_field(kernel, blocks) == field
    np.testing.assert_array_equal(seen, np.arange(40) >= 40 - field)


@torch.no_grad()
def test_the_state_of_the_last_present_step_stands_for_those_that_are_absent():
    network, past = make(), torch.randn(2, 40, 1, generator=torch.Generator().manual_seed(1))
    observed = torch.ones(2, 40, 1, dtype=torch.bool)
    observed[:, 37:] = False
    torch.testing.assert_close(network(Window(past, observed)), network(Window(past[:, :37])))


@torch.no_grad()
def test_where_values_may_be_missing_the_forecast_knows_how_old_its_state_is():
    sizes = Sizes(context=40, horizon=2, past=1, masked=True)
    network, past = make(sizes), torch.randn(2, 40, 1, generator=torch.Generator().manual_seed(1))
    observed = torch.ones(2, 40, 1, dtype=torch.bool)
    observed[:, 37:] = False
    old, fresh = network(Window(past, observed)), network(Window(past[:, :37], observed[:, :37]))
    weight = network.head.project.weight[:, -1].reshape(2, 1, 1)
    torch.testing.assert_close(old - fresh, (np.log(1 + 3) * weight).expand(2, 2, 1, 1))


@pytest.mark.parametrize("length", [1, 2, 90])
@torch.no_grad()
def test_a_window_of_any_length_is_read(length):
    assert make()(Window(torch.randn(2, length, 1))).isfinite().all()


@torch.no_grad()
def test_dropout_stands_after_both_convolutions_of_every_block():
    network = make(dropout=0.5)
    assert [block.dropout.p for block in network.blocks] == [0.5, 0.5]
    window = Window(torch.randn(1, 40, 1).expand(2, 40, 1))
    one, other = network.train()(window)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"num_layers": 2, "kernel_size": 3},
            "TCN of 2 blocks with kernel_size=3 sees 13 steps, but sequence_length=20: the oldest 7 of them "
            "never matter. Take 3 blocks, a larger kernel_size, or sequence_length=13.",
        ),
        ({"channels": (8,), "kernel_size": 2}, "1 block with kernel_size=2 sees 3 steps.*Take 4 blocks"),
        ({"kernel_size": 1}, "sees 1 step, .*oldest 19.*Take kernel_size=2 or more, or sequence_length=1"),
    ],
)
def test_a_window_longer_than_the_receptive_field_is_warned_about_with_the_fix(settings, message):
    with pytest.warns(UserWarning, match=message):
        TCNModel(**settings).check_settings()


@pytest.mark.parametrize("length", [1, 60, 61])
def test_a_window_within_the_receptive_field_gives_no_warning(length):
    model = TCNModel(sequence_length=length)
    model.check_settings()
    assert model.receptive_field == 61


def test_settings_reach_the_network():
    model = TCNModel(channels=(4, 6), kernel_size=5, activation="gelu", dropout=0.3, head_sizes=7)
    network = model.build_network(SIZES)
    shapes = [block.convolutions[0].direction.shape for block in network.blocks]
    assert shapes == [(4, 1, 5), (6, 4, 5)]
    assert [block.convolutions[1].dilation for block in network.blocks] == [1, 2]
    assert type(network.blocks[0].activation).__name__ == "GELU"
    assert network.blocks[0].dropout.p == 0.3
    assert network.head.hidden[1].weight.shape == (7, 6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": (8,) * 25}, "channels must name at most 24 blocks, got 25"),
        ({"num_layers": 25}, "num_layers must be between 1 and 24, got 25"),
        ({"kernel_size": 2000}, "kernel_size must be between 1 and 1024, got 2000"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        TCNModel(**settings).check_settings()
