"""Metrics against scikit-learn, hand arithmetic and a plain loop."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timeseries.errors import DataError, SettingError
from timeseries.metrics import (
    METRICS,
    NOTHING,
    TOO_LARGE,
    Cases,
    Groups,
    Score,
    central_intervals,
    evaluate,
    interval_metrics,
    score,
    seasonal_scale,
    skill,
)

NAN = float("nan")
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
EVERY = METRICS | interval_metrics(LEVELS)
SKLEARN = {  # of flat arrays; scikit-learn's MAPE is a share
    "mae": sklearn.metrics.mean_absolute_error,
    "mse": sklearn.metrics.mean_squared_error,
    "rmse": sklearn.metrics.root_mean_squared_error,
    "mape": lambda y, f: 100 * sklearn.metrics.mean_absolute_percentage_error(y, f),
    "wape": lambda y, f: 100 * sklearn.metrics.mean_absolute_error(y, f) / np.abs(y).mean(),
    "r2": sklearn.metrics.r2_score,
}


@st.composite
def pairs(draw, gaps=True):
    """A truth with unobserved values, and a forecast, both (M, H, D)."""
    shape = tuple(draw(st.integers(1, 4)) for _ in range(3))
    number = st.integers(-(10**6), 10**6).map(lambda n: n / 8)
    truth = draw(arrays(np.float64, shape, elements=st.one_of(st.just(NAN), number) if gaps else number))
    return truth, draw(arrays(np.float64, shape, elements=number))


def complete(seed):
    """Return cases with gaps and with all that any metric needs, (4, 3, 2)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(50, 10, (4, 3, 2))
    truth[rng.random(truth.shape) < 0.4] = NAN
    quantiles = np.sort(rng.normal(50, 10, (4, 3, 2, 5)), axis=-1)
    scale = rng.uniform(0.5, 2, (4, 2))
    return cases(
        truth,
        rng.normal(50, 10, (4, 3, 2)),
        scale=scale,
        square_scale=scale**2,
        quantiles=quantiles,
        levels=LEVELS,
    )


def cases(truth, forecast, **more):
    return Cases(truth=np.asarray(truth, float), point=np.asarray(forecast, float), **more)


# ------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("name", SKLEARN)
@settings(deadline=None)
@given(pairs())
def test_a_metric_equals_scikit_learn_on_the_observed_values(name, pair):
    truth, forecast = pair
    y, f = truth[~np.isnan(truth)], forecast[~np.isnan(truth)]
    found = score(name, truth, forecast)
    if not len(y):
        assert found == (None, NOTHING)
    elif name == "mape" and (y == 0).any():
        assert found == (None, "an observed truth is 0")
    elif name == "wape" and not y.any():
        assert found == (None, "every observed truth is 0")
    elif name == "r2" and len(set(y)) == 1:
        assert found == (None, "the observed truth never changes")
    else:
        assert type(found.value) is float
        assert found == (pytest.approx(SKLEARN[name](y, f), rel=1e-9, abs=1e-9), None)


def test_smape_is_that_of_m4_by_hand_and_0_where_both_are_0():
    truth, forecast = [[[100.0], [0.0], [-50.0], [NAN]]], [[[50.0], [0.0], [50.0], [9.0]]]
    # 200 * 50 / 150, 0, 200 * 100 / 100
    assert score("smape", truth, forecast).value == pytest.approx((200 / 3 + 0 + 200) / 3)


def test_mase_and_rmsse_by_hand_average_pairs_and_not_steps():
    truth = np.array([[[1.0], [2.0], [3.0]], [[10.0], [NAN], [NAN]]])
    forecast = np.array([[[2.0], [4.0], [6.0]], [[4.0], [0.0], [0.0]]])
    # pair 0: mean(1, 2, 3) / 4 = .5; pair 1: 6 / 2 = 3
    assert score("mase", truth, forecast, scale=[[4.0], [2.0]]).value == pytest.approx((0.5 + 3.0) / 2)
    # pair 0: sqrt(mean(1, 4, 9) / 7) = sqrt(2 / 3); pair 1: sqrt(36 / 4) = 3
    found = score("rmsse", truth, forecast, square_scale=[[7.0], [4.0]])
    assert found.value == pytest.approx((math.sqrt(2 / 3) + 3) / 2)


