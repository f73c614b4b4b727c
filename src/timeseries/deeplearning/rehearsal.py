"""A training tried on a copy: how it is fastest, which rate suits it, how large batches should be."""

import copy
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from timeseries.deeplearning.checkpoint import CheckpointFile
from timeseries.deeplearning.engine import Model, batches_of, build, learning, sizes_for
from timeseries.deeplearning.gather import Batch, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.losses import make_loss
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.plan import Pace
from timeseries.deeplearning.runtime import (
    available_devices,
    check_precision,
    has_bfloat16,
    number_of_threads,
    told_of_memory,
)
from timeseries.deeplearning.trainer import Trainer
from timeseries.errors import MemoryLimitError, TrainingError, require_whole
from timeseries.windows import WindowIndex

LOG = logging.getLogger("timeseries")
Result = TypeVar("Result")
AnyModel = TypeVar("AnyModel", bound=Model)
RATES = (1e-7, 10.0)  # between which a learning rate is looked for
WATCHED = 256  # windows whose loss is compared after every step
VISIBLE = 0.01  # share of the first loss that a fall must have
OVERSHOT = 0.25  # share of the first loss by which one lies above it whose rate is too large
BATCH_SIZES = (8, 4096)  # between which a batch size is looked for
COMPARED_STEPS = 30  # after which the losses of two precisions are compared,
UNHARMED = 0.01  # which may differ by this share
GOOD_SHARE = 0.9  # of the highest throughput, that a smaller batch may give away


def placed(
    model: AnyModel,
    table: SeriesTable,
    scaling: Scaling,
    train: WindowIndex,
    kept: CheckpointFile | None = None,
) -> tuple[AnyModel, ResidentGather]:
    """Return a copy of a model with device, threads and precision to train with, and the door to the windows.

    A checkpoint to go on from says what was chosen, and is told what is.
    """
    there = copy.copy(model) if kept is None else kept.begun(model)
    there.device = choose_device(there, table, scaling, train)
    buffers = Buffers(table, context=model.sequence_length, device=there.device)
    gather = ResidentGather(buffers, scaling, horizon=model.horizon)
    there.threads = choose_threads(there, gather, train)
    there.precision = choose_precision(there, gather, train)
    if kept is not None:
        kept.place(there)
    return there, gather


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


def choose_threads(model: Model, gather: ResidentGather, train: WindowIndex) -> int | None:
    """Return how many threads to train with: as the model says, or with threads='auto' what a trial says.

    1, 2, 4, ... and as many as the process has are tried in two rounds, the second in reverse order; the best
    time of each counts. What was chosen, and why, is logged under the name ``timeseries``.
    """
    if not isinstance(model.threads, str):
        return model.threads
    most = number_of_threads()
    tried = sorted({2**power for power in range(most.bit_length())} | {most})
    seconds = dict.fromkeys(tried, math.inf)
    there = copy.copy(model)
    for number in [*tried, *reversed(tried)] if len(tried) > 1 else []:
        there.threads = number
        seconds[number] = min(seconds[number], Rehearsal(there, gather, train).pace().step)
    chosen = min(tried, key=seconds.__getitem__)
    measured = ", ".join(f"{number}: {1000 * seconds[number]:.3g} ms" for number in tried)
    reason = "the process has no more" if len(tried) == 1 else f"a step took: {measured}"
    LOG.info("threads='auto' chose %d: %s", chosen, reason)
    return chosen


