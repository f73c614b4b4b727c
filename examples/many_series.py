"""Many series in one long table, with what is known of them: promotions ahead, and the size of each shop.

python examples/many_series.py
python examples/many_series.py --steps 2000
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from timeseries import Forecaster, plot_forecast

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=200)
chosen = parser.parse_args()

SHOPS, DAYS, HORIZON = 20, 400, 14
rng = np.random.default_rng(0)


def shop(number: int) -> pd.DataFrame:
    """Return the daily sales of a shop: a rhythm of the week, and more in promotions, by its size."""
    days, size = pd.date_range("2023-01-01", periods=DAYS), rng.uniform(0.5, 3)
    promotion = (rng.random(DAYS) < 0.15).astype(float)  # on some days, planned ahead
    mean = 100 * size * (1 + 0.3 * np.isin(days.day_of_week, (4, 5))) * (1 + 0.5 * promotion)  # (N,)
    return pd.DataFrame(
        {
            "unique_id": f"shop_{number:02}",
            "ds": days,
            "y": rng.poisson(mean),
            "promotion": promotion,
            "size": size,
        }
    )


table = pd.concat([shop(number) for number in range(SHOPS)], ignore_index=True)
print(table.groupby("unique_id").head(1).head(3).to_string(index=False), "...", sep="\n")

settings = {"horizon": HORIZON, "context_length": 28, "lower": 0, "max_steps": chosen.steps, "target": "y"}
blind = Forecaster("lstm", **settings)
informed = Forecaster("lstm", **settings, future=["promotion"], static=["size"])
rows = {}
for name, forecaster in {"without covariates": blind, "with covariates": informed}.items():
    columns = table if forecaster is informed else table[["unique_id", "ds", "y"]]
    scores = forecaster.backtest(columns, windows=3).table()
    rows |= {"last value": scores.loc["last_value"], "seasonal naive": scores.loc["seasonal_naive"]}
    rows[f"LSTM {name}"] = scores.loc["lstm"]
print(f"\nThree times {HORIZON} days of {SHOPS} shops:\n")
print(pd.DataFrame(rows).T[["mae", "rmse", "mape", "coverage_80"]].to_string(float_format="{:.3g}".format))

history = table[table["ds"] < table["ds"].max() - pd.Timedelta(days=HORIZON - 1)]
plan = table[~table.index.isin(history.index)]  # its promotions are known when the forecast is made
answer = informed.fit(history).predict(future=plan[["unique_id", "ds", "promotion"]])
print("\nLook at: what the promotions are worth, and whether 80 % of the truth lies in the 80 % interval.")

folder = Path("demo")
folder.mkdir(exist_ok=True)
picture = plot_forecast(history, answer, truth=plan)
picture.savefig(folder / "shops.png")
answer.to_csv(folder / "shops.csv", index=False)
print(f"Written to {folder}: shops.png, shops.csv")
