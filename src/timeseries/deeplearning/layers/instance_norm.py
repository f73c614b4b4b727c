"""Scale each window by its own statistics and hand them back, so that the forecast can undo it.

Reversible instance normalisation (Kim et al. 2022) without its learned affine part. The statistics come
from the observed past of the window alone; nothing of the future enters them.
"""

from typing import NamedTuple

from torch import Tensor

from timeseries.deeplearning.window import Window

EPSILON = 1e-5  # variance added so that a flat window has a scale; in units of the training deviation


class WindowScale(NamedTuple):
    """Level and spread of the targets in each window."""

    level: Tensor  # (B, 1, D)
    spread: Tensor  # (B, 1, D)


def window_scale(window: Window, targets: int) -> WindowScale:
    """Return mean and deviation of the first ``targets`` features over the observed steps."""
    past = window.past[..., :targets]  # (B, T, D)
    if window.observed is None:
        level = past.mean(dim=1, keepdim=True)  # (B, 1, D)
        variance = past.var(dim=1, keepdim=True, unbiased=False)  # (B, 1, D)
        return WindowScale(level, (variance + EPSILON).sqrt())
    seen = window.observed[..., :targets].to(past.dtype)  # (B, T, D)
    count = seen.sum(dim=1, keepdim=True).clamp(min=1)  # (B, 1, D)
    past = past.masked_fill(seen == 0, 0.0)  # (B, T, D)
    level = past.sum(dim=1, keepdim=True) / count  # (B, 1, D)
    variance = (((past - level) * seen) ** 2).sum(dim=1, keepdim=True) / count  # (B, 1, D)
    return WindowScale(level, (variance + EPSILON).sqrt())


def scale_window(window: Window, scale: WindowScale) -> Window:
    """Return the window with its targets at level 0 and spread 1; covariates keep their values."""
    targets = scale.level.shape[-1]
    past = window.past.clone()  # (B, T, F)
    past[..., :targets] = (past[..., :targets] - scale.level) / scale.spread
    return window._replace(past=past)


def unscale_forecast(forecast: Tensor, scale: WindowScale) -> Tensor:
    """Bring a forecast (B, H, D, P) back to the units of the window."""
    return forecast * scale.spread.unsqueeze(-1) + scale.level.unsqueeze(-1)  # (B, H, D, P)
