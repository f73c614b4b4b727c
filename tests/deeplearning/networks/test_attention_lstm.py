"""The attention LSTM: its forecast put together by hand, and what its weights promise."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.networks.attention_lstm import AttentionLSTMNetwork
from timeseries.deeplearning.window import Sizes, Window

B, T = 4, 7
SIZES = Sizes(context=T, horizon=2, past=3)
PRESENT = torch.tensor(
    [[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]],
    dtype=torch.bool,
)
every_score = pytest.mark.parametrize("attention", ["additive", "dot", "general"])
every_direction = pytest.mark.parametrize("bidirectional", [False, True])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    return AttentionLSTMNetwork(sizes, hidden_sizes=(5, 5), **settings).eval()


def window(present=None):
    past = torch.randn(B, T, 3, generator=torch.Generator().manual_seed(1))
    return Window(past, None if present is None else present[..., None].expand(-1, -1, 3))


@every_score
@every_direction
def test_the_forecast_is_the_head_over_the_weighted_mean_and_the_last_state(attention, bidirectional):
    network = make(attention=attention, bidirectional=bidirectional)
    lstm = network.recurrence.blocks[0]
    states, (hidden, _) = lstm(window().past)  # (B, T, W), (layers, B, 5)
    last = torch.cat([hidden[-2], hidden[-1]], dim=1) if bidirectional else hidden[-1]  # (B, W)
    scores = network.score(last, states).double().numpy()  # (B, T)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    context = (weights[..., None] * states.numpy()).sum(axis=1)  # (B, W)
    project = network.head.project
    read = np.concatenate([context, last.numpy()], axis=1)  # (B, 2W)
    expected = read @ project.weight.numpy().T + project.bias.numpy()  # (B, H)
    np.testing.assert_allclose(network.attention(window()), weights, rtol=1e-4)
    np.testing.assert_allclose(network(window())[:, :, 0, 0], expected, rtol=1e-4, atol=1e-6)


@every_score
@every_direction
def test_weights_sum_to_one_over_the_present_steps(attention, bidirectional):
    weights = make(attention=attention, bidirectional=bidirectional).attention(window(PRESENT))
    assert not weights[~PRESENT].any()
    assert (weights[PRESENT] > 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0]))


@every_direction
def test_weights_of_the_present_steps_are_those_of_the_window_without_the_absent_ones(bidirectional):
    network = make(bidirectional=bidirectional)
    weights = network.attention(window(PRESENT))
    for b, row in enumerate(PRESENT[:-1]):
        alone = network.attention(Window(window().past[b : b + 1, row]))
        torch.testing.assert_close(weights[b, row], alone[0])


def test_patches_have_one_weight_each():
    weights = make(patch_length=3).attention(window(PRESENT))
    patches = torch.nn.functional.pad(PRESENT, (2, 0)).reshape(B, 3, 3).any(dim=2)
    assert torch.equal(weights > 0, patches)


@every_direction
def test_the_states_are_those_of_its_lstm(bidirectional):
    network = make(bidirectional=bidirectional)
    output, (hidden, cell) = network.recurrence.blocks[0](window().past)
    assert all(map(torch.equal, network.encode(window()), (output, hidden, cell)))
