"""A Transformer encoder over time steps (Vaswani et al. 2017, pre-norm), causal unless told otherwise."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.attention import attention_mask, encoder
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.patches import into_patches, patch_count
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
    d_model, nhead, num_layers, dim_feedforward : int
        Width of a step; attention heads; encoder layers; width of their hidden layers.
    dropout : float
        Share dropped in every layer.
    activation : str
        Of the hidden layers: a name of ``ACTIVATIONS``.
    causal : bool
        Hide later steps; else every present step sees every other.
    positional : str
        "sinusoidal" or "learned"; both count backwards from the newest step.
    patch_length : int
        Steps that are read as one (L); all that is said of a step then holds for a patch.
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
        dim_feedforward: int,
        dropout: float,
        activation: str = "gelu",
        causal: bool = True,
        positional: str = "sinusoidal",
        patch_length: int = 1,
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.embed = nn.Linear(self.inputs.width * patch_length, d_model)
        self.encoder = encoder(
            d_model,
            num_heads=nhead,
            num_layers=num_layers,
            feedforward=dim_feedforward,
            activation=activation,
            dropout=dropout,
        )
        self.head = forecast_head(d_model, sizes, head)
        self.positions = None
        if positional == "learned":
            patches = patch_count(sizes.context, patch_length, patch_length)
            self.positions = nn.Parameter(0.02 * torch.randn(patches, d_model))
        self.width, self.num_heads, self.causal = d_model, nhead, causal
        self.patch_length = patch_length

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        x, present = into_patches(x, present, self.patch_length)  # (B, T/L, L*W), (B, T/L)
        mask = attention_mask(x.shape[1], present, self.num_heads, x.device, causal=self.causal)
        embedded = self.embed(x) + self._positions(x)  # (B, T/L, d_model)
        # Left open, is_causal would have PyTorch read the mask back and wait for the device.
        states = self.encoder(embedded, mask=mask, is_causal=False)  # (B, T/L, d_model)
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
