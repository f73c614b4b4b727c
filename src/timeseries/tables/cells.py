"""The numbers of a table as matrices in order of series and stamp: values, known covariates, static features.

Absent values are judged here, after the rows have found their series: those at the head of a series are left
out with a note, a series without any value is refused or dropped, all others are refused or masked.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from timeseries.errors import DataError
from timeseries.tables.alignment import Timeline, draw_timeline, numbered_within
from timeseries.tables.columns import numbers
from timeseries.tables.layout import SHOWN, Table, fault


@dataclass(frozen=True, eq=False, kw_only=True)
class Cells:
    """The rows of a timeline and what they hold."""

    timeline: Timeline
    values: np.ndarray
    """Targets, then past covariates, shape (N, C)."""
    known: np.ndarray
    """Covariates known into the future, shape (N, K)."""
    static: np.ndarray
    """Constant features, shape (N, Q), or (S, Q) once they are known to be constant."""

    def kept(self, keep: np.ndarray) -> "Cells":
        """Leave out the rows, shape (N,), that are not to be kept, and series without any."""
        return Cells(
            timeline=self.timeline.kept(keep),
            values=self.values[keep],
            known=self.known[keep],
            static=self.static[keep],
        )


def read_cells(table: Table) -> Cells:
    """Read the numbers of a table in order, and judge those that are absent."""
    timeline, layout = draw_timeline(table), table.layout
    cells = Cells(
        timeline=timeline,
        values=ordered_numbers(timeline, table.columns),
        known=ordered_numbers(timeline, layout.future),
        static=ordered_numbers(timeline, layout.static),
    )
    cells = _without_bad_series(cells)
    if not table.masks:
        cells = _without_empty_heads(cells)
        judged = _heads_excused(cells) if table.shape == "wide" else cells.values
        refuse_absent(cells.timeline, judged, cells.timeline.table.columns)
    refuse_absent(cells.timeline, cells.known, layout.future)
    refuse_absent(cells.timeline, cells.static, layout.static)
    return replace(cells, static=_constant(cells))


def ordered_numbers(timeline: Timeline, columns: Sequence[Hashable]) -> np.ndarray:
    """Read columns of numbers side by side, in order of the timeline, shape (N, len(columns)), as a copy."""
    matrix = np.empty((len(timeline.table.frame), len(columns)))
    for number, column in enumerate(columns):
        matrix[:, number] = numbers(timeline.table, column)
    return timeline.ordered(matrix)


def refuse_absent(timeline: Timeline, matrix: np.ndarray, columns: Sequence[Hashable]) -> None:
    """Refuse absent values, shape (N, len(columns)), with the advice that suits the role of their column."""
    absent = np.isnan(matrix)
    if not absent.any():
        return
    number = int(absent.any(axis=0).argmax())
    table, column = timeline.table, columns[number]
    problem = (
        f"Column {column!r} of the {table.name} has absent values (NaN); expected a number in every row."
    )
    if column in table.columns:
        fix = "give missing='mask' to keep them as masked steps, or fill them (at the ends: drop the rows)."
    else:
        fix = "fill them: a covariate known into the future and a static feature need every value."
    raise timeline.fault(problem, np.flatnonzero(absent[:, number]), fix, column)


def joined(
    history: np.ndarray, offsets: np.ndarray, later: np.ndarray, later_offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Append to each series' known covariates those of its future; return them with their offsets."""
    both = offsets + later_offsets
    known = np.empty((both[-1], history.shape[1]))
    known[np.repeat(later_offsets[:-1], np.diff(offsets)) + np.arange(len(history))] = history
    known[np.repeat(offsets[1:], np.diff(later_offsets)) + np.arange(len(later))] = later
    return known, both


