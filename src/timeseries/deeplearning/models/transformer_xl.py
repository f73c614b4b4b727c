"""The Transformer with a memory as an estimator."""

from collections.abc import Iterator
from numbers import Integral
from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.encoder import EncoderSettings
from timeseries.deeplearning.models.patching import PatchSettings
from timeseries.deeplearning.networks.transformer_xl import TransformerXLNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class

MOST_KEYS = 4096


@settings_class
class TransformerXLModel(EncoderSettings, PatchSettings, WindowRegressor):
    """Predict with a Transformer that reads segments and remembers those before (Dai et al. 2019).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = TransformerXLModel(sequence_length=8, segment_length=4, d_model=16, nhead=2, epochs=3)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "transformer_xl"

    segment_length: int = setting(
        16, "Steps that are read at once; the oldest segment of a window may be shorter.", Integral, low=1
    )
    memory_length: int = setting(
        16, "Steps before a segment that every layer remembers; no gradient flows there.", Integral, low=0
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if found:
            return
        keys = min(self.segment_length + self.memory_length, self.tokens(self.sequence_length))
        if keys > MOST_KEYS:
            yield (
                f"segment_length={self.segment_length} and memory_length={self.memory_length} let a step "
                f"look at {keys:,} steps, which takes memory for each of them: at most {MOST_KEYS:,}"
            )
        yield from self.head_problems()

    def build_network(self, sizes: Sizes) -> TransformerXLNetwork:
        """Return this model's network with fresh weights."""
        return TransformerXLNetwork(
            sizes,
            segment_length=self.segment_length,
            memory_length=self.memory_length,
            patch_length=self.patch_length,
            **self.encoder_layers(),
        )
