"""What every model can be told about its windows and its training, whatever its network."""

from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any

from timeseries.deeplearning.augmentation import check_strengths
from timeseries.deeplearning.losses import POINT_LOSSES, QUANTILE_LOSSES
from timeseries.deeplearning.optimizers import OPTIMIZERS, SCHEDULES, WITH_MOMENTUM
from timeseries.deeplearning.runtime import PRECISIONS
from timeseries.errors import SettingError, shown
from timeseries.settings import TINY, Settings, Span, setting, settings_class


@settings_class
class TrainingSettings(Settings):
    """The settings that all models share; ``config`` may hold any by name and wins over the keywords."""

    input_size: int | None = setting(
        None, "Features of one row; taken from the data when absent.", Integral, low=1
    )
    output_size: int | None = setting(None, "Targets; taken from the data when absent.", Integral, low=1)
    sequence_length: int = setting(20, "Rows of one window (the context).", Integral, low=1)
    horizon: int = setting(1, "Steps to forecast.", Integral, low=1)
    window_step: int = setting(
        1,
        "Rows from one training window to the next; more for long windows that overlap.",
        Integral,
        low=1,
    )
    epochs: int = setting(100, "Passes over all training windows, at most.", Integral, low=1)
    max_steps: int | None = setting(
        None, "Optimiser steps, at most, if that is fewer than the epochs take.", Integral, low=1
    )
    max_seconds: float | None = setting(
        None,
        "Seconds that training may take, beside a final refit; fewer steps are planned if it is too short.",
        Real,
        low=TINY,
    )
    batch_size: int = setting(
        32, "Windows of one optimiser step.", Integral, low=1, search=(32, 64, 128, 256)
    )
    learning_rate: float = setting(
        1e-3,
        "Step size of the optimiser, its peak in a cycle.",
        Real,
        low=TINY,
        search=Span(1e-4, 1e-2, log=True),
    )
    schedule: str = setting(
        "constant",
        "How the learning rate moves; one_cycle: up for 30 % of all planned steps, then down to almost 0; "
        "cosine: down to 0; cosine_restarts: the same in each of its cycles; step and plateau: times "
        "decay_factor, now and then.",
        str,
        choices=SCHEDULES,
    )
    cycles: int = setting(5, "Times that cosine_restarts falls to 0.", Integral, low=1)
    decay_epochs: int = setting(
        10,
        "Epochs from one drop of the rate to the next (step), or without a better loss before one (plateau).",
        Integral,
        low=1,
    )
    decay_factor: float = setting(
        0.1, "What a drop multiplies the rate with (step, plateau).", Real, low=TINY, high=1 - TINY
    )
    optimizer: str = setting("adam", "How gradients become steps.", str, choices=tuple(OPTIMIZERS))
    momentum: float | None = setting(
        None, "Of sgd (None: 0.9) and rmsprop (None: 0).", Real, low=0, high=1 - TINY
    )
    nesterov: bool = setting(False, "Let sgd look ahead along its momentum.", bool)
    weight_decay: float = setting(
        0.0, "Pull of the weights towards 0; decoupled with adamw, an L2 penalty else.", Real, low=0.0
    )
    l1: float = setting(
        0.0,
        "Penalty on the sum of the absolute weights; train_loss is without it.",
        Real,
        low=0.0,
        high=1e6,
    )
    loss: str | Callable[..., Any] = setting(
        "mse",
        "What training makes small; huber and smooth_l1 are quadratic up to 1 scaled unit and linear beyond, "
        "mape and smape in the units of the target; or a function of yours of forecast and target (..., H, "
        "D) that gives one number each.",
        str,
        choices=(*POINT_LOSSES, *QUANTILE_LOSSES),
        callables=True,
    )
    quantiles: tuple[float, ...] | None = setting(
        None, "Levels forecast with loss='pinball', 0.5 among them.", tuple
    )
    clip_norm: float | None = setting(
        None, "Largest gradient norm of one step; None: no limit.", Real, low=TINY
    )
    clip_value: float | None = setting(
        None, "Largest size of every number of a gradient; None: no limit.", Real, low=TINY, high=1e30
    )
    accumulate_batches: int = setting(
        1,
        "Batches whose gradients make one step: as if batch_size were that many times larger, in the memory "
        "of one.",
        Integral,
        low=1,
    )
    patience: int | None = setting(
        None, "Epochs without a better validation loss before training stops; None: never.", Integral, low=1
    )
    min_delta: float = setting(
        0.0, "How much lower than the best a validation loss must be to count as better.", Real, low=0.0
    )
    restore_best_weights: bool = setting(
        True, "End with the weights of the best validation loss; False: with the last.", bool
    )
    augmentation: Mapping[str, float] | None = setting(
        None, "Changes to the windows of training, each by name with its strength.", Mapping
    )
    instance_norm: bool = setting(
        False, "Give each window zero mean and unit deviation, and undo it in the forecast.", bool
    )
    linear_skip: bool = setting(
        False, "Add a linear map of each target's own past to what the network forecasts.", bool
    )
    last_value_residual: bool = setting(
        False, "Let the network forecast the change from the last observed value.", bool
    )
    every_position: bool = setting(
        False, "Train on a forecast from every position of the window, not only from its end.", bool
    )
    device: str = setting(
        "cpu",
        "Where the network runs; auto: where a few timed steps are fastest.",
        str,
        choices=("cpu", "cuda", "mps", "auto"),
    )
    precision: str = setting(
        "float32",
        "Numbers that training computes with, the weights being float32; auto: bfloat16 where the machine "
        "has it, a few timed steps are faster with it and they lower the loss as far.",
        str,
        choices=PRECISIONS,
    )
    threads: int | str | None = setting(
        None,
        "Threads of the CPU while training; None: as many as the process has; auto: that many or fewer, as a "
        "few timed steps are fastest.",
        (Integral, str),
        low=1,
        high=1024,
        choices=("auto",),
    )
    seed: int = setting(
        0,
        "Decides the initial weights, the order of windows, dropout and augmentation.",
        Integral,
        low=0,
        high=2**63 - 1,
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if isinstance(self.augmentation, Mapping):
            yield from self._augmentation_problems(self.augmentation)
        if not found:
            yield from self._optimizer_problems()
            yield from self._quantile_problems()
            yield from self._every_position_problems()

    def _augmentation_problems(self, strengths: Mapping[str, float]) -> Iterator[str]:
        try:
            check_strengths(strengths)
        except SettingError as error:
            yield str(error).rstrip(".")

    def _optimizer_problems(self) -> Iterator[str]:
        if self.momentum is not None and self.optimizer not in WITH_MOMENTUM:
            yield f"momentum belongs to {' and '.join(WITH_MOMENTUM)}, but optimizer is {self.optimizer!r}"
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            yield (
                f"nesterov needs optimizer='sgd' and a momentum above 0, but optimizer is {self.optimizer!r} "
                f"and momentum {self.momentum}"
            )

    def _every_position_problems(self) -> Iterator[str]:
        for name in ("instance_norm", "linear_skip"):
            if self.every_position and getattr(self, name):
                yield (
                    f"every_position=True needs what a position knows, but {name} reads the whole window: "
                    f"set {name}=False"
                )

    def _quantile_problems(self) -> Iterator[str]:
        levels = self.quantiles
        if self.loss not in QUANTILE_LOSSES:
            if levels is not None:
                yield f"quantiles need loss='pinball', but loss is {shown(self.loss)}"
        elif not levels or 0.5 not in levels:
            yield f"quantiles must name the levels to forecast, 0.5 among them, got {levels!r}"
        elif not all(isinstance(level, Real) for level in levels):
            yield f"quantiles must be numbers, got {levels!r}"
        elif list(levels) != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1:
            yield f"quantiles must increase strictly between 0 and 1, got {levels!r}"
