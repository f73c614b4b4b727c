"""One step of a stream, compiled by numba: three calls where numpy needs sixty.

It is compiled anew in every process: that takes some five seconds, and leaves no file of machine code behind.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.one_step import Floats, Parts, Present, RecurrentStep
from timeseries.deeplearning.window import Window
from timeseries.units import Units

LSTM, GRU, RNN_TANH, RNN_RELU = range(4)
MODES = {"LSTM": LSTM, "GRU": GRU, "RNN_TANH": RNN_TANH, "RNN_RELU": RNN_RELU}  # by PyTorch's names
ROUNDING = {"contract", "reassoc", "nsz", "arcp", "afn"}  # what may be rounded otherwise; NaN stays NaN
ONE, TWO = np.float32(1), np.float32(2)
compiled = numba.njit(fastmath=ROUNDING, error_model="numpy", nogil=True)
exactly = numba.njit(error_model="numpy", nogil=True)  # rounds as numpy does


class CompiledUnits(Units):
    """Scaling and units in a call each."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._targets = self.level[:, 0, :, 0].copy(), self.spread[:, 0, :, 0].copy()  # (S, D) each
        self._shifts: tuple[Any, ...] = ()
        steps, numbers = 1, 1
        if self.calibration is not None:
            made = self.calibration
            self._shifts = made.source, made.shifts, made.middle
            steps, numbers = len(made.shifts), made.numbers
        series, targets = self._targets[0].shape
        self.scaled(self.center)  # compiles now, not when the first observation comes
        self.answer(np.zeros((series, steps, targets, numbers), dtype=np.float32))

    def scaled(self, observation: npt.NDArray[np.float64]) -> tuple[Floats, bool]:
        """Return an observation (S, C) as the network sees it, and whether all of it is finite."""
        rows = np.array(observation, order="C")  # (S, C) always this layout, or it would compile anew
        return scaled(rows, self.center, self.scale)

    def answer(self, forecast: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], bool]:
        """Return a forecast (S, H, D, P) in the user's units (S, H, D, Q), and whether it is finite."""
        if self._shifts:
            return calibrated(forecast, *self._targets, *self._shifts)
        return answered(forecast, *self._targets)


@exactly
def scaled(observation: Any, center: Any, scale: Any) -> tuple[Floats, bool]:
    """Return an observation (S, C) as the network sees it, and whether all of it is finite."""
    made, finite = np.empty(observation.shape, dtype=np.float32), True  # (S, C)
    for s in range(observation.shape[0]):
        for c in range(observation.shape[1]):
            made[s, c] = (observation[s, c] - center[s, c]) / scale[s, c]
            finite &= np.isfinite(made[s, c])
    return made, finite


@exactly
def answered(forecast: Floats, level: Any, spread: Any) -> tuple[Any, bool]:
    """Return a forecast (S, H, D, P) in the units of level and spread (S, D), and whether it is finite."""
    answer, finite = forecast.astype(np.float64), True  # (S, H, D, P)
    for s, h, d in np.ndindex(forecast.shape[:3]):
        sort(answer[s, h, d])
        for p in range(forecast.shape[3]):
            answer[s, h, d, p] = answer[s, h, d, p] * spread[s, d] + level[s, d]
            finite &= np.isfinite(answer[s, h, d, p])
    return answer, finite


@exactly
def calibrated(
    forecast: Floats, level: Any, spread: Any, source: Any, shifts: Any, middle: int
) -> tuple[Any, bool]:
    """Return calibrated quantiles (S, H, D, Q) of a forecast (S, H, D, P), and whether they are finite.

    As `Calibration.apply` does it: ``source`` (Q,), ``shifts`` (H, D, Q), and which level is the median.
    """
    quantiles, rising = len(source), forecast.astype(np.float64)  # (S, H, D, P)
    answer, finite = np.empty((*forecast.shape[:3], quantiles)), True  # (S, H, D, Q)
    for s, h, d in np.ndindex(forecast.shape[:3]):
        sort(rising[s, h, d])
        found = answer[s, h, d]  # (Q,)
        for q in range(quantiles):
            found[q] = rising[s, h, d, source[q]] + shifts[h, d, q]
        for q in range(middle + 1, quantiles):
            found[q] = max(found[q], found[q - 1])
        for q in range(middle - 1, -1, -1):
            found[q] = min(found[q], found[q + 1])
        for q in range(quantiles):
            found[q] = found[q] * spread[s, d] + level[s, d]
            finite &= np.isfinite(found[q])
    return answer, finite


@exactly
def sort(values: Any) -> None:
    """Put a handful of numbers (P,) in rising order, by insertion."""
    for last in range(1, len(values)):
        at, value = last, values[last]
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


