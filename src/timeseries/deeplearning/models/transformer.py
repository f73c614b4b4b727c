"""The Transformer as an estimator."""

from collections.abc import Iterator
from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.encoder import EncoderSettings
from timeseries.deeplearning.models.patching import PatchSettings
from timeseries.deeplearning.networks.transformer import TransformerNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class

MOST_STEPS = 4096


@settings_class
class TransformerModel(EncoderSettings, PatchSettings, WindowRegressor):
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
        if found:
            return
        if self.tokens(self.sequence_length) > MOST_STEPS:
            yield (
                f"sequence_length must be at most {MOST_STEPS * self.patch_length:,} for a transformer, "
                f"whose attention takes the square of it in memory, got {self.sequence_length}"
            )
        yield from self.head_problems()

    def build_network(self, sizes: Sizes) -> TransformerNetwork:
        """Return this model's network with fresh weights."""
        return TransformerNetwork(
            sizes,
            causal=self.causal,
            positional=self.positional,
            patch_length=self.patch_length,
            **self.encoder_layers(),
        )
