"""Long short-term memory (Hochreiter & Schmidhuber 1997), all steps decoded from the newest state."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.heads import forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.recurrence import State, state_after_present, states_over_present
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class LSTMNetwork(ForecastNetwork):
    """Read the window with a stack of LSTM layers; forecast from the last hidden state of the top one."""

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
        self.head = forecast_head(hidden_size, sizes)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        states = states_over_present(self.lstm, x, present)  # (B, T, W)
        return self.head(states[:, -1], window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def start(self, window: Window) -> State:
        """Read a history and return hidden and cell state after it."""
        return state_after_present(self.lstm, *self.inputs(window))

    def step(self, state: State, window: Window) -> tuple[Tensor, State]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        x, present = self.inputs(window)  # (B, 1, W), (B, 1)
        _, (hidden, cell) = self.lstm(x, state)  # (layers, B, W) each
        if present is not None:
            seen = present[:, 0, None]  # (B, 1)
            hidden, cell = torch.where(seen, hidden, state[0]), torch.where(seen, cell, state[1])
        return self.head(hidden[-1], window), (hidden, cell)
