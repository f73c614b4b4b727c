"""The data sets that settings are chosen and judged on: one function each, and how each is divided.

Every function returns a table in the layout of the library and its protocol. The network may learn from the
first ``train`` rows of each series; settings are chosen on the ``validation`` rows after them and are judged
once on the ``test`` rows, which end the table. Nothing here fits or scores.

================  ==========================================================================================
set               how it is read
================  ==========================================================================================
etth1, etth2      7 series, z-scores of the first 8640 rows, the published 8640 / 2880 / 2880 rows
pjm               PJME, MW, from 2015-01-01 on. The hour that clocks repeat in autumn has two readings: their
                  mean (3 stamps). The hour that they skip in spring: the mean of its neighbours (4 stamps)
m4_hourly         414 series with integer time; test is the competition's test file
exchange_rate     8 series, z-scores of the first 5311 rows, the published .7 / .1 / .2 of 7588. The dates
                  of the file are invented, so time is the row number
dow               27 prices in dollars; the row number is the time, since exchanges close on holidays
================  ==========================================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from machine import data_folder
from timeseries import DataNormalizer

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a set is divided in time, and what is forecast."""

    name: str
    horizon: int
    context: int
    train: int | None  # rows of each series; None where the lengths of the series differ
    validation: int  # rows of each series
    test: int  # rows of each series
    season: int  # rows
    scaled: bool  # z-scores instead of the units of the source
    published: bool = False  # the rows are divided as in papers, whose networks never learn from validation
    step: int = 1  # rows between the origins that are scored

    def windows(self, part: Part, step: int | None = None) -> int:
        """Return how many origins per series a part has; the targets of each lie within it."""
        return (getattr(self, part) - self.horizon) // (step or self.step) + 1


Loaded = tuple[pd.DataFrame, Protocol]


def etth1() -> Loaded:
    """Return the hourly load and oil temperature of a transformer."""
    return _ett("ETTh1")


def etth2() -> Loaded:
    """Return the same of another transformer."""
    return _ett("ETTh2")


def pjm() -> Loaded:
    """Return the hourly demand in the east of the PJM grid, in MW.

    A stamp is the end of its hour, so the last row, at midnight, ends a day, and so do the last 365 days that
    are the test part. Origins are the midnights, 365 in each part.
    """
    frame = pd.read_csv(data_folder() / "pjm" / "est_hourly.csv.gz", parse_dates=["Datetime"])
    demand = frame.dropna(subset="PJME").groupby("Datetime")["PJME"].mean()["2015-01-01":]
    demand = demand.asfreq("h").interpolate()
    protocol = Protocol(
        name="pjm",
        horizon=24,
        context=168,
        train=len(demand) - 2 * 365 * 24,
        validation=365 * 24,
        test=365 * 24,
        season=24,
        scaled=False,
        step=24,
    )
    return demand.rename_axis("ds").reset_index(), protocol


def m4_hourly() -> Loaded:
    """Return the hourly series of the M4 competition, training and test file after one another."""
    folder = data_folder() / "m4"
    files = [pd.read_csv(folder / f"Hourly-{part}.csv.gz", index_col="V1") for part in ("train", "test")]
    values = {name: np.concatenate([file.loc[name].dropna() for file in files]) for name in files[0].index}
    lengths = [len(series) for series in values.values()]
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(list(values), lengths),
            "ds": np.concatenate([np.arange(length) for length in lengths]),
            "y": np.concatenate(list(values.values())),
        }
    )
    return table, Protocol(
        name="m4_hourly",
        horizon=48,
        context=168,
        train=None,
        validation=48,
        test=48,
        season=24,
        scaled=False,
    )


def exchange_rate() -> Loaded:
    """Return the daily rates of eight currencies to the dollar, scaled."""
    frame = pd.read_csv(data_folder() / "exchange_rate" / "exchange_rate.csv.gz").drop(columns="date")
    train, test = int(0.7 * len(frame)), int(0.2 * len(frame))
    protocol = Protocol(
        name="exchange_rate",
        horizon=24,
        context=96,
        train=train,
        validation=len(frame) - train - test,
        test=test,
        season=1,
        scaled=True,
        published=True,
    )
    return _scaled(frame, pd.Series(range(len(frame))), train), protocol


def dow() -> Loaded:
    """Return the daily prices of 27 stocks, in dollars."""
    prices = pd.read_csv(data_folder() / "stocks" / "dowjones27_daily.csv.gz").drop(columns="date")
    prices.insert(0, "ds", range(len(prices)))
    return prices, Protocol(
        name="dow",
        horizon=1,
        context=60,
        train=len(prices) - 1500,
        validation=500,
        test=1000,
        season=1,
        scaled=False,
    )


SETS: dict[str, Callable[[], Loaded]] = {
    loader.__name__: loader for loader in (etth1, etth2, pjm, m4_hourly, exchange_rate, dow)
}


def up_to(part: Part, table: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Return the rows of each series up to the end of a part."""
    after = {"train": protocol.validation + protocol.test, "validation": protocol.test, "test": 0}[part]
    if "unique_id" not in table:
        return table.iloc[: len(table) - after]
    ahead = table.groupby("unique_id", sort=False).cumcount(ascending=False)  # rows after this one
    return table[ahead >= after]


def _ett(name: str) -> Loaded:
    protocol = Protocol(
        name=name.lower(),
        horizon=24,
        context=96,
        train=8640,
        validation=2880,
        test=2880,
        season=24,
        scaled=True,
        published=True,
    )
    frame = pd.read_csv(data_folder() / "ett" / f"{name}.csv.gz", parse_dates=["date"]).iloc[:14400]
    return _scaled(frame.drop(columns="date"), frame["date"], 8640), protocol


def _scaled(values: pd.DataFrame, time: pd.Series, train: int) -> pd.DataFrame:
    """Return the z-scores by the first rows, in columns of their own behind the time."""
    scores = DataNormalizer().fit(values.iloc[:train]).transform(values)  # (N, C)
    return pd.DataFrame({"ds": time} | dict(zip(values.columns, scores.T, strict=True)))
