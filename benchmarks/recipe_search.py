"""The search that chose the recipes, on the validation parts of five data sets alone.

    TIMESERIES_DATA=... python benchmarks/recipe_search.py            # every candidate
    TIMESERIES_DATA=... python benchmarks/recipe_search.py 2          # those whose name begins so

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

BASE = {"instance_norm": True, "clip_norm": 1.0, "epochs": 1000, "schedule": "one_cycle", "batch_size": 64}
HUBER = BASE | {"max_steps": 1000, "learning_rate": 2e-3, "loss": "huber"}
MAE = BASE | {"max_steps": 1000, "learning_rate": 3e-3, "loss": "mae"}
PATCHES = {"hidden_size": 128, "num_layers": 1, "patch_length": 24}
BOTH = {"linear_skip": True, "last_value_residual": True}
LARGE = MAE | PATCHES | {"linear_skip": True, "hidden_size": 256, "max_steps": 2000}
STACK = {"hidden_size": 64, "num_layers": 2, "dropout": 0.0}

ENCODER = {"patch_length": 24, "d_model": 64, "nhead": 4, "dim_feedforward": 128}

OTHERS: dict[str, dict[str, Any]] = {  # small networks, since the time of a fit counts too
    "cnn": {"pool_size": 8},
    "tcn": {"channels": 32, "num_layers": 6, "batch_size": 32},
    "transformer": ENCODER,
    "patchtst": ENCODER,
    "mlp": {},
    "transformer_xl": ENCODER | {"segment_length": 4, "memory_length": 4},
    "reformer": ENCODER | {"chunk_length": 4},
}
WAYS: dict[str, dict[str, Any]] = {
    "both, rate .001": BOTH | {"learning_rate": 1e-3},
    "both, rate .003": BOTH,
}

CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    # First round: what a network is made of, one choice at a time.
    "1 nlinear": ("nlinear", HUBER | {"instance_norm": False}),
    "1 nlinear, normed": ("nlinear", HUBER),
    "1 dlinear": ("dlinear", HUBER | {"instance_norm": False}),
    "1 patches, lstm": ("lstm", HUBER | PATCHES),
    "1 patches, gru": ("gru", HUBER | PATCHES),
    "1 patches, rnn": ("rnn", HUBER | PATCHES),
    "1 patches, lstm, skip": ("lstm", HUBER | PATCHES | {"linear_skip": True}),
    "1 patches, lstm, residual": ("lstm", HUBER | PATCHES | {"last_value_residual": True}),
    "1 patches, lstm, mse": ("lstm", HUBER | PATCHES | {"loss": "mse"}),
    "1 patches, lstm, mae": ("lstm", HUBER | PATCHES | {"loss": "mae"}),
    "1 patches, lstm, 12 rows": ("lstm", HUBER | PATCHES | {"patch_length": 12}),
    "1 patches, lstm, 8 rows": ("lstm", HUBER | PATCHES | {"patch_length": 8}),
    "1 patches, lstm, rate .001": ("lstm", HUBER | PATCHES | {"learning_rate": 1e-3}),
    "1 patches, lstm, rate .005": ("lstm", HUBER | PATCHES | {"learning_rate": 5e-3}),
    "1 patches, lstm, 500 steps": ("lstm", HUBER | PATCHES | {"max_steps": 500}),
    "1 patches, lstm, 2000 steps": ("lstm", HUBER | PATCHES | {"max_steps": 2000}),
    "1 patches, lstm, dropout": ("lstm", HUBER | PATCHES | {"num_layers": 2, "dropout": 0.3}),
    "1 patches, lstm, 256 wide": ("lstm", HUBER | PATCHES | {"hidden_size": 256}),
    # Second round: the winners of the first together.
    "2 lstm": ("lstm", MAE | PATCHES),
    "2 lstm, residual": ("lstm", MAE | PATCHES | {"last_value_residual": True}),
    "2 lstm, skip": ("lstm", MAE | PATCHES | {"linear_skip": True}),
    "2 lstm, 2000 steps": ("lstm", MAE | PATCHES | {"max_steps": 2000}),
    "2 lstm, batch 128": ("lstm", MAE | PATCHES | {"batch_size": 128}),
    "2 lstm, residual, 256 wide": ("lstm", MAE | PATCHES | {"last_value_residual": True, "hidden_size": 256}),
    "2 gru": ("gru", MAE | PATCHES),
    "2 gru, residual": ("gru", MAE | PATCHES | {"last_value_residual": True}),
    "2 rnn, residual": ("rnn", MAE | PATCHES | {"last_value_residual": True}),
    "2 nlinear": ("nlinear", MAE | {"instance_norm": False}),
    "2 dlinear, normed": ("dlinear", MAE),
    # Third round: the step-by-step stack, as textbooks have it.
    "3 stack, lstm, skip": ("lstm", MAE | STACK | {"linear_skip": True, "learning_rate": 2e-3}),
    "3 stack, lstm, skip, 500 steps": (
        "lstm",
        MAE | STACK | {"linear_skip": True, "learning_rate": 2e-3, "max_steps": 500},
    ),
    "3 stack, lstm": ("lstm", MAE | STACK | {"learning_rate": 2e-3}),
    "3 stack, lstm, residual, every position": (
        "lstm",
        HUBER | STACK | {"instance_norm": False, "last_value_residual": True, "every_position": True},
    ),
    # Fourth round: what more width and more steps buy.
    "4 skip, 256 wide, 2000 steps": ("lstm", LARGE),
    "4 skip, 256 wide, 4000 steps": ("lstm", LARGE | {"max_steps": 4000}),
    "4 skip, 256 wide, 4000 steps, .001": ("lstm", LARGE | {"max_steps": 4000, "learning_rate": 1e-3}),
    # Fifth round: a residual and a skip together, with larger batches.
    "5 both": ("lstm", MAE | PATCHES | BOTH),
    "5 both, batch 128": ("lstm", MAE | PATCHES | BOTH | {"batch_size": 128}),
    "5 both, batch 128, 2000 steps": ("lstm", MAE | PATCHES | BOTH | {"batch_size": 128, "max_steps": 2000}),
    "5 both, batch 128, 256 wide, 2000 steps": (
        "lstm",
        MAE | PATCHES | BOTH | {"batch_size": 128, "max_steps": 2000, "hidden_size": 256},
    ),
    "5 both, batch 128, rate .005": (
        "lstm",
        MAE | PATCHES | BOTH | {"batch_size": 128, "learning_rate": 5e-3},
    ),
    "5 gru, both, batch 128": ("gru", MAE | PATCHES | BOTH | {"batch_size": 128}),
    "5 rnn, both, batch 128": ("rnn", MAE | PATCHES | BOTH | {"batch_size": 128}),
    # Sixth round: the other networks, each with the shared options in two ways.
    **{
        f"6 {network}, {way}": (network, MAE | OTHERS[network] | options)
        for network in OTHERS
        for way, options in WAYS.items()
    },
    # Two directions and attention, with the settings that won for the LSTM.
    **{
        f"7 {network}": (network, MAE | PATCHES | BOTH | {"batch_size": 128, "max_steps": 2000})
        for network in ("bilstm", "bigru", "attention_lstm")
    },
}


def main() -> None:
    """Print one line per candidate and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prefixes", nargs="*", default=[""])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", nargs="+", choices=list(METRIC), default=list(METRIC))
    options = parser.parse_args()
    loaded = {name: sets.SETS[name]() for name in options.sets}
    print(describe(), end="\n\n")
    print(f"{'':44}" + "".join(f"{name:>22}" for name in loaded) + f"{'mean':>10}")
    for title, (model, settings) in CANDIDATES.items():
        if not title.startswith(tuple(options.prefixes)):
            continue
        for seed in range(options.seeds):
            scores = [score(name, *loaded[name], model, settings | {"seed": seed}) for name in loaded]
            cells = "".join(f"{ratio:13.4f} ({seconds:4.0f} s)" for ratio, seconds in scores)
            mean = math.exp(sum(math.log(ratio) for ratio, _ in scores) / len(scores))
            print(f"{title + f', seed {seed}':44}{cells}{mean:10.4f}", flush=True)


def score(
    name: str, table: Any, protocol: sets.Protocol, model: str, settings: dict[str, Any]
) -> tuple[float, float]:
    """Return error over the reference's error on the validation part, and the seconds it took."""
    step = STEP.get(name, protocol.step)
    windows = {"horizon": protocol.horizon, "context_length": protocol.context, "season": protocol.season}
    forecaster = Forecaster(model, coverage=(), **windows, **settings)
    began = time.perf_counter()
    result = forecaster.backtest(
        sets.up_to("validation", table, protocol), windows=protocol.windows("validation", step), step=step
    )
    errors = result.table()[METRIC[name]]
    return errors[model] / errors[REFERENCE.get(name, "seasonal_naive")], time.perf_counter() - began


if __name__ == "__main__":
    main()
