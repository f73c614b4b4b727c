"""An LSTM whose last state looks back at all states of the window.

Attention as in translation, where the decoder's state does so (Bahdanau et al. 2015, Luong et al. 2015).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.patches import into_patches
from timeseries.deeplearning.layers.recurrence import Recurrence, steps_since_present
from timeseries.deeplearning.layers.state_attention import SCORES, weights_of
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding, Sizes, Window


class Reading(NamedTuple):
    """What the network has made of its windows."""

    states: Tensor  # (B, T, W)
    last: Tensor  # (B, W) when all steps are read
    weights: Tensor  # (B, T) how much each state counts
    stale: Tensor  # (B,) steps since the last present one


class AttentionLSTMNetwork(ForecastNetwork):
    """Weigh all states of an LSTM by the last one; forecast from their weighted mean and the last state.

    A masked step leaves the state untouched and has the weight 0.

    Parameters
    ----------
    sizes : Sizes
        The data.
    hidden_sizes : tuple of int
        Width of every layer.
    attention : str
        How a state is scored: "additive" (Bahdanau), "dot" or "general" (Luong).
    dropout : float
        Share of outputs dropped between layers.
    bidirectional : bool
        Read the past window from both ends.
    patch_length : int
        Steps that the recurrence reads at once (L); attention then weighs patches.
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
        hidden_sizes: tuple[int, ...],
        attention: str = "additive",
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
            "lstm",
            self.inputs.width * patch_length,
            hidden_sizes,
            dropout=dropout,
            bidirectional=bidirectional,
            activation=activation,
            truncation=truncation,
        )
        self.score = SCORES[attention](self.recurrence.width)
        self.masked, self.patch_length = sizes.masked, patch_length
        self.head = forecast_head(2 * self.recurrence.width + sizes.masked, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        states, last, weights, stale = self._read(window)
        context = (weights.unsqueeze(1) @ states).squeeze(1)  # (B, W)
        parts = [context, last]
        if self.masked:
            parts.append(stale.log1p().unsqueeze(-1))  # (B, 1)
        return self.head(torch.cat(parts, dim=-1), window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def attention(self, window: Window) -> Tensor:
        """Return how much each step, or patch of steps, counts: (B, T), each row summing to 1."""
        return self._read(window).weights

    def encode(self, window: Window) -> Encoding:
        """Return the states of all layers, as PyTorch's own layers return them; T counts patches."""
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        return self.recurrence.encode(*into_patches(x, present, self.patch_length))

    def _read(self, window: Window) -> Reading:
        x, present = self.inputs(window)  # (B, T, F), (B, T)
        stale = steps_since_present(present, x)[:, -1]  # (B,)
        x, present = into_patches(x, present, self.patch_length)  # (B, T, W), (B, T)
        states = self.recurrence.states(x, present)  # (B, T, W)
        last = self.recurrence.ends(states)  # (B, W)
        return Reading(states, last, weights_of(self.score(last, states), present), stale)
