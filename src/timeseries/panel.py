"""Any table of numbers over time as a panel: one contiguous buffer for all series, with offsets.

A panel is regular: each series holds every stamp of its grid from its first to its last, NaN where nothing
was observed. Three kinds of table become one:

- **long**: a column names the series of each row. The series are sorted by name.
- **wide**: a column per series, one row per stamp. The series keep the order of the columns, and the target
  is called "y". Past, future and static columns belong to all series.
- **joint**: one series with one or several targets, when the targets of a table without series column are
  named, or when "y" is its only column of numbers. The series is called like its target, or "joint" if there
  are several.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from timeseries.errors import DataError
from timeseries.frequency import Frequency
from timeseries.tables.alignment import (
    Timeline,
    continue_timeline,
    draw_timeline,
    numbered_within,
    offsets_of,
)
from timeseries.tables.columns import numbers
from timeseries.tables.csv_file import read_csv
from timeseries.tables.layout import SHOWN, Table, TableLayout, fault
from timeseries.tables.regularity import count_steps, fill_gaps, find_frequency
from timeseries.tables.roles import read_future_table, read_table

__all__ = ["Panel", "TableLayout"]

_LAYOUT = TableLayout()


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """All series of a table in one buffer.

    Parameters
    ----------
    ids
        Names of the S series, of the user's type.
    offsets
        Rows of series s are ``offsets[s]:offsets[s + 1]``, int64, shape (S+1,).
    values
        The D targets, then the past covariates, float64, shape (N, C); NaN where nothing was observed.
    time
        Stamps, datetime64[us] or int64, shape (N,).
    known
        Covariates known into the future, float64, shape (M, K). Those of a series begin with its values and
        may run past their end.
    known_offsets
        Rows of ``known`` of series s are ``known_offsets[s]:known_offsets[s + 1]``, int64, shape (S+1,).
    static
        Constant features, float64, shape (S, Q).
    frequency
        Step between the stamps.
    targets, past, future, static_names
        Names of the columns of ``values`` (targets, then past), ``known`` and ``static``.
    layout
        As given; ``time`` names the column in which the stamps were found.
    shape
        "long", "wide" or "joint".
    notes
        What was done to the table, one sentence each.
    index
        Those of the columns of series and stamps that were the frame's index.

    Examples
    --------
    >>> frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3, freq="h"), "y": [1.0, 2.0, 4.0]})
    >>> panel = Panel.from_frame(frame)
    >>> panel.ids, panel.values[:, 0].tolist(), panel.frequency.step
    (('y',), [1.0, 2.0, 4.0], 'h')
    """

    ids: tuple[Hashable, ...]
    offsets: np.ndarray
    values: np.ndarray
    time: np.ndarray
    known: np.ndarray
    known_offsets: np.ndarray
    static: np.ndarray
    frequency: Frequency
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static_names: tuple[str, ...]
    layout: TableLayout
    shape: str
    notes: tuple[str, ...]
    index: tuple[str, ...] = ()

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, layout: TableLayout = _LAYOUT, *, future: pd.DataFrame | None = None
    ) -> "Panel":
        """Read a frame, check all of it, and put its rows in order. The frame stays as it is.

        Parameters
        ----------
        frame
            Long or wide table, see the head of this file. Stamps are found in the column that the layout
            names, else in an index of dates, else in the only column of dates.
        layout
            Which column is what.
        future
            Stamps and known covariates right after the history of each series. None: they end
            with the history.

        Returns
        -------
        Panel
            Regular series with their frequency.

        Raises
        ------
        DataError
            For anything the table should not contain, naming series, column, row, stamp and a fix. Rows are
            counted from 0, as in ``frame.iloc``.
        SettingError
            If the layout contradicts itself or the arguments.

        Examples
        --------
        >>> frame = pd.DataFrame({"unique_id": ["b", "a", "a"], "ds": [5, 1, 2], "y": [7.0, 1.0, 2.0]})
        >>> panel = Panel.from_frame(frame)
        >>> panel.ids, panel.offsets.tolist(), panel.time.tolist()
        (('a', 'b'), [0, 2, 3], [1, 2, 5])
        """
        table = read_table(frame, layout)
        panel = _panel(table, None if future is None else read_future_table(future, layout, table))
        keys = (table.layout.id, table.layout.time) if table.shape == "long" else (table.layout.time,)
        return replace(panel, index=tuple(name for name in keys if name not in frame.columns))

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        layout: TableLayout = _LAYOUT,
        *,
        future: str | Path | pd.DataFrame | None = None,
    ) -> "Panel":
        """Read a CSV file with a header, plain or gzipped (.gz), in UTF-8.

        Parameters
        ----------
        path
            The file.
        layout
            Which column is what.
        future
            Frame, or path of another such file, as in :meth:`from_frame`.

        Returns
        -------
        Panel
            As from :meth:`from_frame`; names of series stay text unless all are whole numbers.

        Raises
        ------
        DataError
            For an absent, empty or damaged file, and as in :meth:`from_frame`, with the line of the file.
        """
        table = read_table(read_csv(path, layout), layout, in_file=True)
        if future is None or isinstance(future, pd.DataFrame):
            return _panel(table, None if future is None else read_future_table(future, layout, table))
        return _panel(table, read_future_table(read_csv(future, layout), layout, table, in_file=True))

    @property
    def num_series(self) -> int:
        """Number of series, S."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, shape (S,)."""
        return np.diff(self.offsets)

    @property
    def has_missing(self) -> bool:
        """Whether any value was not observed."""
        return bool(np.isnan(self.values).any())

    def until(self, rows: np.ndarray) -> "Panel":
        """Keep the first rows of each series; known covariates stay whole.

        Parameters
        ----------
        rows
            How many rows to keep, from 1 to the length of the series, integer, shape (S,).

        Returns
        -------
        Panel
            With values and time cut.

        Raises
        ------
        DataError
            If a series has fewer rows, or would keep none.

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": [1, 2, 3], "y": [7.0, 8.0, 9.0]})
        >>> Panel.from_frame(frame).until(np.array([2])).time.tolist()
        [1, 2]
        """
        rows = np.asarray(rows)
        if rows.shape != (self.num_series,) or rows.dtype.kind not in "iu":
            raise DataError(
                f"until() needs one integer per series, shape ({self.num_series},); "
                f"got {rows.dtype} of shape {rows.shape}."
            )
        wrong = np.flatnonzero((rows < 1) | (rows > self.lengths))
        if len(wrong):
            first = wrong[0]
            raise DataError(
                f"until() can keep 1 to {self.lengths[first]} rows of series {self.ids[first]!r}, "
                f"but was asked for {rows[first]} ({len(wrong)} series are wrong)."
            )
        keep = numbered_within(self.offsets) < np.repeat(rows, self.lengths)
        return replace(self, offsets=offsets_of(rows), values=self.values[keep], time=self.time[keep])

    def tail(self, rows: int) -> "Panel":
        """Keep the last rows of each series, and the known covariates from the first of them on.

        Parameters
        ----------
        rows
            How many rows to keep, at most; 0 keeps the series and forgets their rows.

        Returns
        -------
        Panel
            With values, time and known covariates cut.

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": [1, 2, 3], "y": [7.0, 8.0, 9.0]})
        >>> Panel.from_frame(frame).tail(2).time.tolist()
        [2, 3]
        """
        kept = np.minimum(self.lengths, rows)  # (S,)
        dropped = self.lengths - kept  # (S,)
        keep = numbered_within(self.offsets) >= np.repeat(dropped, self.lengths)
        known_lengths = np.diff(self.known_offsets)
        keep_known = numbered_within(self.known_offsets) >= np.repeat(dropped, known_lengths)
        return replace(
            self,
            offsets=offsets_of(kept),
            values=self.values[keep],
            time=self.time[keep],
            known=self.known[keep_known],
            known_offsets=offsets_of(known_lengths - dropped),
        )

    def to_frame(self) -> pd.DataFrame:
        """Write the rows as a table again, in the layout that was read; masked steps are empty cells.

        Returns
        -------
        DataFrame
            Targets, covariates and static features with their stamps. Known covariates that run past the
            end of the history are left out.

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": [1, 2], "a": [7.0, 8.0], "b": [5.0, 6.0]})
        >>> Panel.from_frame(frame).to_frame().equals(frame)
        True
        """
        series = np.repeat(np.arange(self.num_series), self.lengths)  # (N,)
        known = self.known[numbered_within(self.offsets) + self.known_offsets[:-1][series]]  # (N, K)
        columns: dict[Hashable, np.ndarray] = {}
        if self.shape == "long":
            columns[self.layout.id] = pd.Index(self.ids, tupleize_cols=False).to_numpy()[series]
        columns[self.layout.time] = self.time
        if self.shape == "wide":  # all series share stamps and covariates: those of the first stand for all
            rows = int(self.lengths[0])
            columns[self.layout.time] = self.time[:rows]
            columns |= {name: self.values[series == s, 0] for s, name in enumerate(self.ids)}
        else:
            rows = len(self.values)
            columns |= {name: self.values[:, i] for i, name in enumerate(self.targets)}
        count = len(self.targets)
        columns |= {name: self.values[:rows, count + i] for i, name in enumerate(self.past)}
        columns |= {name: known[:rows, i] for i, name in enumerate(self.future)}
        columns |= {name: self.static[series[:rows], i] for i, name in enumerate(self.static_names)}
        frame = pd.DataFrame(columns)
        return frame.set_index(list(self.index)) if self.index else frame

    def future_times(self, horizon: int) -> np.ndarray:
        """Make the stamps that follow each series.

        Parameters
        ----------
        horizon
            How many, H.

        Returns
        -------
        ndarray
            Shape (S, H).

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": ["2024-01", "2024-02"], "y": [7.0, 8.0]})
        >>> Panel.from_frame(frame).future_times(2).astype("datetime64[M]").astype(str).tolist()
        [['2024-03', '2024-04']]
        """
        return self.frequency.after(self.time[self.offsets[1:] - 1], horizon)


