"""Residual layers whose inputs are computed back from their outputs, so that none is kept for the gradient.

Reversible residual networks (Gomez et al. 2017), as the Reformer uses them (Kitaev et al. 2020, section 3):
y1 = x1 + f(x2) and y2 = x2 + g(y1), hence x2 = y2 - g(y1) and x1 = y1 - f(x2). What is kept does not grow
with the number of layers; every layer is computed twice.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Pair = tuple[Tensor, Tensor]


class ReversibleLayer(Protocol):
    """Two functions of one half each, which do the same again when they are given the same replay."""

    def replay(self, x2: Tensor, present: Tensor | None) -> Any:
        """Return what f and g leave to chance or decide by a jump, for an input (B, T, W) of f."""

    def f(self, x2: Tensor, replay: Any) -> Tensor:
        """Return what is added to the first half, (B, T, W)."""

    def g(self, y1: Tensor, replay: Any) -> Tensor:
        """Return what is added to the second half, (B, T, W)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the weights."""


def run_reversibly(layers: Sequence[ReversibleLayer], x1: Tensor, x2: Tensor, present: Tensor | None) -> Pair:
    """Run layers one after the other and keep no more than their last outputs for the gradient.

    Parameters
    ----------
    layers : sequence of ReversibleLayer
        The first one first.
    x1, x2 : Tensors of shape (B, T, W)
        Both halves.
    present : Tensor of shape (B, T), or None when all steps are
        Which steps are there; for ``replay``.

    Returns
    -------
    Two tensors of shape (B, T, W)
    """
    weights = [weight for layer in layers for weight in _learned(layer)]
    outputs: Pair = _Reversible.apply(layers, present, x1, x2, *weights)  # type: ignore[no-untyped-call]
    return outputs


class _Reversible(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layers: Any, present: Any, x1: Tensor, x2: Tensor, *weights: Tensor) -> Pair:
        ctx.layers, ctx.replays = layers, []
        for layer in layers:
            replay = layer.replay(x2, present)
            ctx.replays.append(replay)
            x1 = x1 + layer.f(x2, replay)  # (B, T, W)
            x2 = x2 + layer.g(x1, replay)  # (B, T, W)
        ctx.save_for_backward(x1, x2)
        return x1, x2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d1: Tensor, d2: Tensor) -> tuple[Tensor | None, ...]:
        y1, y2 = ctx.saved_tensors  # (B, T, W) each
        gradients: list[Tensor | None] = []
        for layer, replay in reversed(list(zip(ctx.layers, ctx.replays, strict=True))):
            weights = _learned(layer)
            x2, d1, of_g = _undo(layer.g, replay, y1, y2, d1, d2, weights)
            x1, d2, of_f = _undo(layer.f, replay, x2, y1, d2, d1, weights)
            gradients = [a if b is None else b for a, b in zip(of_f, of_g, strict=True)] + gradients
            y1, y2 = x1, x2
        return None, None, d1, d2, *gradients


def _undo(
    part: Callable[[Tensor, Any], Tensor],
    replay: Any,
    argument: Tensor,
    total: Tensor,
    of_argument: Tensor,
    of_total: Tensor,
    weights: list[nn.Parameter],
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Take total = before + part(argument) back.

    Returns ``before``, and the gradients of the argument and of the weights (None of those without a part in
    it); ``of_argument`` and ``of_total`` are the gradients so far. All are (B, T, W) but the weights.
    """
    with torch.enable_grad():
        leaf = argument.detach().requires_grad_()  # (B, T, W)
        added = part(leaf, replay)  # (B, T, W)
    of_leaf, *rest = torch.autograd.grad(added, [leaf, *weights], of_total, allow_unused=True)
    of_weights: list[Tensor | None] = [*rest]
    return total - added.detach(), of_argument + of_leaf, of_weights


def _learned(layer: ReversibleLayer) -> list[nn.Parameter]:
    return [weight for weight in layer.parameters() if weight.requires_grad]
