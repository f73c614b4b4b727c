"""One step of a fitted recurrent network on arrays; compiled_step.py has its innermost part for numba.

For a handful of series a step has so few numbers that calling PyTorch costs more than computing them; numpy
calls cost a fraction of that, and modules of PyTorch several times what its bare operations do. What is
written here a second time is held against the networks by tests.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.cells import next_of_layer
from timeseries.deeplearning.layers.heads import DirectHead
from timeseries.deeplearning.layers.stepped import SteppedLayers, Tensors
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized, ScaledState
from timeseries.deeplearning.networks.last_value import AroundLastValue, LastValueState
from timeseries.deeplearning.networks.linear_skip import LinearSkip, SkipState
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork, RecurrentState
from timeseries.deeplearning.runtime import not_mixed
from timeseries.deeplearning.window import Window

Floats = npt.NDArray[np.float32]
Parts = tuple[Floats, ...]  # hidden state (B, W), and of an LSTM the cell state
Present = npt.NDArray[np.bool_] | None  # (B, 1) whether a step is there; None when all are


class OneStep(ABC):
    """Reads one more observation, and forecasts."""

    @abstractmethod
    def begin(self, state: Any) -> Any:
        """Return the state that the network's ``start`` gave, as arrays."""

    @abstractmethod
    def step(self, state: Any, x: Floats, seen: npt.NDArray[np.bool_] | None) -> tuple[Floats, Any]:
        """Read x (B, F), of which ``seen`` (B, F) is observed; return forecast (B, H, D, P) and state."""


def one_step(network: ForecastNetwork, window: Window, recurrent: "type[RecurrentStep]") -> OneStep | None:
    """Return the step of a network on arrays, or None where there is none.

    There is one for RNN, LSTM and GRU with the activations of PyTorch's kernels and a bare head, without
    covariates known ahead, fitted to series without gaps; whatever stands around the network.

    Parameters
    ----------
    network : ForecastNetwork
        A fitted network that can stream.
    window : Window
        The history of B series, whose static features stay.
    recurrent : type
        What computes the layers and the head.
    """
    if isinstance(network, (InstanceNormalized, AroundLastValue, LinearSkip)):
        inner = one_step(network.network, window, recurrent)
        return None if inner is None else _AROUND[type(network)](network, inner)
    if not isinstance(network, RecurrentNetwork) or network.masked or type(network.head) is not DirectHead:
        return None
    if any(isinstance(block, SteppedLayers) for block in network.recurrence.blocks):
        return None
    return recurrent(network, window)


class _Cell(ABC):
    """One layer, which reads x (B, F) beside its hidden state.

    sigmoid(z) = tanh(z / 2) / 2 + 1/2: with the weights of the gates halved, one tanh does for all units.
    """

    gates: tuple[float, ...]  # the factor of each gate's weights: 1/2 where it is a sigmoid

    def __init__(self, weights: Sequence[Floats], batch: int) -> None:
        self.width = weights[1].shape[1]
        factor = np.repeat(np.array(self.gates, dtype=np.float32), self.width)  # (G*W,)
        given, recurrent, bias_ih, bias_hh = (part.T * factor for part in weights)
        self.given, self.recurrent = given.copy(), recurrent.copy()  # (F, G*W), (W, G*W)
        self.joined = np.concatenate([given, recurrent])  # (F+W, G*W)
        self.bias_ih, self.bias_hh = bias_ih[None], bias_hh[None]  # (1, G*W) each
        self.bias = self.bias_ih + self.bias_hh  # (1, G*W)
        self.slope, self.shift = factor[None], 1 - factor[None]  # (1, G*W) each, of a tanh that is a sigmoid
        self.both = np.empty((batch, len(self.joined)), dtype=np.float32)  # (B, F+W), filled anew each time

    def products(self, x: Floats, hidden: Floats) -> Floats:
        """Return the weighted sums of x (B, F) and the hidden state (B, W): (B, G*W)."""
        both, features = self.both, x.shape[1]  # (B, F+W)
        both[:, :features] = x
        both[:, features:] = hidden
        z: Floats = both.dot(self.joined)  # (B, G*W)
        z += self.bias
        return z

    @abstractmethod
    def read(self, x: Floats, state: Parts) -> Parts:
        """Return the state, (B, W) each, after x (B, F)."""


