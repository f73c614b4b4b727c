"""Attention to the steps of the same bucket of a hash, found by sorting (Kitaev et al. 2020, section 2)."""

import math

import torch
from torch import Tensor, nn

SELF_PENALTY = 1e5  # of the score of a step with itself: it counts where there is no other


class LSHAttention(nn.Module):
    """Causal attention with shared queries and keys, by locality-sensitive hashing.

    Steps are hashed by random rotations, drawn once with the weights, and sorted by bucket; in that order
    they are cut into chunks. A step looks at the present steps before it that share its bucket and stand in
    its chunk or the one before; at itself only when there is no other. Rounds of other rotations find what
    one misses; what several find counts once (equations 5 to 8 of the paper).

    Who shares a chunk depends on all steps of the window, in the paper too: a step never sees a later one,
    but later ones may move an earlier one out of its reach.

    Parameters
    ----------
    width : int
        Features of a step (W).
    num_heads : int
        Attention heads (N); they share the width evenly.
    chunk_length : int
        Steps of a chunk (m).
    num_buckets : int
        Buckets of a round: an even number, or 1.
    num_hashes : int
        Rounds (R); with a single bucket they are all the same, and one is run.
    """

    rotations: Tensor | None  # (R, N, d, num_buckets/2)

    def __init__(
        self, width: int, num_heads: int, *, chunk_length: int, num_buckets: int, num_hashes: int
    ) -> None:
        super().__init__()
        self.heads = (num_heads, width // num_heads)
        self.query, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(3))
        shape = (num_hashes, *self.heads, num_buckets // 2)
        self.register_buffer("rotations", torch.randn(shape) if num_buckets > 1 else None)
        self.chunk_length, self.num_buckets = chunk_length, num_buckets
        self.num_hashes = num_hashes if num_buckets > 1 else 1

    def buckets(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Return the bucket of every step of x (B, T, W) in every round, (B, R, N, T).

        An absent step is in a bucket of its own kind, ``num_buckets``, which stands behind all others.
        """
        query = self._split(self.query(x))  # (B, N, T, d)
        if self.rotations is None:
            shape = (len(x), self.num_hashes, self.heads[0], x.shape[1])
            buckets = torch.zeros(shape, dtype=torch.long, device=x.device)  # (B, R, N, T)
        else:
            rotated = torch.einsum("bntd,rndk->brntk", query, self.rotations)  # (B, R, N, T, buckets/2)
            buckets = torch.cat([rotated, -rotated], dim=-1).argmax(dim=-1)  # (B, R, N, T)
        if present is None:
            return buckets
        return buckets.masked_fill(~present[:, None, None], self.num_buckets)

    def forward(self, x: Tensor, buckets: Tensor) -> Tensor:
        """Let the steps of x (B, T, W) look at those of their buckets (B, R, N, T): (B, T, W)."""
        steps = x.shape[1]
        chunk_length = min(steps, self.chunk_length)
        filling = (0, -steps % chunk_length)  # behind the newest step, as absent steps
        buckets = nn.functional.pad(buckets, filling, value=self.num_buckets)  # (B, R, N, T')
        padded = nn.functional.pad(x, (0, 0, *filling))  # (B, T', W)
        query, value = self._split(self.query(padded)), self._split(self.value(padded))  # (B, N, T', d)
        key = nn.functional.normalize(query, dim=-1) / math.sqrt(self.heads[1])  # (B, N, T', d)

        place = torch.arange(buckets.shape[-1], device=x.device)  # (T',)
        order = (buckets * len(place) + place).argsort(dim=-1)  # (B, R, N, T')
        queries, keys, values = (
            _chunks(_sorted(part, order), chunk_length) for part in (query, key, value)
        )  # (B, R, N, C, m, d) each
        keys, values = _with_previous(keys), _with_previous(values)  # (B, R, N, C, 2m, d)
        scores = queries @ keys.transpose(-1, -2)  # (B, R, N, C, m, 2m)
        scores = self._allowed(scores, buckets, order, chunk_length)  # (B, R, N, C, m, 2m)

        total = scores.logsumexp(dim=-1)  # (B, R, N, C, m)
        found = (scores - total.unsqueeze(-1)).exp() @ values  # (B, R, N, C, m, d)
        back = order.argsort(dim=-1)  # (B, R, N, T')
        share = total.flatten(-2).gather(-1, back).softmax(dim=1)  # (B, R, N, T')
        found = found.flatten(-3, -2).gather(-2, _each(back, found.shape[-1]))  # (B, R, N, T', d)
        joined = (share.unsqueeze(-1) * found).sum(dim=1)[..., :steps, :]  # (B, N, T, d)
        return self.output(joined.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # (B, T, W)

    def _allowed(self, scores: Tensor, buckets: Tensor, order: Tensor, chunk_length: int) -> Tensor:
        """Forbid what must not be seen, and count once what several rounds see: (B, R, N, C, m, 2m)."""
        place, before = _of_both(order, chunk_length, fill=order.shape[-1])  # (..., m, 1), (..., 1, 2m)
        bucket, there = _of_both(buckets.gather(-1, order), chunk_length, fill=-1)
        itself = before == place  # (B, R, N, C, m, 2m)
        seen = (there == bucket) & (there < self.num_buckets) & (before < place)  # (B, R, N, C, m, 2m)
        scores = torch.where(itself, scores - SELF_PENALTY, scores.masked_fill(~seen, -torch.inf))
        if self.num_hashes == 1:
            return scores
        return scores - _rounds(buckets, order, chunk_length).to(scores).log()  # (B, R, N, C, m, 2m)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], *self.heads).transpose(1, 2)  # (B, N, T, d)


def _each(index: Tensor, width: int) -> Tensor:
    """Repeat an index (..., T) for every feature: (..., T, width)."""
    return index.unsqueeze(-1).expand(*index.shape, width)


def _sorted(x: Tensor, order: Tensor) -> Tensor:
    """Bring x (B, N, T, d) into the order (B, R, N, T) of every round: (B, R, N, T, d)."""
    rounds = x.unsqueeze(1).expand(-1, order.shape[1], -1, -1, -1)  # (B, R, N, T, d)
    return rounds.gather(-2, _each(order, x.shape[-1]))


def _chunks(x: Tensor, chunk_length: int) -> Tensor:
    """Cut the sorted steps into chunks, (B, R, N, T', ...) -> (B, R, N, C, m, ...)."""
    return x.reshape(*x.shape[:3], -1, chunk_length, *x.shape[4:])


def _with_previous(chunks: Tensor, fill: float = 0.0) -> Tensor:
    """Put every chunk behind the one before it, the first behind filling; a single chunk stays alone.

    (B, R, N, C, m, ...) -> (B, R, N, C, 2m, ...)
    """
    if chunks.shape[3] == 1:
        return chunks  # (B, R, N, 1, m, ...)
    first = torch.full_like(chunks[:, :, :, :1], fill)  # (B, R, N, 1, m, ...)
    return torch.cat([torch.cat([first, chunks[:, :, :, :-1]], dim=3), chunks], dim=4)


def _of_both(x: Tensor, chunk_length: int, fill: int) -> tuple[Tensor, Tensor]:
    """Return a number of the sorted steps (B, R, N, T') as queries (..., m, 1), and as keys (..., 1, 2m)."""
    chunks = _chunks(x, chunk_length)  # (B, R, N, C, m)
    return chunks.unsqueeze(-1), _with_previous(chunks, fill).unsqueeze(-2)


def _rounds(buckets: Tensor, order: Tensor, chunk_length: int) -> Tensor:
    """Return in how many rounds a query reaches a key before it, at least 1: (B, R, N, C, m, 2m).

    A number that grows by 1 from chunk to chunk and by more from bucket to bucket tells both at once.
    """
    chunk = order.argsort(dim=-1) // chunk_length  # (B, R, N, T') where a step stands in each round
    number = (buckets * (order.shape[-1] + 3) + chunk).to(torch.int32)  # (B, R, N, T')
    count: Tensor | int = 0
    for other in range(order.shape[1]):
        of_round = number[:, other : other + 1].expand_as(order).gather(-1, order)  # (B, R, N, T')
        query, key = _of_both(of_round, chunk_length, fill=-2)  # (..., m, 1), (..., 1, 2m)
        count = count + ((query - key).abs() <= 1)  # (B, R, N, C, m, 2m)
    return torch.as_tensor(count).clamp(min=1)
