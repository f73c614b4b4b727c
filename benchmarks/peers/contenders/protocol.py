"""What every contender can be asked, and what it is told about its network."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

QUIET: dict[str, Any] = {  # of Lightning: no files, no bars, no other device
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
LIGHTNING_PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}
LEARNING_RATE = 1e-3  # of Adam, in all of them
FORECAST_BATCH = 1024  # windows that a network forecasts at once, where a library lets us say so


class NotPossibleError(Exception):
    """What a contender answers to a task that it has no means for; the message is the footnote."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A stack of recurrent layers without dropout, and how it is trained; one step sees ``batch`` windows."""

    cell: str  # LSTM, GRU or RNN
    hidden: int
    layers: int
    context: int
    horizon: int
    batch: int
    intervals: bool = False  # calibrate them where that is what a user gets who asks for nothing
    precision: str = "float32"  # of the products of a training step; or bfloat16, weights stay float32


class Contender(Protocol):
    """One library with a recurrent network; S series of N values, W origins, H steps."""

    distribution: ClassVar[str]
    """Its name in the registry of packages."""

    def data(self, network: Network, values: Floats) -> Any:
        """Return series, (S, N), as the library takes them; the clock stands still meanwhile."""

    def fit(self, network: Network, data: Any, steps: int, seed: int) -> Any:
        """Return what is fitted in so many optimiser steps."""

    def predict(self, fitted: Any, data: Any) -> Any:
        """Forecast what follows each of the series that were fitted."""

    def roll(self, fitted: Any, data: Any, windows: int) -> Any:
        """Forecast from the last so many origins of every series of these data, one row apart."""

    def forecasts(self, rolled: Any) -> Floats:
        """Return the numbers that were rolled, (S, W, H); the clock stands still meanwhile."""
