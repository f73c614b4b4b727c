"""What reads one observation after the other: the step of the network on arrays, or the network itself."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from timeseries.deeplearning.networks.base import ForecastNetwork
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
ENGINES = ("auto", "numpy", "numba", "torch")


class NetworkStepper:
    """Steps of the network itself: for every network that can stream, on every device."""

    name, units = "torch", Units

    def __init__(self, network: ForecastNetwork, window: Window, *, masked: bool) -> None:
        self.network, self.static = network, window.static
        self.device, self.masked = window.past.device, masked

    def step(
        self, state: Any, x: npt.NDArray[np.float32], seen: Any, gap: Any
    ) -> tuple[npt.NDArray[Any], Any]:
        """Read x (S, C), of which ``seen`` (S, C) is observed; return forecast (S, H, D, P) and state."""
        with torch.inference_mode(), as_written(self.device.type):
            past = torch.from_numpy(x).to(self.device).unsqueeze(1)  # (S, 1, C)
            observed = None if seen is None else torch.from_numpy(seen).to(self.device).unsqueeze(1)
            time_gap = None
            if self.masked:
                rows = np.broadcast_to(np.float32(gap), len(x)).copy()  # (S,)
                time_gap = torch.from_numpy(rows).to(self.device).unsqueeze(1)  # (S, 1)
            window = Window(past, observed, time_gap, None, self.static)
            forecast, state = self.network.step(state, window)  # (S, H, D, P)
            return forecast.cpu().numpy(), state


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
        When the network cannot stream, or numpy or numba is asked for and it has no such step.
    MissingExtraError
        When numba is asked for and not installed.
    """
    with torch.inference_mode(), as_written(window.past.device.type):
        state = network.start(window)
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
