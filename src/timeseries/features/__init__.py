"""Columns made of other columns, as scikit-learn transformers that never look ahead.

- Of the stamps, and so known as far ahead as wanted: `CalendarFeatures`, `CyclicFeatures`, `FourierFeatures`
  and `HolidayFeatures`.
- Of numbers and the rows before them: `LagFeatures`, `RollingFeatures` and `DifferenceFeatures`.

Every feature of a row is made of that row and earlier ones alone. Frames of pandas, polars and whatever else
scikit-learn can name the columns of are taken; ``set_output(transform="pandas")`` gives frames back.

Examples
--------
Features of the stamps are covariates that a forecaster can be told ahead:

>>> import pandas as pd
>>> from timeseries.datasets import load_airpassengers
>>> from timeseries.forecaster import Forecaster
>>> year = CyclicFeatures(cycles="year").set_output(transform="pandas")
>>> table = load_airpassengers()
>>> table = table.join(year.fit_transform(table[["ds"]]))
>>> known = ["ds_year_sin", "ds_year_cos"]
>>> forecaster = Forecaster("nlinear", horizon=3, target="y", future=known, coverage=(), max_steps=5)
>>> ahead = pd.DataFrame({"ds": pd.date_range("1961-01-01", periods=3, freq="MS")})
>>> ahead = ahead.join(year.transform(ahead))
>>> forecaster.fit(table).predict(future=ahead).columns.tolist()
['ds', 'y']
"""

from timeseries.features.history import DifferenceFeatures, LagFeatures, RollingFeatures
from timeseries.features.stamps import CalendarFeatures, CyclicFeatures, FourierFeatures, HolidayFeatures

__all__ = [
    "CalendarFeatures",
    "CyclicFeatures",
    "DifferenceFeatures",
    "FourierFeatures",
    "HolidayFeatures",
    "LagFeatures",
    "RollingFeatures",
]
