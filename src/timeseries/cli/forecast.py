"""``timeseries forecast``: forecast with a saved model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from timeseries.cli.options import FILE
from timeseries.cli.output import (
    STREAM,
    as_precise_as_float32,
    check_outputs,
    deliver,
    is_quiet,
    local,
    output_options,
    wants_json,
)

if TYPE_CHECKING:
    import pandas as pd

    from timeseries.ensemble import Ensemble
    from timeseries.forecaster import Forecaster


@click.command(
    short_help="Forecast with a saved model.",
    epilog="Example: timeseries forecast demand.model newest.csv > forecast.csv",
)
@click.argument("model", type=FILE)
@click.argument("data", type=FILE, required=False)
@click.option("--future", type=FILE, help="Table of the covariates known for the steps to forecast.")
@click.option("--output", "-o", type=FILE, help="CSV to write [standard output].")
@click.option("--plot", type=FILE, metavar="PICTURE", help="History and forecast, as .png or .svg.")
@output_options
def forecast(
    model: Path, data: Path | None, future: Path | None, output: Path | None, plot: Path | None
) -> None:
    """Forecast with the model file MODEL from the history in the table DATA.

    Without DATA the forecast follows the rows that the model was fitted to.
    """
    from timeseries.ensemble import load_forecaster

    check_outputs(output, pictures=(plot,))
    if data == future == STREAM:
        raise click.UsageError("DATA and --future cannot both be standard input.")
    forecaster = load_forecaster(model)
    history = local(data)
    answer = forecaster.predict(history, future=local(future), verbose=not is_quiet())
    if plot is not None:
        _draw(forecaster, history, answer, plot)
    table = answer.reset_index() if answer.index.names[0] else answer
    if output is not None or not wants_json():
        layout = forecaster.fitted_.layout
        numbers = [name for name in table.columns if name not in (layout.id, layout.time)]
        table = as_precise_as_float32(table, numbers, layout.id)
    facts = {"model": forecaster.fitted_.name, "horizon": forecaster.horizon}
    deliver(table, output, facts)


def _draw(
    forecaster: "Forecaster | Ensemble", history: Path | None, answer: "pd.DataFrame", plot: Path
) -> None:
    """Draw the forecast after the rows that it follows."""
    from timeseries.plotting import plot_forecast, save_picture
    from timeseries.table_forecaster import read_panel

    fitted = forecaster.fitted_
    panel = fitted.tail if history is None else read_panel(history, fitted.layout)
    save_picture(plot_forecast(panel.to_frame(), answer, layout=fitted.layout), plot)
