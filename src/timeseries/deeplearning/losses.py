"""What training makes small: each loss maps a forecast and its target to one number per target and step.

A loss also decides how many numbers P a network gives per target: 1 for a point, one per quantile.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from timeseries.errors import unknown_name


@dataclass(frozen=True)
class MSELoss:
    """The squared error of a point forecast; its minimiser is the mean."""

    outputs: int = 1

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast (B, H, D, 1) and target (B, H, D) to losses (B, H, D)."""
        return nn.functional.mse_loss(forecast.squeeze(-1), target, reduction="none")


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
        """Map forecast (B, H, D, P) and target (B, H, D) to losses (B, H, D)."""
        error = target.unsqueeze(-1) - forecast  # (B, H, D, P)
        level = torch.tensor(self.levels, dtype=forecast.dtype, device=forecast.device)  # (P,)
        return torch.maximum(level * error, (level - 1) * error).mean(dim=-1)  # (B, H, D)


Loss = MSELoss | PinballLoss


def make_loss(name: str, quantiles: Sequence[float] | None) -> Loss:
    """Return the loss of that name; the levels belong to "pinball"."""
    if name == "mse":
        return MSELoss()
    if name == "pinball" and quantiles:
        return PinballLoss(tuple(quantiles))
    raise unknown_name("loss", name, ["mse", "pinball"])


def weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Average losses (B, H, D); a target of weight 0 does not count."""
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum().clamp(min=1.0)
