"""A causal Transformer encoder over time steps (Vaswani et al. 2017, pre-norm)."""

from torch import Tensor, nn

from timeseries.deeplearning.layers.attention import causal_mask
from timeseries.deeplearning.layers.heads import forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.positional import sinusoidal_positions
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class TransformerNetwork(ForecastNetwork):
    """Let every step attend to the steps before it; forecast from what the newest step has gathered."""

    def __init__(self, sizes: Sizes, *, d_model: int, nhead: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.embed = nn.Linear(self.inputs.width, d_model)
        layer = nn.TransformerEncoderLayer(
            d_model, nhead, 4 * d_model, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, num_layers, norm=nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        self.head = forecast_head(d_model, sizes)
        self.width, self.num_heads = d_model, nhead

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        positions = sinusoidal_positions(x.shape[1], self.width).to(x)  # (T, d_model)
        mask = causal_mask(x.shape[1], present, self.num_heads, x.device)
        states = self.encoder(self.embed(x) + positions, mask=mask)  # (B, T, d_model)
        return self.head(states[:, -1], window)  # type: ignore[no-any-return]  # (B, H, D, P)
