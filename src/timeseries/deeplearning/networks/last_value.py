"""Any network, forecasting the change from the last observed value."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from timeseries.deeplearning.layers.inputs import carried_forward
from timeseries.deeplearning.layers.patches import patch_ends
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding, Window


class LastValueState(NamedTuple):
    """The state of the inner network, and the last observed values."""

    inner: Any
    last: Tensor  # (B, 1, D)


class AroundLastValue(ForecastNetwork):
    """Add the last observed value of each target to what the inner network forecasts.

    Where nothing was observed yet, the training mean (0 in scaled units) stands for it.
    """

    def __init__(self, network: ForecastNetwork, targets: int) -> None:
        super().__init__()
        self.network, self.targets = network, targets
        self.position_stride = network.position_stride

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        last = self._values(window)[:, -1:]  # (B, 1, D)
        return self.network(window) + last.unsqueeze(-1)  # type: ignore[no-any-return]

    def at_every_position(self, window: Window) -> Tensor:
        """Forecast from every position of the window: (B, T', H, D, P)."""
        last = patch_ends(self._values(window), self.position_stride)  # (B, T', D)
        return self.network.at_every_position(window) + last[:, :, None, :, None]

    def encode(self, window: Window) -> Encoding:
        """Return the states that the inner network walks through."""
        return self.network.encode(window)

    def start(self, window: Window) -> LastValueState:
        """Read a history and return the state after it."""
        return LastValueState(self.network.start(window), self._values(window)[:, -1:])

    def step(self, state: LastValueState, window: Window) -> tuple[Tensor, LastValueState]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        forecast, inner = self.network.step(state.inner, window)
        last = window.past[..., : self.targets]  # (B, 1, D)
        if window.observed is not None:
            last = torch.where(window.observed[..., : self.targets], last, state.last)  # (B, 1, D)
        return forecast + last.unsqueeze(-1), LastValueState(inner, last)

    def _values(self, window: Window) -> Tensor:
        return carried_forward(window)[..., : self.targets]  # (B, T, D)
