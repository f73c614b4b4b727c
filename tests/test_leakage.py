"""A column that is the target, now or later, is found in whatever unit; a lag of it never is."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.errors import LeakageWarning
from timeseries.leakage import leaks
from timeseries.normalization import DataNormalizer

ROWS = 60


def walk(rows=ROWS, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=rows))


def table(y, shift):
    """A column of noise, and y of ``shift`` rows later; rows without it are left out."""
    X = np.stack([np.random.default_rng(9).normal(size=len(y)), np.roll(y, -shift)], axis=1)
    keep = slice(max(0, -shift), len(y) - max(0, shift))
    return X[keep], y[keep]


def find(X, y, shifts, offsets=None):
    y = y.reshape(len(y), -1)
    return [
        (leak.column, leak.target, leak.shift, leak.exact)
        for leak in leaks(X, y, offsets if offsets is not None else np.array([0, len(y)]), shifts=shifts)
    ]


@pytest.mark.parametrize("shift", [0, 1, 5])
@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (-3.7, 1e3), (1e-200, 0), (1e250, 1e250)])
def test_y_of_this_row_or_a_later_one_is_found_in_any_unit(shift, factor, offset):
    X, y = table(walk(), shift)
    X[:, 1] = X[:, 1] * factor + offset
    assert find(X, y, shifts=6) == [(1, 0, shift, factor == 1)]
    assert find(X, y, shifts=shift) == []


@pytest.mark.parametrize("lag", [1, 2, 20])
def test_an_earlier_y_is_no_leak(lag):
    X, y = table(walk(), -lag)
    assert find(X, y, shifts=30) == []


def test_a_lag_of_a_series_that_repeats_itself_is_no_leak():
    y = np.sin(np.arange(80) * np.pi / 6)  # twelve rows later it is the same again
    X, y = table(y, -1)
    assert find(X, y, shifts=30) == []


def test_numbers_of_single_precision_are_found():
    X, y = table(walk(), 2)
    assert find(X.astype(np.float32).astype(float), y, shifts=6) == [(1, 0, 2, False)]


def test_what_only_looks_like_it_is_no_leak():
    y = walk()
    almost = y + 1e-3 * np.random.default_rng(1).normal(size=ROWS)
    assert find(np.stack([almost, y**2, np.ones(ROWS), np.zeros(ROWS) + 0.1], 1), y, shifts=6) == []
    assert find(y[:, None], np.full(ROWS, 0.1), shifts=6) == []
    assert find(y[:15, None], y[:15], shifts=6) == []  # fifteen rows prove nothing


def test_two_events_a_few_rows_apart_are_no_leak_but_the_same_one_is():
    y, X = np.zeros(ROWS), np.zeros((ROWS, 2))
    y[30] = X[27, 0] = X[30, 1] = 1
    assert find(X, y, shifts=6) == [(1, 0, 0, True)]


def test_every_target_has_its_own_leaks():
    y = np.stack([walk(seed=1), walk(seed=2)], axis=1)
    X = np.stack([walk(seed=3), y[:, 1], 2 * y[:, 0]], axis=1)
    assert find(X, y, shifts=3) == [(2, 0, 0, False), (1, 1, 0, True)]


def test_no_row_is_compared_with_one_of_another_sequence():
    y = walk(100)
    X = np.roll(y, -1)[:, None]
    X[[49, 99]] = 7.0  # the last rows of two sequences, which have no row after them
    assert find(X, y, shifts=3, offsets=np.array([0, 50, 100])) == [(0, 0, 1, True)]
    assert find(X, y, shifts=3) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(16, 5000), st.integers(0, 4), st.integers(1, 4), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_the_sample_misses_nothing_and_invents_nothing(rows, shift, columns, factor, seed):
    draw = np.random.default_rng(seed)
    X, y = draw.normal(size=(rows + 4, columns)), draw.normal(size=rows + 4)
    at = int(draw.integers(columns))
    X[:, at] = np.roll(y, -shift) * factor
    X, y = X[: rows + 4 - shift], y[: rows + 4 - shift]
    proven = len(y) - shift >= 16
    assert find(X, y, shifts=5) == ([(at, 0, shift, factor == 1)] if proven else [])
    X[rows // 2, at] += 1
    assert find(X, y, shifts=5) == []


def fit(X, y, **settings):
    return NLinearModel(**({"epochs": 1, "max_steps": 1, "sequence_length": 5} | settings)).fit(X, y)


@pytest.mark.parametrize(
    ("column", "shift", "message"),
    [
        ("close", 0, "column 'close' equals y of the same row. "),
        ("close", 1, "column 'close' equals y of 1 row later. "),
        ("close", 4, "column 'close' equals y of 4 rows later. "),
        (None, 2, "column 1 equals y of 2 rows later. "),
    ],
)
def test_fit_warns_and_names_column_and_shift(column, shift, message):
    X, y = table(walk(), shift)
    X = X if column is None else pd.DataFrame(X, columns=["volume", column])
    with pytest.warns(LeakageWarning, match=message) as caught:
        fit(X, y)
    assert caught[0].filename == __file__  # the line that called fit


def test_fit_warns_of_normalised_columns_too():
    X, y = table(walk(), 0)
    with pytest.warns(
        LeakageWarning, match="column 1 equals y of the same row, up to a factor and an offset"
    ):
        fit(DataNormalizer().fit_transform(X), y)


def test_fit_warns_as_far_as_a_window_and_its_target_reach():
    X, y = table(walk(), 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(X, y, sequence_length=5, horizon=2)  # the first row of a window to the last of its target: 5
    with pytest.warns(LeakageWarning, match="6 rows later"):
        fit(X, y, sequence_length=5, horizon=3)


def test_fit_warns_of_sequences_that_end_with_their_target():
    X = np.random.default_rng(0).normal(size=(30, 5, 2))
    with pytest.warns(LeakageWarning, match="column 1 equals y of the same row"):
        fit(X, X[:, -1, 1])
    y = X[..., 0] * 2
    with pytest.warns(LeakageWarning, match="column 0 equals target 1 of y of the same row"):
        fit(X, np.stack([y**2, y], axis=-1))
    fit(X, X[:, 0, 1])  # to recall what came first is a task