def test_the_mase_of_one_step_naive_forecasts_within_the_sample_is_one():
    rows = np.array([[3.0], [1.0], [4.0], [1.0], [5.0], [9.0]])
    truth, forecast = rows[1:][None], rows[:-1][None]
    for name, key, power in (("mase", "scale", 1), ("rmsse", "square_scale", 2)):
        scale = seasonal_scale(rows, np.array([0, 6]), [6], season_length=1, power=power)
        assert score(name, truth, forecast, **{key: scale}).value == pytest.approx(1.0)


def test_pairs_without_truth_or_with_a_scale_of_0_or_nan_are_left_out():
    truth = np.array([[[1.0, 1.0]], [[1.0, NAN]], [[1.0, 5.0]]])  # (3, 1, 2)
    forecast = np.zeros((3, 1, 2))
    scale = np.array([[0.0, NAN], [2.0, 1.0], [4.0, NAN]])
    assert score("mase", truth, forecast, scale=scale).value == pytest.approx((1 / 2 + 1 / 4) / 2)
    found = score("rmsse", truth, forecast, square_scale=scale)
    assert found.value == pytest.approx((math.sqrt(1 / 2) + math.sqrt(1 / 4)) / 2)


@settings(deadline=None)
@given(pairs())
def test_the_pinball_loss_equals_scikit_learn_averaged_over_levels(pair):
    truth, forecast = pair
    observed = ~np.isnan(truth)
    quantiles = np.stack([forecast + shift for shift in (-7, 1, 2, 3, 5)], axis=-1)
    found = evaluate(METRICS["pinball"], cases(truth, forecast, quantiles=quantiles, levels=LEVELS))[0][0]
    if observed.any():
        expected = [
            sklearn.metrics.mean_pinball_loss(truth[observed], quantiles[observed, i], alpha=level)
            for i, level in enumerate(LEVELS)
        ]
        assert found.value == pytest.approx(np.mean(expected), rel=1e-9)
    else:
        assert found == (None, NOTHING)


def test_intervals_by_hand():
    truth = np.array([[[1.0], [5.0], [12.0], [4.0], [NAN]]])  # on the bound, inside, above, below, nothing
    low, high = np.array([1.0, 4, 4, 6, -9]), np.array([3.0, 6, 8, 16, 9])
    quantiles = np.stack([low, (low + high) / 2, high], axis=-1)[None, :, None]  # (1, 5, 1, 3)
    found = {
        name: evaluate(metric, cases(truth, quantiles[..., 1], quantiles=quantiles, levels=(0.1, 0.5, 0.9)))
        for name, metric in interval_metrics((0.1, 0.5, 0.9)).items()
    }
    assert found == {
        "coverage_80": [[(0.5, None)]],
        "width_80": [[((2 + 2 + 4 + 10) / 4, None)]],
        # alpha = .2: each unit outside costs 10; 4 above, 2 below
        "interval_score_80": [[(pytest.approx((2 + 2 + (4 + 40) + (10 + 20)) / 4), None)]],
    }


def test_intervals_are_pairs_of_levels_the_narrowest_first():
    assert central_intervals((0.05, 0.2, 0.5, 0.7, 0.8, 0.95)) == [(0.6, 1, 4), (0.9, 0, 5)]
    assert [interval.name for interval in central_intervals((0.005, 0.025, 0.5, 0.975, 0.995))] == [
        "95",
        "99",
    ]
    assert central_intervals((0.5,)) == []


# ------------------------------------------------------------------------------------------ groups


def only(whole, chosen, steps, target):
    """Return some pairs and steps of one target as cases of their own."""
    part, flat = np.ix_(chosen, steps, [target]), np.ix_(chosen, [target])
    scales = {"scale": whole.scale[flat], "square_scale": whole.square_scale[flat]}
    return cases(
        whole.truth[part], whole.point[part], quantiles=whole.quantiles[part], levels=LEVELS, **scales
    )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_group_is_scored_as_if_it_stood_alone(name, steps, seed):
    whole = complete(seed)
    pair_group = np.array([1, 0, 1, 2])
    found = evaluate(EVERY[name], whole, Groups(series=pair_group[:, None] * 2 + np.arange(2), steps=steps))
    assert [len(row) for row in found] == [3 if steps else 1] * 6
    for number, row in enumerate(found):
        group, target = divmod(number, 2)
        chosen = np.flatnonzero(pair_group == group)
        for step, one in enumerate(row):
            alone = only(whole, chosen, [step] if steps else [0, 1, 2], target)
            expected = evaluate(EVERY[name], alone)[0][0]
            assert one.reason == expected.reason
            assert one.value == (expected.value and pytest.approx(expected.value, rel=1e-9))


