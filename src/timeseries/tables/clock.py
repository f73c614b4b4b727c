"""Stamps as a clock on the wall showed them, without an offset from UTC: which instants they mean.

In spring, clocks skip an hour, which no stamp may name; in autumn they show an hour twice, and the order of
the rows tells one from the other: first those before the change, then those after it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from timeseries.errors import DataError
from timeseries.frequency import Frequency
from timeseries.steps import STAMP, weekday
from timeseries.tables.layout import Table, plain

_LONGEST_STEP = np.timedelta64(1, "h")  # the rows of longer steps do not show the change of a clock
_DAY = np.timedelta64(1, "D")
_EARLIEST, _LATEST = np.datetime64("0002"), np.datetime64("9999")  # their instants have years 1 to 9999
_SUNDAY, _HOURS = 6, 4  # clocks are changed on Sundays, before four
_SKIPPING, _REPEATING = (3, 4, 9, 10), (3, 4, 10, 11)  # months, of both hemispheres
CLOCK_ADVICE = (
    "if a clock was changed at that hour, name its zone, season_zone='...', e.g. 'Europe/Berlin': then the "
    "rows are read in their order as what it showed"
)
"""What helps where stamps are absent or stand twice only as they do when clocks are changed."""
_OFFSETS = "write all stamps with their offsets from UTC"


def shows_a_clock(table: Table, codes: np.ndarray, time: np.ndarray) -> bool:
    """Tell whether stamps without a zone, (N,), in which series lie together, are to be read as a clock."""
    layout = table.layout
    if layout.season_zone is None or time.dtype.kind != "M":
        return False
    if layout.freq is not None:
        frequency = Frequency.parse(layout.freq)
        return frequency.below_a_day and bool(frequency.after(time[:1], 1)[0, 0] - time[0] <= _LONGEST_STEP)
    steps = np.abs(np.diff(time))[codes[1:] == codes[:-1]]
    return bool(((steps > np.timedelta64(0)) & (steps <= _LONGEST_STEP)).any())


def clock_read(table: Table, codes: np.ndarray, time: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """Read what the clock of the layout's zone showed as instants of UTC.

    Parameters
    ----------
    table
        Its layout names the zone; it takes a note of what was done.
    codes
        Series of each row, rows of one series together, shape (N,).
    time
        What the clock showed, in order of the user's rows within each series, shape (N,).
    rows
        Position of each in the user's table, shape (N,); None if that is the order here.

    Returns
    -------
    ndarray
        Shape (N,).

    Raises
    ------
    DataError
        For stamps that the clock never showed, and where it showed them twice and the rows do not tell which
        is meant.
    """
    zone = str(table.layout.season_zone)
    rows = np.arange(len(time)) if rows is None else rows
    outside = (time < _EARLIEST) | (time >= _LATEST)
    if outside.any():
        problem = f"The clock of {zone} is known for the years 2 to 9998 only."
        raise table.fault(problem, rows[outside], "correct these stamps.", table.layout.time)
    first, second = (_instants(time, zone, before_change=before) for before in (True, False))  # (N,) each
    absent = np.isnat(first)
    if absent.any():
        raise _never_shown(table, zone, rows[absent])
    after = np.zeros(len(time), dtype=bool)
    twice = first != second
    if twice.any():
        after = _Repeated(table, zone, codes, time, rows, first, second).after_change()
    table.notes.append(_note(table, time[twice & ~after], time[after]))
    return np.where(after, second, first)


def _note(table: Table, before: np.ndarray, after: np.ndarray) -> str:
    """Say how stamps were read, and which hours stand before and after a change, (R,) each, or at an end."""
    note = (
        f"Stamps of the {table.name} without an offset were read as the clock of {table.layout.season_zone}"
    )
    both, one = np.intersect1d(before, after), np.setxor1d(before, after)
    if len(both):
        years = len(np.unique(both.astype("datetime64[D]"))) - 1
        note += f"; the hour at {_hour(both[0])} stands twice, first before the change"
        note += f" (so in {years} more years)" if years else ""
    elif len(one):
        note += f"; the hour at {_hour(one[0])}, at an end of the rows, was read as the one that adjoins them"
    return f"{note}."


@dataclass(frozen=True, eq=False)
class _Repeated:
    """Stamps of which the clock showed some twice; all arrays have shape (N,)."""

    table: Table
    zone: str
    codes: np.ndarray
    time: np.ndarray
    rows: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def after_change(self) -> np.ndarray:
        """Tell which of them the clock showed after it was put back, shape (N,)."""
        same, ahead = self.codes[1:] == self.codes[:-1], np.diff(self.time)  # (N-1,) each
        twice = self.first != self.second
        inner = np.append(
            False, twice[1:] & twice[:-1] & same & (np.abs(ahead) < _DAY)
        )  # goes on with an hour
        back = np.append(False, same & (ahead <= np.timedelta64(0)))
        begins = np.flatnonzero(twice & ~inner)  # (R,) rows, one for each repeated hour of a series
        ends = np.flatnonzero(twice & ~np.append(inner[1:], False))  # (R,)
        hour = np.cumsum(twice & ~inner) - 1  # the hour that a row belongs to, if the clock showed it twice
        passed = np.cumsum(back)
        breaks = passed[ends] - passed[begins]  # (R,) an hour that is there twice goes back once
        disordered = np.isin(
            self.codes, self.codes[back & ~inner & np.append(False, ahead < np.timedelta64(0))]
        )
        self._refuse_disorder(twice & (disordered | (breaks > 1)[hour]))
        late = (breaks == 0) & self._begins_a_series(begins, ends)
        self._refuse_single(begins[(breaks == 0) & ~late & ~self._ends_a_series(begins, ends)])
        return np.asarray(twice & (late[hour] | (passed > passed[begins][hour])))

    def _begins_a_series(self, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Tell which hours, (R,), begin a series that goes on right after the second of them."""
        starts = (begins == 0) | (self.codes[begins] != self.codes[begins - 1])
        after = np.minimum(ends + 1, len(self.time) - 1)
        goes_on = (after > ends) & (self.codes[after] == self.codes[ends])
        return np.asarray(starts & goes_on & (self.first[after] - self.second[ends] <= _LONGEST_STEP))

    def _ends_a_series(self, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Tell which hours, (R,), end a series that led right up to the first of them."""
        stops = (ends == len(self.time) - 1) | (self.codes[ends] != np.roll(self.codes, -1)[ends])
        before = np.maximum(begins - 1, 0)
        led = (before < begins) & (self.codes[before] == self.codes[begins])
        return np.asarray(stops & led & (self.first[begins] - self.second[before] <= _LONGEST_STEP))

    def _refuse_disorder(self, wrong: np.ndarray) -> None:
        """Refuse rows, marked (N,), whose order does not tell which hour came first."""
        if wrong.any():
            problem = (
                f"The clock of {self.zone} showed these stamps twice, and the order of the rows does not "
                "tell which of them came before it was put back."
            )
            fix = (
                "put the rows of each series in order of time, oldest first: the hour before the change, "
                f"then the one after it, each stamp once in each; or {_OFFSETS}."
            )
            raise self.table.fault(problem, np.sort(self.rows[wrong]), fix, self.table.layout.time)

    def _refuse_single(self, positions: np.ndarray) -> None:
        """Refuse repeated hours that the table has once; each begins at a position."""
        if len(positions):
            problem = (
                f"The clock of {self.zone} showed these stamps twice, but the table has their hour once: "
                "before or after it was put back?"
            )
            fix = f"add the rows of the other hour, in order of time, or {_OFFSETS}."
            raise self.table.fault(problem, self.rows[positions], fix, self.table.layout.time)


def is_skipped_hour(stamps: np.ndarray) -> bool:
    """Tell whether all stamps, (R,), are of hours that clocks skip in spring.

    >>> is_skipped_hour(np.array(["2024-03-31T02:00"], dtype="datetime64[us]"))
    True
    """
    return _on_change_days(stamps, _SKIPPING)


def is_repeated_hour(stamps: np.ndarray) -> bool:
    """Tell whether all stamps, (R,), are of hours that clocks show twice in autumn.

    >>> is_repeated_hour(np.array(["2024-10-27T02:00", "2024-10-28T02:00"], dtype="datetime64[us]"))
    False
    """
    return _on_change_days(stamps, _REPEATING)


def _on_change_days(stamps: np.ndarray, months: tuple[int, ...]) -> bool:
    """Tell whether stamps, (R,), lie early on Sundays at an end of these months."""
    if stamps.dtype.kind != "M":
        return False
    days, month = stamps.astype("datetime64[D]"), stamps.astype("datetime64[M]")
    day = (days - month.astype("datetime64[D]")).astype(np.int64)  # (R,) from 0
    hour = (stamps - days).astype("timedelta64[h]").astype(np.int64)  # (R,)
    fitting = np.isin(month.astype(np.int64) % 12 + 1, months) & ((day < 14) | (day > 22))
    return bool((fitting & (weekday(stamps) == _SUNDAY) & (hour < _HOURS)).all())


def _instants(time: np.ndarray, zone: str, *, before_change: bool) -> np.ndarray:
    """Return when a clock shows some times, (N,), in UTC; NaT for times that it skips."""
    summer = np.full(len(time), before_change)
    zoned = pd.DatetimeIndex(time).tz_localize(zone, ambiguous=summer, nonexistent="NaT")
    return zoned.tz_convert("UTC").tz_localize(None).to_numpy().astype(STAMP)


def _never_shown(table: Table, zone: str, rows: np.ndarray) -> DataError:
    """Word the error about stamps that a clock skips."""
    problem = f"The clock of {zone} never showed these stamps: it was put forward past them."
    fix = "correct or drop these rows; if the stamps do not follow that clock, leave season_zone out, or "
    fix += f"{_OFFSETS}."
    return table.fault(problem, rows, fix, table.layout.time)


def _hour(stamp: np.datetime64) -> str:
    """Write the hour of a stamp."""
    return str(plain(stamp).floor("h"))[:16]
