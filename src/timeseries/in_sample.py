"""What is kept of the rows that a model was fitted to, so that later rows alone are scored as with them.

MASE and RMSSE divide by how much those rows moved, and two baselines begin with their first.
Shapes: N rows, S series, D targets.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timeseries.baselines import Earlier
from timeseries.metrics import seasonal_scale
from timeseries.segments import whole_series

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class InSample(NamedTuple):
    """What scores need of the rows that were seen; each part is (S, D)."""

    scale: Floats  # mean absolute seasonal difference of the fitted rows, NaN where undefined; for MASE
    square_scale: Floats  # mean squared one; for RMSSE
    observed: Floats  # values observed up to the last row seen
    mean: Floats  # of these values; 0 where there is none
    first: Floats  # the first of them; 0 where there is none
    age: Floats  # rows from the first of them to the last row seen

    def of(self, place: Integers) -> "InSample":
        """Return the rows ``place`` (S',) of every part; nothing is known where it is -1."""
        unknown = InSample(np.nan, np.nan, 0.0, 0.0, 0.0, 0.0)  # type: ignore[arg-type]
        here = (place >= 0)[:, None]
        return InSample(*(np.where(here, part[place], x) for part, x in zip(self, unknown, strict=True)))

    def continued(self, values: Floats, offsets: Integers, seen: Integers, season_length: int) -> "InSample":
        """Count the rows that follow the first ``seen`` (S,) of each series, too.

        The scales stay those of the fit; a series of which nothing was seen gets those of its rows.
        """
        new = measure(_masked(values, offsets, seen, keep_seen=False), offsets, season_length)
        count = self.observed + new.observed  # (S, D)
        begun = self.observed > 0  # (S, D)
        known = (seen > 0)[:, None]
        rows = (np.diff(offsets) - seen)[:, None]  # (S, 1)
        return InSample(
            scale=np.where(known, self.scale, new.scale),
            square_scale=np.where(known, self.square_scale, new.square_scale),
            observed=count,
            mean=_weighted(self.mean, self.observed, new.mean, new.observed),
            first=np.where(begun, self.first, new.first),
            age=np.where(begun, self.age + rows, new.age),
        )

    def before(self, values: Floats, offsets: Integers, seen: Integers) -> Earlier:
        """Return what was observed before the first row of each series, whose first ``seen`` (S,) are known.

        That is nothing where the series reach back to the first value that was fitted.
        """
        held = _observed(_masked(values, offsets, seen, keep_seen=True), offsets)
        count, rows = self.observed - held.observed, self.age - (seen[:, None] - 1)  # (S, D) each
        known = (count > 0) & (rows > 0)
        count = np.where(known, count, 0.0)
        return Earlier(
            observed=count,
            mean=np.where(known, _weighted(self.mean, self.observed, held.mean, -held.observed), 0.0),
            first=np.where(known, self.first, 0.0),
            rows=np.where(known, rows, 0.0),
        )


def measure(values: Floats, offsets: Integers, season_length: int) -> InSample:
    """Return what is kept of all rows of all series.

    Parameters
    ----------
    values : ndarray of shape (N, D)
        All series in one buffer; NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        The rows of series s are ``offsets[s]:offsets[s + 1]``.
    season_length : int
        Rows in one season; 1 compares neighbours.

    Examples
    --------
    >>> kept = measure(np.array([[1.0], [5.0], [2.0], [8.0]]), np.array([0, 4]), season_length=2)
    >>> [part.item() for part in kept]
    [2.0, 5.0, 4.0, 4.0, 1.0, 3.0]
    """
    lengths = np.diff(offsets)
    scale, square = (seasonal_scale(values, offsets, lengths, season_length, power) for power in (1, 2))
    return InSample(scale, square, *_observed(values, offsets))


class _Observed(NamedTuple):
    """The parts of `InSample` that baselines need, (S, D) each."""

    observed: Floats
    mean: Floats
    first: Floats
    age: Floats


def _observed(values: Floats, offsets: Integers) -> _Observed:
    """Count and average the observed values of each series, target by target: that takes less memory."""
    parts = [np.stack(part, axis=1) for part in zip(*(_of_one(x, offsets) for x in values.T), strict=True)]
    return _Observed(*parts)


def _of_one(values: Floats, offsets: Integers) -> _Observed:
    """Return the same of one target, (N,) to (S,) each."""
    count, mean, first, age = np.zeros((4, len(offsets) - 1))  # (S,) each
    for piece in whole_series(offsets[:-1], np.diff(offsets)):
        rows = values[piece.rows]  # (n,)
        observed = ~np.isnan(rows)  # (n,)
        counts = piece.reduced(np.add, observed)  # (P,)
        count[piece.series] = counts
        some = counts > 0
        series, counts = piece.series[some], counts[some]  # (P',) each
        begin = np.cumsum(counts) - counts  # (P',) of the series among the observed rows
        last = np.cumsum(piece.lengths)[some] - 1  # (P',) among all rows of the piece
        age[series] = last - np.flatnonzero(observed)[begin]
        seen = rows[observed]  # (m,)
        first[series] = seen[begin]
        seen /= np.repeat(counts, counts) if len(counts) > 1 else counts  # so that no sum is too large
        mean[series] = np.add.reduceat(seen, begin)
    return _Observed(count, mean, first, age)


def _weighted(one: Floats, ones: Floats, other: Floats, others: Floats) -> Floats:
    """Return the mean of ``ones`` values whose mean is ``one`` and ``others`` more; fewer if negative."""
    count = np.maximum(ones + others, 1)  # (S, D)
    mean: Floats = one * (ones / count) + other * (others / count)
    return mean


def _masked(values: Floats, offsets: Integers, seen: Integers, *, keep_seen: bool) -> Floats:
    """Return the values (N, D) with NaN after the first ``seen`` (S,) rows of each series, or in them."""
    lengths = np.diff(offsets)
    within = np.arange(len(values)) - np.repeat(offsets[:-1], lengths)  # (N,)
    early = within < np.repeat(seen, lengths)  # (N,)
    masked: Floats = np.where((early == keep_seen)[:, None], values, np.nan)
    return masked
