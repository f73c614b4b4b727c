"""How the first LSTM recipe was chosen, on validation parts alone.

    TIMESERIES_DATA=... python benchmarks/first_recipe.py

ETTh1: fitted on rows up to 8640, scored on rows 8640 to 11520 (scaled MSE, every window, one seed).
AirPassengers: the first nine years, the last two of them forecast a year ahead (MAE, two seeds).
"""

import itertools

from etth1 import CONTEXT, HORIZON, TRAIN, VALIDATION, load
from machine import describe
from timeseries import Forecaster, load_airpassengers

LAYERS, RATES = (1, 2), (1e-3, 2e-3, 3e-3)


def main() -> None:
    """Print one line per candidate."""
    print(describe(), end="\n\n")
    etth1 = load().iloc[: TRAIN + VALIDATION]
    air = load_airpassengers().iloc[:108]
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


if __name__ == "__main__":
    main()
