"""What a command says: data to standard output, as text or one JSON document, the rest to standard error."""

import json
import math
import sys
import warnings
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import pandas as pd

    from timeseries.ensemble import Ensemble
    from timeseries.forecaster import Forecaster

Command = TypeVar("Command", bound=Callable[..., Any])
STREAM = Path("-")  # standard input where a file is read, standard output where one is written
FLOAT32_DIGITS = 9  # significant digits that tell any two numbers of float32 apart
JSON, QUIET = "timeseries.json", "timeseries.quiet"  # keys of click's notes about the running command


def output_options(command: Command) -> Command:
    """Add --json and --quiet, which every verb has."""

    def remember(key: str) -> Callable[[click.Context, click.Parameter, bool], None]:
        return lambda context, parameter, value: context.meta.__setitem__(key, value)

    for option in (
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            expose_value=False,
            callback=remember(QUIET),
            help="No notes, warnings or progress.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=remember(JSON),
            help="One JSON document on standard output, errors too.",
        ),
    ):
        command = option(command)
    return command


def wants_json() -> bool:
    """Return whether the running command was given --json."""
    return bool(click.get_current_context().meta.get(JSON))


def is_quiet() -> bool:
    """Return whether the running command was given --quiet."""
    return bool(click.get_current_context().meta.get(QUIET))


def note(text: str) -> None:
    """Tell the person something that is no data."""
    if not is_quiet():
        click.echo(text, err=True)


@contextmanager
def warnings_as_notes(wording: Callable[[str], str]) -> Iterator[None]:
    """Show warnings as one sentence each, without the line of code that a developer wants to see."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **more: note(f"Warning: {wording(str(message))}")
        yield


def show(document: Mapping[str, object]) -> None:
    """Print a JSON document; a number that is none must be null in it already."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def deliver(table: "pd.DataFrame", output: Path | None, facts: Mapping[str, object]) -> None:
    """Write a table to where it was asked for: as CSV, or as rows of the JSON document beside the facts."""
    text = None if output is None and wants_json() else table.to_csv(index=False)
    if output not in (None, STREAM) and text is not None:
        output.write_text(text, encoding="utf-8")
        written = {"output": str(output), "rows": len(table)}
        if wants_json():
            show({**facts, **written})
    elif text is not None:
        click.echo(text, nl=False)
    else:
        show({**facts, "table": records(table)})


def as_precise_as_float32(
    table: "pd.DataFrame", forecasts: Collection[Hashable], series: Hashable
) -> "pd.DataFrame":
    """Return a table whose forecasts have the digits that the arithmetic of a network justifies.

    Networks see every series divided by how much it moves, so nine digits of that are kept: of the range
    that the column spans within a series, or of a number itself where that is smaller.
    """
    import numpy as np

    rounded = table.copy()
    for name in forecasts:
        column = table[name]
        if column.dtype.kind != "f":
            continue
        groups = column.groupby(table[series] if series in table else np.zeros(len(table)), sort=False)
        spans = groups.transform("max") - groups.transform("min")
        rounded[name] = [_rounded(x, span) for x, span in zip(column.tolist(), spans.tolist(), strict=True)]
    return rounded


def _rounded(x: float, span: float) -> float:
    """Keep nine digits of a number or of a span, whichever is smaller; all where there is no span."""
    size = min(abs(x), span)
    if not 0 < size < math.inf:
        return x
    return round(x, FLOAT32_DIGITS - 1 - math.floor(math.log10(size)))


def records(table: "pd.DataFrame") -> list[dict[str, object]]:
    """Return the rows of a table for JSON: stamps as ISO 8601, what is absent as null."""
    columns = [[_plain(value) for value in table[name].tolist()] for name in table]
    names = [str(name) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> object:
    """Return a cell as JSON has it."""
    if value != value:  # NaN and NaT alone differ from themselves
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def local(data: Path | None) -> Path | None:
    """Return where a table can be read more than once: "-" is standard input, kept meanwhile."""
    if data != STREAM:
        return data
    content = sys.stdin.buffer.read()
    folder = click.get_current_context().with_resource(TemporaryDirectory())
    suffix = ".csv.gz" if content.startswith(b"\x1f\x8b") else ".csv"
    path = Path(folder, f"standard-input{suffix}")
    path.write_bytes(content)
    return path


def save_model(forecaster: "Forecaster | Ensemble", output: Path) -> None:
    """Save a model to a file, or to standard output once it is complete."""
    if output != STREAM:
        forecaster.save(output)
        return
    with TemporaryDirectory() as folder:
        forecaster.save(Path(folder, "model"))
        sys.stdout.buffer.write(Path(folder, "model").read_bytes())
        sys.stdout.flush()


def check_outputs(*outputs: Path | None, pictures: tuple[Path | None, ...] = ()) -> None:
    """Refuse an output that cannot be written, before any work is done for it."""
    if STREAM in outputs and wants_json():
        raise click.UsageError("--json writes its document to standard output: give --output a file.")
    for path in (*outputs, *pictures):
        if path is not None and not path.resolve().parent.is_dir():
            raise click.BadParameter(f"There is no folder {str(path.parent)!r} to write {path.name!r} to.")
    if any(pictures):
        from timeseries.plotting import check_picture

        for path in filter(None, pictures):
            check_picture(path)
