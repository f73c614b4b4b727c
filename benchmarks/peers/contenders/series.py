"""Series made up from a seed, and series as the tables that libraries take."""

from typing import TYPE_CHECKING

import numpy as np

from contenders.protocol import Floats

if TYPE_CHECKING:
    import pandas as pd  # absent from the environment of Keras

START, FREQ = "2016-07-01", "h"


def hourly(series: int, rows: int) -> Floats:
    """Return a daily rhythm with autoregressive noise, (S, N)."""
    noise = np.random.default_rng(0).normal(scale=0.3, size=(rows, series))  # (N, S)
    for row in range(1, rows):
        noise[row] += 0.8 * noise[row - 1]
    rhythm = np.sin(2 * np.pi * np.arange(rows) / 24)  # (N,)
    return (rhythm[:, None] + noise).T.copy()  # (S, N)


def long_table(values: Floats) -> "pd.DataFrame":
    """Return a table with the columns unique_id, ds and y of series, (S, N)."""
    import pandas as pd

    series, rows = values.shape
    stamps = pd.date_range(START, periods=rows, freq=FREQ)
    names = [f"series {s:05}" for s in range(series)]
    return pd.DataFrame(
        {"unique_id": np.repeat(names, rows), "ds": np.tile(stamps, series), "y": values.ravel()}
    )
