"""The Transformer with hashed attention as an estimator."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.deeplearning.networks.reformer import ReformerNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class ReformerModel(HeadSettings, WindowRegressor):
    """Predict with attention among steps that are hashed alike, and reversible layers (Kitaev et al. 2020).

    Memory grows with the window, not with its square, and hardly with the number of layers.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = ReformerModel(sequence_length=8, chunk_length=4, d_model=16, nhead=2, epochs=3)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "reformer"

    chunk_length: int = setting(
        32,
        "Steps attended to at once, with those of the chunk before; a window as short is seen as a whole.",
        Integral,
        low=1,
        high=4096,
    )
    num_hashes: int = setting(2, "Rounds of hashing; each finds what others miss.", Integral, low=1, high=64)
    num_buckets: int | None = setting(
        None,
        "Buckets of a round, an even number or 1; None: as many as give a bucket half a chunk.",
        Integral,
        low=1,
        high=65_536,
    )
    d_model: int = setting(64, "Width of a step.", Integral, low=1, high=16_384)
    nhead: int = setting(4, "Attention heads; they share d_model evenly.", Integral, low=1, high=256)
    num_layers: int = setting(2, "Layers, one on top of the other.", Integral, low=1, high=64)
    dim_feedforward: int = setting(
        256, "Width of the hidden layer that every step passes by itself.", Integral, low=1, high=65_536
    )
    activation: str = setting("gelu", "Of that hidden layer.", str, choices=tuple(ACTIVATIONS))
    dropout: float = setting(0.1, "Share of outputs dropped in every layer.", Real, low=0, high=0.99)

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if not found and self.num_buckets not in (None, 1) and self.num_buckets % 2:
            yield f"num_buckets must be even, since a rotation gives two, or 1, got {self.num_buckets}"
        if not found and self.d_model % self.nhead:
            yield f"d_model must be a multiple of nhead, got {self.d_model} and {self.nhead}"

    def build_network(self, sizes: Sizes) -> ReformerNetwork:
        """Return this model's network with fresh weights."""
        return ReformerNetwork(
            sizes,
            chunk_length=self.chunk_length,
            num_hashes=self.num_hashes,
            num_buckets=self.num_buckets,
            d_model=self.d_model,
            nhead=self.nhead,
            num_layers=self.num_layers,
            dim_feedforward=self.dim_feedforward,
            activation=self.activation,
            dropout=self.dropout,
            head=self.head_shape(),
        )
