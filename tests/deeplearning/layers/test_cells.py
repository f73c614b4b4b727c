"""Every recurrent cell against its equations in numpy, PyTorch's own layers, and numerical gradients."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from timeseries.deeplearning.layers.cells import recurrent_layers
from timeseries.deeplearning.layers.recurrence import Recurrence
from timeseries.deeplearning.layers.stepped import SteppedLayers

B, T, F, W = 3, 6, 2, 4
CELLS = ["gru", "lstm", "rnn"]
OWN = (nn.RNN, nn.LSTM, nn.GRU)
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0),
    "leaky_relu": lambda v: np.where(v > 0, v, 0.01 * v),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
}
sigmoid = ACTIVATIONS["sigmoid"]
every_cell = pytest.mark.parametrize("cell", CELLS)
every_activation = pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
every_direction = pytest.mark.parametrize("bidirectional", [False, True])


def rnn_step(x, h, c, weights, act):
    """Elman 1990: h' = act(W x + b + U h + d)."""
    w, u, b, d = weights
    return act(w @ x + b + u @ h + d), c


def lstm_step(x, h, c, weights, act):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000."""
    w, u, b, d = (part.reshape(4, W, -1) for part in weights)
    b, d = b[..., 0], d[..., 0]
    input_gate = sigmoid(w[0] @ x + b[0] + u[0] @ h + d[0])
    forget_gate = sigmoid(w[1] @ x + b[1] + u[1] @ h + d[1])
    candidate = act(w[2] @ x + b[2] + u[2] @ h + d[2])
    output_gate = sigmoid(w[3] @ x + b[3] + u[3] @ h + d[3])
    c = forget_gate * c + input_gate * candidate
    return output_gate * act(c), c


def gru_step(x, h, c, weights, act):
    """Cho et al. 2014, the reset gate after the matrix, as in PyTorch and Keras."""
    w, u, b, d = (part.reshape(3, W, -1) for part in weights)
    b, d = b[..., 0], d[..., 0]
    reset_gate = sigmoid(w[0] @ x + b[0] + u[0] @ h + d[0])
    update_gate = sigmoid(w[1] @ x + b[1] + u[1] @ h + d[1])
    candidate = act(w[2] @ x + b[2] + reset_gate * (u[2] @ h + d[2]))
    return (1 - update_gate) * candidate + update_gate * h, c


BY_HAND = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def by_hand(cell, weights, x, act):
    """Return the hidden state after every step of x (T, F), and the last cell state."""
    h, c, states = np.zeros(W), np.zeros(W), []
    for step in x:
        h, c = BY_HAND[cell](step, h, c, weights, act)
        states.append(h)
    return np.stack(states), c


def steps(dtype=torch.float32):
    return 2 * torch.randn(B, T, F, generator=torch.Generator().manual_seed(1)).to(dtype)


def layers(make, dtype=torch.float64, **options):
    torch.manual_seed(0)
    return make(F, W, options.pop("layers", 1), **options).to(dtype).eval()


@every_cell
@every_activation
@torch.no_grad()
def test_the_states_are_those_of_the_equations(cell, activation):
    torch.manual_seed(0)
    recurrence = Recurrence(cell, F, (W,), dropout=0.0, bidirectional=False, activation=activation)
    weights = [part.double().numpy() for part in recurrence.blocks[0].all_weights[0]]
    states, final = recurrence.states(steps(), None), recurrence.start(steps(), None)[0]
    for b, x in enumerate(steps().double().numpy()):
        expected, cell_state = by_hand(cell, weights, x, ACTIVATIONS[activation])
        np.testing.assert_allclose(states[b], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(final[0][0, b], expected[-1], rtol=1e-6, atol=1e-6)
        if cell == "lstm":
            np.testing.assert_allclose(final[1][0, b], cell_state, rtol=1e-6, atol=1e-6)


@every_cell
@every_activation
def test_the_gradients_are_those_of_small_differences(cell, activation):
    recurrence = layers(lambda *sizes: recurrent_layers(cell, activation, *sizes))
    weights = [p.detach().clone().requires_grad_() for p in recurrence.parameters()]
    names = [name for name, _ in recurrence.named_parameters()]

    def final_states(x, *weights):
        return torch.func.functional_call(recurrence, dict(zip(names, weights, strict=True)), (x,))[0]

    x = steps(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(final_states, (x, *weights))


@every_cell
@every_direction
@torch.no_grad()
def test_stepped_tanh_layers_are_pytorchs_own(cell, bidirectional):
    options = {"layers": 3, "bidirectional": bidirectional, "batch_first": True}
    ours = layers(lambda *sizes, **more: SteppedLayers(cell, "tanh", *sizes, **more), **options)
    theirs = layers(getattr(nn, cell.upper()), **options)
    assert {n: p.tolist() for n, p in ours.state_dict().items()} == {
        n: p.tolist() for n, p in theirs.state_dict().items()
    }  # the same names, shapes and first values
    x, lengths = steps(torch.float64), torch.tensor([4, 6, 1])
    directions = 1 + bidirectional
    start = torch.randn(2, 3 * directions, B, W, dtype=torch.float64)
    start = (start[0], start[1]) if cell == "lstm" else start[0]
    for state in (None, start):
        torch.testing.assert_close(ours(x, state), theirs(x, state))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        (out, final), (expected_out, expected) = ours(packed, state), theirs(packed, state)
        torch.testing.assert_close(final, expected)
        torch.testing.assert_close(pad_packed_sequence(out)[0], pad_packed_sequence(expected_out)[0])


@torch.no_grad()
def test_relu_of_the_plain_cell_runs_stepped_as_on_the_fast_kernel():
    options = {"layers": 2, "batch_first": True}
    ours = layers(lambda *sizes, **more: SteppedLayers("rnn", "relu", *sizes, **more), **options)
    theirs = layers(lambda *sizes, **more: nn.RNN(*sizes, nonlinearity="relu", **more), **options)
    torch.testing.assert_close(ours(steps(torch.float64)), theirs(steps(torch.float64)))


def test_the_fast_kernels_serve_what_they_can():
    fast = {(c, a) for c in CELLS for a in ACTIVATIONS if type(recurrent_layers(c, a, F, W)) in OWN}
    assert fast == {("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")}


@torch.no_grad()
def test_dropout_drops_a_share_of_what_the_lower_layer_gave_and_scales_the_rest():
    stepped = layers(
        lambda *sizes, **more: SteppedLayers("rnn", "identity", *sizes, **more), layers=2, dropout=0.75
    ).train()
    for name, parameter in stepped.named_parameters():
        nn.init.constant_(parameter, 0.0)
        if name.startswith("weight_ih"):
            parameter[:] = torch.eye(W)[:, : parameter.shape[1]]
    out, _ = stepped(torch.ones(500, 2, F, dtype=torch.float64))
    assert set(out.flatten().tolist()) == {0.0, 4.0}
    assert 0.7 < (out[..., :F] == 0).double().mean() < 0.8
