"""The Transformer with hashed attention as an estimator."""

from collections.abc import Iterator
from numbers import Integral
from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.encoder import EncoderSettings
from timeseries.deeplearning.models.patching import PatchSettings
from timeseries.deeplearning.networks.reformer import ReformerNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class ReformerModel(EncoderSettings, PatchSettings, WindowRegressor):
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

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if not found and self.num_buckets not in (None, 1) and self.num_buckets % 2:
            yield f"num_buckets must be even, since a rotation gives two, or 1, got {self.num_buckets}"
        if not found:
            yield from self.head_problems()

    def build_network(self, sizes: Sizes) -> ReformerNetwork:
        """Return this model's network with fresh weights."""
        return ReformerNetwork(
            sizes,
            chunk_length=self.chunk_length,
            num_hashes=self.num_hashes,
            num_buckets=self.num_buckets,
            patch_length=self.patch_length,
            **self.encoder_layers(),
        )
