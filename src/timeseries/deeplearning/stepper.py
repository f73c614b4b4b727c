"""What reads one observation after the other: a step on arrays or of the network, or the whole window."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from timeseries.deeplearning.engine import FORECAST_BATCH
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized
from timeseries.deeplearning.one_step import (
    NumpyRecurrentStep,
    OneStep,
    RecurrentStep,
    TorchRecurrentStep,
    one_step,
)
from timeseries.deeplearning.runtime import as_written
from timeseries.deeplearning.window import Window
from timeseries.errors import MissingExtraError, UnsupportedError
from timeseries.units import Units

FEW_SERIES = 16  # up to so many numpy is the faster engine, on the machines it was tried on
ENGINES = ("auto", "window", "numpy", "numba", "torch")


class NetworkStepper:
    """Steps of the network itself: for every network that can carry its state, on every device."""

    name, units = "torch", Units

    def __init__(self, network: ForecastNetwork, window: Window, *, masked: bool) -> None:
        self.network, self.static = network, window.static
        self.device, self.masked = window.past.device, masked

    def step(
        self, state: Any, x: npt.NDArray[np.float32], seen: Any, gap: Any
    ) -> tuple[npt.NDArray[Any], Any]:
        """Read x (S, C), of which ``seen`` (S, C) is observed; return forecast (S, H, D, P) and state."""
        with torch.inference_mode(), as_written(self.device.type):
            forecast, state = self._read(state, self._row(x, seen, gap))  # (S, H, D, P)
            return forecast.cpu().numpy(), state

    def _read(self, state: Any, row: Window) -> tuple[Tensor, Any]:
        """Return forecast (S, H, D, P) and state after one more row."""
        return self.network.step(state, row)

    def _row(self, x: npt.NDArray[np.float32], seen: Any, gap: Any) -> Window:
        """Return an observation as a window of one step."""
        past = torch.from_numpy(x).to(self.device).unsqueeze(1)  # (S, 1, C)
        observed = None
        if seen is not None:
            observed = torch.from_numpy(seen).to(self.device).unsqueeze(1)  # (S, 1, C)
            past = past.masked_fill(~observed, 0.0)  # (S, 1, C)
        time_gap = None
        if self.masked:
            rows = np.broadcast_to(np.float32(gap), len(x)).copy()  # (S,)
            time_gap = torch.from_numpy(rows).to(self.device).unsqueeze(1)  # (S, 1)
        return Window(past, observed, time_gap, None, self.static)


class WindowStepper(NetworkStepper):
    """Forecasts from the last T rows alone, which all networks can read anew, as for ``predict``."""

    name = "window"

    def _read(self, state: Window, row: Window) -> tuple[Tensor, Window]:
        """Return forecast (S, H, D, P) and the window that ends with one more row."""
        past = torch.cat([state.past[:, 1:], row.past], dim=1)  # (S, T, C)
        observed, time_gap = None, None
        if state.observed is not None or row.observed is not None:
            observed = torch.cat([_seen(state)[:, 1:], _seen(row)], dim=1)  # (S, T, C)
        if state.time_gap is not None and row.time_gap is not None:
            time_gap = torch.cat([state.time_gap[:, 1:], row.time_gap], dim=1)  # (S, T)
        window = Window(past, observed, time_gap, None, self.static)
        said = []
        for first in range(0, len(past), FORECAST_BATCH):
            rows = slice(first, first + FORECAST_BATCH)
            part = Window._make(None if tensor is None else tensor[rows] for tensor in window)
            said.append(self.network(part))  # (B, H, D, P)
        return torch.cat(said), window  # (S, H, D, P)


def _seen(window: Window) -> Tensor:
    """Return what of a window is observed, (S, T, C)."""
    return torch.ones_like(window.past, dtype=torch.bool) if window.observed is None else window.observed


class ArrayStepper:
    """Steps of the usual networks on arrays, without the modules of PyTorch."""

    def __init__(self, name: str, units: type[Units], one: OneStep) -> None:
        self.name, self.units, self.one = name, units, one

    def step(
        self, state: Any, x: npt.NDArray[np.float32], seen: Any, gap: Any
    ) -> tuple[npt.NDArray[Any], Any]:
        """Read x (S, C), of which ``seen`` (S, C) is observed; return forecast (S, H, D, P) and state."""
        return self.one.step(state, x, seen)


def stepper(
    network: ForecastNetwork, window: Window, engine: str, *, masked: bool
) -> tuple[NetworkStepper | ArrayStepper, Any]:
    """Let a network read its first window, and return what goes on from there, and its state after it.

    By itself a network goes on from its state where it can, in numpy for a few series; but one that scales
    each window by its own statistics, or needs the whole of it, reads the window that ends with each row.

    Parameters
    ----------
    network : ForecastNetwork
        A fitted network that can stream.
    window : Window
        The history of S series.
    engine : str
        One of ``ENGINES``.
    masked : bool
        Whether the network was fitted to series with gaps.

    Raises
    ------
    UnsupportedError
        When the network cannot carry a state and is asked to, or has no step in numpy or numba.
    MissingExtraError
        When numba is asked for and not installed.
    """
    state = None
    if engine != "window" and not (engine == "auto" and _has_scale_of_window(network)):
        try:
            with torch.inference_mode(), as_written(window.past.device.type):
                state = network.start(window)
        except UnsupportedError:
            if engine != "auto":
                raise
    if state is None:
        return WindowStepper(network, window, masked=masked), window
    name = engine
    if engine == "auto":
        name = "numpy" if len(window.past) <= FEW_SERIES else "torch"
    recurrent, units = _computed_by(name)
    one = None
    if name != "torch" or window.past.device.type == "cpu":
        one = one_step(network, window, recurrent)
    if one is not None:
        return ArrayStepper(name, units, one), one.begin(state)
    if engine in ("numpy", "numba"):
        raise UnsupportedError(
            f"engine={engine!r} is for RNN, LSTM and GRU with the activations tanh or relu and no layers in "
            "the head, fitted to series without gaps. Take engine='auto', which takes torch here."
        )
    return NetworkStepper(network, window, masked=masked), state


def _has_scale_of_window(network: ForecastNetwork) -> bool:
    """Tell whether a network scales each window by its own statistics, which would grow stale in a state."""
    return any(isinstance(part, InstanceNormalized) for part in network.modules())


def _computed_by(name: str) -> tuple[type[RecurrentStep], type[Units]]:
    """Return what computes the layers and head of a recurrent network, and the user's units."""
    if name != "numba":
        return {"numpy": NumpyRecurrentStep, "torch": TorchRecurrentStep}[name], Units
    try:
        from timeseries.deeplearning.compiled_step import CompiledRecurrentStep, CompiledUnits
    except ModuleNotFoundError:
        raise MissingExtraError("numba", "numba") from None
    return CompiledRecurrentStep, CompiledUnits


def rows_since_observed(window: Window) -> Any:
    """Return how many rows lie from the last one with any observed value to the next, (S,)."""
    if window.observed is None:
        return 1
    seen = window.observed.any(dim=2).cpu().numpy()[:, ::-1]  # (S, T) the newest first
    return np.where(seen.any(axis=1), seen.argmax(axis=1), seen.shape[1]) + 1  # (S,)
