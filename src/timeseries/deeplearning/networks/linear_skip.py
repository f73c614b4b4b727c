"""Any network, with a linear map of the window beside it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.inputs import without_missing
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding, Sizes, Window


class SkipState(NamedTuple):
    """The state of the inner network, and the values that the linear map reads next."""

    inner: Any
    recent: Tensor  # (B, T, D)


class LinearSkip(ForecastNetwork):
    """Add a linear map of each target's own past to what the inner network forecasts.

    The map is shared by all targets. The network is left with what is not linear, as in the autoregressive
    component of LSTNet (Lai et al. 2018, section 3.6).
    """

    def __init__(self, network: ForecastNetwork, sizes: Sizes) -> None:
        super().__init__()
        self.network, self.sizes = network, sizes
        self.skip = nn.Linear(sizes.context, sizes.horizon * sizes.outputs)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        return self.network(window) + self._linear(self._recent(window))  # type: ignore[no-any-return]

    def encode(self, window: Window) -> Encoding:
        """Return the states that the inner network walks through."""
        return self.network.encode(window)

    def start(self, window: Window) -> SkipState:
        """Read a history and return the state after it."""
        return SkipState(self.network.start(window), self._recent(window))

    def step(self, state: SkipState, window: Window) -> tuple[Tensor, SkipState]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        forecast, inner = self.network.step(state.inner, window)
        newest = window.past[..., : self.sizes.targets]  # (B, 1, D)
        if window.observed is not None:
            observed = window.observed[..., : self.sizes.targets]  # (B, 1, D)
            newest = torch.where(observed, newest, state.recent[:, -1:])  # (B, 1, D)
        recent = torch.cat([state.recent[:, 1:], newest], dim=1)  # (B, T, D)
        return forecast + self._linear(recent), SkipState(inner, recent)

    def _recent(self, window: Window) -> Tensor:
        """Return the last T values of the targets, (B, T, D); the first stands for those before it."""
        past = without_missing(window)[:, -self.sizes.context :, : self.sizes.targets]  # (B, t, D)
        before = past[:, :1].expand(-1, self.sizes.context - past.shape[1], -1)  # (B, T-t, D)
        return torch.cat([before, past], dim=1)

    def _linear(self, recent: Tensor) -> Tensor:
        steps: Tensor = self.skip(recent.transpose(1, 2))  # (B, D, H*P)
        shape = (*steps.shape[:2], self.sizes.horizon, self.sizes.outputs)
        return steps.reshape(shape).transpose(1, 2)  # (B, H, D, P)
