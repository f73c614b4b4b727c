"""A Transformer with hashed attention and reversible layers (Reformer, Kitaev et al. 2020)."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.last_present import known_states
from timeseries.deeplearning.layers.lsh_attention import LSHAttention
from timeseries.deeplearning.layers.patches import into_patches, patch_count
from timeseries.deeplearning.layers.positional import sinusoidal_positions
from timeseries.deeplearning.layers.reversible import ReversibleLayer, run_reversibly
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class LayerReplay(NamedTuple):
    """What makes a layer do the same again."""

    buckets: Tensor  # (B, R, N, T)
    seed: int | None  # of dropout; None: nothing is dropped


class ReformerLayer(nn.Module):
    """Hashed attention (f) and a hidden layer (g), each after a normalisation."""

    def __init__(
        self, width: int, *, attention: LSHAttention, feedforward: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.attention, self.dropout = attention, dropout
        self.before_attention, self.before_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), ACTIVATIONS[activation](), nn.Linear(feedforward, width)
        )

    def replay(self, x2: Tensor, present: Tensor | None) -> LayerReplay:
        """Return the buckets of x2 (B, T, W), and where dropout begins to draw."""
        drops = self.training and self.dropout > 0
        seed = int(torch.randint(2**62, ())) if drops else None
        return LayerReplay(self.attention.buckets(self.before_attention(x2), present), seed)

    def f(self, x2: Tensor, replay: LayerReplay) -> Tensor:
        """Return what attention adds to the first half, (B, T, W)."""
        seen = self.attention(self.before_attention(x2), replay.buckets)  # (B, T, W)
        return _dropped(seen, self.dropout, replay.seed)

    def g(self, y1: Tensor, replay: LayerReplay) -> Tensor:
        """Return what the hidden layer adds to the second half, (B, T, W)."""
        hidden = self.feedforward(self.before_feedforward(y1))  # (B, T, W)
        return _dropped(hidden, self.dropout, None if replay.seed is None else replay.seed + 1)


def _dropped(x: Tensor, share: float, seed: int | None) -> Tensor:
    """Drop a share of x (B, T, W); the same one again for the same seed."""
    if seed is None:
        return x
    draw = torch.Generator(x.device).manual_seed(seed)
    return x * torch.empty_like(x).bernoulli_(1 - share, generator=draw) / (1 - share)  # (B, T, W)


class ReformerNetwork(ForecastNetwork):
    """Let steps attend to those before them that are hashed alike; forecast from the newest present one.

    An absent step is in no bucket with others. The state of the last present step stands for it; where values
    may be missing, the head is therefore also told how many steps ago that was.

    Parameters
    ----------
    sizes : Sizes
        The data.
    chunk_length : int
        Steps that are attended to at once; a window of this length or less is attended to as a whole.
    num_hashes : int
        Rounds of hashing.
    num_buckets : int, optional
        Buckets of a round, an even number or 1; when absent, as many as give a bucket half a chunk.
    d_model, nhead, num_layers, dim_feedforward : int
        Width of a step; attention heads; layers; width of their hidden layers.
    dropout : float
        Share dropped of what attention and hidden layers give.
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
        chunk_length: int,
        num_hashes: int,
        num_buckets: int | None = None,
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
        steps = patch_count(sizes.context, patch_length, patch_length)
        buckets = bucket_count(steps, chunk_length) if num_buckets is None else num_buckets
        self.layers = nn.ModuleList(
            ReformerLayer(
                d_model,
                attention=LSHAttention(
                    d_model, nhead, chunk_length=chunk_length, num_buckets=buckets, num_hashes=num_hashes
                ),
                feedforward=dim_feedforward,
                activation=activation,
                dropout=dropout,
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(2 * d_model)
        self.width, self.masked, self.patch_length = d_model, sizes.masked, patch_length
        self.head = forecast_head(2 * d_model + sizes.masked, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        x, present = self.inputs(window)  # (B, T, W), (B, T)
        x, present = into_patches(x, present, self.patch_length)  # (B, T/L, L*W), (B, T/L)
        x = self.embed(x) + sinusoidal_positions(x.shape[1], self.width).to(x)  # (B, T, d_model)
        layers = cast("list[ReversibleLayer]", list(self.layers))
        states = self.norm(torch.cat(run_reversibly(layers, x, x, present), dim=-1))  # (B, T, 2*d_model)
        newest = known_states(states, present, aged=self.masked)[:, -1]  # (B, 2*d_model [+1])
        return self.head(newest, window)  # type: ignore[no-any-return]  # (B, H, D, P)


def bucket_count(context: int, chunk_length: int) -> int:
    """Return how many buckets give one half a chunk on average, as in the paper; 1 for a single chunk.

    Examples
    --------
    >>> bucket_count(96, chunk_length=16), bucket_count(16, chunk_length=16)
    (12, 1)
    """
    return 1 if context <= chunk_length else 2 * -(-context // chunk_length)
