"""The LSTM with attention as an estimator."""

from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch

from timeseries.deeplearning.engine import FORECAST_BATCH
from timeseries.deeplearning.layers.state_attention import SCORES
from timeseries.deeplearning.models.recurrent import RecurrentRegressor
from timeseries.deeplearning.networks.attention_lstm import AttentionLSTMNetwork
from timeseries.deeplearning.runtime import as_written
from timeseries.deeplearning.window import Sizes
from timeseries.settings import setting, settings_class


@settings_class
class AttentionLSTMModel(RecurrentRegressor):
    """Predict with LSTM layers whose last state looks back at all states of the window.

    The states are weighed as in Bahdanau et al. 2015 ("additive") or Luong et al. 2015 ("dot", "general");
    `attention` returns the weights.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> model = AttentionLSTMModel(sequence_length=8, hidden_size=16, epochs=5).fit(X, y)
    >>> model.predict(X).shape, model.attention(X).shape
    ((60,), (60, 8))
    """

    name: ClassVar[str] = "attention_lstm"
    cell: ClassVar[str] = "lstm"

    attention_score: str = setting(
        "additive", "How a state is compared with the last one.", str, choices=tuple(SCORES)
    )

    def build_network(self, sizes: Sizes) -> AttentionLSTMNetwork:
        """Return this model's network with fresh weights."""
        return AttentionLSTMNetwork(sizes, attention=self.attention_score, **self.stack())

    def attention(self, X: npt.ArrayLike) -> Any:
        """Return how much each step of its window counts in the prediction of every row.

        Parameters
        ----------
        X : array of shape (n, F) or (S, T, F), or list of arrays of shape (T_i, F)
            Rows in the order of time.

        Returns
        -------
        array or list of arrays
            In the shape of ``predict`` with one more axis, of length sequence_length: (n, sequence_length)
            for rows. The oldest step first, the row itself last. A row of weights sums to 1; steps before the
            first row of a sequence have the weight 0. With ``patch_length`` L there is one weight for every L
            steps.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        DataError
            When X holds something that a network cannot read.
        """
        rows, gather, series, origins = self._windows_of(X)
        network, parts = cast("AttentionLSTMNetwork", self.network_), []
        with torch.inference_mode(), as_written(gather.device.type):
            for first in range(0, len(origins), FORECAST_BATCH):
                part = slice(first, first + FORECAST_BATCH)
                weights = network.attention(gather.window(series[part], origins[part]))  # (B, T)
                parts.append(weights.cpu().numpy().astype(np.float64))
        return self._shaped(rows, np.concatenate(parts))  # (n, T) for rows
