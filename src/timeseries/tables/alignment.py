"""Rows in order: sorted by series and stamp, free of duplicates, the future right after the history.

Every error speaks of the rows as the user numbered them.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from timeseries.errors import DataError
from timeseries.frequency import Frequency
from timeseries.tables.columns import refuse_nameless, series_codes, stamps
from timeseries.tables.layout import SHOWN, Table, fault, joint_name, plain


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

    @property
    def firsts(self) -> np.ndarray:
        """Where each series begins, shape (S,)."""
        return self.offsets[:-1]

    @property
    def lasts(self) -> np.ndarray:
        """Where each series ends, shape (S,)."""
        return self.offsets[1:] - 1

    def ordered(self, cells: np.ndarray) -> np.ndarray:
        """Bring cells from the table's order into this order."""
        return cells if self.rows is None else cells[self.rows]

    def row(self, position: int) -> int:
        """Return the row of the table behind a position."""
        return int(position if self.rows is None else self.rows[position])

    def series(self, position: int) -> int:
        """Return the number of the series at a position."""
        return int(np.searchsorted(self.offsets, position, side="right")) - 1

    def name(self, series: int) -> str:
        """Name a series in an error; a wide table's stamps belong to all of its series."""
        return "all series" if self.table.shape == "wide" else f"series {self.ids[series]!r}"

    def fault(self, problem: str, positions: np.ndarray, fix: str, column: Hashable = None) -> DataError:
        """Word an error about some positions."""
        rows = positions if self.rows is None else self.rows[positions]
        return self.table.fault(problem, rows, fix, column)


def draw_timeline(table: Table) -> Timeline:
    """Put the rows of a table in order, and refuse duplicates."""
    if table.shape == "long":
        codes, ids = series_codes(table)
    else:
        codes, ids = np.zeros(len(table.frame), dtype=np.int64), (joint_name(table.targets),)
    return _arranged(table, codes, ids)


def continue_timeline(past: Timeline, table: Table, frequency: Frequency) -> Timeline:
    """Put the rows of a future table in order, and refuse what does not follow the history step by step."""
    codes = np.zeros(len(table.frame), dtype=np.int64)
    if table.shape == "long":
        refuse_nameless(table)
        names = pd.Index(table.frame[table.layout.id].array, tupleize_cols=False)
        codes = pd.Index(past.ids, tupleize_cols=False).get_indexer(names).astype(np.int64)
    if (codes < 0).any():
        problem = "The future table has series that the table does not have."
        raise table.fault(problem, np.flatnonzero(codes < 0), "drop these rows.", table.layout.id)
    future = _arranged(table, codes, past.ids)
    absent = np.flatnonzero(np.diff(future.offsets) == 0)
    if len(absent):
        lines = [f"series {past.ids[series]!r}" for series in absent[:SHOWN]]
        problem = "The future table must continue every series, but lacks some."
        raise fault(problem, lines, len(absent), "add them.")
    if future.time.dtype != past.time.dtype:
        raise DataError(
            f"Stamps of the future table are {stamp_kind(future)}, those of the table {stamp_kind(past)}. "
            "Give both the same kind."
        )
    _refuse_breaks(past, future, frequency)
    return future


def _arranged(table: Table, codes: np.ndarray, ids: tuple[Hashable, ...]) -> Timeline:
    """Sort rows by series and stamp, unless they are so already."""
    time = stamps(table)
    rows = None
    if (np.diff(codes) < 0).any():
        rows = np.argsort(codes.astype(np.min_scalar_type(len(ids))), kind="stable")
        codes, time = codes[rows], time[rows]
    if ((codes[1:] == codes[:-1]) & (time[1:] < time[:-1])).any():
        order = np.lexsort((time, codes))
        rows = order if rows is None else rows[order]
        time = time[order]
        table.notes.append(f"Rows of the {table.name} were not in order of {table.layout.time}: sorted.")
    offsets = offsets_of(np.bincount(codes, minlength=len(ids)))
    timeline = Timeline(table=table, ids=ids, offsets=offsets, time=time, rows=rows)
    again = np.flatnonzero((codes[1:] == codes[:-1]) & (time[1:] == time[:-1])) + 1
    if len(again):
        raise _duplicates(timeline, again)
    return timeline


def _duplicates(timeline: Timeline, again: np.ndarray) -> DataError:
    """Word the error about stamps that occur twice in a series, with both rows and whether they agree."""
    table, name = timeline.table, timeline.table.layout.time
    columns = [*table.columns, *table.layout.future] if table.name == "table" else [*table.layout.future]
    cells = table.frame[columns]
    lines = []
    for position in again[:SHOWN]:
        one, two = timeline.row(position - 1), timeline.row(position)
        agree = cells.iloc[one].equals(cells.iloc[two])
        lines.append(
            f"{timeline.name(timeline.series(position))}, {name} {plain(timeline.time[position])}: "
            f"{table.numbered(one)} and {table.numbered(two)}, their values {'agree' if agree else 'differ'}"
        )
    problem = f"Column {name!r} of the {table.name} has the same stamp twice within a series."
    keys = [table.layout.id, name] if table.shape == "long" else [name]
    fix = f"drop or average the surplus rows, e.g. frame.drop_duplicates({keys!r})"
    if table.shape != "long":
        fix += "; if the table holds several series, name their column in TableLayout(id=...)"
    if (
        timeline.time.dtype.kind == "M"
        and (timeline.time[again] != timeline.time[again].astype("datetime64[D]")).all()
    ):
        fix += "; if clocks were put back at that hour, convert the stamps to UTC"
    return fault(problem, lines, len(again), f"{fix}.")


def _refuse_breaks(past: Timeline, future: Timeline, frequency: Frequency) -> None:
    """Refuse a future table that does not begin right after the history, or does not keep its step."""
    expected = frequency.after(past.time[past.lasts], 1)[:, 0]
    wrong = np.flatnonzero(future.time[future.firsts] != expected)
    if len(wrong):
        lines = []
        for series in wrong[:SHOWN]:
            begins, ends = future.firsts[series], past.lasts[series]
            lines.append(
                f"{past.name(series)} ends at {plain(past.time[ends])}, so the future table must begin at "
                f"{plain(expected[series])}; it begins at {plain(future.time[begins])} "
                f"({future.table.numbered(future.row(begins))})"
            )
        fix = "give exactly the rows that follow the history."
        raise fault(
            "The future table must begin right after the last stamp of each series.", lines, len(wrong), fix
        )
    steps = np.ones(len(future.time), dtype=np.int64)
    steps[1:] = frequency.count(future.time[:-1], future.time[1:])
    steps[future.firsts] = 1
    if (steps != 1).any():
        problem = f"Rows of the future table do not follow the one before by one step of {frequency.step!r}."
        column = future.table.layout.time
        raise future.fault(problem, np.flatnonzero(steps != 1), "add the rows that are absent.", column)


def stamp_kind(timeline: Timeline) -> str:
    """Say which kind of stamps a timeline has."""
    return "integers" if timeline.time.dtype.kind == "i" else "dates"


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Turn the lengths of series into the offsets of a buffer."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def numbered_within(offsets: np.ndarray) -> np.ndarray:
    """Return for each row of a buffer its number within its series."""
    return np.asarray(np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets)))
