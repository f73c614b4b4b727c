"""The roles of a table's columns: where its stamps are, what is forecast, and which shape the table has."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import replace

import pandas as pd
from pandas.api import types

from timeseries.errors import IN_PYTHON, DataError, SettingError, did_you_mean
from timeseries.tables.columns import holds_numbers, reads_as_dates
from timeseries.tables.frames import STAMPED, Source
from timeseries.tables.layout import SHOWN, Table, TableLayout, plain

_DEFAULT = TableLayout()
_NAMING = ("string", "categorical", "integer")  # kinds of cells that name a series


def read_table(source: Source, layout: TableLayout) -> Table:
    """Find the role of every column of the table that a panel is made from."""
    frame, layout = _with_time(_checked(source.frame, layout, "table"), layout, "table")
    for role in ("past", "future", "static"):
        for name in getattr(layout, role):
            _require(frame, name, role, "table")
    shape, targets, notes = _targets(frame, layout)
    notes[:0] = source.notes
    table = Table(
        frame=frame,
        layout=layout,
        shape=shape,
        targets=targets,
        file=source.file,
        in_file=source.in_file,
        decimal=source.decimal,
        notes=notes,
    )
    used = {layout.id, layout.time, *table.columns, *layout.future, *layout.static}
    unused = [name for name in frame.columns if name not in used]
    if unused:
        notes.append(f"Columns not used: {_listed(unused)}.")
    return table


def read_future_table(source: Source, layout: TableLayout, past: Table) -> Table:
    """Find the columns of the table that continues the known covariates of ``past``."""
    name = "future table"
    if not layout.future:
        raise SettingError(
            "A future table was given, but the layout has no covariates that are known into the future: "
            "name them, future=['...']."
        )
    frame, layout = _with_time(_checked(source.frame, layout, name), layout, name)
    if past.shape == "long":
        _require(frame, layout.id, "id", name)
    for column in layout.future:
        _require(frame, column, "future", name)
    return Table(
        frame=frame,
        layout=layout,
        shape=past.shape,
        targets=past.targets,
        name=name,
        file=source.file,
        in_file=source.in_file,
        decimal=source.decimal,
        notes=list(source.notes),
    )


def likely_ids(table: Table) -> list[str]:
    """Find the columns without a role that tell rows of the same stamp apart, as the name of a series does.

    Text before whole numbers, few names before many; each name must occur twice on average.
    """
    frame, layout = table.frame, table.layout
    taken = {"y", layout.time, *layout.named_targets, *layout.past, *layout.future, *layout.static}
    found: list[tuple[bool, int, str]] = []
    for name in frame.columns:
        kind = types.infer_dtype(frame[name], skipna=False)
        if name in taken or not isinstance(name, str) or kind not in _NAMING:
            continue
        count = frame[name].nunique()
        if 1 < count <= len(frame) / 2 and not frame.duplicated([layout.time, name]).any():
            found.append((kind == "integer", count, name))
    return [name for *_, name in sorted(found)]


def duplicate_columns(columns: Iterable[Hashable], name: str) -> DataError:
    """Word the error about column names that occur more than once."""
    twice = [column for column, count in Counter(columns).items() if count > 1]
    return DataError(
        f"Column names of the {name} occur more than once: {_listed(twice)}. Rename or drop them."
    )


def _checked(frame: pd.DataFrame, layout: TableLayout, name: str) -> pd.DataFrame:
    """Refuse a frame that is not flat or has no rows; make index levels of the layout ordinary columns."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(
            f"The {name} has column names of {frame.columns.nlevels} levels; expected one. "
            "Flatten them.\n"
            f"{IN_PYTHON}frame.columns = ['_'.join(name) for name in frame.columns]"
        )
    if not frame.columns.is_unique:
        raise duplicate_columns(frame.columns, name)
    if len(frame) == 0:
        raise DataError(f"The {name} has no rows (columns: {_listed(frame.columns)}). Give it at least one.")
    levels = [level for level in frame.index.names if level in (layout.id, layout.time)]
    return frame.reset_index(level=[level for level in levels if level not in frame.columns])


