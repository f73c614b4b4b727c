"""What belongs to the whole process and is changed for a while: threads take turns with it."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Literal


class Turns:
    """One thread at a time, and the same thread again within its turn.

    A forked process begins without the turn of a thread that the fork left behind, which would never end.

    Examples
    --------
    >>> turns = Turns()
    >>> with turns.take(), turns.take():
    ...     print("my turn")
    my turn
    """

    def __init__(self) -> None:
        self._begin()
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = RLock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turns of other threads to end, then take one."""
        with self._lock:
            yield


_filters = Turns()


@contextmanager
def warnings_as(action: Literal["error", "ignore"], category: type[Warning]) -> Iterator[None]:
    """Raise or ignore warnings of a category for a while.

    The filters belong to the process: two threads that put back in turn what each found leave the wrong ones.

    Examples
    --------
    >>> with warnings_as("ignore", UserWarning):
    ...     warnings.warn("nobody hears this", stacklevel=1)
    """
    with _filters.take(), warnings.catch_warnings():
        warnings.simplefilter(action, category)
        yield
