"""The user's table and its layout: which column is what, and how a fault in it is reported.

Whoever finds a fault names it through :class:`Table`, so that all errors locate cells in the same words.
"""

import codecs
import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from timeseries.errors import IN_PYTHON, DataError, SettingError, require_known, require_whole, shown
from timeseries.frequency import Frequency

SHOWN = 5
"""How many offenders an error lists before it only counts."""

_OPTIONS = {
    "missing": ["error", "mask"],
    "duplicates": ["error", "first", "last", "mean"],
    "bad_series": ["error", "drop"],
}
THOUSANDS = (".", ",", "'", " ")
"""Marks that can group the digits of a number by thousands."""
_ONE_COLUMN = ("id", "time")
_SEVERAL_COLUMNS = ("past", "future", "static")
_WRITING = {  # settings about text, and what each expects
    "season_zone": "a time zone such as 'Europe/Berlin'",
    "date_format": "a format such as '%d/%m/%Y'",
    "separator": "one character such as ';'",
    "decimal": "'.' or ','",
    "thousands": "one of '.', ',', \"'\" and ' '",
    "encoding": "the name of an encoding such as 'utf-8'",
}


@dataclass(frozen=True)
class TableLayout:
    """Which column of the user's table is what.

    Raises
    ------
    SettingError
        If a column is given two roles, an option has an unknown value or ``freq`` is no frequency.

    Examples
    --------
    >>> layout = TableLayout(time="Month", target="Passengers", freq="MS")
    >>> TableLayout(past=["load"], future=["load"])
    Traceback (most recent call last):
    ...
    timeseries.errors.SettingError: Column 'load' is named as both past and future; give it one role.
    """

    id: str = "unique_id"
    """Column that names the series, in a long table (one row per series and stamp)."""
    time: str = "ds"
    """Column of the stamps: dates, text that reads as dates, or integers."""
    target: str | Sequence[str] | None = None
    """What to forecast. None: column "y" of a long table; of a wide table every numeric column as a series of
    its own. Named targets of a table without series column make ONE series, forecast jointly."""
    past: Sequence[str] = ()
    """Covariates known only up to the origin."""
    future: Sequence[str] = ()
    """Covariates known into the future as well."""
    static: Sequence[str] = ()
    """Numeric columns that are constant within a series."""
    freq: str | int | None = None
    """Step between stamps, such as "h" or "MS", or an integer for integer time. None: inferred."""
    season: int | None = None
    """Rows of one season, such as 24 for hours with a daily rhythm. None: follows the frequency."""
    season_zone: str | None = None
    """Time zone whose clock the seasonal naive forecast follows, such as "Europe/Berlin": on the day after
    clocks were changed, 8 o'clock follows 8 o'clock. For dates at steps below a day. Stamps with offsets from
    UTC, also several, are read as UTC then. Stamps without an offset, at steps of up to an hour, are read as
    what that clock showed: an hour that it shows twice stands twice, first the one before the change; answers
    have the zone's offsets. None: every season has the same number of rows."""
    missing: str = "error"
    """What to do with absent values and absent stamps: "error" refuses, "mask" keeps them as masked steps."""
    duplicates: str = "error"
    """What to do with rows that repeat a stamp of their series: "error" refuses, "first" or "last" keeps that
    row of the table, "mean" averages their numbers."""
    bad_series: str = "error"
    """What to do with series without a single observed value, or with too few rows to learn from: "error"
    refuses, "drop" leaves them out."""
    date_format: str | None = None
    """How stamps are written, such as "%d/%m/%Y". None: detected, unless day and month could be confused."""
    separator: str | None = None
    """What separates the cells of a text file. None: comma, semicolon, tab or bar, detected."""
    decimal: str | None = None
    """The decimal mark of numbers that are text, in a file or frame: "." or ",". None: the one that thousands
    leaves; else detected in a file, while a frame must hold numbers."""
    thousands: str | None = None
    """The mark that groups the digits of numbers that are text by three, in a file or frame: ".", ",", "'" or
    " "; with "," also by two before the last three. None: there is none, and a number that seems to have one
    is refused."""
    encoding: str | None = None
    """The encoding of a text file, such as "utf-8" or "cp1252". None: detected."""

    def __post_init__(self) -> None:
        for role in _ONE_COLUMN:
            _require_text(role, getattr(self, role), "the name of a column")
        for role in _SEVERAL_COLUMNS:
            names = _checked_names(role, getattr(self, role))
            object.__setattr__(self, role, names)
        if self.target is not None and not isinstance(self.target, str):
            object.__setattr__(self, "target", _checked_names("target", self.target))
        if self.target == ():
            raise SettingError("target=[] names no column; leave it out to use the default.")
        for option, values in _OPTIONS.items():
            require_known(f"value of {option}", getattr(self, option), values)
        self._check_writing()
        if self.freq is not None:
            Frequency.parse(self.freq)
        if self.season is not None:
            require_whole(season=(self.season, 1))
        if self.season_zone is not None:
            _check_zone(self.season_zone)
        self._refuse_second_roles()

    @property
    def named_targets(self) -> tuple[str, ...]:
        """The targets as a tuple; empty where the table decides."""
        return _names(self.target)

    @property
    def decimal_mark(self) -> str | None:
        """The decimal mark as named, or as the mark of thousands leaves it; None where neither says."""
        return self.decimal or {".": ",", ",": "."}.get(self.thousands or "")

    def _check_writing(self) -> None:
        """Refuse what no text file can be written with."""
        for name, example in _WRITING.items():
            if getattr(self, name) is not None:
                _require_text(name, getattr(self, name), example)
        if self.decimal not in (None, ".", ","):
            raise SettingError(f"decimal must be '.' or ',', got {shown(self.decimal)}.")
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise SettingError(f"separator must be one character such as ';', got {shown(self.separator)}.")
        if self.thousands not in (None, *THOUSANDS):
            raise SettingError(f"thousands must be {_WRITING['thousands']}, got {shown(self.thousands)}.")
        for one, two in itertools.combinations(("separator", "decimal", "thousands"), 2):
            if getattr(self, one) is not None and getattr(self, one) == getattr(self, two):
                raise SettingError(f"{one} and {two} are both {getattr(self, one)!r}; they must differ.")
        if self.encoding is not None:
            try:
                "a".encode(self.encoding)
            except (LookupError, ValueError):
                raise SettingError(
                    f"Unknown encoding {shown(self.encoding)}. "
                    "Known are utf-8, utf-16, latin-1, cp1252 and more."
                ) from None
            object.__setattr__(self, "encoding", codecs.lookup(self.encoding).name)

    def _refuse_second_roles(self) -> None:
        """Refuse a column that is named twice."""
        roles: dict[str, str] = {}
        for role in (*_ONE_COLUMN, "target", *_SEVERAL_COLUMNS):
            for name in _names(getattr(self, role)):
                if name in roles:
                    raise SettingError(
                        f"Column {name!r} is named as both {roles[name]} and {role}; give it one role."
                        if roles[name] != role
                        else f"Column {name!r} is named twice as {role}; name it once."
                    )
                roles[name] = role


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A frame whose columns have found their roles; it words the errors about its own cells."""

    frame: pd.DataFrame
    layout: TableLayout
    shape: str
    """ "long", "wide" or "joint"."""
    targets: tuple[Hashable, ...]
    """The target columns; of a wide table, the columns that are series."""
    name: str = "table"
    file: str | None = None
    """Path of the file that the table was read from."""
    in_file: bool = False
    """Whether row r of the table is line r + 2 of a file."""
    decimal: str | None = None
    """The decimal mark that was found in the file; None in a frame."""
    notes: list[str] = field(default_factory=list)
    """What was done to the table so far."""

    @property
    def columns(self) -> tuple[Hashable, ...]:
        """The columns that become values: targets, then past covariates."""
        return (*self.targets, *self.layout.past)

    @property
    def masks(self) -> bool:
        """Whether absent values and stamps are allowed."""
        return self.layout.missing == "mask"

    def series_of(self, row: int, column: Hashable = None) -> Hashable:
        """Return the name of the series that a cell belongs to; None for a row that all series share."""
        if self.shape == "long":
            name: Hashable = plain(self.frame[self.layout.id].iloc[row])
            return name
        if self.shape == "joint":
            return joint_name(self.targets)
        return column if column in self.targets else None

    def where(self, row: int, column: Hashable = None) -> dict[str, Any]:
        """Return the place of a row or cell as the fields of a DataError."""
        place = {
            "file": self.file,
            "series": self.series_of(row, column),
            "row": row,
            "line": row + 2 if self.in_file else None,
            "time": plain(self.frame[self.layout.time].iloc[row]),
        }
        if column is not None:
            value = plain(self.frame[column].iloc[row])
            nothing = value is None or value is pd.NA or value is pd.NaT
            place |= {"column": plain(column), "value": np.nan if nothing else value}
        return place

    def place(self, row: int, column: Hashable = None) -> str:
        """Say where a cell or row is: series, column, row, line of the file and stamp."""
        series = self.series_of(row, column)
        parts = [f"series {series!r}"] if series is not None else []
        parts += [f"column {plain(column)!r}"] if column is not None else []
        parts.append(self.numbered(row))
        if column != self.layout.time:
            parts.append(f"{self.layout.time} {plain(self.frame[self.layout.time].iloc[row])}")
        return ", ".join(parts)

    def numbered(self, row: int) -> str:
        """Say which row of the frame it is, and which line of the file."""
        return f"row {row} (line {row + 2} of the file)" if self.in_file else f"row {row}"

    def fault(
        self, problem: str, rows: np.ndarray, fix: str, column: Hashable = None, *, code: str | None = None
    ) -> DataError:
        """Word the error about some rows, or about their cells in a column."""
        lines = []
        for row in rows[:SHOWN].tolist():
            cell = "" if column is None else f": {plain(self.frame[column].iloc[row])!r}"
            lines.append(self.place(row, column) + cell)
        return fault(problem, lines, len(rows), fix, code=code, **self.where(int(rows[0]), column))


def _check_zone(zone: str) -> None:
    """Refuse a time zone that pandas does not know by a name."""
    try:
        pd.DatetimeIndex([]).tz_localize(zone)
    except (LookupError, OSError, TypeError, ValueError):  # a zone is a file, which a name can fail to be
        raise SettingError(
            f"Unknown time zone season_zone={shown(zone)}. Zones are named like 'Europe/Berlin' or 'UTC'."
        ) from None


def require_layout(layout: object) -> None:
    """Refuse what is given in place of a layout."""
    if not isinstance(layout, TableLayout):
        raise SettingError(
            f"layout must be a TableLayout, got {shown(layout)}. Make one: TableLayout(time=...)."
        )


def _require_text(name: str, value: object, expected: str) -> None:
    """Refuse a value that is no text."""
    if not isinstance(value, str):
        raise SettingError(f"{name} must be {expected}, as text, got {shown(value)}.")


def _checked_names(role: str, names: Any) -> tuple[str, ...]:
    """Take one name, several in a list or the like, or none as a tuple; refuse what names no column."""
    if names is None or isinstance(names, str):
        return _names(names)
    ordered = isinstance(names, (Sequence, pd.Index, np.ndarray)) and getattr(names, "ndim", 1) == 1
    if not ordered or not all(isinstance(name, str) for name in names):
        raise SettingError(
            f"{role} must name columns by text or a list of texts, got {shown(names)}. Columns with other "
            f"names can be renamed.\n{IN_PYTHON}frame.columns = frame.columns.map(str)"
        )
    return tuple(names)


def _names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Take one name, several or none as a tuple."""
    return () if names is None else (names,) if isinstance(names, str) else tuple(names)


def fault(
    problem: str, lines: Sequence[str], count: int, fix: str, *, code: str | None = None, **where: Any
) -> DataError:
    """Word an error as problem, offenders, count and fix; ``where`` is the place of the first offender.

    The fix names settings as ``name='value'``, which the command line writes as its options. ``code`` helps
    those who hold a frame; it stands on a line of its own, which the command line leaves out.
    """
    more = [f"... {count} in all; the first {len(lines)} are shown."] if count > len(lines) else []
    advice = f"\nTo fix this: {fix}" + (f"\n{IN_PYTHON}{code}" if code else "")
    return DataError("\n  ".join([problem, *lines, *more]) + advice, **where)


def plain(value: Any) -> Any:
    """Turn a NumPy scalar into the Python value that prints as a person writes it."""
    stamp = pd.Timestamp(value) if isinstance(value, np.datetime64) else value
    if isinstance(stamp, pd.Timestamp):
        return stamp if 1 <= stamp.year <= 9999 else stamp.asm8  # pandas cannot print other years
    return value.item() if isinstance(value, np.generic) else value


def joint_name(targets: Sequence[Hashable]) -> Hashable:
    """Name the one series of a table without series column: its target, or "joint" for several."""
    return targets[0] if len(targets) == 1 else "joint"
