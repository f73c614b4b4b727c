"""The one promise of every network."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from timeseries.deeplearning.window import Encoding, Window
from timeseries.errors import UnsupportedError


class ForecastNetwork(nn.Module, ABC):
    """Map a window of the past to a forecast of the future.

    A network that reads its window from left to right can also carry its state from one observation to
    the next: ``start`` reads a history, ``step`` reads one more observation and forecasts. The answer is
    the one ``forward`` would give over the history grown by that observation.
    """

    position_stride: int = 1
    """Steps between two positions from which the network can forecast within a window."""

    @abstractmethod
    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""

    def at_every_position(self, window: Window) -> Tensor:
        """Forecast from every position of the window, each from the steps up to it: (B, T', H, D, P)."""
        raise UnsupportedError(
            f"{type(self).__name__} cannot be trained on every position of its window: its forecast "
            "needs the whole window. Set every_position=False, or use a recurrent network."
        )

    def encode(self, window: Window) -> Encoding:
        """Return the states that the network walks through while it reads the window."""
        raise UnsupportedError(
            f"{type(self).__name__} has no states to return: encode() is for recurrent networks."
        )

    def start(self, window: Window) -> Any:
        """Read a history and return the state after it."""
        raise UnsupportedError(
            f"{type(self).__name__} has no state to carry: it needs its whole window for every forecast. "
            "Take engine='window', or a recurrent network that reads in one direction."
        )

    def step(self, state: Any, window: Window) -> tuple[Tensor, Any]:
        """Read one more observation, a window of one step, and return forecast (B, H, D, P) and state."""
        return self.start(window)  # type: ignore[no-any-return]  # refused in the same words
