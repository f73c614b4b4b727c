"""Keras on the PyTorch backend: layers in a row, fitted to windows that are stacked in numpy."""

import os
from typing import Any, ClassVar, NamedTuple

import numpy as np

from contenders.protocol import FORECAST_BATCH, LEARNING_RATE, Floats, Network

os.environ["KERAS_BACKEND"] = "torch"

import keras  # which reads the variable
import torch

CELLS = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU, "RNN": keras.layers.SimpleRNN}

POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class ScaledSeries(NamedTuple):
    """Series whose mean is 0 and whose deviation is 1, and how that was done."""

    values: Floats  # (S, N), float32
    center: float
    scale: float


class Fitted(NamedTuple):
    """A model and what it was told."""

    model: keras.Model
    network: Network


class KerasLayers:
    """On this backend and a CPU, its recurrence is a Python loop over the steps of the window."""

    distribution: ClassVar[str] = "keras"

    def data(self, network: Network, values: Floats) -> ScaledSeries:
        center, scale = float(values.mean()), float(values.std())
        return ScaledSeries(((values - center) / scale).astype(np.float32), center, scale)

    def fit(self, network: Network, data: ScaledSeries, steps: int, seed: int) -> Fitted:
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(POLICY[network.precision])
        size = network.context + network.horizon
        windows = np.lib.stride_tricks.sliding_window_view(data.values, size, axis=1)  # (S, W, T + H)
        rows = np.random.default_rng(seed).integers(windows.shape[:2], size=(steps * network.batch, 2))
        drawn = windows[rows[:, 0], rows[:, 1]]  # (steps * B, T + H)
        cell, context = CELLS[network.cell], network.context
        lower = [cell(network.hidden, return_sequences=True) for _ in range(network.layers - 1)]
        top = [cell(network.hidden), keras.layers.Dense(network.horizon)]
        model = keras.Sequential([keras.Input((context, 1)), *lower, *top])
        model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse")
        model.fit(drawn[:, :context, None], drawn[:, context:], batch_size=network.batch, verbose=0)
        return Fitted(model, network)

    def predict(self, fitted: Fitted, data: ScaledSeries) -> Floats:
        """Forecast from all last windows; one is given to the model itself, as its documentation advises."""
        last = data.values[:, -fitted.network.context :, None]  # (S, T, 1)
        if len(last) > 1:
            answer = fitted.model.predict(last, batch_size=FORECAST_BATCH, verbose=0)  # (S, H)
        else:
            with torch.inference_mode():
                answer = fitted.model(last, training=False).cpu().numpy()  # (1, H)
        return answer * data.scale + data.center  # (S, H)

    def roll(self, fitted: Fitted, data: ScaledSeries, windows: int) -> Any:
        context, horizon = fitted.network.context, fitted.network.horizon
        seen = data.values[:, -(windows + horizon - 1) - context : -horizon]  # (S, W + T - 1)
        past = np.lib.stride_tricks.sliding_window_view(seen, context, axis=1)  # (S, W, T)
        inputs = past.reshape(-1, context, 1)  # (S * W, T, 1)
        answer = fitted.model.predict(inputs, batch_size=FORECAST_BATCH, verbose=0)  # (S * W, H)
        return (answer * data.scale + data.center).reshape(len(seen), windows, horizon)  # (S, W, H)

    def forecasts(self, rolled: Floats) -> Floats:
        return rolled
