"""The cells of a table's columns as arrays: series names, stamps and numbers, each checked cell by cell."""

import re
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from timeseries.errors import SettingError
from timeseries.process import warnings_as
from timeseries.steps import STAMP, weekday
from timeseries.tables.layout import Table, TableLayout
from timeseries.tables.numerals import GROUPED, Numerals, advice, by_two, money, unsigned, written_as

_LARGEST_INTEGER_STAMP = 2**53  # beyond it, float64 no longer tells neighbours apart
_EARLIEST, _LATEST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")
_OFFSET = r"\s*([+-]\d\d(?::?\d\d)?|Z|UTC)\s*$"
_NO_ZONE = "None"  # as Python writes the zone of a stamp without one
_READ_AS_UTC = "Column {name!r} of the {table} is written with offsets from UTC: read as UTC."
_DIGIT = re.compile("[0-9]")
_PERIODS = {"quarters": r"(\d{4})-?Q([1-4])", "ISO weeks": r"(\d{4})-?W(\d\d)"}
_WEEK = np.timedelta64(7, "D")
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


def stamps(table: Table) -> tuple[np.ndarray, str | None]:
    """Read the stamps, shape (N,), and their time zone: datetime64[us], in UTC if zoned, or int64."""
    name = table.layout.time
    column = table.frame[name]
    absent = column.isna().to_numpy()
    if absent.any():
        problem = f"Column {name!r} of the {table.name} must hold a stamp in every row."
        raise table.fault(problem, np.flatnonzero(absent), "fill in the stamps, or drop these rows.", name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    kind = types.infer_dtype(column, skipna=True)
    if kind == "integer" and table.layout.date_format:
        column, kind = column.astype(str), "string"
    if kind in ("integer", "floating", "mixed-integer-float"):
        return _integer_stamps(table, column), None
    if kind == "string":
        column = _dates_from_text(table, column)
    elif kind == "period":
        column = pd.PeriodIndex(column).to_timestamp().to_series()
        table.notes.append(
            f"Column {name!r} of the {table.name} holds periods: read as the stamps of their start."
        )
    elif kind not in ("datetime64", "datetime", "date"):
        problem = f"Column {name!r} of the {table.name} must hold dates or integers, but holds {kind} values."
        code = f"frame[{name!r}] = pd.to_datetime(frame[{name!r}])"
        raise table.fault(problem, np.arange(len(column)), "convert it to dates.", name, code=code)
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


def _date_stamps(table: Table, column: "pd.Series[Any]") -> tuple[np.ndarray, str | None]:
    """Read dates that pandas knows as such, in microseconds; those of a time zone in UTC, with its name."""
    name = table.layout.time
    if column.dtype == object:
        zones = column.map(lambda date: str(getattr(date, "tzinfo", None)))  # (N,)
        local = pd.to_datetime(column.map(_clock), errors="coerce")
        mixed = _mixes_zones(table, zones, local)
        first = getattr(column.iloc[0], "tzinfo", None)
        column = pd.to_datetime(column, errors="coerce", utc=first is not None)
        column = column if first is None or mixed else column.dt.tz_convert(first)
    dates = pd.DatetimeIndex(column)
    unread = dates.isna()
    if unread.any():
        problem = f"Column {name!r} of the {table.name} holds values that are no dates."
        raise table.fault(problem, np.flatnonzero(unread), "correct them, or drop these rows.", name)
    zone = None if dates.tz is None else _zone_name(table, dates)
    if table.layout.season_zone is not None and zone is not None and zone.startswith(("UTC+", "UTC-")):
        zone = "UTC"
        table.notes.append(_READ_AS_UTC.format(name=name, table=table.name))
    exact = dates.to_numpy() if zone is None else dates.tz_convert("UTC").tz_localize(None).to_numpy()
    stamps = exact.astype(STAMP)  # a copy
    outside = (stamps < _EARLIEST) | (stamps > _LATEST)
    if outside.any():
        problem = f"Column {name!r} of the {table.name} holds stamps outside the years 1 to 9999."
        fix = "correct them, or number the steps 0, 1, 2, ... as time."
        raise table.fault(problem, np.flatnonzero(outside), fix, name)
    if exact.dtype != STAMP and (stamps != exact).any():
        problem = f"Column {name!r} of the {table.name} is finer than a microsecond."
        fix, code = "round them to microseconds.", f"frame[{name!r}] = frame[{name!r}].dt.round('us')"
        raise table.fault(problem, np.flatnonzero(stamps != exact), fix, name, code=code)
    return stamps, zone


def _zone_name(table: Table, dates: pd.DatetimeIndex) -> str:
    """Return the name by which pandas finds the zone of some dates again."""
    zone = str(dates.tz)
    try:
        dates[:0].tz_convert(zone)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        name = table.layout.time
        problem = f"Column {name!r} of the {table.name} has a time zone without a common name, {zone}."
        fix, code = "convert it to UTC.", f"frame[{name!r}] = frame[{name!r}].dt.tz_convert('UTC')"
        raise table.fault(problem, np.arange(len(dates)), fix, name, code=code) from None
    return zone


def _mixes_zones(table: Table, zones: "pd.Series[Any]", local: "pd.Series[Any]") -> bool:
    """Tell whether stamps have several zones or offsets, given as text; refuse those that are no one clock's.

    ``local`` is what the clock showed: whole days that are hours of UTC would have no regular step.
    """
    others = np.flatnonzero((zones != zones.iloc[0]).to_numpy(dtype=bool))
    if not len(others):
        return False
    name = table.layout.time
    are_days, all_zoned = bool((local == local.dt.normalize()).all()), not (zones == _NO_ZONE).any()
    if table.layout.season_zone is not None and all_zoned and not are_days:
        table.notes.append(_READ_AS_UTC.format(name=name, table=table.name))
        return True
    problem = (
        f"Column {name!r} of the {table.name} mixes time zones or offsets; the first is {zones.iloc[0]}."
    )
    fix, code = "convert all stamps to UTC", f"pd.to_datetime(frame[{name!r}], utc=True)"
    if are_days:
        fix, code = (
            "write days as plain dates, without an offset",
            f"frame[{name!r}].map(lambda t: str(t)[:10])",
        )
    elif all_zoned:
        fix = "if they are one zone's clock, name it, e.g. season_zone='Europe/Berlin', to read them as UTC"
    raise table.fault(problem, others, f"{fix}.", name, code=f"frame[{name!r}] = {code}")


def _clock(date: Any) -> Any:
    """Return what the clock showed at a stamp, without its zone."""
    return date.replace(tzinfo=None) if hasattr(date, "tzinfo") else date


def _dates_from_text(table: Table, column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Parse text as dates, all in the named format or that of the first one."""
    name, form = table.layout.time, table.layout.date_format
    problem = f"Column {name!r} of the {table.name} holds text that is no date"
    fix = "write dates as YYYY-MM-DD HH:MM:SS, or give their format, e.g. date_format='%d/%m/%Y'."
    if form is None and _day_and_month_unclear(column):
        unclear = f"Column {name!r} of the {table.name}: which of the numbers is the day and which the month?"
        fix = "give date_format='%d/%m/%Y' if the day comes first, date_format='%m/%d/%Y' if the month does."
        raise table.fault(unclear, np.arange(len(column)), fix, name)
    kind = _period_kind(column) if form is None else None
    if kind is not None:
        return _firsts_of_periods(table, column, kind)
    like = f"like {form!r}" if form else f"like the first, {column.iloc[0]!r}"
    form = form or _date_format(column)
    if form is None:
        raise table.fault(f"{problem}.", np.arange(len(column)), fix, name)
    mixed = False
    if "%z" in form:
        offsets = column.str.extract(_OFFSET)[0].replace("UTC", "Z").fillna(_NO_ZONE)
        local = pd.to_datetime(
            column.str.replace(_OFFSET, "", regex=True),
            format=form.replace("%z", "").strip(),
            errors="coerce",
        )
        mixed = _mixes_zones(table, offsets, local)
    try:
        dates = pd.to_datetime(column, format=form, errors="coerce", utc=mixed)
    except ValueError as error:
        raise SettingError(f"date_format={form!r} is no format of dates: {error}.") from None
    unread = dates.isna().to_numpy()
    if unread.any():
        raise table.fault(f"{problem} {like}.", np.flatnonzero(unread), fix, name)
    return dates


def _period_kind(column: pd.Series) -> str | None:
    """Tell whether the first text names a quarter or an ISO week."""
    first = str(column.iloc[0]).strip()
    return next((kind for kind, form in _PERIODS.items() if re.fullmatch(form, first)), None)


def _firsts_of_periods(table: Table, column: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    """Read quarters, 2000Q1 or 2000-Q1, or ISO weeks, 2020W01 or 2020-W01, as their first days."""
    name = table.layout.time
    parts = column.str.strip().str.extract(f"^{_PERIODS[kind]}$")
    unread = parts.isna().any(axis=1).to_numpy()  # (N,)
    year, number = parts.fillna("1").astype(np.int64).to_numpy().T  # (N,) each
    years = (year - 1970).astype("datetime64[Y]")  # (N,)
    if kind == "quarters":
        days = (years.astype("datetime64[M]") + 3 * (number - 1)).astype("datetime64[D]")  # (N,)
    else:
        days = _monday(years) + (number - 1) * _WEEK  # (N,)
        unread = unread | (number < 1) | (days >= _monday(years + 1))
    if unread.any():
        problem = f"Column {name!r} of the {table.name} holds text that names none of the {kind}"
        fix = "correct these cells, or drop these rows."
        raise table.fault(f"{problem}, as the first does.", np.flatnonzero(unread), fix, name)
    table.notes.append(
        f"Column {name!r} of the {table.name} holds {kind}: read as the stamps of their first days."
    )
    return pd.Series(days.astype(STAMP))


def _monday(years: np.ndarray) -> np.ndarray:
    """Return the day on which the first ISO week of each year, (N,), begins: that of 4 January."""
    fourth = years.astype("datetime64[D]") + 3  # (N,)
    return np.asarray(fourth - weekday(fourth))


def _date_format(column: pd.Series) -> str | None:
    """Guess the format of the first text, the order of day and month from all of them."""
    with warnings_as("ignore", UserWarning):  # of pandas, where the order is already clear from the text
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
    if not isinstance(column.iloc[0], str):
        return True
    return _date_format(column) is not None or _period_kind(column) is not None


def holds_numbers(column: pd.Series, layout: TableLayout) -> bool:
    """Tell whether a column is made of numbers, or at least tries to be: text of which some is a number."""
    if types.is_numeric_dtype(column.dtype):
        return True
    if not types.is_string_dtype(column.dtype) and column.dtype != object:
        return False
    cells = _without_signals(column).dropna()
    texts = [unsigned(cell) for cell in cells if isinstance(cell, str)]
    named = Numerals(layout.decimal_mark or ".", layout.thousands)
    return bool(
        _as_numbers(cells).notna().any()
        or _with_commas(cells).any()
        or not np.isnan(named.read(texts)).all()
        or any(not np.isnan(way.read(texts)).any() for way in GROUPED if texts)
    )


def numbers(table: Table, column: Hashable) -> np.ndarray:
    """Read a column of numbers as float64, shape (N,), with NaN where they are absent."""
    cells = _without_signals(table.frame[column])
    if types.infer_dtype(cells, skipna=True) == "boolean":
        table.notes.append(f"Column {column!r} holds true and false: read as 1 and 0.")
    if types.is_complex_dtype(cells.dtype):
        problem = f"Column {column!r} of the {table.name} holds complex numbers; expected real ones."
        raise table.fault(
            problem, np.arange(len(cells)), "give real and imaginary part as two columns.", column
        )
    if not types.is_numeric_dtype(cells.dtype):
        cells = _numbers_from_objects(table, column, cells)
    values = (
        cells.to_numpy(dtype=np.float64, na_value=np.nan)
        if types.is_extension_array_dtype(cells.dtype)
        else cells.to_numpy(dtype=np.float64)
    )
    infinite = np.isinf(values)
    if infinite.any():
        problem = f"Column {column!r} of the {table.name} holds infinite values; expected finite numbers."
        fix = "correct them, or leave them empty (NaN) and give missing='mask'."
        raise table.fault(problem, np.flatnonzero(infinite), fix, column)
    return values


def _without_signals(cells: pd.Series) -> pd.Series:
    """Replace the decimals that raise an error wherever they are looked at (sNaN) by NaN, which they mean."""
    if cells.dtype != object:
        return cells
    signals = np.array([isinstance(cell, Decimal) and cell.is_snan() for cell in cells], dtype=bool)  # (N,)
    return cells.where(~signals, np.nan) if signals.any() else cells


def _numbers_from_objects(table: Table, column: Hashable, cells: pd.Series) -> pd.Series:
    """Read a column of Python objects as numbers; text only where the marks it is written with are known."""
    problem = f"Column {column!r} of the {table.name} must hold numbers"
    if not types.is_string_dtype(cells.dtype) and cells.dtype != object:
        fix = "convert it to numbers, or leave it out; forecasts are of numbers, not of classes."
        raise table.fault(f"{problem}, not {cells.dtype} values.", np.arange(len(cells)), fix, column)
    decimal = table.layout.decimal_mark or table.decimal
    thousands = table.layout.thousands
    is_text = cells.map(lambda cell: isinstance(cell, str)).to_numpy(dtype=bool)  # (N,)
    read = _as_numbers(cells).to_numpy(dtype=np.float64, copy=True)  # (N,)
    read[is_text] = Numerals(decimal or ".", thousands).read(cells[is_text])
    unread = np.isnan(read) & cells.notna().to_numpy(dtype=bool)  # (N,)
    if unread.any():
        fix = _fix_of_text(table, cells[is_text], cells[unread])
        raise table.fault(f"{problem}.", np.flatnonzero(unread), fix, column)
    if is_text.any() and decimal is None and thousands is None:
        fix = "convert the text to numbers, or say how it is written: decimal='.' or decimal=','."
        code = f"frame[{column!r}] = pd.to_numeric(frame[{column!r}])"
        raise table.fault(f"{problem}.", np.flatnonzero(is_text), fix, column, code=code)
    return pd.Series(read)


def _fix_of_text(table: Table, texts: pd.Series, unread: pd.Series) -> str:
    """Say what makes numbers of text: other marks where all that has digits is written with them."""
    with_digits = [unsigned(text) for text in dict.fromkeys(texts) if _DIGIT.search(text)]
    numerals = [isinstance(cell, str) and bool(_DIGIT.search(cell)) for cell in unread]
    ways = written_as(with_digits, table.layout, table.decimal) if any(numerals) else []
    signs = money(cell for cell in unread if isinstance(cell, str))
    steps = [f"remove the sign {', '.join(signs)} from the cells"] if signs and ways else []
    if ways and not (signs and Numerals(table.layout.decimal_mark or table.decimal or ".") in ways):
        steps.append(advice(ways, table.layout, mixed=any(map(by_two, with_digits))))
    correct = "or leave them empty (NaN) and give missing='mask'."
    if not all(numerals):
        steps.append(f"correct {'the cells without digits' if steps else 'these cells'}, {correct}")
    if not steps:
        example = f"1234{table.layout.decimal_mark or table.decimal or '.'}5"
        steps = [f"correct these cells: plain numbers are written like {example}."]
    return f"{'; '.join(steps).removesuffix('.')}."


def _as_numbers(cells: pd.Series) -> pd.Series:
    """Convert what can be converted, NaN elsewhere; complex numbers cannot."""
    real = cells.map(lambda cell: np.nan if isinstance(cell, complex) else cell)
    return pd.to_numeric(real.astype(object), errors="coerce")


def _with_commas(cells: pd.Series) -> pd.Series:
    """Tell which texts are numbers with a comma in them: 1,5 or 1,234.5."""
    texts = [cell if isinstance(cell, str) else "" for cell in cells]
    return pd.Series(texts, dtype=object).str.fullmatch(r"\s*[+-]?\d[\d.]*(,\d+)+(\.\d+)?\s*")
