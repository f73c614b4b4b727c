"""The multilayer perceptron as an estimator."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.widths import MOST_LAYERS, layer_widths, width_problems
from timeseries.deeplearning.networks.mlp import MLPNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class MLPModel(WindowRegressor):
    """Predict with hidden layers over the whole window at once.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> MLPModel(sequence_length=8, hidden_size=(32, 16), epochs=3).fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "mlp"

    hidden_size: int | tuple[int, ...] = setting(
        64,
        "Width of a hidden layer; several numbers are one per layer, and num_layers does not count.",
        Integral,
        low=1,
        high=16_384,
        several=True,
    )
    num_layers: int = setting(2, "Hidden layers.", Integral, low=1, high=MOST_LAYERS)
    activation: str = setting("relu", "After every hidden layer.", str, choices=tuple(ACTIVATIONS))
    dropout: float = setting(0.2, "Share dropped after every hidden layer.", Real, low=0, high=0.99)

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        yield from super().problems()
        yield from width_problems("hidden_size", self.hidden_size)

    def build_network(self, sizes: Sizes) -> MLPNetwork:
        """Return this model's network with fresh weights."""
        return MLPNetwork(
            sizes,
            hidden_sizes=layer_widths(self.hidden_size, self.num_layers),
            activation=self.activation,
            dropout=self.dropout,
        )
