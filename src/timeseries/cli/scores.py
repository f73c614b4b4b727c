"""The scores of a backtest, as ``backtest`` and ``evaluate`` deliver them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from timeseries.cli.options import FILE
from timeseries.cli.output import STREAM, as_precise_as_float32, show, wants_json

if TYPE_CHECKING:
    import pandas as pd

    from timeseries.backtesting import Backtest

Command = TypeVar("Command", bound=Callable[..., Any])


def score_options(command: Command) -> Command:
    """Add the options that say where forecasts and pictures of them go."""
    for option in (
        click.option("--plot-errors", type=FILE, metavar="PICTURE", help="Error by step, as .png or .svg."),
        click.option(
            "--plot", type=FILE, metavar="PICTURE", help="Forecasts beside the truth, as .png or .svg."
        ),
        click.option("--output", "-o", type=FILE, help="CSV of every forecast and its truth."),
    ):
        command = option(command)
    return command


def deliver_scores(
    result: "Backtest", output: Path | None, plot: Path | None, plot_errors: Path | None
) -> None:
    """Draw and write what was asked for, and print the scores; with ``--output -`` the forecasts instead."""
    if plot is not None or plot_errors is not None:
        from timeseries.plotting import plot_backtest, plot_error_by_step, save_picture

        for path, draw in ((plot, plot_backtest), (plot_errors, plot_error_by_step)):
            if path is not None:
                save_picture(draw(result), path)
    if output is not None:
        text = _every_forecast(result).to_csv(index=False)
        if output == STREAM:
            click.echo(text, nl=False)
            return
        output.write_text(text, encoding="utf-8")
    if wants_json():
        show(result.to_dict())
    else:
        click.echo(repr(result))


def _every_forecast(result: "Backtest") -> "pd.DataFrame":
    """Return every forecast and its truth; the truth and the baselines have all their digits."""
    table = result.frame()
    levels = [f"{result.model}_q{level:g}" for level in result.levels or ()]
    return as_precise_as_float32(table, [result.model, *levels], table.columns[0])
