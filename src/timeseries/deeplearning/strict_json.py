"""JSON that means the same to every reader: finite numbers, unique keys, valid Unicode, bounded size.

Python's ``json`` accepts more than the standard (NaN, repeated keys, half characters) and lets the text
decide how deep it recurses and how much it allocates. What goes into a file of ours, and what comes out,
goes through here.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from reprlib import Repr
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

MAX_DEPTH: Final = 32
"""How many lists and dicts may lie inside each other, the outermost included."""

MAX_TOKENS: Final = 400_000
"""How many strings, brackets, braces and commas a text may have: each costs up to 150 bytes of memory."""

_MAX_NUMBER_LENGTH: Final = 80  # characters; the 128-bit state of a random generator takes 39
_MAX_PROBLEMS_SHOWN: Final = 5
_MAX_SHOWN: Final = 80  # characters of a value in a message

# A string (or the rest of the text, when it is never closed), or a mark that opens, closes or separates.
# The possessive quantifiers keep the search linear in the length of the text, whatever it holds.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)

_brief = Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = _MAX_SHOWN


class NotStrictError(ValueError):
    """A value or a text is no strict JSON; the message says where, and starts after the name of the thing."""


def shorten(value: object) -> str:
    """Show a value as Python would, on at most 80 characters and with control characters escaped.

    Parameters
    ----------
    value
        Anything, however long.

    Returns
    -------
    str
        Its abridged ``repr``.

    Examples
    --------
    >>> shorten("short"), len(shorten("a" * 1000))
    ("'short'", 80)
    """
    shown = _brief.repr(value)
    half = _MAX_SHOWN // 2
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: half - 3]}...{shown[-half:]}"


def text_problem(text: str) -> str | None:
    r"""Say what keeps a text from being written as UTF-8.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str or None
        What is wrong with it, or None.

    Examples
    --------
    >>> text_problem("naïve"), text_problem("\ud800")
    (None, "is '\\ud800', which is not valid Unicode (a lone surrogate)")
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return f"is {shorten(text)}, which is not valid Unicode (a lone surrogate)"
    return None


# ---------------------------------------------------------------------------------------------- encoding


def encode(value: dict[str, JSON]) -> bytes:
    """Write an object as canonical JSON: equal objects give equal bytes.

    Keys are sorted by code point, there is no white space, and characters beyond ASCII stand for themselves.

    Parameters
    ----------
    value
        None, bool, int, finite float, str, list and dict with str keys, nested at most 32 deep.

    Returns
    -------
    bytes
        The text in UTF-8.

    Raises
    ------
    NotStrictError
        If something in it would not come back from JSON as it was; the first five such places are named.

    Examples
    --------
    >>> print(encode({"lags": [1, 7], "horizon": 24, "name": None}).decode())
    {"horizon":24,"lags":[1,7],"name":null}
    """
    problems = list(_problems(value))
    if problems:
        more = len(problems) - _MAX_PROBLEMS_SHOWN
        rest = f" (and {more:,} more)" if more > 0 else ""
        raise NotStrictError("; ".join(problems[:_MAX_PROBLEMS_SHOWN]) + rest)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    raw = text.encode("utf-8")
    _check_tokens(raw, MAX_TOKENS)
    return raw


def _problems(value: dict[str, JSON]) -> Iterator[str]:
    """Say which values JSON would change or could not hold."""
    pending: list[tuple[tuple[object, ...], object]] = [((), value)]
    seen = 0
    while pending:
        keys, part = pending.pop()
        seen += 1
        if seen > MAX_TOKENS:
            yield f"has more than {MAX_TOKENS:,} values; put long lists into tensors"
            return
        problem = _value_problem(part)
        if problem:
            yield f"{_locate(keys)}{problem}"
        if isinstance(part, list | dict) and len(keys) >= MAX_DEPTH:
            yield f"{_locate(keys)}is nested more than {MAX_DEPTH} levels deep"
            return  # a value that contains itself has no end
        pending.extend(((*keys, key), inner) for key, inner in _items(part))


