"""What is kept of fitted rows, worked in plain loops; and what later rows make of it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries import baselines
from timeseries.in_sample import measure


def buffers(seed, targets=2):
    """Return values (N, D) of up to four series with gaps, and their offsets."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 12, random.integers(1, 5))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = random.normal(size=(offsets[-1], targets)) * 10.0 ** random.integers(-3, 6)
    values[random.random(values.shape) < 0.3] = np.nan
    return values, offsets


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_is_kept_is_what_a_loop_finds(seed):
    values, offsets = buffers(seed)
    kept = measure(values, offsets, season_length=2)
    for s, (start, stop) in enumerate(pairwise(offsets)):
        for d in range(2):
            rows = [row for row in range(start, stop) if not np.isnan(values[row, d])]
            assert kept.observed[s, d] == len(rows)
            if rows:
                assert kept.first[s, d] == values[rows[0], d]
                assert kept.age[s, d] == stop - 1 - rows[0]
                assert kept.mean[s, d] == pytest.approx(values[rows, d].mean())
            else:
                assert (kept.first[s, d], kept.age[s, d], kept.mean[s, d]) == (0, 0, 0)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_baselines_of_later_rows_are_those_of_all_rows(seed, data):
    """Fit to the first rows, see some more in two steps, then hold fewer and fewer of the seen rows."""
    values, offsets = buffers(seed)
    values[offsets[1:] - 1] = 1.0  # a baseline needs a value before its origin
    lengths = np.diff(offsets)
    cuts = [np.array([data.draw(st.integers(0, n)) for n in lengths]) for _ in range(3)]
    fitted, seen, held = np.sort(cuts, axis=0)[[0, 2, 1]]

    def part(start, stop):
        """Return the rows from start to stop (S,) of every series, and their offsets."""
        pieces = [values[o + a : o + b] for o, a, b in zip(offsets[:-1], start, stop, strict=True)]
        return np.concatenate(pieces), np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])

    kept = measure(*part(0 * lengths, fitted), season_length=1)
    kept = kept.continued(*part(0 * lengths, seen), fitted, season_length=1)
    later, later_offsets = part(held, lengths)
    some = lengths > held
    earlier = kept.before(later, later_offsets, seen - held)
    for baseline in (baselines.mean, baselines.drift):
        found = baseline(later, later_offsets, later_offsets[1:][some] - 1, 3, earlier)
        np.testing.assert_allclose(
            found, baseline(values, offsets, offsets[1:][some] - 1, 3), rtol=1e-6, atol=1e-9
        )


def test_the_largest_numbers_have_a_mean():
    kept = measure(np.full((9, 1), 1e308), np.array([0, 9]), season_length=1)
    assert kept.mean.item() == pytest.approx(1e308)


def test_rows_before_the_fitted_ones_leave_nothing_unknown():
    values, offsets = np.arange(10.0)[:, None], np.array([0, 10])
    kept = measure(values[4:8], np.array([0, 4]), season_length=1)
    assert kept.before(values, offsets, np.array([8])).observed.item() == 0
    assert kept.before(values[5:], np.array([0, 5]), np.array([3])).observed.item() == 1


def test_the_scale_stays_that_of_the_fit_and_a_new_series_brings_its_own():
    values, offsets = np.array([0.0, 1, 2, 9, 5, 8])[:, None], np.array([0, 4, 6])
    kept = measure(values[:3], np.array([0, 3]), season_length=1).of(np.array([0, -1]))
    more = kept.continued(values, offsets, np.array([3, 0]), season_length=1)
    assert more.scale[:, 0].tolist() == [1, 3]
    assert more.square_scale[:, 0].tolist() == [1, 9]
