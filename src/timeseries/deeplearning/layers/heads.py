"""The last layer of a forecaster: from a summary of the past to all steps at once.

Every step is decoded from the same, newest summary. Decoding step k from the state at T - H + k, as
some libraries do, throws the newest observations away and makes every step an H-step-ahead forecast.
"""

from typing import cast

import torch
from torch import Tensor, nn

from timeseries.deeplearning.window import Sizes, Window

STEP_WIDTH = 32  # width of the context of one step where covariates of the future join in


class DirectHead(nn.Module):
    """Map the summary (and static features) to the whole forecast with one linear layer."""

    def __init__(self, width: int, sizes: Sizes) -> None:
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        self.project = nn.Linear(width + sizes.static, sizes.horizon * sizes.targets * sizes.outputs)

    def forward(self, summary: Tensor, window: Window) -> Tensor:
        """Map summary (B, W) to a forecast (B, H, D, P)."""
        forecast: Tensor = self.project(with_static(summary, window)).unflatten(
            -1, self.shape
        )  # (B, H, D, P)
        return forecast


class CovariateHead(nn.Module):
    """Give each step a context of its own and decode it together with what is known of that step.

    The two-stage decoder of the multi-horizon quantile recurrent forecaster (Wen et al. 2017, section 3.3).
    """

    def __init__(self, width: int, sizes: Sizes) -> None:
        super().__init__()
        self.steps = nn.Linear(width + sizes.static, sizes.horizon * STEP_WIDTH)
        self.contexts = (sizes.horizon, STEP_WIDTH)
        self.decode = nn.Sequential(
            nn.Linear(STEP_WIDTH + sizes.future, STEP_WIDTH),
            nn.GELU(),
            nn.Linear(STEP_WIDTH, sizes.targets * sizes.outputs),
        )
        self.shape = (sizes.targets, sizes.outputs)

    def forward(self, summary: Tensor, window: Window) -> Tensor:
        """Map summary (B, W) to a forecast (B, H, D, P)."""
        contexts = self.steps(with_static(summary, window)).unflatten(-1, self.contexts)  # (B, H, STEP_WIDTH)
        future = cast("Tensor", window.future)  # (B, H, K) there for every network built with K > 0
        decoded = self.decode(torch.cat([contexts, future], dim=-1))  # (B, H, D*P)
        return decoded.unflatten(-1, self.shape)  # type: ignore[no-any-return]  # (B, H, D, P)


def forecast_head(width: int, sizes: Sizes) -> DirectHead | CovariateHead:
    """Return the head that fits: with covariates of the future, or without."""
    return CovariateHead(width, sizes) if sizes.future else DirectHead(width, sizes)


def with_static(summary: Tensor, window: Window) -> Tensor:
    """Append the static features to the summary."""
    return summary if window.static is None else torch.cat([summary, window.static], dim=-1)  # (B, W+S)
