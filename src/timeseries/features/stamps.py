"""Features of stamps: the calendar, cycles, Fourier pairs of any period, holidays.

They depend on the stamp alone, so that they are the same at fit and at predict and known as far ahead as the
stamps are. Stamps with a time zone are read as its clock shows them; an absent stamp has NaN.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from timeseries.errors import DataError, MissingExtraError, SettingError, shown
from timeseries.features.transformer import FeatureTransformer, Floats
from timeseries.settings import setting, settings_class
from timeseries.steps import STAMP

FIELDS: dict[str, Callable[[pd.DatetimeIndex], Any]] = {
    "year": lambda time: time.year,
    "quarter": lambda time: time.quarter,
    "month": lambda time: time.month,
    "week": lambda time: time.isocalendar().week.to_numpy(dtype=np.float64, na_value=np.nan),
    "day": lambda time: time.day,
    "dayofyear": lambda time: time.day_of_year,
    "dayofweek": lambda time: time.day_of_week,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "weekend": lambda time: np.where(time.isna(), np.nan, time.day_of_week >= 5),
    "month_start": lambda time: np.where(time.isna(), np.nan, time.day == 1),
    "month_end": lambda time: np.where(time.isna(), np.nan, time.day == time.days_in_month),
}
"""Name of a field -> its numbers, as pandas counts them (Monday is day 0 of the week), or 0 and 1."""

_FIXED = {"hour": np.timedelta64(1, "h"), "day": np.timedelta64(1, "D"), "week": np.timedelta64(7, "D")}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
CYCLES = (*_FIXED, *_MONTHS)
_MONDAY = np.datetime64("1970-01-05", "us")
_EPOCH = np.datetime64("1970-01-01", "us")


@settings_class
class StampFeatures(FeatureTransformer):
    """Base of the features that are made of stamps, column by column and row by row."""

    takes_numbers = False  # whether a column may hold numbers in place of dates

    @abstractmethod
    def _of(self, time: Any) -> Floats:
        """Return the features of stamps (N,), shape (N, number of features)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = self.takes_numbers  # scikit-learn's own checks bring numbers
        return tags

    def _read(self, X: Any, *, reset: bool) -> Any:
        dtype = getattr(X, "dtype", None)
        if self.takes_numbers and not hasattr(X, "columns") and getattr(dtype, "kind", "") != "M":
            return list(self._numbers(X, reset=reset).T)
        frame = self._frame(X, reset=reset)
        if self.takes_numbers and all(kind.kind in "iuf" for kind in frame.dtypes):
            return list(self._as_numbers(frame).T)
        return [self._dates(frame.iloc[:, at], frame.columns[at]) for at in range(frame.shape[1])]

    def _learn(self, rows: Any) -> None:
        """Check that the features can be made; nothing is kept of the rows."""
        self._features([column[:1] for column in rows])

    def _features(self, rows: Any) -> Floats:
        return np.column_stack([self._of(column) for column in rows])

    def _dates(self, column: pd.Series, name: Any) -> NDArray[np.datetime64]:
        """Return the stamps of a column as the clock shows them, (N,)."""
        if not isinstance(column.dtype, (pd.DatetimeTZDtype, np.dtype)) or column.dtype.kind != "M":
            number = " or numbers" if self.takes_numbers else ""
            raise DataError(
                f"{type(self).__name__} needs dates{number}, but column {name!r} holds {column.dtype}. "
                f"Pass the column of stamps alone, as dates.\n"
                f"In Python: frame[[{name!r}]].apply(pd.to_datetime)",
                column=name,
            )
        local = column.dt.tz_localize(None) if isinstance(column.dtype, pd.DatetimeTZDtype) else column
        return local.to_numpy().astype(STAMP)


