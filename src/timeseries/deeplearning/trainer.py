"""THE training loop: fit, epoch, step. The only file that calls backward().

Nothing in it waits for the device within a step: losses stay there and are read every ``READ_EVERY`` steps.
A loss that is not finite is found at the next reading, together with the step where it began.
"""

import copy
import math
import time
from itertools import islice
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from timeseries.deeplearning.gather import Batch, Batches
from timeseries.deeplearning.history import EpochRecord, Report
from timeseries.deeplearning.losses import Loss, weighted_mean
from timeseries.deeplearning.optimizers import make_optimizer, make_schedule
from timeseries.errors import TrainingError

READ_EVERY = 256  # steps between readings of the losses
TOO_LARGE = 1e15  # scaled values whose square nears the end of float32


class LoopSettings(Protocol):
    """The settings that the loop reads."""

    epochs: int
    max_steps: int | None
    learning_rate: float
    schedule: str
    optimizer: str
    weight_decay: float
    clip_norm: float | None
    patience: int | None


class Trainer:
    """Fit a network to windows and leave it with its best weights.

    Parameters
    ----------
    settings : LoopSettings
        How to train.
    loss : Loss
        What to make small.
    on_epoch : callable, optional
        Told about every epoch, and how many there are at most.
    """

    def __init__(self, settings: LoopSettings, loss: Loss, on_epoch: Report | None = None) -> None:
        self.settings, self.loss, self.on_epoch = settings, loss, on_epoch

    def fit(self, network: nn.Module, train: Batches, validation: Batches | None = None) -> list[EpochRecord]:
        """Train ``network`` in place and return what happened in each epoch.

        With validation batches the weights of the best epoch are put back; without, the last stay.
        """
        plan = self._steps_of_epochs(len(train))
        learner = _Learner(self.settings, network, sum(plan))
        history: list[EpochRecord] = []
        best_loss, best_epoch, best_weights = math.inf, 0, None
        for epoch, steps in enumerate(plan):
            started = time.perf_counter()
            train_loss = self._epoch(network, train, epoch, steps, learner)
            val_loss = None if validation is None else self.evaluate(network, validation, epoch)
            seconds = time.perf_counter() - started
            record = EpochRecord(
                epoch=epoch, steps=steps, train_loss=train_loss, val_loss=val_loss, seconds=seconds
            )
            history.append(record)
            if self.on_epoch is not None:
                self.on_epoch(record, len(plan))
            if val_loss is None:
                continue
            if val_loss < best_loss:
                best_loss, best_epoch = val_loss, epoch
                best_weights = copy.deepcopy(network.state_dict())
            elif self.settings.patience is not None and epoch - best_epoch >= self.settings.patience:
                break
        if best_weights is not None:
            network.load_state_dict(best_weights)
        if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
            raise TrainingError(
                "Training ended with weights that are not finite: its last step diverged. "
                "Lower learning_rate, or set clip_norm=1."
            )
        return history

    def evaluate(self, network: nn.Module, batches: Batches, epoch: int = 0) -> float:
        """Return the mean loss over all targets of ``batches``, without learning from them."""
        with torch.inference_mode():
            return self._epoch(network, batches, epoch, len(batches), None)

    def _steps_of_epochs(self, full: int) -> list[int]:
        """Return the steps of each epoch; ``max_steps`` may cut the last one short."""
        total = full * self.settings.epochs
        if self.settings.max_steps is not None:
            total = min(total, self.settings.max_steps)
        return [full] * (total // full) + [total % full] * (total % full > 0)

    def _epoch(
        self,
        network: nn.Module,
        batches: Batches,
        epoch: int,
        steps: int,
        learner: "_Learner | None",
    ) -> float:
        """Walk over the batches of an epoch, learning if there is a learner; return the mean loss."""
        network.train(learner is not None)
        record = _LossRecord(batches, epoch, "validation loss" if learner is None else "loss")
        for step, batch in enumerate(islice(batches.epoch(epoch), steps)):
            forward: Any = network.at_every_position if batch.every_position else network
            loss = weighted_mean(self.loss(forward(batch.window), batch.target), batch.weight)  # ()
            if learner is not None:
                learner.step(loss)
            record.add(step, loss.detach(), batch)
        return record.mean()


class _Learner:
    """What turns a loss into new weights: optimiser, clipping, and the rate of each planned step."""

    def __init__(self, settings: LoopSettings, network: nn.Module, steps: int) -> None:
        self.parameters, self.clip_norm = list(network.parameters()), settings.clip_norm
        self.optimizer = make_optimizer(
            settings.optimizer, self.parameters, settings.learning_rate, settings.weight_decay
        )
        self.schedule = make_schedule(settings.schedule, self.optimizer, steps)

    def step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()


class _LossRecord:
    """The losses of an epoch, kept on the device and read now and then."""

    def __init__(self, batches: Batches, epoch: int, name: str) -> None:
        self.batches, self.epoch, self.name = batches, epoch, name
        self.losses = torch.zeros(READ_EVERY, device=batches.gather.device)
        self.weights = torch.zeros(READ_EVERY, device=batches.gather.device)
        self.first, self.count = 0, 0
        self.total, self.weight = 0.0, 0.0

    def add(self, step: int, loss: Tensor, batch: Batch) -> None:
        self.losses[self.count] = loss
        self.weights[self.count] = batch.target.numel() if batch.weight is None else batch.weight.sum()
        self.count += 1
        if self.count == READ_EVERY:
            self._read()

    def mean(self) -> float:
        self._read()
        if not self.weight:
            raise TrainingError(
                "No target was observed in any of the windows. Give rows with observed targets, "
                "for validation too (val_size)."
            )
        return self.total / self.weight

    def _read(self) -> None:
        losses = self.losses[: self.count].double().cpu().numpy()
        weights = self.weights[: self.count].double().cpu().numpy()
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            self._raise_not_finite(self.first + int(bad[0]), float(losses[bad[0]]))
        self.total += float(losses @ weights)
        self.weight += float(weights.sum())
        self.first, self.count = self.first + self.count, 0

    def _raise_not_finite(self, step: int, loss: float) -> NoReturn:
        where = (
            f"The {self.name} became {loss} at epoch {self.epoch + 1}, step {step + 1} of {len(self.batches)}"
        )
        raise TrainingError(f"{where}: {_cause(self.batches, self.epoch, step)}")


def _cause(batches: Batches, epoch: int, step: int) -> str:
    """Find the batch again from its cursor and say why its loss is not finite, and what to do."""
    series, origin = batches.locate(epoch, step, step + 1)
    window, target = batches.gather.window(series, origin), batches.gather.target(series, origin)[0]
    past = window.past if window.observed is None else window.past.masked_fill(~window.observed, 0.0)
    largest = torch.maximum(past.abs().flatten(1).amax(dim=1), target.abs().flatten(1).amax(dim=1))  # (B,)
    worst = int(largest.nan_to_num(nan=math.inf).argmax())
    name = batches.gather.table.names[series[worst]]
    row = int(origin[worst] - batches.gather.table.offsets[series[worst]])
    if not float(largest[worst]) < TOO_LARGE:
        return (
            f"series {name!r} holds a value near row {row} that is too large to train on. "
            "Check that row, or rescale the series."
        )
    return (
        f"the weights diverged. The largest scaled value of that batch is {largest[worst]:.3g} "
        f"(series {name!r}, window ending at row {row}). Lower learning_rate, or set clip_norm=1."
    )
