"""The command line: one file per verb. Data goes to standard output, everything else to standard error.

Nothing here imports torch, pandas or scikit-learn before a verb needs them, so that help is immediate.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from timeseries import __version__
from timeseries.cli.advice import as_options
from timeseries.cli.backtest import backtest
from timeseries.cli.datasets import datasets
from timeseries.cli.endings import EXIT_CODES, end
from timeseries.cli.evaluate import evaluate
from timeseries.cli.fit import fit
from timeseries.cli.forecast import forecast
from timeseries.cli.inspect import inspect
from timeseries.cli.output import JSON, warnings_as_notes
from timeseries.cli.tune import tune
from timeseries.cli.update import update
from timeseries.notes import worded


class _Program(click.Group):
    """Commands whose expected errors end in one sentence and a documented exit code, not in a traceback."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str = "timeseries", **extra: Any
    ) -> NoReturn:
        """Run a command line and exit; the name is the same however the program was started."""
        arguments = sys.argv[1:] if args is None else list(args)
        try:
            with _terminable():
                code = super().main(arguments, prog_name, **(extra | {"standalone_mode": False}))
        except click.ClickException as error:
            code = _told(error, as_json="--json" in arguments)  # wrong usage was found before it was read
        sys.exit(code)

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **extra)
        except OSError as error:  # help is written while the command line is read
            sys.exit(_unwritten(error))

    def invoke(self, ctx: click.Context) -> object:
        def wording(text: str) -> str:
            return as_options(text, self.commands, ctx.invoked_subcommand)

        try:
            with warnings_as_notes(wording), worded(wording):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError as error:
            ctx.exit(_unwritten(error))
        except (Exception, KeyboardInterrupt) as error:
            ctx.exit(_told(error, as_json=bool(ctx.meta.get(JSON)), wording=wording))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end a command in order, so that it leaves neither a lock nor a temporary file behind."""

    def leave(number: int, _: object) -> NoReturn:
        click.echo("Terminated.", err=True)
        sys.exit(128 + number)

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _told(error: BaseException, *, as_json: bool, wording: Callable[[str], str] = str) -> int:
    """Say why a command failed, if anybody can be told, and return its exit code."""
    try:
        return end(error, as_json=as_json, wording=wording)
    except OSError as unwritten:
        return _unwritten(unwritten)


def _unwritten(error: OSError) -> int:
    """Return the exit code where standard output takes nothing; say so unless nobody reads it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains on leaving
    return 141 if isinstance(error, BrokenPipeError) else end(error, as_json=False)


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.\n\n"
        'Completion, for bash: eval "$(_TIMESERIES_COMPLETE=bash_source timeseries)"; for others zsh_source '
        "or fish_source."
    ),
)
@click.version_option(__version__, prog_name="timeseries")
def main() -> None:
    """Deep learning on time series: fit a network to a table, test it honestly, forecast.

    Tables are files, or - for standard input.
    """


for command in (fit, tune, forecast, backtest, evaluate, update, inspect, datasets):
    main.add_command(command)