@settings_class
class CalendarFeatures(StampFeatures):
    """Fields of the calendar as numbers: month, day of the week, hour and so on.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    fields : str or sequence of str, default ("month", "dayofweek", "hour")
        Of "year", "quarter", "month", "week" (ISO 8601), "day", "dayofyear", "dayofweek" (Monday is 0),
        "hour", "minute", "second", and of "weekend", "month_start" and "month_end", which are 0 or 1.

    Examples
    --------
    >>> table = pd.DataFrame({"ds": pd.to_datetime(["2024-02-29", "2024-03-02"])})
    >>> calendar = CalendarFeatures(fields=("month", "dayofweek", "weekend", "month_end"))
    >>> calendar.fit_transform(table).tolist()
    [[2.0, 3.0, 0.0, 1.0], [3.0, 5.0, 1.0, 0.0]]
    >>> calendar.get_feature_names_out().tolist()
    ['ds_month', 'ds_dayofweek', 'ds_weekend', 'ds_month_end']
    """

    fields: str | tuple[str, ...] = setting(
        ("month", "dayofweek", "hour"), "Fields of the calendar.", str, choices=tuple(FIELDS), several=True
    )

    def _endings(self) -> list[str]:
        return list(self._values_of("fields"))

    def _of(self, time: NDArray[np.datetime64]) -> Floats:
        index = pd.DatetimeIndex(time)
        columns = [np.asarray(FIELDS[name](index), dtype=np.float64) for name in self._values_of("fields")]
        return np.column_stack(columns)  # (N, fields)


@settings_class
class CyclicFeatures(StampFeatures):
    """Where a stamp lies in cycles of the calendar, as sine and cosine: the end of each meets its start.

    A cycle is as long as the calendar has it: 28 to 31 days are a month, 365 or 366 a year.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    cycles : str or sequence of str, default ("day", "week", "year")
        Of "hour", "day", "week" (from Monday), "month", "quarter" and "year". See `FourierFeatures` for
        cycles of any other length.

    Examples
    --------
    >>> table = pd.DataFrame({"ds": pd.to_datetime(["2024-01-01 00:00", "2024-01-01 06:00"])})
    >>> CyclicFeatures(cycles="day").fit_transform(table).round(12).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    cycles: str | tuple[str, ...] = setting(
        ("day", "week", "year"), "Cycles of the calendar.", str, choices=CYCLES, several=True
    )

    def _endings(self) -> list[str]:
        return [f"{name}_{wave}" for name in self._values_of("cycles") for wave in ("sin", "cos")]

    def _of(self, time: NDArray[np.datetime64]) -> Floats:
        angles = [2 * np.pi * _share(time, name) for name in self._values_of("cycles")]
        return np.column_stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)])


@settings_class
class FourierFeatures(StampFeatures):
    """Sine and cosine of the first multiples of one period's frequency, of dates or numbers.

    The phase is counted from 1970-01-01 00:00, or from the number 0: it depends on the stamp alone. Several
    periods are several transformers, side by side in a ``FeatureUnion``.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    period : number or str, default "1D"
        Length of the period: a duration such as "24h", "7D" or "365.25D" for dates; a number, in their own
        units, for numbers. See `CyclicFeatures` for calendar months and years.
    pairs : int, default 1
        How many pairs of sine and cosine: the k-th goes round k times in a period.

    Examples
    --------
    >>> hours = np.array([[0.0], [6.0], [30.0]])
    >>> FourierFeatures(period=24, pairs=2).fit_transform(hours).round(12).tolist()
    [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, -1.0], [1.0, 0.0, 0.0, -1.0]]
    >>> FourierFeatures(period="24h").fit(hours)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    timeseries.errors.SettingError: period='24h' is a duration, but the column holds numbers: ...
    """

    period: float | str = setting("1D", "Length of the period.", (Real, str))
    pairs: int = setting(1, "Pairs of sine and cosine.", Integral, low=1)
    takes_numbers = True

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense."""
        found = list(super().problems())
        yield from found
        if found:
            return
        if isinstance(self.period, str):
            if _duration(self.period) is None:
                yield f"period must be a duration of fixed length such as '24h' or '7D', got {self.period!r}"
        elif not 0 < self.period < np.inf:
            yield f"period must be above 0, got {shown(self.period)}"

    def _endings(self) -> list[str]:
        period = self.period if isinstance(self.period, str) else f"{self.period:g}"
        return [f"{period}_{wave}{k + 1}" for k in range(self.pairs) for wave in ("sin", "cos")]

    def _of(self, time: NDArray[Any]) -> Floats:
        share = self._share(time)[:, None]  # (N, 1)
        angles = 2 * np.pi * (share * np.arange(1, self.pairs + 1) % 1.0)  # (N, pairs)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(time), -1)  # (N, 2 pairs)

    def _share(self, time: NDArray[Any]) -> Floats:
        """Return how much of a period has passed at each stamp, (N,), from 0 to 1."""
        dates = time.dtype.kind == "M"
        if dates != isinstance(self.period, str):
            kinds = ("dates", "a duration such as '24h'") if dates else ("numbers", "a number")
            given = "a number" if dates else "a duration"
            raise SettingError(
                f"period={self.period!r} is {given}, but the column holds {kinds[0]}: give {kinds[1]}."
            )
        if not isinstance(self.period, str):
            return np.asarray(time % self.period / self.period)  # (N,)
        length: Any = _duration(self.period)
        return np.asarray((time - _EPOCH) % length / length)  # (N,) exact up to the division


