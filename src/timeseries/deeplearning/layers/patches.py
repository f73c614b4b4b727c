"""Steps joined into patches, so that a recurrence takes T/P steps instead of T."""

import torch
from torch import Tensor, nn


def into_patches(x: Tensor, present: Tensor | None, length: int) -> tuple[Tensor, Tensor | None]:
    """Join every ``length`` steps to one, counted from the newest; the oldest patch is filled up with zeros.

    Segment-wise reading as in SegRNN (Lin et al. 2023). A patch is present if any of its steps is; its absent
    steps are zero.

    Parameters
    ----------
    x : Tensor of shape (B, T, W)
        Steps.
    present : Tensor of shape (B, T), or None when all are
        Which steps are there.
    length : int
        Steps of a patch (L).

    Returns
    -------
    Tensor of shape (B, ceil(T/L), L*W), and Tensor of shape (B, ceil(T/L)) or None
    """
    if length == 1:
        return x, present
    missing = -x.shape[1] % length
    if present is not None:
        x = x * present.unsqueeze(-1)  # (B, T, W)
        present = nn.functional.pad(present, (missing, 0))  # (B, T+missing)
        present = present.reshape(len(x), -1, length).any(dim=2)  # (B, T/L)
    padded = nn.functional.pad(x, (0, 0, missing, 0))  # (B, T+missing, W)
    return padded.reshape(len(x), -1, length * x.shape[-1]), present  # (B, T/L, L*W)


def at_least(length: int, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Put absent steps before x (B, T, W) until there are ``length``, and mark them in present (B, T)."""
    missing = length - x.shape[1]
    if missing <= 0:
        return x, present
    if present is None:
        present = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)  # (B, T)
    return nn.functional.pad(x, (0, 0, missing, 0)), nn.functional.pad(present, (missing, 0))


def patch_ends(x: Tensor, length: int) -> Tensor:
    """Keep the last step of every patch: (B, T, ...) -> (B, ceil(T/L), ...)."""
    ends = torch.arange(x.shape[1] - 1, -1, -length, device=x.device).flip(0)  # (T/L,)
    return x.index_select(1, ends)


def patch_count(steps: int, length: int, stride: int) -> int:
    """Return how many patches, ``stride`` apart, it takes to hold all steps; the oldest may be filled up.

    Examples
    --------
    >>> patch_count(96, length=16, stride=8), patch_count(97, length=16, stride=8)
    (11, 12)
    """
    return 1 + -(-max(0, steps - length) // stride)
