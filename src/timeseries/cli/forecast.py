"""``timeseries forecast``: forecast with a saved model."""

from pathlib import Path

import click

from timeseries.cli.options import check_folder


@click.command(epilog="Example: timeseries forecast demand.model newest.csv > forecast.csv")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--future", type=click.Path(path_type=Path), help="CSV of the covariates known for the steps to forecast."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="CSV to write [standard output].")
def forecast(model: Path, data: Path | None, future: Path | None, output: Path | None) -> None:
    """Forecast with the model file MODEL from the history in the CSV file DATA.

    Without DATA the forecast follows the rows that the model was fitted to.
    """
    from timeseries.forecaster import Forecaster

    check_folder(output)
    answer = Forecaster.load(model).predict(data, future=future)
    text = answer.to_csv(index=bool(answer.index.names[0]))
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
