"""How gradients become steps, and how large the steps are."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from timeseries.deeplearning.plan import Plan
from timeseries.errors import unknown_name

MOMENTUM = 0.9  # of stochastic gradient descent, unless another is given
FUSED = ("adam", "adamw", "sgd")  # whose update PyTorch runs as one kernel on every device
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
WITH_MOMENTUM = ("sgd", "rmsprop")


class OptimizerSettings(Protocol):
    """The settings that an optimiser and its schedule read."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    momentum: float | None
    nesterov: bool
    schedule: str
    cycles: int
    decay_epochs: int
    decay_factor: float


def make_optimizer(settings: OptimizerSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser that the settings describe."""
    name = settings.optimizer
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, known=OPTIMIZERS)
    own: dict[str, Any] = {"fused": True} if name in FUSED else {}
    if name in WITH_MOMENTUM:
        usual = MOMENTUM if name == "sgd" else 0.0
        own["momentum"] = usual if settings.momentum is None else settings.momentum
    if name == "sgd":
        own["nesterov"] = settings.nesterov
    return OPTIMIZERS[name](parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, **own)


Schedule = LRScheduler | ReduceLROnPlateau


def _one_cycle(settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    """Rise from 1/25 of the rate to it in the first 30 % of the steps, fall to 1/250 000 at the last one.

    Smith & Topin (2018). The momentum stays.
    """
    return OneCycleLR(optimizer, max_lr=settings.learning_rate, total_steps=plan.steps, cycle_momentum=False)


def _cosine(settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    """Fall along half a cosine from the rate to 0, which would come after the last step.

    Loshchilov & Hutter (2017, equation 5), without restarts.
    """
    return CosineAnnealingLR(optimizer, T_max=plan.steps)


def _cosine_restarts(settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    """Fall along half a cosine from the rate to 0 in every cycle, and begin anew.

    Loshchilov & Hutter (2017), in cycles of equal length: Huang et al. (2017, equation 2).
    """
    ends = plan.cycle_ends(settings.cycles)

    def factor(step: int) -> float:
        cycle = min(bisect_right(ends, step), len(ends) - 1)  # PyTorch also asks for the one after the last
        start = ends[cycle - 1] if cycle else 0
        return (1 + math.cos(math.pi * (step - start) / (ends[cycle] - start))) / 2

    return LambdaLR(optimizer, factor)


def _step(settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    """Multiply the rate by ``decay_factor`` after every ``decay_epochs`` epochs."""
    return StepLR(optimizer, step_size=settings.decay_epochs * plan.full, gamma=settings.decay_factor)


def _plateau(settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan) -> Schedule:
    """Multiply the rate by ``decay_factor`` when more than ``decay_epochs`` epochs brought nothing better."""
    return ReduceLROnPlateau(optimizer, factor=settings.decay_factor, patience=settings.decay_epochs)


_SCHEDULES: dict[str, Callable[[OptimizerSettings, torch.optim.Optimizer, Plan], Schedule]] = {
    "one_cycle": _one_cycle,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "step": _step,
    "plateau": _plateau,
}
SCHEDULES = ("constant", *_SCHEDULES)


def make_schedule(
    settings: OptimizerSettings, optimizer: torch.optim.Optimizer, plan: Plan
) -> Schedule | None:
    """Return what moves the learning rate during a plan, None where nothing does.

    ``plateau`` wants to be told the loss of every epoch, the others that a step was taken.
    """
    if settings.schedule == "constant":
        return None
    if settings.schedule not in _SCHEDULES:
        raise unknown_name("schedule", settings.schedule, known=SCHEDULES)
    return _SCHEDULES[settings.schedule](settings, optimizer, plan)
