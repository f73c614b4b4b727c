"""Long short-term memory (Hochreiter & Schmidhuber 1997), all steps decoded from the newest state."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.heads import forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.recurrence import (
    state_after_present,
    states_over_present,
    steps_since_present,
)
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class LSTMState(NamedTuple):
    """What an LSTM carries from one observation to the next."""

    hidden: Tensor  # (layers, B, W)
    cell: Tensor  # (layers, B, W)
    stale: Tensor  # (B,) steps since the last present one


class LSTMNetwork(ForecastNetwork):
    """Read the window with a stack of LSTM layers; forecast from the last hidden state of the top one.

    A masked step leaves the state untouched. Where values may be missing, the head is therefore also told
    how many steps ago the state was last touched.
    """

    def __init__(self, sizes: Sizes, *, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.lstm = nn.LSTM(
            self.inputs.width,
            hidden_size,
            num_layers,
            dropout=dropout if num_layers > 1 else 0.0,  # it sits between layers: one layer has none
            batch_first=True,
        )
        self.masked = sizes.masked
        self.head = forecast_head(hidden_size + sizes.masked, sizes)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        states = states_over_present(self.lstm, x, present)  # (B, T, W)
        return self._decode(states[:, -1], steps_since_present(present, x), window)  # (B, H, D, P)

    def start(self, window: Window) -> LSTMState:
        """Read a history and return the state after it."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        return LSTMState(*state_after_present(self.lstm, x, present), steps_since_present(present, x))

    def step(self, state: LSTMState, window: Window) -> tuple[Tensor, LSTMState]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        x, present = self.inputs(window)  # (B, 1, W), (B, 1)
        _, (hidden, cell) = self.lstm(x, (state.hidden, state.cell))  # (layers, B, W) each
        stale = torch.zeros_like(state.stale)  # (B,)
        if present is not None:
            seen = present[:, 0, None]  # (B, 1)
            hidden, cell = torch.where(seen, hidden, state.hidden), torch.where(seen, cell, state.cell)
            stale = torch.where(present[:, 0], stale, state.stale + 1)  # (B,)
        return self._decode(hidden[-1], stale, window), LSTMState(hidden, cell, stale)

    def _decode(self, summary: Tensor, stale: Tensor, window: Window) -> Tensor:
        if self.masked:
            summary = torch.cat([summary, stale.log1p().unsqueeze(-1)], dim=-1)  # (B, W+1)
        return self.head(summary, window)  # type: ignore[no-any-return]  # (B, H, D, P)
