"""The linear forecaster as an estimator."""

from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.networks.nlinear import NLinearNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import settings_class


@settings_class
class NLinearModel(WindowRegressor):
    """Predict with one linear map of the window (Zeng et al. 2023): the honest small model.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> NLinearModel(sequence_length=8, epochs=3).fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "nlinear"

    def build_network(self, sizes: Sizes) -> NLinearNetwork:
        """Return this model's network with fresh weights."""
        return NLinearNetwork(sizes)
