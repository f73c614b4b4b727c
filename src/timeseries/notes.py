"""Notes on the standard error stream, in the words of the face that was called.

The library speaks of settings as Python writes them; the command line translates them into its options.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_wording: ContextVar[Callable[[str], str]] = ContextVar("wording", default=str)


def tell(text: str) -> None:
    """Say something that is no data.

    Parameters
    ----------
    text
        One sentence or several lines.

    Examples
    --------
    >>> tell("12 rows.")  # to the standard error stream
    """
    print(_wording.get()(text), file=sys.stderr)  # noqa: T201


@contextmanager
def worded(wording: Callable[[str], str]) -> Iterator[None]:
    """Let notes pass through a function for a while.

    Parameters
    ----------
    wording
        Makes of each note what is said.

    Examples
    --------
    >>> with worded(str.upper):
    ...     tell("12 rows.")
    """
    token = _wording.set(wording)
    try:
        yield
    finally:
        _wording.reset(token)
