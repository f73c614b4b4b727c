"""The cells of a table's columns as arrays: series names, stamps and numbers, each checked cell by cell."""

import re
import warnings
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from timeseries.errors import DataError
from timeseries.steps import STAMP
from timeseries.tables.layout import Table

_LARGEST_INTEGER_STAMP = 2**53  # beyond it, float64 no longer tells neighbours apart
_DAY_MONTH = r"^\s*(\d{1,2})[/.\-](\d{1,2})[/.\-]\d{2,4}"


def series_codes(table: Table) -> tuple[np.ndarray, tuple[Hashable, ...]]:
    """Return a code per row of a long table, shape (N,), and the sorted names that the codes point to."""
    name = table.layout.id
    column = table.frame[name]
    refuse_nameless(table)
    try:
        codes, names = pd.factorize(column, sort=True)
    except TypeError:
        lists = ~column.map(types.is_hashable).to_numpy(dtype=bool)
        if lists.any():
            problem = (
                f"Column {name!r} of the {table.name} holds lists or the like, which cannot name a series."
            )
            raise table.fault(problem, np.flatnonzero(lists), "use text or integers.", name) from None
        codes, names = pd.factorize(column)  # kinds that cannot be compared: in order of first appearance
    return codes.astype(np.int64, copy=False), tuple(names.tolist())


def refuse_nameless(table: Table) -> None:
    """Refuse rows without the name of a series."""
    column = table.frame[table.layout.id]
    absent = column.isna().to_numpy() | (column == "").fillna(False).to_numpy(dtype=bool)
    if absent.any():
        problem = f"Column {table.layout.id!r} of the {table.name} must name the series of every row."
        fix = "fill in the names, or drop these rows."
        raise table.fault(problem, np.flatnonzero(absent), fix, table.layout.id)


