"""``timeseries tune``: search the settings that forecast best."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timeseries.cli.options import FILE, given_settings, model_options, table_options
from timeseries.cli.output import (
    STREAM,
    check_outputs,
    is_quiet,
    local,
    note,
    output_options,
    records,
    save_model,
    show,
    wants_json,
)

if TYPE_CHECKING:
    from timeseries.tuning import TuningResult


@click.command(
    short_help="Search the settings that forecast best.",
    epilog="Example: timeseries tune demand.csv --horizon 24 --trials 20 --storage study -o demand.model",
)
@click.argument("data", type=FILE)
@click.option(
    "--output", "-o", type=FILE, required=True, help="Model file of the best; - for standard output."
)
@click.option("--trials", default=50, show_default=True, help="How many, those in --storage included.")
@click.option("--seconds", type=float, help="Time for the trials; the final fit comes after it [no limit].")
@click.option("--storage", type=FILE, metavar="FILE", help="Keep trials here, and go on from those there.")
@click.option("--metric", default="mae", show_default=True, help="The error to make small.")
@click.option("--windows", default=3, show_default=True, help="Origins per series that score a trial.")
@click.option("--step", type=int, help="Rows between origins [the horizon].")
@click.option("--gap", default=0, show_default=True, help="Rows before an origin that are not fitted on.")
@click.option("--test-size", default=0, show_default=True, help="Last rows of each series, left alone.")
@click.option("--plot", type=FILE, metavar="PICTURE", help="Error by trial and importance, .png or .svg.")
@model_options
@table_options
@output_options
def tune(data: Path, output: Path, plot: Path | None, **options: Any) -> None:
    """Search the settings of a model on the table DATA, fit the best to it and save that.

    A trial is fitted before each of the last origins of the table, and scored on what follows. With
    --storage, a search that was killed goes on with the same command. Ctrl-C ends the search: the best so far
    is fitted and saved, and the exit code is 130.
    """
    check_outputs(output, options["storage"], pictures=(plot,))
    from timeseries.comparison import written
    from timeseries.tuning import tune as search

    named = ("trials", "seconds", "storage", "metric", "windows", "step", "gap", "test_size", "val_size")
    how = {name: options.pop(name) for name in named}
    model = options["model"]
    with written(_as_options):
        result = search(
            model, local(data) or data, verbose=not is_quiet(), **how, **given_settings(**options)
        )
        summary = repr(result)
    save_model(result.forecaster, output)
    if plot is not None:
        from timeseries.plotting import plot_tuning, save_picture

        save_picture(plot_tuning(result), plot)
    if wants_json():
        show(_document(result) | {"output": str(output)})
    elif output != STREAM:
        click.echo(summary)
        note(f"Saved to {output}. Next: timeseries forecast {output}")
    if result.interrupted:
        click.echo("Interrupted.", err=True)
        click.get_current_context().exit(130)


def _as_options(settings: Mapping[str, Any]) -> str:
    """Write settings as arguments of ``timeseries fit`` and other verbs, numbers with four digits."""
    return " ".join(_as_option(name, value) for name, value in settings.items())


def _as_option(name: str, value: Any) -> str:
    if name == "context_length":
        return f"--context-length {value}"
    text = (
        f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    )
    return f"--set {shlex.quote(f'{name}={text}')}"


def _document(result: "TuningResult") -> dict[str, object]:
    """Return what was found, and every trial."""
    return {
        "model": result.forecaster.fitted_.name,
        "metric": result.metric,
        "error": result.error,
        "settings": result.settings,
        "importance": result.importance,
        "trials": records(result.trials.reset_index()),
        "interrupted": result.interrupted,
    }
