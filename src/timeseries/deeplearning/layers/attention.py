"""Which steps may look at which."""

import torch
from torch import Tensor


def causal_mask(length: int, present: Tensor | None, num_heads: int, device: torch.device) -> Tensor:
    """Return True where attention is forbidden, as ``nn.MultiheadAttention`` wants it.

    A step sees itself and the present steps before it. It sees itself even when it is masked, because a
    softmax over nothing is NaN; nothing else ever sees a masked step.

    Parameters
    ----------
    length : int
        Steps of the window (T).
    present : Tensor of shape (B, T), or None when all steps are
        The steps that may be looked at.
    num_heads : int
        Attention heads (N).
    device : torch.device
        Where the mask is wanted.

    Returns
    -------
    Tensor
        Shape (T, T), or (B*N, T, T) when some steps are masked.
    """
    later = torch.ones(length, length, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)
    if present is None:
        return later
    others = ~torch.eye(length, dtype=torch.bool, device=device)  # (T, T)
    hidden = (~present).unsqueeze(1) & others  # (B, T, T)
    return (later | hidden).repeat_interleave(num_heads, dim=0)  # (B*N, T, T)
