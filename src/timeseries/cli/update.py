"""``timeseries update``: give a saved model the newest rows."""

import os
import shutil
from pathlib import Path
from tempfile import mkstemp

import click

from timeseries.cli.options import FILE
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


@click.command(
    short_help="Give a saved model the newest rows.",
    epilog="Example: timeseries update demand.model today.csv; undo: mv demand.model.previous demand.model",
)
@click.argument("model", type=FILE)
@click.argument("data", metavar="NEWDATA", type=FILE)
@click.option("--output", "-o", type=FILE, help="Model file to write [MODEL itself].")
@click.option(
    "--fine-tune", default=0, show_default=True, metavar="STEPS", help="Optimiser steps on the new rows too."
)
@output_options
def update(model: Path, data: Path, output: Path | None, fine_tune: int) -> None:
    """Append the rows of NEWDATA to what the model file MODEL knows, so that its forecasts follow them.

    MODEL is replaced in one step, and what it was before is kept beside it as MODEL.previous.
    """
    from timeseries.ensemble import load_forecaster
    from timeseries.tables.layout import plain

    check_outputs(output)
    forecaster = load_forecaster(model)
    forecaster.update(local(data), fine_tune=fine_tune, verbose=not is_quiet())
    previous = _keep_previous(model) if output is None else None
    save_model(forecaster, output or model)
    if output != STREAM:
        note(f"Saved to {output or model}." + (f" Before: {previous}." if previous else ""))
    if wants_json():
        tail = forecaster.fitted_.tail
        last = plain(tail.written(tail.time.max(keepdims=True))[0])
        show(
            {
                "output": str(output or model),
                "previous": previous and str(previous),
                "series": len(forecaster.fitted_.tail.ids),
                "last": last if isinstance(last, int) else last.isoformat(),
            }
        )


def _keep_previous(model: Path) -> Path:
    """Copy a model file to the name of its predecessor, in one step and as private as it is."""
    previous = model.with_name(f"{model.name}.previous")
    descriptor, temporary = mkstemp(dir=model.parent, prefix=f".{model.name}.", suffix=".tmp")
    os.close(descriptor)
    try:
        shutil.copyfile(model, temporary)
        shutil.copymode(model, temporary)
        Path(temporary).replace(previous)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return previous
