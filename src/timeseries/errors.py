"""Every exception this library raises on purpose.

TimeSeriesError
├── SettingError     (also ValueError)           a setting is unknown, out of range or inconsistent
├── DataError        (also ValueError)           a table or array has the wrong shape, order or content
├── NotFittedError   (also RuntimeError)         something was used before fit()
├── UnsupportedError (also NotImplementedError)  this network cannot do what was asked
├── TrainingError    (also RuntimeError)         training went wrong, e.g. the loss is not finite
├── ArtifactError    (also ValueError)           a model file is damaged, incomplete or not ours
│   └── MissingArtifactError (also FileNotFoundError)  there is no such model file
├── MemoryLimitError (also MemoryError)          a job needs more memory than there is
├── BusyError        (also OSError)              somebody else is writing the file
├── DownloadError    (also OSError)              a public data set cannot be fetched
└── MissingExtraError (also ImportError)         an optional package is not installed

LeakageWarning     (also UserWarning)            a column of X gives the answer away
UnusedStepsWarning (also UserWarning)            sequences are longer than a window

Each class carries the exit code with which the command line ends when it is raised, and a code that stays
when the wording of a message changes.
"""

import os
from collections.abc import Callable, Collection, Hashable, Iterable
from difflib import get_close_matches
from numbers import Integral
from typing import Any, ClassVar, TypeVar

Checked = TypeVar("Checked")

PLACE = ("file", "series", "column", "row", "line", "time", "value")
"""What a DataError can know of its first offender."""
LARGEST_WHOLE = 10**15
"""The largest whole number that a setting may be: no count of rows or steps comes near it."""
IN_PYTHON = "In Python: "
"""How the line of a message begins that is code: the command line leaves it out."""
LONGEST = 200  # characters of a value that a message shows


class TimeSeriesError(Exception):
    """Base class, so that callers can catch everything of ours at once."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "TS-E001"


class SettingError(TimeSeriesError, ValueError):
    """A setting is unknown, out of range or inconsistent."""

    exit_code = 2
    code = "TS-S001"


class DataError(TimeSeriesError, ValueError):
    """A table or array has the wrong shape, order or content.

    Parameters
    ----------
    message : str
        For people; it names all of these, and the fix.
    file : str, optional
        Path of the table.
    series, column : optional
        Names, of the user's type.
    row : int, optional
        Position in the table, from 0.
    line : int, optional
        Line of the file, from 1 with the header.
    time : optional
        The stamp of that row, as the table writes it.
    value : optional
        What stands there; NaN if nothing does.

    Examples
    --------
    >>> DataError("Row 3 of x is 'n/a'.", column="x", row=3, value="n/a").where
    {'column': 'x', 'row': 3, 'value': 'n/a'}
    """

    exit_code = 3
    code = "TS-D001"

    def __init__(
        self,
        message: str = "",
        *,
        file: str | None = None,
        series: Hashable = None,
        column: Hashable = None,
        row: int | None = None,
        line: int | None = None,
        time: Any = None,
        value: Any = None,
    ) -> None:
        super().__init__(message)
        self.file, self.series, self.column = file, series, column
        self.row, self.line, self.time, self.value = row, line, time, value

    @property
    def where(self) -> dict[str, Any]:
        """What is known of the place of the first offender."""
        return {name: getattr(self, name) for name in PLACE if getattr(self, name) is not None}


class NotFittedError(TimeSeriesError, RuntimeError):
    """Something was used before fit()."""

    exit_code = 2
    code = "TS-N001"


class UnsupportedError(TimeSeriesError, NotImplementedError):
    """What was asked is something this network cannot do."""

    exit_code = 2
    code = "TS-U001"


class TrainingError(TimeSeriesError, RuntimeError):
    """Training went wrong, e.g. the loss is not finite."""

    exit_code = 6
    code = "TS-T001"


class ArtifactError(TimeSeriesError, ValueError):
    """A model file is damaged, incomplete or not ours."""

    exit_code = 4
    code = "TS-A001"


class MissingArtifactError(FileNotFoundError, ArtifactError):
    """There is no such model file."""

    exit_code = 2
    code = "TS-C002"

    def __str__(self) -> str:
        return f"There is no file {str(self.filename)!r}."


class MemoryLimitError(TimeSeriesError, MemoryError):
    """A job needs more memory than there is; known before it starts, or when it gets no more."""

    exit_code = 5
    code = "TS-R003"


class BusyError(TimeSeriesError, OSError):
    """Somebody else is writing the file; trying again later may do."""

    exit_code = 75
    code = "TS-R075"


class DownloadError(TimeSeriesError, OSError):
    """A public data set cannot be fetched."""

    exit_code = 5
    code = "TS-R002"


class MissingExtraError(TimeSeriesError, ImportError):
    """An optional package is not installed."""

    exit_code = 2
    code = "TS-X001"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs {package}, which is not installed. "
            f"Install it with: pip install 'timeseries-deeplearning[{extra}]'"
        )


class LeakageWarning(UserWarning):
    """A column of X gives the answer away: scores on such rows say nothing about forecasts."""


class UnusedStepsWarning(UserWarning):
    """Sequences are longer than a window, so that their first steps are never seen."""


def shown(value: object) -> str:
    """Write a value of any kind into a message: on one line, cut where it is long.

    >>> shown("lsmt"), shown(10**6000)
    ("'lsmt'", 'a value of type int that cannot be printed')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # too many digits or levels, or a __repr__ of the caller's own that raises anything
        return f"a value of type {type(value).__name__} that cannot be printed"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for a misspelt name, or nothing when no known name is close.

    >>> did_you_mean("hiden_size", ["hidden_size", "dropout"])
    " Did you mean 'hidden_size'?"
    """
    text = name if isinstance(name, str) else shown(name)
    spelt = {other.lower(): other for other in known}
    close = get_close_matches(text.lower(), spelt, n=1)
    return f" Did you mean {spelt[close[0]]!r}?" if close else ""


def unknown_name(kind: str, *names: object, known: Iterable[str]) -> SettingError:
    """Build the one message used for every misspelt name of a setting, model, loss or metric.

    >>> print(unknown_name("model", "lsmt", "GRU", known=["gru", "lstm"]))
    Unknown model 'lsmt'. Did you mean 'lstm'? Unknown model 'GRU'. Did you mean 'gru'? Known: gru, lstm.
    """
    known = sorted(known)
    told = [f"Unknown {kind} {shown(name)}.{did_you_mean(name, known)}" for name in names]
    return SettingError(f"{' '.join(told)} Known: {', '.join(known)}.")


class Refusals:
    """What several checks refuse, told in one error.

    >>> refusals = Refusals()
    >>> refusals.of(lambda: require_whole(horizon=(0, 1)))
    >>> refusals.of(lambda: 5)
    5
    >>> refusals.told
    ['horizon must be a whole number >= 1, got 0.']
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def of(self, check: Callable[[], Checked]) -> Checked | None:
        """Return what a check returns, or keep what it refuses and return None."""
        try:
            return check()
        except SettingError as error:
            self.told.append(str(error))
            return None