@settings_class
class HolidayFeatures(StampFeatures):
    """1 on public holidays, else 0; needs the package `holidays` (the extra of that name).

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    country : str
        Code of the country, by ISO 3166-1: "DE", "US", ...
    subdivision : str, optional
        Code of its state or province, by ISO 3166-2 without the country: "BY" for Bavaria.

    Raises
    ------
    MissingExtraError
        Where the package is not installed.

    Examples
    --------
    >>> table = pd.DataFrame({"ds": pd.to_datetime(["2024-12-25", "2024-12-27"])})
    >>> HolidayFeatures(country="DE").fit_transform(table).tolist()  # doctest: +SKIP
    [[1.0], [0.0]]
    """

    country: str | None = setting(None, "Code of the country.", str)
    subdivision: str | None = setting(None, "Code of its state or province.", str)

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense."""
        yield from super().problems()
        if self.country is None:
            yield "country must be a code such as 'DE' or 'US', got None"

    def _endings(self) -> list[str]:
        return ["holiday"]

    def _of(self, time: NDArray[np.datetime64]) -> Floats:
        known = time[~np.isnat(time)]
        years = np.unique(known.astype("datetime64[Y]").astype(np.int64) + 1970)
        days = np.array(sorted(self._holidays(years)), dtype="datetime64[D]")
        found = np.isin(time.astype("datetime64[D]"), days)  # (N,)
        return np.where(np.isnat(time), np.nan, found)[:, None]  # (N, 1)

    def _holidays(self, years: NDArray[np.int64]) -> Any:
        """Return the days that are public holidays in some years."""
        try:
            import holidays
        except ImportError:
            raise MissingExtraError("holidays", "holidays") from None
        try:
            return holidays.country_holidays(str(self.country), self.subdivision, years=years.tolist())
        except NotImplementedError as error:
            raise SettingError(
                f"The package holidays does not know country={self.country!r}, "
                f"subdivision={self.subdivision!r}: {error}. Give codes of ISO 3166, such as 'DE' and 'BY'."
            ) from None


def _share(time: NDArray[np.datetime64], cycle: str) -> Floats:
    """Return how much of a cycle of the calendar has passed at each stamp, (N,), from 0 to 1."""
    if cycle in _FIXED:
        length = _FIXED[cycle]
        return np.asarray((time - _MONDAY) % length / length)  # (N,)
    months = _MONTHS[cycle]
    month = time.astype("datetime64[M]")  # (N,)
    first = month - month.astype(np.int64) % months  # (N,) the first month of its cycle
    start, end = first.astype(STAMP), (first + months).astype(STAMP)  # (N,) each
    return np.asarray((time - start) / (end - start))  # (N,)


def _duration(text: str) -> np.timedelta64 | None:
    """Return a duration of fixed length in whole microseconds, None for what is none."""
    try:
        length = pd.Timedelta(text)
    except ValueError:
        return None
    if pd.isna(length) or length <= pd.Timedelta(0):
        return None
    exact = length.as_unit("ns")
    return np.timedelta64(exact.value // 1000, "us") if exact.value >= 1000 else None
