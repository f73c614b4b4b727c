"""Which windows exist, and in which order they are seen; none of it is ever stored per window.

A window is named by its *origin*: the row that a forecast made there may see last. Its target begins
``lead`` rows later (1 for a forecast of what follows, 0 when the last row already belongs to its target).
Windows are numbered 0, 1, 2, ... over all series; a number is turned into series and origin by a search in
the cumulative counts, and a shuffled order is computed number by number.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from timeseries.errors import DataError, require_whole

Ints = npt.NDArray[np.int64]
ROUNDS = 6  # of the Feistel network; four already pass for a random permutation (Luby & Rackoff 1988)


@dataclass(frozen=True, eq=False)
class WindowIndex:
    """All windows whose targets lie in given rows of each series.

    Attributes
    ----------
    first : array of shape (S,)
        The row of the first origin of each series.
    counts : array of shape (S,)
        How many windows each series has.
    step : int
        Rows from one origin to the next.
    """

    first: Ints
    counts: Ints
    step: int = 1

    @cached_property
    def ends(self) -> Ints:
        """Return the cumulative counts, (S,)."""
        return np.cumsum(self.counts)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.counts) else 0

    def locate(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Turn window numbers (B,) into series (B,) and origin rows (B,)."""
        series = np.searchsorted(self.ends, numbers, side="right")  # (B,)
        start = self.ends[series] - self.counts[series]  # (B,)
        return series, self.first[series] + (numbers - start) * self.step


def index_windows(
    offsets: Ints,
    start: Ints,
    stop: Ints,
    *,
    horizon: int,
    lead: int = 1,
    min_context: int | Ints = 1,
    step: int = 1,
) -> WindowIndex:
    """Index every window whose whole target lies in rows [start, stop) of its series.

    Parameters
    ----------
    offsets : array of shape (S+1,)
        Series s owns the rows offsets[s] to offsets[s+1].
    start, stop : arrays of shape (S,)
        Rows of each series, counted from its own first row, in which targets must lie.
    horizon : int
        Steps of a target.
    lead : int
        Rows from the origin to the first row of the target.
    min_context : int, or array of shape (S,)
        Rows of its own series that a window must have up to its origin.
    step : int
        Rows from one origin to the next; the newest origin is always among them.

    Returns
    -------
    WindowIndex
        Possibly with no window at all.

    Examples
    --------
    >>> start, stop = np.array([0, 0]), np.array([5, 4])
    >>> index = index_windows(np.array([0, 5, 9]), start, stop, horizon=2, min_context=2)
    >>> len(index), [part.tolist() for part in index.locate(np.arange(3))]
    (3, [[0, 0, 1], [1, 2, 6]])
    """
    first = np.maximum(min_context - 1, start - lead)  # (S,) within each series
    last = np.minimum(stop, np.diff(offsets)) - horizon - lead  # (S,)
    counts = np.maximum(0, (last - first) // step + 1)  # (S,)
    return WindowIndex(offsets[:-1] + last - (counts - 1) * step, counts, step)


@dataclass(frozen=True)
class Permutation:
    """A shuffled order of 0 ... length-1 that is computed where it is asked for, never stored.

    A keyed Feistel network is a bijection of the smallest power of two that holds ``length``; numbers that
    fall outside are sent through again until they fall inside (cycle walking). The order depends on
    (seed, epoch) alone, so a position is enough to resume it and every worker can take its own slice.

    Examples
    --------
    >>> order = Permutation(length=10, seed=0, epoch=3)
    >>> sorted(order(np.arange(10)).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    length: int
    seed: int
    epoch: int

    def __call__(self, positions: Ints) -> Ints:
        """Return the numbers that stand at ``positions`` (B,) of the order."""
        numbers = self._mix(positions.astype(np.uint64))  # (B,)
        outside = np.flatnonzero(numbers >= self.length)
        while len(outside):
            numbers[outside] = self._mix(numbers[outside])
            outside = outside[numbers[outside] >= self.length]
        return numbers.astype(np.int64)

    @cached_property
    def _keys(self) -> npt.NDArray[np.uint64]:
        state = np.random.SeedSequence([self.seed, self.epoch]).generate_state(ROUNDS, np.uint64)
        return state.astype(np.uint64)

    def _mix(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        bits = max(2, (self.length - 1).bit_length())
        low_bits = np.uint64(bits // 2)
        sizes = (np.uint64(bits) - low_bits, low_bits)  # of the high and the low half
        halves = [numbers >> low_bits, numbers & _ones(low_bits)]
        for turn, key in enumerate(self._keys):
            changed, other = turn % 2, 1 - turn % 2
            halves[changed] = halves[changed] ^ (_hash(halves[other] ^ key) & _ones(sizes[changed]))
        mixed: npt.NDArray[np.uint64] = (halves[0] << low_bits) | halves[1]
        return mixed


def _ones(bits: np.uint64) -> np.uint64:
    return np.uint64((1 << int(bits)) - 1)


def _hash(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def create_sequences(
    data: npt.ArrayLike, sequence_length: int, horizon: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pair every window of a table with the values that follow it.

    Parameters
    ----------
    data : array of shape (n,) or (n, F)
        Rows in the order of time.
    sequence_length : int
        Rows of a window (T).
    horizon : int
        Rows that follow it (H).

    Returns
    -------
    X : array of shape (n - T - H + 1, T, F), without F for one-dimensional data
    y : array of shape (n - T - H + 1, H, F), without H when it is 1, without F for one-dimensional data

    Raises
    ------
    DataError
        When there are fewer than T + H rows.

    Examples
    --------
    >>> X, y = create_sequences([1.0, 2.0, 3.0, 4.0, 5.0], sequence_length=3)
    >>> X.tolist(), y.tolist()
    ([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]], [4.0, 5.0])
    """
    require_whole(sequence_length=(sequence_length, 1), horizon=(horizon, 1))
    try:
        rows = np.array(data, dtype=np.float64)  # a copy: the answers never share memory with the input
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"create_sequences needs numbers of shape (n,) or (n, F): {error}.") from error
    span = sequence_length + horizon
    if rows.ndim not in (1, 2) or len(rows) < span:
        raise DataError(
            f"create_sequences needs at least sequence_length + horizon = {span} rows "
            f"of shape (n,) or (n, F), got shape {rows.shape}."
        )
    spans = np.lib.stride_tricks.sliding_window_view(rows, span, axis=0)  # (n-T-H+1, [F,] T+H)
    spans = np.moveaxis(spans, -1, 1).copy()  # (n-T-H+1, T+H[, F])
    past, following = spans[:, :sequence_length], spans[:, sequence_length:]
    return past, following[:, 0] if horizon == 1 else following
