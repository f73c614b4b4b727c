"""Features of numbers and of the rows before them: lags, rolling statistics, differences.

A row whose history does not reach back far enough has NaN, as has one whose history was not observed in full.
Nothing is filled in. To leave these rows out: ``keep = ~np.isnan(features).any(axis=1)``, and then
``features[keep]`` and ``y[keep]``. A pipeline can leave no row out: there ``SimpleImputer()`` of scikit-learn
behind the features fills with what it learned from the training rows (docs/features.md).
"""

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from timeseries.errors import DataError
from timeseries.features.transformer import FeatureTransformer, Floats
from timeseries.frequency import Frequency
from timeseries.settings import setting, settings_class
from timeseries.steps import STAMP

Ints = NDArray[np.int64]
CHUNK = 1 << 20  # numbers of windows that are copied at once
STATISTICS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "std": np.std,
    "min": np.min,
    "max": np.max,
    "median": np.median,
    "sum": np.sum,
}
"""Name of a statistic -> function of numbers and an axis; "std" is the population one (divided by n)."""


class Rows(NamedTuple):
    """Rows of one or several series."""

    values: Floats  # (N, C)
    names: NDArray[Any]  # (N,) of the series
    time: NDArray[Any] | None  # (N,) None: the rows of each series follow one another

    def part(self, which: NDArray[Any]) -> "Rows":
        """Return some of the rows."""
        return Rows(self.values[which], self.names[which], None if self.time is None else self.time[which])


