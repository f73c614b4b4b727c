"""One new observation in, one forecast out: microseconds of a step, by engine, history and number of series.

    python benchmarks/streaming.py
    python benchmarks/streaming.py --errors    # instead: what forecasts are worth after thousands of steps

LSTM 2x64, horizon 24, plain (`LSTMModel`) and with the recipe that `Forecaster("lstm")` takes; points alone
and with two calibrated intervals. Steps of all rows of a table are taken in turn, round by round. Beside
them stands what a step costs without a stream: `predict()` over the rows that the model keeps.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import sets
from machine import describe
from timeseries import Forecaster, LSTMModel
from timeseries.table_forecaster import Table

CONTEXT, HORIZON = 96, 24
Job = Callable[[], object]


def table(series: int, rows: int) -> pd.DataFrame:
    """Return hourly waves with noise."""
    draw, hours = np.random.default_rng(0), np.arange(rows)
    values = np.sin(hours / 24 * 2 * np.pi) + 0.3 * draw.normal(size=(series, rows))  # (S, N)
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:05d}" for number in range(series)], rows),
            "ds": np.tile(pd.date_range("2024-01-01", periods=rows, freq="h"), series),
            "y": values.ravel(),
        }
    )


def plain(coverage: tuple[float, ...], context: int = CONTEXT) -> Forecaster:
    """Return a fitted LSTM 2x64 as textbooks have it."""
    model = LSTMModel(hidden_size=64, num_layers=2, max_steps=10)
    return Forecaster(model, horizon=HORIZON, context_length=context, coverage=coverage).fit(table(3, 3000))


def recipe(coverage: tuple[float, ...]) -> Forecaster:
    """Return the recipe of the LSTM, which reads patches, fitted."""
    return Forecaster("lstm", horizon=HORIZON, context_length=CONTEXT, coverage=coverage, max_steps=10).fit(
        table(3, 3000)
    )


def stepping(forecaster: Forecaster, history: Table, engine: str) -> Job:
    """Return a function that takes one step of a stream."""
    stream = forecaster.stream(history, engine=engine)
    values = np.zeros((len(stream.ids), 1))  # (S, C)
    return lambda: stream.step(values)


def bare_cells() -> Job:
    """Return a function that takes a step of two cells of PyTorch and a head: no checks, scaling or units."""
    layers, head = torch.nn.LSTM(1, 64, 2), torch.nn.Linear(64, HORIZON)
    weights = [[part.detach() for part in layer] for layer in layers.all_weights]
    bias, project = head.bias.detach(), head.weight.detach().t()  # (H,), (W, H)
    x, zero = torch.zeros(1, 1), torch.zeros(1, 64)  # (B, F), (B, W)

    def step() -> object:
        with torch.inference_mode():
            lower, _ = torch.lstm_cell(x, (zero, zero), *weights[0])  # (B, W)
            upper, _ = torch.lstm_cell(lower, (zero, zero), *weights[1])  # (B, W)
            return torch.addmm(bias, upper, project)  # (B, H)

    return step


def microseconds(jobs: dict[str, Job], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the time of a call of each job in every round; a round lasts about so many seconds a job."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):  # the first warms up
        for name in sorted(jobs, reverse=bool(number % 2)):
            began, calls = time.perf_counter(), 0
            while time.perf_counter() - began < seconds or not calls:
                jobs[name]()
                calls += 1
            if number:
                taken[name].append((time.perf_counter() - began) / calls * 1e6)
    return taken


def show(title: str, jobs: dict[str, Job], rounds: int) -> None:
    """Measure some jobs side by side and print one row of each."""
    print(f"\n| {title} | microseconds a step, median [smallest, largest] |\n|---|---|")
    taken = microseconds(jobs, rounds, 0.2)
    for name, times in taken.items():
        print(
            f"| {name} | {statistics.median(times):,.1f} [{min(times):,.1f}, {max(times):,.1f}] |", flush=True
        )


def errors() -> None:
    """Print how good the forecasts of streams are while they go on through the test part of ETTh1.

    Each recipe is fitted to the oil temperature of the rows before, with seed 0; every 8th forecast counts.
    """
    whole, protocol = sets.etth1()
    table = whole[["ds", "OT"]]
    start = len(table) - protocol.test
    truth = table["OT"].to_numpy()
    origins = np.arange(start + 8, len(table) - protocol.horizon, 8)  # (N,) the first after 8 steps
    print("| recipe, engine | MAE, first third | MAE, last third | 80 % interval holds, first | last |")
    print("|---|---|---|---|---|")
    for recipe in ("lstm", "lstm_panel", "gru"):
        forecaster = Forecaster(recipe, horizon=protocol.horizon, context_length=protocol.context)
        forecaster.fit(table[:start])
        for engine in ("window", "numpy"):
            stream, found = forecaster.stream(engine=engine), {}
            for row in range(start, origins[-1]):
                found[row + 1] = stream.step(truth[row])
            forecasts = np.concatenate([found[origin] for origin in origins])[:, :, 0]  # (N, H, Q)
            future = truth[origins[:, None] + np.arange(protocol.horizon)]  # (N, H)
            lower, middle, upper = (forecasts[..., level] for level in (1, 2, 3))  # (N, H) each
            held = (lower <= future) & (future <= upper)  # (N, H)
            wrong, third = abs(middle - future), len(future) // 3  # (N, H)
            parts = slice(third), slice(-third, None)
            cells = [f"{wrong[part].mean():.3f}" for part in parts]
            cells += [f"{held[part].mean():.0%}" for part in parts]
            print(f"| {recipe}, {engine} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--errors", action="store_true", help="how good forecasts are, not how fast")
    options = parser.parse_args()
    rounds = options.rounds
    print(describe())
    if options.errors:
        errors()
        return
    point, intervals = plain(()), plain((0.8, 0.95))
    usual = recipe((0.8, 0.95))
    one = table(1, CONTEXT)
    began = time.perf_counter()
    stepping(point, one, "numba")
    print(
        f"The first stream with numba began within {time.perf_counter() - began:.1f} s, most of it compiling."
    )
    jobs = {
        f"{what}, {engine}": stepping(forecaster, one, engine)
        for what, forecaster in {
            "LSTM 2x64, points": point,
            "LSTM 2x64, two intervals": intervals,
            "recipe, two intervals": usual,
        }.items()
        for engine in ("numpy", "numba", "torch")
    }
    show(
        "one series",
        jobs
        | {
            "recipe, two intervals, window": stepping(usual, one, "window"),
            "LSTM 2x64, points, window": stepping(point, one, "window"),
            "LSTM 2x64, points, cells of PyTorch and a head alone": bare_cells(),
            "LSTM 2x64, two intervals, predict() instead": lambda: intervals.predict(one),
        },
        rounds,
    )
    lengths = {length: plain((), length) for length in (24, 96, 384, 1536)}
    jobs = {
        f"{length} rows of history, {engine}": stepping(forecaster, table(1, length), engine)
        for engine in ("numpy", "numba")
        for length, forecaster in lengths.items()
    }
    show("points, by the history that the stream started from", jobs, rounds)
    for engine in ("numpy", "numba", "torch"):
        counts = (1, 4, 16, 64, 256) if engine != "torch" else (1, 4, 16, 64, 256, 1000, 10_000)
        jobs = {f"{count:,} series": stepping(point, table(count, CONTEXT), engine) for count in counts}
        show(f"points, {engine}, by the number of series", jobs, rounds)


if __name__ == "__main__":
    main()