def stamps(table: Table) -> np.ndarray:
    """Read the stamps, shape (N,): datetime64[us], or int64 for integer time."""
    name = table.layout.time
    column = table.frame[name]
    absent = column.isna().to_numpy()
    if absent.any():
        problem = f"Column {name!r} of the {table.name} must hold a stamp in every row."
        raise table.fault(problem, np.flatnonzero(absent), "fill in the stamps, or drop these rows.", name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    kind = types.infer_dtype(column, skipna=True)
    if kind in ("integer", "floating", "mixed-integer-float"):
        return _integer_stamps(table, column)
    if kind == "string":
        column = _dates_from_text(table, column)
    elif kind == "period":
        column = pd.PeriodIndex(column).to_timestamp().to_series()
    elif kind not in ("datetime64", "datetime", "date"):
        problem = f"Column {name!r} of the {table.name} must hold dates or integers, but holds {kind} values."
        raise table.fault(problem, np.arange(len(column)), "convert it with pd.to_datetime.", name)
    return _date_stamps(table, column)


def _integer_stamps(table: Table, column: "pd.Series[float]") -> np.ndarray:
    """Read integer time, also where it is stored as whole floats."""
    numbers = column.to_numpy(dtype=np.float64)
    wrong = ~((numbers == np.round(numbers)) & (np.abs(numbers) < _LARGEST_INTEGER_STAMP))
    if wrong.any():
        name = table.layout.time
        problem = f"Column {name!r} of the {table.name} is a number, so it must be whole and below 2**53."
        fix = "number the steps 0, 1, 2, ..., or give dates."
        raise table.fault(problem, np.flatnonzero(wrong), fix, name)
    return numbers.astype(np.int64)


def _date_stamps(table: Table, column: "pd.Series[Any]") -> np.ndarray:
    """Read dates that pandas knows as such: without time zone, in microseconds."""
    name = table.layout.time
    if column.dtype == object and column.map(lambda date: getattr(date, "tzinfo", None) is not None).any():
        raise _zoned(table)
    dates = pd.DatetimeIndex(pd.to_datetime(column, errors="coerce"))
    if dates.tz is not None:
        raise _zoned(table)
    unread = dates.isna()
    if unread.any():
        problem = f"Column {name!r} of the {table.name} holds values that are no dates."
        raise table.fault(problem, np.flatnonzero(unread), "correct them, or drop these rows.", name)
    exact = dates.to_numpy()
    stamps = exact.astype(STAMP)  # a copy
    if exact.dtype != STAMP and (stamps != exact).any():
        problem = f"Column {name!r} of the {table.name} is finer than a microsecond."
        raise table.fault(
            problem, np.flatnonzero(stamps != exact), f"use frame[{name!r}].dt.round('us').", name
        )
    return stamps


def _zoned(table: Table) -> DataError:
    """Word the error about stamps with a time zone."""
    name = table.layout.time
    problem = f"Column {name!r} of the {table.name} has a time zone; stamps must be without one, e.g. in UTC."
    fix = f"frame[{name!r}] = pd.to_datetime(frame[{name!r}], utc=True).dt.tz_localize(None)"
    return table.fault(problem, np.arange(len(table.frame)), fix, name)


def _dates_from_text(table: Table, column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Parse text as dates, all in the format of the first one."""
    name = table.layout.time
    problem = f"Column {name!r} of the {table.name} holds text that is no date"
    fix = f"write dates as YYYY-MM-DD HH:MM:SS, or use pd.to_datetime(frame[{name!r}], format=...)."
    if _day_and_month_unclear(column):
        unclear = f"Column {name!r} of the {table.name}: which of the numbers is the day and which the month?"
        raise table.fault(unclear, np.arange(len(column)), fix, name)
    form = _date_format(column)
    if form is None:
        raise table.fault(f"{problem}.", np.arange(len(column)), fix, name)
    if "%z" in form:
        raise _zoned(table)
    dates = pd.to_datetime(column, format=form, errors="coerce")
    unread = dates.isna().to_numpy()
    if unread.any():
        raise table.fault(f"{problem} like the first, {column.iloc[0]!r}.", np.flatnonzero(unread), fix, name)
    return dates


def _date_format(column: pd.Series) -> str | None:
    """Guess the format of the first text, the order of day and month from all of them."""
    with warnings.catch_warnings():  # pandas warns where the order is already clear from the text
        warnings.simplefilter("ignore", UserWarning)
        return guess_datetime_format(str(column.iloc[0]), dayfirst=_days_come_first(column))


def _days_come_first(column: pd.Series) -> bool:
    """Tell whether dates like 25/12/2024 begin with the day."""
    if not re.match(_DAY_MONTH, str(column.iloc[0])):
        return False
    return bool((column.str.extract(_DAY_MONTH)[0].astype(float) > 12).any())


def _day_and_month_unclear(column: pd.Series) -> bool:
    """Tell whether dates like 01/02/2024 can be read both ways, or must be read in both ways."""
    if not re.match(_DAY_MONTH, str(column.iloc[0])):
        return False
    over = (column.str.extract(_DAY_MONTH).astype(float) > 12).any()
    return bool(over[0] == over[1])


def reads_as_dates(column: pd.Series) -> bool:
    """Tell whether a column is made of dates, or of text that begins with one."""
    if types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return True
    column = column.dropna()
    if len(column) == 0 or types.infer_dtype(column) not in ("string", "datetime", "date"):
        return False
    return not isinstance(column.iloc[0], str) or _date_format(column) is not None


def holds_numbers(column: pd.Series) -> bool:
    """Tell whether a column is made of numbers, or at least tries to be: text of which some is a number."""
    if types.is_numeric_dtype(column.dtype):
        return True
    if not types.is_string_dtype(column.dtype) and column.dtype != object:
        return False
    text = column.dropna()
    return bool(_as_numbers(text).notna().any() or _with_commas(text).any())


def numbers(table: Table, column: Hashable, *, absent: bool) -> np.ndarray:
    """Read a column of numbers as float64, shape (N,), with NaN where ``absent`` values are allowed."""
    cells = table.frame[column]
    if types.infer_dtype(cells, skipna=True) == "boolean":
        table.notes.append(f"Column {column!r} holds true and false: read as 1 and 0.")
    if types.is_complex_dtype(cells.dtype):
        problem = f"Column {column!r} of the {table.name} holds complex numbers; expected real ones."
        raise table.fault(
            problem, np.arange(len(cells)), "give real and imaginary part as two columns.", column
        )
    if not types.is_numeric_dtype(cells.dtype):
        cells = _numbers_from_objects(table, column)
    values = (
        cells.to_numpy(dtype=np.float64, na_value=np.nan)
        if types.is_extension_array_dtype(cells.dtype)
        else cells.to_numpy(dtype=np.float64)
    )
    infinite = np.isinf(values)
    if infinite.any():
        problem = f"Column {column!r} of the {table.name} holds infinite values; expected finite numbers."
        fix = "correct them, or make them NaN and give missing='mask'."
        raise table.fault(problem, np.flatnonzero(infinite), fix, column)
    if not absent:
        _refuse_absent(table, column, np.isnan(values))
    return values


def _refuse_absent(table: Table, column: Hashable, absent: np.ndarray) -> None:
    """Refuse absent values, with the advice that suits the role of the column."""
    if not absent.any():
        return
    problem = (
        f"Column {column!r} of the {table.name} has absent values (NaN); expected a number in every row."
    )
    if column in table.columns:
        fix = "give missing='mask' to keep them as masked steps, or fill them (at the ends: drop the rows)."
    else:
        fix = "fill them: a covariate known into the future and a static feature need every value."
    raise table.fault(problem, np.flatnonzero(absent), fix, column)


def _numbers_from_objects(table: Table, column: Hashable) -> pd.Series:
    """Read a column of Python objects as numbers; refuse text, even text that looks like a number."""
    cells = table.frame[column]
    problem = f"Column {column!r} of the {table.name} must hold numbers"
    if not types.is_string_dtype(cells.dtype) and cells.dtype != object:
        fix = "convert it to numbers, or leave it out."
        raise table.fault(f"{problem}, not {cells.dtype} values.", np.arange(len(cells)), fix, column)
    read = _as_numbers(cells)
    is_text = cells.map(lambda cell: isinstance(cell, str)).to_numpy(dtype=bool)
    unread = (read.isna() & cells.notna()).to_numpy(dtype=bool)
    wrong = unread if unread.any() else is_text
    if not wrong.any():
        return read.astype(np.float64)
    rows = np.flatnonzero(wrong)
    if _with_commas(cells.iloc[rows[:1]]).any():
        fix = "for decimal commas read the file with pd.read_csv(..., decimal=','), else with thousands=','."
    elif unread.any():
        fix = "correct these cells, or make them NaN and give missing='mask'."
    else:
        fix = f"convert the text: frame[{column!r}] = pd.to_numeric(frame[{column!r}])."
    raise table.fault(f"{problem}.", rows, fix, column)


def _as_numbers(cells: pd.Series) -> pd.Series:
    """Convert what can be converted, NaN elsewhere; complex numbers cannot."""
    real = cells.map(lambda cell: np.nan if isinstance(cell, complex) else cell)
    return pd.to_numeric(real.astype(object), errors="coerce")


def _with_commas(cells: pd.Series) -> pd.Series:
    """Tell which texts are numbers with a comma in them: 1,5 or 1,234.5."""
    return cells.astype(str).str.fullmatch(r"\s*[+-]?\d[\d.]*(,\d+)+(\.\d+)?\s*")
