"""A temporal convolutional network (TCN, Bai et al. 2018): dilated causal convolutions in residual blocks."""

from itertools import pairwise

from torch import Tensor, nn

from timeseries.deeplearning.layers.convolution import ResidualBlock, only_present
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head, head_at_positions
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.last_present import known_states
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class TCNNetwork(ForecastNetwork):
    """Let every step see the steps before it through dilated convolutions; forecast from the newest present.

    The dilation is 1, 2, 4, ... from block to block. An absent step is zero for every convolution, and the
    state of the last present one stands for it; where values may be missing, the head is therefore also told
    how many steps ago that was.

    Parameters
    ----------
    sizes : Sizes
        The data.
    channels : tuple of int
        Filters of every block, the lowest first.
    kernel_size : int
        Steps that a filter reads at once.
    activation : str
        After every convolution and every block: a name of ``ACTIVATIONS``.
    dropout : float
        Share dropped after every convolution.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        channels: tuple[int, ...],
        kernel_size: int,
        activation: str = "relu",
        dropout: float = 0.0,
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.blocks = nn.ModuleList(
            ResidualBlock(
                before,
                after,
                kernel_size=kernel_size,
                dilation=2**level,
                activation=activation,
                dropout=dropout,
            )
            for level, (before, after) in enumerate(pairwise((self.inputs.width, *channels)))
        )
        self.masked = sizes.masked
        self.head = forecast_head(channels[-1] + sizes.masked, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        return self.head(self._summaries(window)[:, -1], window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def at_every_position(self, window: Window) -> Tensor:
        """Forecast from every position of the window, each from the steps up to it: (B, T, H, D, P)."""
        return head_at_positions(self.head, self._summaries(window), window)

    def _summaries(self, window: Window) -> Tensor:
        """Return what is known at every step, (B, T, C), and how old that is where steps may be absent."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        states = only_present(x.transpose(1, 2), present)  # (B, W, T)
        for block in self.blocks:
            states = block(states, present)  # (B, C, T)
        return known_states(states.transpose(1, 2), present, aged=self.masked)  # (B, T, C [+1])


def receptive_field(kernel_size: int, blocks: int) -> int:
    """Return how many steps reach the newest state: itself and those before it.

    Two convolutions per block of dilations 1, 2, 4, ... reach back twice (k - 1) times their sum.

    Parameters
    ----------
    kernel_size : int
        Steps that a filter reads at once (k).
    blocks : int
        Residual blocks (L).

    Returns
    -------
    int
        1 + 2 (k - 1) (2^L - 1).

    Examples
    --------
    >>> receptive_field(3, blocks=4)
    61
    """
    return 1 + 2 * (kernel_size - 1) * ((1 << blocks) - 1)
