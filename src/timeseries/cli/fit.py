"""``timeseries fit``: learn from a table and save the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timeseries.cli.options import FILE, make_forecaster, model_options, table_options
from timeseries.cli.output import (
    STREAM,
    check_outputs,
    is_quiet,
    local,
    note,
    output_options,
    save_model,
    show,
    wants_json,
)

if TYPE_CHECKING:
    from timeseries.forecaster import Forecaster


@click.command(epilog="Example: timeseries fit demand.csv --horizon 24 --output demand.model")
@click.argument("data", type=FILE)
@click.option("--output", "-o", type=FILE, required=True, help="Model file to write; - for standard output.")
@click.option("--plot", type=FILE, metavar="PICTURE", help="Loss by epoch, as .png or .svg.")
@model_options
@table_options
@output_options
def fit(data: Path, output: Path, plot: Path | None, val_size: int | None, **options: Any) -> None:
    """Fit a model to the table DATA and save it.

    Ctrl-C ends the training early: the best model so far is saved, and the exit code is 130.
    """
    check_outputs(output, pictures=(plot,))
    forecaster = make_forecaster(**options)
    interrupted = _fitted_until_interrupted(forecaster, data, val_size)
    save_model(forecaster, output)
    if plot is not None:
        from timeseries.plotting import plot_losses, save_picture

        save_picture(plot_losses(forecaster.train_history), plot)
    if interrupted:
        note(f"The best model so far is in {output}.")
    elif output != STREAM:
        note(f"Saved to {output}. Next: timeseries forecast {output}")
    if wants_json():
        show(_document(forecaster) | {"output": str(output), "interrupted": interrupted})
    if interrupted:
        click.echo("Interrupted.", err=True)
        click.get_current_context().exit(130)


def _fitted_until_interrupted(forecaster: "Forecaster", data: Path, val_size: int | None) -> bool:
    """Fit, and return whether somebody ended that early but a model is there."""
    try:
        forecaster.fit(local(data) or data, val_size=val_size, verbose=not is_quiet())
    except KeyboardInterrupt:
        if not hasattr(forecaster, "fitted_"):
            raise
        return True
    return False


def _document(forecaster: "Forecaster") -> dict[str, object]:
    """Return what was fitted to what; losses in scaled units."""
    fitted = forecaster.fitted_
    return {
        "model": fitted.name,
        "horizon": fitted.model.horizon,
        "context_length": fitted.model.sequence_length,
        "series": len(fitted.tail.ids),
        "frequency": fitted.tail.frequency.step,
        "history": forecaster.train_history,
    }