class CompiledRecurrentStep(RecurrentStep):
    """All layers and the head in one call, over numbers that lie one after the other."""

    def __init__(self, network: RecurrentNetwork, window: Window) -> None:
        super().__init__(network, window)
        self.flat_head = self.head.ravel()  # (W*O,)
        self.everyone = np.ones(len(window.past), dtype=np.bool_)  # (B,)
        self.mode = MODES[self.layers[0][0]]
        self.sizes = np.array([weights[1].shape[::-1] for _, weights in self.layers])  # (layers, 2) W, G*W
        self.weights = np.concatenate([part.T.ravel() for _, weights in self.layers for part in weights])
        states = parts_of(self.mode) * sum(width for width, _ in self.sizes)
        x, before = (np.zeros((len(self.bias), n), np.float32) for n in (len(self.layers[0][1][0].T), states))
        self.read(x, None, before)  # compiles now, not when the first observation comes

    def held(self, layers: tuple[Parts, ...]) -> Floats:
        """Return the states of all layers side by side, (B, all widths)."""
        return np.concatenate([part for layer in layers for part in layer], axis=1)

    def read(self, x: Floats, within: Present, before: Floats) -> tuple[Floats, Floats]:
        """Read x (B, F) and return forecast (B, O) and states (B, all widths)."""
        rows = self.everyone if within is None else within[:, 0]  # (B,)
        return read(self.mode, x, rows, before, self.weights, self.sizes, self.flat_head, self.bias)


@compiled
def parts_of(mode: int) -> int:
    """Return how many parts the state of a layer has: the hidden state, and of an LSTM the cell state."""
    return 2 if mode == LSTM else 1


@compiled
def read(
    mode: int,
    x: Floats,
    within: npt.NDArray[np.bool_],
    before: Floats,
    weights: Floats,
    sizes: npt.NDArray[np.int64],
    head: Floats,
    bias: Floats,
) -> tuple[Floats, Floats]:
    """Return forecast (B, O) and states (B, all widths) after x (B, F), where a row is ``within`` (B,).

    All numbers that belong to the weights, and the head (W*O,), lie one after the other: the compiler takes
    seconds longer over arrays of several shapes.
    """
    after, forecast = before.copy(), bias.copy()  # (B, all widths), (B, O)
    width = sizes[-1, 0]
    top = before.shape[1] - width * parts_of(mode)  # where the hidden state of the last layer begins
    for b in range(len(x)):
        if within[b]:
            advance(mode, x[b], after[b], weights, sizes)
        add_product(after[b, top : top + width], head, 0, forecast[b])
    return forecast, after


@compiled
def advance(mode: int, given: Floats, states: Floats, weights: Floats, sizes: npt.NDArray[np.int64]) -> None:
    """Let all layers read the step given (F,), and write their states (all widths,) anew."""
    first, at = 0, 0
    for layer in range(len(sizes)):
        width, gates = sizes[layer]
        recurrent = first + len(given) * gates
        biases = recurrent + width * gates
        hidden, cell = states[at : at + width], states[at + width : at + 2 * width]  # (W,) each
        z, back = weights[biases : biases + gates].copy(), weights[biases + gates : biases + 2 * gates].copy()
        add_product(given, weights, first, z)  # (G*W,)
        add_product(hidden, weights, recurrent, back)  # (G*W,)
        if mode == LSTM:
            lstm(z, back, hidden, cell)
        elif mode == GRU:
            gru(z, back, hidden)
        else:
            rnn(mode, z, back, hidden)
        given = hidden
        first, at = biases + 2 * gates, at + width * parts_of(mode)


@compiled
def lstm(z: Floats, back: Floats, hidden: Floats, cell: Floats) -> None:
    """Write hidden and cell state (W,) anew from the sums of inputs and of states, (4*W,) each."""
    width = len(hidden)
    for j in range(width):
        i, f, g, o = j, width + j, 2 * width + j, 3 * width + j
        cell[j] = sigmoid(z[f] + back[f]) * cell[j] + sigmoid(z[i] + back[i]) * tanh(z[g] + back[g])
        hidden[j] = sigmoid(z[o] + back[o]) * tanh(cell[j])


@compiled
def gru(z: Floats, back: Floats, hidden: Floats) -> None:
    """Write the hidden state (W,) anew from the sums of inputs and of states, (3*W,) each."""
    width = len(hidden)
    for j in range(width):
        r, u, n = j, width + j, 2 * width + j
        candidate = tanh(z[n] + sigmoid(z[r] + back[r]) * back[n])
        hidden[j] = candidate + sigmoid(z[u] + back[u]) * (hidden[j] - candidate)


@compiled
def rnn(mode: int, z: Floats, back: Floats, hidden: Floats) -> None:
    """Write the hidden state (W,) anew from the sums of inputs and of states, (W,) each."""
    for j in range(len(hidden)):
        total = z[j] + back[j]
        hidden[j] = tanh(total) if mode == RNN_TANH else max(total, np.float32(0))


@compiled
def sigmoid(z: Any) -> Any:
    """Return the logistic function of one number."""
    return ONE / (ONE + np.exp(-z))


@compiled
def tanh(z: Any) -> Any:
    """Return the hyperbolic tangent of one number, to an absolute error as small as that of the sums."""
    return ONE - TWO / (ONE + np.exp(TWO * z))


@compiled
def add_product(x: Floats, numbers: Floats, first: int, total: Floats) -> None:
    """Add x (F,) times a matrix (F, N), which lies in the numbers from the first on, to the total (N,)."""
    width = len(total)
    for f in range(len(x)):
        row = numbers[first + f * width : first + (f + 1) * width]  # (N,)
        for j in range(width):
            total[j] += x[f] * row[j]