def _panel(table: Table, future_table: Table | None) -> Panel:
    """Read the cells of a table and build its panel."""
    timeline = draw_timeline(table)
    values = timeline.ordered(_matrix(table, table.columns, absent=table.masks))
    known = timeline.ordered(_matrix(table, table.layout.future, absent=False))
    static = _static(timeline)
    frequency = find_frequency(timeline)
    steps = count_steps(timeline, frequency)
    offsets, time = timeline.offsets, timeline.time
    if (steps > 1).any():
        offsets, time, values = fill_gaps(timeline, frequency, steps, values)
        known = np.empty((len(time), 0))  # with known covariates, gaps have been refused
    _refuse_unobserved(timeline, offsets, values)
    known_offsets = offsets
    if future_table is not None:
        future = continue_timeline(timeline, future_table, frequency)
        later = future.ordered(_matrix(future_table, table.layout.future, absent=False))
        known, known_offsets = _joined(known, offsets, later, future.offsets)
    panel = Panel(
        ids=timeline.ids,
        offsets=offsets,
        values=values,
        time=time,
        known=known,
        known_offsets=known_offsets,
        static=static,
        frequency=frequency,
        targets=tuple(str(name) for name in table.targets),
        past=tuple(table.layout.past),
        future=tuple(table.layout.future),
        static_names=tuple(table.layout.static),
        layout=table.layout,
        shape=table.shape,
        notes=tuple(dict.fromkeys([*table.notes, *(future_table.notes if future_table else [])])),
    )
    return _apart(panel, table.targets) if table.shape == "wide" else panel


