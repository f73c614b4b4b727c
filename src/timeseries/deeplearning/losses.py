"""What training makes small: each loss maps a forecast and its target to one number per target and step.

A loss also decides how many numbers P a network gives per target: 1 for a point, one per quantile.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from timeseries.errors import unknown_name


class PointLoss(ABC):
    """A loss of one number per target; leading axes (...) may be any."""

    outputs = 1

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast (..., H, D, 1) and target (..., H, D) to losses (..., H, D)."""
        return self.each(forecast.squeeze(-1), target)

    @abstractmethod
    def each(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast and target of one shape to losses of that shape."""


class MSELoss(PointLoss):
    """The squared error; its minimiser is the mean."""

    def each(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Return (y - f)²."""
        return nn.functional.mse_loss(forecast, target, reduction="none")


class MAELoss(PointLoss):
    """The absolute error; its minimiser is the median."""

    def each(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Return |y - f|."""
        return nn.functional.l1_loss(forecast, target, reduction="none")


class HuberLoss(PointLoss):
    """Half the squared error up to one scaled unit, linear beyond: outliers pull less.

    Huber (1964) with delta = 1.
    """

    def each(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Return (y - f)² / 2 where |y - f| <= 1, |y - f| - 1/2 elsewhere."""
        return nn.functional.huber_loss(forecast, target, reduction="none")


@dataclass(frozen=True)
class PinballLoss:
    """The pinball loss, averaged over quantile levels; its minimisers are the quantiles.

    Koenker & Bassett (1978): max(q * (y - f), (q - 1) * (y - f)) at level q.
    """

    levels: tuple[float, ...]

    @property
    def outputs(self) -> int:
        """Return how many numbers a network gives per target (P)."""
        return len(self.levels)

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast (..., H, D, P) and target (..., H, D) to losses (..., H, D)."""
        error = target.unsqueeze(-1) - forecast  # (..., H, D, P)
        level = _on_device(self.levels, forecast.dtype, forecast.device)  # (P,)
        return torch.maximum(level * error, (level - 1) * error).mean(dim=-1)  # (..., H, D)


@cache
def _on_device(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the numbers as a tensor, (P,); copied to a device once, since a copy waits for it."""
    with torch.inference_mode(False):  # validation may come first, and training must be able to use it
        return torch.tensor(numbers, dtype=dtype, device=device)


Loss = PointLoss | PinballLoss
POINT_LOSSES: dict[str, type[PointLoss]] = {"mse": MSELoss, "mae": MAELoss, "huber": HuberLoss}


def make_loss(name: str, quantiles: Sequence[float] | None) -> Loss:
    """Return the loss of that name; the levels belong to "pinball"."""
    if name in POINT_LOSSES:
        return POINT_LOSSES[name]()
    if name == "pinball" and quantiles:
        return PinballLoss(tuple(quantiles))
    raise unknown_name("loss", name, [*POINT_LOSSES, "pinball"])


def weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Average losses (..., H, D) to one number; a target of weight 0 does not count."""
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum().clamp(min=1.0)
