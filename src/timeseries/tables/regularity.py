"""Regular steps: the frequency of a table found and checked, absent stamps refused or masked."""

import re
from collections import Counter

import numpy as np
import pandas as pd

from timeseries.errors import DataError, SettingError
from timeseries.frequency import Frequency
from timeseries.tables.alignment import Timeline, numbered_within, offsets_of, stamp_kind
from timeseries.tables.clock import CLOCK_ADVICE, is_skipped_hour
from timeseries.tables.layout import SHOWN, fault
from timeseries.tables.remarks import DATES_OF_NUMBERS, day_numbers

_ASKED = 10  # how many series, the longest ones, are asked for their frequency
_FILL_FACTOR = 100  # masking may make so many rows of one given,
_FILL_FREE = 1_000_000  # and so many in any case
_CALENDAR = {"M": "months", "Q": "quarters", "Y": "years"}
_ROWS_TO_ADD = (
    "add a row for each absent stamp, with its covariates known into the future and an empty target"
)


def find_frequency(timeline: Timeline) -> Frequency:
    """Take the frequency that the layout declares, else the one that most of the longest series show."""
    table, declared = timeline.table, timeline.table.layout.freq
    if declared is not None:
        frequency = Frequency.parse(declared)
        if isinstance(frequency.step, int) != (timeline.time.dtype.kind == "i"):
            raise SettingError(
                f"freq={declared!r} does not suit the stamps in column {table.layout.time!r}, which are "
                f"{stamp_kind(timeline)}. Give an integer for integers and an alias such as 'h' for dates."
            )
        if frequency.step != declared:
            table.notes.append(f"Frequency {declared!r} was read as {frequency.step!r}.")
        return frequency
    inferred = _observed(timeline)
    if inferred is None:
        raise _no_frequency(timeline)
    table.notes.append(f"Frequency: {inferred}, found in the stamps.")
    return inferred


def count_steps(timeline: Timeline, frequency: Frequency) -> np.ndarray:
    """Count the steps from each row to the one before, shape (N,), with 0 at the start of a series.

    Raises
    ------
    DataError
        For a stamp off the grid, and for absent stamps unless the layout masks them.
    """
    time = timeline.time
    steps = np.ones(len(time), dtype=np.int64)
    steps[timeline.firsts] = 0
    odd = np.flatnonzero(frequency.shift(time[:-1], np.array(1)) != time[1:]) + 1  # few: counting costs more
    odd = odd[steps[odd] == 1]
    steps[odd] = frequency.count(time[odd - 1], time[odd])
    off = (steps < 0) | ~frequency.fits(time)
    if off.any():
        raise _off_grid(timeline, frequency, np.flatnonzero(off))
    if (steps > 1).any():
        _refuse_gaps(timeline, frequency, steps)
    return steps


