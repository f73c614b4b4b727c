"""A network of the caller's own, held to the promise of every network."""

from torch import Tensor, nn

from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError


class CustomNetwork(ForecastNetwork):
    """Run a module that maps a `Window` to a forecast (B, H, D, P), and check that it does."""

    def __init__(self, module: nn.Module, sizes: Sizes) -> None:
        super().__init__()
        self.module = module
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        forecast = self.module(window)  # (B, H, D, P)
        expected = (len(window.past), *self.shape)
        if not isinstance(forecast, Tensor) or tuple(forecast.shape) != expected:
            found = tuple(forecast.shape) if isinstance(forecast, Tensor) else type(forecast).__name__
            raise SettingError(
                f"{type(self.module).__name__} should map a window to a forecast (B, H, D, P) = {expected}: "
                f"windows, steps, targets, numbers per target. It gave {found}."
            )
        return forecast
