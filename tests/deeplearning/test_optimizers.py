"""Optimisers and schedules against the arithmetic of their definitions; parity is in test_trainer.py."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.optimizers import FUSED, OPTIMIZERS, make_optimizer, make_schedule
from timeseries.deeplearning.plan import Plan
from timeseries.errors import TimeSeriesError


def settings(optimizer="adam", learning_rate=0.1, schedule="constant", **changes):
    defaults = {"weight_decay": 0.0, "momentum": None, "nesterov": False, "decay_epochs": 2, "cycles": 1}
    defaults |= {"decay_factor": 0.5, "optimizer": optimizer, "learning_rate": learning_rate}
    return SimpleNamespace(**(defaults | {"schedule": schedule} | changes))


def walk(chosen, gradients):
    """Return where a weight of 1 goes under the given gradients."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = make_optimizer(chosen, [weight])
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return float(weight.detach())


def by_hand(chosen, gradients, rate=0.1):
    weight, speed, mean, square, total = 1.0, 0.0, 0.0, 0.0, 0.0
    momentum = {"sgd": 0.9}.get(chosen.optimizer, 0.0) if chosen.momentum is None else chosen.momentum
    for step, gradient in enumerate(gradients, start=1):
        if chosen.optimizer == "adamw":
            weight -= rate * chosen.weight_decay * weight
        else:
            gradient += chosen.weight_decay * weight
        if chosen.optimizer == "sgd":
            speed = momentum * speed + gradient
            weight -= rate * (gradient + momentum * speed if chosen.nesterov else speed)
        elif chosen.optimizer == "rmsprop":  # Hinton's lecture 6e, with the smoothing 0.99
            square = 0.99 * square + 0.01 * gradient**2
            speed = momentum * speed + gradient / (math.sqrt(square) + 1e-8)
            weight -= rate * speed
        elif chosen.optimizer == "adagrad":  # Duchi et al. 2011
            total += gradient**2
            weight -= rate * gradient / (math.sqrt(total) + 1e-10)
        else:
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            weight -= rate * (mean / (1 - 0.9**step)) / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weight


CHOICES = {name: {"optimizer": name} for name in OPTIMIZERS} | {
    "sgd of another momentum": {"optimizer": "sgd", "momentum": 0.5},
    "sgd of no momentum": {"optimizer": "sgd", "momentum": 0.0},
    "nesterov": {"optimizer": "sgd", "nesterov": True},
    "rmsprop with momentum": {"optimizer": "rmsprop", "momentum": 0.5},
}


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("name", CHOICES)
def test_an_optimiser_steps_as_its_paper_says(name, weight_decay):
    chosen, gradients = settings(**CHOICES[name], weight_decay=weight_decay), [1.0, -0.5, 2.0, 0.25]
    assert walk(chosen, gradients) == pytest.approx(by_hand(chosen, gradients), rel=1e-9)


@pytest.mark.parametrize("name", FUSED)
def test_the_update_is_one_fused_kernel(name):
    assert make_optimizer(settings(name), [nn.Parameter(torch.ones(1))]).defaults["fused"] is True


def rates(name, steps, peak=0.5, full=1, **changes):
    """Return the rate of every step."""
    chosen = settings(learning_rate=peak, schedule=name, **changes)
    optimizer = make_optimizer(chosen, [nn.Parameter(torch.ones(1))])
    schedule, found = make_schedule(chosen, optimizer, Plan(full, steps)), []
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


def test_cosine_falls_along_half_a_cosine_to_zero_after_the_last_step():
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(20) / 20))
    np.testing.assert_allclose(rates("cosine", steps=20), expected, rtol=1e-9)


def test_cosine_with_restarts_falls_to_zero_in_every_cycle_and_begins_anew():
    lengths = [6, 7, 7]  # 20 steps in 3 cycles, as equal as can be
    expected = np.concatenate([0.25 * (1 + np.cos(np.pi * np.arange(n) / n)) for n in lengths])
    np.testing.assert_allclose(rates("cosine_restarts", steps=20, cycles=3), expected, rtol=1e-9)
    np.testing.assert_allclose(rates("cosine_restarts", steps=20), rates("cosine", steps=20), rtol=1e-9)


def test_fewer_steps_than_cycles_are_refused():
    with pytest.raises(TimeSeriesError, match="2 steps cannot be divided into 3 cycles"):
        rates("cosine_restarts", steps=2, cycles=3)


def test_step_multiplies_the_rate_after_so_many_epochs():
    found = rates("step", steps=14, full=3, decay_epochs=2, decay_factor=0.1)
    np.testing.assert_allclose(found, [0.5] * 6 + [0.05] * 6 + [0.005] * 2)


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "cosine_restarts", "step"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10])
def test_a_plan_of_few_steps_can_be_walked_to_its_end(name, steps):
    assert all(0 < rate <= 0.5 for rate in rates(name, steps))


def test_a_constant_rate_stays():
    assert rates("constant", steps=4) == [0.5] * 4


def test_one_cycle_leaves_the_momentum_alone():
    optimizer = make_optimizer(settings("sgd"), [nn.Parameter(torch.ones(1))])
    make_schedule(settings("sgd", schedule="one_cycle"), optimizer, Plan(1, 10))
    assert optimizer.param_groups[0]["momentum"] == 0.9


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(TimeSeriesError, match=r"'adagrat'.*Did you mean 'adagrad'"):
        make_optimizer(settings("adagrat"), [])
    with pytest.raises(TimeSeriesError, match=r"'cosin'.*one_cycle"):
        make_schedule(settings(schedule="cosin"), None, Plan(1, 1))
