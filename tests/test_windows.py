"""Windows are numbered right, shuffled fully, and paired with what follows them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.errors import DataError, SettingError
from timeseries.windows import Permutation, create_sequences, index_windows

LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=5)


@given(LENGTHS, st.integers(1, 4), st.integers(0, 1), st.integers(1, 4), st.integers(1, 5), st.data())
def test_the_index_lists_exactly_the_windows_that_a_double_loop_finds(
    lengths, horizon, lead, context, step, data
):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    start = np.array([data.draw(st.integers(0, n)) for n in lengths])
    stop = np.array([data.draw(st.integers(s, n)) for s, n in zip(start, lengths, strict=True)])
    expected = []
    for s in range(len(lengths)):
        every = [
            (s, offsets[s] + origin)
            for origin in range(context - 1, lengths[s])
            if origin + lead >= start[s] and origin + lead + horizon <= stop[s]
        ]
        expected += every[::-1][::step][::-1]  # counted from the newest
    index = index_windows(offsets, start, stop, horizon=horizon, lead=lead, min_context=context, step=step)
    assert len(index) == len(expected)
    series, origins = index.locate(np.arange(len(index)))
    assert list(zip(series, origins, strict=True)) == expected


@given(st.integers(1, 500), st.integers(0, 2**31), st.integers(0, 10_000))
def test_a_permutation_holds_every_number_once(length, seed, epoch):
    order = Permutation(length, seed, epoch)(np.arange(length))
    np.testing.assert_array_equal(np.sort(order), np.arange(length))


def test_a_permutation_is_the_same_from_any_position():
    order = Permutation(1000, seed=3, epoch=7)
    np.testing.assert_array_equal(order(np.arange(1000))[400:410], order(np.arange(400, 410)))


def test_every_epoch_and_every_seed_has_an_order_of_its_own():
    orders = [Permutation(500, seed, epoch)(np.arange(500)) for seed in range(3) for epoch in range(3)]
    for i, one in enumerate(orders):
        for other in orders[:i]:
            assert np.mean(one == other) < 0.05  # one position in 500 agrees by chance


def test_a_permutation_looks_random():
    """Every number is as likely at every place: chi-square over 16 x 16 cells, mean 225, deviation 21."""
    counts = np.zeros((16, 16))
    for epoch in range(400):
        order = Permutation(64, seed=0, epoch=epoch)(np.arange(64))
        np.add.at(counts, (np.arange(64) // 4, order // 4), 1)
    expected = 400 * 64 / 256
    assert ((counts - expected) ** 2 / expected).sum() < 225 + 5 * 21


def test_sequences_are_followed_by_their_targets():
    X, y = create_sequences(np.arange(20.0).reshape(10, 2), sequence_length=3, horizon=2)
    assert X.shape == (6, 3, 2)
    assert y.shape == (6, 2, 2)
    np.testing.assert_array_equal(X[2], [[4, 5], [6, 7], [8, 9]])
    np.testing.assert_array_equal(y[2], [[10, 11], [12, 13]])


def test_sequences_never_share_memory_with_the_data():
    data = np.arange(6.0)
    X, y = create_sequences(data, 2)
    X[:], y[:] = -1, -1
    np.testing.assert_array_equal(data, np.arange(6.0))


def test_too_few_rows_for_a_sequence_say_how_many_are_needed():
    with pytest.raises(DataError, match=r"at least sequence_length \+ horizon = 6 rows"):
        create_sequences(np.zeros(5), sequence_length=5)


def test_what_is_no_number_is_no_sequence():
    with pytest.raises(DataError, match="needs numbers"):
        create_sequences(["a", "b"], 1)


def test_a_sequence_has_at_least_one_row():
    with pytest.raises(SettingError, match="sequence_length must be a whole number >= 1"):
        create_sequences(np.zeros(5), sequence_length=0)
