"""A multilayer perceptron over the whole window at once."""

from itertools import pairwise

from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.heads import forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs, of_length
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class MLPNetwork(ForecastNetwork):
    """Lay all steps of the window side by side, and map them through hidden layers.

    An absent step enters as zeros.

    Parameters
    ----------
    sizes : Sizes
        The data.
    hidden_sizes : tuple of int
        Width of every hidden layer, the lowest first.
    activation : str
        After every hidden layer: a name of ``ACTIVATIONS``.
    dropout : float
        Share dropped after every hidden layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden_sizes: tuple[int, ...],
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.context = WindowInputs(sizes), sizes.context
        layers: list[nn.Module] = []
        for before, after in pairwise((self.inputs.width * sizes.context, *hidden_sizes)):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation](), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = forecast_head(hidden_sizes[-1], sizes)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        steps = of_length(x, present, self.context).flatten(1)  # (B, T*W)
        return self.head(self.hidden(steps), window)  # type: ignore[no-any-return]  # (B, H, D, P)
