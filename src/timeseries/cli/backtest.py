"""``timeseries backtest``: how good the forecasts would have been."""

from pathlib import Path
from typing import Any

import click

from timeseries.cli.options import FILE, make_forecaster, model_options, table_options
from timeseries.cli.output import check_outputs, is_quiet, local, output_options
from timeseries.cli.scores import deliver_scores, score_options


@click.command(
    short_help="Score forecasts of the last part of a table.",
    epilog="Example: timeseries backtest demand.csv --horizon 24 --windows 14",
)
@click.argument("data", type=FILE)
@click.option("--windows", default=5, show_default=True, help="Origins per series.")
@click.option("--step", type=int, help="Rows between origins [the horizon].")
@click.option("--gap", default=0, show_default=True, help="Rows before an origin that are not fitted on.")
@click.option("--refit", is_flag=True, help="Fit anew for every origin.")
@score_options
@model_options
@table_options
@output_options
def backtest(
    data: Path,
    windows: int,
    step: int | None,
    gap: int,
    refit: bool,
    val_size: int | None,
    output: Path | None,
    plot: Path | None,
    plot_errors: Path | None,
    **options: Any,
) -> None:
    """Forecast the last part of the table DATA from several origins and score the forecasts.

    The model stands beside simple baselines; skill is the share of the seasonal naive forecast's mean
    absolute error that it avoids.
    """
    check_outputs(output, pictures=(plot, plot_errors))
    forecaster = make_forecaster(**options)
    result = forecaster.backtest(
        local(data) or data,
        windows=windows,
        step=step,
        gap=gap,
        refit=refit,
        val_size=val_size,
        verbose=not is_quiet(),
    )
    deliver_scores(result, output, plot, plot_errors)
