"""The command line: one file per verb. Data goes to standard output, everything else to standard error.

Nothing here imports torch, pandas or scikit-learn before a verb needs them, so that help is immediate.
"""

import re

import click

from timeseries import __version__
from timeseries.cli.backtest import backtest
from timeseries.cli.fit import fit
from timeseries.cli.forecast import forecast
from timeseries.cli.inspect import inspect
from timeseries.errors import TimeSeriesError

NO_FILE = 2  # exit code for a model file that is not there
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
SYSTEM_FAULT = 5  # exit code for a disk, a memory or a permission that fails


class _Group(click.Group):
    """Commands whose expected errors end in one sentence and a documented exit code, not in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TimeSeriesError as error:
            click.echo(f"Error: {_as_options(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except FileNotFoundError as error:
            click.echo(f"Error: There is no file {str(error.filename)!r}.", err=True)
            ctx.exit(NO_FILE)
        except (OSError, MemoryError) as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(SYSTEM_FAULT)


def _as_options(message: str) -> str:
    """Turn advice for Python into advice for the command line: missing='mask' is --missing mask."""
    message = re.sub(r"TableLayout\((\w+)=([^)]*)\)", r"--\1 \2", message).replace(
        "future=.", "--future FILE."
    )
    return re.sub(r"""\b(missing|freq)=["']?(\w+)["']?""", r"--\1 \2", message)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 2 wrong usage or settings, 3 bad data, 4 model file refused, "
        "5 disk or memory, 6 training diverged, 130 interrupted."
    ),
)
@click.version_option(__version__, prog_name="timeseries")
def main() -> None:
    """Deep learning on time series: fit a network to a table, test it honestly, forecast."""


for command in (fit, forecast, backtest, inspect):
    main.add_command(command)
