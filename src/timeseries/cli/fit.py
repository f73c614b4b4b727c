"""``timeseries fit``: learn from a table and save the model."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timeseries.cli.options import (
    AUTO,
    FILE,
    given_settings,
    make_forecaster,
    model_options,
    table_options,
)
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
    from timeseries.choosing import Choice
    from timeseries.forecaster import Forecaster


def _how_often(context: click.Context, option: click.Parameter, text: str | None) -> dict[str, float] | None:
    """Read 500steps, 2epochs or 30s."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(steps?|epochs?|s)", text)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{text!r} should be a number with its unit: 500steps, 1epoch or 30s.")
    unit = {"s": "seconds"}.get(found[2], found[2].removesuffix("s") + "s")
    if unit == "seconds":
        return {unit: float(found[1])}
    if not found[1].isdigit():
        raise click.BadParameter(f"{text!r} should be a whole number of {unit}.")
    return {unit: int(found[1])}


@click.command(epilog="Example: timeseries fit demand.csv --horizon 24 --output demand.model")
@click.argument("data", type=FILE)
@click.option("--output", "-o", type=FILE, required=True, help="Model file to write; - for standard output.")
@click.option("--plot", type=FILE, metavar="PICTURE", help="Loss by epoch, as .png or .svg.")
@click.option("--checkpoint", type=FILE, metavar="FILE", help="Keep the training in this file meanwhile.")
@click.option(
    "--checkpoint-every",
    metavar="HOW-OFTEN",
    callback=_how_often,
    help="500steps, 1epoch or 30s [60s].",
)
@click.option("--resume", type=FILE, metavar="FILE", help="Checkpoint of the same fit to go on from.")
@click.option(
    "--seconds", type=float, help="Time for the comparison of --model auto; the fit comes after it [60]."
)
@partial(model_options, more=(AUTO,))
@table_options
@output_options
def fit(data: Path, output: Path, plot: Path | None, **options: Any) -> None:
    """Fit a model to the table DATA and save it.

    Ctrl-C ends the training early: the best model so far is saved, and the exit code is 130. With
    --checkpoint, the same command with --resume goes on from there, exactly. --model auto compares several
    models with simple baselines on the last part of the table, and says why it takes which.
    """
    check_outputs(output, options["checkpoint"], pictures=(plot,))
    seconds, how = options.pop("seconds"), _how_to_fit(options)
    choice, interrupted = None, False
    if options["model"] == AUTO:
        choice = _chosen(data, seconds, how, options)
        forecaster, interrupted = choice.forecaster, choice.interrupted
    else:
        if seconds is not None:
            raise click.UsageError(
                "--seconds belongs to --model auto. To end a training: --set max_seconds=60."
            )
        forecaster = make_forecaster(**options)
        interrupted = _fitted_until_interrupted(forecaster, data, how)
    save_model(forecaster, output)
    if plot is not None:
        from timeseries.plotting import plot_losses, save_picture

        save_picture(plot_losses(forecaster.train_history), plot)
    if interrupted:
        note(f"The best model so far is in {output}.")
        kept = how["resume"] if how["checkpoint"] is None else how["checkpoint"].path
        if kept is not None and Path(kept).exists():
            note(f"The same command with --resume {kept} goes on from here.")
    elif output != STREAM:
        note(f"Saved to {output}. Next: timeseries forecast {output}")
    if wants_json():
        chosen = {} if choice is None else {"choice": _comparison(choice)}
        show(_document(forecaster) | {"output": str(output), "interrupted": interrupted} | chosen)
    if interrupted:
        click.echo("Interrupted.", err=True)
        click.get_current_context().exit(130)


def _how_to_fit(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of the options what is said to ``fit``, not to the forecaster."""
    path, every, resume = (options.pop(name) for name in ("checkpoint", "checkpoint_every", "resume"))
    if every is not None and path is None and resume is None:
        raise click.UsageError("--checkpoint-every needs --checkpoint FILE or --resume FILE.")
    if path or every:
        from timeseries.deeplearning.checkpoint import Checkpoints

        path = Checkpoints(path=path or resume, **(every or {}))
    return {"val_size": options.pop("val_size"), "checkpoint": path, "resume": resume}


def _chosen(data: Path, seconds: float | None, how: dict[str, Any], options: dict[str, Any]) -> "Choice":
    """Compare models on a table, and fit the best."""
    if how["checkpoint"] is not None or how["resume"] is not None:
        raise click.UsageError("--checkpoint and --resume need one model: --model auto fits several.")
    from timeseries.choosing import SECONDS, choose_model

    return choose_model(
        local(data) or data,
        seconds=SECONDS if seconds is None else seconds,
        val_size=how["val_size"],
        verbose=not is_quiet(),
        **given_settings(**options),
    )


def _comparison(choice: "Choice") -> dict[str, object]:
    """Return what was compared, and why the model was chosen."""
    return {
        "reason": choice.reason,
        "baseline_wins": choice.baseline_wins,
        "table": records(choice.table.reset_index()),
    }


def _fitted_until_interrupted(forecaster: "Forecaster", data: Path, how: dict[str, Any]) -> bool:
    """Fit, and return whether somebody ended that early but a model is there."""
    try:
        forecaster.fit(local(data) or data, verbose=not is_quiet(), **how)
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
