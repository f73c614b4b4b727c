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
├── DownloadError    (also OSError)              a public data set cannot be fetched
└── MissingExtraError (also ImportError)         an optional package is not installed

Each class carries the exit code with which the command line ends when it is raised, and a code that stays
when the wording of a message changes.
"""

from collections.abc import Hashable, Iterable
from difflib import get_close_matches
from numbers import Integral
from typing import Any, ClassVar

PLACE = ("file", "series", "column", "row", "line", "time", "value")
"""What a DataError can know of its first offender."""


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
    """A job needs more memory than there is; known before it starts."""

    exit_code = 5
    code = "TS-R003"


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


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for a misspelt name, or nothing when no known name is close.

    >>> did_you_mean("hiden_size", ["hidden_size", "dropout"])
    " Did you mean 'hidden_size'?"
    """
    close = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> SettingError:
    """Build the one message used for every misspelt name of a setting, model, loss or metric.

    >>> print(unknown_name("model", "lsmt", ["gru", "lstm"]))
    Unknown model 'lsmt'. Did you mean 'lstm'? Known: gru, lstm.
    """
    known = sorted(known)
    return SettingError(f"Unknown {kind} {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")


def require_whole(**settings: tuple[object, int]) -> None:
    """Raise one SettingError for every (value, minimum) that is no whole number, or too small.

    >>> require_whole(horizon=(24, 1), gap=(0, 0))
    >>> require_whole(horizon=(0, 1), gap=(1.5, 0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    timeseries.errors.SettingError: horizon must be a whole number >= 1, got 0; gap must be ... 1.5.
    """
    problems = [
        f"{name} must be a whole number >= {minimum}, got {value!r}"
        for name, (value, minimum) in settings.items()
        if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum
    ]
    if problems:
        raise SettingError("; ".join(problems) + ".")
