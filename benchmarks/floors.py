"""What the simplest forecasts reach on the long-horizon data sets, by the published protocol.

    TIMESERIES_DATA=... python benchmarks/floors.py

Z-scores from the training rows, stride 1, every test window, MSE and MAE over all windows, steps and columns.
The numbers beside ours are published (Repeat: LTSF-Linear, AAAI 2023, there with incomplete batches dropped;
here all windows count) or were computed independently of this library.
"""

import numpy as np
import pandas as pd

from machine import data_folder, describe
from timeseries import baselines, metrics

LONG, ILI = (96, 192, 336, 720), (24, 36, 48, 60)
SETS = {  # file, training, validation and test rows, season, horizons
    "ETTh1": ("ett/ETTh1.csv.gz", 8640, 2880, 2880, 24, LONG),
    "ETTh2": ("ett/ETTh2.csv.gz", 8640, 2880, 2880, 24, LONG),
    "ETTm1": ("ett/ETTm1.csv.gz", 34560, 11520, 11520, 96, LONG),
    "ETTm2": ("ett/ETTm2.csv.gz", 34560, 11520, 11520, 96, LONG),
    "Weather": ("weather/weather.csv.gz", 36887, 5270, 10539, 144, LONG),
    "Exchange": ("exchange_rate/exchange_rate.csv.gz", 5311, 760, 1517, None, LONG),
    "ILI": ("ili/national_illness.csv.gz", 676, 97, 193, 52, ILI),
}
REPEAT = {  # MSE and MAE of the last value, all windows
    "ETTh1": "1.294/0.713 1.325/0.733 1.330/0.746 1.335/0.755",
    "ETTh2": "0.432/0.422 0.534/0.473 0.597/0.511 0.594/0.519",
    "ETTm1": "1.214/0.665 1.261/0.690 1.287/0.707 1.322/0.729",
    "ETTm2": "0.266/0.328 0.340/0.371 0.412/0.410 0.522/0.466",
    "Weather": "0.259/0.254 0.309/0.292 0.376/0.338 0.465/0.394",
    "Exchange": "0.081/0.196 0.167/0.289 0.306/0.398 0.810/0.676",
    "ILI": "6.213/1.622 7.714/1.906 7.851/1.952 6.885/1.788",
}
SEASONAL = {  # MSE and MAE of the last season repeated, all windows
    "ETTh1": "0.512/0.433 0.581/0.469 0.650/0.501 0.655/0.514",
    "ETTh2": "0.391/0.380 0.482/0.429 0.532/0.466 0.525/0.474",
    "ETTm1": "0.423/0.387 0.463/0.406 0.496/0.426 0.574/0.464",
    "ETTm2": "0.263/0.301 0.321/0.337 0.376/0.370 0.471/0.422",
    "Weather": "0.317/0.288 0.343/0.305 0.383/0.331 0.443/0.370",
    "ILI": "2.564/1.004 2.266/0.957 2.142/0.941 1.917/0.939",
}
CHUNK = 500  # windows scored at once


def load(file: str, train: int, rows: int) -> np.ndarray:
    """Return the scaled values (rows, D) of a data set."""
    frame = pd.read_csv(data_folder() / file, encoding_errors="replace")
    values = frame.iloc[:rows, 1:].to_numpy(dtype=float)
    return (values - values[:train].mean(axis=0)) / values[:train].std(axis=0)


def score(values: np.ndarray, test: int, horizon: int, season: int | None) -> str:
    """Return MSE/MAE over all test windows; the last value where there is no season."""
    offsets = np.array([0, len(values)])
    origins = np.arange(len(values) - test - 1, len(values) - horizon)
    total = np.zeros(2)
    for part in np.array_split(origins, -(-len(origins) // CHUNK)):
        truth = values[part[:, None] + np.arange(1, horizon + 1)]
        if season is None:
            forecast = baselines.last_value(values, offsets, part, horizon)
        else:
            forecast = baselines.seasonal_naive(values, offsets, part, horizon, season)
        total += len(part) * np.array([metrics.score(name, truth, forecast).value for name in ("mse", "mae")])
    mse, mae = total / len(origins)
    return f"{mse:.3f}/{mae:.3f}"


def main() -> None:
    """Print every cell beside the number it has to reproduce."""
    print(describe(), end="\n\n")
    missed = 0
    for name, (file, train, validation, test, season, horizons) in SETS.items():
        values = load(file, train, train + validation + test)
        for title, period, expected in (
            ("last value", None, REPEAT),
            ("seasonal naive", season, SEASONAL),
        ):
            if name not in expected:
                continue
            for horizon, cell in zip(horizons, expected[name].split(), strict=True):
                ours = score(values, test, horizon, period)
                missed += ours != cell
                note = "" if ours == cell else "   DIFFERS"
                print(f"{name:9}{title:15}{horizon:4}  {test - horizon + 1:6} windows  {ours}  {cell}{note}")
    print(f"\n{missed} cells differ in the third decimal")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
