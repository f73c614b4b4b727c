"""What fitting and forecasting a panel add to its own bytes, and where the peak stands.

    python benchmarks/panel_memory.py
    python benchmarks/panel_memory.py --cases "10,000 series of 100 rows" --models "lstm 2x64"

Each case runs in a process of its own. The peak is the kernel's (VmHWM, reset before every stage), counted
from the resident size with the panel loaded. What the same job adds with a small panel (the network, a batch,
the buffers of torch) is taken off, and the rest divided by the bytes of the panel's arrays.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from machine import describe
from memory import MB, status

CASES = {
    "10,000 series of 1,000 rows": (10_000, 1_000, 0.0),
    "1 series of 5,000,000 rows": (1, 5_000_000, 0.0),
    "100,000 series of 500 rows": (100_000, 500, 0.0),
    "10,000 series of 1,000 rows, 1 % missing": (10_000, 1_000, 0.01),
    "1 series of 5,000,000 rows, 1 % missing": (1, 5_000_000, 0.01),
    "10,000 series of 100 rows": (10_000, 100, 0.0),
}
MODELS = ("lstm 2x64", "recipe lstm")
STAGES = (  # of a fit, as timeseries.fitting names them
    "_refuse_impossible",
    "_held_out",
    "measure",
    "_as_seen",
    "series_table",
    "fit_scaling",
    "Buffers",
    "fit_network",
    "_calibrated",
)
SMALL = (
    10_000,
    1_100,
)  # rows, and series at most, of the panel whose peak is taken off: full batches of both jobs


def make_panel(series: int, rows: int, missing: float) -> Any:
    """Return series of equal length, without a table that they were read from."""
    from timeseries.panel import Panel, TableLayout

    stamps = pd.date_range("2000-01-01", periods=2, freq="h")
    like = Panel.from_frame(
        pd.DataFrame({"unique_id": ["a", "a"], "ds": stamps, "y": [1.0, 2.0]}), TableLayout(missing="mask")
    )
    random = np.random.default_rng(0)
    values = random.normal(size=(series * rows, 1))  # (N, 1)
    if missing:
        values[random.random(len(values)) < missing] = np.nan
    offsets = np.arange(series + 1) * rows  # (S+1,)
    return replace(
        like,
        ids=tuple(f"series{number:07d}" for number in range(series)),
        offsets=offsets,
        values=values,
        time=np.tile(like.time[0] + np.arange(rows) * np.timedelta64(1, "h"), series),  # (N,)
        known=np.empty((len(values), 0)),
        known_offsets=offsets,
        static=np.empty((series, 0)),
    )


def bytes_of(panel: Any) -> int:
    """Return the bytes of all arrays of a panel."""
    parts = [getattr(panel, field.name) for field in fields(panel)]
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


def make_forecaster(model: str) -> Any:
    """Return the forecaster that is measured."""
    from timeseries import Forecaster
    from timeseries.deeplearning.models import LSTMModel

    if model == "recipe lstm":
        return Forecaster("lstm", horizon=24, context_length=96, max_steps=20)
    return Forecaster(LSTMModel(hidden_size=64, num_layers=2, max_steps=20), horizon=24, context_length=96)


class Peaks:
    """The largest resident size of the stages of a job, in bytes over that at its begin."""

    def __init__(self) -> None:
        self.begin = status("VmRSS")
        self.of: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Any:
        """Measure a part of the job; parts within it count as parts of their own, too."""
        _forget_peak()
        yield
        self.of[name] = max(self.of.get(name, 0.0), status("VmHWM") - self.begin)
        _forget_peak()

    def watch(self, module: Any, name: str) -> None:
        """Let a function of a module be a stage."""
        function = getattr(module, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.note("between stages")
            with self.stage(name):
                return function(*args, **kwargs)

        setattr(module, name, watched)

    def note(self, name: str) -> None:
        """Count what was reached since the last stage."""
        self.of[name] = max(self.of.get(name, 0.0), status("VmHWM") - self.begin)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peaks_of(job: Callable[[], Any], stages: tuple[str, ...] = ()) -> dict[str, float]:
    """Return the peak of every stage of a job."""
    from timeseries import fitting

    kept = {name: getattr(fitting, name) for name in stages}
    peaks = Peaks()
    for name in stages:
        peaks.watch(fitting, name)
    _forget_peak()
    job()
    peaks.note("between stages")
    for name, function in kept.items():
        setattr(fitting, name, function)
    return peaks.of


def measure(case: str, model: str, answer: Any) -> None:
    """Send the bytes of the panel, and the peaks of fit and predict with it and with a small one."""
    series, rows, missing = CASES[case]
    least_rows, most_series = SMALL
    count = min(series, most_series)
    small = make_panel(count, max(least_rows // count, 150), missing)
    forecaster = make_forecaster(model)
    for _ in range(2):  # the first loads what is loaded once
        floor = (
            max(peaks_of(lambda: forecaster.fit(small)).values()),
            max(peaks_of(forecaster.predict).values()),
        )
    panel = make_panel(series, rows, missing)
    forecaster = make_forecaster(model)
    fit = peaks_of(lambda: forecaster.fit(panel), STAGES)
    predict = peaks_of(forecaster.predict)
    answer.put((bytes_of(panel), floor, fit, max(predict.values())))


def main() -> None:
    """Measure every case, and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="+", default=list(CASES)[:5], choices=CASES)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    chosen = parser.parse_args()
    print(describe())
    print(
        "\n| panel | its bytes | model | fit adds | of these with a small panel | ratio "
        "| predict adds | of these | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    details = []
    for case in chosen.cases:
        for model in chosen.models:
            answer = context.Queue()
            child = context.Process(target=measure, args=(case, model, answer))
            child.start()
            size, floor, fit, predict = answer.get(timeout=1200)
            child.join()
            peak = max(fit.values())
            print(
                f"| {case} | {size / MB:.0f} MB | {model} | {peak / MB:.0f} MB | {floor[0] / MB:.0f} MB "
                f"| {(peak - floor[0]) / size:.2f} | {predict / MB:.0f} MB | {floor[1] / MB:.0f} MB "
                f"| {(predict - floor[1]) / size:.2f} |",
                flush=True,
            )
            details.append((case, model, fit))
    print("\nPeak at each stage of fit, MB over the loaded panel:")
    for case, model, fit in details:
        print(f"- {case}, {model}: " + ", ".join(f"{name} {peak / MB:.0f}" for name, peak in fit.items()))


if __name__ == "__main__":
    main()
