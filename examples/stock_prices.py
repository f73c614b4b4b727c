"""Ten stocks over a thousand days, a day ahead: how hard it is to beat the last price.

    python examples/stock_prices.py                                                 # small, under a minute
    python examples/stock_prices.py --num-layers 2 --hidden-size 64 --epochs 100  # as in docs/examples.md

Dow Jones prices where ``timeseries datasets get dowjones`` or TIMESERIES_DATA brought them, else made up.
"""

import argparse

import numpy as np
import pandas as pd

from timeseries import Forecaster, LSTMModel, load_dataset
from timeseries.errors import DataError

parser = argparse.ArgumentParser()
parser.add_argument("--num-layers", type=int, default=1)
parser.add_argument("--hidden-size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=5)
chosen = parser.parse_args()

DAYS, STOCKS, TESTED = 1000, 10, 200
METRICS = ["rmse", "mape", "r2"]  # dollars, percent, share of the variance


def made_up() -> pd.DataFrame:
    """Return prices whose daily changes, in percent, are drawn anew every day."""
    changes = np.random.default_rng(0).normal(0.0004, 0.015, size=(DAYS, STOCKS))  # (N, C)
    return pd.DataFrame(100 * np.exp(changes.cumsum(axis=0)), columns=[f"stock_{i}" for i in range(STOCKS)])


try:
    prices = load_dataset("dowjones").iloc[-DAYS:, 1 : STOCKS + 1].reset_index(drop=True)
    print(f"Daily prices in dollars of {', '.join(prices)}.")
except DataError:
    prices = made_up()
    print("Made-up prices, random walks: there is no stock data here.")
prices.insert(0, "ds", range(DAYS))  # exchanges close on holidays: the time is the number of the day

config = {
    "num_layers": chosen.num_layers,
    "hidden_size": chosen.hidden_size,
    "epochs": chosen.epochs,
    "patience": 10,  # a tenth of the rows chooses the epoch; then all of them are learned from
}
models = {
    "LSTM of prices": LSTMModel(config),
    "LSTM of changes": LSTMModel(config, last_value_residual=True),  # it starts from the last price
}
rows = {}
for name, model in models.items():
    forecaster = Forecaster(model, horizon=1, context_length=20, coverage=())
    table = forecaster.backtest(prices, windows=TESTED, step=1).table()
    rows |= {"last price": table.loc["last_value"], name: table.loc["lstm"]}
scores = pd.DataFrame(rows).T[METRICS]
print(f"\nThe last {TESTED} days of each stock, a day ahead:\n")
print(scores.to_string(float_format="{:.4g}".format), end="\n\n")

best, gain = scores["rmse"].idxmin(), 100 * (1 - scores["rmse"].min() / scores["rmse"]["last price"])
if best == "last price":
    print("Nothing beats the last price, which is what is to be expected of prices.")
else:
    print(
        f"{best}: RMSE {gain:.2f} % below that of the last price. Try other seeds and years before you trade."
    )
print("Look at: RMSE and MAPE beside the last price. Its R2 is near 1 too, so an R2 near 1 shows no skill.")
