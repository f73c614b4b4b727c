"""Hourly demand for electricity over two years, an hour ahead, beside what needs no network.

    python examples/energy_demand.py                                                # small, under a minute
    python examples/energy_demand.py --num-layers 3 --hidden-size 128 --epochs 100  # as in docs/examples.md

The demand of PJM East where ``timeseries datasets get pjm_hourly`` or TIMESERIES_DATA brought it, else made
up.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from timeseries import LSTMModel, NLinearModel, load_dataset, plot_predictions, plot_residuals
from timeseries.errors import DataError
from timeseries.metrics import score

parser = argparse.ArgumentParser()
parser.add_argument("--num-layers", type=int, default=1)
parser.add_argument("--hidden-size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=10)
chosen = parser.parse_args()

HOURS = 2 * 365 * 24
METRICS = ("rmse", "r2", "mape")  # MW, share of the variance, percent


def made_up() -> "pd.Series[float]":
    """Return demand that rises by day, falls at weekends and follows the seasons, with weather as noise."""
    rng, hours = np.random.default_rng(0), pd.date_range("2022-01-01", periods=HOURS, freq="h")
    day = np.sin(2 * np.pi * (hours.hour - 8) / 24) + 0.3 * np.sin(4 * np.pi * hours.hour / 24)
    year = np.cos(4 * np.pi * hours.day_of_year / 365)  # cold winters and hot summers
    weather = pd.Series(rng.normal(size=HOURS)).ewm(alpha=0.05).mean() * 5000
    return pd.Series(
        32000 + 5000 * day + 3000 * year - 2500 * (hours.day_of_week > 4) + weather.values, hours
    )


try:
    demand = load_dataset("pjm_hourly").set_index("ds")["y"].asfreq("h").interpolate()[-HOURS:]
    print("Hourly demand of PJM East, MW.")
except DataError:
    demand = made_up()
    print("Made-up hourly demand, MW: there is no PJM data here.")

# Row i holds what is known at the end of hour i: its demand, and the calendar of the hour that is forecast.
ahead = demand.index[1:]
turns = 2 * np.pi * np.stack([ahead.hour / 24, ahead.day_of_week / 7], axis=1)  # (n, 2)
X = np.column_stack([demand[:-1], np.sin(turns), np.cos(turns)])  # (n, 5)
y = demand[1:].to_numpy()  # (n,)
test = slice(len(y) * 4 // 5, None)

training = {"sequence_length": 24, "batch_size": 64, "epochs": chosen.epochs, "patience": 10}
config = training | {"num_layers": chosen.num_layers, "hidden_size": chosen.hidden_size}
forecasts = {
    "the hour before": X[test, 0],
    "same hour, day before": X[test.start - 23 : -23, 0],
    "same hour, week before": X[test.start - 167 : -167, 0],
}
for name, model in {"linear map": NLinearModel(training), "LSTM": LSTMModel(config)}.items():
    model.fit(X[: test.start], y[: test.start], validation_split=0.1, verbose=True)
    forecasts[name] = model.predict(X)[test]  # the first windows reach back into the rows before
    print(f"{name}: {len(model.train_history)} epochs")

shape = (-1, 1, 1)  # one step ahead, one target
table = {
    name: {metric: score(metric, y[test].reshape(shape), forecast.reshape(shape)).value for metric in METRICS}
    for name, forecast in forecasts.items()
}
print(pd.DataFrame(table).T.to_string(float_format="{:.4g}".format))
print(
    "Look at: RMSE and MAPE beside the hour before. An R2 near 1 says little: neighbouring hours are alike."
)

folder = Path("demo")
folder.mkdir(exist_ok=True)
truth = pd.Series(y[test], ahead[test])
baseline = pd.Series(forecasts["the hour before"], truth.index, name="the hour before")
plot_predictions(truth, forecasts["LSTM"], baseline).savefig(folder / "energy.png")
plot_residuals(truth, forecasts["LSTM"]).savefig(folder / "energy_residuals.png")
print(f"Written to {folder}: energy.png, energy_residuals.png")
