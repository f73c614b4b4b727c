"""How the time of a training step, of predict and of a backtest grows as sizes double.

    python benchmarks/growth.py
    python benchmarks/growth.py --axes series --repeats 2 --doublings 2

An LSTM of two layers; from a base, one size at a time doubles, the others stay. Every repeat visits the sizes
of an axis in the reverse order of the repeat before; the first one only warms up. The slope is that of the
least squares line through the medians, log time over log size: 1 is linear, and a share of time that does not
grow makes it smaller. A backtest fits for one step, and so is mostly forecasting and scoring.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from machine import describe
from timeseries import Forecaster
from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.models import LSTMModel
from timeseries.panel import Panel

BASE = {"series": 8, "context": 96, "hidden": 64, "batch": 64, "horizon": 24}
FIRST = {"series": 125, "context": 24, "hidden": 16, "batch": 16, "horizon": 12}  # of the sizes of each axis
ROWS = 1000  # of each series: room for the longest window and two origins of the longest horizon
STEPS = 5  # of a training, of which the first is not timed
CALLS = 3  # of predict, at every visit
JOBS = ("training step", "predict", "backtest")


class Watch(Callback):
    """Takes the time after every step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def step(self) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def seconds(self) -> float:
        """Return the median seconds of a step."""
        return float(np.median(np.diff(self.times)))


class Point:
    """What is timed at one choice of sizes."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.panel, self.sizes = make_panel(sizes["series"]), sizes
        self.seconds: dict[str, list[float]] = {job: [] for job in JOBS}

    def forecaster(self, steps: int) -> Forecaster:
        """Return a forecaster of these sizes that trains for so many steps."""
        sizes = self.sizes
        model = LSTMModel(
            hidden_size=sizes["hidden"], num_layers=2, batch_size=sizes["batch"], max_steps=steps
        )
        return Forecaster(model, horizon=sizes["horizon"], context_length=sizes["context"], coverage=())

    def visit(self) -> None:
        """Do every job once, and note how long it took."""
        watch = Watch()
        fitted = self.forecaster(STEPS).fit(self.panel, callbacks=[watch])
        self.seconds["training step"].append(watch.seconds())
        self.seconds["predict"].append(statistics.median(timed(fitted.predict) for _ in range(CALLS)))
        self.seconds["backtest"].append(timed(lambda: self.forecaster(1).backtest(self.panel, windows=2)))

    def median(self, job: str) -> float:
        """Return the median seconds of a job, without the visit that warmed up."""
        return statistics.median(self.seconds[job][1:])


def make_panel(series: int) -> Panel:
    """Return noisy days of hours."""
    time_of_row = np.arange(ROWS)
    noise = np.random.default_rng(0).normal(size=(series, ROWS))
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"series{number:05d}" for number in range(series)], ROWS),
            "ds": np.tile(pd.Timestamp("2000-01-01") + pd.to_timedelta(time_of_row, unit="h"), series),
            "y": (np.sin(time_of_row * 2 * np.pi / 24) + noise).ravel(),
        }
    )
    return Panel.from_frame(frame)


def timed(job: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Return the slope of the least squares line through the points, log over log."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(axis: str, doublings: int, repeats: int) -> dict[int, Point]:
    """Return the sizes of an axis, each with what was timed there."""
    sizes = [FIRST[axis] * 2**double for double in range(doublings + 1)]
    points = {size: Point(BASE | {axis: size}) for size in sizes}
    for repeat in range(repeats + 1):
        for size in sizes if repeat % 2 else sizes[::-1]:
            points[size].visit()
    return points


def row(axis: str, points: dict[int, Point]) -> str:
    """Return what was found along an axis as a row of a table."""
    sizes = list(points)
    cells = []
    for job in JOBS:
        seconds = [points[size].median(job) for size in sizes]
        cells += [" ".join(f"{1e3 * taken:.3g}" for taken in seconds), f"{slope(sizes, seconds):.2f}"]
    return f"| {axis} | {' '.join(map(str, sizes))} | {' | '.join(cells)} |"


def main() -> None:
    """Measure every axis, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", default=list(FIRST), choices=FIRST)
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    base = ", ".join(f"{name} {size}" for name, size in BASE.items())
    print(describe())
    print(f"Base: {base}; 2 layers, {ROWS} rows a series; medians of {chosen.repeats}, in milliseconds\n")
    print("| what doubles | sizes | " + " | ".join(f"{job}, ms | slope" for job in JOBS) + " |")
    print("|---|---|" + "---|---|" * len(JOBS))
    for axis in chosen.axes:
        print(row(axis, measure(axis, chosen.doublings, chosen.repeats)), flush=True)


if __name__ == "__main__":
    main()
