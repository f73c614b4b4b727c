"""One contender in a process of its own: it fits and forecasts, and says how long that took.

It reads one JSON document a line from standard input, the name of a task and its arguments, and answers with
one a line: what was measured, or {"not possible": reason}. It runs in the environment of its library, so
nothing of this project is imported except by the contenders that are this project.
"""

import importlib.metadata
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from contenders import make
from contenders.protocol import Contender, Network, NotPossibleError
from contenders.series import hourly

TRAIN_ROWS, TEST_ROWS = 8640, 2880  # of ETTh1
FEW_STEPS = 20  # where only the time of a forecast counts, not its error
ROWS = 500  # of each series that is only forecast
Answer = dict[str, Any]


class Tasks:
    """The tasks of one contender; what one needs and the next needs again is kept."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.kept: dict[str, tuple[Any, Any]] = {}

    def describe(self) -> Answer:
        """Return what runs here."""
        version = importlib.metadata.version(self.contender.distribution)
        return {"version": version, "torch": torch.__version__, "threads": torch.get_num_threads()}

    def train(self, network: Network, series: tuple[int, int], steps: int) -> Answer:
        """Time a fit to made-up series."""
        data = self.once(
            "train data", (network, series), lambda: self.contender.data(network, hourly(*series))
        )
        return {"seconds": timed(lambda: self.contender.fit(network, data, steps, seed=0))[0]}

    def reach(self, network: Network, file: str, steps: int, seed: int) -> Answer:
        """Time a fit to the training rows of ETTh1 and score it on its test rows."""
        values = np.load(file)  # (S, N)
        train = self.contender.data(network, values[:, :TRAIN_ROWS])
        seconds, fitted = timed(lambda: self.contender.fit(network, train, steps, seed))
        windows = TEST_ROWS - network.horizon + 1
        rolled = self.contender.roll(fitted, self.contender.data(network, values), windows)
        forecast = self.contender.forecasts(rolled)  # (S, W, H)
        later = values[:, -TEST_ROWS:]  # (S, TEST_ROWS)
        truth = np.lib.stride_tricks.sliding_window_view(later, network.horizon, axis=1)  # (S, W, H)
        assert forecast.shape == truth.shape, f"{forecast.shape} forecasts of {truth.shape}"
        return {"seconds": seconds, "mse": float(np.mean((forecast - truth) ** 2))}

    def predict(self, network: Network, series: int, calls: int) -> Answer:
        """Time a forecast of what follows each series."""

        def ready() -> Callable[[], Any]:
            data = self.contender.data(network, hourly(series, ROWS))
            fitted = self.contender.fit(network, data, FEW_STEPS, seed=0)
            self.contender.predict(fitted, data)  # warms up
            return lambda: self.contender.predict(fitted, data)

        job = self.once("predict", (network, series), ready)
        return {"seconds": [timed(job)[0] for _ in range(calls)]}

    def backtest(self, network: Network, file: str) -> Answer:
        """Time forecasts from every origin of the test rows of ETTh1."""
        windows = TEST_ROWS - network.horizon + 1

        def ready() -> Callable[[], Any]:
            values = np.load(file)  # (S, N)
            train = self.contender.data(network, values[:, :TRAIN_ROWS])
            fitted = self.contender.fit(network, train, FEW_STEPS, seed=0)
            data = self.contender.data(network, values)
            return lambda: self.contender.roll(fitted, data, windows)

        return {"seconds": timed(self.once("backtest", network, ready))[0]}

    def once(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made for this key, if it was the last of its name."""
        if name not in self.kept or self.kept[name][0] != key:
            self.kept.clear()  # what belongs to another task only takes memory
            self.kept[name] = (key, make())
        return self.kept[name][1]

    def answer(self, do: str, **arguments: Any) -> Answer:
        """Do a task; a contender that cannot says why."""
        if "network" in arguments:
            arguments["network"] = Network(**arguments["network"])
        try:
            answer: Answer = getattr(self, do)(**arguments)
        except NotPossibleError as reason:
            return {"not possible": str(reason)}
        except Exception as error:  # the others go on without it, and the table says what happened
            traceback.print_exc()
            return {"not possible": f"{type(error).__name__}: {error}"}
        return answer


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a job takes, and what it returns."""
    began = time.perf_counter()
    outcome = job()
    return time.perf_counter() - began, outcome


def serve(name: str) -> None:
    """Answer line by line until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not reach the answers
    tasks = Tasks(make(name))
    for line in sys.stdin:
        print(json.dumps(tasks.answer(**json.loads(line))), file=answers)


if __name__ == "__main__":
    serve(sys.argv[1])