def fill_gaps(
    timeline: Timeline, frequency: Frequency, steps: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a masked row (NaN) at every absent stamp; return offsets, time and values."""
    table = timeline.table
    given, needed = len(steps), steps.sum(dtype=np.float64) + len(timeline.ids)
    if needed > max(_FILL_FACTOR * given, _FILL_FREE):
        position = int(steps.argmax())
        raise DataError(
            f"Masking absent stamps would make {needed:.0f} rows of {given}; the longest gap ends at "
            f"{table.place(timeline.row(position))}.\n"
            "To fix this: correct that stamp, or give a coarser freq.",
            **timeline.where(position, table.layout.time),
        )
    if table.layout.future:
        position = int(np.flatnonzero(steps > 1)[0])
        raise DataError(
            f"Covariates known into the future ({', '.join(table.layout.future)}) need a value at "
            f"every stamp, but stamps are absent before {table.place(timeline.row(position))}.\n"
            f"To fix this: {_ROWS_TO_ADD}.",
            **timeline.where(position, table.layout.time),
        )
    positions = np.cumsum(np.where(steps == 0, 1, steps)) - 1
    offsets = offsets_of(np.diff(np.append(positions[timeline.firsts], positions[-1] + 1)))
    filled = np.full((offsets[-1], values.shape[1]), np.nan)
    filled[positions] = values
    time = frequency.shift(
        np.repeat(timeline.time[timeline.firsts], np.diff(offsets)), numbered_within(offsets)
    )
    table.notes.append(f"Absent stamps became {len(time) - given} masked rows.")
    return offsets, time, filled


def _observed(timeline: Timeline) -> Frequency | None:
    """Return the frequency that most of the longest series show."""
    longest = np.argsort(-np.diff(timeline.offsets), kind="stable")[:_ASKED]
    shown = [_own_frequency(timeline, series) for series in longest]
    votes = Counter(frequency for frequency in shown if frequency is not None)
    return votes.most_common(1)[0][0] if votes else None


def _own_frequency(timeline: Timeline, series: int) -> Frequency | None:
    """Infer the frequency of one series."""
    return Frequency.infer(timeline.time[timeline.offsets[series] : timeline.offsets[series + 1]])


def _no_frequency(timeline: Timeline) -> DataError:
    """Word the error about stamps without a regular step, with a histogram of their steps."""
    name = timeline.table.layout.time
    lengths = np.diff(timeline.offsets)
    longest = int(lengths.argmax())
    if lengths[longest] < 2:
        return DataError(
            f"Cannot infer the frequency of column {name!r}: no series has two rows.\n"
            "To fix this: give it, e.g. freq='h'.",
            file=timeline.table.file,
            column=name,
        )
    steps = np.diff(timeline.time[timeline.offsets[longest] : timeline.offsets[longest + 1]])
    sizes, counts = np.unique(steps, return_counts=True)
    common = np.argsort(-counts, kind="stable")[:SHOWN]
    lines = [f"{counts[i]} times a step of {_readable(sizes[i])}" for i in common]
    problem = f"Column {name!r} has no regular step: {len(sizes)} different ones in {timeline.name(longest)}."
    if timeline.time.dtype.kind == "M":
        fix = "resample to a regular step, or number the steps 0, 1, 2, ... as time." + timeline.local_advice
    else:
        fix = f"{_day_advice(timeline)}number the steps regularly."
    first = timeline.offsets[longest] + int((steps != sizes[common[0]]).argmax()) + 1  # off the usual step
    return fault(problem, lines, len(lines), fix, code=timeline.local_code, **timeline.where(first, name))


def _off_grid(timeline: Timeline, frequency: Frequency, positions: np.ndarray) -> DataError:
    """Word the error about stamps off the grid: a wrong declaration, series that differ, or a stray stamp."""
    name = timeline.table.layout.time
    if _contradicted(timeline, frequency):
        return _contradiction(timeline, positions)
    series = timeline.series(int(positions[0]))
    if _own_frequency(timeline, series) not in (None, frequency):
        return _mixture(timeline, frequency, np.array([series]))
    if frequency.fits(timeline.time[positions]).all():
        problem = (
            f"Stamps in column {name!r} do not follow the one before by {_whole_steps(timeline, frequency)}."
        )
    else:
        problem = f"Stamps in column {name!r} cannot belong to the frequency {frequency.step!r}."
    fix = f"{_day_advice(timeline)}correct or drop these rows, or resample the series to a regular step."
    fix += timeline.local_advice
    return timeline.fault(problem, positions, fix, name, code=timeline.local_code)


def _contradicted(timeline: Timeline, frequency: Frequency) -> bool:
    """Tell whether the stamps show another frequency than the declared one."""
    return timeline.table.layout.freq is not None and _observed(timeline) not in (None, frequency)


def _contradiction(timeline: Timeline, positions: np.ndarray) -> DataError:
    """Word the error about a declared frequency that the stamps do not follow."""
    layout = timeline.table.layout
    problem = (
        f"Column {layout.time!r} must step by freq={layout.freq!r}, but steps by '{_observed(timeline)}'."
    )
    fix = "resample the table to that step; if freq itself is wrong, leave it out, or give the one observed."
    return timeline.fault(problem, positions, fix, layout.time)


def _mixture(timeline: Timeline, frequency: Frequency, others: np.ndarray) -> DataError:
    """Word the error about series whose frequency differs from that of the table."""
    lines = []
    for series in others[:SHOWN]:
        row = timeline.table.numbered(timeline.row(timeline.offsets[series]))
        own = _own_frequency(timeline, series)
        lines.append(
            f"{timeline.name(series)}, from {row} on, steps {f'by {own.step!r}' if own else 'unevenly'}"
        )
    problem = f"Series differ in frequency: most step by '{frequency}', but not all."
    fix = "fit series of different frequency apart, or resample them to one; if these are gaps, declare freq."
    return fault(problem, lines, len(others), fix, **timeline.where(timeline.offsets[others[0]]))


def _refuse_gaps(timeline: Timeline, frequency: Frequency, steps: np.ndarray) -> None:
    """Refuse absent stamps unless the layout masks them, and refuse to take a coarser frequency for gaps."""
    coarser = _coarser_series(timeline, steps)
    if timeline.table.layout.freq is None and len(coarser):
        raise _mixture(timeline, frequency, coarser)
    if timeline.table.masks:
        return
    if _contradicted(timeline, frequency):
        raise _contradiction(timeline, np.flatnonzero(steps > 1))
    raise _gaps(timeline, frequency, steps)


def _coarser_series(timeline: Timeline, steps: np.ndarray) -> np.ndarray:
    """Find the series of three rows or more that move by whole multiples of two or more steps."""
    inner = steps.copy()
    inner[timeline.firsts] = np.iinfo(np.int64).max
    smallest = np.minimum.reduceat(inner, timeline.firsts)
    lengths = np.diff(timeline.offsets)
    multiple = np.logical_and.reduceat(steps % np.repeat(smallest, lengths) == 0, timeline.firsts)
    return np.flatnonzero((lengths > 2) & (smallest > 1) & multiple)


def _gaps(timeline: Timeline, frequency: Frequency, steps: np.ndarray) -> DataError:
    """Word the error about absent stamps: the first ones of the first series that has some, and the count."""
    gaps = np.flatnonzero(steps > 1)
    first = timeline.series(int(gaps[0]))
    here = gaps[gaps < timeline.offsets[first + 1]]
    lines: list[str] = []
    for position in here[:SHOWN]:
        before = timeline.time[position - 1 : position]
        absent = frequency.after(before, int(min(steps[position] - 1, SHOWN - len(lines))))[0]
        between = f"between {timeline.table.numbered(timeline.row(position - 1))}"
        between += f" and {timeline.table.numbered(timeline.row(position))}"
        lines += [
            f"{timeline.name(first)}, {timeline.table.layout.time} {timeline.written(stamp)}, {between}"
            for stamp in absent
        ]
        if len(lines) == SHOWN:
            break
    others = len(np.unique(np.searchsorted(timeline.offsets, gaps, side="right"))) - 1
    problem = f"Stamps are absent from the steps of '{frequency}' in {timeline.name(first)}"
    problem += f" (and in {others} more series):" if others else ":"
    fix = "give missing='mask' to keep them as masked steps, add the rows"
    if timeline.table.layout.future:
        fix = f"{_ROWS_TO_ADD}, and give missing='mask'"
    fix += ", or correct freq if that is wrong."
    fix = f"{_day_advice(timeline)}{fix}"
    if _are_skipped_hours(timeline, frequency, steps):
        fix = f"{CLOCK_ADVICE}; else {fix}"
    absent = timeline.written(frequency.after(timeline.time[here[0] - 1 : here[0]], 1)[0, 0])
    place = timeline.where(int(here[0])) | {"time": absent}  # the row that stands where it is absent
    return fault(problem, lines, int((steps[here] - 1).sum()), fix, **place)


def _whole_steps(timeline: Timeline, frequency: Frequency) -> str:
    """Name the steps of a frequency; of zoned stamps, 'ME' may be what local starts of months are in UTC."""
    calendar = re.fullmatch(r"(\d*)B?([MQY])[SE].*", str(frequency))
    if calendar is None or timeline.zone is None:
        return f"whole steps of {frequency.step!r}"
    multiple, unit = calendar.groups()
    return f"whole {f'steps of {multiple} ' if multiple else ''}{_CALENDAR[unit]} of UTC"


def _day_advice(timeline: Timeline) -> str:
    """Say first what helps if numbers are days of a spreadsheet; nothing if they do not look so."""
    looks = day_numbers(timeline.time)
    return f"the numbers {looks}: {DATES_OF_NUMBERS}; else " if looks else ""


def _are_skipped_hours(timeline: Timeline, frequency: Frequency, steps: np.ndarray) -> bool:
    """Tell whether all that is absent, by steps (N,), are hours that clocks skip when put forward."""
    gaps = np.flatnonzero(steps > 1)
    if timeline.zone is not None or not frequency.below_a_day:
        return False
    before, ends = timeline.time[gaps - 1], timeline.time[gaps]  # (R,) each
    begins = frequency.shift(before, np.array(1))  # (R,) the first that is absent
    return bool((ends - begins == np.timedelta64(1, "h")).all()) and is_skipped_hour(begins)


def _readable(step: np.integer | np.timedelta64) -> str:
    """Write a step as a duration or a number."""
    return str(pd.Timedelta(step)) if isinstance(step, np.timedelta64) else str(step)
