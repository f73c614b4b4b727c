"""Advice for Python as advice for the command line: settings become options of the verb that runs.

Messages name a setting as ``name='value'``, a value to be filled in as ``name='...'``; code stands on
lines of its own, which are left out here. Lines that begin with spaces quote data, and stay as they are.
"""

import ast
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import click

from timeseries.errors import IN_PYTHON

_CALLS = {
    "predict(df)": "timeseries forecast MODEL DATA",
    "predict(future=...)": "timeseries forecast MODEL --future FILE",
}
_TEXT = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_VALUE = rf"{_TEXT}|\[[^\]]*\]|\([^)]*\)|\.\.\.|[\w%/+-]+(?:\.\w+)?"
_SETTING = re.compile(
    rf"(?<![\w'\"-])(?P<name>[a-z_]+)(?:=(?P<value>{_VALUE})(?P<more>(?:(?:, | or )(?:{_TEXT}))*))?"
)
_MODEL_SETTINGS = (
    "batch_size",
    "clip_norm",
    "device",
    "every_position",
    "learning_rate",
    "loss",
    "optimizer",
    "patience",
    "precision",
)  # that are advised
_FILL_IN = ("...", ["..."])


def as_options(message: str, commands: Mapping[str, click.Command], verb: str | None = None) -> str:
    """Turn advice for Python into advice for the command line.

    Parameters
    ----------
    message
        As an error or a note has it.
    commands
        The verbs by name.
    verb
        The one that runs; an option that it does not have is named with the verb that has it.

    Examples
    --------
    >>> fit = click.Command("fit", params=[click.Option([f"--{name}"]) for name in ("id", "freq")])
    >>> as_options("Give id='...', or id='my shop' and freq='h'.", {"fit": fit}, "fit")
    "Give --id TEXT, or --id 'my shop' and --freq h."
    """
    lines = [line for line in message.split("\n") if not line.startswith(IN_PYTHON)]
    return "\n".join(line if line.startswith("  ") else _translated(line, commands, verb) for line in lines)


def _translated(line: str, commands: Mapping[str, click.Command], verb: str | None) -> str:
    """Turn the calls and settings of a line into arguments and options."""
    for call, argument in _CALLS.items():
        line = line.replace(call, argument)
    return _SETTING.sub(lambda found: _option(found, commands, verb), line)


def _option(found: re.Match[str], commands: Mapping[str, click.Command], verb: str | None) -> str:
    """Write one setting as an option, with the verb that has it if that is another; leave words alone."""
    name, value = found["name"], found["value"]
    by_set = value is not None and name in _MODEL_SETTINGS
    wanted = "assignments" if by_set else name
    homes = {home: option for home, command in commands.items() for option in _options(command, wanted)}
    is_word = value is None and name.isalpha() and name != "freq"
    if not homes or is_word:
        return found[0]
    home = "fit" if "fit" in homes else next(iter(homes))
    option = homes[home]
    if value is None:
        written = option.opts[0]
    elif by_set:
        written = f"{option.opts[0]} {shlex.quote(f'{name}={_as_json(value)}')}"
    else:
        written = _written(option, _read(value)) + _alternatives(found["more"])
    ours = homes.get(verb or home)
    elsewhere = ours is None or ours.metavar != option.metavar
    return f"{written} (an option of {home})" if elsewhere else written


def _options(command: click.Command, name: str) -> list[click.Option]:
    """Return the option of a name, if a command has it."""
    return [option for option in command.params if isinstance(option, click.Option) and option.name == name]


def _written(option: click.Option, value: Any) -> str:
    """Write an option with its value: a list as the option repeated, what is to be filled in as metavar."""
    flag = option.opts[0]
    if value in _FILL_IN:
        return f"{flag} {option.metavar or option.type.name.upper()}"
    if option.is_flag:
        return flag
    if value == ():
        return f"{flag} none"
    return " ".join(
        f"{flag} {shlex.quote(str(part))}" for part in (value if isinstance(value, list) else [value])
    )


def _alternatives(text: str) -> str:
    """Write the further values that a setting could have without their quotes."""
    return re.sub(_TEXT, lambda found: shlex.quote(ast.literal_eval(found[0])), text)


def _as_json(text: str) -> str:
    """Write a value of Python as ``--set`` reads it: numbers as they are, text without quotes."""
    value = _read(text)
    return value if isinstance(value, str) else text if isinstance(value, float) else json.dumps(value)


def _read(text: str) -> Any:
    """Read a value as Python has it, a word as itself."""
    try:
        return "..." if text == "..." else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
