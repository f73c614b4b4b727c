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

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from timeseries.errors import DataError, SettingError
from timeseries.frequency import Frequency
from timeseries.memory import refuse_beyond_memory
from timeseries.segments import taken
from timeseries.steps import STAMP
from timeseries.tables.alignment import Timeline, continue_timeline, numbered_within, offsets_of
from timeseries.tables.cells import joined, ordered_numbers, read_cells, refuse_absent
from timeseries.tables.files import read_file
from timeseries.tables.frames import Source, as_source, like
from timeseries.tables.layout import Table, TableLayout, plain, require_layout
from timeseries.tables.regularity import count_steps, fill_gaps, find_frequency
from timeseries.tables.remarks import remarks
from timeseries.tables.roles import read_future_table, read_table

__all__ = ["Panel", "TableLayout"]

_LAYOUT = TableLayout()
BYTES_PER_CELL = 32  # of the table, at the peak of reading it; benchmarks/memory.py


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
    zone
        Time zone in which the table writes its stamps; ``time`` is in UTC then. None: stamps without zone.
    library
        The library of the table: "pandas", "polars", "pyarrow", ...

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
    zone: str | None = None
    library: str = "pandas"

    @classmethod
    def from_frame(cls, frame: Any, layout: TableLayout = _LAYOUT, *, future: Any = None) -> "Panel":
        """Read a frame, check all of it, and put its rows in order. The frame stays as it is.

        Parameters
        ----------
        frame
            Long or wide table, see the head of this file: a frame of pandas, polars, pyarrow or another
            library that narwhals knows, a dict of columns, an array or a series. Stamps are found in the
            column that the layout names, else in an index of dates, else in the only column of dates; the
            rows of an array or series without stamps are numbered.
        layout
            Which column is what.
        future
            Table or file of stamps and known covariates that follow the history of each series; rows within
            the history are not used. None: they end with the history.

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
        require_layout(layout)
        return _panel(as_source(frame, layout), layout, future)

    @classmethod
    def from_file(
        cls, file: str | PathLike[str] | BinaryIO, layout: TableLayout = _LAYOUT, *, future: Any = None
    ) -> "Panel":
        r"""Read a file: text with a header line, plain or gzipped, or Parquet.

        Parameters
        ----------
        file
            Path, or a file opened for reading bytes. Encoding, separator and decimal mark are detected where
            the layout does not name them.
        layout
            Which column is what.
        future
            File or table, as in :meth:`from_frame`.

        Returns
        -------
        Panel
            As from :meth:`from_frame`; in text, names of series stay text unless all are whole numbers.

        Raises
        ------
        DataError
            For an absent, empty or damaged file, and as in :meth:`from_frame`, with the line of the file.
        MissingExtraError
            For Parquet without pyarrow.

        Examples
        --------
        >>> from io import BytesIO
        >>> Panel.from_file(BytesIO(b"ds;y\n1;2,5\n2;3,5\n")).values[:, 0].tolist()
        [2.5, 3.5]
        """
        require_layout(layout)
        return _panel(read_file(file, layout), layout, future)

    @property
    def num_series(self) -> int:
        """Number of series, S."""
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, shape (S,)."""
        return np.diff(self.offsets)

    @property
    def season_length(self) -> int:
        """Rows of one season: as the layout says, else as the frequency has it."""
        return self.layout.season or self.frequency.season_length

    @property
    def season_clock(self) -> np.ndarray | None:
        """Rows by which the clock of ``season_zone`` is ahead of UTC, shape (N,); None without that zone."""
        if self.layout.season_zone is None:
            return None
        local = in_zone(self.time, self.layout.season_zone).tz_localize(None).to_numpy().astype(STAMP)  # (N,)
        return self.frequency.span(self.time, local)

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
                f"but was asked for {rows[first]} ({len(wrong)} series are wrong).",
                series=self.ids[first],
            )
        values, time = (taken(part, self.offsets[:-1], rows) for part in (self.values, self.time))
        return replace(self, offsets=offsets_of(rows), values=values, time=time)

    def place(self, row: int, target: int) -> tuple[str, dict[str, Any]]:
        """Say where a value of a target stands, in words and as the fields of a `DataError`.

        Parameters
        ----------
        row
            Of the buffer of all series.
        target
            Number of the target.
        """
        name = self.ids[int(np.searchsorted(self.offsets, row, side="right")) - 1]
        time, column = plain(self.time[row]), self.targets[target]
        where = f"series {name!r}, target {column!r}, at {time}"
        return where, {"series": name, "column": column, "time": time}

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
        return self.after(self.lengths - np.minimum(self.lengths, rows))

    def after(self, dropped: np.ndarray) -> "Panel":
        """Leave out the first rows of each series and of its known covariates.

        Parameters
        ----------
        dropped
            How many rows to leave out, at most the length of the series, integer, shape (S,).

        Returns
        -------
        Panel
            With values, time and known covariates cut.

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": [1, 2, 3], "y": [7.0, 8.0, 9.0]})
        >>> Panel.from_frame(frame).after(np.array([1])).time.tolist()
        [2, 3]
        """
        starts, lengths = self.offsets[:-1] + dropped, self.lengths - dropped  # (S,) each
        known_lengths = np.diff(self.known_offsets) - dropped  # (S,)
        return replace(
            self,
            offsets=offsets_of(lengths),
            values=taken(self.values, starts, lengths),
            time=taken(self.time, starts, lengths),
            known=taken(self.known, self.known_offsets[:-1] + dropped, known_lengths),
            known_offsets=offsets_of(known_lengths),
        )

    def only(self, keep: np.ndarray) -> "Panel":
        """Keep some of the series.

        Parameters
        ----------
        keep
            True for the series that stay, bool, shape (S,).

        Returns
        -------
        Panel
            With all that belongs to these series.

        Examples
        --------
        >>> frame = pd.DataFrame({"ds": [1, 2], "a": [7.0, 8.0], "b": [5.0, 6.0]})
        >>> Panel.from_frame(frame).only(np.array([False, True])).ids
        ('b',)
        """
        starts, lengths = self.offsets[:-1][keep], self.lengths[keep]  # (S',) each
        known_starts, known_lengths = self.known_offsets[:-1][keep], np.diff(self.known_offsets)[keep]
        return replace(
            self,
            ids=tuple(name for name, kept in zip(self.ids, keep, strict=True) if kept),
            offsets=offsets_of(lengths),
            values=taken(self.values, starts, lengths),
            time=taken(self.time, starts, lengths),
            known=taken(self.known, known_starts, known_lengths),
            known_offsets=offsets_of(known_lengths),
            static=self.static[keep],
        )

    def to_frame(self) -> Any:
        """Write the rows as a table again, in the layout and library that was read.

        Masked steps are empty cells.

        Returns
        -------
        frame
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
        columns: dict[Hashable, Any] = {}
        if self.shape == "long":
            columns[self.layout.id] = pd.Index(self.ids, tupleize_cols=False).to_numpy()[series]
        columns[self.layout.time] = self.written(self.time)
        shared = slice(0, len(self.values))
        if self.shape == "wide":  # stamps and covariates of the longest series are those of all
            longest = int(self.lengths.argmax())
            shared = slice(self.offsets[longest], self.offsets[longest + 1])
            columns[self.layout.time] = self.written(self.time[shared])
            columns |= {name: self._from_the_end(s) for s, name in enumerate(self.ids)}
        else:
            columns |= {name: self.values[:, i] for i, name in enumerate(self.targets)}
        count = len(self.targets)
        columns |= {name: self.values[shared, count + i] for i, name in enumerate(self.past)}
        columns |= {name: known[shared, i] for i, name in enumerate(self.future)}
        columns |= {name: self.static[series[shared], i] for i, name in enumerate(self.static_names)}
        return self.as_read(pd.DataFrame(columns))

    def _from_the_end(self, series: int) -> np.ndarray:
        """Return the values of a series of a wide table, shape (longest,), with NaN before it begins."""
        column = np.full(self.lengths.max(), np.nan)
        column[len(column) - self.lengths[series] :] = self.values[
            self.offsets[series] : self.offsets[series + 1], 0
        ]
        return column

    def written(self, time: np.ndarray) -> Any:
        """Write stamps, shape (N,), as the table does: in its time zone, if it has one."""
        return in_zone(time, self.zone)

    def as_read(self, frame: pd.DataFrame) -> Any:
        """Bring a frame with columns of the table's names into its library, with its index."""
        return like(frame.set_index(list(self.index)) if self.index else frame, self.library)

    @cached_property
    def id_kind(self) -> Any:
        """The type of a pandas column of ids: to find it takes longer than to make the column."""
        return pd.Index(self.ids, tupleize_cols=False).dtype

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


