"""Two linear maps, one of the trend of the window and one of the rest (DLinear, Zeng et al. 2023)."""

from torch import Tensor, nn

from timeseries.deeplearning.layers.heads import with_static
from timeseries.deeplearning.layers.inputs import without_missing
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class DLinearNetwork(ForecastNetwork):
    """Split the window into a moving average and the rest, map each linearly, add the two.

    Parameters
    ----------
    sizes : Sizes
        The data.
    kernel_size : int
        Steps of the moving average; it is centred, and the ends of the window are repeated outwards.
    """

    def __init__(self, sizes: Sizes, *, kernel_size: int) -> None:
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        numbers = sizes.horizon * sizes.targets * sizes.outputs
        self.trend = nn.Linear(sizes.context * sizes.past, numbers)
        self.rest = nn.Linear(sizes.context * sizes.past + sizes.static, numbers)
        self.future = (
            nn.Linear(sizes.future, sizes.targets * sizes.outputs, bias=False) if sizes.future else None
        )
        self.kernel_size = kernel_size

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        past = without_missing(window)  # (B, T, F)
        trend = moving_average(past, self.kernel_size)  # (B, T, F)
        rest = with_static((past - trend).flatten(1), window)  # (B, T*F+S)
        forecast = (self.trend(trend.flatten(1)) + self.rest(rest)).unflatten(-1, self.shape)  # (B, H, D, P)
        if self.future is not None:
            forecast = forecast + self.future(window.future).unflatten(-1, self.shape[1:])  # (B, H, D, P)
        return forecast  # type: ignore[no-any-return]


def moving_average(past: Tensor, kernel_size: int) -> Tensor:
    """Return the centred moving average over time, (B, T, F), with both ends repeated outwards."""
    before, after = kernel_size // 2, kernel_size - 1 - kernel_size // 2
    steps = past.transpose(1, 2)  # (B, F, T)
    padded = nn.functional.pad(steps, (before, after), mode="replicate")  # (B, F, T+kernel-1)
    return nn.functional.avg_pool1d(padded, kernel_size, stride=1).transpose(1, 2)  # (B, T, F)
