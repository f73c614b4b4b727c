"""The main job in one go: fit an LSTM, hold it against simple baselines, forecast, draw, save.

Run it with ``make demo``; it writes into the folder ``demo``, or into the one that is named as argument.
"""

import sys
from pathlib import Path

from timeseries import (
    Forecaster,
    load_airpassengers,
    plot_backtest,
    plot_error_by_step,
    plot_forecast,
    plot_losses,
)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
folder.mkdir(parents=True, exist_ok=True)
table = load_airpassengers()

forecaster = Forecaster("lstm", horizon=12, context_length=24, lower=0)
result = forecaster.backtest(table, windows=3, verbose=True)
print("\nHow good would it have been? The last three years, each forecast a year ahead:\n")
print(result, end="\n\n")

forecaster.fit(table)
answer = forecaster.predict()
print("The next year, in thousands of passengers:\n")
print(answer.to_string(index=False, float_format="{:.0f}".format), end="\n\n")
print("\n".join(forecaster.calibration_notes), end="\n\n")

plot_forecast(table, answer).savefig(folder / "forecast.png", dpi=120)
plot_backtest(result).savefig(folder / "backtest.png", dpi=120)
plot_error_by_step(result).savefig(folder / "error_by_step.png", dpi=120)
plot_losses(forecaster.train_history).savefig(folder / "losses.svg")
forecaster.save(folder / "airpassengers.model")
answer.to_csv(folder / "forecast.csv", index=False)
written = "forecast.png, backtest.png, error_by_step.png, losses.svg, forecast.csv, airpassengers.model"
print(f"Written to {folder}: {written}")
