"""A Transformer that reads its window in segments and remembers (Transformer-XL, Dai et al. 2019)."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.patches import into_patches
from timeseries.deeplearning.layers.relative_attention import RelativeLayer, segment_mask
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class TransformerXLNetwork(ForecastNetwork):
    """Read segment by segment; every layer attends to its segment and to what it read of those before it.

    As in the paper no gradient flows into the memory: training improves how the newest segment is read, and
    what is made of the memory. Segments are counted back from the newest step. Unlike in the paper, layers
    normalise before they compute.

    Parameters
    ----------
    sizes : Sizes
        The data.
    segment_length : int
        Steps that are read at once (L); the oldest segment may be shorter.
    memory_length : int
        Steps before a segment that every layer remembers (M); its memory was made from steps before it, so
        num_layers * memory_length steps reach the newest segment.
    d_model, nhead, num_layers, dim_feedforward : int
        Width of a step; attention heads; layers; width of their hidden layers.
    dropout : float
        Share dropped in every layer.
    activation : str
        Of the hidden layers: a name of ``ACTIVATIONS``.
    patch_length : int
        Steps that are read as one (L); all that is said of a step then holds for a patch.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        segment_length: int,
        memory_length: int,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float,
        activation: str = "gelu",
        patch_length: int = 1,
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs = WindowInputs(sizes)
        self.embed = nn.Linear(self.inputs.width * patch_length, d_model)
        self.layers = nn.ModuleList(
            RelativeLayer(
                d_model,
                num_heads=nhead,
                feedforward=dim_feedforward,
                activation=activation,
                dropout=dropout,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = forecast_head(d_model, sizes, head)
        self.segment_length, self.memory_length = segment_length, memory_length
        self.patch_length = patch_length

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        x, present = into_patches(x, present, self.patch_length)  # (B, T/L, L*W), (B, T/L)
        x = self.embed(x)  # (B, T, d_model)
        memories = [x[:, :0]] * len(self.layers)  # (B, 0, d_model) each
        *before, newest = segments(x.shape[1], self.segment_length)
        with torch.no_grad():
            for segment in before:
                memories = self._read(x, present, segment, memories)[1]
        states = self._read(x, present, newest, memories)[0]  # (B, L, d_model)
        return self.head(self.norm(states[:, -1]), window)  # type: ignore[no-any-return]  # (B, H, D, P)

    def _read(
        self, x: Tensor, present: Tensor | None, segment: range, memories: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the states of a segment of x (B, T, d_model), and the memories that include its steps.

        The memory of a layer (B, M, d_model) holds what it was given for the steps before the segment.
        """
        states, kept = x[:, segment.start : segment.stop], memories[0].shape[1]  # (B, L, d_model)
        there = None if present is None else present[:, segment.start - kept : segment.stop]  # (B, M+L)
        forbidden = segment_mask(len(segment), there, kept + len(segment), x.device)  # ([B,] L, M+L)
        after = []
        for layer, memory in zip(self.layers, memories, strict=True):
            known = torch.cat([memory, states], dim=1)  # (B, M+L, d_model)
            after.append(known[:, max(0, known.shape[1] - self.memory_length) :])
            states = layer(states, memory, forbidden)  # (B, L, d_model)
        return states, after


def segments(steps: int, length: int) -> list[range]:
    """Return the steps of every segment, counted back from the newest step; the oldest may be shorter.

    Examples
    --------
    >>> segments(7, length=3)
    [range(0, 1), range(1, 4), range(4, 7)]
    """
    return [range(max(0, stop - length), stop) for stop in reversed(range(steps, 0, -length))]
