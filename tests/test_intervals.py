"""Conformal intervals: ranks by hand, coverage by many repetitions, symmetries by hypothesis."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timeseries.errors import DataError, SettingError
from timeseries.intervals import calibrate, restrict

NAN = float("nan")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def errors(*scores):
    """Return scores of one step and target as truth (M, 1, 1), and forecasts of 0 (M, 1, 1, 1)."""
    truth = np.array(scores, dtype=float).reshape(-1, 1, 1)
    return truth, np.zeros((*truth.shape, 1))


@st.composite
def questions(draw, steps=3, targets=2):
    """A truth with gaps (the first origin is complete) and forecasts of three quantiles, in order."""
    origins = draw(st.integers(2, 12))
    number = st.floats(-100, 100).map(lambda x: round(x, 3))
    truth = draw(
        arrays(float, (origins, steps, targets), elements=st.one_of(number, number, number, st.just(NAN)))
    )
    truth[0] = np.nan_to_num(truth[0])
    return truth, np.sort(draw(arrays(float, (origins, steps, targets, 3), elements=number)), axis=-1)


# ------------------------------------------------------------------------------------------ ranks


@pytest.mark.parametrize(
    ("scores", "level", "expected"),
    [
        (range(1, 20), 0.9, 18),  # ceil(20 * .9) = 18
        (range(1, 20), 0.1, 2),  # floor(20 * .1) = 2
        (range(1, 20), 0.95, 19),
        (range(1, 20), 0.05, 1),
        (range(1, 20), 0.91, 19),  # ceil(18.2)
        (range(1, 20), 0.09, 1),  # floor(1.8)
        (range(1, 100), 0.55, 55),  # 100 * .55 is 55.000000000000007 in floating point
        (range(1, 100), 0.45, 45),
        ((9, 3, 5), 0.75, 9),
        ((9, 3, 5), 0.25, 3),
        ((NAN, 9, 3, NAN, 5), 0.75, 9),
    ],
)
def test_a_level_is_moved_by_the_score_of_its_rank(scores, level, expected):
    pair = (level, 0.5) if level < 0.5 else (0.5, level)
    made = calibrate(*errors(*scores), None, pair)
    assert made.shifts[0, 0, pair.index(level)] == expected
    assert made.shifts[0, 0, pair.index(0.5)] == 0
    assert "pooled" not in made.notes[0]


def test_a_level_starts_from_the_networks_own_quantile_else_from_its_median():
    truth = np.array([10.0, 20.0, 30.0]).reshape(3, 1, 1)
    forecast = np.tile([1.0, 2.0, 4.0], (3, 1, 1, 1))  # of the levels .25, .5, .7
    made = calibrate(truth, forecast, (0.25, 0.5, 0.7), (0.25, 0.5, 0.75))
    assert made.source.tolist() == [0, 1, 1]
    assert made.shifts[0, 0].tolist() == [10 - 1.0, 0.0, 30 - 2.0]
    assert made.apply([[[[0.0, 50.0, 60.0]]]]).tolist() == [[[[9.0, 50.0, 78.0]]]]


def test_each_step_and_target_has_its_own_scores():
    truth = np.arange(12.0).reshape(3, 2, 2) * [[1, 10], [100, 1000]]
    made = calibrate(truth, np.zeros((3, 2, 2, 1)), None, (0.25, 0.5, 0.75))
    np.testing.assert_array_equal(made.shifts[..., 0], truth.min(axis=0))
    np.testing.assert_array_equal(made.shifts[..., 2], truth.max(axis=0))


# ------------------------------------------------------------------------------------------ coverage


@pytest.mark.parametrize("origins", [19, 39, 40])
@pytest.mark.parametrize(
    "draw", [np.random.Generator.standard_normal, np.random.Generator.standard_exponential]
)
def test_each_level_covers_what_it_says_for_any_number_of_origins(origins, draw):
    repetitions, wanted = 40_000, (0.05, 0.5, 0.95)  # each target is a repetition
    sample = draw(np.random.default_rng(0), (origins + 1, 1, repetitions))
    made = calibrate(sample[:-1], np.zeros((origins, 1, repetitions, 1)), None, wanted)
    answer = made.apply(np.zeros((1, 1, repetitions, 1)))
    below = (sample[-1:] < answer[..., 0]).mean(), (sample[-1:] <= answer[..., 2]).mean()
    exact = math.floor((origins + 1) * 0.05) / (origins + 1), math.ceil((origins + 1) * 0.95) / (origins + 1)
    assert below[0] <= 0.05 + 0.004  # four standard errors of the share are .0044
    assert below[1] >= 0.95 - 0.004
    if draw is np.random.Generator.standard_normal:  # the outward order with the point at 0 does not matter
        assert below == pytest.approx(exact, abs=0.0045)


@pytest.mark.parametrize("origins", [2, 5, 18])
def test_pooled_intervals_cover_too_where_the_errors_grow_with_the_step(origins):
    rng, steps, repetitions = np.random.default_rng(1), 24, 200
    size = np.sqrt(np.arange(1.0, steps + 1))[:, None]
    covered = []
    for _ in range(repetitions):
        truth = rng.normal(size=(origins, steps, 1)) * size
        answer = calibrate(truth, np.zeros((*truth.shape, 1)), None, (0.05, 0.5, 0.95)).apply(
            np.zeros((1, steps, 1, 1))
        )
        fresh = rng.normal(size=(20, steps, 1)) * size
        covered.append(((fresh >= answer[..., 0]) & (fresh <= answer[..., 2])).mean())
    assert np.mean(covered) > 0.9 - 0.01


# ------------------------------------------------------------------------------------------ too few scores


def test_steps_with_too_few_scores_are_pooled_by_size_as_worked_by_hand():
    truth = np.array([[[3.0], [8.0]], [[-1.0], [NAN]]])  # two scores of step 1, one of step 2
    made = calibrate(truth, np.zeros((2, 2, 1, 1)), None, (0.25, 0.5, 0.75))
    prior = (9 + 64 + 1) / 3
    pool = sorted([3 / math.sqrt((prior + 1) / 2), 8 / math.sqrt(prior), -1 / math.sqrt((prior + 9) / 2)])
    sizes = math.sqrt((10 + prior) / 3), math.sqrt((64 + prior) / 2)
    # of 3 scores: rank ceil(4 * .75) = 3 above, floor(4 * .25) = 1 below
    np.testing.assert_allclose(made.shifts[:, 0, 2], [pool[2] * size for size in sizes])
    np.testing.assert_allclose(made.shifts[:, 0, 0], [pool[0] * size for size in sizes])


def test_a_step_with_enough_scores_keeps_its_own_when_another_is_pooled():
    truth = np.array([1.0, 2.0, 3.0])[:, None, None] * np.ones((3, 2, 1))
    truth[0, 1] = NAN
    made = calibrate(truth, np.zeros((3, 2, 1, 1)), None, (0.25, 0.5, 0.75))
    assert made.shifts[0, 0].tolist() == [1.0, 0.0, 3.0]
    assert made.shifts[1, 0, 2] > 3.0


def test_a_step_never_observed_takes_the_size_of_the_others():
    truth = np.stack([np.array([-2.0, 2.0, -2.0, 2.0]), np.full(4, NAN)], axis=1)[..., None]
    made = calibrate(truth, np.zeros((4, 2, 1, 1)), None, (0.2, 0.5, 0.8))
    np.testing.assert_allclose(made.shifts[1, 0], [-2.0, 0.0, 2.0])


def test_a_forecast_without_error_needs_no_interval():
    made = calibrate(*errors(0.0, 0.0), None, LEVELS)
    assert not made.shifts.any()


@pytest.mark.parametrize(
    ("origins", "steps", "note"),
    [
        (180, 1, "95 % intervals rest on 180 origins per step."),
        (39, 12, "95 % intervals rest on 39 origins per step."),
        (38, 12, "95 % intervals rest on 38 origins, pooled over the 12 steps."),
        (
            3,
            12,
            "95 % intervals rest on 3 origins, pooled over the 12 steps, which is less than the 39 scores "
            "they need: they end at the largest errors seen.",
        ),
    ],
)
def test_the_notes_say_what_intervals_rest_on(origins, steps, note):
    truth = np.random.default_rng(0).normal(size=(origins, steps, 2))
    made = calibrate(truth, np.zeros((*truth.shape, 1)), None, (0.025, 0.1, 0.5, 0.9, 0.975))
    assert made.notes[0] == note
    assert made.notes[1].startswith("80 % intervals")
    assert len(made.notes) == 2


def test_one_target_with_too_few_scores_is_told_though_the_next_has_enough():
    truth = np.random.default_rng(0).normal(size=(12, 1, 2))
    truth[2:, :, 0] = NAN
    (note,) = calibrate(truth, np.zeros((12, 1, 2, 1)), None, (0.1, 0.5, 0.9)).notes
    assert "rest on 2 origins" in note
    assert "less than the 9 scores they need" in note
    truth[2:, :, 0], truth[2:, :, 1] = truth[2:, :, 1], NAN
    assert calibrate(truth, np.zeros((12, 1, 2, 1)), None, (0.1, 0.5, 0.9)).notes == (note,)


def test_a_level_without_partner_has_a_note_of_its_own():
    made = calibrate(*errors(*range(9)), None, (0.5, 0.9))
    assert made.notes == ("The 0.9 quantile rests on 9 origins per step.",)


def test_a_calibration_is_arrays_and_text_for_a_file():
    made = calibrate(*errors(*range(9)), None, (0.1, 0.5, 0.9))
    assert json.loads(json.dumps(made.notes)) == list(made.notes)
    kinds = [(a.dtype.kind, a.shape) for a in (made.levels, made.source, made.shifts)]
    assert kinds == [("f", (3,)), ("i", (3,)), ("f", (1, 1, 3))]


# ------------------------------------------------------------------------------------------ order, symmetries


@settings(max_examples=100, deadline=None)
@given(questions())
def test_levels_never_cross_and_the_median_is_the_networks_own(question):
    truth, forecast = question
    answer = calibrate(truth, forecast, (0.05, 0.5, 0.9), LEVELS).apply(forecast)
    assert (np.diff(answer, axis=-1) >= 0).all()
    np.testing.assert_array_equal(answer[..., 2], forecast[..., 1])


def test_a_level_that_would_cross_is_moved_outwards_and_loses_no_coverage():
    truth = np.full((19, 1, 1), -5.0)  # the network is always too high: the upper shift is negative
    made = calibrate(truth, np.zeros((19, 1, 1, 1)), None, (0.1, 0.5, 0.9))
    assert made.apply([[[[7.0]]]]).tolist() == [[[[2.0, 7.0, 7.0]]]]


@settings(max_examples=100, deadline=None)
@given(questions(), st.floats(-50, 50), st.floats(0.01, 100))
def test_moving_and_stretching_the_data_moves_and_stretches_the_intervals(question, offset, factor):
    truth, forecast = question
    before = calibrate(truth, forecast, (0.05, 0.5, 0.9), LEVELS).apply(forecast)
    moved = forecast * factor + offset
    after = calibrate(truth * factor + offset, moved, (0.05, 0.5, 0.9), LEVELS).apply(moved)
    np.testing.assert_allclose(after, before * factor + offset, rtol=1e-6, atol=1e-6 * (factor + 1))


@settings(max_examples=100, deadline=None)
@given(questions(), st.randoms())
def test_the_order_of_the_origins_changes_nothing(question, random):
    truth, forecast = question
    order = list(range(len(truth)))
    random.shuffle(order)
    one = calibrate(truth, forecast, (0.05, 0.5, 0.9), LEVELS)
    other = calibrate(truth[order], forecast[order], (0.05, 0.5, 0.9), LEVELS)
    np.testing.assert_allclose(one.shifts, other.shifts, rtol=1e-9, atol=1e-9)
    assert one.notes == other.notes


def test_one_extreme_origin_moves_nothing_but_the_extreme():
    calm, wild = list(range(1, 40)), [*range(1, 39), 1e12]
    wanted = (0.025, 0.1, 0.5, 0.9, 0.975)
    one, other = (calibrate(*errors(*scores), None, wanted).shifts[0, 0] for scores in (calm, wild))
    assert one[:4].tolist() == other[:4].tolist()
    assert (one[4], other[4]) == (39, 1e12)


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "wanted", [(0.1, 0.9), (0.5, 0.1), (0.0, 0.5), (0.5, 1.0), (0.5, 0.5), (0.5, NAN), ()]
)
def test_levels_that_make_no_sense_are_refused(wanted):
    with pytest.raises(SettingError, match="wanted_levels must rise from above 0 to below 1 and include"):
        calibrate(*errors(1, 2), None, wanted)


@pytest.mark.parametrize(
    ("truth", "forecast", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3, 1)), r"P = 1 for levels \[0\.5\], got \(2, 3\) and \(2, 3, 1\)"),
        (np.zeros((2, 3, 1)), np.zeros((2, 3, 1, 2)), r"got \(2, 3, 1\) and \(2, 3, 1, 2\)"),
        (np.zeros((2, 1, 1)), np.full((2, 1, 1, 1), NAN), "finite forecasts"),
        (np.full((2, 1, 1), np.inf), np.zeros((2, 1, 1, 1)), "finite or NaN"),
        (np.full((2, 1, 1), NAN), np.zeros((2, 1, 1, 1)), "target 0 has none in 2 origins of 1 steps"),
        (np.zeros((0, 1, 1)), np.zeros((0, 1, 1, 1)), "target 0 has none in 0 origins"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(truth, forecast, message):
    with pytest.raises(DataError, match=message):
        calibrate(truth, forecast, None, (0.1, 0.5, 0.9))


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (2, 1, 2, 1), (2, 1, 1, 0), (1, 1, 1)])
def test_a_forecast_of_another_shape_is_refused(shape):
    with pytest.raises(DataError, match="Calibrate again for this forecast"):
        calibrate(*errors(1, 2, 3), None, (0.25, 0.5, 0.75)).apply(np.zeros(shape))


# ------------------------------------------------------------------------------------------ bounds, integers


def test_whole_numbers_are_rounded_outwards_and_the_median_to_the_nearest():
    answer = restrict([[1.2, 1.6, 1.9], [-0.5, -0.2, 0.0]], (0.1, 0.5, 0.9), integer=True)
    assert answer.tolist() == [[1.0, 2.0, 2.0], [-1.0, 0.0, 0.0]]
    assert not np.signbit(answer[1, 1:]).any()


def test_a_point_is_rounded_to_the_nearest_and_kept_within_bounds():
    assert restrict([[2.6], [-3.0], [99.0]], None, lower=0, upper=10, integer=True).ravel().tolist() == [
        3,
        0,
        10,
    ]


def test_bounds_between_whole_numbers_are_moved_inwards():
    assert restrict([[-7.0], [7.0]], None, lower=-1.5, upper=2.5, integer=True).ravel().tolist() == [-1, 2]
    assert restrict([[-7.0], [7.0]], None, lower=-1.5, upper=2.5).ravel().tolist() == [-1.5, 2.5]


@pytest.mark.parametrize(
    ("bounds", "kind"), [((2, 1), "value"), ((0.2, 0.8), "whole number"), ((NAN, 1), "value")]
)
def test_bounds_that_leave_nothing_are_refused(bounds, kind):
    with pytest.raises(SettingError, match=f"No {kind} lies between"):
        restrict([[1.0]], None, lower=bounds[0], upper=bounds[1], integer=kind != "value")


@settings(max_examples=200, deadline=None)
@given(
    arrays(float, (4, 5), elements=st.floats(-1e6, 1e6)),
    st.one_of(st.none(), st.integers(-10, 0)),
    st.one_of(st.none(), st.integers(1, 10)),
    st.booleans(),
)
def test_a_truth_within_the_bounds_that_was_covered_stays_covered(raw, lower, upper, integer):
    forecast = np.sort(raw, axis=-1)
    answer = restrict(forecast, LEVELS, lower=lower, upper=upper, integer=integer)
    assert (np.diff(answer, axis=-1) >= 0).all()
    allowed = np.arange(-10 if lower is None else lower, (10 if upper is None else upper) + 1)[:, None, None]
    for low, high in ((0, 4), (1, 3)):
        was = (forecast[:, low] <= allowed) & (allowed <= forecast[:, high])
        now = (answer[:, low] <= allowed) & (allowed <= answer[:, high])
        assert (now | ~was).all()
    if integer:
        assert (answer == np.rint(answer)).all()


def test_the_callers_forecast_stays_as_it_was():
    forecast = np.array([[-1.0, 0.4, 2.0]])
    restrict(forecast, (0.1, 0.5, 0.9), lower=0, integer=True)
    assert forecast.tolist() == [[-1.0, 0.4, 2.0]]


@pytest.mark.parametrize("exponent", [-900, 900, 970])
def test_few_scores_of_any_size_move_quantiles_in_proportion(exponent):
    truth = np.random.default_rng(0).normal(size=(4, 3, 1))  # (M, H, D)
    truth[3, 1] = 200.0
    usual, scaled = (
        calibrate(np.ldexp(truth, power), np.zeros((4, 3, 1, 1)), None, (0.025, 0.5, 0.9)).shifts
        for power in (0, exponent)
    )  # (H, D, Q) each
    np.testing.assert_array_equal(scaled, np.ldexp(usual, exponent))
