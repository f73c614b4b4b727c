"""The recurrent layers by name, and one step of them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.stepped import SteppedLayers, Tensors

FAST: dict[tuple[str, str], Callable[..., nn.RNNBase]] = {  # what PyTorch's own kernels compute
    ("rnn", "tanh"): nn.RNN,
    ("rnn", "relu"): partial(nn.RNN, nonlinearity="relu"),
    ("lstm", "tanh"): nn.LSTM,
    ("gru", "tanh"): nn.GRU,
}
CELLS: dict[str, Callable[..., Tensor]] = {"RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell}
CELLS["GRU"] = torch.gru_cell


def next_state(layers: nn.RNNBase, x: Tensor, state: Tensors) -> Tensors:
    """Return the state of layers that read in one direction after one more step.

    For one step the layers of PyTorch cost several times what its cells do: they prepare for a sequence.

    Parameters
    ----------
    layers : nn.RNNBase
        One block of `recurrent_layers`, in evaluation.
    x : Tensor of shape (B, F)
        The step.
    state : tuple of Tensors of shape (layers, B, W)
        Hidden state, and of an LSTM the cell state.
    """
    if isinstance(layers, SteppedLayers):
        return layers.advance(x, state)
    after: list[Tensors] = []
    for number, weights in enumerate(layers.all_weights):
        before = tuple(part[number] for part in state)  # (B, W) each
        after.append(next_of_layer(layers.mode, x, before, weights))
        x = after[-1][0]  # (B, W)
    return tuple(torch.stack(part) for part in zip(*after, strict=True))


def next_of_layer(mode: str, x: Tensor, before: Tensors, weights: Sequence[Tensor]) -> Tensors:
    """Return the state (B, W) each of a layer after one more step x (B, F); ``mode`` as PyTorch names it."""
    if mode == "LSTM":
        return torch.lstm_cell(x, before, *weights)
    return (CELLS[mode](x, *before, *weights),)


def recurrent_layers(cell: str, activation: str, *sizes: int, **options: Any) -> nn.RNNBase:
    """Return layers of equal width: PyTorch's own where they have the activation, else `SteppedLayers`."""
    make = FAST.get((cell, activation), partial(SteppedLayers, cell, activation))
    return make(*sizes, batch_first=True, **options)
