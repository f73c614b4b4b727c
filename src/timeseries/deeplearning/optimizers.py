"""How gradients become steps, and how large the steps are."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from timeseries.errors import unknown_name

MOMENTUM = 0.9  # of stochastic gradient descent
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=MOMENTUM),
}
SCHEDULES = ("constant", "one_cycle")


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return the optimiser of that name; its update runs as one fused kernel."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name](parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)


def make_schedule(name: str, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler | None:
    """Return what moves the learning rate after each of so many steps, None where nothing does.

    One cycle (Smith & Topin 2018) rises from 1/25 of the optimiser's rate to it in the first 30 % of the
    steps and falls to 1/250 000 of it at the last one. The momentum stays.
    """
    if name == "constant":
        return None
    if name == "one_cycle":
        peak = optimizer.param_groups[0]["lr"]
        return OneCycleLR(optimizer, max_lr=peak, total_steps=steps, cycle_momentum=False)
    raise unknown_name("schedule", name, SCHEDULES)
