"""A Transformer encoder over time steps (Vaswani et al. 2017, pre-norm), causal unless told otherwise."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.attention import attention_mask, encoder
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.positional import sinusoidal_positions
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError


class TransformerNetwork(ForecastNetwork):
    """Let every step attend to the steps before it; forecast from what the newest step has gathered.

    Parameters
    ----------
    sizes : Sizes
        The data.
    d_model, nhead, num_layers : int
        Width of a step; attention heads; encoder layers.
    dropout : float
        Share dropped in every layer.
    dim_feedforward : int, optional
        Width of the hidden layer that every step passes by itself; four times d_model when absent.
    activation : str
        Of that hidden layer: a name of ``ACTIVATIONS``.
    causal : bool
        Hide later steps; else every present step sees every other.
    positional : str
        "sinusoidal" or "learned"; both count backwards from the newest step.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int,
        nhead: int,
        num_layers: int,
        dropout: float,
        dim_feedforward: int | None = None,
        activation: str = "gelu",
        causal: bool = True,
        positional: str = "sinusoidal",
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.embed = nn.Linear(self.inputs.width, d_model)
        self.encoder = encoder(
            d_model,
            num_heads=nhead,
            num_layers=num_layers,
            feedforward=4 * d_model if dim_feedforward is None else dim_feedforward,
            activation=activation,
            dropout=dropout,
        )
        self.head = forecast_head(d_model, sizes, head)
        self.positions = None
        if positional == "learned":
            self.positions = nn.Parameter(0.02 * torch.randn(sizes.context, d_model))
        self.width, self.num_heads, self.causal = d_model, nhead, causal

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        mask = attention_mask(x.shape[1], present, self.num_heads, x.device, causal=self.causal)
        embedded = self.embed(x) + self._positions(x)  # (B, T, d_model)
        # Left open, is_causal would have PyTorch read the mask back and wait for the device.
        states = self.encoder(embedded, mask=mask, is_causal=False)  # (B, T, d_model)
        return self.head(states[:, -1], window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def _positions(self, x: Tensor) -> Tensor:
        """Return the positions of the steps of x (B, T, W): (T, d_model)."""
        steps = x.shape[1]
        if self.positions is None:
            return sinusoidal_positions(steps, self.width).to(x)
        if steps > len(self.positions):
            raise SettingError(
                f"TransformerNetwork has learned {len(self.positions)} positions, but the window has {steps} "
                "steps. Cut it, fit with a longer context, or take positional='sinusoidal'."
            )
        return self.positions[-steps:]
