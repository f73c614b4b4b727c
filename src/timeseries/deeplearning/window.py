"""What a network sees and what it is told about its data.

Letters used in every shape of this package: B batch, T context steps, F input features of one step,
H horizon, K covariates known into the future, S static features, D targets, P numbers per target,
W width of a hidden layer.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Window(NamedTuple):
    """The past of B series up to their origins, and what is truly known of the future."""

    past: Tensor  # (B, T, F) the targets first (where the network may see them), then covariates
    observed: Tensor | None = None  # (B, T, F) False where a value is missing or the step is padding
    time_gap: Tensor | None = None  # (B, T) time since the last observed step, in units of the frequency
    future: Tensor | None = None  # (B, H, K) covariates known for the steps to forecast
    static: Tensor | None = None  # (B, S)


class Encoding(NamedTuple):
    """What a recurrent network has made of its windows, as PyTorch's own layers return it."""

    output: Tensor  # (B, T, W) the top layer's state after every step, or every patch of steps
    hidden: Tensor | tuple[Tensor, ...]  # (layers, B, W), directions counted as layers; one part per layer
    # where layers differ in width
    cell: Tensor | tuple[Tensor, ...] | None = None  # of an LSTM, in the shape of hidden


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes that follow from the data, from which a network is built."""

    context: int
    """Steps of the window (T)."""
    horizon: int
    """Steps to forecast (H)."""
    past: int
    """Features of one step (F)."""
    targets: int = 1
    """Series forecast together (D)."""
    outputs: int = 1
    """Numbers per target and step (P): 1 for a point, else one per quantile."""
    future: int = 0
    """Covariates known into the future (K)."""
    static: int = 0
    """Static features (S)."""
    masked: bool = False
    """Values may be missing inside the window: the mask and the time gap become inputs."""
    autoregressive: bool = True
    """The first D features of the window are the past of the targets."""