def require_known(kind: str, name: object, known: Collection[str]) -> None:
    """Raise the error about a misspelt name unless the name is known.

    >>> require_known("metric", "mae", {"mae": 1, "mse": 2})
    """
    if not isinstance(name, str) or name not in known:
        raise unknown_name(kind, name, known=known)


def require_whole(**settings: tuple[object, int]) -> None:
    """Raise one SettingError for every (value, minimum) that is no whole number, too small or absurdly large.

    >>> require_whole(horizon=(24, 1), gap=(0, 0))
    >>> require_whole(horizon=(0, 1), gap=(1.5, 0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    timeseries.errors.SettingError: horizon must be a whole number >= 1, got 0; gap must be ... 1.5.
    """
    problems = [
        f"{name} must be a whole number >= {minimum}, got {shown(value)}"
        for name, (value, minimum) in settings.items()
        if isinstance(value, bool)
        or not isinstance(value, Integral)
        or not minimum <= int(value) <= LARGEST_WHOLE
    ]
    if problems:
        raise SettingError("; ".join(problems) + ".")


def require_switch(**switches: object) -> None:
    """Raise a SettingError for the first switch that is neither on nor off; numbers are, as everywhere.

    >>> require_switch(verbose=True, refit=0)
    """
    for name, value in switches.items():
        if not isinstance(value, Integral) and type(value).__name__ not in ("bool", "bool_"):  # numpy's names
            raise SettingError(f"{name} must be True or False, got {shown(value)}.")


def require_path(path: object) -> None:
    """Raise a SettingError for what cannot be the path of a file, such as None.

    >>> require_path("demand.model")
    """
    try:
        if isinstance(path, (str, os.PathLike)) and b"\0" not in os.fsencode(path):
            return
    except UnicodeEncodeError:  # half a surrogate pair, which no file system takes
        pass
    raise SettingError(f"A path of a file is text or a Path without NUL, got {shown(path)}.")
