"""The GRU as an estimator."""

from typing import ClassVar

from timeseries.deeplearning.models.recurrent import RecurrentRegressor
from timeseries.settings import settings_class


@settings_class
class GRUModel(RecurrentRegressor):
    """Predict with a stack of gated recurrent units (Cho et al. 2014).

    Settings are keywords or one ``config`` dictionary; ``GRUModel().settings()`` lists them.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = GRUModel(config={"sequence_length": 8, "hidden_size": 16, "epochs": 5})
    >>> model.fit(X, y, validation_split=0.1).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "gru"
    cell: ClassVar[str] = "gru"