def _matrix(table: Table, columns: Sequence[Hashable], *, absent: bool) -> np.ndarray:
    """Read columns of numbers side by side, shape (N, len(columns)), as a copy."""
    matrix = np.empty((len(table.frame), len(columns)))
    for number, column in enumerate(columns):
        matrix[:, number] = numbers(table, column, absent=absent)
    return matrix


def _static(timeline: Timeline) -> np.ndarray:
    """Read the static features, shape (S, Q), and refuse those that vary within a series."""
    layout = timeline.table.layout
    cells = timeline.ordered(_matrix(timeline.table, layout.static, absent=False))
    static: np.ndarray = cells[timeline.firsts]
    varies = cells != np.repeat(static, np.diff(timeline.offsets), axis=0)
    if varies.any():
        column = int(varies.any(axis=0).argmax())
        positions = np.flatnonzero(varies[:, column])
        begins = static[timeline.series(int(positions[0])), column]
        problem = (
            f"Static column {layout.static[column]!r} varies within a series (which begins with {begins})."
        )
        fix = "make it constant, or name it in TableLayout as past or future instead."
        raise timeline.fault(problem, positions, fix, layout.static[column])
    return static


def _refuse_unobserved(timeline: Timeline, offsets: np.ndarray, values: np.ndarray) -> None:
    """Refuse a series without a single value of a target."""
    table = timeline.table
    observed = np.logical_or.reduceat(~np.isnan(values[:, : len(table.targets)]), offsets[:-1], axis=0)
    wrong = np.argwhere(~observed)
    if len(wrong):
        lines = []
        for series, column in wrong[:SHOWN]:
            name = table.targets[column]
            lines.append(
                f"{table.place(timeline.row(timeline.offsets[series]), name)}: nan from here to the end"
            )
        problem = "Series without a single observed value cannot be learned or forecast."
        raise fault(problem, lines, len(wrong), "drop these series.")


def _joined(
    history: np.ndarray, offsets: np.ndarray, later: np.ndarray, later_offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Append to each series' known covariates those of its future; return them with their offsets."""
    both = offsets + later_offsets
    known = np.empty((both[-1], history.shape[1]))
    known[np.repeat(later_offsets[:-1], np.diff(offsets)) + np.arange(len(history))] = history
    known[np.repeat(offsets[1:], np.diff(later_offsets)) + np.arange(len(later))] = later
    return known, both


def _apart(panel: Panel, series: tuple[Hashable, ...]) -> Panel:
    """Make each target of a wide table a series of its own; they share stamps and covariates."""
    count, rows, known_rows = len(series), len(panel.values), len(panel.known)
    shared = np.tile(panel.values[:, count:], (count, 1))
    return replace(
        panel,
        ids=series,
        offsets=np.arange(count + 1, dtype=np.int64) * rows,
        values=np.column_stack([panel.values[:, :count].T.ravel(), shared]),
        time=np.tile(panel.time, count),
        known=np.tile(panel.known, (count, 1)),
        known_offsets=np.arange(count + 1, dtype=np.int64) * known_rows,
        static=np.tile(panel.static, (count, 1)),
        targets=("y",),
    )
