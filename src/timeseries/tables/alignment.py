"""Rows in order: sorted by series and stamp, free of duplicates, the future right after the history.

Every error speaks of the rows as the user numbered them.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from timeseries.errors import DataError
from timeseries.frequency import Frequency
from timeseries.tables.clock import CLOCK_ADVICE, clock_read, is_repeated_hour, shows_a_clock
from timeseries.tables.columns import refuse_nameless, series_codes, stamps
from timeseries.tables.layout import SHOWN, Table, fault, joint_name, plain
from timeseries.tables.roles import likely_ids

_FEW, _MANY = 2, 10  # at least so many rows, and one row in so many, are more repeats than slips


@dataclass(frozen=True, eq=False, kw_only=True)
class Timeline:
    """The rows of a table in order of series and stamp."""

    table: Table
    ids: tuple[Hashable, ...]
    offsets: np.ndarray
    """Rows of series s are offsets[s]:offsets[s+1], shape (S+1,)."""
    time: np.ndarray
    """Stamps in order, shape (N,)."""
    rows: np.ndarray | None
    """Position of each in the user's table, shape (N,); None if the table was in order."""
    zone: str | None = None
    """Time zone in which the table writes its stamps; ``time`` is in UTC then."""
    repeats: np.ndarray | None = None
    """Positions of ``rows`` at which a new stamp begins, where rows of the same stamp are averaged."""

    @property
    def firsts(self) -> np.ndarray:
        """Where each series begins, shape (S,)."""
        return self.offsets[:-1]

    @property
    def lasts(self) -> np.ndarray:
        """Where each series ends, shape (S,)."""
        return self.offsets[1:] - 1

    def ordered(self, cells: np.ndarray) -> np.ndarray:
        """Bring cells (rows of the table, C) into this order, (N, C); rows of the same stamp are averaged."""
        cells = cells if self.rows is None else cells[self.rows]
        return cells if self.repeats is None else _averaged(cells, self.repeats)

    def row(self, position: int) -> int:
        """Return the row of the table behind a position, the first where several are averaged."""
        return int(self.numbers(np.array([position]))[0])

    def numbers(self, positions: np.ndarray) -> np.ndarray:
        """Return the rows of the table behind some positions."""
        positions = positions if self.repeats is None else self.repeats[positions]
        return np.asarray(positions if self.rows is None else self.rows[positions])

    def written(self, stamp: Any) -> Any:
        """Write a stamp as the table does: in its time zone."""
        return plain(stamp) if self.zone is None else plain(stamp).tz_localize("UTC").tz_convert(self.zone)

    @property
    def local_advice(self) -> str:
        """Say what helps if the steps are not regular because clocks were changed."""
        return " If these are local days or months, drop the zone." if self.local_code else ""

    @property
    def local_code(self) -> str | None:
        """The code that drops the zone of stamps, which may be local days."""
        name = self.table.layout.time
        utc = self.zone in (None, "UTC")
        return None if utc else f"frame[{name!r}] = frame[{name!r}].dt.tz_localize(None)"

    def kept(self, keep: np.ndarray) -> "Timeline":
        """Leave out the rows, shape (N,), and series that are not to be kept."""
        lengths = np.diff(np.append(0, np.cumsum(keep))[self.offsets])  # (S,)
        ids = self.ids
        if (lengths == 0).any():
            ids = tuple(name for name, length in zip(ids, lengths, strict=True) if length)
        offsets, rows = offsets_of(lengths[lengths > 0]), self.numbers(np.flatnonzero(keep))
        return replace(self, ids=ids, offsets=offsets, time=self.time[keep], rows=rows, repeats=None)

    def series(self, position: int) -> int:
        """Return the number of the series at a position."""
        return int(np.searchsorted(self.offsets, position, side="right")) - 1

    def name(self, series: int) -> str:
        """Name a series in an error; a wide table's stamps belong to all of its series."""
        return "all series" if self.table.shape == "wide" else f"series {self.ids[series]!r}"

    def where(self, position: int, column: Hashable = None) -> dict[str, Any]:
        """Return the place of a position as the fields of a DataError."""
        return self.table.where(self.row(position), column)

    def fault(
        self,
        problem: str,
        positions: np.ndarray,
        fix: str,
        column: Hashable = None,
        *,
        code: str | None = None,
    ) -> DataError:
        """Word an error about some positions."""
        return self.table.fault(problem, self.numbers(positions), fix, column, code=code)


def draw_timeline(table: Table) -> Timeline:
    """Put the rows of a table in order, and refuse duplicates."""
    if table.shape == "long":
        codes, ids = series_codes(table)
    else:
        codes, ids = np.zeros(len(table.frame), dtype=np.int64), (joint_name(table.targets),)
    return _arranged(table, codes, ids)


