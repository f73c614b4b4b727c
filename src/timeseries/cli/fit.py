"""``timeseries fit``: learn from a table and save the model."""

from pathlib import Path
from typing import Any

import click

from timeseries.cli.options import assigned, given, model_options, table_options


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="The model file to write."
)
@model_options
@table_options
def fit(
    data: Path,
    output: Path,
    model: str,
    horizon: int,
    context_length: int | None,
    assignments: tuple[str, ...],
    val_size: int | None,
    quiet: bool,
    **layout: Any,
) -> None:
    r"""Fit a model to the CSV file DATA and save it.

    \b
    timeseries fit demand.csv --horizon 24 --output demand.model
    """
    from timeseries.forecaster import Forecaster

    settings = given(layout) | assigned(assignments)
    forecaster = Forecaster(model, horizon=horizon, context_length=context_length, **settings)
    forecaster.fit(data, val_size=val_size, verbose=not quiet)
    forecaster.save(output)
    if not quiet:
        click.echo(f"Saved to {output}. Next: timeseries forecast {output}", err=True)
