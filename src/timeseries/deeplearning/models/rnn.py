"""The plain recurrent network as an estimator."""

from typing import ClassVar

from timeseries.deeplearning.models.recurrent import RecurrentRegressor
from timeseries.settings import settings_class


@settings_class
class RNNModel(RecurrentRegressor):
    """Predict with a stack of plain recurrent layers (Elman 1990).

    Settings are keywords or one ``config`` dictionary; ``RNNModel().settings()`` lists them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = RNNModel(config={"sequence_length": 8, "hidden_size": 16, "epochs": 5})
    >>> model.fit(X, y, validation_split=0.1).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "rnn"
    cell: ClassVar[str] = "rnn"
