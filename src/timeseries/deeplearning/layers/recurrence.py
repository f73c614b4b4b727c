"""A stack of recurrent layers that reads the steps that are present and skips the others."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from timeseries.deeplearning.layers.cells import next_state, recurrent_layers
from timeseries.deeplearning.layers.stepped import Tensors
from timeseries.deeplearning.layers.unrolled import run
from timeseries.deeplearning.window import Encoding

State = tuple[Tensors, ...]  # one entry per block, its parts (layers, B, W) each


class Recurrence(nn.Module):
    """Recurrent layers, one on top of the other, over a window of which some steps may be absent.

    Layers of equal width run as one block, on PyTorch's fast kernel; else each layer is a block of its own.

    Parameters
    ----------
    cell : str
        "rnn" (Elman 1990), "lstm" (Hochreiter & Schmidhuber 1997) or "gru" (Cho et al. 2014).
    width : int
        Features of one step.
    hidden_sizes : tuple of int
        Width of every layer, the lowest first.
    dropout : float
        Share of outputs dropped between layers.
    bidirectional : bool
        Read the window from both ends; the summary then knows the whole window from either side.
    activation : str
        Of the candidate and of the output of the cells: a name of ``ACTIVATIONS``.
    truncation : int, optional
        Steps that gradients flow back through at most, while training; after so many the state is carried on,
        detached (truncated back-propagation through time, Williams & Peng 1990).
    """

    def __init__(
        self,
        cell: str,
        width: int,
        hidden_sizes: tuple[int, ...],
        *,
        dropout: float,
        bidirectional: bool,
        activation: str = "tanh",
        truncation: int | None = None,
    ) -> None:
        super().__init__()
        directions = 1 + bidirectional
        equal = len(set(hidden_sizes)) == 1
        self.blocks = nn.ModuleList()
        for size, layers in (
            [(hidden_sizes[0], len(hidden_sizes))] if equal else [(h, 1) for h in hidden_sizes]
        ):
            inner = dropout if layers > 1 else 0.0  # it sits between layers: one layer has none
            options = {"dropout": inner, "bidirectional": bidirectional}
            self.blocks.append(recurrent_layers(cell, activation, width, size, layers, **options))
            width = size * directions
        self.dropout = nn.Dropout(dropout)
        self.width, self.bidirectional, self.truncation = width, bidirectional, truncation

    def summary(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return what the top layer knows after the last present step of x (B, T, F): (B, W)."""
        if not self.bidirectional:
            return self.states(x, present)[:, -1]  # (B, W)
        hidden = self.start(x, present)[-1][0]  # (2*layers, B, W/2)
        return torch.cat([hidden[-2], hidden[-1]], dim=-1)  # (B, W)

    def states(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the top hidden state after every step, (B, T, W), zero before the first present one.

        Skipping a step and deleting it are the same thing to a recurrence. So the present steps are moved
        to the front, the layers run once over all of them (on their fast kernel, which packed sequences
        would leave), and each step is given the state of the last present one.
        """
        if present is None:
            return self._read(x)  # (B, T, W)
        if self.bidirectional:  # which must not begin in the absent steps at the end
            return self.encode(x, present).output
        return _state_number(self._read(present_first(x, present)), present.cumsum(dim=1))

    def _read(self, x: Tensor) -> Tensor:
        """Return the top hidden state after every step of x (B, T, F): (B, T, W)."""
        if self.truncation is None or not self.training:
            return cast("Tensor", self._run(x)[0])
        state, outputs = None, []
        for segment in torch.split(x, self.truncation, dim=1):
            output, carried = self._run(segment, state)
            state = tuple(tuple(part.detach() for part in block) for block in carried)
            outputs.append(cast("Tensor", output))
        return torch.cat(outputs, dim=1)

    def ends(self, states: Tensor) -> Tensor:
        """Return what the top layer knows when all steps are read, (B, W), of its states (B, T, W)."""
        if not self.bidirectional:
            return states[:, -1]  # (B, W)
        forth, back = states.chunk(2, dim=-1)  # (B, T, W/2) each
        return torch.cat([forth[:, -1], back[:, 0]], dim=-1)

    def encode(self, x: Tensor, present: Tensor | None) -> Encoding:
        """Return the top hidden state after every step, and the states of all layers after the last one.

        Read from the right, the state "after" a step is the one of the next present step.
        """
        if present is None:
            output, state = self._run(x)
            return _named(cast("Tensor", output), state)
        packed, state = self._run_present(x, present)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])  # (B, T, W)
        seen = present.cumsum(dim=1)  # (B, T) present steps so far
        if not self.bidirectional:
            return _named(_state_number(states, seen), state)
        forth, back = states.chunk(2, dim=-1)  # (B, T, W/2) each
        following = seen + ~present  # (B, T) the number of this step if it is present, else of the next
        following = following * (following <= seen[:, -1:])  # (B, T) 0 where none follows
        both = [_state_number(forth, seen), _state_number(back, following)]
        return _named(torch.cat(both, dim=-1), state)

    def start(self, x: Tensor, present: Tensor | None) -> State:
        """Return the state after the last present step of each row of x (B, T, F)."""
        return self._run(x)[1] if present is None else self._run_present(x, present)[1]

    def step(self, x: Tensor, present: Tensor | None, state: State) -> State:
        """Return the state after one more step x (B, F); where none is present (B,), the state as it was."""
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            after.append(next_state(cast("nn.RNNBase", block), x, before))
            x = after[-1][0][-1]  # (B, W)
        if present is None:
            return tuple(after)
        seen = present.unsqueeze(-1)  # (B, 1)
        return tuple(
            tuple(torch.where(seen, new, old) for new, old in zip(*pair, strict=True))
            for pair in zip(after, state, strict=True)
        )

    def _run_present(self, x: Tensor, present: Tensor) -> tuple[PackedSequence, State]:
        """Run all blocks over the present steps of x (B, T, F) alone."""
        counts = present.sum(dim=1)  # (B,)
        packed = pack_padded_sequence(
            present_first(x, present), counts.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, state = self._run(packed)
        started = (counts > 0)[None, :, None]  # (1, B, 1) a row with no step at all keeps the zero state
        return cast("PackedSequence", outputs), tuple(
            tuple(part * started for part in block) for block in state
        )

    def _run(
        self, x: Tensor | PackedSequence, state: State | None = None
    ) -> tuple[Tensor | PackedSequence, State]:
        """Run all blocks over x and return the outputs of the last and the states of all."""
        finals = []
        for number, block in enumerate(self.blocks):
            if number and isinstance(x, PackedSequence):
                x = x._replace(data=self.dropout(x.data))
            elif number:
                x = self.dropout(x)  # (B, T, W)
            x, final = run(cast("nn.RNNBase", block), x, None if state is None else _unwrapped(state[number]))
            finals.append(final if isinstance(final, tuple) else (final,))
        return x, tuple(finals)


def _unwrapped(state: Tensors) -> Any:
    """Return a block's state as its cell takes it: a pair for an LSTM, else one tensor."""
    return state if len(state) > 1 else state[0]


def _named(output: Tensor, state: State) -> Encoding:
    """Give states their names: one tensor for layers of equal width, else one per layer."""
    parts: Any = [part[0] if len(state) == 1 else part for part in zip(*state, strict=True)]
    return Encoding(output, *parts)


def _state_number(states: Tensor, number: Tensor) -> Tensor:
    """Give each step the state of that number (B, T), counted from 1; 0 stands for the zero state."""
    source = (number - 1).clamp(min=0).unsqueeze(-1).expand(-1, -1, states.shape[-1])  # (B, T, W)
    return states.gather(1, source) * (number > 0).unsqueeze(-1)  # (B, T, W)


def steps_since_present(present: Tensor | None, x: Tensor) -> Tensor:
    """Return how many steps lie after the last present one, at every step (B, T); t + 1 where none came."""
    if present is None:
        return x.new_zeros(x.shape[:2])  # (B, T)
    steps = torch.arange(1, x.shape[1] + 1, device=x.device)  # (T,)
    return (steps - (present * steps).cummax(dim=1).values).to(x.dtype)  # (B, T)


def present_first(x: Tensor, present: Tensor) -> Tensor:
    """Move the present steps of each row to its front, in their order; x is (B, T, W)."""
    order = torch.argsort(present.to(torch.uint8), dim=1, descending=True, stable=True)  # (B, T)
    return x.gather(1, order.unsqueeze(-1).expand_as(x))  # (B, T, W)
