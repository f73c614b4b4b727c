"""When transforming the target helps: the table of docs/target_transforms.md.

    TIMESERIES_DATA=... python benchmarks/target_transforms.py

Every transform, with a bare LSTM (one layer of 32 over the steps), with the recipe of the LSTM and with the
linear map, 400 steps each. A cell is the MASE over that of the seasonal naive forecast, of rolling origins at
the end of

    airpassengers   the 144 months, 24 of context, a year ahead, 3 origins
    monthly         36 series of the M3 and tourism competitions together, likewise
    pjm             a year of hourly demand, 168 rows of context, a day ahead, 28 origins

One seed. No series takes part in the choice of a setting.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

import sets
from held_out_rows import series_of
from machine import data_folder, describe
from timeseries import Forecaster, LSTMModel, load_airpassengers

STEPS = 400
TRANSFORMS: tuple[tuple[str, ...], ...] = (
    (),
    ("log",),
    ("box_cox",),
    ("detrend",),
    ("deseasonalize",),
    ("difference",),
    ("seasonal_difference",),
    ("log", "detrend", "deseasonalize"),
    ("log", "seasonal_difference"),
)


class Case(NamedTuple):
    """A table and how it is forecast."""

    table: pd.DataFrame
    horizon: int
    context: int
    windows: int


def monthly() -> pd.DataFrame:
    """Return series of two competitions that are above 0, spread evenly over the files."""
    found = []
    for name in ("m3_monthly", "tourism_monthly"):
        series = series_of(data_folder() / "monash" / f"{name}_dataset.tsf.gz")
        found += [values for values in series if 100 <= len(values) <= 200 and values.min() > 0][:300:10]
    return pd.concat(
        pd.DataFrame(
            {
                "unique_id": f"{number:02d}",
                "ds": pd.date_range("1980-01", periods=len(values), freq="MS"),
                "y": values,
            }
        )
        for number, values in enumerate(found)
    )


def cases() -> dict[str, Case]:
    """Return the tables by name."""
    demand, _ = sets.pjm()
    return {
        "airpassengers": Case(load_airpassengers(), 12, 24, 3),
        "monthly": Case(monthly(), 12, 24, 3),
        "pjm": Case(demand.iloc[: 365 * 24], 24, 168, 28),
    }


def ratio(model: str, case: Case, transforms: tuple[str, ...]) -> float:
    """Return the error over that of the seasonal naive forecast."""
    own = {"horizon": case.horizon, "context_length": case.context, "coverage": (), "max_steps": STEPS}
    bare = LSTMModel(hidden_size=32, num_layers=1, epochs=1000)
    made = Forecaster(bare if model == "bare LSTM" else model, target_transform=transforms, **own)
    errors = made.backtest(case.table, windows=case.windows).table()["mase"]
    return float(errors.iloc[0] / errors["seasonal_naive"])


def main() -> None:
    """Print a row per transform, a column per model and table."""
    models = ("bare LSTM", "lstm", "nlinear")
    tables = cases()
    print(describe())
    print("| transform | " + " | ".join(f"{model}, {name}" for name in tables for model in models) + " |")
    for transforms in TRANSFORMS:
        errors = np.array([[ratio(model, case, transforms) for model in models] for case in tables.values()])
        cells = " | ".join(f"{error:.3f}" for error in errors.flatten())
        print(f"| {', '.join(transforms) or 'none'} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