class _LSTM(_Cell):
    gates = (0.5, 0.5, 1.0, 0.5)

    def read(self, x: Floats, state: Parts) -> Parts:
        w, z = self.width, self.products(x, state[0])  # (B, 4*W)
        np.tanh(z, out=z)
        z *= self.slope
        z += self.shift
        cell = z[:, w : 2 * w] * state[1]  # (B, W) what is kept
        cell += z[:, :w] * z[:, 2 * w : 3 * w]
        return z[:, 3 * w :] * np.tanh(cell), cell


class _GRU(_Cell):
    gates = (0.5, 0.5, 1.0)

    def read(self, x: Floats, state: Parts) -> Parts:
        w, hidden = self.width, state[0]  # (B, W)
        z, recurrent = x.dot(self.given), hidden.dot(self.recurrent)  # (B, 3*W) each
        z += self.bias_ih
        recurrent += self.bias_hh
        gates = np.tanh(z[:, : 2 * w] + recurrent[:, : 2 * w])  # (B, 2*W)
        gates *= self.slope[:, : 2 * w]
        gates += self.shift[:, : 2 * w]
        candidate = np.tanh(z[:, 2 * w :] + gates[:, :w] * recurrent[:, 2 * w :])  # (B, W)
        return (candidate + gates[:, w:] * (hidden - candidate),)


class _TanhRNN(_Cell):
    gates = (1.0,)

    def read(self, x: Floats, state: Parts) -> Parts:
        z = self.products(x, state[0])  # (B, W)
        return (np.tanh(z, out=z),)


class _ReluRNN(_Cell):
    gates = (1.0,)

    def read(self, x: Floats, state: Parts) -> Parts:
        z = self.products(x, state[0])  # (B, W)
        return (np.maximum(z, 0, out=z),)


class _State(NamedTuple):
    """`RecurrentState` as arrays."""

    phases: tuple[Any, ...]
    recent: Floats  # (B, L-1, F)
    stale: npt.NDArray[np.int64]  # (B, 1)


class RecurrentStep(OneStep):
    """The step of a `RecurrentNetwork`: patches, and what a missing observation does to the state.

    How layers and head compute, and as what they keep their state, is the matter of the classes below it.
    """

    def __init__(self, network: RecurrentNetwork, window: Window) -> None:
        blocks, static = cast("Iterable[nn.RNNBase]", network.recurrence.blocks), window.static  # (B, S)
        self.length = network.position_stride
        self.fresh = np.zeros((len(window.past), 1), dtype=np.int64)  # (B, 1) after a step without gaps
        self.layers = [
            (block.mode, [_array(part) for part in weights])  # (G*W, F), (G*W, W), (G*W,), (G*W,)
            for block in blocks
            for weights in block.all_weights
        ]
        head: DirectHead = network.head  # type: ignore[assignment]
        weight, bias = _array(head.project.weight), _array(head.project.bias)  # (O, W+S), (O,)
        width = network.recurrence.width
        self.head, self.shape = weight[:, :width].T.copy(), (-1, *head.shape)  # (W, O)
        self.bias = np.tile(bias, (len(window.past), 1))  # (B, O)
        if static is not None:
            self.bias += _array(static) @ weight[:, width:].T

    @abstractmethod
    def held(self, layers: tuple[Parts, ...]) -> Any:
        """Return the states of all layers as they are kept from one step to the next."""

    @abstractmethod
    def read(self, x: Floats, within: Present, before: Any) -> tuple[Floats, Any]:
        """Read x (B, F), of which a row counts where it is ``within``; return forecast (B, O) and states."""

    def begin(self, state: RecurrentState) -> _State:
        """Return the state as arrays; every phase as the layers keep it."""
        phases = tuple(
            self.held(
                tuple(
                    tuple(_array(part[layer]) for part in block)
                    for block in phase
                    for layer in range(len(block[0]))
                )
            )
            for phase in state.phases
        )
        return _State(phases, _array(state.recent), state.stale.cpu().numpy().astype(np.int64)[:, None])

    def step(self, state: _State, x: Floats, seen: npt.NDArray[np.bool_] | None) -> tuple[Floats, _State]:
        """Read x (B, F), of which ``seen`` (B, F) is observed; return forecast (B, H, D, P) and state."""
        within, stale = None, self.fresh  # (B, 1)
        if seen is not None:
            x = np.where(seen, x, np.float32(0))  # (B, F)
            stale = np.where(seen.any(axis=1, keepdims=True), 0, state.stale + 1)  # (B, 1)
            within = stale < self.length  # (B, 1) whether the patch has a present step
        recent = state.recent  # (B, L-1, F)
        if self.length > 1:
            patch = np.concatenate([recent, x[:, None]], axis=1)  # (B, L, F)
            x, recent = patch.reshape(len(x), -1), patch[:, 1:]  # (B, L*F), (B, L-1, F)
        forecast, newest = self.read(x, within, state.phases[0])  # (B, O)
        return forecast.reshape(self.shape), _State((*state.phases[1:], newest), recent, stale)


