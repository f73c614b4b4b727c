"""The Transformer over patches as an estimator."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.patches import patch_count
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.encoder import EncoderSettings
from timeseries.deeplearning.networks.patchtst import PatchTSTNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import Span, setting, settings_class

PATCH = 16  # steps, as in the paper
MOST_PATCHES = 4096


@settings_class
class PatchTSTModel(EncoderSettings, WindowRegressor):
    """Predict with a Transformer encoder over patches of every feature by itself (Nie et al. 2023).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = PatchTSTModel(sequence_length=8, patch_length=4, d_model=16, nhead=2, epochs=3)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "patchtst"

    patch_length: int | None = setting(
        None, "Steps of a patch; None: 16, or the whole window where that is shorter.", Integral, low=1
    )
    stride: int | None = setting(
        None, "Steps from one patch to the next; None: half a patch.", Integral, low=1
    )
    d_model: int = setting(128, "Width of a patch.", Integral, low=1, high=16_384, search=(32, 64, 128))
    nhead: int = setting(
        16, "Attention heads; they share d_model evenly.", Integral, low=1, high=256, search=(2, 4, 8)
    )
    num_layers: int = setting(
        3, "Layers, one on top of the other.", Integral, low=1, high=64, search=Span(1, 4)
    )
    dim_feedforward: int | None = setting(
        256,
        "Width of the hidden layer that every patch passes by itself; None: four times d_model.",
        Integral,
        low=1,
        high=65_536,
    )
    dropout: float = setting(
        0.2, "Share of outputs dropped in every layer.", Real, low=0, high=0.99, search=Span(0.0, 0.5)
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if not found:
            yield from self._patch_problems()
            yield from self.head_problems()

    def _patch_problems(self) -> Iterator[str]:
        length, stride = self._patch()
        patches = patch_count(self.sequence_length, length, stride)
        if length > self.sequence_length:
            yield (
                f"patch_length must be at most sequence_length={self.sequence_length}, the window that is "
                f"cut into patches, got {length}"
            )
        elif stride > length:
            yield f"stride must be at most patch_length={length}, so that every step is read, got {stride}"
        elif patches > MOST_PATCHES:
            yield (
                f"sequence_length={self.sequence_length} makes {patches:,} patches of {length} steps, one "
                f"every {stride}; attention takes the square of them in memory: at most {MOST_PATCHES:,}"
            )

    def _patch(self) -> tuple[int, int]:
        """Return the steps of a patch, and from one to the next."""
        length = min(PATCH, self.sequence_length) if self.patch_length is None else self.patch_length
        return length, max(1, length // 2) if self.stride is None else self.stride

    def build_network(self, sizes: Sizes) -> PatchTSTNetwork:
        """Return this model's network with fresh weights."""
        length, stride = self._patch()
        return PatchTSTNetwork(
            sizes,
            patch_length=length,
            stride=stride,
            **self.encoder_layers(),
        )