def _with_time(frame: pd.DataFrame, layout: TableLayout, name: str) -> tuple[pd.DataFrame, TableLayout]:
    """Find the stamps; return the frame with them as a column, and the layout with that column's name."""
    if layout.time in frame.columns:
        return frame, layout
    if isinstance(frame.index, STAMPED):
        taken = frame.index.name is None or frame.index.name in frame.columns
        time = layout.time if taken else str(frame.index.name)
        return frame.reset_index(names=time), replace(layout, time=time)
    roles = {layout.id, *layout.named_targets, *layout.past, *layout.future, *layout.static}
    dates = [column for column in frame.columns if column not in roles and reads_as_dates(frame[column])]
    if len(dates) == 1 and isinstance(dates[0], str) and layout.time == _DEFAULT.time:
        return frame, replace(layout, time=dates[0])
    found = f"several ({_listed(dates)})" if len(dates) > 1 else _listed(dates) or "none"
    raise DataError(
        f"The {name} has no stamps. Looked for a column {layout.time!r}: none.{_near(layout.time, frame)} "
        f"Looked for an index of dates: it is a {type(frame.index).__name__}. "
        f"Looked for the only column of dates: {found}. Columns: {_listed(frame.columns)}.\n"
        "To fix this: name the column of stamps, time='...', or add one that numbers the rows 0, 1, 2, ...\n"
        f"{IN_PYTHON}frame = frame.assign(**{{{layout.time!r}: range(len(frame))}})"
    )


def _targets(frame: pd.DataFrame, layout: TableLayout) -> tuple[str, tuple[Hashable, ...], list[str]]:
    """Find shape and targets of the table: long, joint or wide."""
    named = layout.named_targets
    if layout.id in frame.columns or layout.id != _DEFAULT.id:
        _require(frame, layout.id, "id", "table")
        targets = named or ("y",)
        for name in targets:
            _require(frame, name, "target", "table")
        return "long", targets, []
    if named:
        for name in named:
            _require(frame, name, "target", "table")
        return "joint", named, []
    roles = {layout.time, *layout.past, *layout.future, *layout.static}
    series = tuple(name for name in frame.columns if name not in roles and holds_numbers(frame[name], layout))
    if "y" in frame.columns and not holds_numbers(frame["y"], layout) and "y" not in roles:
        return "joint", ("y",), []  # what is meant to be forecast is not left out: its cells are refused
    if not series:
        raise DataError(
            f"The table has no column of numbers to forecast. Columns: {_listed(frame.columns)}. "
            "Name the target: target='...'."
        )
    if series == ("y",):
        return "joint", series, []
    return (
        "wide",
        series,
        [_told_apart(series, layout)],
    )


def _told_apart(series: tuple[Hashable, ...], layout: TableLayout) -> str:
    """Say which columns became series, and how to give them the roles that were given to none."""
    note = f"Every column of numbers is a series of its own ({len(series)}): {_listed(series)}."
    if len(series) == 1:
        return note
    roles = ["target='...'", *(f"{role}=['...']" for role in ("past", "future") if not getattr(layout, role))]
    more = " more" if layout.past or layout.future else ""
    return f"{note} If some are{more} covariates, name what is what: {', '.join(roles)}."


def _require(frame: pd.DataFrame, column: str, role: str, name: str) -> None:
    """Refuse a table without a column that the layout names."""
    if column not in frame.columns:
        raise DataError(
            f"The {name} has no column {column!r}, the layout's {role}.{_near(column, frame)} "
            f"Columns: {_listed(frame.columns)}.\n"
            f"To fix this: rename the column, or name the right one: {role}='...'."
        )


def _near(column: str, frame: pd.DataFrame) -> str:
    """Suggest a column of almost the same name; case and surrounding spaces do not count."""
    folded = {str(name).strip().casefold(): str(name) for name in frame.columns}
    same = folded.get(column.strip().casefold())
    return f" Did you mean {same!r}?" if same else did_you_mean(column, folded.values())


def _listed(names: Iterable[Hashable]) -> str:
    """List names, but not thousands of them."""
    texts = [repr(plain(name)) for name in names]
    more = f", ... ({len(texts)} in all)" if len(texts) > 4 * SHOWN else ""
    return ", ".join(texts[: 4 * SHOWN]) + more
