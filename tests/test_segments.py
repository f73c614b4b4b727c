"""Walks through the rows of many series: every row once, in order, in pieces of a bounded size."""

import numpy as np
import pytest

from timeseries import segments
from timeseries.segments import pieces, taken, whole_series

LENGTHS = np.array([3, 0, 25, 1, 10, 11, 2, 0])
STARTS = np.cumsum(LENGTHS) - LENGTHS
BUFFER = np.random.default_rng(0).normal(size=(LENGTHS.sum() + 5, 2))


@pytest.fixture(autouse=True)
def ten_rows_at_once(monkeypatch):
    monkeypatch.setattr(segments, "ROWS_AT_ONCE", 10)


def stretches(starts, lengths):
    return [np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)]


@pytest.mark.parametrize("walk", [pieces, whole_series])
@pytest.mark.parametrize("skipped", [0, 1, 4])
def test_every_row_of_every_stretch_comes_once_and_in_order(walk, skipped):
    starts, lengths = STARTS + skipped, LENGTHS - skipped
    rows, series, place = [], [], []
    for piece in walk(starts, lengths):
        rows.extend(np.arange(len(BUFFER))[piece.rows])
        series.extend(np.repeat(piece.series, piece.lengths))
        place.extend(range(piece.place.start, piece.place.stop))
        assert len(set(piece.series)) == len(piece.series)
    expected = stretches(starts, lengths)
    np.testing.assert_array_equal(rows, np.concatenate(expected))
    np.testing.assert_array_equal(
        series, np.repeat(np.arange(len(lengths)), [len(part) for part in expected])
    )
    np.testing.assert_array_equal(place, np.arange(len(rows)))


def test_pieces_are_bounded_and_whole_series_are_only_as_long_as_a_series():
    assert max(piece.lengths.sum() for piece in pieces(STARTS, LENGTHS)) == 10
    wholes = list(whole_series(STARTS, LENGTHS))
    assert all(LENGTHS[s] == n for p in wholes for s, n in zip(p.series, p.lengths, strict=True))
    assert [piece.lengths.tolist() for piece in wholes] == [[3], [25], [1], [10], [11], [2]]


def test_rows_that_touch_are_a_view_and_stretches_apart_are_not():
    [piece] = pieces(np.array([3, 5]), np.array([2, 4]))
    assert np.shares_memory(BUFFER[piece.rows], BUFFER)
    [piece] = pieces(np.array([3, 5]), np.array([1, 4]))
    np.testing.assert_array_equal(piece.rows, [3, 5, 6, 7, 8])


def test_reducing_and_spreading_go_series_by_series():
    for piece in whole_series(STARTS, LENGTHS):
        highest = piece.reduced(np.maximum, BUFFER[piece.rows])
        expected = [BUFFER[STARTS[s] : STARTS[s] + LENGTHS[s]].max(axis=0) for s in piece.series]
        np.testing.assert_array_equal(highest, expected)
        spread = np.broadcast_to(piece.spread(highest), (piece.lengths.sum(), 2))
        np.testing.assert_array_equal(spread, np.repeat(expected, piece.lengths, axis=0))


@pytest.mark.parametrize("skipped", [0, 2])
def test_taken_rows_are_a_copy_of_the_stretches(skipped):
    lengths = np.maximum(LENGTHS - skipped, 0)
    rows = taken(BUFFER, STARTS + skipped, lengths)
    np.testing.assert_array_equal(rows, BUFFER[np.concatenate(stretches(STARTS + skipped, lengths))])
    assert not np.shares_memory(rows, BUFFER)


def test_no_series_makes_no_piece():
    empty = np.array([], dtype=np.int64)
    assert list(pieces(empty, empty)) == [] == list(whole_series(np.array([0]), np.array([0])))
    assert taken(BUFFER, empty, empty).shape == (0, 2)
