"""One contender of faults.py, in a process of its own: it is given faults, and says what came of them.

It reads one JSON document a line from standard input, the name of an experiment and its arguments, and
answers with one a line. It runs in the environment of its peer, so nothing of this project is imported except
by the contender that is this project.
"""

import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from contenders.protocol import QUIET

CONTEXT, HORIZON, HIDDEN, STEPS, ROWS = 24, 6, 16, 20, 200
PLACE = 50  # the row of a fault


class Contender(Protocol):
    """A small LSTM of one library."""

    def fit(self, frame: pd.DataFrame, freq: str, seed: int) -> Any:
        """Return a model fitted to a frame with the columns ds and y."""

    def save(self, model: Any, path: Path) -> None:
        """Save a model where one may lie already."""

    def load(self, path: Path) -> Any:
        """Return the model that was saved."""

    def predict(self, model: Any) -> np.ndarray:
        """Forecast what follows the fitted rows, (H,)."""


class TimeSeriesLibrary:
    """The library of this project."""

    def fit(self, frame: pd.DataFrame, freq: str, seed: int) -> Any:
        from timeseries import Forecaster

        settings = {"hidden_size": HIDDEN, "num_layers": 1, "max_steps": STEPS, "seed": seed, "freq": freq}
        return Forecaster("lstm", horizon=HORIZON, context_length=CONTEXT, **settings).fit(frame)

    def save(self, model: Any, path: Path) -> None:
        model.save(path)

    def load(self, path: Path) -> Any:
        from timeseries import Forecaster

        return Forecaster.load(path)

    def predict(self, model: Any) -> np.ndarray:
        return np.asarray(model.predict()["y"], dtype=np.float64)


class NeuralForecastLibrary:
    """neuralforecast, as its documentation saves: the data set with the model, over what is there."""

    def fit(self, frame: pd.DataFrame, freq: str, seed: int) -> Any:
        from neuralforecast import NeuralForecast
        from neuralforecast.models import LSTM

        size = {"encoder_hidden_size": HIDDEN, "encoder_n_layers": 1, "decoder_hidden_size": HIDDEN}
        sizes = size | {"decoder_layers": 1, "max_steps": STEPS, "scaler_type": "standard"}
        model = LSTM(h=HORIZON, input_size=CONTEXT, random_seed=seed, **sizes, **QUIET)
        fitted = NeuralForecast([model], freq=freq)
        fitted.fit(frame.assign(unique_id="y"))
        return fitted

    def save(self, model: Any, path: Path) -> None:
        model.save(str(path), save_dataset=True, overwrite=True)

    def load(self, path: Path) -> Any:
        from neuralforecast import NeuralForecast

        return NeuralForecast.load(str(path))

    def predict(self, model: Any) -> np.ndarray:
        return np.asarray(model.predict()["LSTM"], dtype=np.float64)


class DartsLibrary:
    """Darts, as its documentation saves."""

    def fit(self, frame: pd.DataFrame, freq: str, seed: int) -> Any:
        from darts import TimeSeries
        from darts.models import BlockRNNModel

        series = TimeSeries.from_dataframe(frame, time_col="ds", value_cols="y", freq=freq)
        model = BlockRNNModel(
            input_chunk_length=CONTEXT,
            output_chunk_length=HORIZON,
            model="LSTM",
            hidden_dim=HIDDEN,
            n_rnn_layers=1,
            n_epochs=1,
            random_state=seed,
            pl_trainer_kwargs=QUIET | {"max_steps": STEPS},
        )
        model.fit(series.astype(np.float32), verbose=False)
        return model

    def save(self, model: Any, path: Path) -> None:
        model.save(str(path))

    def load(self, path: Path) -> Any:
        from darts.models import BlockRNNModel

        return BlockRNNModel.load(str(path), pl_trainer_kwargs=QUIET)

    def predict(self, model: Any) -> np.ndarray:
        answer = model.predict(HORIZON, verbose=False, show_warnings=False)
        return np.asarray(answer.values()[:, 0], dtype=np.float64)


CONTENDERS = {
    "timeseries": TimeSeriesLibrary,
    "neuralforecast": NeuralForecastLibrary,
    "darts": DartsLibrary,
}


