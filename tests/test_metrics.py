"""Metrics against scikit-learn, hand arithmetic and a plain loop."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timeseries.errors import DataError, SettingError
from timeseries.metrics import METRICS, by_step, mae, mase, mse, rmse, seasonal_scale, skill

NAN = float("nan")
SKLEARN = {
    "mae": sklearn.metrics.mean_absolute_error,
    "mse": sklearn.metrics.mean_squared_error,
    "rmse": sklearn.metrics.root_mean_squared_error,
}


@st.composite
def pairs(draw, gaps=True):
    """A truth with unobserved values, and a forecast, both (M, H, D)."""
    shape = tuple(draw(st.integers(1, 4)) for _ in range(3))
    number = st.floats(-1e6, 1e6)
    truth = draw(arrays(np.float64, shape, elements=st.one_of(st.just(NAN), number) if gaps else number))
    return truth, draw(arrays(np.float64, shape, elements=number))


@pytest.mark.parametrize("name", METRICS)
@settings(deadline=None)
@given(pairs())
def test_every_metric_equals_scikit_learn_on_the_observed_values(name, pair):
    truth, forecast = pair
    observed = ~np.isnan(truth)
    value = METRICS[name](truth, forecast)
    if not observed.any():
        assert value is None
    else:
        assert type(value) is float
        assert value == pytest.approx(SKLEARN[name](truth[observed], forecast[observed]), rel=1e-12)


@pytest.mark.parametrize("metric", METRICS.values())
def test_no_pairs_at_all_give_none(metric):
    assert metric(np.empty((0, 3, 2)), np.empty((0, 3, 2))) is None


@pytest.mark.parametrize("metric", METRICS.values())
@pytest.mark.parametrize(("left", "right"), [((2, 3, 1), (2, 3)), ((2, 3, 1), (2, 1, 1)), ((2, 3), (2, 3))])
def test_shapes_that_disagree_are_refused_and_both_are_named(metric, left, right):
    with pytest.raises(DataError) as caught:
        metric(np.zeros(left), np.zeros(right))
    assert f"got truth {left} and forecast {right}" in str(caught.value)


@pytest.mark.parametrize("metric", METRICS.values())
@pytest.mark.parametrize("bad", [NAN, np.inf])
def test_a_forecast_that_is_not_finite_is_refused_even_where_nothing_was_observed(metric, bad):
    truth, forecast = np.full((2, 3, 1), NAN), np.zeros((2, 3, 1))
    forecast[1, 2, 0] = bad
    with pytest.raises(DataError, match=r"must be finite; 1 are not, first at \[1, 2, 0\]"):
        metric(truth, forecast)


def test_an_infinite_truth_is_refused():
    with pytest.raises(DataError, match=r"Truth values must be finite.* first at \[0, 0, 0\]"):
        mae([[[np.inf]]], [[[0.0]]])


def test_only_the_first_five_offenders_are_listed_with_their_number():
    with pytest.raises(DataError, match=r"7 are not, first at \[0, 0, 0\].*\[0, 4, 0\]\. "):
        mae(np.zeros((1, 7, 1)), np.full((1, 7, 1), NAN))


def test_float32_is_compared_in_float64():
    truth = np.full((1, 1, 1), 16777216.0, dtype=np.float32)  # 2**24: above it float32 has no odd numbers
    assert mae(truth, np.full((1, 1, 1), 16777217.0)) == 1.0


def test_mase_by_hand_averages_pairs_and_not_steps():
    truth = np.array([[[1.0], [2.0], [3.0]], [[10.0], [NAN], [NAN]]])
    forecast = np.array([[[2.0], [4.0], [6.0]], [[4.0], [0.0], [0.0]]])
    # pair 0: mean(1, 2, 3) / 4 = .5; pair 1: 6 / 2 = 3
    assert mase(truth, forecast, [[4.0], [2.0]]) == pytest.approx((0.5 + 3.0) / 2)


def test_mase_leaves_out_undefined_scales_and_pairs_without_truth():
    truth = np.array([[[1.0, 1.0]], [[1.0, NAN]], [[1.0, 5.0]]])  # (3, 1, 2)
    forecast = np.zeros((3, 1, 2))
    scale = np.array([[0.0, NAN], [2.0, 1.0], [4.0, NAN]])
    assert mase(truth, forecast, scale) == pytest.approx((1 / 2 + 1 / 4) / 2)


@pytest.mark.parametrize("scale", [0.0, NAN])
def test_mase_is_none_when_no_scale_is_left(scale):
    assert mase([[[1.0]]], [[[2.0]]], [[scale]]) is None


@pytest.mark.parametrize("scale", [-1.0, np.inf])
def test_mase_refuses_an_impossible_scale(scale):
    with pytest.raises(
        DataError, match=r"scales must be finite and not negative; 1 are not, first at \[0, 0\]"
    ):
        mase([[[1.0]]], [[[2.0]]], [[scale]])


def test_mase_refuses_a_scale_of_another_shape():
    with pytest.raises(DataError, match=r"\(M, D\) = \(2, 1\) .* got \(2,\)"):
        mase(np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), [1.0, 1.0])


def test_the_mase_of_one_step_naive_forecasts_within_the_sample_is_one():
    rows = np.array([[3.0], [1.0], [4.0], [1.0], [5.0], [9.0]])
    scale = seasonal_scale(rows, np.array([0, 6]), [6], season_length=1)
    truth, forecast = rows[1:][None], rows[:-1][None]
    assert mase(truth, forecast, scale) == pytest.approx(1.0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_seasonal_scale_equals_a_plain_loop(data):
    lengths = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=4))
    stops = [data.draw(st.integers(0, length)) for length in lengths]
    season = data.draw(st.integers(1, 10))
    number = st.one_of(st.just(NAN), st.floats(-100, 100))
    values = data.draw(arrays(np.float64, (sum(lengths), 2), elements=number))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scale = seasonal_scale(values, offsets, stops, season)
    assert scale.shape == (len(lengths), 2)
    for s, start in enumerate(offsets[:-1]):
        for target in range(2):
            used = values[start : start + stops[s], target]
            differences = [abs(used[t] - used[t - season]) for t in range(season, len(used))]
            differences = [d for d in differences if d == d]
            expected = sum(differences) / len(differences) if differences else NAN
            assert scale[s, target] == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("season", [0, -1, 2.0, True, "day"])
def test_a_season_that_is_no_positive_whole_number_is_refused(season):
    with pytest.raises(SettingError, match="season_length must be a whole number >= 1"):
        seasonal_scale(np.zeros((4, 1)), np.array([0, 4]), [4], season)


@pytest.mark.parametrize("stops", [[5], [-1]])
def test_stops_outside_the_series_are_refused(stops):
    with pytest.raises(DataError, match=r"between 0 and the series' length; 1 are not, first at \[0\]"):
        seasonal_scale(np.zeros((4, 1)), np.array([0, 4]), stops, 1)


@pytest.mark.parametrize("stops", [[4, 4], 4, [4.0]])
def test_stops_that_are_not_one_whole_number_per_series_are_refused(stops):
    with pytest.raises(DataError, match=r"one whole number of rows per series, shape \(1,\)"):
        seasonal_scale(np.zeros((4, 1)), np.array([0, 4]), stops, 1)


@settings(deadline=None)
@given(pairs(gaps=False))
def test_without_gaps_the_mean_over_steps_is_the_metric_itself(pair):
    steps = by_step(mse, *pair)
    assert len(steps) == pair[0].shape[1]
    assert np.mean(steps) == pytest.approx(mse(*pair), rel=1e-9)


def test_by_step_keeps_the_order_of_the_steps_and_says_none_where_nothing_was_observed():
    truth = np.array([[[1.0], [NAN], [3.0]], [[1.0], [NAN], [NAN]]])
    forecast = np.array([[[2.0], [0.0], [0.0]], [[4.0], [0.0], [0.0]]])
    assert by_step(mae, truth, forecast) == [2.0, None, 3.0]
    assert by_step(rmse, truth, forecast) == [pytest.approx(5**0.5), None, 3.0]


def test_by_step_refuses_shapes_that_disagree():
    with pytest.raises(DataError, match="same shape"):
        by_step(mae, np.zeros((2, 3, 1)), np.zeros((2, 4, 1)))


def test_skill_is_the_share_of_the_reference_error_that_is_avoided():
    assert skill(0.0, 2.0) == 1.0
    assert skill(2.0, 2.0) == 0.0
    assert skill(3.0, 2.0) == -0.5


@pytest.mark.parametrize(
    ("error", "reference"), [(1.0, None), (1.0, 0.0), (0.0, 0.0), (None, 1.0), (None, None)]
)
def test_skill_is_none_without_an_error_to_compare_with(error, reference):
    assert skill(error, reference) is None