def continue_timeline(past: Timeline, table: Table, frequency: Frequency) -> tuple[Timeline, np.ndarray]:
    """Put the rows of a future table in order, and refuse what does not follow the history step by step.

    Also returns which of them follow the history, shape (N,); those within it are not used.
    """
    codes = np.zeros(len(table.frame), dtype=np.int64)
    if table.shape == "long":
        refuse_nameless(table)
        names = pd.Index(table.frame[table.layout.id].array, tupleize_cols=False)
        codes = pd.Index(past.ids, tupleize_cols=False).get_indexer(names).astype(np.int64)
    if (codes < 0).any():
        problem = "The future table has series that the table does not have."
        raise table.fault(problem, np.flatnonzero(codes < 0), "drop these rows.", table.layout.id)
    table = replace(table, layout=replace(table.layout, freq=frequency.step))
    future = _arranged(table, codes, past.ids)
    absent = np.flatnonzero(np.diff(future.offsets) == 0)
    if len(absent):
        lines = [f"series {past.ids[series]!r}" for series in absent[:SHOWN]]
        problem = "The future table must continue every series, but lacks some."
        raise fault(problem, lines, len(absent), "add them.", file=table.file, series=past.ids[absent[0]])
    if future.time.dtype != past.time.dtype:
        raise DataError(
            f"Stamps of the future table are {stamp_kind(future)}, those of the table {stamp_kind(past)}. "
            "Give both the same kind."
        )
    if future.zone != past.zone:
        raise DataError(
            f"Stamps of the future table have {zone_kind(future.zone)}, those of the table "
            f"{zone_kind(past.zone)}. Convert one to the time zone of the other."
        )
    later = _after_the_history(past, future)
    _refuse_breaks(past, future.kept(later), frequency)
    return future, later


def _after_the_history(past: Timeline, future: Timeline) -> np.ndarray:
    """Tell which rows of the future follow the history of their series, shape (N,); each series needs one."""
    lengths = np.diff(future.offsets)
    later: np.ndarray = future.time > np.repeat(past.time[past.lasts], lengths)
    begun = np.flatnonzero(np.logical_or.reduceat(later, future.firsts) == 0)
    if len(begun):
        lines = [
            f"{past.name(series)} ends at {past.written(past.time[past.lasts[series]])}, "
            f"its future at {past.written(future.time[future.lasts[series]])}"
            for series in begun[:SHOWN]
        ]
        problem = "The future table has no stamp after the last one of each series."
        first = future.where(future.lasts[begun[0]])
        raise fault(problem, lines, len(begun), "add the rows that follow the history.", **first)
    if not later.all():
        future.table.notes.append(
            f"{int((~later).sum())} rows of the future table lie in the history: not used."
        )
    return later


def _arranged(table: Table, codes: np.ndarray, ids: tuple[Hashable, ...]) -> Timeline:
    """Sort rows by series and stamp, unless they are so already."""
    time, zone = stamps(table)
    rows = None
    if (np.diff(codes) < 0).any():
        rows = np.argsort(codes.astype(np.min_scalar_type(len(ids))), kind="stable")
        codes, time = codes[rows], time[rows]
    if zone is None and shows_a_clock(table, codes, time):
        time, zone = clock_read(table, codes, time, rows), table.layout.season_zone
    if ((codes[1:] == codes[:-1]) & (time[1:] < time[:-1])).any():
        order = np.lexsort((time, codes))
        rows = order if rows is None else rows[order]
        time = time[order]
        table.notes.append(f"Rows of the {table.name} were not in order of {table.layout.time}: sorted.")
    offsets = offsets_of(np.bincount(codes, minlength=len(ids)))
    timeline = Timeline(table=table, ids=ids, offsets=offsets, time=time, rows=rows, zone=zone)
    again = np.concatenate([[False], (codes[1:] == codes[:-1]) & (time[1:] == time[:-1])])
    return _without_repeats(timeline, again) if again.any() else timeline


def _without_repeats(timeline: Timeline, again: np.ndarray) -> Timeline:
    """Keep a row of each stamp, as the layout says; ``again``, (N,), marks those that repeat the last."""
    table, kind = timeline.table, timeline.table.layout.duplicates
    if kind == "error":
        raise _duplicates(timeline, np.flatnonzero(again))
    did = "their numbers were averaged" if kind == "mean" else f"the {kind} row was kept"
    table.notes.append(f"{int(again.sum())} rows of the {table.name} repeat a stamp of their series: {did}.")
    keep = ~again if kind != "last" else ~np.append(again[1:], False)
    kept = timeline.kept(keep)
    return replace(kept, rows=timeline.rows, repeats=np.flatnonzero(keep)) if kind == "mean" else kept


