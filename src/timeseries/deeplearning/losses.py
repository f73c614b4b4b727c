"""What training makes small: each loss maps a forecast and its target to one number per target and step.

A loss also decides how many numbers P a network gives per target: 1 for a point, one per quantile.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from timeseries.errors import SettingError, shown, unknown_name
from timeseries.settings import TINY

SMALLEST_LEVEL = 1e-3  # scaled units: a relative error divides by no less
Pointwise = Callable[[Tensor, Tensor], Tensor]  # forecast and target of one shape to losses of that shape


class PointLoss:
    """A loss of one number per target; leading axes (...) may be any.

    Parameters
    ----------
    each : callable
        Maps forecast and target of one shape to losses of that shape.
    relative : bool
        The loss compares with the size of the target: it is given both in the units of the target, divided
        by its scale, instead of as distances from its mean.
    """

    outputs = 1

    def __init__(self, each: Pointwise, *, relative: bool = False) -> None:
        self.each, self.relative = each, relative

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast (..., H, D, 1) and target (..., H, D) to losses (..., H, D)."""
        return self.each(forecast.squeeze(-1), target)


def absolute_percentage(forecast: Tensor, target: Tensor) -> Tensor:
    """Return |y - f| / |y|, as a share; a y nearer to 0 than 0.001 of its spread counts as that far."""
    return (target - forecast).abs() / target.abs().clamp(min=SMALLEST_LEVEL)


def symmetric_percentage(forecast: Tensor, target: Tensor) -> Tensor:
    """Return 2 |y - f| / (|y| + |f|), between 0 and 2 (Makridakis 1993)."""
    size = (target.abs() + forecast.abs()).clamp(min=SMALLEST_LEVEL)
    return 2 * (target - forecast).abs() / size


def log_cosh(forecast: Tensor, target: Tensor) -> Tensor:
    """Return log(cosh(y - f)): (y - f)^2 / 2 near 0, |y - f| - log 2 far away, smooth between.

    Written as |e| + log(1 + exp(-2 |e|)) - log 2, which does not overflow.
    """
    error = (target - forecast).abs()
    return error + nn.functional.softplus(-2 * error) - math.log(2)


@dataclass(frozen=True)
class PinballLoss:
    """The pinball loss, averaged over quantile levels; its minimisers are the quantiles.

    Koenker & Bassett (1978): max(q * (y - f), (q - 1) * (y - f)) at level q.
    """

    levels: tuple[float, ...]
    relative: ClassVar[bool] = False

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


POINT_LOSSES: dict[str, PointLoss] = {
    "mse": PointLoss(partial(nn.functional.mse_loss, reduction="none")),
    "mae": PointLoss(partial(nn.functional.l1_loss, reduction="none")),
    "huber": PointLoss(partial(nn.functional.huber_loss, reduction="none")),
    "smooth_l1": PointLoss(partial(nn.functional.smooth_l1_loss, reduction="none")),
    "log_cosh": PointLoss(log_cosh),
    "mape": PointLoss(absolute_percentage, relative=True),
    "smape": PointLoss(symmetric_percentage, relative=True),
}
OWN = "own:"  # before the name of a loss of the caller's, in files
QUANTILE_LOSSES = ("pinball", "quantile")
Loss = PointLoss | PinballLoss


@dataclass(frozen=True)
class OwnLoss:
    """A function of the caller's, watched."""

    function: Pointwise

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Map forecast and target of one shape to losses of that shape; refuse what is none."""
        name = loss_name(self.function)
        try:
            losses = self.function(forecast, target)
        except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
            raise SettingError(
                f"The loss {name!r} cannot compare a forecast of shape {tuple(forecast.shape)} with a target "
                f"of that shape: {type(error).__name__}: {error}."
            ) from error
        if not isinstance(losses, Tensor) or losses.shape != target.shape:
            found = tuple(losses.shape) if isinstance(losses, Tensor) else shown(losses)
            raise SettingError(
                f"The loss {name!r} must give one number per target, of shape {tuple(target.shape)}, but "
                f"gave {found}. Do not average (reduction='none' in PyTorch's own losses): the trainer does."
            )
        if forecast.requires_grad and not losses.requires_grad:
            raise SettingError(
                f"The loss {name!r} lets no gradient through, so nothing can be learned from it: compute it "
                "with PyTorch's functions, and detach nothing."
            )
        return losses


def make_loss(loss: str | Pointwise, quantiles: Sequence[float] | None) -> Loss:
    """Return the loss of that name, or around a function of the caller's own; levels belong to "pinball"."""
    if isinstance(loss, type):
        name = loss.__name__
        raise SettingError(f"loss={name} is a class: give what it makes, such as {name}(reduction='none').")
    if callable(loss):
        return PointLoss(OwnLoss(loss))
    if loss in POINT_LOSSES:
        return POINT_LOSSES[loss]
    if loss in QUANTILE_LOSSES and quantiles:
        return PinballLoss(tuple(quantiles))
    raise unknown_name("loss", loss, known=[*POINT_LOSSES, *QUANTILE_LOSSES])


class UnsuppliedLoss:
    """Stands for a loss of the caller's own in a model that was loaded: no file holds a function."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, forecast: Tensor, target: Tensor) -> Tensor:
        """Refuse to be trained with."""
        raise SettingError(
            f"The model was fitted with a loss of your own, {self.__name__!r}, which no file holds. To train "
            "it further, give it again: set_params(loss=...)."
        )


def loss_name(loss: str | Pointwise) -> str:
    """Return what a loss is called."""
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))


def kept_loss(loss: str | Pointwise) -> str:
    """Return what a file keeps of a loss: its name, marked where it is the caller's own.

    >>> kept_loss("mse"), kept_loss(max)
    ('mse', 'own:max')
    """
    return loss if isinstance(loss, str) else OWN + loss_name(loss)


def loss_kept(name: str) -> str | Pointwise:
    """Return the loss that a file keeps: a name, or what stands for a function of the caller's."""
    own = isinstance(name, str) and name.startswith(OWN)
    return UnsuppliedLoss(name.removeprefix(OWN)) if own else name


def weighted_mean(losses: Tensor, weight: Tensor | None, total: Tensor | float | None = None) -> Tensor:
    """Average losses (..., H, D) to one number; a target of weight 0 does not count.

    ``total`` (a tensor where there are weights) is the weight of all targets, of which these are a part.
    """
    if weight is None:
        return losses.mean() if total is None else losses.sum() / total
    divisor = weight.sum() if total is None else torch.as_tensor(total)  # ()
    return (losses * weight).sum() / divisor.clamp(min=TINY)
