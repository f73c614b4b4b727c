"""The states that a recurrent network returns, against PyTorch's own layers."""

import pytest
import torch
from torch import nn

from timeseries.deeplearning.layers.instance_norm import scale_window, window_scale
from timeseries.deeplearning.networks.custom import CustomNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized
from timeseries.deeplearning.networks.last_value import AroundLastValue
from timeseries.deeplearning.networks.linear_skip import LinearSkip
from timeseries.deeplearning.networks.nlinear import NLinearNetwork
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.networks.transformer import TransformerNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import UnsupportedError

B, T = 4, 7
SIZES = Sizes(context=T, horizon=2, past=3)
PRESENT = torch.tensor(
    [[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]],
    dtype=torch.bool,
)
every_cell = pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
every_direction = pytest.mark.parametrize("bidirectional", [False, True])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def make(cell="lstm", hidden_sizes=(5, 5), **settings):
    torch.manual_seed(0)
    return RecurrentNetwork(SIZES, cell=cell, hidden_sizes=hidden_sizes, dropout=0.2, **settings).eval()


def window(present=None):
    past = torch.randn(B, T, 3, generator=torch.Generator().manual_seed(1))
    return Window(past, None if present is None else present[..., None].expand(-1, -1, 3))


@every_cell
@every_direction
def test_the_states_are_what_pytorchs_layer_returns(cell, bidirectional):
    encoding = make(cell, bidirectional=bidirectional).encode(window())
    torch.manual_seed(0)
    theirs = getattr(nn, cell.upper())(3, 5, 2, batch_first=True, bidirectional=bidirectional)
    output, final = theirs(window().past)
    hidden, cell_state = final if cell == "lstm" else (final, None)
    assert torch.equal(encoding.output, output)
    assert torch.equal(encoding.hidden, hidden)
    assert encoding.cell is None if cell_state is None else torch.equal(encoding.cell, cell_state)


@every_direction
def test_layers_of_unequal_width_give_one_part_each(bidirectional):
    encoding = make(hidden_sizes=(6, 4), bidirectional=bidirectional).encode(window())
    torch.manual_seed(0)
    directions, x = 1 + bidirectional, window().past
    for number, (before, after) in enumerate([(3, 6), (6 * directions, 4)]):
        layer = nn.LSTM(before, after, batch_first=True, bidirectional=bidirectional)
        x, (hidden, cell_state) = layer(x)
        assert torch.equal(encoding.hidden[number], hidden)
        assert torch.equal(encoding.cell[number], cell_state)
    assert torch.equal(encoding.output, x)
    assert len(encoding.hidden) == len(encoding.cell) == 2


@every_cell
@every_direction
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("hidden_sizes", [(5, 5), (6, 4)])
def test_absent_steps_leave_the_states_untouched(cell, bidirectional, activation, hidden_sizes):
    network = make(cell, hidden_sizes, bidirectional=bidirectional, activation=activation)
    encoding, width = network.encode(window(PRESENT)), hidden_sizes[-1]
    for b, row in enumerate(PRESENT[:-1]):
        steps = row.nonzero().flatten().tolist()
        alone = network.encode(Window(window().past[b : b + 1, steps]))
        for t in range(T):
            before, after = [s for s in steps if s <= t], [s for s in steps if s >= t]
            forth = alone.output[0, len(before) - 1, :width] if before else torch.zeros(width)
            torch.testing.assert_close(encoding.output[b, t, :width], forth)
            if bidirectional:
                back = alone.output[0, -len(after), width:] if after else torch.zeros(width)
                torch.testing.assert_close(encoding.output[b, t, width:], back)
        for part, expected in zip(parts(encoding), parts(alone), strict=True):
            torch.testing.assert_close(part[:, b], expected[:, 0])
    assert not encoding.output[-1].any()
    assert not any(part[:, -1].any() for part in parts(encoding))


def parts(encoding):
    """Return all hidden and cell states as a flat list of tensors (layers, B, W)."""
    groups = [group for group in (encoding.hidden, encoding.cell) if group is not None]
    return [part for group in groups for part in (group if isinstance(group, tuple) else (group,))]


@pytest.mark.parametrize("wrap", [AroundLastValue, LinearSkip, InstanceNormalized])
def test_what_stands_around_a_network_returns_the_states_within(wrap):
    inner = make()
    outer = wrap(inner, SIZES if wrap is LinearSkip else SIZES.targets)
    seen = window(PRESENT)
    if wrap is InstanceNormalized:
        seen = scale_window(seen, window_scale(seen, SIZES.targets))
    encoding, expected = outer.encode(window(PRESENT)), inner.encode(seen)
    assert all(map(torch.equal, encoding, expected))


def test_states_of_patches_are_those_of_a_layer_that_reads_patches():
    encoding = make(patch_length=3).encode(window())
    torch.manual_seed(0)
    padded = torch.cat([torch.zeros(B, 2, 3), window().past], dim=1)  # (B, 9, 3)
    output, _ = nn.LSTM(9, 5, 2, batch_first=True)(padded.reshape(B, 3, 9))
    assert torch.equal(encoding.output, output)


def test_networks_without_states_refuse_by_name():
    transformer = TransformerNetwork(SIZES, d_model=8, nhead=2, num_layers=1, dim_feedforward=16, dropout=0.0)
    for network in (NLinearNetwork(SIZES), transformer, CustomNetwork(nn.Linear(1, 1), SIZES)):
        for outer in (network, LinearSkip(network, SIZES)):
            with pytest.raises(UnsupportedError, match=f"{type(network).__name__} has no states"):
                outer.encode(window())
