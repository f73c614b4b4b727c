"""Find columns that hold the answer: the target itself, now or later, in whatever unit.

A row may hold what is known at its time. Yesterday's target is fine; today's, or tomorrow's, makes a model
that copies it and scores that mean nothing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
SAMPLE = 1024  # rows that a column must agree with the target on before all are compared
FEWEST = 16  # rows that prove anything
DISTINCT = 8  # values of a target that is found in another row: two flags agree by chance
ROUNDING = 1e-10  # of a squared correlation, float32 included
LONGEST_LAG = 1000


class Leak(NamedTuple):
    """A column that is a target, of the same row or of a later one."""

    column: int
    target: int
    shift: int
    """Rows from the column's to the target's."""
    exact: bool
    """Whether they are equal; else there are a factor and an offset between them."""


def leaks(X: Floats, y: Floats, offsets: Ints, *, shifts: int) -> list[Leak]:
    """Return the columns of X that are a column of y of the same row, or of one of the rows after it.

    A column that is an earlier y as well, as of a series that repeats itself, is no leak.

    Parameters
    ----------
    X : array of shape (N, F)
        Finite numbers.
    y : array of shape (N, D)
        Finite numbers.
    offsets : array of shape (S + 1,)
        Sequence s owns the rows offsets[s] to offsets[s + 1]; none is compared with another.
    shifts : int
        How many shifts to look at: 1 is the same row alone.

    Returns
    -------
    list of Leak
        For each column and target the smallest shift.

    Examples
    --------
    >>> y = np.random.default_rng(0).normal(size=(50, 1))
    >>> X = np.concatenate([np.roll(y, 1), 3 * np.roll(y, -2) + 1], axis=1)[1:-2]
    >>> leaks(X, y[1:-2], np.array([0, 47]), shifts=4)
    [Leak(column=1, target=0, shift=2, exact=False)]
    """
    return [
        leak for target in range(y.shape[1]) for leak in _of_target(X, y[:, target], offsets, shifts, target)
    ]


def _of_target(X: Floats, y: Floats, offsets: Ints, shifts: int, target: int) -> Iterator[Leak]:
    sample = np.linspace(0, len(y) - 1, min(len(y), SAMPLE)).astype(np.int64)
    sample = np.unique([*sample, y.argmin(), y.argmax()])  # (M,) among them what a rare event is known by
    everything = np.arange(len(y))  # (N,)
    pending = np.ones(X.shape[1], dtype=bool)  # (F,)
    for shift in range(shifts):
        at = _within(sample, shift, offsets)  # (<=M,) rows of y
        suspects = pending & _linear(X[at - shift], y[at])  # (F,)
        for column in np.flatnonzero(suspects).tolist():
            rows = _within(everything, shift, offsets)  # (<=N,)
            x, later = X[rows - shift, column], y[rows]  # (<=N,) each
            if not _linear(x[:, None], later)[0] or (shift and _is_weak(X[:, column], y, offsets, sample)):
                continue
            pending[column] = False
            yield Leak(column, target, shift, exact=np.array_equal(x, later))


def _is_weak(x: Floats, y: Floats, offsets: Ints, sample: Ints) -> bool:
    """Tell whether a column that is a later y proves nothing: it has few values, or is an earlier y too."""
    if len(np.unique(y)) < DISTINCT:
        return True
    longest = min(LONGEST_LAG, int(np.diff(offsets).max()) - 1)
    for lag in range(1, longest + 1):
        at = _within(sample, -lag, offsets)  # (<=M,)
        if _linear(x[at + lag, None], y[at])[0]:
            return True
    return False


def _within(rows: Ints, shift: int, offsets: Ints) -> Ints:
    """Return those rows of y whose row of X, ``shift`` rows before, is of the same sequence."""
    sequence = np.searchsorted(offsets, rows, side="right") - 1  # (M,)
    partner = rows - shift  # (M,)
    return rows[(partner >= offsets[sequence]) & (partner < offsets[sequence + 1])]


def _linear(x: Floats, y: Floats) -> Flags:
    """Tell which columns of x (M, F) are y (M,) times a factor plus an offset, up to rounding: (F,)."""
    if len(y) < FEWEST:
        return np.zeros(x.shape[1], dtype=bool)
    x, y = _centred(x), _centred(y[:, None])[:, 0]
    product, own, others = y @ x, (x * x).sum(axis=0), y @ y  # (F,), (F,), ()
    varies = (own > 0) & (others > 0)
    return np.asarray(varies & (product**2 >= (1 - ROUNDING) * own * others))


def _centred(columns: Floats) -> Floats:
    """Return columns (M, C) around 0 and no larger than 2, so that no square overflows."""
    peak = np.abs(columns).max(axis=0)  # (C,)
    scaled = columns / np.where(peak > 0, peak, 1.0)
    centred: Floats = scaled - scaled.mean(axis=0)
    return centred


def told(found: Sequence[Leak], columns: Sequence[object], targets: int) -> str:
    """Say which columns give which target away.

    Parameters
    ----------
    found : sequence of Leak
        At least one.
    columns : sequence
        Names of the columns of X.
    targets : int
        How many targets there are.

    Returns
    -------
    str
        Sentences for people.

    Examples
    --------
    >>> told([Leak(0, 0, 2, exact=True)], ["wind"], targets=1)[:65]
    "X gives the answer away: column 'wind' equals y of 2 rows later. "
    """
    parts = [
        f"column {columns[leak.column]!r} equals {'y' if targets == 1 else f'target {leak.target} of y'} of "
        + ("the same row" if not leak.shift else f"{leak.shift} row{'s' * (leak.shift > 1)} later")
        + ("" if leak.exact else ", up to a factor and an offset")
        for leak in found
    ]
    return (
        f"X gives the answer away: {'; '.join(parts)}. A model learns to copy it, and its scores say nothing "
        "about forecasts. Give each row what is known at its time, such as y of the row before, or leave the "
        "column out."
    )
