"""One step of a fitted recurrent network in numpy.

For a handful of series a step has so few numbers that calling PyTorch costs more than computing them; numpy
calls cost a fraction of that. What is written here a second time is held against the networks by tests.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from timeseries.deeplearning.layers.cells import SteppedLayers
from timeseries.deeplearning.layers.heads import DirectHead
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized, ScaledState
from timeseries.deeplearning.networks.last_value import AroundLastValue, LastValueState
from timeseries.deeplearning.networks.linear_skip import LinearSkip, SkipState
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork, RecurrentState

Floats = npt.NDArray[np.float32]
Parts = tuple[Floats, ...]  # hidden state (B, W), and of an LSTM the cell state
Present = npt.NDArray[np.bool_] | None  # (B, 1) whether a step is there; None when all are
GATES = {"LSTM": (0.5, 0.5, 1.0, 0.5), "GRU": (0.5, 0.5, 1.0), "RNN_TANH": (1.0,), "RNN_RELU": (1.0,)}


class OneStep(ABC):
    """Reads one more observation, and forecasts."""

    @abstractmethod
    def begin(self, state: Any) -> Any:
        """Return the state that the network's ``start`` gave, as arrays."""

    @abstractmethod
    def step(self, state: Any, x: Floats, seen: npt.NDArray[np.bool_] | None) -> tuple[Floats, Any]:
        """Read x (B, F), of which ``seen`` (B, F) is observed; return forecast (B, H, D, P) and state."""


def one_step(network: ForecastNetwork, static: Tensor | None) -> OneStep | None:
    """Return the step of a network in numpy, or None where there is none.

    There is one for RNN, LSTM and GRU with the activations of PyTorch's kernels and a bare head, without
    covariates known ahead, fitted to series without gaps; whatever stands around the network.

    Parameters
    ----------
    network : ForecastNetwork
        A fitted network that can stream.
    static : Tensor of shape (B, S), optional
        The static features of the series.
    """
    if isinstance(network, (InstanceNormalized, AroundLastValue, LinearSkip)):
        inner = one_step(network.network, static)
        return None if inner is None else _AROUND[type(network)](network, inner)
    if not isinstance(network, RecurrentNetwork) or network.masked or type(network.head) is not DirectHead:
        return None
    if any(isinstance(block, SteppedLayers) for block in network.recurrence.blocks):
        return None
    return _Recurrent(network, static)


class _Cell:
    """One layer of an RNN, LSTM or GRU.

    sigmoid(z) = (1 + tanh(z / 2)) / 2: with the weights of the gates halved, one tanh does for all.
    """

    def __init__(self, mode: str, weights: list[Tensor]) -> None:
        self.mode, self.width = mode, weights[1].shape[1]
        halves = np.repeat(np.array(GATES[mode], dtype=np.float32), self.width)  # (G*W,)
        given, recurrent, bias_ih, bias_hh = (halves * _array(part).T for part in weights)
        self.given, self.recurrent = given.copy(), recurrent.copy()  # (F, G*W), (W, G*W)
        self.bias = bias_ih + bias_hh  # (G*W,)
        self.joined = np.concatenate([given, recurrent])  # (F+W, G*W)
        self.own = bias_hh[2 * self.width :]  # (W,) of a GRU, whose candidate has a bias within the gate
        if mode == "GRU":
            self.bias[2 * self.width :] = bias_ih[2 * self.width :]
        self.read = {"LSTM": self._lstm, "GRU": self._gru}.get(mode, self._rnn)

    def _lstm(self, x: Floats, state: Parts) -> Parts:
        """Return hidden and cell state (B, W) after x (B, F)."""
        w = self.width
        z = np.concatenate([x, state[0]], axis=1) @ self.joined  # (B, 4*W)
        z += self.bias
        np.tanh(z, out=z)
        gates = z * _HALF  # (B, 4*W)
        gates += _HALF
        cell = gates[:, w : 2 * w] * state[1]  # (B, W) what is kept
        cell += gates[:, :w] * z[:, 2 * w : 3 * w]
        return gates[:, 3 * w :] * np.tanh(cell), cell

    def _gru(self, x: Floats, state: Parts) -> Parts:
        """Return the hidden state (B, W) after x (B, F)."""
        w, hidden = self.width, state[0]  # (B, W)
        z = x @ self.given  # (B, 3*W)
        z += self.bias
        recurrent = hidden @ self.recurrent  # (B, 3*W)
        gates = np.tanh(z[:, : 2 * w] + recurrent[:, : 2 * w])  # (B, 2*W)
        gates *= _HALF
        gates += _HALF
        candidate = np.tanh(z[:, 2 * w :] + gates[:, :w] * (recurrent[:, 2 * w :] + self.own))  # (B, W)
        return (candidate + gates[:, w:] * (hidden - candidate),)

    def _rnn(self, x: Floats, state: Parts) -> Parts:
        """Return the hidden state (B, W) after x (B, F)."""
        z = np.concatenate([x, state[0]], axis=1) @ self.joined  # (B, W)
        z += self.bias
        return ((np.tanh if self.mode == "RNN_TANH" else _relu)(z),)


