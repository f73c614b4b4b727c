"""What width, depth, window, learning rate and history do: the tables of docs/guidance.md.

    TIMESERIES_DATA=... python benchmarks/guidance.py            # every table
    TIMESERIES_DATA=... python benchmarks/guidance.py width rate # some

One thing is changed at a time, in an LSTM as textbooks stack it (recipe ``lstm_stacked``: 2 layers of 64,
here 48 rows of context and 600 steps), fitted to the training rows of two sets (sets.py) and scored on their
validation rows; no test row is read. A cell is the error over that of the seasonal naive forecast: squared
for ETTh1, absolute for PJM. One seed; what another one changes is in docs/benchmarks.md (about 1 %).
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import sets
from machine import describe
from timeseries import Forecaster, LSTMModel

METRIC = {"etth1": "mse", "pjm": "mae"}
STEP = {"etth1": 24, "pjm": 24}  # rows between the origins that are scored
ROWS = (150, 300, 600, 1200, 2400, 4800)  # of training
CONTEXT, STEPS = 48, 600
LADDERS: dict[str, dict[str, dict[str, Any]]] = {
    "width": {f"hidden_size={n}": {"hidden_size": n} for n in (8, 16, 32, 64, 128, 256)},
    "depth": {f"num_layers={n}": {"num_layers": n} for n in (1, 2, 3, 4)},
    "rate": {
        f"learning_rate={rate:g}": {"learning_rate": rate} for rate in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    },
}
WINDOWS = {f"context_length={n}": {"context_length": n} for n in (3, 6, 12, 24, 48, 96, 168)}


def ratio(
    model: str | LSTMModel, name: str, settings: dict[str, Any], rows: int | None = None
) -> tuple[float, float]:
    """Return error over that of the seasonal naive forecast, and the processor's seconds that it took."""
    table, protocol = sets.SETS[name]()
    known = sets.up_to("validation", table, protocol)
    if rows is not None:  # the last ones before the validation part
        known = known.iloc[-(rows + protocol.validation) :]
    windows = {"horizon": protocol.horizon, "context_length": CONTEXT, "season": protocol.season}
    began = time.process_time()
    result = Forecaster(model, coverage=(), **windows | settings).backtest(
        known, windows=protocol.windows("validation", STEP[name]), step=STEP[name]
    )
    errors = result.table()[METRIC[name]]
    return errors.iloc[0] / errors["seasonal_naive"], time.process_time() - began


def ladder(rungs: dict[str, dict[str, Any]], models: tuple[str, ...] = ("lstm_stacked",)) -> None:
    """Print a row per setting."""
    for title, settings in rungs.items():
        steps = {"max_steps": STEPS}
        cells = [ratio(model, name, steps | settings) for model in models for name in METRIC]
        shown = " | ".join(f"{error:.3f} ({seconds:.0f} s)" for error, seconds in cells)
        print(f"| `{title}` | {shown} |", flush=True)


def history() -> None:
    """Print what a short history does to a bare LSTM, to two recipes and to the linear map."""
    for rows in ROWS:
        bare = LSTMModel(max_steps=STEPS)
        cells = [ratio(model, "pjm", {}, rows)[0] for model in (bare, "lstm_stacked", "lstm", "nlinear")]
        print(f"| {rows:,} rows | " + " | ".join(f"{error:.3f}" for error in cells) + " |", flush=True)


def trend() -> None:
    """Print how forecasts of a straight line with noise fare: the truth is the line."""
    draw = np.random.default_rng(0)
    line = 0.1 * np.arange(1000) + draw.normal(size=1000)
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=1000, freq="h"), "y": line})
    for model, settings in {
        "lstm_stacked": {"instance_norm": False, "linear_skip": False},
        "lstm_stacked, as the recipe is": {},
        "nlinear": {},
    }.items():
        made = Forecaster(model.split(",")[0], horizon=24, context_length=96, coverage=(), **settings)
        errors = made.backtest(table, windows=8).table()["mae"]
        print(f"| {model} | {errors.iloc[0]:.2f} | {errors['drift']:.2f} |", flush=True)


TABLES: dict[str, Callable[[], None]] = {
    **{name: (lambda rungs=rungs: ladder(rungs)) for name, rungs in LADDERS.items()},
    "window": lambda: ladder(WINDOWS, ("lstm_stacked", "mlp", "nlinear")),
    "history": history,
    "trend": trend,
}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=list(TABLES))
    options = parser.parse_args()
    print(describe())
    for name in options.tables:
        print(f"\n{name}")
        TABLES[name]()


if __name__ == "__main__":
    main()