class NumpyRecurrentStep(RecurrentStep):
    """Layer by layer, a call of numpy for every operation."""

    def __init__(self, network: RecurrentNetwork, window: Window) -> None:
        super().__init__(network, window)
        self.cells = [_CELLS[mode](weights, len(window.past)) for mode, weights in self.layers]

    def held(self, layers: tuple[Parts, ...]) -> tuple[Parts, ...]:
        """Return them as they are."""
        return layers

    def read(self, x: Floats, within: Present, before: tuple[Parts, ...]) -> tuple[Floats, tuple[Parts, ...]]:
        """Read x (B, F); return forecast (B, O) and the states of all layers."""
        after = []
        for cell, state in zip(self.cells, before, strict=True):
            after.append(cell.read(x, state))
            x = after[-1][0]  # (B, W)
        if within is not None:
            after = [
                tuple(np.where(within, new, old) for new, old in zip(*pair, strict=True))
                for pair in zip(after, before, strict=True)
            ]
        forecast: Floats = after[-1][0].dot(self.head)  # (B, O)
        forecast += self.bias
        return forecast, tuple(after)


class TorchRecurrentStep(RecurrentStep):
    """Layer by layer, a cell of PyTorch for each: for many series."""

    def __init__(self, network: RecurrentNetwork, window: Window) -> None:
        super().__init__(network, window)
        self.cells = [(mode, [torch.from_numpy(part) for part in weights]) for mode, weights in self.layers]
        self.project = torch.from_numpy(self.bias), torch.from_numpy(self.head)  # (B, O), (W, O)

    def held(self, layers: tuple[Parts, ...]) -> tuple[Tensors, ...]:
        """Return them as tensors."""
        return tuple(tuple(torch.from_numpy(part) for part in layer) for layer in layers)

    def read(
        self, x: Floats, within: Present, before: tuple[Tensors, ...]
    ) -> tuple[Floats, tuple[Tensors, ...]]:
        """Read x (B, F); return forecast (B, O) and the states of all layers."""
        bias, head = self.project
        with torch.inference_mode(), not_mixed("cpu"):
            given, after = torch.from_numpy(x), []  # (B, F)
            for (mode, weights), state in zip(self.cells, before, strict=True):
                after.append(next_of_layer(mode, given, state, weights))
                given = after[-1][0]  # (B, W)
            if within is not None:
                rows = torch.from_numpy(within)  # (B, 1)
                after = [
                    tuple(torch.where(rows, new, old) for new, old in zip(*pair, strict=True))
                    for pair in zip(after, before, strict=True)
                ]
            forecast: Floats = torch.addmm(bias, after[-1][0], head).numpy()  # (B, O)
        return forecast, tuple(after)


