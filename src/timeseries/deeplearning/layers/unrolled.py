"""How recurrent layers run on a CPU: GRU and plain RNN learn with their backward pass written out.

PyTorch has one kernel for all steps of an LSTM on a CPU, but none for the other two: it records a dozen
operations for every step of every layer and goes back through each. Here a step is a few operations on memory
that is there already; what does not wait for the step before is computed for all steps at once, the gradients
of the weights too. Forecasts, other devices and other types of numbers are left to PyTorch; only for an LSTM
that forecasts a few windows one thread is enough.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from timeseries.deeplearning.layers.stepped import SteppedLayers, Tensors, stacked
from timeseries.deeplearning.runtime import one_thread

SMALL_STEP = 1 << 15  # windows times squared units: 8 windows for 64 units


def run(
    layers: nn.RNNBase, x: Tensor | PackedSequence, state: Any = None
) -> tuple[Tensor | PackedSequence, Tensor | Tensors]:
    """Let recurrent layers read x (B, T, F) or a packed batch; return as ``layers(x, state)`` does."""
    if isinstance(x, PackedSequence):
        return layers(x, state)  # type: ignore[no-any-return]
    if not _unrolls(layers, x):
        with one_thread() if _is_small(layers, x) else nullcontext():
            return layers(x, state)  # type: ignore[no-any-return]
    return stacked(layers, x, state, partial(_read, READERS[layers.mode]))


def _unrolls(layers: nn.RNNBase, x: Tensor) -> bool:
    return (
        layers.mode in READERS
        and not isinstance(layers, SteppedLayers)
        and x.device.type == "cpu"
        and torch.is_grad_enabled()
        and (x.requires_grad or any(part.requires_grad for part in layers.parameters()))
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _is_small(layers: nn.RNNBase, x: Tensor) -> bool:
    """Tell whether threads of an LSTM on a CPU would wait longer for each other than they compute."""
    return (
        layers.mode == "LSTM"
        and not isinstance(layers, SteppedLayers)
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and len(x) * layers.hidden_size**2 <= SMALL_STEP
        and not torch.compiler.is_compiling()
    )


def _read(
    reader: Callable[..., Tensor], x: Tensor, weights: list[Any], state: Tensors, backwards: bool
) -> tuple[Tensor, Tensors]:
    """Let one direction of a layer read x (B, T, F); return its states (B, T, W), and the last one read."""
    steps = x.transpose(0, 1)  # (T, B, F)
    states = reader(steps.flip(0) if backwards else steps, state[0], *weights)  # (T, B, W)
    return (states.flip(0) if backwards else states).transpose(0, 1), (states[-1],)


def _gru(x: Tensor, start: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """Return the states (T, B, W) of a GRU that reads x (T, B, F)."""
    given = nn.functional.linear(x, w_ih, b_ih)  # (T, B, 3*W)
    return cast("Tensor", _GRUSteps.apply(given, start, w_hh, b_hh))  # type: ignore[no-untyped-call]


def _rnn(
    x: Tensor, start: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, *, relu: bool
) -> Tensor:
    """Return the states (T, B, W) of the plain cell that reads x (T, B, F)."""
    given = nn.functional.linear(x, w_ih, b_ih + b_hh)  # (T, B, W)
    return cast("Tensor", _RNNSteps.apply(given, start, w_hh, relu))  # type: ignore[no-untyped-call]


READERS: dict[str, Callable[..., Tensor]] = {
    "GRU": _gru,
    "RNN_TANH": partial(_rnn, relu=False),
    "RNN_RELU": partial(_rnn, relu=True),
}


class _GRUSteps(torch.autograd.Function):
    """The steps of a GRU, with what its input gives them (T, B, 3*W) computed before.

    With reset r, update u, candidate n = tanh(g_n + r * m) and m = U_n h + d_n, a step is h' = n + u (h - n)
    (Cho et al. 2014, the reset gate after the matrix). With e the gradient of h', those of the sums are

        of n: a e,  of m: a r e,  of r before its sigmoid: a m r (1 - r) e,  of u: (h - n) u (1 - u) e

    where a = (1 - u)(1 - n n). All but e is known when the backward pass begins.
    """

    @staticmethod
    def forward(ctx: Any, given: Tensor, start: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        both, across = 2 * start.shape[1], weight.t()  # 2*W, (W, 3*W)
        states, gates = _states_from(start, len(given)), torch.empty_like(given)  # (T+1, B, W), (T, B, 3*W)
        candidates, (reset, update, recurrent) = (
            torch.empty_like(states[1:]),
            gates.chunk(3, dim=-1),
        )  # W each
        torch.add(given[..., :both], bias[:both], out=gates[..., :both])  # (T, B, 2*W)
        recurrent[:] = bias[both:]  # (T, B, W)
        parts = gates, gates[..., :both], reset, update, recurrent, given[..., both:], candidates
        for sums, ru, r, u, m, given_n, n, old, new in _steps(*parts, states[:-1], states[1:]):
            sums.addmm_(old, across)  # (B, 3*W)
            ru.sigmoid_()  # (B, 2*W)
            torch.addcmul(given_n, r, m, out=n).tanh_()  # (B, W)
            torch.lerp(n, old, u, out=new)  # (B, W)
        ctx.save_for_backward(weight, states, gates, candidates)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        weight, states, gates, n = ctx.saved_tensors  # n (T, B, W)
        (r, u, m), before = gates.chunk(3, dim=-1), states[:-1]  # (T, B, W) each
        inner = torch.addcmul(n.new_ones(()), n, n, value=-1)  # (T, B, W)
        inner.addcmul_(inner, u, value=-1)  # a
        sums = torch.empty_like(gates)  # (T, B, 3*W) first the factors of e
        of_r, of_u, of_m = sums.chunk(3, dim=-1)  # (T, B, W) each
        torch.mul(inner, r, out=of_m)
        torch.mul(of_m, m, out=of_r).addcmul_(of_r, r, value=-1)
        torch.sub(before, n, out=of_u).mul_(u)
        of_u.addcmul_(of_u, u, value=-1)
        by_gate = sums.view(*n.shape[:2], 3, -1)  # (T, B, 3, W)
        total, carried = torch.empty_like(n), torch.zeros_like(states[0])  # (T, B, W), (B, W)
        for grad, e, flat, parts, kept in _steps(grads, total, sums, by_gate, u)[::-1]:
            torch.add(grad, carried, out=e)  # (B, W)
            parts.mul_(e.unsqueeze(1))  # (B, 3, W)
            torch.mul(e, kept, out=carried).addmm_(flat, weight)  # (B, W)
        weight_grad, bias_grad = _products(sums, before), sums.sum(dim=(0, 1))  # (3*W, W), (3*W,)
        torch.mul(total, inner, out=of_m)  # of n, in whose sum the input has its part
        return sums, carried, weight_grad, bias_grad


class _RNNSteps(torch.autograd.Function):
    """The steps of the plain cell h' = act(g + U h) (Elman 1990), with g (T, B, W) computed before."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, start: Tensor, weight: Tensor, relu: bool) -> Tensor:
        states, across = _states_from(start, len(given)), weight.t()  # (T+1, B, W), (W, W)
        for sums, old, new in _steps(given, states[:-1], states[1:]):
            torch.addmm(sums, old, across, out=new)  # (B, W)
            new.relu_() if relu else new.tanh_()
        ctx.relu = relu
        ctx.save_for_backward(weight, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        weight, states = ctx.saved_tensors
        after, carried = states[1:], torch.zeros_like(states[0])  # (T, B, W), (B, W)
        sums = (after > 0).to(after) if ctx.relu else 1 - after * after  # (T, B, W) the slope so far
        for grad, slope in _steps(grads, sums)[::-1]:
            slope.mul_(torch.add(grad, carried, out=carried))  # (B, W) the gradient of the sum
            torch.mm(slope, weight, out=carried)
        return sums, carried, _products(sums, states[:-1]), None


def _states_from(start: Tensor, steps: int) -> Tensor:
    """Return room for the states before and after every step (T+1, B, W), of which the first is there."""
    states = start.new_empty(steps + 1, *start.shape)  # (T+1, B, W)
    states[0] = start
    return states


def _steps(*parts: Tensor) -> list[tuple[Tensor, ...]]:
    """Return the parts (T, ...) of every step."""
    return list(zip(*(part.unbind() for part in parts), strict=True))


def _products(grads: Tensor, states: Tensor) -> Tensor:
    """Return the gradient (G, W) of weights from those of the sums (T, B, G) and the states (T, B, W)."""
    return grads.flatten(0, 1).t() @ states.flatten(0, 1)
