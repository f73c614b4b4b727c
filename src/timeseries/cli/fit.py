"""``timeseries fit``: learn from a table and save the model."""

from pathlib import Path
from typing import Any

import click

from timeseries.cli.options import check_folder, make_forecaster, model_options, table_options


@click.command(epilog="Example: timeseries fit demand.csv --horizon 24 --output demand.model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Model file to write.")
@model_options
@table_options
def fit(data: Path, output: Path, val_size: int | None, quiet: bool, **options: Any) -> None:
    """Fit a model to the CSV file DATA and save it."""
    from timeseries.fitted import TrainingInterrupted

    check_folder(output)
    forecaster = make_forecaster(**options)
    try:
        forecaster.fit(data, val_size=val_size, verbose=not quiet)
    except TrainingInterrupted:
        forecaster.save(output)
        click.echo(f"The best model so far is in {output}.", err=True)
        raise
    forecaster.save(output)
    if not quiet:
        click.echo(f"Saved to {output}. Next: timeseries forecast {output}", err=True)
