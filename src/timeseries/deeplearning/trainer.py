"""THE training loop: fit, epoch, step. The only file that calls backward().

Nothing in it waits for the device within a step: losses stay there and are read every ``READ_EVERY`` steps.
A loss that is not finite is found at the next reading, together with the step where it began.
"""

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle, islice
from statistics import fmean
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from timeseries.deeplearning.gather import Batch, Batches
from timeseries.deeplearning.history import EpochRecord, Reporter
from timeseries.deeplearning.losses import Loss, weighted_mean
from timeseries.deeplearning.optimizers import make_optimizer, make_schedule
from timeseries.deeplearning.plan import Pace, Plan
from timeseries.deeplearning.runtime import forked, wait_for
from timeseries.errors import TrainingError

READ_EVERY = 256  # steps between readings of the losses
TOO_LARGE = 1e15  # scaled values whose square nears the end of float32
TRIAL_STEPS = 10  # taken on a copy to learn the pace,
WARM_UP = 2  # the first of which do not count
TRIAL_SECONDS = 0.5  # after which a trial ends early,
TRIAL_SHARE = 0.05  # or, where there are max_seconds, after this share of them
MARGIN = 0.1  # of max_seconds is not planned for, since a pace varies


class LoopSettings(Protocol):
    """The settings that the loop reads."""

    epochs: int
    max_steps: int | None
    max_seconds: float | None
    learning_rate: float
    schedule: str
    optimizer: str
    weight_decay: float
    clip_norm: float | None
    patience: int | None


class Training(NamedTuple):
    """What happened in each epoch, and whether Ctrl-C ended it."""

    history: list[EpochRecord]
    interrupted: bool


class Trainer:
    """Fit a network to windows and leave it with its best weights.

    Parameters
    ----------
    settings : LoopSettings
        How to train.
    loss : Loss
        What to make small.
    reporter : Reporter, optional
        Told about the plan, every step and every epoch.
    """

    def __init__(self, settings: LoopSettings, loss: Loss, reporter: Reporter | None = None) -> None:
        self.settings, self.loss = settings, loss
        self.reporter = Reporter() if reporter is None else reporter

    def fit(self, network: nn.Module, train: Batches, validation: Batches | None = None) -> Training:
        """Train ``network`` in place and return what happened in each epoch.

        With validation batches the weights of the best epoch are put back; without, the last stay. So it
        is when Ctrl-C ends training after its first step: the caller gets what there is, and is told.
        """
        began = time.perf_counter()
        plan = self._plan(network, train, validation)
        run = _Run(self.settings, network, plan, began)
        interrupted = False
        try:
            self.reporter.begin(plan)
            self._epochs(run, train, validation)
        except KeyboardInterrupt:
            if not run.started:
                raise
            run.note_unfinished_epoch()
            interrupted = True
        finally:
            self.reporter.end()
        run.put_back_best()
        _check_weights(network)
        return Training(run.history, interrupted)

    def _epochs(self, run: "_Run", train: Batches, validation: Batches | None) -> None:
        for epoch, steps in enumerate(run.plan.epochs):
            run.losses = _LossRecord(train, epoch, "loss")
            self._epoch(run.network, islice(train.epoch(epoch), steps), run.losses, run)
            val_loss = None if validation is None else self.evaluate(run.network, validation, epoch)
            self.reporter.epoch(run.note(run.losses, val_loss))
            if run.is_over():
                break

    def evaluate(self, network: nn.Module, batches: Batches, epoch: int = 0) -> float:
        """Return the mean loss over all targets of ``batches``, without learning from them."""
        losses = _LossRecord(batches, epoch, "validation loss")
        with torch.inference_mode():
            self._epoch(network, batches.epoch(epoch), losses)
        return losses.mean()

    def _epoch(
        self, network: nn.Module, batches: Iterable[Batch], losses: "_LossRecord", run: "_Run | None" = None
    ) -> None:
        """Walk over batches and record their losses; learn from them in a run, while its time lasts."""
        network.train(run is not None)
        for batch in batches:
            loss = self._step(network, batch, None if run is None else run.learner)
            losses.add(loss.detach(), batch)
            if run is not None:
                self.reporter.step()
                if time.perf_counter() >= run.deadline:
                    break

    def _step(self, network: nn.Module, batch: Batch, learner: "_Learner | None") -> Tensor:
        """Return the mean loss of a batch, (); learn from it if there is a learner."""
        forward: Any = network.at_every_position if batch.every_position else network
        loss = weighted_mean(self.loss(forward(batch.window), batch.target), batch.weight)  # ()
        if learner is not None:
            learner.step(loss)
        return loss

    def _plan(self, network: nn.Module, train: Batches, validation: Batches | None) -> Plan:
        """Return how many steps to take; ``max_steps`` and ``max_seconds`` may end before the epochs do."""
        began = time.perf_counter()
        steps = len(train) * self.settings.epochs
        if self.settings.max_steps is not None:
            steps = min(steps, self.settings.max_steps)
        plan = Plan(len(train), steps)
        if self.settings.max_seconds is None and not self.reporter.wants_estimate:
            return plan
        plan = replace(plan, pace=self._pace(network, plan, train, validation))
        if self.settings.max_seconds is None:
            return plan
        spent = time.perf_counter() - began
        return plan.within(max(0.0, (1 - MARGIN) * self.settings.max_seconds - spent))

    def _pace(self, network: nn.Module, plan: Plan, train: Batches, validation: Batches | None) -> Pace:
        """Take the first steps on a copy of the network, and leave neither a trace nor a random number."""
        device = train.gather.device
        with forked(device.type):
            trial = copy.deepcopy(network).to(device)  # .to() lays out the weights as cuDNN wants them
            learner = _Learner(self.settings, trial, max(plan.steps, TRIAL_STEPS))
            step = self._seconds_per_batch(trial, train, learner)
            if validation is None:
                return Pace(step)
            with torch.inference_mode():
                return Pace(step, len(validation) * self._seconds_per_batch(trial, validation, None))

    def _seconds_per_batch(self, network: nn.Module, batches: Batches, learner: "_Learner | None") -> float:
        network.train(learner is not None)
        budget = self.settings.max_seconds
        limit = TRIAL_SECONDS if budget is None else TRIAL_SHARE * budget
        seconds: list[float] = []
        began = time.perf_counter()
        for batch in islice(cycle(batches.epoch(0)), TRIAL_STEPS):
            self._step(network, batch, learner)
            wait_for(batches.gather.device)
            seconds.append(time.perf_counter() - began - sum(seconds))
            if sum(seconds) > limit:
                break
        return fmean(seconds[WARM_UP:] or seconds[-1:])


