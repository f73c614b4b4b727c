"""Rows of many series in one buffer, walked through in pieces, so that no step needs a copy of all of them.

Shapes: N rows, C columns, S series; a piece has n rows of P series.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ROWS_AT_ONCE = 1 << 16  # enough to amortise a step of the walk, small enough for the cache


class Piece(NamedTuple):
    """Some rows of some series, which follow one another; a series without rows is in none."""

    series: Ints  # (P,) each once
    lengths: Ints  # (P,) rows of each
    rows: slice | Ints  # where the rows stand in the buffer
    place: slice  # where they stand among all rows of the walk

    def spread(self, parts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the part (P, ...) of the series of each row, (n, ...); (1, ...) where there is but one."""
        return parts if len(parts) == 1 else np.repeat(parts, self.lengths, axis=0)

    def reduced(self, operation: np.ufunc, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Reduce the rows of each series to one, (n, ...) -> (P, ...)."""
        reduced: npt.NDArray[Any] = operation.reduceat(rows, np.cumsum(self.lengths) - self.lengths, axis=0)
        return reduced


def pieces(starts: Ints, lengths: Ints) -> Iterator[Piece]:
    """Walk through stretches of a buffer, one of each series, at most ``ROWS_AT_ONCE`` rows at a time.

    Parameters
    ----------
    starts : array of shape (S,)
        The first row of each stretch.
    lengths : array of shape (S,)
        Rows of each stretch, none where it is 0 or less.

    Examples
    --------
    >>> [piece] = pieces(np.array([0, 5]), np.array([3, 2]))  # of series 0:5 and 5:9, without their last rows
    >>> piece.rows.tolist(), piece.reduced(np.maximum, np.arange(9)[piece.rows]).tolist()
    ([0, 1, 2, 5, 6], [2, 6])
    """
    if lengths.max(initial=0) <= ROWS_AT_ONCE:
        return whole_series(starts, lengths)
    parts = -(-np.maximum(lengths, 0) // ROWS_AT_ONCE)  # (S,) into which each is cut
    series = np.repeat(np.arange(len(lengths)), parts)  # (parts of all,)
    before = (np.arange(len(series)) - np.repeat(np.cumsum(parts) - parts, parts)) * ROWS_AT_ONCE
    return _grouped(series, starts[series] + before, np.minimum(lengths[series] - before, ROWS_AT_ONCE))


def whole_series(starts: Ints, lengths: Ints) -> Iterator[Piece]:
    """Walk like `pieces`, but cut no series: what is added up in floating point depends on where one cuts."""
    series = np.flatnonzero(lengths > 0)  # (filled series,)
    return _grouped(series, starts[series], lengths[series])


def taken(buffer: npt.NDArray[Any], starts: Ints, lengths: Ints) -> npt.NDArray[Any]:
    """Return stretches of the rows of a buffer, one after another, as an array of their own.

    Examples
    --------
    >>> taken(np.array([5, 6, 7, 8, 9]), np.array([0, 3]), np.array([1, 2])).tolist()
    [5, 8, 9]
    """
    rows = np.empty((int(lengths.sum()), *buffer.shape[1:]), buffer.dtype)
    for piece in pieces(starts, lengths):
        rows[piece.place] = buffer[piece.rows]
    return rows


def _grouped(series: Ints, starts: Ints, lengths: Ints) -> Iterator[Piece]:
    """Yield as many stretches at once as have ``ROWS_AT_ONCE`` rows together, and at least one."""
    if len(series) == 1:  # as in most forecasts of a service, where what follows would take longest
        begin, count = int(starts[0]), int(lengths[0])
        yield Piece(series, lengths, slice(begin, begin + count), slice(0, count))
        return
    ends = np.cumsum(lengths)  # (stretches,)
    first = begin = 0
    while first < len(series):
        last = max(first + 1, int(np.searchsorted(ends, begin + ROWS_AT_ONCE, side="right")))
        part, end = slice(first, last), int(ends[last - 1])
        rows = _rows(starts[part], lengths[part])
        yield Piece(series[part], lengths[part], rows, slice(begin, end))
        first, begin = last, end


def _rows(starts: Ints, lengths: Ints) -> slice | Ints:
    """Return the rows of stretches: a slice where they touch, so that to take them copies nothing."""
    ends = np.cumsum(lengths)  # (P,)
    if (starts[1:] == starts[:-1] + lengths[:-1]).all():
        return slice(int(starts[0]), int(starts[0] + ends[-1]))
    return np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)  # (n,)
