"""The first layer of every network: which numbers of the window it reads, and which steps are there."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.window import Sizes, Window


class WindowInputs(nn.Module):
    """Turn a window into input features and a mask of the steps that are present.

    A missing value enters as 0, whatever stands in its place. When values may be missing inside the
    window (``sizes.masked``), the network is also told which ones are, and how long ago the last
    observed step was.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.masked = sizes.masked
        self.width = 2 * sizes.past + 1 if sizes.masked else sizes.past

    def forward(self, window: Window) -> tuple[Tensor, Tensor | None]:
        """Return the features (B, T, W) and the present steps (B, T), or None when all are."""
        past, observed = window.past, window.observed  # (B, T, F)
        present = None
        if observed is not None:
            past = past.masked_fill(~observed, 0.0)  # (B, T, F)
            present = observed.any(-1)  # (B, T)
        if not self.masked:
            return past, present
        seen = torch.ones_like(past) if observed is None else observed.to(past.dtype)  # (B, T, F)
        gap = torch.ones_like(past[..., 0]) if window.time_gap is None else window.time_gap  # (B, T)
        return torch.cat([past, seen, gap.log1p().unsqueeze(-1)], dim=-1), present  # (B, T, 2F+1)


def carried_forward(window: Window) -> Tensor:
    """Return the past (B, T, F) with every missing value replaced by the feature's last observed one.

    Before the first observed value of a feature stands 0.
    """
    past, observed = window.past, window.observed  # (B, T, F)
    if observed is None:
        return past
    return held(past, observed)  # (B, T, F)


def held(values: Tensor, seen: Tensor) -> Tensor:
    """Return values (B, T, F), with the last seen one (B, T, F) in place of those that are not, else 0."""
    steps = torch.arange(values.shape[1], device=values.device)[None, :, None]  # (1, T, 1)
    last = torch.where(seen, steps, -1).cummax(dim=1).values  # (B, T, F)
    return values.masked_fill(~seen, 0.0).gather(1, last.clamp(min=0))  # (B, T, F)


def of_length(x: Tensor, present: Tensor | None, length: int) -> Tensor:
    """Return the newest ``length`` steps of x (B, T, W), zeros for those that are absent or before it."""
    if present is not None:
        x = x.masked_fill(~present.unsqueeze(-1), 0.0)  # (B, T, W)
    return nn.functional.pad(x, (0, 0, length - x.shape[1], 0))  # (B, length, W); fewer than none are cut


def without_missing(window: Window) -> Tensor:
    """Return `carried_forward`, but before the first observed value of a feature stands that value.

    A feature that was never observed in the window is 0.
    """
    observed = window.observed  # (B, T, F)
    filled = carried_forward(window)  # (B, T, F)
    if observed is None:
        return filled
    first = observed.to(torch.uint8).argmax(dim=1, keepdim=True)  # (B, 1, F)
    started = observed.cummax(dim=1).values  # (B, T, F)
    return torch.where(started, filled, filled.gather(1, first))  # (B, T, F)
