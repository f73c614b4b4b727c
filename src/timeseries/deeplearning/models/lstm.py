"""The LSTM as an estimator."""

from typing import ClassVar

from timeseries.deeplearning.models.recurrent import RecurrentRegressor
from timeseries.settings import settings_class


@settings_class
class LSTMModel(RecurrentRegressor):
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
    cell: ClassVar[str] = "lstm"
