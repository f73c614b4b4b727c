"""What a full backtest costs over the bare forward of its network.

    TIMESERIES_DATA=... python benchmarks/backtest_speed.py

ETTh1, 7 series, every origin of the test part (2857 x 7 windows), LSTM 2x64 that is fitted before the clock
starts. One side is the whole job: read the table, forecast from every origin, score model and baselines. The
other is the network alone over the same windows, in the same batches, which stand in memory as tensors. They
run in pairs (A B, B A, ...); each pair gives a ratio.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import sets
from machine import describe
from timeseries import Backtest, Forecaster, LSTMModel, Panel, TableLayout
from timeseries.backtesting import backtest
from timeseries.deeplearning.window import Window


def recorded_windows(forecaster: Forecaster, job: Callable[[], Backtest]) -> list[Window]:
    """Return copies of all windows that the network is given in a backtest, batch by batch."""
    windows: list[Window] = []

    def record(_: torch.nn.Module, given: tuple[Window]) -> None:
        windows.append(Window(*(None if part is None else part.clone() for part in given[0])))

    handle = forecaster.fitted_.network.register_forward_pre_hook(record)
    job()
    handle.remove()
    return windows


def seconds(job: Callable[[], object]) -> float:
    """Return how long a job takes."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def main() -> None:
    """Run the pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    table, protocol = sets.etth1()
    model = LSTMModel(hidden_size=64, num_layers=2, max_steps=20)
    forecaster = Forecaster(model, horizon=protocol.horizon, context_length=protocol.context)
    forecaster.fit(sets.up_to("train", table, protocol))

    def whole() -> Backtest:
        panel = Panel.from_frame(table, TableLayout())
        windows = protocol.windows("test")
        result = backtest(
            lambda _: forecaster.fitted_, panel, horizon=protocol.horizon, windows=windows, step=1
        )
        result.table()
        return result

    windows = recorded_windows(forecaster, whole)
    assert sum(len(batch.past) for batch in windows) == 2857 * 7

    def bare() -> None:
        with torch.inference_mode():
            for batch in windows:
                forecaster.fitted_.network(batch)  # (B, H, D, P)

    taken: dict[str, list[float]] = {"backtest": [], "forward": []}
    jobs = {"backtest": whole, "forward": bare}
    for pair in range(options.pairs):  # recording the windows has warmed up
        for name in sorted(jobs, reverse=bool(pair % 2)):
            taken[name].append(seconds(jobs[name]))
    ratios = [ours / alone for ours, alone in zip(*taken.values(), strict=True)]
    print(describe())
    print(f"LSTM 2x64, context 96, horizon 24, 2857 x 7 windows, batches of {len(windows[0].past)}")
    for name, times in taken.items():
        print(f"{name:9}{statistics.median(times):7.2f} s")
    print(
        f"ratio, median of {options.pairs} pairs {statistics.median(ratios):.3f} "
        f"(smallest {min(ratios):.3f}, largest {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
