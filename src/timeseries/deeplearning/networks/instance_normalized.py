"""Any network, working on windows that are scaled by their own statistics."""

from typing import Any, NamedTuple

from torch import Tensor

from timeseries.deeplearning.layers.instance_norm import (
    WindowScale,
    scale_window,
    unscale_forecast,
    window_scale,
)
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Encoding, Window


class ScaledState(NamedTuple):
    """The state of the inner network, and the window statistics frozen when it started."""

    inner: Any
    scale: WindowScale


class InstanceNormalized(ForecastNetwork):
    """Scale the targets of the window, let the inner network forecast, scale the forecast back."""

    def __init__(self, network: ForecastNetwork, targets: int) -> None:
        super().__init__()
        self.network = network
        self.targets = targets

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        scale = window_scale(window, self.targets)
        return unscale_forecast(self.network(scale_window(window, scale)), scale)  # (B, H, D, P)

    def encode(self, window: Window) -> Encoding:
        """Return the states that the inner network walks through over the scaled window."""
        return self.network.encode(scale_window(window, window_scale(window, self.targets)))

    def start(self, window: Window) -> ScaledState:
        """Read a history and return the state after it; the window statistics are frozen here."""
        scale = window_scale(window, self.targets)
        return ScaledState(self.network.start(scale_window(window, scale)), scale)

    def step(self, state: ScaledState, window: Window) -> tuple[Tensor, ScaledState]:
        """Read one more observation and return forecast (B, H, D, P) and state."""
        forecast, inner = self.network.step(state.inner, scale_window(window, state.scale))
        return unscale_forecast(forecast, state.scale), ScaledState(inner, state.scale)
