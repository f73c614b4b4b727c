"""Options that several verbs share: which column is what, and which model."""

import json
from collections.abc import Callable
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
                help="A setting of the model, such as hidden_size=128; may be repeated.",
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
    """Read NAME=VALUE pairs; a value is a number, true, false, null or a list as in JSON, else text."""
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise click.BadParameter(f"{assignment!r} should be NAME=VALUE, such as hidden_size=128.")
        try:
            settings[name.replace("-", "_")] = json.loads(text)
        except json.JSONDecodeError:
            settings[name.replace("-", "_")] = text
    return settings