def _averaged(cells: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Average each run of rows that begins at ``begins``, column by column, over what was observed."""
    first = np.repeat(cells[begins], np.diff(np.append(begins, len(cells))), axis=0)
    base = np.where(np.isnan(first), 0.0, first)  # equal numbers keep their last bit
    seen = np.add.reduceat(~np.isnan(cells), begins, axis=0, dtype=np.int64)
    excess = np.add.reduceat(np.nan_to_num(cells - base), begins, axis=0)
    mean = base[begins] + excess / np.maximum(seen, 1)
    return np.where(seen > 0, mean, np.nan)


def _duplicates(timeline: Timeline, again: np.ndarray) -> DataError:
    """Word the error about stamps that occur twice in a series, with both rows and whether they agree."""
    table, name = timeline.table, timeline.table.layout.time
    ones, twos = timeline.numbers(again - 1), timeline.numbers(again)  # (R,) rows of the table
    differ = _differ(table, ones, twos)  # (R,)
    lines = [
        f"{timeline.name(timeline.series(again[number]))}, {name} "
        f"{timeline.written(timeline.time[again[number]])}: {table.numbered(int(ones[number]))} and "
        f"{table.numbered(int(twos[number]))}, their values {'differ' if differ[number] else 'agree'}"
        for number in range(min(SHOWN, len(again)))
    ]
    problem = f"Column {name!r} of the {table.name} has the same stamp twice within a series."
    fix = "give duplicates='first', 'last' or 'mean', or drop the surplus rows"
    keys = [table.layout.id, name] if table.shape == "long" else [name]
    code: str | None = f"frame = frame.drop_duplicates({keys!r})"
    if table.shape != "long" and table.name == "table":
        naming = f"if the table holds several series, name their column: {_id_advice(table)}"
        many = differ.sum() >= max(_FEW, len(timeline.time) / _MANY)
        fix = f"{naming}; if it is one series, {fix}" if many else f"{fix}; {naming}"
        code = None if many else code
    if timeline.zone is None and is_repeated_hour(timeline.time[again]) and not _are_days(timeline.time):
        fix = f"{CLOCK_ADVICE}; else {fix}"
        code = None
    return fault(problem, lines, len(again), f"{fix}.", code=code, **timeline.where(again[0], name))


def _are_days(time: np.ndarray) -> bool:
    """Tell whether all stamps, (N,), are whole days."""
    return bool((time == time.astype("datetime64[D]")).all())


def _differ(table: Table, ones: np.ndarray, twos: np.ndarray) -> np.ndarray:
    """Tell which pairs of rows, (R,) each, hold different values."""
    own = table.columns if table.name == "table" else ()
    differ = np.zeros(len(ones), dtype=bool)  # (R,)
    for column in (*own, *table.layout.future):
        one, two = (table.frame[column].iloc[rows].astype(object).to_numpy() for rows in (ones, twos))  # (R,)
        differ |= ~(pd.isna(one) & pd.isna(two)) & np.array([a != b for a, b in zip(one, two, strict=True)])
    return differ


def _id_advice(table: Table) -> str:
    """Name the columns that may name the series, and what is then to forecast."""
    likely = likely_ids(table)
    if not likely:
        return "id='...'"
    ids = " or ".join(f"id={name!r}" for name in likely[:SHOWN])
    if table.layout.named_targets or "y" in table.frame.columns:
        return ids
    others = [name for name in table.targets if name not in likely]
    return f"{ids}, with target={others[0]!r}" if len(others) == 1 else f"{ids}, with target='...'"


def _refuse_breaks(past: Timeline, future: Timeline, frequency: Frequency) -> None:
    """Refuse a future table that does not begin right after the history, or does not keep its step."""
    expected = frequency.after(past.time[past.lasts], 1)[:, 0]
    wrong = np.flatnonzero(future.time[future.firsts] != expected)
    if len(wrong):
        lines = []
        for series in wrong[:SHOWN]:
            begins, ends = future.firsts[series], past.lasts[series]
            lines.append(
                f"{past.name(series)} ends at {past.written(past.time[ends])}, so the future table "
                f"must begin at {past.written(expected[series])}; it begins at "
                f"{past.written(future.time[begins])} ({future.table.numbered(future.row(begins))})"
            )
        fix = "give every row that follows the history."
        problem = "The future table must begin right after the last stamp of each series."
        first = future.where(future.firsts[wrong[0]], future.table.layout.time)
        raise fault(problem, lines, len(wrong), fix, **first)
    steps = np.ones(len(future.time), dtype=np.int64)
    steps[1:] = frequency.count(future.time[:-1], future.time[1:])
    steps[future.firsts] = 1
    if (steps != 1).any():
        problem = f"Rows of the future table do not follow the one before by one step of {frequency.step!r}."
        column = future.table.layout.time
        raise future.fault(problem, np.flatnonzero(steps != 1), "add the rows that are absent.", column)


def zone_kind(zone: str | None) -> str:
    """Say which time zone stamps have."""
    return "no time zone" if zone is None else f"the time zone {zone}"


def stamp_kind(timeline: Timeline) -> str:
    """Say which kind of stamps a timeline has."""
    return "integers" if timeline.time.dtype.kind == "i" else "dates"


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Turn the lengths of series into the offsets of a buffer."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def numbered_within(offsets: np.ndarray) -> np.ndarray:
    """Return for each row of a buffer its number within its series."""
    return np.asarray(np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets)))
