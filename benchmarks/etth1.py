"""An LSTM on ETTh1, step by step of the horizon, beside the last value and the seasonal naive forecast.

    TIMESERIES_DATA=... python benchmarks/etth1.py

Protocol: 7 columns as 7 series, z-scores from the first 8640 rows, 2880 rows of validation, 2880 of test,
context 96, horizon 24, all 2857 x 7 test windows, scaled values. The network learns from the first 8640 rows;
validation chooses the epoch, and chose the settings.
"""

import argparse
import time

import pandas as pd

import sets
from machine import describe
from timeseries import Backtest, Forecaster

TRAIN, VALIDATION, TEST, CONTEXT, HORIZON = 8640, 2880, 2880, 96, 24
SHOWN = [1, 2, 3, 6, 12, 18, 24]


def load() -> pd.DataFrame:
    """Return the scaled rows of the protocol."""
    return sets.etth1()[0]


def backtest(frame: pd.DataFrame, model: str, seed: int, settings: dict[str, object]) -> Backtest:
    """Fit on the training rows alone and score every test window."""
    forecaster = Forecaster(model, horizon=HORIZON, context_length=CONTEXT, seed=seed, **settings)
    windows = TEST - HORIZON + 1
    result = forecaster.backtest(frame, windows=windows, step=1, val_size=VALIDATION, keep_validation=True)
    assert len(result.truth) == windows * 7 == 2857 * 7
    return result


def main() -> None:
    """Print MSE and MAE over all windows, and the MSE of single steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    frame = load()
    print(describe(), end="\n\n")
    print(f"{'':26}{'MSE':>7}{'MAE':>7}  " + "".join(f"{f'step {step}':>9}" for step in SHOWN) + "  largest")
    below = []
    # More steps than the recipe, since 60,000 windows can feed them; chosen on validation by first_recipe.py.
    runs = [("nlinear", {"max_steps": 3000}), ("lstm", {"max_steps": 3000, "learning_rate": 3e-3})]
    for model, settings in runs:
        for seed in range(options.seeds):
            began = time.perf_counter()
            result = backtest(frame, model, seed, settings)
            seconds = time.perf_counter() - began
            show(result, model, f"{model}, seed {seed} ({seconds:.0f} s)")
            steps = result.by_step("mse")
            below.append((steps[model] < result.table().loc["seasonal_naive", "mse"]).all())
            assert model == "nlinear" or steps[model].iloc[0] < 0.5 * steps[model].iloc[-1]
    for name in ("seasonal_naive", "last_value"):
        show(result, name, name.replace("_", " "))
    print(f"\nBelow the seasonal naive MSE at every step: {sum(below)} of {len(below)} runs")


def show(result: Backtest, name: str, title: str) -> None:
    """Print one line of the table."""
    row, steps = result.table().loc[name], result.by_step("mse")[name]
    cells = "".join(f"{steps[step]:9.3f}" for step in SHOWN)
    print(f"{title:26}{row['mse']:7.3f}{row['mae']:7.3f}  {cells}{steps.max():9.3f}", flush=True)


if __name__ == "__main__":
    main()