def in_zone(time: np.ndarray, zone: str | None) -> Any:
    """Show stamps in UTC, shape (N,), in a time zone; those without zone stay as they are."""
    return time if zone is None else pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(zone)


def _opened(table: Any, layout: TableLayout, name: str) -> Source:
    """Open a file, or take a table of any library."""
    if isinstance(table, (str, PathLike)) or hasattr(table, "read"):
        return read_file(table, layout)
    return as_source(table, layout, name)


def _panel(source: Source, layout: TableLayout, future: Any) -> Panel:
    """Read the cells of a table and build its panel."""
    table = read_table(source, layout)
    rows, columns = len(table.frame), len(table.columns) + len(layout.future) + len(layout.static)
    refuse_beyond_memory(
        BYTES_PER_CELL * rows * columns,
        f"Reading {rows:,} rows of {columns:,} columns",
        "Read a part of the series or rows, or use a larger machine.",
    )
    later = None
    if future is not None:
        later = read_future_table(_opened(future, layout, "future table"), layout, table)
    cells = read_cells(table)
    timeline, values, known = cells.timeline, cells.values, cells.known
    table = timeline.table
    frequency = find_frequency(timeline)
    _check_season_zone(timeline, frequency)
    steps = count_steps(timeline, frequency)
    table.notes.extend(remarks(timeline, values))
    offsets, time = timeline.offsets, timeline.time
    if (steps > 1).any():
        offsets, time, values = fill_gaps(timeline, frequency, steps, values)
        known = np.empty((len(time), 0))  # with known covariates, gaps have been refused
    known_offsets = offsets
    if later is not None:
        known, known_offsets = joined(known, offsets, *_continuation(timeline, later, frequency))
    keys = (table.layout.id, table.layout.time) if table.shape == "long" else (table.layout.time,)
    panel = Panel(
        ids=timeline.ids,
        offsets=offsets,
        values=values,
        time=time,
        known=known,
        known_offsets=known_offsets,
        static=cells.static,
        frequency=frequency,
        targets=tuple(str(name) for name in table.targets),
        past=tuple(table.layout.past),
        future=tuple(table.layout.future),
        static_names=tuple(table.layout.static),
        layout=table.layout,
        shape=table.shape,
        notes=tuple(dict.fromkeys([*table.notes, *(later.notes if later else [])])),
        index=tuple(name for name in keys if name not in source.frame.columns),
        zone=timeline.zone,
        library=source.library,
    )
    return _begun(_apart(panel, table.targets)) if table.shape == "wide" else panel