class _State(NamedTuple):
    """`RecurrentState` as arrays, with the parts of each layer together."""

    phases: tuple[tuple[Parts, ...], ...]
    recent: Floats  # (B, L-1, F)
    stale: npt.NDArray[np.int64]  # (B, 1)


class _Recurrent(OneStep):
    """The step of a `RecurrentNetwork`."""

    def __init__(self, network: RecurrentNetwork, static: Tensor | None) -> None:
        blocks: Any = network.recurrence.blocks
        self.length = network.position_stride
        self.cells = [_Cell(block.mode, weights) for block in blocks for weights in block.all_weights]
        head: DirectHead = network.head  # type: ignore[assignment]
        weight, self.bias = _array(head.project.weight), _array(head.project.bias)  # (O, W+S), (O,)
        width = self.cells[-1].width
        self.head, self.shape = weight[:, :width].T.copy(), (-1, *head.shape)  # (W, O)
        if static is not None:
            self.bias = self.bias + _array(static) @ weight[:, width:].T  # (B, O)

    def begin(self, state: RecurrentState) -> _State:
        phases = tuple(
            tuple(
                tuple(_array(part[layer]) for part in block)
                for block in phase
                for layer in range(len(block[0]))
            )
            for phase in state.phases
        )
        return _State(phases, _array(state.recent), state.stale.cpu().numpy().astype(np.int64)[:, None])

    def step(self, state: _State, x: Floats, seen: npt.NDArray[np.bool_] | None) -> tuple[Floats, _State]:
        within, stale = None, state.stale  # (B, 1)
        if seen is not None:
            x = np.where(seen, x, np.float32(0))  # (B, F)
            stale = np.where(seen.any(axis=1, keepdims=True), 0, stale + 1)  # (B, 1)
            within = stale < self.length  # (B, 1) whether the patch has a present step
        recent = state.recent  # (B, L-1, F)
        if self.length > 1:
            patch = np.concatenate([recent, x[:, None]], axis=1)  # (B, L, F)
            x, recent = patch.reshape(len(x), -1), patch[:, 1:]  # (B, L*F), (B, L-1, F)
        newest = self._read(x, within, state.phases[0])
        forecast = newest[-1][0] @ self.head  # (B, O)
        forecast += self.bias
        return forecast.reshape(self.shape), _State((*state.phases[1:], newest), recent, stale)

    def _read(self, x: Floats, within: Present, before: tuple[Parts, ...]) -> tuple[Parts, ...]:
        after = []
        for cell, state in zip(self.cells, before, strict=True):
            after.append(cell.read(x, state))
            x = after[-1][0]  # (B, W)
        if within is None:
            return tuple(after)
        return tuple(
            tuple(np.where(within, new, old) for new, old in zip(*pair, strict=True))
            for pair in zip(after, before, strict=True)
        )


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
        self.weight, self.bias = _array(network.skip.weight).T.copy(), _array(network.skip.bias)  # (T, H*P)

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
        linear = recent @ self.weight  # (B, D, H*P)
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


def _relu(z: Floats) -> Floats:
    return np.maximum(z, 0, out=z)


_HALF = np.float32(0.5)
_AROUND: dict[type[nn.Module], Any] = {
    InstanceNormalized: _Scaled,
    LinearSkip: _Skipped,
    AroundLastValue: _AroundLast,
}
