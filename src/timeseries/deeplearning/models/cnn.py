"""The convolutional network as an estimator."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.convolution import NORMALIZATIONS
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.deeplearning.models.widths import MOST_LAYERS, layer_widths, width_problems
from timeseries.deeplearning.networks.cnn import CNNNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class CNN1DModel(HeadSettings, WindowRegressor):
    """Predict with one-dimensional convolutions over the window and the largest answer of every filter.

    With ``pool_size=1``, as in textbooks, the network knows what was found but not when: it suits questions
    such as "was there a spike". A forecast that depends on when wants several parts.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> CNN1DModel(sequence_length=8, channels=16, pool_size=4, epochs=3).fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "cnn"

    channels: int | tuple[int, ...] = setting(
        64,
        "Filters of a layer; several numbers are one per layer, and num_layers does not count.",
        Integral,
        low=1,
        high=16_384,
        several=True,
    )
    num_layers: int = setting(2, "Convolutions, one on top of the other.", Integral, low=1, high=MOST_LAYERS)
    kernel_size: int = setting(3, "Steps that a filter reads at once.", Integral, low=1, high=1024)
    pool_size: int = setting(
        1,
        "Equal parts of the window; the largest answer of every filter in each is kept.",
        Integral,
        low=1,
        high=16_384,
    )
    normalization: str = setting(
        "none",
        "Between convolution and activation; batch: by the present steps of all windows of a batch.",
        str,
        choices=("none", *NORMALIZATIONS),
    )
    activation: str = setting("relu", "After every convolution.", str, choices=tuple(ACTIVATIONS))
    dropout: float = setting(0.2, "Share dropped after every convolution.", Real, low=0, high=0.99)

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        yield from super().problems()
        yield from width_problems("channels", self.channels)

    def build_network(self, sizes: Sizes) -> CNNNetwork:
        """Return this model's network with fresh weights."""
        return CNNNetwork(
            sizes,
            channels=layer_widths(self.channels, self.num_layers),
            kernel_size=self.kernel_size,
            pool_size=self.pool_size,
            normalization=self.normalization,
            activation=self.activation,
            dropout=self.dropout,
            head=self.head_shape(),
        )
