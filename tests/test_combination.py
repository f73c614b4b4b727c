"""The arithmetic of combining forecasts, against numpy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timeseries.combination import (
    calibrate_combined,
    combine,
    inverse_error_weights,
    move_combined,
)
from timeseries.errors import DataError, SettingError

LEVELS = (0.1, 0.5, 0.9)
numbers = st.floats(-1e6, 1e6)
members = arrays(np.float64, (4, 3, 2, 1, 3), elements=numbers).map(lambda said: np.sort(said, axis=-1))


@given(members, st.sampled_from(["mean", "median", "weighted"]))
def test_combined_quantiles_stay_in_order_and_within_those_of_the_members(said, how):
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    combined = combine(said, how, weights if how == "weighted" else None)
    assert (np.diff(combined, axis=-1) >= 0).all()
    slack = 1e-9 * (1 + np.abs(said).max())
    assert (combined >= said.min(axis=0) - slack).all()
    assert (combined <= said.max(axis=0) + slack).all()


def test_a_weighted_mean_is_what_numpy_says():
    said = np.random.default_rng(0).normal(size=(3, 5, 2, 1, 1))
    weights = np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(
        combine(said, "weighted", weights), np.average(said, axis=0, weights=weights), rtol=1e-14
    )


def test_one_bad_member_does_not_move_the_median():
    said = np.array([1.0, 2.0, 1e300])
    assert combine(said, "median") == 2.0


def test_an_unknown_combination_is_refused_with_a_hint():
    with pytest.raises(SettingError, match=r"'meen'.*Did you mean 'mean'"):
        combine(np.zeros((2, 1)), "meen")


def test_weights_are_inverse_to_the_squared_errors_of_a_series():
    truth = np.array([1.0, 2.0, np.nan, 4.0]).reshape(4, 1, 1)  # (M, 1, 1)
    errors = np.array([[1.0, -1.0, 99.0, 1.0], [2.0, 2.0, 0.0, -2.0], [0.5, 0.5, 7.0, 0.5]])  # (K, M)
    points = np.nan_to_num(truth)[None] + errors.reshape(3, 4, 1, 1)
    by_hand = 1 / np.array([1.0, 4.0, 0.25])
    found = inverse_error_weights(truth, points, np.zeros(4, dtype=np.int64))
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), rtol=1e-12)


def test_a_large_series_does_not_decide_the_weights_alone():
    truth = np.zeros((2, 1, 1))
    points = np.array([[1e6, 3.0], [2e6, 1.0]]).reshape(2, 2, 1, 1)  # each member is better on one series
    shares = np.array([[1 / 2.5, 9 / 5], [4 / 2.5, 1 / 5]]).mean(
        axis=1
    )  # squared, by the mean of both members
    found = inverse_error_weights(truth, points, np.array([0, 7]))
    np.testing.assert_allclose(found, (1 / shares) / (1 / shares).sum(), rtol=1e-12)
    swapped = inverse_error_weights(truth, points * np.array([1e-9, 1e3]).reshape(2, 1, 1), np.array([0, 7]))
    np.testing.assert_allclose(found, swapped, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_weights_are_finite_for_errors_of_any_size(size):
    points = np.array([1.0, 2.0]).reshape(2, 1, 1, 1) * size
    np.testing.assert_allclose(inverse_error_weights(np.zeros((1, 1, 1)), points, np.array([0])), [0.8, 0.2])


def test_members_without_errors_weigh_the_same_and_a_perfect_one_nearly_all():
    truth, alone = np.zeros((1, 1, 1)), np.array([0])
    assert inverse_error_weights(truth, np.zeros((2, 1, 1, 1)), alone).tolist() == [0.5, 0.5]
    weights = inverse_error_weights(truth, np.array([0.0, 1.0]).reshape(2, 1, 1, 1), alone)
    assert weights[0] > 1 - 1e-9
    assert weights[1] > 0


def test_nothing_observed_gives_no_weights():
    with pytest.raises(DataError, match="no value was observed"):
        inverse_error_weights(np.full((1, 1, 1), np.nan), np.zeros((2, 1, 1, 1)), np.array([0]))


def test_calibrated_intervals_cover_as_often_as_they_say_whatever_the_members_width():
    draw = np.random.default_rng(3)
    truth = draw.normal(size=(999, 1, 1))
    for width in (0.01, 1.0, 30.0):  # far too narrow, about right, far too wide
        said = np.tile([-width, 0.0, width], (999, 1, 1, 1))
        calibration = calibrate_combined(truth, said, LEVELS)
        later = draw.normal(size=20_000)
        low, middle, high = move_combined(said, calibration)[0, 0, 0]
        assert middle == 0.0
        assert abs(((later >= low) & (later <= high)).mean() - 0.8) < 0.03  # 3 standard errors of 999 scores
        assert low == pytest.approx(-1.2816, abs=0.15)  # the normal distribution's own


def test_by_hand_the_ends_move_to_the_ranked_errors():
    """(n + 1) 0.9 = 9 of 9 errors: the largest one; (n + 1) 0.1: the smallest."""
    truth = np.array([-4.0, -1, 0, 0, 1, 2, 3, 3.5, 6]).reshape(9, 1, 1)
    said = np.tile([-1.0, 0.0, 2.0], (9, 1, 1, 1))
    moved = move_combined(said, calibrate_combined(truth, said, LEVELS))
    np.testing.assert_allclose(moved[0, 0, 0], [-4.0, 0.0, 6.0], rtol=1e-12)


def test_shifts_are_in_widths_so_that_a_series_of_another_size_is_moved_likewise():
    truth = np.array([-4.0, -1, 0, 0, 1, 2, 3, 3.5, 6]).reshape(9, 1, 1)
    said = np.tile([-1.0, 0.0, 2.0], (9, 1, 1, 1))
    calibration = calibrate_combined(truth, said, LEVELS)
    np.testing.assert_allclose(
        move_combined(1000 * said + 5, calibration), 1000 * move_combined(said, calibration) + 5
    )


def test_a_series_that_never_moved_keeps_its_forecast():
    truth = np.array([-4.0, -1, 0, 0, 1, 2, 3, 3.5, 6]).reshape(9, 1, 1)
    calibration = calibrate_combined(truth, np.tile([-1.0, 0.0, 2.0], (9, 1, 1, 1)), LEVELS)
    still = np.full((2, 1, 1, 3), 7.0)
    np.testing.assert_array_equal(move_combined(still, calibration), still)