class _Run:
    """A training under way: its learner, its deadline, and what stays when it ends early."""

    def __init__(self, settings: LoopSettings, network: nn.Module, plan: Plan, began: float) -> None:
        self.network, self.plan, self.patience = network, plan, settings.patience
        self.learner = _Learner(settings, network, plan.steps)
        self.deadline = math.inf
        if settings.max_seconds is not None and plan.pace is not None:
            self.deadline = began + settings.max_seconds - plan.pace.validation
        self.history: list[EpochRecord] = []
        self.losses: _LossRecord | None = None  # of the epoch under way
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: dict[str, Tensor] | None = None

    @property
    def started(self) -> bool:
        """Say whether a step was taken."""
        return bool(self.history) or (self.losses is not None and self.losses.steps > 0)

    def note(self, losses: "_LossRecord", val_loss: float | None) -> EpochRecord:
        """Write an epoch into the history, and keep its weights if they are the best."""
        record = EpochRecord(
            epoch=losses.epoch,
            steps=losses.steps,
            train_loss=losses.mean(),
            val_loss=val_loss,
            seconds=time.perf_counter() - losses.began,
        )
        self.losses = None
        self.history.append(record)
        if val_loss is not None and val_loss < self.best_loss:
            weights = copy.deepcopy(self.network.state_dict())
            self.best_loss, self.best_epoch, self.best_weights = val_loss, losses.epoch, weights
        return record

    def note_unfinished_epoch(self) -> None:
        """Write the steps of an epoch that Ctrl-C ended into the history, if their weights stay."""
        if self.losses is not None and self.losses.steps and self.best_weights is None:
            self.note(self.losses, None)

    def is_over(self) -> bool:
        """Say whether patience or time has run out."""
        waited = self.history[-1]["epoch"] - self.best_epoch
        impatient = self.best_weights is not None and self.patience is not None and waited >= self.patience
        return impatient or time.perf_counter() >= self.deadline

    def put_back_best(self) -> None:
        """Give the network the weights of its best epoch, if epochs were compared."""
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)


def _check_weights(network: nn.Module) -> None:
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        raise TrainingError(
            "Training ended with weights that are not finite: its last step diverged. "
            "Lower learning_rate, or set clip_norm=1."
        )


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
        self.began = time.perf_counter()
        self.losses = torch.zeros(READ_EVERY, device=batches.gather.device)
        self.weights = torch.zeros(READ_EVERY, device=batches.gather.device)
        self.first, self.count = 0, 0
        self.total, self.weight = 0.0, 0.0

    @property
    def steps(self) -> int:
        return self.first + self.count

    def add(self, loss: Tensor, batch: Batch) -> None:
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
