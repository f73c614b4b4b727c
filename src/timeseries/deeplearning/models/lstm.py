"""The LSTM as an estimator."""

from numbers import Integral, Real
from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.networks.lstm import LSTMNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class LSTMModel(WindowRegressor):
    """Predict with a stack of LSTM layers (Hochreiter & Schmidhuber 1997).

    Settings are keywords or one ``config`` dictionary; ``LSTMModel().settings()`` lists them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = LSTMModel(config={"sequence_length": 8, "hidden_size": 16, "epochs": 5})
    >>> model.fit(X, y, validation_split=0.1).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "lstm"

    hidden_size: int = setting(64, "Width of the hidden state.", Integral, low=1, high=16_384)
    num_layers: int = setting(2, "LSTM layers, one on top of the other.", Integral, low=1, high=64)
    dropout: float = setting(0.2, "Share of outputs dropped between layers.", Real, low=0, high=0.99)

    def build_network(self, sizes: Sizes) -> LSTMNetwork:
        """Return this model's network with fresh weights."""
        return LSTMNetwork(
            sizes, hidden_size=self.hidden_size, num_layers=self.num_layers, dropout=self.dropout
        )