@settings_class
class HistoryFeatures(FeatureTransformer):
    """Base of the features that are made of a row and the rows before it."""

    groups: str | None = setting(None, "Column that names the series of each row.", str)
    time: str | None = setting(None, "Column of the stamps.", str)

    @abstractmethod
    def _reach(self) -> int:
        """Return how many rows before its own a feature reaches back to."""

    @abstractmethod
    def _of(self, grid: Floats, at: Ints) -> list[Floats]:
        """Return the features of the rows ``at`` (N,) of a grid (G, C), each (N, C)."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _sources(self, columns: Any) -> list[Any]:
        return [name for name in columns if name not in (self.groups, self.time)]

    def _read(self, X: Any, *, reset: bool) -> Rows:
        if self.groups is None and self.time is None:
            values = self._numbers(X, reset=reset)  # (N, C)
            return Rows(values, np.zeros(len(values), dtype=np.int64), None)
        frame = self._frame(X, reset=reset)
        self._require_columns(frame)
        values = self._as_numbers(frame[self._sources(frame.columns)])  # (N, C)
        names = np.zeros(len(frame), dtype=np.int64) if self.groups is None else frame[self.groups].to_numpy()
        return Rows(values, names, None if self.time is None else self._stamps(frame[self.time]))

    def _require_columns(self, frame: pd.DataFrame) -> None:
        for role in ("groups", "time"):
            name = getattr(self, role)
            if name is not None and name not in frame.columns:
                raise DataError(
                    f"{type(self).__name__} finds no column {name!r}, its {role}. Columns: "
                    f"{', '.join(map(repr, frame.columns))}. Pass a frame that has it, or name another."
                )
        if self.groups is not None and frame[self.groups].isna().any():
            row = int(frame[self.groups].isna().argmax())
            raise DataError(
                f"Row {row} has no name in column {self.groups!r}, so it belongs to no series. "
                "Name it, or leave it out.",
                row=row,
                column=self.groups,
            )

    def _stamps(self, column: pd.Series) -> NDArray[Any]:
        """Return the stamps of a column, (N,): datetime64[us], in UTC if they have a zone, or int64."""
        if column.isna().any() or column.dtype.kind not in "Miu":
            what = "holds empty cells" if column.isna().any() else f"holds {column.dtype}"
            raise DataError(
                f"{type(self).__name__} needs dates or whole numbers in column {self.time!r}, but it {what}. "
                "Make dates of it, or leave these rows out.",
                column=self.time,
            )
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return column.to_numpy().astype(STAMP if column.dtype.kind == "M" else np.int64)

    def _learn(self, rows: Rows) -> None:
        if rows.time is None:
            return
        codes, order = _order(rows)
        codes, rows = codes[order], rows.part(order)
        stamps: Any = rows.time
        frequency = Frequency.infer(stamps[codes == np.bincount(codes).argmax()])
        if frequency is None:
            raise DataError(
                f"The stamps in column {self.time!r} follow each other in no regular step, so none "
                "can be counted back. Make the table regular, or leave time out to count rows."
            )
        self.frequency_ = frequency
        self._steps(rows, codes)
        ends = np.searchsorted(codes, codes, side="right")  # (N,) where the series of each row ends
        self.tail_ = rows.part(ends - np.arange(len(codes)) <= self._reach())

    def _features(self, rows: Rows) -> Floats:
        joined = self._continued(rows)
        codes, order = _order(joined)
        ordered = joined.part(order)
        steps = self._steps(ordered, codes[order])  # (N',)
        far = self._reach() + 1  # no feature sees across so many empty rows
        places = np.cumsum(np.where(steps == 0, far, np.minimum(steps, far))) - 1  # (N',)
        grid = np.full((places[-1] + 1, rows.values.shape[1]), np.nan)  # (G, C)
        grid[places] = ordered.values
        at = np.empty_like(places)
        at[order] = places  # (N',) in the order in which the rows came
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            features = np.stack(self._of(grid, at[-len(rows.values) :]), axis=-1)  # (N, C, features)
        if np.isinf(features).any():
            raise DataError(
                f"{type(self).__name__} made numbers beyond what float64 can hold. Divide the columns first."
            )
        return features.reshape(len(rows.values), -1)

    def _continued(self, rows: Rows) -> Rows:
        """Put those rows of fit before the rows that are older than all of their series."""
        if rows.time is None:
            return rows
        tail, time = self.tail_, rows.time
        if tail.time is None or tail.time.dtype != time.dtype:
            raise DataError(
                f"Column {self.time!r} held other stamps at fit. Pass dates again, or whole numbers again."
            )
        first = pd.Series(time).groupby(rows.names).min()  # (series,)
        older = tail.part(tail.time < first.reindex(tail.names).to_numpy())  # none of a series without rows
        parts: Any = zip(older, rows, strict=True)
        return Rows(*(np.concatenate(part) for part in parts))

    def _steps(self, rows: Rows, codes: Ints) -> Ints:
        """Return the steps from the row before of the same series, (N,); 0 for the first of each.

        The rows are in order of series and time.
        """
        same = codes[1:] == codes[:-1]  # (N-1,)
        steps = np.concatenate([[0], same.astype(np.int64)])  # (N,)
        if rows.time is None:
            return steps
        between = np.where(same, self.frequency_.count(rows.time[:-1], rows.time[1:]), 0)  # (N-1,)
        wrong = np.flatnonzero(same & (between < 1))
        if len(wrong):
            one, other = rows.time[wrong[0] : wrong[0] + 2]
            of = "" if self.groups is None else f" of series {rows.names[wrong[0]]!r}"
            raise DataError(
                f"From {one} to {other}{of} is no whole number of steps {self.frequency_.step!r}, as at fit "
                f"({len(wrong)} such places). Make the table regular, without repeats."
            )
        steps[1:] = between
        return steps


def _order(rows: Rows) -> tuple[Ints, Ints]:
    """Return the series of each row as a number, (N,), and the order of the rows by series and time, (N,)."""
    codes = pd.factorize(rows.names)[0].astype(np.int64)  # (N,)
    keys = (codes,) if rows.time is None else (rows.time, codes)
    return codes, np.lexsort(keys)


@settings_class
class LagFeatures(HistoryFeatures):
    """The numbers of earlier rows.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    lags : int or sequence of int, default 1
        How many rows back.
    groups : str, optional
        Column of a frame that names the series of each row. None: all rows are one series.
    time : str, optional
        Column of a frame with the stamps. With it, rows may come in any order, lags count steps of the
        table's frequency, so that absent rows are seen, and ``transform`` continues from the last rows of
        ``fit``: those that are older than the rows it is given. None: rows are in order and without gaps, and
        ``transform`` knows only the rows that it is given.

    Examples
    --------
    >>> table = pd.DataFrame({"ds": [1, 2, 3, 4, 6], "y": [10.0, 20.0, 30.0, 40.0, 60.0]})
    >>> lags = LagFeatures(lags=(1, 2), time="ds").fit(table[:3])
    >>> lags.transform(table[3:]).tolist()
    [[30.0, 20.0], [nan, 40.0]]
    >>> lags.get_feature_names_out().tolist()
    ['y_lag_1', 'y_lag_2']
    """

    lags: int | tuple[int, ...] = setting(1, "Rows back.", Integral, low=1, several=True)

    def _endings(self) -> list[str]:
        return [f"lag_{lag}" for lag in self._values_of("lags")]

    def _reach(self) -> int:
        return int(max(self._values_of("lags")))

    def _of(self, grid: Floats, at: Ints) -> list[Floats]:
        return [grid[at - lag] for lag in self._values_of("lags")]


@settings_class
class RollingFeatures(HistoryFeatures):
    """Statistics of the numbers in windows that end at a row, or before it.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    windows : int or sequence of int, default 7
        Rows of a window.
    statistics : str or sequence of str, default "mean"
        Of "mean", "std" (divided by n), "min", "max", "median" and "sum".
    lag : int, default 1
        Rows from the last row of a window to the row that has its statistics: 1 leaves out the row itself, so
        that statistics of a target do not give it away; 0 includes it, for what is known at its row.
    groups, time : str, optional
        As in `LagFeatures`.

    Examples
    --------
    >>> rows = np.array([[1.0], [2.0], [6.0], [4.0]])
    >>> RollingFeatures(windows=2, statistics=("mean", "max")).fit_transform(rows).tolist()
    [[nan, nan], [nan, nan], [1.5, 2.0], [4.0, 6.0]]
    >>> RollingFeatures(windows=2, lag=0).fit_transform(rows).ravel().tolist()
    [nan, 1.5, 4.0, 5.0]
    """

    windows: int | tuple[int, ...] = setting(7, "Rows of a window.", Integral, low=1, several=True)
    statistics: str | tuple[str, ...] = setting(
        "mean", "Statistics of a window.", str, choices=tuple(STATISTICS), several=True
    )
    lag: int = setting(1, "Rows from a window to the row that has its statistics.", Integral, low=0)

    def _endings(self) -> list[str]:
        return [
            f"{name}_{size}" for size in self._values_of("windows") for name in self._values_of("statistics")
        ]

    def _reach(self) -> int:
        return int(max(self._values_of("windows"))) - 1 + self.lag

    def _of(self, grid: Floats, at: Ints) -> list[Floats]:
        return [
            part
            for size in self._values_of("windows")
            for part in _statistics(grid, at - self.lag - size + 1, size, self._values_of("statistics"))
        ]


def _statistics(grid: Floats, starts: Ints, size: int, names: tuple[str, ...]) -> list[Floats]:
    """Return statistics of the windows of a grid (G, C) that begin at rows ``starts`` (N,), each (N, C)."""
    spans = sliding_window_view(grid, size, axis=0)  # (G-size+1, C, size)
    found = [np.empty((len(starts), grid.shape[1])) for _ in names]  # (N, C) each
    step = max(1, CHUNK // (size * grid.shape[1]))
    for first in range(0, len(starts), step):
        part = spans[
            starts[first : first + step]
        ]  # (n, C, size), a copy: sums do not depend on other windows
        for name, answer in zip(names, found, strict=True):
            answer[first : first + step] = STATISTICS[name](part, axis=-1)
    return found


@settings_class
class DifferenceFeatures(HistoryFeatures):
    """By how much the numbers changed over some rows.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict.
    periods : int or sequence of int, default 1
        Over how many rows.
    lag : int, default 1
        Rows from the later number of a difference to the row that has it: 1 leaves out the row itself, so
        that differences of a target do not give it away; 0 includes it, for what is known at its row.
    groups, time : str, optional
        As in `LagFeatures`.

    Examples
    --------
    >>> rows = np.array([[1.0], [2.0], [6.0], [4.0]])
    >>> DifferenceFeatures().fit_transform(rows).ravel().tolist()
    [nan, nan, 1.0, 4.0]
    >>> DifferenceFeatures(periods=2, lag=0).fit_transform(rows).ravel().tolist()
    [nan, nan, 5.0, 2.0]
    """

    periods: int | tuple[int, ...] = setting(1, "Over how many rows.", Integral, low=1, several=True)
    lag: int = setting(1, "Rows from a difference to the row that has it.", Integral, low=0)

    def _endings(self) -> list[str]:
        return [f"difference_{period}" for period in self._values_of("periods")]

    def _reach(self) -> int:
        return int(max(self._values_of("periods"))) + self.lag

    def _of(self, grid: Floats, at: Ints) -> list[Floats]:
        later = grid[at - self.lag]  # (N, C)
        return [later - grid[at - self.lag - period] for period in self._values_of("periods")]
