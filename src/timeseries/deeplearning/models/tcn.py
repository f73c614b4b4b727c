"""The temporal convolutional network as an estimator."""

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.deeplearning.models.widths import layer_widths
from timeseries.deeplearning.networks.tcn import TCNNetwork, receptive_field
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class

MOST_BLOCKS = 24  # the dilation of the last one is 2^23 steps


@settings_class
class TCNModel(HeadSettings, WindowRegressor):
    """Predict with dilated causal convolutions in residual blocks (Bai et al. 2018).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = TCNModel(sequence_length=8, channels=16, num_layers=2, epochs=3)
    >>> model.receptive_field
    13
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "tcn"

    channels: int | tuple[int, ...] = setting(
        64,
        "Filters of a block; several numbers are one per block, and num_layers does not count.",
        Integral,
        low=1,
        high=16_384,
        several=True,
    )
    num_layers: int = setting(
        4,
        "Residual blocks of two convolutions; each doubles the dilation.",
        Integral,
        low=1,
        high=MOST_BLOCKS,
    )
    kernel_size: int = setting(3, "Steps that a filter reads at once.", Integral, low=1, high=1024)
    activation: str = setting(
        "relu", "After every convolution and every block.", str, choices=tuple(ACTIVATIONS)
    )
    dropout: float = setting(0.2, "Share dropped after every convolution.", Real, low=0, high=0.99)

    @property
    def receptive_field(self) -> int:
        """Steps of the window that reach the forecast: 1 + 2 (kernel_size - 1) (2^num_layers - 1)."""
        return receptive_field(self.kernel_size, self._blocks)

    @property
    def _blocks(self) -> int:
        return len(layer_widths(self.channels, self.num_layers))

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        yield from super().problems()
        if isinstance(self.channels, (tuple, list)) and len(self.channels) > MOST_BLOCKS:
            yield f"channels must name at most {MOST_BLOCKS} blocks, got {len(self.channels)}"

    def check_settings(self, *more: str) -> None:
        """Raise one error that lists every problem, or return; warn where steps of the window go unseen."""
        super().check_settings(*more)
        unseen = self.sequence_length - self.receptive_field
        if unseen > 0:
            blocks, seen = _counted(self._blocks, "block"), _counted(self.receptive_field, "step")
            warnings.warn(
                f"The forecast of a TCN of {blocks} with kernel_size={self.kernel_size} sees {seen}, but "
                f"sequence_length={self.sequence_length}: the oldest {unseen} of them never matter. "
                f"{self._way_to_see_all()}",
                stacklevel=3,
            )

    def _way_to_see_all(self) -> str:
        """Return the sentence that says how the whole window is seen."""
        shorter = f"sequence_length={self.receptive_field}"
        if self.kernel_size == 1:
            return f"Take kernel_size=2 or more, or {shorter}."
        enough = next(n for n in range(99) if receptive_field(self.kernel_size, n) >= self.sequence_length)
        return f"Take {_counted(enough, 'block')}, a larger kernel_size, or {shorter}."

    def build_network(self, sizes: Sizes) -> TCNNetwork:
        """Return this model's network with fresh weights."""
        return TCNNetwork(
            sizes,
            channels=layer_widths(self.channels, self.num_layers),
            kernel_size=self.kernel_size,
            activation=self.activation,
            dropout=self.dropout,
            head=self.head_shape(),
        )


def _counted(number: int, what: str) -> str:
    """Return a number of things in words, such as "1 block" or "2 blocks"."""
    return f"{number} {what}{'s' * (number != 1)}"
