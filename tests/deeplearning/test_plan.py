"""Steps and seconds, planned: against plain counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.deeplearning.plan import Pace, Plan

paces = st.builds(Pace, st.floats(1e-4, 100), st.floats(0, 100))
plans = st.builds(Plan, st.integers(1, 20), st.integers(1, 200), paces)


def seconds_of(plan, steps):
    """Add up step by step: a validation follows every full epoch, and the last step."""
    total = 0.0
    for step in range(1, steps + 1):
        total += plan.pace.step
        if step % plan.full == 0 or step == steps:
            total += plan.pace.validation
    return total


@given(plans)
def test_epochs_hold_all_steps_and_only_the_last_is_shorter(plan):
    assert sum(plan.epochs) == plan.steps
    assert set(plan.epochs[:-1]) <= {plan.full}
    assert 1 <= plan.epochs[-1] <= plan.full


@given(plans)
def test_the_seconds_are_those_of_every_step_and_validation(plan):
    assert plan.seconds == pytest.approx(seconds_of(plan, plan.steps), rel=1e-9)


@given(plans, st.floats(0, 2000))
def test_what_is_planned_within_a_time_fits_and_is_nearly_all_that_does(plan, seconds):
    within = plan.within(seconds)
    fitting = [n for n in range(1, plan.steps + 1) if seconds_of(plan, n) <= seconds * (1 + 1e-9)]
    assert 1 <= within.steps <= plan.steps
    if not fitting:
        assert within.steps == 1
        return
    assert seconds_of(plan, within.steps) <= seconds * (1 + 1e-9)
    slack = plan.pace.step + plan.pace.validation  # rounding may lose a step just at the border
    assert (
        within.steps == max(fitting) or seconds_of(plan, max(fitting)) > seconds * (1 - 1e-9) - slack * 1e-6
    )


def test_a_plan_without_a_pace_knows_no_seconds():
    assert Plan(4, 10).seconds is None
    with pytest.raises(ValueError, match="without a pace"):
        Plan(4, 10).within(1.0)
