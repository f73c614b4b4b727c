"""Recurrent layers that run step by step, for the activations that PyTorch's fast kernels do not have."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from timeseries.deeplearning.layers.activations import ACTIVATIONS

Tensors = tuple[Tensor, ...]  # hidden state, and of an LSTM the cell state
Function = Callable[[Tensor], Tensor]
Read = Callable[[Tensor, list[Any], Tensors, bool], tuple[Tensor, Tensors]]
MODES = {"rnn": "RNN_TANH", "lstm": "LSTM", "gru": "GRU"}  # PyTorch's words, which give weights their shapes


def stacked(layers: nn.RNNBase, x: Tensor, state: Any, read: Read) -> tuple[Tensor, Tensor | Tensors]:
    """Let one layer after the other, in all its directions, read a batch; return as PyTorch's layers do.

    Parameters
    ----------
    layers : nn.RNNBase
        Whose weights, dropout and directions count.
    x : Tensor of shape (B, T, F)
        The steps.
    state : Tensor, tuple of Tensors or None
        To start from, (layers, B, W) each; directions count as layers.
    read : callable
        What reads: it is given what goes into a layer (B, T, F), its weights, its state (B, W) each, and
        whether it goes backwards, and returns the hidden state after every step (B, T, W) and the state after
        the last one read.
    """
    directions, finals = 1 + layers.bidirectional, []
    for layer in range(layers.num_layers):
        if layer:
            x = nn.functional.dropout(x, layers.dropout, layers.training)  # (B, T, W)
        outputs = []
        for number in range(layer * directions, (layer + 1) * directions):
            backwards = number % directions == 1
            output, final = read(x, layers.all_weights[number], _start(layers, x, state, number), backwards)
            outputs.append(output)
            finals.append(final)
        x = torch.cat(outputs, dim=-1) if layers.bidirectional else outputs[0]  # (B, T, directions*W)
    parts = tuple(torch.stack(part) for part in zip(*finals, strict=True))  # (layers, B, W) each
    return x, parts if layers.mode == "LSTM" else parts[0]


def _start(layers: nn.RNNBase, x: Tensor, state: Any, number: int) -> Tensors:
    """Return the state (B, W) each that the layer of that number starts from."""
    lstm = layers.mode == "LSTM"
    if state is not None:
        return tuple(part[number] for part in (state if lstm else (state,)))
    zero = x.new_zeros(len(x), layers.hidden_size)  # (B, W)
    return (zero, zero) if lstm else (zero,)


class SteppedLayers(nn.RNNBase):
    """A stack of recurrent layers with any activation, on the weights of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU``.

    Names, shapes, first values and meaning of the weights are PyTorch's, and so are input and answer. The
    activation is that of Keras' layers: of an LSTM's candidate and of its output, of a GRU's candidate, of
    the whole plain cell. Gates are sigmoid.

    Parameters
    ----------
    cell : str
        "rnn", "lstm" or "gru".
    activation : str
        A name of ``ACTIVATIONS``.
    *sizes, **options
        As PyTorch's layers take them, with ``batch_first=True``.
    """

    def __init__(self, cell: str, activation: str, *sizes: int, **options: Any) -> None:
        super().__init__(MODES[cell], *sizes, **options)  # type: ignore[arg-type]
        self.cell, self.activation = cell, ACTIVATIONS[activation]()

    def forward(
        self, x: Tensor | PackedSequence, state: Any = None
    ) -> tuple[Tensor | PackedSequence, Tensor | Tensors]:
        """Read x (B, T, F), or a packed one, from a state on; return as PyTorch's layer does."""
        if not isinstance(x, PackedSequence):
            return stacked(self, x, state, self._read)
        steps, lengths = pad_packed_sequence(x, batch_first=True)  # (B, T, F), (B,)
        present = torch.arange(steps.shape[1]) < lengths.unsqueeze(1)  # (B, T)
        read = partial(self._read, present=present.to(steps.device))
        outputs, final = stacked(self, steps, state, read)
        return pack_padded_sequence(outputs, lengths, batch_first=True, enforce_sorted=False), final

    def advance(self, x: Tensor, state: Tensors) -> Tensors:
        """Return the state after one more step x (B, F)."""
        final = self(x.unsqueeze(1), state if self.cell == "lstm" else state[0])[1]
        return final if isinstance(final, tuple) else (final,)

    def _read(
        self,
        x: Tensor,
        weights: list[Any],
        state: Tensors,
        backwards: bool,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Tensors]:
        """Return the hidden state after every step (B, T, W), and the state after the last one read."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        step = STEPS[self.cell]
        steps = nn.functional.linear(x, weight_ih, bias_ih).unbind(dim=1)  # T times (B, gates*W)
        outputs = []
        for t in reversed(range(len(steps))) if backwards else range(len(steps)):
            recurrent = nn.functional.linear(state[0], weight_hh, bias_hh)  # (B, gates*W)
            after = step(steps[t], recurrent, state, self.activation)
            if present is not None:
                seen = present[:, t, None]  # (B, 1)
                after = tuple(torch.where(seen, *pair) for pair in zip(after, state, strict=True))
            state = after
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if backwards else outputs, dim=1), state


def _rnn(given: Tensor, recurrent: Tensor, _: Tensors, activation: Function) -> Tensors:
    return (activation(given + recurrent),)  # (B, W)


def _lstm(given: Tensor, recurrent: Tensor, state: Tensors, activation: Function) -> Tensors:
    take, keep, candidate, show = (given + recurrent).chunk(4, dim=-1)  # (B, W) each
    cell = keep.sigmoid() * state[1] + take.sigmoid() * activation(candidate)  # (B, W)
    return show.sigmoid() * activation(cell), cell


def _gru(given: Tensor, recurrent: Tensor, state: Tensors, activation: Function) -> Tensors:
    (reset, update, new), (reset_h, update_h, new_h) = given.chunk(3, dim=-1), recurrent.chunk(3, dim=-1)
    candidate = activation(new + (reset + reset_h).sigmoid() * new_h)  # (B, W)
    update = (update + update_h).sigmoid()  # (B, W) the share of the old state
    return ((1 - update) * candidate + update * state[0],)


STEPS: dict[str, Callable[[Tensor, Tensor, Tensors, Function], Tensors]] = {
    "rnn": _rnn,
    "lstm": _lstm,
    "gru": _gru,
}