def hours(fault: str | None = None) -> pd.DataFrame:
    """Return a table of hours with one fault."""
    t = np.arange(ROWS)
    noise = np.random.default_rng(0).normal(size=ROWS)
    stamps = pd.date_range("2016-07-01", periods=ROWS, freq="h")
    frame = pd.DataFrame({"ds": stamps, "y": 10 + np.sin(2 * np.pi * t / 24) + 0.1 * noise})
    if fault == "NaN":
        frame.loc[PLACE, "y"] = np.nan
    elif fault == "duplicate stamp":
        again = frame.iloc[[PLACE]].assign(y=20.0)
        frame = pd.concat([frame[: PLACE + 1], again, frame[PLACE + 1 :]], ignore_index=True)
    elif fault == "gap":
        frame = frame.drop(index=range(PLACE, PLACE + 3)).reset_index(drop=True)
    return frame


def table(contender: Contender, fault: str | None) -> dict[str, Any]:
    """Fit to a table, with a fault or without, and forecast."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            freq = "D" if fault == "wrong frequency" else "h"
            found = contender.predict(contender.fit(hours(fault), freq, 0))
        except Exception as error:  # whatever a library raises is its answer
            return {"error": f"{type(error).__name__}: {error}"}
    told = {str(w.message) for w in heard if issubclass(w.category, UserWarning)}
    return {"finite": bool(np.isfinite(found).all()), "warnings": sorted(told)}


def attempt(contender: Contender, path: Path, known: dict[str, np.ndarray]) -> str:
    """Load a model and say which of the known forecasts it makes."""
    try:
        found = contender.predict(contender.load(path))
    except Exception:  # whatever a library raises is its answer
        return "refused"
    same = (name for name, forecast in known.items() if np.array_equal(found, forecast))
    return next(same, "another forecast")


class Saved:
    """Two models: the old one, saved, and the new one, to be saved over it."""

    def __init__(self, contender: Contender, path: str) -> None:
        self.contender, self.path = contender, Path(path)
        self.models = {name: contender.fit(hours(), "h", seed) for seed, name in enumerate(("old", "new"))}
        self.restore()
        self.files = [file for file in self.path.parent.rglob("*") if file.is_file()]
        self.content = {file: file.read_bytes() for file in self.files}
        self.known = {}
        for name, model in self.models.items():
            contender.save(model, self.path)
            self.known[name] = contender.predict(contender.load(self.path))
        self.restore()

    def restore(self) -> None:
        """Save the old model."""
        self.contender.save(self.models["old"], self.path)

    def flip(self, bit: int) -> str:
        """Flip one bit of all files and load."""
        bit %= 8 * sum(map(len, self.content.values()))
        for file, content in self.content.items():
            if bit < 8 * len(content):
                spoilt = bytearray(content)
                spoilt[bit // 8] ^= 1 << bit % 8
                file.write_bytes(spoilt)
                try:
                    return attempt(self.contender, self.path, self.known)
                finally:
                    file.write_bytes(content)
            bit -= 8 * len(content)
        raise AssertionError("the bit lies in one of the files")

    def kill(self, seconds: float) -> str:
        """Kill a process that saves again and again, and load."""
        self.restore()
        child = os.fork()
        if child == 0:
            while True:
                self.contender.save(self.models["new"], self.path)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return attempt(self.contender, self.path, self.known)

    def full(self, share: float) -> str:
        """Save where a file can have a share of the bytes of the largest one, and load."""
        self.restore()
        limit = int(share * max(map(len, self.content.values())))
        child = os.fork()
        if child == 0:
            code = 0
            try:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                self.contender.save(self.models["new"], self.path)
            except BaseException:
                code = 1
            os._exit(code)
        told = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = attempt(self.contender, self.path, self.known)
        return f"{'said so' if told else 'silence'}, {found}"


def serve(name: str) -> None:
    """Answer line by line until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the answers
    torch.set_num_threads(1)
    contender = CONTENDERS[name]()
    saved: Saved | None = None
    for line in sys.stdin:
        task = json.loads(line)
        if task["do"] == "table":
            answer: Any = table(contender, task["fault"])
        elif task["do"] == "save":
            saved = Saved(contender, task["path"])
            answer = {file.name: len(content) for file, content in saved.content.items()}
        else:
            assert saved is not None
            answer = getattr(saved, task["do"])(task["with"])
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve(sys.argv[1])
