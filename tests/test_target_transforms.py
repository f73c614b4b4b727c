"""Transforms of targets: their numbers against scipy and numpy, and that they are undone."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from timeseries.target_transforms import TRANSFORMS, Ahead, Rows

SEASON = 4
every_one = pytest.mark.parametrize("name", sorted(TRANSFORMS))


def rows_of(lengths, start=10, season=SEASON):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    step = np.concatenate([start + np.arange(n) for n in lengths]).astype(np.float64)
    return Rows(offsets, step, (step % season).astype(np.int64), season)


def ahead_of(rows, origins, horizon, memory=1000):
    """Return where the steps after some rows stand."""
    row = np.array(origins)
    step = rows.step[row][:, None] + np.arange(1, horizon + 1)
    return Ahead(rows.series[row], row, step, (step % rows.season).astype(np.int64), memory)


@st.composite
def tables(draw, gaps=True):
    """Return positive values of one to three series with two targets, some of them absent."""
    lengths = draw(st.lists(st.integers(2 * SEASON + 6, 24), min_size=1, max_size=3))
    values = draw(arrays(np.float64, (sum(lengths), 2), elements=st.floats(0.01, 1e4)))
    if gaps:
        absent = draw(arrays(np.bool_, values.shape, elements=st.booleans(), fill=st.just(False)))
        absent &= np.random.default_rng(len(lengths)).random(values.shape) < 0.3
        values = np.where(absent, np.nan, values)
    return values, rows_of(lengths, draw(st.integers(0, 9)))


# ------------------------------------------------------------------------------------------ there and back


@settings(max_examples=25, deadline=None)
@given(tables(gaps=False), st.sampled_from(sorted(TRANSFORMS)), st.integers(1, 6))
def test_a_perfect_forecast_is_brought_back_to_the_truth(table, name, horizon):
    values, rows = table
    step = TRANSFORMS[name]
    state = step.fit(values, rows)
    seen = step.transform(values, rows, state)
    origins = rows.offsets[1:] - 1 - horizon
    after = origins[:, None] + np.arange(1, horizon + 1)  # (M, H)
    poisoned = values.copy()
    for s, origin in enumerate(origins):
        poisoned[origin + 1 : rows.offsets[s + 1]] = np.nan  # the inverse must not look there
    answer = step.inverse(seen[after][..., None], poisoned, rows, ahead_of(rows, origins, horizon), state)
    largest = max(np.abs(values).max(), 1)
    np.testing.assert_allclose(answer[..., 0], values[after], rtol=1e-6, atol=1e-9 * largest)


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(sorted(TRANSFORMS)))
def test_missing_values_stay_missing_and_nothing_else_is_lost(table, name):
    values, rows = table
    step = TRANSFORMS[name]
    seen = step.transform(values, rows, step.fit(values, rows))
    lost = np.arange(len(values)) - rows.offsets[:-1][rows.series] < step.reach(SEASON)
    assert np.isnan(seen[np.isnan(values)]).all()
    assert np.isnan(seen[lost]).all()
    if not step.cumulative:
        assert np.isfinite(seen[~np.isnan(values)]).all()


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(sorted(TRANSFORMS)), st.integers(1, 9), st.data())
def test_quantiles_of_a_step_stay_in_order(table, name, horizon, data):
    values, rows = table
    step = TRANSFORMS[name]
    state = step.fit(values, rows)
    shape = (len(rows.offsets) - 1, horizon, 2, 3)
    forecast = np.sort(data.draw(arrays(np.float64, shape, elements=st.floats(-5, 5))), axis=-1)
    answer = step.inverse(forecast, values, rows, ahead_of(rows, rows.offsets[1:] - 1, horizon), state)
    assert answer.shape == shape
    assert np.isfinite(answer).all()
    assert (np.diff(answer, axis=-1) >= 0).all()


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(sorted(TRANSFORMS)), st.floats(0.01, 1e4))
def test_series_do_not_influence_each_other(table, name, other):
    values, rows = table
    step, first = TRANSFORMS[name], rows.offsets[1]
    changed = values.copy()
    changed[first:] = other
    before, after = (step.fit(part, rows) for part in (values, changed))
    for part in step.state:
        np.testing.assert_array_equal(after[part][0], before[part][0])
    np.testing.assert_array_equal(
        step.transform(changed, rows, after)[:first], step.transform(values, rows, before)[:first]
    )


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(sorted(TRANSFORMS)), st.integers(0, 20), st.floats(0.01, 1e4))
def test_nothing_after_a_row_moves_what_it_becomes_or_what_follows_it(table, name, last, noise):
    values, rows = table
    step = TRANSFORMS[name]
    state = step.fit(values, rows)
    within = np.arange(len(values)) - rows.offsets[:-1][rows.series]
    changed = values.copy()
    changed[within > last] = noise
    np.testing.assert_array_equal(
        step.transform(changed, rows, state)[within <= last],
        step.transform(values, rows, state)[within <= last],
    )
    origins = np.minimum(rows.offsets[:-1] + last, rows.offsets[1:] - 1)
    ahead = ahead_of(rows, origins, 5)
    forecast = np.ones((len(origins), 5, 2, 1))
    np.testing.assert_array_equal(
        step.inverse(forecast, changed, rows, ahead, state),
        step.inverse(forecast, values, rows, ahead, state),
    )


@every_one
def test_a_series_without_any_value_is_taken(name):
    values, rows = np.full((12, 1), np.nan), rows_of([12])
    step = TRANSFORMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = step.fit(values, rows)
        answer = step.inverse(np.ones((1, 3, 1, 1)), values, rows, ahead_of(rows, [11], 3), state)
    assert {part: array.shape for part, array in state.items()} == {
        part: (1, SEASON, 1) if by_phase else (1, 1) for part, by_phase in step.state.items()
    }
    assert np.isfinite(answer).all()


# ------------------------------------------------------------------------------------------ the numbers


def one(name, values, lengths=None, **grid):
    values = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    rows = rows_of(lengths or [len(values)], **grid)
    step = TRANSFORMS[name]
    state = step.fit(values, rows)
    return step, state, values, rows, step.transform(values, rows, state)[:, 0]


def test_the_logarithm_is_natural():
    *_, seen = one("log", [1.0, np.e, 10.0])
    np.testing.assert_allclose(seen, [0, 1, np.log(10)], rtol=1e-15)


@pytest.mark.parametrize(("scale", "shape"), [(1e-6, 0.3), (1.0, 1.0), (1e6, 2.0), (1.0, 5.0)])
def test_the_power_is_the_likeliest_by_scipy(scale, shape):
    values = scale * stats.gamma.rvs(shape, size=400, random_state=0)
    _, state, _, _, seen = one("box_cox", values)
    power = state["power"].item()
    tried = np.linspace(0, 1, 401)
    best = tried[np.argmax([stats.boxcox_llf(p, values) for p in tried])]
    assert power == pytest.approx(best, abs=2e-3)
    np.testing.assert_allclose(seen, special.boxcox(values, power), rtol=1e-12)


def test_lognormal_values_want_about_the_logarithm_and_what_lies_below_zero_becomes_zero():
    values = np.exp(np.random.default_rng(0).normal(size=4000))
    step, state, values, rows, _ = one("box_cox", values)
    assert state["power"].item() < 0.05
    step, state, values, rows, _ = one("box_cox", np.random.default_rng(0).normal(50, 1, size=500))
    assert state["power"].item() > 0.5
    answer = step.inverse(np.full((1, 1, 1, 1), -1e6), values, rows, ahead_of(rows, [499], 1), state)
    assert answer.item() == 0


def test_the_line_is_that_of_least_squares_and_runs_on():
    draw = np.random.default_rng(0)
    values = 5 + 0.3 * np.arange(50) + draw.normal(size=50)
    values[7] = np.nan
    step, state, table, rows, seen = one("detrend", values, start=1_000_000)
    seen_at = np.flatnonzero(~np.isnan(values))
    slope, level = np.polyfit(seen_at, values[seen_at], 1)
    np.testing.assert_allclose(seen[seen_at], (values - level - slope * np.arange(50))[seen_at], atol=1e-9)
    line = step.inverse(np.zeros((1, 3, 1, 1)), table, rows, ahead_of(rows, [49], 3), state).ravel()
    np.testing.assert_allclose(line, level + slope * np.array([50, 51, 52]), rtol=1e-9)


def test_the_rest_of_an_exact_line_is_nothing_at_all():
    *_, seen = one("detrend", 0.1 * np.arange(40) + 0.7)
    assert (seen == 0).all()
    *_, seen = one("detrend", [3.0])
    assert (seen == 0).all()


def test_the_season_is_the_mean_of_each_of_its_rows_less_that_of_all():
    _, state, _, _, seen = one("deseasonalize", [1, 2, 3, 4, 5, 6, np.nan, 8], start=0)
    mean = 29 / 7
    component = np.array([3, 4, 3, 6]) - mean
    np.testing.assert_allclose(state["component"][0, :, 0], component, rtol=1e-12)
    np.testing.assert_allclose(seen[:4], np.array([1, 2, 3, 4]) - component, rtol=1e-12)


def test_the_multiplicative_season_is_a_share_of_the_mean():
    _, state, _, _, seen = one("deseasonalize_multiplicative", [1, 2, 3, 4, 5, 6, np.nan, 8], start=0)
    share = np.array([3, 4, 3, 6]) / (29 / 7)
    np.testing.assert_allclose(state["component"][0, :, 0], share, rtol=1e-12)
    np.testing.assert_allclose(seen[:4], np.array([1, 2, 3, 4]) / share, rtol=1e-12)


@pytest.mark.parametrize("name", ["deseasonalize", "deseasonalize_multiplicative"])
def test_a_row_of_the_season_that_was_never_observed_is_left_as_it_is(name):
    *_, seen = one(name, [1.0, 2.0, 3.0], start=1)  # phases 1 to 3
    step, state, values, rows, _ = one(name, [1.0, 2.0, 3.0], start=1)
    answer = step.inverse(np.full((1, 1, 1, 1), 7.0), values, rows, ahead_of(rows, [2], 1), state)
    assert answer.item() == 7
    np.testing.assert_allclose(seen, 2)  # each is the mean of its row of the season


def test_differences_are_those_of_numpy_series_by_series():
    values = np.random.default_rng(0).normal(size=17)
    *_, seen = one("difference", values, lengths=[9, 8])
    np.testing.assert_array_equal(seen, np.r_[np.nan, np.diff(values[:9]), np.nan, np.diff(values[9:])])
    *_, seen = one("seasonal_difference", values, lengths=[9, 8])
    expected = [np.r_[[np.nan] * 4, part[4:] - part[:-4]] for part in (values[:9], values[9:])]
    np.testing.assert_array_equal(seen, np.concatenate(expected))


def test_differences_are_added_up_from_the_last_value():
    step, state, values, rows, _ = one("difference", [5.0, 7.0, 6.0])
    forecast = np.array([1.0, 2.0, -4.0]).reshape(1, 3, 1, 1)
    answer = step.inverse(forecast, values, rows, ahead_of(rows, [2], 3), state)
    assert answer.ravel().tolist() == [7, 9, 5]
    step, state, values, rows, _ = one("seasonal_difference", np.arange(8.0))
    forecast = np.arange(10.0, 70.0, 10.0).reshape(1, 6, 1, 1)
    answer = step.inverse(forecast, values, rows, ahead_of(rows, [7], 6), state)
    assert answer.ravel().tolist() == [14, 25, 36, 47, 64, 85]


def test_where_the_last_value_was_not_observed_the_newest_that_was_stands_in():
    nan = np.nan
    step, state, values, rows, _ = one("difference", [5.0, 7.0, nan, nan])
    ahead = ahead_of(rows, [3], 2)
    zeros = np.zeros((1, 2, 1, 1))
    assert step.inverse(zeros, values, rows, ahead, state).ravel().tolist() == [7, 7]
    forgetful = ahead._replace(memory=2)  # of which none was observed: the mean of the training rows
    assert step.inverse(zeros, values, rows, forgetful, state).ravel().tolist() == [6, 6]
    step, state, values, rows, _ = one("seasonal_difference", [1, 2, 3, 4, nan, 6, 7, nan, nan, 10])
    answer = step.inverse(np.zeros((1, 4, 1, 1)), values, rows, ahead_of(rows, [9], 4), state)
    assert answer.ravel().tolist() == [7, 4, 1, 10]


def test_a_season_before_the_first_row_is_the_mean():
    step, state, values, rows, _ = one("seasonal_difference", [1.0, 3.0])
    answer = step.inverse(np.zeros((1, 4, 1, 1)), values, rows, ahead_of(rows, [1], 4), state)
    assert answer.ravel().tolist() == [2, 2, 1, 3]