@settings(deadline=None)
@given(pairs(gaps=False))
def test_without_gaps_the_mean_over_steps_is_the_metric_itself(pair):
    (steps,) = evaluate(METRICS["mse"], cases(*pair), Groups(steps=True))
    assert len(steps) == pair[0].shape[1]
    assert np.mean([step.value for step in steps]) == pytest.approx(score("mse", *pair).value, rel=1e-9)


def test_steps_keep_their_order_and_say_why_where_nothing_was_observed():
    truth = np.array([[[1.0], [NAN], [3.0]], [[1.0], [NAN], [NAN]]])
    forecast = np.array([[[2.0], [0.0], [0.0]], [[4.0], [0.0], [0.0]]])
    found = evaluate(METRICS["mae"], cases(truth, forecast), Groups(steps=True))
    assert found == [[(2.0, None), (None, NOTHING), (3.0, None)]]


# ------------------------------------------------------------------------------------------ undefined


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("pairs_", [0, 2])
def test_nothing_observed_gives_none_and_says_so(name, pairs_):
    shape = (pairs_, 3, 2)
    scale = np.ones((pairs_, 2))
    empty = cases(
        np.full(shape, NAN),
        np.zeros(shape),
        scale=scale,
        square_scale=scale,
        quantiles=np.zeros((*shape, 5)),
        levels=LEVELS,
    )
    assert evaluate(EVERY[name], empty) == [[Score(None, NOTHING)]]


@pytest.mark.parametrize(
    ("name", "truth", "reason"),
    [
        ("mape", [1.0, 0.0], "an observed truth is 0"),
        ("wape", [0.0, 0.0], "every observed truth is 0"),
        ("r2", [0.1, 0.1, 0.1], "the observed truth never changes"),
        ("r2", [7.0, NAN], "the observed truth never changes"),
        ("pinball", [1.0, 2.0], "a point forecast has no quantiles"),
        ("mase", [1.0, 2.0], "no scale was given"),
        ("rmsse", [1.0, 2.0], "no scale was given"),
    ],
)
def test_an_undefined_metric_says_why(name, truth, reason):
    assert score(name, np.reshape(truth, (1, -1, 1)), np.ones((1, len(truth), 1))) == (None, reason)


@pytest.mark.parametrize("bad", [0.0, NAN])
def test_mase_and_rmsse_say_that_no_scale_is_left(bad):
    for name, key in (("mase", "scale"), ("rmsse", "square_scale")):
        found = score(name, [[[1.0]]], [[[2.0]]], **{key: [[bad]]})
        assert found.value is None
        assert "no series has a seasonal scale" in found.reason


@pytest.mark.parametrize("name", EVERY)
def test_huge_numbers_give_a_score_or_a_reason_and_no_warning(name):
    truth = np.array([[[1e300], [-1e300], [1.7e308]]])
    scale = np.full((1, 1), 1e-300)
    huge = cases(
        truth,
        -truth,
        scale=scale,
        square_scale=scale,
        quantiles=np.sort(truth[..., None] * [-1.0, -0.5, 0.0, 0.5, 1.0], axis=-1),
        levels=LEVELS,
    )
    for groups in (Groups(), Groups(steps=True), Groups(series=np.zeros((1, 1), int))):
        for row in evaluate(EVERY[name], huge, groups):
            for value, reason in row:
                assert (reason == TOO_LARGE) if value is None else math.isfinite(value)


def test_skill_is_the_share_of_the_reference_error_that_is_avoided():
    assert skill(Score(0.0), Score(2.0)) == (1.0, None)
    assert skill(Score(2.0), Score(2.0)) == (0.0, None)
    assert skill(Score(3.0), Score(2.0)) == (-0.5, None)


def test_skill_is_none_without_an_error_to_compare_with():
    none = Score(None, NOTHING)
    assert skill(Score(1.0), none) == skill(none, Score(1.0)) == none
    assert skill(Score(0.0), Score(0.0)) == (None, "the reference makes no error")


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("left", "right"), [((2, 3, 1), (2, 3)), ((2, 3, 1), (2, 1, 1)), ((2, 3), (2, 3))])
def test_shapes_that_disagree_are_refused_and_both_are_named(left, right):
    with pytest.raises(DataError) as caught:
        score("mae", np.zeros(left), np.zeros(right))
    assert f"got truth {left} and forecast {right}" in str(caught.value)


