"""The last layer of a forecaster: from a summary of the past to all steps at once.

Every step is decoded from the same, newest summary. Decoding step k from the state at T - H + k, as
some libraries do, throws the newest observations away and makes every step an H-step-ahead forecast.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS
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


class DeepHead(nn.Module):
    """Put hidden layers, each with an activation and dropout, in front of a head."""

    def __init__(self, width: int, sizes: Sizes, shape: "HeadShape") -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Dropout(shape.dropout)]
        for before, after in pairwise((width, *shape.hidden_sizes)):
            layers += [nn.Linear(before, after), ACTIVATIONS[shape.activation](), nn.Dropout(shape.dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = forecast_head((width, *shape.hidden_sizes)[-1], sizes)

    def forward(self, summary: Tensor, window: Window) -> Tensor:
        """Map summary (B, W) to a forecast (B, H, D, P)."""
        return self.head(self.hidden(summary), window)  # type: ignore[no-any-return]  # (B, H, D, P)


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """What stands between the summary of the past and the last linear layer; by default nothing."""

    hidden_sizes: tuple[int, ...] = ()
    """Width of every hidden layer, the lowest first."""
    activation: str = "relu"
    """Of the hidden layers: a name of ``ACTIVATIONS``."""
    dropout: float = 0.0
    """Share dropped of the summary and of every hidden layer."""


BARE = HeadShape()


def forecast_head(width: int, sizes: Sizes, shape: HeadShape = BARE) -> DirectHead | CovariateHead | DeepHead:
    """Return the head that fits: with covariates of the future or without, with hidden layers or without."""
    if shape.hidden_sizes or shape.dropout:
        return DeepHead(width, sizes, shape)
    return CovariateHead(width, sizes) if sizes.future else DirectHead(width, sizes)


def head_at_positions(head: nn.Module, summaries: Tensor, window: Window) -> Tensor:
    """Map summaries (B, T', W) of several positions of a window to forecasts (B, T', H, D, P)."""
    static = window.static  # (B, S)
    if static is not None:
        static = static.repeat_interleave(summaries.shape[1], dim=0)  # (B*T', S)
    forecasts: Tensor = head(summaries.flatten(0, 1), window._replace(static=static))  # (B*T', H, D, P)
    return forecasts.reshape(*summaries.shape[:2], *forecasts.shape[1:])  # (B, T', H, D, P)


def with_static(summary: Tensor, window: Window) -> Tensor:
    """Append the static features to the summary."""
    return summary if window.static is None else torch.cat([summary, window.static], dim=-1)  # (B, W+S)