class _Scaled(OneStep):
    """The step of an `InstanceNormalized` network."""

    def __init__(self, network: InstanceNormalized, inner: OneStep) -> None:
        self.inner, self.targets = inner, network.targets

    def begin(self, state: ScaledState) -> tuple[Any, Floats, Floats]:
        level, spread = (_array(part)[:, 0] for part in state.scale)  # (B, D) each
        return self.inner.begin(state.inner), level, spread

    def step(
        self, state: tuple[Any, Floats, Floats], x: Floats, seen: npt.NDArray[np.bool_] | None
    ) -> tuple[Floats, Any]:
        inner, level, spread = state
        scaled = (x[:, : self.targets] - level) / spread  # (B, D)
        if x.shape[1] > self.targets:
            scaled = np.concatenate([scaled, x[:, self.targets :]], axis=1)  # (B, F)
        forecast, inner = self.inner.step(inner, scaled, seen)
        forecast = forecast * spread[:, None, :, None] + level[:, None, :, None]  # (B, H, D, P)
        return forecast, (inner, level, spread)


class _Skipped(OneStep):
    """The step of a network with a `LinearSkip`."""

    def __init__(self, network: LinearSkip, inner: OneStep) -> None:
        self.inner, self.sizes = inner, network.sizes
        self.weight, self.bias = (
            _array(network.skip.weight).T.copy(),
            _array(network.skip.bias)[None],
        )  # (T, H*P), (1, H*P)

    def begin(self, state: SkipState) -> tuple[Any, Floats]:
        return self.inner.begin(state.inner), _array(state.recent).transpose(0, 2, 1)  # (B, D, T)

    def step(
        self, state: tuple[Any, Floats], x: Floats, seen: npt.NDArray[np.bool_] | None
    ) -> tuple[Floats, Any]:
        inner, recent = state
        newest, sizes = x[:, : self.sizes.targets], self.sizes  # (B, D)
        if seen is not None:
            newest = np.where(seen[:, : sizes.targets], newest, recent[..., -1])  # (B, D)
        recent = np.concatenate([recent[..., 1:], newest[..., None]], axis=-1)  # (B, D, T)
        linear: Floats = recent.dot(self.weight)  # (B, D, H*P)
        linear += self.bias
        forecast, inner = self.inner.step(inner, x, seen)
        steps = linear.reshape(*linear.shape[:2], sizes.horizon, sizes.outputs)  # (B, D, H, P)
        return forecast + steps.transpose(0, 2, 1, 3), (inner, recent)


class _AroundLast(OneStep):
    """The step of a network `AroundLastValue`."""

    def __init__(self, network: AroundLastValue, inner: OneStep) -> None:
        self.inner, self.targets = inner, network.targets

    def begin(self, state: LastValueState) -> tuple[Any, Floats]:
        return self.inner.begin(state.inner), _array(state.last)[:, 0]  # (B, D)

    def step(
        self, state: tuple[Any, Floats], x: Floats, seen: npt.NDArray[np.bool_] | None
    ) -> tuple[Floats, Any]:
        inner, last = state
        newest = x[:, : self.targets]  # (B, D)
        last = newest if seen is None else np.where(seen[:, : self.targets], newest, last)  # (B, D)
        forecast, inner = self.inner.step(inner, x, seen)
        return forecast + last[:, None, :, None], (inner, last)


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().numpy()
    return array


_CELLS: dict[str, type[_Cell]] = {"LSTM": _LSTM, "GRU": _GRU, "RNN_TANH": _TanhRNN, "RNN_RELU": _ReluRNN}
_AROUND: dict[type[nn.Module], Any] = {
    InstanceNormalized: _Scaled,
    LinearSkip: _Skipped,
    AroundLastValue: _AroundLast,
}
