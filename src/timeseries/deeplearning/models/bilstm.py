"""The LSTM that reads its window from both ends, as an estimator."""

from typing import ClassVar

from timeseries.deeplearning.models.recurrent import RecurrentRegressor
from timeseries.settings import settings_class


@settings_class
class BiLSTMModel(RecurrentRegressor):
    """Predict with a stack of bidirectional LSTM layers (Schuster & Paliwal 1997).

    Only the past window is read from both ends: nothing after row i enters the prediction of y[i].

    Settings are keywords or one ``config`` dictionary; ``BiLSTMModel().settings()`` lists them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = BiLSTMModel(config={"sequence_length": 8, "hidden_size": 16, "epochs": 5})
    >>> model.fit(X, y, validation_split=0.1).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "bilstm"
    cell: ClassVar[str] = "lstm"
    bidirectional: ClassVar[bool] = True  # type: ignore[misc]  # what this model is: no setting of it
