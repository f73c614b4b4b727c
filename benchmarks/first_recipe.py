"""How the first LSTM recipe was chosen, on validation parts alone.

    TIMESERIES_DATA=... python benchmarks/first_recipe.py

ETTh1: fitted on rows up to 8640, scored on rows 8640 to 11520 (scaled MSE, every window, one seed).
AirPassengers: the first nine years, the last two of them forecast a year ahead (MAE, two seeds).
"""

import itertools

import pandas as pd

from etth1 import CONTEXT, HORIZON, TRAIN, VALIDATION, load
from machine import describe
from timeseries import Forecaster, load_airpassengers

LAYERS, RATES = (1, 2), (1e-3, 2e-3, 3e-3)


def main() -> None:
    """Print one line per candidate."""
    print(describe(), end="\n\n")
    etth1 = load().iloc[: TRAIN + VALIDATION]
    air = load_airpassengers().iloc[:108]
    print_special(etth1, air)
    for layers, rate in itertools.product(LAYERS, RATES):
        settings = {"num_layers": layers, "learning_rate": rate}
        etth1_model = Forecaster("lstm", horizon=HORIZON, context_length=CONTEXT, **settings)
        result = etth1_model.backtest(etth1, windows=VALIDATION - HORIZON + 1, step=1)
        mse = result.table().loc["lstm", "mse"]
        maes = []
        for seed in (0, 1):
            model = Forecaster("lstm", horizon=12, context_length=24, seed=seed, **settings)
            maes.append(model.backtest(air, windows=2).table().loc["lstm", "mae"])
        print(
            f"layers {layers}  rate {rate:g}  ETTh1 {mse:.4f}  AirPassengers {maes[0]:.1f} {maes[1]:.1f}",
            flush=True,
        )
    seasonal = Forecaster("nlinear", horizon=12, context_length=24, max_steps=1).backtest(air, windows=2)
    print(f"seasonal naive on AirPassengers {seasonal.table().loc['seasonal_naive', 'mae']:.1f}")


def print_special(etth1: pd.DataFrame, air: pd.DataFrame) -> None:
    """Print the settings that etth1.py and the example choose for themselves: more steps, and quantiles."""
    settings = {"max_steps": 3000, "learning_rate": 3e-3}
    model = Forecaster("lstm", horizon=HORIZON, context_length=CONTEXT, **settings)
    result = model.backtest(etth1, windows=VALIDATION - HORIZON + 1, step=1)
    print(f"3000 steps, rate 0.003: ETTh1 {result.table().loc['lstm', 'mse']:.4f}", flush=True)
    levels = {"loss": "pinball", "quantiles": (0.025, 0.1, 0.5, 0.9, 0.975)}
    for rate in RATES:
        maes = []
        for seed in (0, 1):
            model = Forecaster("lstm", horizon=12, context_length=24, seed=seed, learning_rate=rate, **levels)
            maes.append(model.backtest(air, windows=2).table().loc["lstm", "mae"])
        print(f"quantiles, rate {rate:g}: AirPassengers {maes[0]:.1f} {maes[1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
