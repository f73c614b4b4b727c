"""Attention over the states of a recurrence: which steps count for the forecast, and how much."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """Score a state k for a query q by v . tanh(W q + U k + b) (Bahdanau et al. 2015, appendix A.1.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        """Score states (B, T, W) for a query (B, W): (B, T)."""
        joined = torch.tanh(self.query(query).unsqueeze(1) + self.key(states))  # (B, T, W)
        return self.energy(joined).squeeze(-1)  # type: ignore[no-any-return]  # (B, T)


class DotScore(nn.Module):
    """Score a state k for a query q by q . k (Luong et al. 2015, equation 8)."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        """Score states (B, T, W) for a query (B, W): (B, T)."""
        return (states @ query.unsqueeze(-1)).squeeze(-1)


class GeneralScore(DotScore):
    """Score a state k for a query q by q . W k (Luong et al. 2015, equation 8)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        """Score states (B, T, W) for a query (B, W): (B, T)."""
        return super().forward(query, self.key(states))


SCORES: dict[str, Callable[[int], nn.Module]] = {
    "additive": AdditiveScore,
    "dot": DotScore,
    "general": GeneralScore,
}


def weights_of(scores: Tensor, present: Tensor | None) -> Tensor:
    """Turn scores (B, T) into weights that sum to 1 over the present steps and are 0 at all others.

    A row without any present step has the weight 0 everywhere.
    """
    if present is None:
        return scores.softmax(dim=-1)
    lowest = torch.finfo(scores.dtype).min  # not -inf: a softmax over nothing would be NaN
    return scores.masked_fill(~present, lowest).softmax(dim=-1) * present  # (B, T)
