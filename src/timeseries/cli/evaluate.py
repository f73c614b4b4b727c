"""``timeseries evaluate``: how good a saved model is on rows that came after those it was fitted to."""

from pathlib import Path

import click

from timeseries.cli.options import FILE
from timeseries.cli.output import check_outputs, is_quiet, local, output_options
from timeseries.cli.scores import deliver_scores, score_options


@click.command(
    short_help="Score a saved model on later rows.",
    epilog="Example: timeseries evaluate demand.model newest.csv",
)
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@click.option("--step", type=int, help="Rows between origins [the horizon].")
@score_options
@output_options
def evaluate(
    model: Path,
    data: Path,
    step: int | None,
    output: Path | None,
    plot: Path | None,
    plot_errors: Path | None,
) -> None:
    """Score the model file MODEL on the rows of DATA that follow those it was fitted to.

    DATA holds the new rows, with or without the history before them; nothing is fitted.
    """
    from timeseries.ensemble import load_forecaster

    check_outputs(output, pictures=(plot, plot_errors))
    result = load_forecaster(model).evaluate(local(data), step=step, verbose=not is_quiet())
    deliver_scores(result, output, plot, plot_errors)
