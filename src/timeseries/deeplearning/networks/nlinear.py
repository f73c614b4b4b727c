"""One linear map from the window to the forecast: the honest small model (NLinear, Zeng et al. 2023)."""

from torch import Tensor, nn

from timeseries.deeplearning.layers.heads import with_static
from timeseries.deeplearning.layers.inputs import without_missing
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class NLinearNetwork(ForecastNetwork):
    """Subtract the last value, map the window linearly, add the last value of the targets back."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        inputs = sizes.context * sizes.past + sizes.static
        self.past = nn.Linear(inputs, sizes.horizon * sizes.targets * sizes.outputs)
        self.future = (
            nn.Linear(sizes.future, sizes.targets * sizes.outputs, bias=False) if sizes.future else None
        )

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        past = without_missing(window)  # (B, T, F)
        last = (
            past[:, -1:] * self.sizes.autoregressive
        )  # (B, 1, F) rows of X have no last target to start from
        changes = with_static((past - last).flatten(1), window)  # (B, T*F+S)
        forecast = self.past(changes).unflatten(-1, self.shape)  # (B, H, D, P)
        if self.future is not None:
            forecast = forecast + self.future(window.future).unflatten(-1, self.shape[1:])  # (B, H, D, P)
        if self.sizes.autoregressive:
            forecast = forecast + last[:, :, : self.sizes.targets, None]  # (B, H, D, P)
        return forecast  # type: ignore[no-any-return]
