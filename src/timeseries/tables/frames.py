"""The border: tables of any library become pandas frames, and answers go back into their library.

pandas frames pass as they are. Frames of polars, pyarrow and whatever else narwhals knows are copied column
by column; a lazy frame is collected. Dicts of columns, arrays, lists and single series are taken too: what
comes without stamps is numbered 0, 1, 2, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from timeseries.errors import IN_PYTHON, DataError
from timeseries.tables.layout import TableLayout

STAMPED = (pd.DatetimeIndex, pd.PeriodIndex)


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A pandas frame and where it came from."""

    frame: pd.DataFrame
    library: str = "pandas"
    """Name of the library that an answer is given back in."""
    file: str | None = None
    """Path of the file it was read from."""
    in_file: bool = False
    """Whether row r is line r + 2 of a text file."""
    decimal: str | None = None
    """The decimal mark of a text file."""
    notes: tuple[str, ...] = ()
    """What was found or done on the way, one sentence each."""


def as_source(table: object, layout: TableLayout, name: str = "table") -> Source:
    """Turn whatever holds a table into a pandas frame, and leave the table as it is.

    Parameters
    ----------
    table
        Frame of pandas, polars (also lazy), pyarrow or another library that narwhals knows; dict of columns;
        array of shape (N,) or (N, C); list of numbers; series.
    layout
        Its ``time`` names the column that numbers the rows of a table without stamps.
    name
        What errors call the table.

    Returns
    -------
    Source
        The columns of an array are called y0, y1, ..., a single one y.

    Raises
    ------
    DataError
        For anything that is no table.

    Examples
    --------
    >>> as_source(np.array([5.0, 6.0]), TableLayout()).frame.to_dict("list")
    {'ds': [0, 1], 'y': [5.0, 6.0]}
    """
    if isinstance(table, pd.DataFrame):
        return Source(frame=table)
    if isinstance(table, pd.Series):
        frame = table.to_frame("y" if table.name is None else table.name)
        stamped = isinstance(frame.index, STAMPED) or layout.time in frame.index.names
        return Source(frame=frame) if stamped else _numbered(frame, layout, name, "pandas")
    if isinstance(table, Mapping):
        return Source(frame=_from_columns(table, name))
    if isinstance(table, (np.ndarray, list, tuple)):
        return _from_array(table, layout, name)
    return _from_library(table, layout, name)


def like(answer: pd.DataFrame, library: str) -> Any:
    """Give an answer in the library that the question came from.

    Parameters
    ----------
    answer
        Frame whose index means nothing, unless the library is pandas.
    library
        As :attr:`Source.library` names it.

    Returns
    -------
    frame
        Of that library; stamps keep their time zone.

    Examples
    --------
    >>> type(like(pd.DataFrame({"ds": [1, 2], "y": [5.0, 6.0]}), "pandas")).__name__
    'DataFrame'
    """
    if library == "pandas":
        return answer
    import narwhals.stable.v2 as nw

    zones: dict[str, str] = {}
    columns: dict[str, Any] = {}
    for name, column in answer.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            zones[str(name)] = (
                str(column.dt.tz).removeprefix("UTC") or "UTC"
            )  # fixed offsets are "+01:00" there
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        numeric = column.dtype.kind in "iufbM"
        columns[str(name)] = column.to_numpy() if numeric else column.tolist()
    frame = nw.from_dict(columns, backend=library)  # type: ignore[arg-type]
    stamps = [nw.col(name).dt.replace_time_zone("UTC").dt.convert_time_zone(zones[name]) for name in zones]
    return frame.with_columns(*stamps).to_native()


def _from_library(table: Any, layout: TableLayout, name: str) -> Source:
    """Copy a frame or series of another library than pandas."""
    import narwhals.stable.v2 as nw
    from narwhals.exceptions import DuplicateError

    try:
        native = nw.from_native(table, allow_series=True)
        if isinstance(native, nw.LazyFrame):
            native = native.collect()
        if isinstance(native, nw.Series):
            column = pd.DataFrame({native.name or "y": _column(native)})
            return _numbered(column, layout, name, str(native.implementation.value))
        frame = pd.DataFrame({column: _column(native[column]) for column in native.columns})
    except DuplicateError as error:
        raise DataError(
            f"Column names of the {name} occur more than once: {error}. Rename or drop them."
        ) from None
    except TypeError:
        kind = f"{type(table).__module__}.{type(table).__qualname__}"
        raise DataError(
            f"The {name} must be a frame (pandas, polars, pyarrow), an array or a dict of columns; "
            f"got {kind}. Make it one of these.\n{IN_PYTHON}pd.DataFrame(table)"
        ) from None
    return Source(frame=frame, library=str(native.implementation.value))


def _column(series: Any) -> Any:
    """Copy a column into what pandas understands; stamps keep their time zone."""
    cells = series.to_numpy()
    zone = getattr(series.dtype, "time_zone", None)
    if zone is None:
        return cells
    return pd.DatetimeIndex(cells).tz_localize("UTC").tz_convert(f"UTC{zone}" if zone[0] in "+-" else zone)


def _from_columns(table: Mapping[Any, Any], name: str) -> pd.DataFrame:
    """Make a frame of a dict of columns."""
    try:
        return pd.DataFrame(dict(table))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"The {name} is a dict, but not one of columns of the same length: {error}. "
            "Give each column one value per row."
        ) from None


def _from_array(table: Any, layout: TableLayout, name: str) -> Source:
    """Make a frame of an array or of a list of numbers."""
    try:
        array = np.asarray(table)
    except ValueError as error:
        raise DataError(
            f"The {name} is a list of uneven lists: {error}. Give each row as many numbers."
        ) from None
    if array.dtype.names:
        return Source(frame=pd.DataFrame(array))
    if array.ndim not in (1, 2):
        raise DataError(
            f"The {name} is an array of shape {array.shape}; expected (rows,) or (rows, columns). Reshape it."
        )
    matrix = array.reshape(len(array), -1) if array.size else np.empty((len(array), 1))  # (N, C)
    count = matrix.shape[1]
    names = ["y"] if count == 1 else [f"y{number}" for number in range(count)]
    return _numbered(pd.DataFrame(matrix, columns=names), layout, name, "pandas")


def _numbered(frame: pd.DataFrame, layout: TableLayout, name: str, library: str) -> Source:
    """Give a table without stamps a column that numbers its rows."""
    if layout.time in frame.columns:
        raise DataError(
            f"The {name} is a series called {layout.time!r}, which is the layout's column of stamps; "
            "expected numbers to forecast. Rename it, or give a frame."
        )
    numbered = frame.reset_index(drop=True)
    numbered.insert(0, layout.time, np.arange(len(frame)))
    notes = (f"The {name} came without stamps: its rows are numbered from 0.",)
    return Source(frame=numbered, library=library, notes=notes)