@pytest.mark.parametrize("bad", [NAN, np.inf])
def test_a_forecast_that_is_not_finite_is_refused_even_where_nothing_was_observed(bad):
    truth, forecast = np.full((2, 3, 1), NAN), np.zeros((2, 3, 1))
    forecast[1, 2, 0] = bad
    with pytest.raises(DataError, match=r"must be finite; 1 are not, first at \[1, 2, 0\]"):
        score("mae", truth, forecast)


def test_an_infinite_truth_is_refused():
    with pytest.raises(DataError, match=r"Truth values must be finite.* first at \[0, 0, 0\]"):
        score("mae", [[[np.inf]]], [[[0.0]]])


def test_only_the_first_five_offenders_are_listed_with_their_number():
    with pytest.raises(DataError, match=r"7 are not, first at \[0, 0, 0\].*\[0, 4, 0\]\. "):
        score("mae", np.zeros((1, 7, 1)), np.full((1, 7, 1), NAN))


def test_float32_is_compared_in_float64():
    truth = np.full((1, 1, 1), 16777216.0, dtype=np.float32)  # 2**24: above it float32 has no odd numbers
    assert score("mae", truth, np.full((1, 1, 1), 16777217.0)).value == 1.0


@pytest.mark.parametrize("scale", [-1.0, np.inf])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(
        DataError, match=r"scale must be finite and not negative; 1 are not, first at \[0, 0\]"
    ):
        score("mase", [[[1.0]]], [[[2.0]]], scale=[[scale]])


def test_a_scale_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"square_scale must .* \(M, D\) = \(2, 1\) .* got \(2,\)"):
        score("rmsse", np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), square_scale=[1.0, 1.0])


def test_quantiles_of_another_shape_or_not_finite_are_refused():
    zeros = np.zeros((2, 3, 1))
    with pytest.raises(
        DataError, match=r"\(M, H, D, P\) = \(2, 3, 1, 2\) for .*\[0\.1, 0\.5\], got \(2, 3, 1, 1\)"
    ):
        cases(zeros, zeros, quantiles=zeros[..., None], levels=(0.1, 0.5))
    with pytest.raises(DataError, match="Quantiles must be finite; 6 are not"):
        cases(zeros, zeros, quantiles=np.full((2, 3, 1, 1), NAN), levels=(0.5,))


def test_a_metric_that_does_not_exist_is_refused_with_a_hint():
    with pytest.raises(SettingError, match=r"Unknown metric 'rmsee'\. Did you mean 'rmse'"):
        score("rmsee", [[[1.0]]], [[[1.0]]])


# ------------------------------------------------------------------------------------------ scales


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_seasonal_scale_equals_a_plain_loop(data):
    lengths = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=4))
    stops = [data.draw(st.integers(0, length)) for length in lengths]
    season, power = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([1, 2]))
    number = st.one_of(st.just(NAN), st.floats(-100, 100))
    values = data.draw(arrays(np.float64, (sum(lengths), 2), elements=number))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scale = seasonal_scale(values, offsets, stops, season, power)
    assert scale.shape == (len(lengths), 2)
    for s, start in enumerate(offsets[:-1]):
        for target in range(2):
            used = values[start : start + stops[s], target]
            differences = [abs(used[t] - used[t - season]) ** power for t in range(season, len(used))]
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


def test_a_scale_too_large_for_double_precision_is_undefined():
    rows = np.array([[1e300], [-1e300]])
    assert np.isnan(seasonal_scale(rows, np.array([0, 2]), [2], 1, power=2)).all()


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_a_seasonal_scale_does_not_depend_on_how_many_rows_are_taken_at_once(rows, monkeypatch):
    values = np.random.default_rng(0).normal(size=(23, 2))
    values[4, 0] = np.nan
    offsets, stops = np.array([0, 11, 11, 23]), [9, 0, 12]
    expected = [
        [np.nanmean(np.abs(part[2:] - part[:-2])[:, d]) for d in range(2)]
        for part in (values[:9], values[11:])
    ]
    monkeypatch.setattr("timeseries.metrics.ROWS_AT_ONCE", rows)
    found = seasonal_scale(values, offsets, stops, season_length=2)
    np.testing.assert_allclose(found[[0, 2]], expected)
    assert np.isnan(found[1]).all()
