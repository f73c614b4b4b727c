"""Recurrent networks (RNN, LSTM, GRU): all steps to forecast are decoded from the newest state."""

from typing import NamedTuple

import torch
from torch import Tensor

from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.patches import at_least, into_patches, patch_ends
from timeseries.deeplearning.layers.recurrence import Recurrence, State, steps_since_present
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding, Sizes, Window
from timeseries.errors import UnsupportedError


class RecurrentState(NamedTuple):
    """What a recurrent network carries from one observation to the next.

    Patches are counted back from the newest step, so every step ends a patch of its own: L recurrences run
    side by side, each one step behind the next, and take turns.
    """

    phases: tuple[State, ...]  # L of them; the first read the patch that ends L - 1 steps before the newest
    recent: Tensor  # (B, L-1, F) the steps that the next patch begins with, zero where absent
    stale: Tensor  # (B,) steps since the last present one


class RecurrentNetwork(ForecastNetwork):
    """Read the window with a stack of recurrent layers; forecast from the last state of the top one.

    A masked step leaves the state untouched. Where values may be missing, the head is therefore also told
    how many steps ago the state was last touched.

    Parameters
    ----------
    sizes : Sizes
        The data.
    cell : str
        "rnn", "lstm" or "gru".
    hidden_sizes : tuple of int
        Width of every layer.
    dropout : float
        Share of outputs dropped between layers.
    bidirectional : bool
        Read the past window from both ends.
    patch_length : int
        Steps that the recurrence reads at once (L).
    activation : str
        Of the candidate and of the output of the cells: a name of ``ACTIVATIONS``.
    truncation : int, optional
        Steps of the recurrence that gradients flow back through at most.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        cell: str,
        hidden_sizes: tuple[int, ...],
        dropout: float = 0.0,
        bidirectional: bool = False,
        patch_length: int = 1,
        activation: str = "tanh",
        truncation: int | None = None,
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.recurrence = Recurrence(
            cell,
            self.inputs.width * patch_length,
            hidden_sizes,
            dropout=dropout,
            bidirectional=bidirectional,
            activation=activation,
            truncation=truncation,
        )
        self.masked, self.position_stride, self.cell = sizes.masked, patch_length, cell
        self.head = forecast_head(self.recurrence.width + sizes.masked, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        summary = self.recurrence.summary(*into_patches(x, present, self.position_stride))  # (B, W)
        stale = steps_since_present(present, x)[:, -1] if self.masked else None  # (B,)
        return self._decode(summary, stale, window)  # (B, H, D, P)

    def at_every_position(self, window: Window) -> Tensor:
        """Forecast from the end of every patch of the window: (B, T/L, H, D, P)."""
        if self.recurrence.bidirectional:
            raise UnsupportedError(
                "A bidirectional network has seen the end of the window at every position, so it cannot be "
                "trained on all of them. Set every_position=False, or bidirectional=False."
            )
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        states = self.recurrence.states(*into_patches(x, present, self.position_stride))  # (B, T/L, W)
        stale = None
        if self.masked:
            stale = patch_ends(steps_since_present(present, x), self.position_stride).flatten()  # (B*T/L,)
        repeated = None
        if window.static is not None:
            repeated = window.static.repeat_interleave(states.shape[1], dim=0)  # (B*T/L, S)
        flat = self._decode(states.flatten(0, 1), stale, window._replace(static=repeated))
        return flat.reshape(*states.shape[:2], *flat.shape[1:])  # (B, T/L, H, D, P)

    def encode(self, window: Window) -> Encoding:
        """Return the states of all layers, as PyTorch's own layers return them; T counts patches."""
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        return self.recurrence.encode(*into_patches(x, present, self.position_stride))

    def start(self, window: Window) -> RecurrentState:
        """Read a history and return the state after it."""
        if self.recurrence.bidirectional:
            raise UnsupportedError(
                "A bidirectional RecurrentNetwork has no state to carry: one direction reads from the newest "
                "step back. Take engine='window', or a network that reads in one direction."
            )
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        stale, length = steps_since_present(present, x)[:, -1], self.position_stride  # (B,)
        x, present = at_least(length, x, present)  # (B, T, F), (B, T) with T >= L
        ends = range(x.shape[1] - length + 1, x.shape[1] + 1)
        phases = [
            self.recurrence.start(
                *into_patches(x[:, :end], None if present is None else present[:, :end], length)
            )
            for end in ends
        ]
        if present is not None:
            x = x * present.unsqueeze(-1)  # (B, T, F)
        return RecurrentState(tuple(phases), x[:, ends[0] :], stale)

    def step(self, state: RecurrentState, window: Window) -> tuple[Tensor, RecurrentState]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        x, present = self.inputs(window)  # (B, 1, F), (B, 1)
        stale, within = torch.zeros_like(state.stale), None  # (B,)
        if present is not None:
            x = x * present.unsqueeze(-1)  # (B, 1, F)
            stale = torch.where(present[:, 0], stale, state.stale + 1)  # (B,)
            within = stale < self.position_stride  # (B,) whether the patch has a present step
        patch = torch.cat([state.recent, x], dim=1)  # (B, L, F)
        newest = self.recurrence.step(patch.flatten(1), within, state.phases[0])
        forecast = self._decode(newest[-1][0][-1], stale if self.masked else None, window)  # (B, H, D, P)
        return forecast, RecurrentState((*state.phases[1:], newest), patch[:, 1:], stale)

    def _decode(self, summary: Tensor, stale: Tensor | None, window: Window) -> Tensor:
        if stale is not None:
            summary = torch.cat([summary, stale.log1p().unsqueeze(-1)], dim=-1)  # (B, W+1)
        return self.head(summary, window)  # type: ignore[no-any-return]  # (B, H, D, P)
