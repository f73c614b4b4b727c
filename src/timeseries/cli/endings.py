"""How a command ends: the exit codes, and errors as one sentence or one JSON document."""

import errno
import json
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import click

from timeseries.errors import DataError, TimeSeriesError

EXIT_CODES = {
    0: "done",
    1: "a fault of this program",
    2: "wrong usage or settings",
    3: "bad data",
    4: "model file refused",
    5: "disk, memory, device or network fails",
    6: "training diverged",
    75: "busy, try again",
    130: "interrupted (Ctrl-C)",
    141: "nobody reads the output any more",
    143: "terminated",
}
"""What the shell is told; these numbers stay."""


class Ending(NamedTuple):
    """What is said about an error."""

    code: str
    message: str
    exit_code: int


def end(error: BaseException, *, as_json: bool, wording: Callable[[str], str] = str) -> int:
    """Say why a command failed and return its exit code; a fault of our own leaves its traceback too.

    ``wording`` turns what the library says into the words of the command line.
    """
    ending = _ending(error, wording)
    if ending.exit_code == 1:
        traceback.print_exception(error)
    if as_json:
        document = _document(ending, error.where if isinstance(error, DataError) else {})
        click.echo(json.dumps({"error": document}, indent=2, allow_nan=False))
    elif isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, KeyboardInterrupt):
        click.echo(ending.message, err=True)
    else:
        click.echo(f"Error: {ending.message}", err=True)
    return ending.exit_code


def _document(ending: Ending, where: Mapping[str, Any]) -> dict[str, object]:
    """Return an ending for JSON, with the place in the data as far as it is known."""
    document: dict[str, object] = ending._asdict()
    return document | {"where": {name: _plain(value) for name, value in where.items()}} if where else document


def _plain(value: Any) -> object:
    """Return a name, stamp or cell as JSON has it: null if absent, text if JSON has no word for it."""
    match value:
        case bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case float() if math.isnan(value):
            return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _ending(error: BaseException, wording: Callable[[str], str]) -> Ending:
    """Classify an error; the codes stay when the wording of a message changes."""
    match error:
        case TimeSeriesError():
            return Ending(error.code, wording(str(error)), error.exit_code)
        case click.ClickException():
            return Ending("TS-C001", error.format_message(), 2)
        case KeyboardInterrupt():
            return Ending("TS-C130", "Interrupted.", 130)
        case FileNotFoundError():
            return Ending("TS-C002", f"There is no file {str(error.filename)!r}.", 2)
        case OSError(errno=errno.EAGAIN | errno.EBUSY):
            return Ending("TS-R075", f"{error}. Try again.", 75)
        case OSError() | MemoryError():
            return Ending("TS-R001", str(error) or "The memory does not suffice.", 5)
        case _:
            return Ending("TS-E001", f"{type(error).__name__}: {error}. This is a fault of the program.", 1)
