"""Steps between stamps: how they are spelt, and the arithmetic that moves stamps by them.

:mod:`timeseries.frequency` documents the spellings and is what the rest of the library uses.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from timeseries.errors import LARGEST_WHOLE, SettingError, did_you_mean, shown

STAMP = np.dtype("datetime64[us]")
"""The type of every stamp that is a date; integer time is int64."""

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FIXED = {  # from large to small, so that 24h becomes D
    "D": np.timedelta64(1, "D"),
    "h": np.timedelta64(1, "h"),
    "min": np.timedelta64(1, "m"),
    "s": np.timedelta64(1, "s"),
    "ms": np.timedelta64(1, "ms"),
    "us": np.timedelta64(1, "us"),
}
_CALENDAR = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
_KNOWN = (*_FIXED, "W", "B", *_CALENDAR, *(f"B{name}" for name in _CALENDAR))
_OLD = {
    **{"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "d": "D", "w": "W", "M": "ME", "BM": "BME"},
    **{"Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "BQ": "BQE", "BY": "BYE", "BA": "BYE", "BAS": "BYS"},
}
_WORDS = {
    **{"second": "'s'", "sec": "'s'", "minute": "'min'", "m": "'min' or 'MS'", "hour": "'h'", "day": "'D'"},
    **{"dai": "'D'", "week": "'W'", "month": "'MS'", "quarter": "'QS'", "year": "'YS'", "annual": "'YS'"},
}


class Rule(Protocol):
    """How a step moves stamps: the arithmetic behind a frequency, on arrays."""

    @property
    def season(self) -> int:
        """Steps in one season."""

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Move each stamp by a number of steps."""

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Count the steps from start to end, exactly if the end lies on the grid, else give or take one."""

    def fits(self, time: np.ndarray) -> np.ndarray:
        """Tell which stamps can lie on a grid of this frequency."""


@dataclass(frozen=True)
class _Fixed:
    """A step of constant duration; a week also has its weekday (Monday is 0)."""

    delta: np.timedelta64
    season: int
    weekday: int | None = None

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return np.asarray(time + steps * self.delta)

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.asarray((end - start) // self.delta)

    def fits(self, time: np.ndarray) -> np.ndarray:
        if self.weekday is None:
            return np.ones(time.shape, dtype=bool)
        return np.asarray(weekday(time) == self.weekday)


@dataclass(frozen=True)
class _Months:
    """A step of whole months, on the first or last (business) day of a month."""

    months: int
    season: int
    end: bool
    business: bool
    cycle: int  # 1, 3 or 12: every how many months a stamp may lie
    anchor: int  # which months of the cycle, January is 0

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return np.asarray(self._day(_month(time) + steps * self.months) + _clock(time))

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.asarray((_month(end) - _month(start)).astype(np.int64) // self.months)

    def fits(self, time: np.ndarray) -> np.ndarray:
        month = _month(time)
        on_day = _day(time) == self._day(month).astype("datetime64[D]")
        in_month = month.astype(np.int64) % self.cycle == self.anchor  # 1970-01 is month 0
        return np.asarray(on_day & in_month)

    def _day(self, month: np.ndarray) -> np.ndarray:
        """Return the day on which the stamp of each month lies."""
        day = (month + 1).astype("datetime64[D]") - 1 if self.end else month.astype("datetime64[D]")
        if self.business:
            day = np.busday_offset(day, 0, roll="backward" if self.end else "forward")
        return day.astype(STAMP)


@dataclass(frozen=True)
class _Business:
    """A step of whole working days, Monday to Friday."""

    days: int
    season: int

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        days = np.busday_offset(_day(time), steps * self.days, roll="backward")
        return np.asarray(days.astype(STAMP) + _clock(time))

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.asarray(np.busday_count(_day(start), _day(end)) // self.days)

    def fits(self, time: np.ndarray) -> np.ndarray:
        return np.asarray(np.is_busday(_day(time)))


@dataclass(frozen=True)
class _Integer:
    """A whole-number step of integer time."""

    step: int
    season: int = 1

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return np.asarray(time + steps * self.step)

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.asarray((end - start) // self.step)

    def fits(self, time: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(time), dtype=bool)


def _day(time: np.ndarray) -> np.ndarray:
    """Cut stamps to their day."""
    return time.astype("datetime64[D]")


def _month(time: np.ndarray) -> np.ndarray:
    """Cut stamps to their month."""
    return time.astype("datetime64[M]")


def _clock(time: np.ndarray) -> np.ndarray:
    """Return the time of day of each stamp."""
    return np.asarray(time - _day(time))


def weekday(time: np.ndarray) -> np.ndarray:
    """Return the weekday of each stamp, Monday is 0 (1970-01-01 was a Thursday)."""
    return np.asarray((_day(time).astype(np.int64) + 3) % 7)


def _split(freq: str) -> tuple[int, str, str | None]:
    """Take an alias apart into multiple, current unit and anchor: 2W-mon -> (2, "W", "MON")."""
    match = re.fullmatch(r"\s*(\d{0,18})\s*([A-Za-z]+)(?:-([A-Za-z]{3}))?\s*", freq)
    if match is None:
        raise SettingError(
            f"Cannot read the frequency {shown(freq)}. Write it like 'h', '15min', 'D', 'MS' or 1."
        )
    multiple, unit, anchor = match.groups()
    return int(multiple or 1), _OLD.get(unit, unit), anchor.upper() if anchor else None


def canonical(freq: object) -> str | int:
    """Give a frequency its one spelling, or refuse it."""
    if isinstance(freq, str) and re.fullmatch(r"\s*\d{1,18}\s*", freq):
        freq = int(freq)
    if isinstance(freq, (int, np.integer)) and not isinstance(freq, bool):
        if not 1 <= freq <= LARGEST_WHOLE:
            raise SettingError(f"An integer frequency must be at least 1, got {shown(freq)}.")
        return int(freq)
    if not isinstance(freq, str):
        raise SettingError(f"A frequency is text such as 'h' or 'MS', or an integer; got {shown(freq)}.")
    multiple, unit, anchor = _split(freq)
    if unit not in _KNOWN:
        raise SettingError(f"Unknown frequency {shown(freq)}.{_meant(unit)} Known: {', '.join(_KNOWN)}.")
    if not 1 <= multiple < 1_000_000:
        raise SettingError(f"The multiple in a frequency must be from 1 to 999999, got {shown(freq)}.")
    if unit in _FIXED and anchor is None:
        return fixed_alias(multiple * _FIXED[unit])
    return f"{multiple if multiple > 1 else ''}{unit}{_anchor(freq, unit, anchor)}"


def _anchor(freq: str, unit: str, anchor: str | None) -> str:
    """Return the anchor of a week, quarter or year with its dash; nothing for other units."""
    at_end, cycle = unit.endswith("E"), _CALENDAR.get(unit.removeprefix("B"), 1)
    names: tuple[str, ...] = WEEKDAYS if unit == "W" else MONTHS if cycle > 1 else ()
    if anchor is not None and anchor not in names:
        expected = f"one of {', '.join(names)}" if names else f"none after {unit!r}"
        raise SettingError(f"Unknown anchor {anchor!r} in the frequency {freq!r}: expected {expected}.")
    if unit == "W":
        return f"-{anchor or 'SUN'}"
    if cycle == 1:
        return ""
    # Of a grid's possible names, starts take the year's first month and ends its last: QS-JAN, QE-DEC.
    month = MONTHS.index(anchor or ("DEC" if at_end else "JAN")) % cycle
    return f"-{MONTHS[month + (12 - cycle if at_end else 0)]}"


def _meant(unit: str) -> str:
    """Suggest the alias for a word ("hours", "daily") or a slip."""
    word = unit.lower().removesuffix("ly")
    meant = _WORDS.get(word) or _WORDS.get(word.removesuffix("s"))
    return f" Did you mean {meant}?" if meant else did_you_mean(unit, _KNOWN)


def fixed_alias(delta: np.timedelta64) -> str:
    """Write a duration as a multiple of the largest unit that divides it."""
    unit = next(name for name, size in _FIXED.items() if delta % size == np.timedelta64(0))
    multiple = int(delta // _FIXED[unit])
    return f"{multiple if multiple > 1 else ''}{unit}"


@lru_cache(maxsize=256)
def rule(step: str | int) -> Rule:
    """Look up the arithmetic of a canonical step."""
    if canonical(step) != step:
        raise SettingError(f"Frequency({step!r}) is not canonical; use Frequency.parse({step!r}).")
    if isinstance(step, int):
        return _Integer(step)
    multiple, unit, anchor = _split(step)
    if unit == "B":
        return _Business(multiple, 5 // math.gcd(5, multiple))
    if unit == "W":
        delta = np.timedelta64(7 * multiple, "D").astype("timedelta64[us]")
        return _Fixed(delta, 52 // math.gcd(52, multiple), WEEKDAYS.index(anchor or "SUN"))
    if unit in _FIXED:
        delta = (multiple * _FIXED[unit]).astype("timedelta64[us]")
        return _Fixed(delta, _fixed_season(delta))
    base = unit.removeprefix("B")
    cycle, months = _CALENDAR[base], _CALENDAR[base] * multiple
    return _Months(
        months,
        season=12 // math.gcd(12, months),
        end=base.endswith("E"),
        business=unit != base,
        cycle=cycle,
        anchor=MONTHS.index(anchor) % cycle if anchor else 0,
    )


def _fixed_season(delta: np.timedelta64) -> int:
    """Count the steps of a constant duration in its season."""
    limits = [(np.timedelta64(1, "s"), 1), (np.timedelta64(1, "m"), 3600), (np.timedelta64(1, "D"), 86_400)]
    seconds = next((length for limit, length in limits if delta < limit), 7 * 86_400)
    season = seconds * 1_000_000
    return season // math.gcd(season, int(delta // np.timedelta64(1, "us")))
