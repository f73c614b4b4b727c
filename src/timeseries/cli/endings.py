"""How a command ends: the exit codes, and errors as one sentence or one JSON document."""

import errno
import json
import re
import traceback
from typing import NamedTuple

import click

from timeseries.errors import TimeSeriesError

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
"""What the shell is told; these numbers stay. 143 is the system's own, for a program that it ends."""

ADVICE = (  # keywords of Python that are options here, under the same name
    "id|time|target|past|future|static|freq|missing|separator|decimal|encoding|date_format|duplicates|bad_series"
    "|horizon|context_length|val_size|coverage|lower|upper"
)


class Ending(NamedTuple):
    """What is said about an error."""

    exit_code: int
    code: str
    message: str


def end(error: BaseException, *, as_json: bool) -> int:
    """Say why a command failed and return its exit code; a fault of our own leaves its traceback too."""
    ending = _ending(error)
    if ending.exit_code == 1:
        traceback.print_exception(error)
    if as_json:
        click.echo(json.dumps({"error": _document(ending)}, indent=2))
    elif isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, KeyboardInterrupt):
        click.echo(ending.message, err=True)
    else:
        click.echo(f"Error: {ending.message}", err=True)
    return ending.exit_code


def _document(ending: Ending) -> dict[str, object]:
    return {"code": ending.code, "message": ending.message, "exit_code": ending.exit_code}


def _ending(error: BaseException) -> Ending:
    """Classify an error; the codes stay when the wording of a message changes."""
    match error:
        case TimeSeriesError():
            return Ending(error.exit_code, error.code, as_options(str(error)))
        case click.ClickException():
            return Ending(2, "TS-C001", error.format_message())
        case KeyboardInterrupt():
            return Ending(130, "TS-C130", "Interrupted.")
        case FileNotFoundError():
            return Ending(2, "TS-C002", f"There is no file {str(error.filename)!r}.")
        case OSError(errno=errno.EAGAIN | errno.EBUSY):
            return Ending(75, "TS-R075", f"{error}. Try again.")
        case OSError() | MemoryError():
            return Ending(5, "TS-R001", str(error) or "The memory does not suffice.")
        case _:
            return Ending(1, "TS-E001", f"{type(error).__name__}: {error}. This is a fault of the program.")


def as_options(message: str) -> str:
    """Turn advice for Python into advice for the command line.

    >>> as_options("Pass TableLayout(missing='mask') or freq='h'.")
    'Pass --missing mask or --freq h.'
    >>> as_options('Name target=["a", "b"], val_size=12 and future=.')
    'Name --target a --target b, --val-size 12 and --future FILE.'
    """
    message = message.replace("future=.", "--future FILE.").replace("predict(df)", "as DATA")
    message = re.sub(r"TableLayout\((\w+=[^)]*)\)", r"\1", message)
    value = r"""\[[^\]]*\]|'[^']*'|"[^"]*"|[\w%/+-]+(?:\.\w+)?"""
    return re.sub(rf"(?<![\w-])({ADVICE})=({value})", _option, message)


def _option(found: re.Match[str]) -> str:
    """Write one keyword as an option, a list as the option repeated."""
    name, value = found[1].replace("_", "-"), found[2]
    values = value[1:-1].split(",") if value.startswith("[") else [value]
    return " ".join(f"--{name} {part.strip(' ' + chr(34) + chr(39))}" for part in values)
