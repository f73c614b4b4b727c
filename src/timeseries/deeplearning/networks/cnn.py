"""Convolutions over the window, the largest answer of every filter, and a head."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.convolution import ConvolutionLayer, only_present
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class CNNNetwork(ForecastNetwork):
    """Read the window with one-dimensional convolutions, and forecast from what their filters found.

    An absent step is zero for every convolution, and no part of the window in which a filter's largest answer
    is looked for. A part without any present step says 0.

    Parameters
    ----------
    sizes : Sizes
        The data.
    channels : tuple of int
        Filters of every layer, the lowest first.
    kernel_size : int
        Steps that a filter reads at once.
    pool_size : int
        Equal parts of the window (N), in each of which the largest answer is kept; at most its steps. With
        one part it is forgotten when something was found.
    normalization : str
        "none", "batch" or "layer": between convolution and activation.
    activation : str
        After every convolution: a name of ``ACTIVATIONS``.
    dropout : float
        Share dropped after every activation.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        channels: tuple[int, ...],
        kernel_size: int,
        pool_size: int = 1,
        normalization: str = "none",
        activation: str = "relu",
        dropout: float = 0.0,
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.layers = nn.ModuleList(
            ConvolutionLayer(
                before,
                after,
                kernel_size=kernel_size,
                normalization=normalization,
                activation=activation,
                dropout=dropout,
            )
            for before, after in pairwise((self.inputs.width, *channels))
        )
        self.context, self.parts = sizes.context, min(pool_size, sizes.context)
        self.head = forecast_head(channels[-1] * self.parts, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        x = only_present(x.transpose(1, 2), present)  # (B, W, T)
        for layer in self.layers:
            x = layer(x, present)  # (B, C, T)
        return self.head(self._largest(x, present), window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def _largest(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the largest of every filter in every part of the window, (B, C, T) -> (B, C*N).

        The parts are those of a window of full length, so that a shorter one has the same, some empty.
        """
        if present is None:
            present = torch.ones_like(x[:, 0], dtype=torch.bool)  # (B, T)
        absent = (max(0, self.context - x.shape[-1]), 0)
        there = nn.functional.pad(present, absent).unsqueeze(1)  # (B, 1, T)
        padded = nn.functional.pad(x, absent).masked_fill(~there, -torch.inf)  # (B, C, T)
        largest = nn.functional.adaptive_max_pool1d(padded, self.parts)  # (B, C, N)
        empty = nn.functional.adaptive_max_pool1d(there.to(x), self.parts) == 0  # (B, 1, N)
        return largest.masked_fill(empty, 0.0).flatten(1)  # (B, C*N)
