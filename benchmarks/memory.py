"""What a table costs in memory: the peak of reading and fitting it, beside the estimate made before.

    python benchmarks/memory.py

Each case runs in a process of its own; the peak is the kernel's (VmHWM), reset before the job.
"""

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from machine import describe

MB = 1e6


def long_table(series: int, rows: int, covariates: int = 0) -> pd.DataFrame:
    """Return series of equal length, one below the other."""
    stamps = np.tile(np.datetime64("2000-01-01", "us") + np.arange(rows) * np.timedelta64(1, "m"), series)
    random = np.random.default_rng(0)
    columns = {f"x{number}": random.normal(size=series * rows) for number in range(covariates)}
    names = np.repeat([f"series{number:07d}" for number in range(series)], rows)
    return pd.DataFrame({"unique_id": names, "ds": stamps, "y": random.normal(size=series * rows), **columns})


def wide_table(series: int, rows: int) -> pd.DataFrame:
    """Return one column per series."""
    stamps = np.datetime64("2000-01-01", "us") + np.arange(rows) * np.timedelta64(1, "m")
    values = np.random.default_rng(0).normal(size=(rows, series))
    return pd.DataFrame(values, columns=[f"s{number}" for number in range(series)]).assign(ds=stamps)


CASES: dict[str, tuple[Callable[[], pd.DataFrame], list[str]]] = {
    "1 series of 4 M rows": (lambda: long_table(1, 4_000_000), []),
    "100,000 series of 40 rows": (lambda: long_table(100_000, 40), []),
    "1 series of 1 M rows, 8 covariates": (
        lambda: long_table(1, 1_000_000, 8),
        [f"x{number}" for number in range(8)],
    ),
    "wide, 2000 series of 2000 rows": (lambda: wide_table(2000, 2000), []),
}


def status(name: str) -> float:
    """Return a line of the kernel's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def measure(case: str, source: str, answer: "multiprocessing.queues.Queue[tuple[float, ...]]") -> None:
    """Read a case, as a frame or as text, and fit it; send the extra bytes of both at their peak."""
    from timeseries import Forecaster
    from timeseries.panel import Panel, TableLayout

    make, past = CASES[case]
    with TemporaryDirectory() as folder:
        table: pd.DataFrame | Path = make()
        path = Path(folder) / "table.csv"
        if source == "text":
            table.to_csv(path, index=False)
            table = path
        Forecaster("nlinear", horizon=2, max_steps=1).fit(long_table(2, 50))  # whatever is loaded once
        forecaster = Forecaster("nlinear", horizon=12, context_length=24, max_steps=1, past=past)
        peaks = []
        for job in (
            lambda: (Panel.from_file if source == "text" else Panel.from_frame)(
                table, TableLayout(past=past)
            ),
            lambda: forecaster.fit(table),
        ):
            before = status("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            job()
            peaks.append(status("VmHWM") - before)
        answer.put((*peaks, path.stat().st_size if source == "text" else 0))


def main() -> None:
    """Measure every case, and print it."""
    print(describe())
    print(f"{'case':38s} {'source':7s} {'cells':>11s} {'read':>9s} {'fit':>9s}  MB; bytes per cell of values")
    context = multiprocessing.get_context("spawn")
    for case, (make, _) in CASES.items():
        table = make()
        cells = len(table) * (table.select_dtypes("number").shape[1])
        for source in ("frame", "text"):
            answer = context.Queue()
            child = context.Process(target=measure, args=(case, source, answer))
            child.start()
            read, fit, size = answer.get(timeout=600)
            child.join()
            print(
                f"{case:38s} {source:7s} {cells:11,d} {read / MB:9.0f} {fit / MB:9.0f}  "
                f"{read / cells:.0f} {fit / cells:.0f}" + (f"  file {size / MB:.0f} MB" if size else "")
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