def _check_season_zone(timeline: Timeline, frequency: Frequency) -> None:
    """Refuse a clock where no stamp shows it: at whole days, or without an offset at steps beyond an hour."""
    zone = timeline.table.layout.season_zone
    if zone is None:
        return
    if not frequency.below_a_day:
        raise SettingError(
            f"season_zone={zone!r} is for steps below a day, but the frequency is {frequency.step!r}: its "
            "seasons do not depend on the clock. Leave it out."
        )
    if timeline.zone is None:
        raise SettingError(
            f"season_zone={zone!r} reads stamps without an offset at steps of up to an hour, which show when "
            f"a clock is changed, but the frequency is {frequency.step!r}. Write the offsets from UTC in "
            f"column {timeline.table.layout.time!r} too, or leave it out."
        )


def _begun(panel: Panel) -> Panel:
    """Let each series of a wide table begin with its first value, unless absent values are masked."""
    if panel.layout.missing == "mask" or not panel.has_missing:
        return panel
    rows = numbered_within(panel.offsets)
    seen = np.where(np.isnan(panel.values[:, 0]), len(rows), rows)
    dropped = np.minimum.reduceat(seen, panel.offsets[:-1])  # (S,)
    late = int((dropped > 0).sum())
    note = (
        f"{late} series begin later than the table: {dropped.sum()} rows without their values were left out."
    )
    return replace(panel.after(dropped), notes=(*panel.notes, note))


def _continuation(timeline: Timeline, later: Table, frequency: Frequency) -> tuple[np.ndarray, np.ndarray]:
    """Read the known covariates that follow the history, shape (M, K), with the offsets of their series."""
    future, follows = continue_timeline(timeline, later, frequency)
    known = ordered_numbers(future, later.layout.future)[follows]
    future = future.kept(follows)
    refuse_absent(future, known, later.layout.future)
    return known, future.offsets


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
