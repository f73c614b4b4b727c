"""The Transformer as an estimator."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.deeplearning.networks.transformer import TransformerNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class

MOST_STEPS = 4096


@settings_class
class TransformerModel(HeadSettings, WindowRegressor):
    """Predict with a Transformer encoder (Vaswani et al. 2017), causal unless told otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> TransformerModel(sequence_length=8, d_model=16, nhead=2, epochs=3).fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "transformer"

    d_model: int = setting(64, "Width of a step.", Integral, low=1, high=16_384)
    nhead: int = setting(4, "Attention heads; they share d_model evenly.", Integral, low=1, high=256)
    num_layers: int = setting(2, "Encoder layers.", Integral, low=1, high=64)
    dropout: float = setting(0.1, "Share of outputs dropped in every layer.", Real, low=0, high=0.99)
    dim_feedforward: int | None = setting(
        None,
        "Width of the hidden layer that every step passes by itself; None: four times d_model.",
        Integral,
        low=1,
        high=65_536,
    )
    activation: str = setting("gelu", "Of that hidden layer.", str, choices=tuple(ACTIVATIONS))
    causal: bool = setting(True, "A step sees no later one; False: every step sees the whole window.", bool)
    positional: str = setting(
        "sinusoidal",
        "How steps know their place, counted back from the newest.",
        str,
        choices=("sinusoidal", "learned"),
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if not found and self.sequence_length > MOST_STEPS:
            yield (
                f"sequence_length must be at most {MOST_STEPS:,} for a transformer, whose attention "
                f"takes the square of it in memory, got {self.sequence_length}"
            )
        if not found and self.d_model % self.nhead:
            yield f"d_model must be a multiple of nhead, got {self.d_model} and {self.nhead}"

    def build_network(self, sizes: Sizes) -> TransformerNetwork:
        """Return this model's network with fresh weights."""
        return TransformerNetwork(
            sizes,
            d_model=self.d_model,
            nhead=self.nhead,
            num_layers=self.num_layers,
            dropout=self.dropout,
            dim_feedforward=self.dim_feedforward,
            activation=self.activation,
            causal=self.causal,
            positional=self.positional,
            head=self.head_shape(),
        )