def _items(value: object) -> list[tuple[object, object]]:
    """List what a container holds, last part first, with the key or position of each."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return list(items)[::-1]


def _locate(keys: tuple[object, ...]) -> str:
    """Say where a value is, as Python would: at ['a'][0]."""
    way = "".join(f"[{shorten(key)}]" for key in keys[:8]) + "[...]" * (len(keys) > 8)
    return f"at {way} " if keys else ""


def _value_problem(value: object) -> str | None:
    """Say what is wrong with one value, apart from its parts."""
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str) or text_problem(key)]
        return f"has the key {shorten(odd[0])}; keys must be valid text (str)" if odd else None
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else f"is {value}; JSON has finite numbers only, use None"
    if isinstance(value, int):
        return None if abs(value) < 10 ** (_MAX_NUMBER_LENGTH - 1) else "is an integer of too many digits"
    if value is None or isinstance(value, list):
        return None
    return f"is of type {type(value).__name__}; use None, bool, int, float, str, list or dict"


# ---------------------------------------------------------------------------------------------- decoding


def decode(raw: bytes, *, max_tokens: int = MAX_TOKENS) -> dict[str, JSON]:
    """Read one JSON object, and nothing that the standard leaves open.

    Parameters
    ----------
    raw
        The text in UTF-8.
    max_tokens
        How many strings, brackets, braces and commas to accept; counted before anything is built.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    NotStrictError
        If it is not valid, not an object, or repeats a key, holds NaN, an infinity, a number of more than
        80 characters or half a character, or is nested more than 32 deep.

    Examples
    --------
    >>> decode(b'{"horizon": 24}')
    {'horizon': 24}
    >>> decode(b'{"horizon": 24, "horizon": 48}')
    Traceback (most recent call last):
    timeseries.deeplearning.strict_json.NotStrictError: has the key 'horizon' twice
    """
    _check_tokens(raw, max_tokens)
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        if b"\\u" in raw:  # an escape can name half a character, which cannot be printed or saved again
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, json.JSONDecodeError) as error:
        raise NotStrictError(f"is not valid JSON in UTF-8 ({shorten(str(error))})") from None
    if not isinstance(value, dict):
        raise NotStrictError("is not a JSON object")
    return value


def _check_tokens(raw: bytes, limit: int) -> None:
    """Bound depth and count before the parser runs, since it recurses and allocates as the text tells it."""
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(raw)):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise NotStrictError(f"is nested more than {MAX_DEPTH} levels deep")
        elif mark in (b"]", b"}"):
            depth -= 1
        if count >= limit:
            raise NotStrictError(f"has more than {limit:,} JSON tokens; put long lists into tensors")


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """Build an object whose keys are all different."""
    result: dict[str, JSON] = {}
    for key, value in pairs:
        if key in result:
            raise NotStrictError(f"has the key {shorten(key)} twice")
        result[key] = value
    return result


def _integer(text: str) -> int:
    """Parse an integer of bounded length."""
    if len(text) > _MAX_NUMBER_LENGTH:
        raise NotStrictError(f"has a number of {len(text):,} characters; {_MAX_NUMBER_LENGTH} are allowed")
    return int(text)


def _finite(text: str) -> float:
    """Parse a number that a float can hold."""
    number = float(text) if len(text) <= _MAX_NUMBER_LENGTH else math.inf
    if not math.isfinite(number):
        raise NotStrictError(f"has the number {shorten(text)}, which is too large or too long")
    return number


def _refuse_constant(text: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which are not JSON."""
    raise NotStrictError(f"holds {text}, which is not JSON")


def plain_json(value: Any) -> Any:
    """Return nested values as JSON knows them: tuples become lists, numbers of numpy those of Python.

    Examples
    --------
    >>> plain_json({"sizes": (np.int64(3), 4)})
    {'sizes': [3, 4]}
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain_json(part) for key, part in value.items()}
    return [plain_json(part) for part in value] if isinstance(value, (list, tuple)) else value