def choose_precision(model: Model, gather: ResidentGather, train: WindowIndex) -> str:
    """Return what to compute with: as the model says, or with precision='auto' what a trial is faster with.

    bfloat16 must also lower the loss of the same windows as far as float32 does. What was chosen, and why, is
    logged under the name ``timeseries``.
    """
    if model.precision != "auto":
        return model.precision
    if not has_bfloat16(model.device):
        LOG.info("precision='auto' chose float32: %s does not compute with bfloat16", model.device)
        return "float32"
    seconds, losses = {}, {}
    for precision in ("float32", "bfloat16"):
        there = copy.copy(model)
        there.precision = precision
        trial = Rehearsal(there, gather, train)
        seconds[precision] = trial.pace().step
        losses[precision] = trial.losses_at([model.learning_rate] * COMPARED_STEPS)[-1]
    as_good = losses["bfloat16"] <= (1 + UNHARMED) * losses["float32"]
    chosen = "bfloat16" if as_good and seconds["bfloat16"] < seconds["float32"] else "float32"
    measured = ", ".join(
        f"{name} {1000 * seconds[name]:.3g} ms a step, loss {losses[name]:.4g} after {COMPARED_STEPS}"
        for name in seconds
    )
    LOG.info("precision='auto' chose %s: %s", chosen, measured)
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
        """Return the loss of the same windows after every step, while the rate takes these values."""
        return self._try(
            lambda trainer, network, batches: trainer.losses_at(
                network, batches, self._watched(batches), rates
            )
        )

    def _watched(self, batches: Batches) -> Batch:
        """Return the windows to compare losses on, drawn in an order that no step follows."""
        stride, levels = batches.position_stride, batches.levels
        drawn = Batches(self.gather, self.train, WATCHED, self.model.seed, stride, levels)
        return next(drawn.epoch(1))

    def _try(self, action: Callable[[Trainer, ForecastNetwork, Batches], Result]) -> Result:
        model = self.model
        check_precision(model.precision, model.device)
        with learning(model):
            network = build(model, sizes_for(model, self.gather.table)).to(model.device)
            loss = make_loss(model.loss, model.quantiles)
            return action(
                Trainer(model, loss), network, batches_of(model, network, loss, self.gather, self.train)
            )


@dataclass(frozen=True, repr=False)
class LearningRateCurve:
    """The losses of a training whose learning rate grew from step to step (Smith 2017, section 3.3).

    They are those of the same windows throughout, so that noise between batches is no fall.
    """

    rates: tuple[float, ...]
    """The rate of every step."""
    losses: tuple[float, ...]
    """The loss after that step, in scaled units, of the same windows; the first changes next to nothing."""

    def __repr__(self) -> str:
        tried = f"{len(self.rates)} rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}"
        low = self._lowest
        if not self._falls:
            return f"LearningRateCurve(no suggestion, {tried}, no fall of the loss from {self.losses[0]:.4g})"
        fall = f"loss from {self.losses[0]:.4g} to {self.losses[low]:.4g} at {self.rates[low]:.2g}"
        return f"LearningRateCurve(suggestion={self.suggestion:.2g}, {tried}, {fall})"

    @property
    def suggestion(self) -> float:
        """The smallest rate by whose step half of the fall is done, from the first loss to the lowest.

        Near it the loss falls fastest per factor of the rate. What comes after a loss that is a quarter above
        the first does not count: such a rate is too large. In a long training this is an upper end; a tenth
        of it is the cautious choice.

        Raises
        ------
        TrainingError
            If the loss falls by less than a hundredth of the first one.
        """
        first, lowest = self.losses[0], self.losses[self._lowest]
        if not self._falls:
            raise TrainingError(
                f"The loss did not fall visibly at any learning rate: it began at {first:.4g}, and "
                f"{lowest:.4g} was the lowest. So none can be suggested. Perhaps little is left to learn "
                "where the network begins, or the inputs tell nothing about the target. Keep your rate, "
                "give more steps, or try another loss."
            )
        return next(
            rate for rate, loss in zip(self.rates, self.losses, strict=True) if loss <= (first + lowest) / 2
        )

    @property
    def _lowest(self) -> int:
        """The step of the lowest loss before one that is far above the first."""
        losses = np.array(self.losses)  # (steps,)
        above = np.flatnonzero(losses - losses[0] > OVERSHOT * abs(losses[0]))
        return int(np.argmin(losses[: above[0]] if len(above) else losses))

    @property
    def _falls(self) -> bool:
        first = self.losses[0]
        return first - self.losses[self._lowest] >= VISIBLE * abs(first) > 0


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

    After every step the loss of the same 256 windows is taken: what differs is due to the steps alone.

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
    losses = [loss for loss in rehearsal.losses_at(rates) if math.isfinite(loss)]
    if not losses:
        raise TrainingError("The loss is not finite after the first step. Check the data.")
    return LearningRateCurve(tuple(rates[: len(losses)]), tuple(losses))


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
