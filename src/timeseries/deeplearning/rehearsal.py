"""A training tried on a copy: where it is fastest, which rate suits it, how large a batch should be."""

import copy
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from timeseries.deeplearning.engine import Model, batches_of, build, sizes_for
from timeseries.deeplearning.gather import Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.losses import make_loss
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.plan import Pace
from timeseries.deeplearning.runtime import available_devices, seeded, threads, told_of_memory
from timeseries.deeplearning.trainer import Trainer
from timeseries.errors import MemoryLimitError, TrainingError, require_whole
from timeseries.windows import WindowIndex

LOG = logging.getLogger("timeseries")
Result = TypeVar("Result")
RATES = (1e-7, 10.0)  # between which a learning rate is looked for
SMOOTHING = 0.1  # weight of the newest loss in the running mean of a curve
UNSETTLED = 10  # first steps, whose running mean rests on few losses
BATCH_SIZES = (8, 4096)  # between which a batch size is looked for
GOOD_SHARE = 0.9  # of the highest throughput, that a smaller batch may give away


def choose_device(model: Model, table: SeriesTable, scaling: Scaling, train: WindowIndex) -> str:
    """Return where to train: as the model says, or with device='auto' where a few timed steps are fastest.

    What was chosen, and why, is logged under the name ``timeseries``.
    """
    if model.device != "auto":
        return model.device
    there = available_devices()
    seconds = {
        device: _seconds_per_step(model, device, table, scaling, train) if len(there) > 1 else 0.0
        for device in there
    }
    chosen = min(there, key=seconds.__getitem__)
    measured = ", ".join(f"{device} {1000 * seconds[device]:.3g} ms" for device in there)
    reason = "it is the only one here" if len(there) == 1 else f"a step took: {measured}"
    LOG.info("device='auto' chose %s: %s", chosen, reason)
    return chosen


def _seconds_per_step(
    model: Model, device: str, table: SeriesTable, scaling: Scaling, train: WindowIndex
) -> float:
    there = copy.copy(model)
    there.device = device
    gather = ResidentGather(
        Buffers(table, context=model.sequence_length, device=device), scaling, horizon=model.horizon
    )
    return Rehearsal(there, gather, train).pace().step


class Rehearsal:
    """A training that is tried on a copy: a few steps that tell how it would go, and leave nothing behind.

    Parameters
    ----------
    model : Model
        The settings, and the network.
    gather : ResidentGather
        Where the windows come from.
    train : WindowIndex
        Which windows.
    """

    def __init__(self, model: Model, gather: ResidentGather, train: WindowIndex) -> None:
        self.model, self.gather, self.train = model, gather, train

    def pace(self) -> Pace:
        """Measure the seconds of a step."""
        return self._try(lambda trainer, network, batches: trainer.pace(network, batches))

    def losses_at(self, rates: Sequence[float]) -> list[float]:
        """Return the loss of every step while the rate takes these values."""
        return self._try(lambda trainer, network, batches: trainer.losses_at(network, batches, rates))

    def _try(self, action: Callable[[Trainer, ForecastNetwork, Batches], Result]) -> Result:
        model = self.model
        with seeded(model.seed, model.device), threads(model.threads):
            network = build(model, sizes_for(model, self.gather.table)).to(model.device)
            loss = make_loss(model.loss, model.quantiles)
            return action(
                Trainer(model, loss), network, batches_of(model, network, loss, self.gather, self.train)
            )


@dataclass(frozen=True)
class LearningRateCurve:
    """The losses of a training whose learning rate grew from step to step (Smith 2017, section 3.3)."""

    rates: tuple[float, ...]
    """The rate of every step."""
    losses: tuple[float, ...]
    """The loss before that step, in scaled units; a running mean."""

    @property
    def suggestion(self) -> float:
        """The rate at which the loss falls fastest, per factor of the rate."""
        lowest = int(np.argmin(self.losses))
        if lowest < 2:
            raise TrainingError(
                "The loss did not fall at any learning rate, so none can be suggested. Check the data, or "
                "try another loss."
            )
        first = UNSETTLED if lowest > 2 * UNSETTLED else 0
        falling = slice(first, lowest + 1)
        slope = np.gradient(self.losses[falling], np.log(self.rates[falling]))  # (steps,)
        return self.rates[first + int(np.argmin(slope))]


@dataclass(frozen=True)
class BatchSizeCurve:
    """How many windows a training learns from in a second, by the size of its batches."""

    sizes: tuple[int, ...]
    windows_per_second: tuple[float, ...]

    @property
    def suggestion(self) -> int:
        """The smallest size that learns from nearly as many windows as the best: small batches learn more."""
        enough = GOOD_SHARE * max(self.windows_per_second)
        return next(
            size for size, speed in zip(self.sizes, self.windows_per_second, strict=True) if speed >= enough
        )


def find_learning_rate(rehearsal: Rehearsal, steps: int = 100) -> LearningRateCurve:
    """Let the rate grow from 1e-7 to 10, by the same factor every step, and watch the loss.

    Parameters
    ----------
    rehearsal : Rehearsal
        What to train.
    steps : int
        Optimiser steps.

    Raises
    ------
    TrainingError
        If the loss is not finite from the first step on.
    """
    require_whole(steps=(steps, 10))
    rates = np.geomspace(*RATES, steps).tolist()
    losses = rehearsal.losses_at(rates)
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not finite:
        raise TrainingError("The loss is not finite before the first step. Check the data.")
    smooth, mean = [], 0.0
    for step, loss in enumerate(finite, start=1):
        mean += SMOOTHING * (loss - mean)
        smooth.append(mean / (1 - (1 - SMOOTHING) ** step))  # without the pull of the 0 that it started from
    return LearningRateCurve(tuple(rates[: len(smooth)]), tuple(smooth))


def find_batch_size(rehearsal: Rehearsal) -> BatchSizeCurve:
    """Time a few steps at every power of two, up to all windows or to the end of the memory."""
    model, gather, train = rehearsal.model, rehearsal.gather, rehearsal.train
    sizes: list[int] = []
    speeds: list[float] = []
    size = BATCH_SIZES[0]
    while size <= BATCH_SIZES[1]:
        trial = copy.copy(model)
        trial.batch_size = min(size, len(train))
        try:
            with told_of_memory(f"Training on batches of {trial.batch_size} windows", ""):
                seconds = Rehearsal(trial, gather, train).pace().step
        except MemoryLimitError:
            if not sizes:
                raise
            break
        sizes.append(trial.batch_size)
        speeds.append(trial.batch_size * trial.accumulate_batches / seconds)
        if size >= len(train):
            break
        size *= 2
    return BatchSizeCurve(tuple(sizes), tuple(speeds))
