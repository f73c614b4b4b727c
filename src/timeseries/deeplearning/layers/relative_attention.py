"""Attention that knows steps by their distance, over a segment and a memory of what was read before it."""

import math

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.positional import sinusoidal_positions


class RelativeAttention(nn.Module):
    """Causal attention with relative positions (Dai et al. 2019, section 3.3).

    The score of query i and key j has the four terms of the paper, q_i k_j + q_i W_r R_(i-j) + u k_j +
    v W_r R_(i-j), over the root of the width of a head. R are the sinusoids of the distance.

    Parameters
    ----------
    width : int
        Features of a step (W).
    num_heads : int
        Attention heads (N); they share the width evenly.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.heads = (num_heads, width // num_heads)
        self.query, self.key, self.value, self.position, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(5)
        )
        self.content_bias = nn.Parameter(0.02 * torch.randn(self.heads))  # (N, d) u of the paper
        self.position_bias = nn.Parameter(0.02 * torch.randn(self.heads))  # (N, d) v of the paper

    def forward(self, x: Tensor, known: Tensor, forbidden: Tensor) -> Tensor:
        """Let the steps of a segment look at the memory and at each other.

        Parameters
        ----------
        x : Tensor of shape (B, L, W)
            The segment.
        known : Tensor of shape (B, M+L, W)
            The memory, and the segment behind it.
        forbidden : Tensor of shape (L, M+L) or (B, L, M+L)
            True where a step must not look.

        Returns
        -------
        Tensor of shape (B, L, W)
        """
        query = self._split(self.query(x))  # (B, L, N, d)
        key, value = self._split(self.key(known)), self._split(self.value(known))  # (B, M+L, N, d)
        length, keys = x.shape[1], known.shape[1]
        positions = self._split(self.position(sinusoidal_positions(keys, x.shape[-1]).to(x)))  # (M+L, N, d)
        content = torch.einsum("blnd,bknd->bnlk", query + self.content_bias, key)  # (B, N, L, M+L)
        place = torch.einsum("blnd,knd->bnlk", query + self.position_bias, positions)  # (B, N, L, M+L)
        place = place.gather(-1, _rows(length, keys, x.device).expand_as(place))  # (B, N, L, M+L)
        scores = (content + place) / math.sqrt(self.heads[1])  # (B, N, L, M+L)
        forbidden = forbidden if forbidden.dim() == 2 else forbidden.unsqueeze(1)  # (B, 1, L, M+L)
        weights = scores.masked_fill(forbidden, -torch.inf).softmax(dim=-1)  # (B, N, L, M+L)
        seen = torch.einsum("bnlk,bknd->blnd", weights, value)  # (B, L, N, d)
        return self.output(seen.flatten(2))  # type: ignore[no-any-return]  # (B, L, W)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], *self.heads)  # (..., N, d)


def _rows(length: int, keys: int, device: torch.device) -> Tensor:
    """Return in which row of the sinusoids, the last of which is distance 0, a query finds a key: (L, M+L).

    Query i is at place M + i among the keys. A key after it is forbidden, wherever it would be found.
    """
    ahead = torch.arange(keys, device=device) - torch.arange(length, device=device).unsqueeze(1)  # (L, M+L)
    return (ahead + length - 1).clamp(max=keys - 1)


class RelativeLayer(nn.Module):
    """Relative attention and a hidden layer, each after a normalisation and beside a way around it."""

    def __init__(
        self, width: int, *, num_heads: int, feedforward: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, num_heads)
        self.before_attention, self.before_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward),
            ACTIVATIONS[activation](),
            nn.Dropout(dropout),
            nn.Linear(feedforward, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, forbidden: Tensor) -> Tensor:
        """Map a segment (B, L, W) with the memory (B, M, W) of this layer's inputs before it to (B, L, W)."""
        known = self.before_attention(torch.cat([memory, x], dim=1))  # (B, M+L, W)
        seen = self.attention(known[:, memory.shape[1] :], known, forbidden)  # (B, L, W)
        x = x + self.dropout(seen)  # (B, L, W)
        return x + self.dropout(self.feedforward(self.before_feedforward(x)))  # type: ignore[no-any-return]


def segment_mask(length: int, present: Tensor | None, keys: int, device: torch.device) -> Tensor:
    """Return True where a step of a segment must not look: at later steps, and at absent ones but itself.

    Parameters
    ----------
    length : int
        Steps of the segment (L).
    present : Tensor of shape (B, M+L), or None when all are
        Which steps of memory and segment are there.
    keys : int
        Steps of memory and segment (M+L).
    device : torch.device
        Where the mask is wanted.

    Returns
    -------
    Tensor of shape (L, M+L) or (B, L, M+L)
    """
    own = torch.arange(keys - length, keys, device=device).unsqueeze(1)  # (L, 1) a query's place
    place = torch.arange(keys, device=device)  # (M+L,)
    later = place > own  # (L, M+L)
    return later if present is None else later | ((~present).unsqueeze(1) & (place != own))
