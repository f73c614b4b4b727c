"""Options that several verbs share: which column is what, and which model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from timeseries.forecaster import Forecaster

Command = TypeVar("Command", bound=Callable[..., Any])


def table_options(command: Command) -> Command:
    """Add the options that say which column of the table is what."""
    for option in reversed(
        [
            click.option("--id", metavar="COLUMN", help="Column that names the series [unique_id]."),
            click.option("--time", metavar="COLUMN", help="Column of the stamps [ds]."),
            click.option(
                "--target", metavar="COLUMN", multiple=True, help="What to forecast; may be repeated."
            ),
            click.option("--past", metavar="COLUMN", multiple=True, help="Covariate known up to now."),
            click.option("--future", metavar="COLUMN", multiple=True, help="Covariate known ahead."),
            click.option("--static", metavar="COLUMN", multiple=True, help="Constant within a series."),
            click.option("--freq", metavar="STEP", help="Step between stamps, such as h or MS [inferred]."),
            click.option(
                "--missing",
                type=click.Choice(["error", "mask"]),
                help="Absent values and stamps: refuse them, or keep them as masked steps [error].",
            ),
        ]
    ):
        command = option(command)
    return command


def model_options(command: Command) -> Command:
    """Add the options that say which model forecasts what."""
    for option in reversed(
        [
            click.option("--model", default="lstm", show_default=True, help="lstm, transformer or nlinear."),
            click.option("--horizon", type=int, required=True, help="Steps to forecast."),
            click.option("--context-length", type=int, help="Rows that the network sees."),
            click.option(
                "--set",
                "assignments",
                metavar="NAME=VALUE",
                multiple=True,
                help="A setting of the model: hidden_size=128, quantiles=0.1,0.5,0.9; may be repeated.",
            ),
            click.option("--val-size", type=int, help="Last rows that choose the number of epochs."),
            click.option("--quiet", is_flag=True, help="No notes and no progress."),
        ]
    ):
        command = option(command)
    return command


def make_forecaster(
    *, model: str, horizon: int, context_length: int | None, assignments: tuple[str, ...], **layout: Any
) -> "Forecaster":
    """Return the forecaster that the options describe; the library's defaults hold where none was given."""
    from timeseries.forecaster import Forecaster

    given = {name: value for name, value in layout.items() if value not in (None, ())}
    if len(given.get("target", ())) == 1:
        given["target"] = given["target"][0]
    settings = given | _assigned(assignments)
    return Forecaster(model, horizon=horizon, context_length=context_length, **settings)


def _assigned(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Read NAME=VALUE pairs."""
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise click.BadParameter(f"--set {assignment!r} should be NAME=VALUE, such as hidden_size=128.")
        if name in ("model", "horizon", "context_length"):
            raise click.BadParameter(f"--set {assignment!r}: this has an option, --{name.replace('_', '-')}.")
        settings[name] = _value(text)
    return settings


def _value(text: str) -> Any:
    """Read a value: JSON, or several of it with commas between, else the text itself."""
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except json.JSONDecodeError:
            continue
    return text


def check_folder(path: Path | None) -> None:
    """Refuse an output whose folder does not exist, before any work is done for it."""
    if path is not None and not path.resolve().parent.is_dir():
        raise click.BadParameter(f"There is no folder {str(path.parent)!r} to write {path.name!r} to.")
