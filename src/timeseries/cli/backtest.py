"""``timeseries backtest``: how good the forecasts would have been."""

from pathlib import Path
from typing import Any

import click

from timeseries.cli.options import check_folder, make_forecaster, model_options, table_options


@click.command(epilog="Example: timeseries backtest demand.csv --horizon 24 --windows 14")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--windows", default=5, show_default=True, help="Origins per series.")
@click.option("--step", type=int, help="Rows between origins [the horizon].")
@click.option("--gap", default=0, show_default=True, help="Rows before an origin that are not fitted on.")
@click.option("--refit", is_flag=True, help="Fit anew for every origin.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="CSV of every forecast and its truth.")
@model_options
@table_options
def backtest(
    data: Path,
    windows: int,
    step: int | None,
    gap: int,
    refit: bool,
    output: Path | None,
    val_size: int | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Forecast the last part of the CSV file DATA from several origins and score the forecasts.

    The model stands beside the last value and the seasonal naive forecast; skill is the share of the
    seasonal naive forecast's mean absolute error that it avoids.
    """
    check_folder(output)
    result = make_forecaster(**options).backtest(
        data, windows=windows, step=step, gap=gap, refit=refit, val_size=val_size, verbose=not quiet
    )
    if output is not None:
        result.frame().to_csv(output, index=False)
    click.echo(result.table().to_string(float_format="{:.4g}".format, na_rep="undefined"))
