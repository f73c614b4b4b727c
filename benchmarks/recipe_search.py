"""The search that chose the recipes, on the validation parts of five data sets alone.

    TIMESERIES_DATA=... python benchmarks/recipe_search.py            # every candidate
    TIMESERIES_DATA=... python benchmarks/recipe_search.py patches    # those whose name begins so

Each candidate is fitted on the training rows of each set and scored on the origins of its validation part
(sets.py); no test row is read. A score is an error over that of the seasonal naive forecast (the last value
for exchange rates): mean squared error for the three scaled sets, mean absolute error for the others. The
last column is the geometric mean over the sets.
"""

import argparse
import math
import time
from typing import Any

import sets
from machine import describe
from timeseries import Forecaster

STEP = {"etth1": 5, "etth2": 5, "exchange_rate": 5}  # rows between the origins that are scored
METRIC = {"etth1": "mse", "etth2": "mse", "exchange_rate": "mse", "pjm": "mae", "m4_hourly": "mase"}
REFERENCE = {"exchange_rate": "last_value"}

NORMED = {"instance_norm": True, "clip_norm": 1.0, "epochs": 1000, "schedule": "one_cycle"}
PLAIN = NORMED | {"batch_size": 64, "max_steps": 1000, "learning_rate": 2e-3, "loss": "huber"}
STACK = PLAIN | {"hidden_size": 64, "num_layers": 2, "dropout": 0.0}
PATCHES = PLAIN | {"hidden_size": 128, "num_layers": 1, "patch_length": 24}

CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "linear, nlinear": ("nlinear", PLAIN | {"instance_norm": False}),
    "linear, nlinear, normed": ("nlinear", PLAIN),
    "linear, dlinear": ("dlinear", PLAIN | {"instance_norm": False}),
    "patches, lstm": ("lstm", PATCHES),
    "patches, gru": ("gru", PATCHES),
    "patches, rnn": ("rnn", PATCHES),
    "patches, lstm, skip": ("lstm", PATCHES | {"linear_skip": True}),
    "patches, lstm, residual": ("lstm", PATCHES | {"last_value_residual": True}),
    "patches, lstm, mse": ("lstm", PATCHES | {"loss": "mse"}),
    "patches, lstm, mae": ("lstm", PATCHES | {"loss": "mae"}),
    "patches, lstm, 12 steps": ("lstm", PATCHES | {"patch_length": 12}),
    "patches, lstm, 8 steps": ("lstm", PATCHES | {"patch_length": 8}),
    "patches, lstm, rate .001": ("lstm", PATCHES | {"learning_rate": 1e-3}),
    "patches, lstm, rate .005": ("lstm", PATCHES | {"learning_rate": 5e-3}),
    "patches, lstm, 500 updates": ("lstm", PATCHES | {"max_steps": 500}),
    "patches, lstm, 2000 updates": ("lstm", PATCHES | {"max_steps": 2000}),
    "patches, lstm, dropout": ("lstm", PATCHES | {"num_layers": 2, "dropout": 0.3}),
    "patches, lstm, 256 wide": ("lstm", PATCHES | {"hidden_size": 256}),
    "stack, lstm": ("lstm", STACK),
    "stack, lstm, skip": ("lstm", STACK | {"linear_skip": True}),
    "stack, lstm, skip, mae": ("lstm", STACK | {"linear_skip": True, "loss": "mae"}),
    "stack, gru, skip": ("gru", STACK | {"linear_skip": True}),
    "stack, rnn, skip": ("rnn", STACK | {"linear_skip": True}),
}


def main() -> None:
    """Print one line per candidate and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefixes", nargs="*", default=[""])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    loaded = {name: sets.SETS[name]() for name in METRIC}
    print(describe(), end="\n\n")
    print(f"{'':34}" + "".join(f"{name:>22}" for name in METRIC) + f"{'mean':>10}")
    for title, (model, settings) in CANDIDATES.items():
        if not title.startswith(tuple(options.prefixes)):
            continue
        for seed in range(options.seeds):
            scores = [score(name, *loaded[name], model, settings | {"seed": seed}) for name in METRIC]
            cells = "".join(f"{ratio:13.4f} ({seconds:4.0f} s)" for ratio, seconds in scores)
            mean = math.exp(sum(math.log(ratio) for ratio, _ in scores) / len(scores))
            print(f"{title + f', seed {seed}':34}{cells}{mean:10.4f}", flush=True)


def score(
    name: str, table: Any, protocol: sets.Protocol, model: str, settings: dict[str, Any]
) -> tuple[float, float]:
    """Return error over the reference's error on the validation part, and the seconds it took."""
    step = STEP.get(name, protocol.step)
    forecaster = Forecaster(
        model, horizon=protocol.horizon, context_length=protocol.context, coverage=(), **settings
    )
    began = time.perf_counter()
    result = forecaster.backtest(
        sets.up_to("validation", table, protocol), windows=protocol.windows("validation", step), step=step
    )
    errors = result.table()[METRIC[name]]
    return errors[model] / errors[REFERENCE.get(name, "seasonal_naive")], time.perf_counter() - began


if __name__ == "__main__":
    main()
