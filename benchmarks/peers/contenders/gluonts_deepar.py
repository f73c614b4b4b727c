"""GluonTS: DeepAR, its only recurrent network, with one lag and the calendar left out.

It is another network: the recurrence runs over context and horizon, is trained on every position of both by
likelihood, and forecasts by 100 sampled paths, step by step. Its step reads H more steps than ours; its
forecasts cost what sampled forecasts cost.
"""

from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from gluonts.dataset.split import split
from gluonts.torch import DeepAREstimator
from gluonts.torch.model.predictor import PyTorchPredictor

from contenders.protocol import (
    FORECAST_BATCH,
    LEARNING_RATE,
    LIGHTNING_PRECISION,
    QUIET,
    Floats,
    Network,
    NotPossibleError,
)
from contenders.series import FREQ, START

Entries = list[dict[str, Any]]


class GluonTSDeepAR:
    """An epoch has as many batches as there are steps."""

    distribution: ClassVar[str] = "gluonts"

    def data(self, network: Network, values: Floats) -> Entries:
        start = pd.Period(START, FREQ)
        return [{"start": start, "target": row} for row in values.astype(np.float32)]

    def fit(self, network: Network, data: Entries, steps: int, seed: int) -> PyTorchPredictor:
        if network.cell != "LSTM":
            raise NotPossibleError("GluonTS has no recurrent network but DeepAR, whose cells are LSTM")
        torch.manual_seed(seed)
        with TemporaryDirectory() as folder:  # it keeps the best epoch in a file, and reads it in the end
            files = {"enable_checkpointing": True, "default_root_dir": folder}
            precision = {"precision": LIGHTNING_PRECISION[network.precision]}
            estimator = DeepAREstimator(
                freq=FREQ,
                prediction_length=network.horizon,
                context_length=network.context,
                num_layers=network.layers,
                hidden_size=network.hidden,
                dropout_rate=0.0,
                lags_seq=[1],
                time_features=[],
                lr=LEARNING_RATE,
                batch_size=network.batch,
                num_batches_per_epoch=steps,
                trainer_kwargs=QUIET | files | precision | {"max_epochs": 1},
            )
            fitted = estimator.train(data)
        fitted.batch_size = FORECAST_BATCH
        return fitted

    def predict(self, fitted: PyTorchPredictor, data: Entries) -> Any:
        return list(fitted.predict(data))

    def roll(self, fitted: PyTorchPredictor, data: Entries, windows: int) -> Any:
        horizon = fitted.prediction_length
        _, later = split(data, offset=-(windows + horizon - 1))
        parts = later.generate_instances(horizon, windows=windows, distance=1)
        return [forecast.mean for forecast in fitted.predict(parts.input)], len(data)

    def forecasts(self, rolled: tuple[list[Floats], int]) -> Floats:
        means, series = rolled
        return np.reshape(means, (series, -1, len(means[0])))  # (S, W, H)
