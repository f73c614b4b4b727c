"""Settings of the layers in which steps attend to each other."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.settings import Span, setting, settings_class


@settings_class
class EncoderSettings(HeadSettings):
    """For models of a stack of attention layers; they derive from it, beside `WindowRegressor`."""

    d_model: int = setting(64, "Width of a step.", Integral, low=1, high=16_384, search=(32, 64, 128))
    nhead: int = setting(
        4, "Attention heads; they share d_model evenly.", Integral, low=1, high=256, search=(2, 4, 8)
    )
    num_layers: int = setting(
        2, "Layers, one on top of the other.", Integral, low=1, high=64, search=Span(1, 4)
    )
    dim_feedforward: int | None = setting(
        None,
        "Width of the hidden layer that every step passes by itself; None: four times d_model.",
        Integral,
        low=1,
        high=65_536,
    )
    activation: str = setting("gelu", "Of that hidden layer.", str, choices=tuple(ACTIVATIONS))
    dropout: float = setting(
        0.1, "Share of outputs dropped in every layer.", Real, low=0, high=0.99, search=Span(0.0, 0.5)
    )

    def head_problems(self) -> Iterator[str]:
        """Yield a sentence where the heads cannot share the width evenly."""
        if self.d_model % self.nhead:
            yield f"d_model must be a multiple of nhead, got {self.d_model} and {self.nhead}"

    def encoder_layers(self) -> dict[str, Any]:
        """Return what the settings say of the layers and of the head, as networks take it."""
        return {
            "d_model": self.d_model,
            "nhead": self.nhead,
            "num_layers": self.num_layers,
            "dim_feedforward": 4 * self.d_model if self.dim_feedforward is None else self.dim_feedforward,
            "activation": self.activation,
            "dropout": self.dropout,
            "head": self.head_shape(),
        }
