"""Options that several verbs share: which column is what, and which model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from timeseries.errors import SettingError, did_you_mean, shown, unknown_name
from timeseries.recipes import NAMES

if TYPE_CHECKING:
    from timeseries.forecaster import Forecaster

Command = TypeVar("Command", bound=Callable[..., Any])
AUTO = "auto"
"""For --model: whichever does best on the table."""
FILE = click.Path(path_type=Path, allow_dash=True)


def _coverage(context: click.Context, option: click.Parameter, text: str | None) -> list[float] | None:
    """Read the intervals' percentages as shares; none of them is an empty list, unlike no option."""
    if text is None or text == "none":
        return None if text is None else []
    try:
        percents = [float(part) for part in text.split(",")]
    except ValueError:
        percents = [0.0]
    if not all(1 <= percent < 100 for percent in percents):
        raise click.BadParameter(
            f"{text!r} should be percentages from 1 to 100 with commas, such as 80,95, or none."
        )
    return [percent / 100 for percent in percents]


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
            click.option("--season", type=int, metavar="ROWS", help="Rows of one season [from the step]."),
            click.option(
                "--season-zone",
                metavar="ZONE",
                help="Zone whose clock seasons follow, and stamps without offset show: Europe/Berlin.",
            ),
            click.option(
                "--missing",
                type=click.Choice(["error", "mask"]),
                help="Absent values and stamps: refuse them, or keep them as masked steps [error].",
            ),
            click.option(
                "--duplicates",
                type=click.Choice(["error", "first", "last", "mean"]),
                help="Rows of the same series and stamp: refuse them, or keep one [error].",
            ),
            click.option(
                "--bad-series",
                type=click.Choice(["error", "drop"]),
                help="Series without any value, or too short: refuse them, or leave them out [error].",
            ),
            click.option("--separator", metavar="MARK", help="Between the columns of a CSV [detected]."),
            click.option("--decimal", metavar="MARK", help="Decimal point or comma of a CSV [detected]."),
            click.option(
                "--thousands", metavar="MARK", help="Between groups of three digits: . , ' or space [none]."
            ),
            click.option("--encoding", help="Of a CSV, such as utf-8 or cp1252 [detected]."),
            click.option(
                "--date-format", metavar="FORMAT", help="Of the stamps, such as %d/%m/%Y [detected]."
            ),
        ]
    ):
        command = option(command)
    return command


class ModelName(click.Choice):  # type: ignore[type-arg]
    """One of the names, or an error that says which of them was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name."""
        if value not in self.choices:
            self.fail(str(unknown_name("model", value, known=map(str, self.choices))), param, ctx)
        return super().convert(value, param, ctx)


def model_options(command: Command, more: tuple[str, ...] = ()) -> Command:
    """Add the options that say which model forecasts what; a verb may know more names of models."""
    for option in reversed(
        [
            click.option(
                "--model",
                default="lstm",
                show_default=True,
                type=ModelName([*NAMES, *more]),
                help="A model with measured settings"
                + ("; auto: the best of several, tried on this table." if AUTO in more else "."),
            ),
            click.option("--horizon", type=int, required=True, help="Steps to forecast."),
            click.option("--context-length", type=int, help="Rows that the network sees."),
            click.option(
                "--set",
                "assignments",
                metavar="NAME=VALUE",
                multiple=True,
                help="A setting of the model: hidden_size=128 or hidden_size=64,32; may be repeated.",
            ),
            click.option(
                "--val-size",
                type=int,
                metavar="ROWS",
                help="Last rows of each series that calibrate the intervals; given here, they choose the "
                "number of epochs too [a fifth; the epochs are those of the model].",
            ),
            click.option(
                "--coverage",
                metavar="PERCENTS",
                callback=_coverage,
                help="Intervals to forecast, or none [80,95].",
            ),
            click.option("--lower", type=float, help="No forecast falls below this."),
            click.option("--upper", type=float, help="No forecast rises above this."),
            click.option("--integer", is_flag=True, help="Forecast whole numbers."),
            click.option(
                "--target-transform",
                metavar="NAME",
                multiple=True,
                help="What is done to the targets before the network sees them, and undone in forecasts: "
                "log, box_cox, detrend, deseasonalize, deseasonalize_multiplicative, difference or "
                "seasonal_difference; may be repeated.",
            ),
        ]
    ):
        command = option(command)
    return command


def make_forecaster(*, model: str, **options: Any) -> "Forecaster":
    """Return the forecaster that the options describe; the library's defaults hold where none was given."""
    from timeseries.forecaster import Forecaster

    return Forecaster(model, **given_settings(model=model, **options))


def given_settings(
    *, model: str, horizon: int, context_length: int | None, assignments: tuple[str, ...], **options: Any
) -> dict[str, Any]:
    """Return what the options say to a forecaster beside its model."""
    from timeseries.configuration import settings_of, shared_settings

    # 0 is a bound that was given; None, False and () mean that nothing was.
    given = {n: v for n, v in options.items() if v is not None and v is not False and v != ()}
    if len(given.get("target", ())) == 1:
        given["target"] = given["target"][0]
    known = shared_settings() if model == AUTO else settings_of(model)
    settings = given | _assigned(assignments, known, {*OPTIONS, *options})
    return {"horizon": horizon, "context_length": context_length, **settings}


OPTIONS = ("model", "horizon", "context_length", "val_size")
"""What has an option of its own, beside what is handed to the forecaster as it is."""


def _assigned(assignments: tuple[str, ...], known: Sequence[str], options: set[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs of the settings that are known."""
    settings, unknown = {}, []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise click.BadParameter(f"--set {assignment!r} should be NAME=VALUE, such as hidden_size=128.")
        if name in options and name not in known:
            raise click.BadParameter(f"--set {assignment!r}: this has an option, --{name.replace('_', '-')}.")
        if name not in known:
            meant = did_you_mean(name, [*known, *sorted(options)])
            unknown.append(f"Unknown setting for --set {shown(name)}.{meant}")
        settings[name] = _value(text)
    if unknown:
        raise SettingError(f"{' '.join(unknown)} Known: {', '.join(known)}.")
    return settings


def _value(text: str) -> Any:
    """Read a value: JSON, or several of it with commas between, else the text itself."""
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):  # no JSON, a number of too many digits, or too many levels
            continue
    return text