def _without_bad_series(cells: Cells) -> Cells:
    """Refuse or drop the series in which a target was never observed."""
    timeline, table = cells.timeline, cells.timeline.table
    count = len(table.targets)
    observed = np.logical_or.reduceat(~np.isnan(cells.values[:, :count]), timeline.firsts, axis=0)  # (S, D)
    if observed.all():
        return cells
    if table.layout.bad_series == "error":
        raise _unobserved(timeline, np.argwhere(~observed))
    good: Any = observed[0] if table.shape == "wide" else observed.all(axis=1)
    if not good.any():
        raise DataError(
            "No series of the table has a single observed value, so that none is left to forecast."
        )
    names: tuple[Hashable, ...] = table.targets if table.shape == "wide" else timeline.ids
    bad = [name for name, is_good in zip(names, good, strict=True) if not is_good]
    more = f", ... ({len(bad)} in all)" if len(bad) > SHOWN else ""
    table.notes.append(
        f"Left out without a single observed value: {', '.join(map(repr, bad[:SHOWN]))}{more}."
    )
    if table.shape != "wide":
        return cells.kept(np.repeat(good, np.diff(timeline.offsets)))
    targets = tuple(name for name in names if name not in bad)
    columns = np.append(good, np.ones(cells.values.shape[1] - count, dtype=bool))
    timeline = replace(timeline, table=replace(table, targets=targets))
    return replace(cells, timeline=timeline, values=np.ascontiguousarray(cells.values[:, columns]))


def _unobserved(timeline: Timeline, wrong: np.ndarray) -> DataError:
    """Word the error about series without a value; ``wrong`` are their numbers and targets, shape (W, 2)."""
    table = timeline.table
    lines = []
    for series, target in wrong[:SHOWN]:
        place = table.place(timeline.row(timeline.offsets[series]), table.targets[target])
        lines.append(f"{place}: nan from here to the end")
    problem = "Series without a single observed value cannot be learned or forecast."
    first = table.where(timeline.row(timeline.offsets[wrong[0, 0]]), table.targets[wrong[0, 1]])
    return fault(problem, lines, len(wrong), "drop these series, or give bad_series='drop'.", **first)


def _without_empty_heads(cells: Cells) -> Cells:
    """Leave out the rows of each series before the first one in which any target was observed."""
    timeline = cells.timeline
    if not np.isnan(cells.values[timeline.firsts]).any():
        return cells
    seen = ~np.isnan(cells.values[:, : len(timeline.table.targets)]).all(axis=1)  # (N,)
    within = numbered_within(timeline.offsets)
    begins = np.minimum.reduceat(np.where(seen, within, np.iinfo(np.int64).max), timeline.firsts)  # (S,)
    keep = within >= np.repeat(begins, np.diff(timeline.offsets))
    if keep.all():
        return cells
    timeline.table.notes.append(
        f"{int((~keep).sum())} rows before the first observed value of their series were left out "
        f"({int((begins > 0).sum())} series)."
    )
    return cells.kept(keep)


def _heads_excused(cells: Cells) -> np.ndarray:
    """Return the values of a wide table with zeros before each series begins: the panel leaves these out."""
    values, count = cells.values, len(cells.timeline.table.targets)
    begun = np.ones(values.shape, dtype=bool)
    begun[:, :count] = np.logical_or.accumulate(~np.isnan(values[:, :count]), axis=0)
    return np.where(begun, values, 0.0)


def _constant(cells: Cells) -> np.ndarray:
    """Take the static features of each series, shape (S, Q), and refuse those that vary within one."""
    timeline, names = cells.timeline, cells.timeline.table.layout.static
    static: np.ndarray = cells.static[timeline.firsts]
    varies = cells.static != np.repeat(static, np.diff(timeline.offsets), axis=0)
    if varies.any():
        column = int(varies.any(axis=0).argmax())
        positions = np.flatnonzero(varies[:, column])
        begins = static[timeline.series(int(positions[0])), column]
        problem = f"Static column {names[column]!r} varies within a series (which begins with {begins})."
        fix = (
            f"make it constant, or name it as past=[{names[column]!r}] or future=[{names[column]!r}] instead."
        )
        raise timeline.fault(problem, positions, fix, names[column])
    return static
