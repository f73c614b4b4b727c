"""How many rows a short series should hold out, so that its intervals cover what they promise.

    TIMESERIES_DATA=... python benchmarks/held_out_rows.py

Monthly series of the M1, M3 and tourism competitions, 100 to 160 rows each, forecast one by one: the
last three years, a year ahead. The share of rows that calibrates the intervals is varied; at least as many as
the horizon are held out. The score is that of the 80 % interval over the mean absolute monthly change.
"""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from machine import data_folder, describe
from timeseries import Forecaster, fitting

SETS = ("m3_monthly", "tourism_monthly", "m1_monthly")
SHARES = (0.2, 0.3, 0.4)


def series_of(path: Path) -> list[npt.NDArray[np.float64]]:
    """Return the series of a Monash file."""
    with gzip.open(path, "rt", encoding="latin-1") as file:
        lines = file.read().partition("@data\n")[2].splitlines()
    return [np.array(line.rpartition(":")[2].split(","), dtype=np.float64) for line in lines if line]


def chosen() -> list[npt.NDArray[np.float64]]:
    """Return a few series of every set, spread evenly."""
    found = []
    for name in SETS:
        series = series_of(data_folder() / "monash" / f"{name}_dataset.tsf.gz")
        found += [values for values in series if 100 <= len(values) <= 160][5:400:50][:7]
    return found


def measure(values: npt.NDArray[np.float64], model: str, share: float) -> list[float]:
    """Return coverage of the 80 and the 95 % interval, and the score of the first."""
    table = pd.DataFrame({"ds": pd.date_range("1980-01", periods=len(values), freq="MS"), "y": values})
    forecaster = Forecaster(model, horizon=12, context_length=24, max_steps=300)
    fitting.CALIBRATION_SHARE = fitting.LARGEST_SHARE = share  # val_size would choose the epochs as well
    intervals = forecaster.backtest(table, windows=3).coverage()
    score = intervals["interval_score"].iloc[0] / np.abs(np.diff(values)).mean()
    return [*intervals["observed"], float(score)]


def main() -> None:
    """Print one line per model and share."""
    series = chosen()
    print(describe(), f"{len(series)} series", sep="\n")
    for model in ("nlinear", "lstm"):
        for share in SHARES:
            means = np.mean([measure(values, model, share) for values in series], axis=0)
            print(f"{model:8} share {share}: {means[0]:.3f} of 80 %, {means[1]:.3f} of 95 %, {means[2]:.1f}")


if __name__ == "__main__":
    main()
