"""How gradients become steps."""

from collections.abc import Iterable

import torch
from torch import nn

from timeseries.errors import unknown_name


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float
) -> torch.optim.Optimizer:
    """Return the optimiser of that name; its update runs as one fused kernel."""
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    raise unknown_name("optimizer", name, ["adam"])
