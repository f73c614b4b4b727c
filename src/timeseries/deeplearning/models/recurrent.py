"""What the recurrent estimators share: one stack of layers, three kinds of cell."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.head import HeadSettings
from timeseries.deeplearning.models.patching import PatchSettings
from timeseries.deeplearning.models.widths import MOST_LAYERS, layer_widths, width_problems
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import Span, setting, settings_class

CELL_ACTIVATIONS = ("tanh", "relu", "leaky_relu", "sigmoid")


@settings_class
class RecurrentRegressor(HeadSettings, PatchSettings, WindowRegressor):
    """Predict with a stack of recurrent layers."""

    cell: ClassVar[str]
    """Which recurrent layer: "rnn", "lstm" or "gru"."""

    hidden_size: int | tuple[int, ...] = setting(
        64,
        "Width of the hidden state; several numbers are one per layer, and num_layers does not count.",
        Integral,
        low=1,
        high=16_384,
        several=True,
        search=Span(16, 256, log=True),
    )
    num_layers: int = setting(
        2, "Recurrent layers, one on top of the other.", Integral, low=1, high=MOST_LAYERS, search=Span(1, 3)
    )
    dropout: float = setting(
        0.2, "Share of outputs dropped between layers.", Real, low=0, high=0.99, search=Span(0.0, 0.5)
    )
    activation: str = setting(
        "tanh",
        "Of the cells' candidate and output; tanh runs on the fast kernels, as does relu of rnn.",
        str,
        choices=CELL_ACTIVATIONS,
    )
    bidirectional: bool = setting(False, "Read the past window from both ends.", bool)
    truncated_bptt_steps: int | None = setting(
        None,
        "Steps that gradients flow back through at most; the state is carried on, detached. None: all.",
        Integral,
        low=1,
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        yield from width_problems("hidden_size", self.hidden_size)
        settable = "bidirectional" in self.settings()
        if not found and self.bidirectional and self.truncated_bptt_steps is not None:
            fix = "bidirectional=False" if settable else "truncated_bptt_steps=None"
            yield f"truncated_bptt_steps needs a network that reads in one direction: set {fix}"
        if not found and self.bidirectional and self.every_position:
            fix = "bidirectional" if settable else "every_position"
            yield f"every_position=True needs a network that reads in one direction: set {fix}=False"

    def build_network(self, sizes: Sizes) -> ForecastNetwork:
        """Return this model's network with fresh weights."""
        return RecurrentNetwork(sizes, cell=self.cell, **self.stack())

    def stack(self) -> dict[str, Any]:
        """Return what the settings say of the layers and of the head, as networks take it."""
        return {
            "hidden_sizes": layer_widths(self.hidden_size, self.num_layers),
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
            "patch_length": self.patch_length,
            "activation": self.activation,
            "truncation": self.truncated_bptt_steps,
            "head": self.head_shape(),
        }
