"""One contender of latency.py, in a process of its own: fits once, then forecasts as often as it is told to.

It reads one JSON document a line from standard input and answers with one a line: first the series and the
sizes, then, again and again, a number of calls. It runs in the environment of its peer, so nothing of this
project is imported except by the contender that is this project.
"""

import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

HIDDEN, LAYERS, STEPS = 64, 2, 20  # the weights do not matter here, so few steps do
Values = npt.NDArray[np.float64]
Predict = Callable[[], Any]  # answers with something whose length is the horizon


def timeseries(values: Values, context: int, horizon: int) -> Predict:
    """Return predict() of a forecaster that was saved and loaded."""
    from timeseries import Forecaster, LSTMModel

    model = LSTMModel(hidden_size=HIDDEN, num_layers=LAYERS, max_steps=STEPS)
    forecaster = Forecaster(model, horizon=horizon, context_length=context).fit(hourly(values))
    with tempfile.TemporaryDirectory() as folder:
        forecaster.save(Path(folder) / "model")
        return Forecaster.load(Path(folder) / "model").predict


def neuralforecast(values: Values, context: int, horizon: int) -> Predict:
    """Return predict() of a fitted NeuralForecast."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    model = LSTM(
        h=horizon,
        input_size=context,
        encoder_hidden_size=HIDDEN,
        encoder_n_layers=LAYERS,
        decoder_hidden_size=HIDDEN,
        decoder_layers=1,
        scaler_type="standard",
        max_steps=STEPS,
        **QUIET,
    )
    fitted = NeuralForecast([model], freq="h")
    fitted.fit(hourly(values).assign(unique_id="OT"))
    return fitted.predict


def darts(values: Values, context: int, horizon: int) -> Predict:
    """Return predict(n) of a fitted BlockRNNModel; its series is scaled before, and left so."""
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    frame = hourly((values - values.mean()) / values.std())
    series = TimeSeries.from_dataframe(frame, time_col="ds", value_cols="y", freq="h").astype(np.float32)
    model = BlockRNNModel(
        input_chunk_length=context,
        output_chunk_length=horizon,
        model="LSTM",
        hidden_dim=HIDDEN,
        n_rnn_layers=LAYERS,
        n_epochs=1,
        pl_trainer_kwargs=QUIET | {"max_steps": STEPS},
    )
    model.fit(series, verbose=False)
    return lambda: model.predict(horizon, verbose=False, show_warnings=False)


def keras(values: Values, context: int, horizon: int) -> Predict:
    """Return one call of the model on one window, which its documentation advises for small inputs."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    values = values.astype(np.float32)
    center, scale = values.mean(), values.std()
    windows = np.lib.stride_tricks.sliding_window_view((values - center) / scale, context + horizon)
    layers = [keras.layers.LSTM(HIDDEN, return_sequences=True) for _ in range(LAYERS - 1)]
    model = keras.Sequential(
        [keras.Input((context, 1)), *layers, keras.layers.LSTM(HIDDEN), keras.layers.Dense(horizon)]
    )
    model.compile("adam", "mse")
    drawn = windows[np.random.default_rng(0).integers(len(windows), size=32 * STEPS)]  # (W, T + H)
    model.fit(drawn[:, :context, None], drawn[:, context:], batch_size=32, verbose=0)

    def predict() -> Any:
        window = (values[None, -context:, None] - center) / scale  # (1, T, 1)
        with torch.inference_mode():
            return model(window, training=False).cpu().numpy()[0] * scale + center  # (H,)

    return predict


QUIET = {  # of Lightning: no files, no bars, no other device
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
CONTENDERS = {contender.__name__: contender for contender in (timeseries, neuralforecast, darts, keras)}


def serve(name: str) -> None:
    """Answer line by line until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the answers
    task = json.loads(sys.stdin.readline())
    predict = CONTENDERS[name](np.array(task["values"]), task["context"], task["horizon"])
    steps = len(predict())
    distribution = "timeseries-deeplearning" if name == "timeseries" else name
    ready = {"version": importlib.metadata.version(distribution), "steps": steps}
    print(json.dumps(ready | {"torch": torch.__version__, "threads": torch.get_num_threads()}), file=answers)
    for line in sys.stdin:
        print(json.dumps(milliseconds(predict, json.loads(line))), file=answers)


def hourly(values: Values) -> Any:
    """Return a table of hours; pandas is not in the environment of Keras."""
    import pandas as pd

    return pd.DataFrame({"ds": pd.date_range("2016-07-01", periods=len(values), freq="h"), "y": values})


def milliseconds(predict: Predict, calls: int) -> list[float]:
    """Return how long each call took."""
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        predict()
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


if __name__ == "__main__":
    serve(sys.argv[1])
