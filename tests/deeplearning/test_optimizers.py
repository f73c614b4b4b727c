"""Optimisers and schedules against the arithmetic of their definitions; parity is in test_trainer.py."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.optimizers import OPTIMIZERS, make_optimizer, make_schedule
from timeseries.errors import TimeSeriesError


def walk(name, weight_decay, gradients, rate=0.1):
    """Return where a weight of 1 goes under the given gradients."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = make_optimizer(name, [weight], rate, weight_decay)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return float(weight.detach())


def by_hand(name, weight_decay, gradients, rate=0.1):
    weight, speed, mean, square = 1.0, 0.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        if name == "adamw":
            weight -= rate * weight_decay * weight
        else:
            gradient += weight_decay * weight
        if name == "sgd":
            speed = 0.9 * speed + gradient
            weight -= rate * speed
            continue
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight -= rate * (mean / (1 - 0.9**step)) / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weight


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_steps_as_its_paper_says(name, weight_decay):
    gradients = [1.0, -0.5, 2.0, 0.25]
    assert walk(name, weight_decay, gradients) == pytest.approx(
        by_hand(name, weight_decay, gradients), rel=1e-9
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_is_one_fused_kernel(name):
    assert make_optimizer(name, [nn.Parameter(torch.ones(1))], 0.1).defaults["fused"] is True


def rates(name, steps, peak=0.5):
    optimizer = make_optimizer("adam", [nn.Parameter(torch.ones(1))], peak)
    schedule, found = make_schedule(name, optimizer, steps), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return found


def test_one_cycle_rises_to_the_learning_rate_and_falls_to_almost_nothing_over_the_planned_steps():
    found = rates("one_cycle", steps=100)
    rise, fall = np.arange(30) / 29, np.arange(1, 71) / 70  # cosines from 1/25 to 1, from 1 to 1/250 000
    expected = np.concatenate(
        [
            0.5 + (0.5 / 25 - 0.5) / 2 * (1 + np.cos(np.pi * rise)),
            0.5 / 25e4 + (0.5 - 0.5 / 25e4) / 2 * (1 + np.cos(np.pi * fall)),
        ]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10])
def test_a_plan_of_few_steps_can_be_walked_to_its_end(steps):
    assert all(0 < rate <= 0.5 for rate in rates("one_cycle", steps))


def test_a_constant_rate_stays():
    assert rates("constant", steps=4) == [0.5] * 4


def test_one_cycle_leaves_the_momentum_alone():
    optimizer = make_optimizer("sgd", [nn.Parameter(torch.ones(1))], 0.1)
    make_schedule("one_cycle", optimizer, 10)
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(TimeSeriesError, match=r"'adagrad'.*adamw"):
        make_optimizer("adagrad", [], 0.1)
    with pytest.raises(TimeSeriesError, match=r"'cosine'.*one_cycle"):
        make_schedule("cosine", make_optimizer("adam", [nn.Parameter(torch.ones(1))], 0.1), 1)
