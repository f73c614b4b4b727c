"""THE training loop: fit, epoch, step. The only file that calls backward().

Nothing in it waits for the device within a step: losses stay there and are read now and then (LossRecord).
A loss that is not finite is found at the next reading, together with the step where it began. Between two
steps a run can be taken down as numbers and tensors (RunState), and another one can go on from there.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import cycle, islice
from statistics import fmean
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from timeseries.deeplearning.augmentation import augment, generator_of
from timeseries.deeplearning.crowding import CrowdWatch
from timeseries.deeplearning.gather import Batch, Batches
from timeseries.deeplearning.history import (
    Callback,
    EpochRecord,
    Keeper,
    RunState,
    checked_history,
    is_number,
)
from timeseries.deeplearning.loss_record import LossRecord
from timeseries.deeplearning.losses import Loss, weighted_mean
from timeseries.deeplearning.optimizers import OptimizerSettings, make_optimizer, make_schedule
from timeseries.deeplearning.plan import Pace, Plan
from timeseries.deeplearning.runtime import forked, mixed, random_state, set_random_state, wait_for
from timeseries.errors import DataError, SettingError, TrainingError, require_whole, shown

TRIAL_STEPS = 10  # taken on a copy to learn the pace,
WARM_UP = 2  # the first of which do not count
TRIAL_SECONDS = 0.5  # after which a trial ends early,
TRIAL_SHARE = 0.05  # or, where there are max_seconds, after this share of them
LARGEST_WEIGHT = 1e8  # inputs and targets are scaled: a network that needs such a weight has diverged
ROUNDING = 1e-9  # of a rate
LEAST_SECONDS = 1e-9  # of a step, by a clock that stands still or was put back
FAR_ABOVE = 4.0  # times the first loss: a rate that leads there is far too large
MARGIN = 0.1  # of max_seconds is not planned for, since a pace varies


class LoopSettings(OptimizerSettings, Protocol):
    """The settings that the loop reads, beside those of the optimiser."""

    epochs: int
    max_steps: int | None
    max_seconds: float | None
    l1: float
    clip_norm: float | None
    clip_value: float | None
    accumulate_batches: int
    augmentation: Mapping[str, float] | None
    precision: str
    patience: int | None
    min_delta: float
    restore_best_weights: bool
    seed: int


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
    callback : Callback, optional
        Told about the plan, every step and every epoch.
    keeper : Keeper, optional
        Keeps the state of the run now and then, and may hold one to go on from.
    """

    def __init__(
        self,
        settings: LoopSettings,
        loss: Loss,
        callback: Callback | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.settings, self.loss = settings, loss
        self.callback = Callback() if callback is None else callback
        self.keeper = Keeper() if keeper is None else keeper

    def fit(self, network: nn.Module, train: Batches, validation: Batches | None = None) -> Training:
        """Train ``network`` in place and return what happened in each epoch.

        With validation batches the weights of the best epoch are put back; without, the last stay. So it
        is when Ctrl-C ends training after its first step: the caller gets what there is, and is told.
        """
        over = self.keeper.result
        if over is not None:
            return Training(self._result(over, network, train, validation), interrupted=False)
        run = self._begin(network, train, validation)
        interrupted = False
        try:
            self.callback.watch(run.network)
            self.callback.begin(run.plan, run.steps)
            with self.keeper.watch(run.state):
                self._epochs(run, train, validation)
                run.end()
                self.keeper.finish(network, run.history)
        except KeyboardInterrupt:
            if not run.steps:
                raise
            run.note_unfinished_epoch()
            run.end()
            interrupted = True
        finally:
            self.callback.end()
        return Training(run.history, interrupted)

    def _result(
        self, over: RunState, network: nn.Module, train: Batches, validation: Batches | None
    ) -> list[EpochRecord]:
        """Give a network the weights of a run that is over, and return its history."""
        longest = self._longest(train)
        with self.keeper.taking_up():
            history = checked_history(over.numbers["history"])
            taken = [record["steps"] for record in history]
            if not 0 < sum(taken) <= longest.steps or max(taken) > longest.full:
                raise ValueError(f"{shown(taken)} steps, of {longest.steps}, {longest.full} to an epoch")
            if any((record["val_loss"] is None) != (validation is None) for record in history):
                raise ValueError("epochs of another validation")
            network.load_state_dict(over.tensors)
            _refuse_diverged(network.state_dict())
        return history

    def _begin(self, network: nn.Module, train: Batches, validation: Batches | None) -> "_Run":
        """Plan a run, or take up the one that the keeper holds."""
        began = time.perf_counter()
        kept = self.keeper.kept
        if kept is None:
            return _Run(self.settings, network, self._plan(network, train, validation), began)
        with self.keeper.taking_up():
            plan, longest = Plan.from_dict(kept.numbers["plan"]), self._longest(train)
            if plan.full != longest.full or not 1 <= plan.steps <= longest.steps:
                raise ValueError(f"a plan of {plan.steps} steps, {plan.full} to an epoch")
            run = _Run(self.settings, network, plan, began)
            run.restore(kept, train)
        return run

    def _epochs(self, run: "_Run", train: Batches, validation: Batches | None) -> None:
        crowd = CrowdWatch()
        for epoch, steps in enumerate(run.plan.epochs):
            if epoch < len(run.history):
                continue  # of a run that was taken up
            if run.history and run.is_over():
                break
            losses = run.losses = run.losses or LossRecord(train, epoch, "loss", run.learning_rate)
            batches = islice(self._windows(train, epoch, losses.steps), steps - losses.steps)
            self._epoch(run.network, batches, losses, run)
            val_loss = None if validation is None else self.evaluate(run.network, validation, epoch)
            record = run.note(losses, val_loss)
            run.learner.epoch(record["train_loss"] if val_loss is None else val_loss)
            wants_end = self.callback.epoch(record)
            self.keeper.epoch(run.state)
            crowd.look()
            if wants_end:
                break

    def _windows(self, train: Batches, epoch: int, start: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from step ``start`` on, changed at random if that is asked for."""
        strengths = self.settings.augmentation
        if not strengths:
            yield from train.epoch(epoch, start)
            return
        own = train.gather.table.autoregressive
        for step, batch in enumerate(train.epoch(epoch, start), start):
            generator = generator_of(self.settings.seed, epoch, step)
            yield augment(batch, strengths, generator, autoregressive=own)

    def evaluate(self, network: nn.Module, batches: Batches, epoch: int = 0) -> float:
        """Return the mean loss over all targets of ``batches``, without learning from them."""
        losses = LossRecord(batches, epoch, "validation loss", self.settings.learning_rate)
        with torch.inference_mode(), forked(batches.gather.device.type):
            self._epoch(network, batches.epoch(epoch), losses)
        return losses.mean()

    def _epoch(
        self, network: nn.Module, batches: Iterable[Batch], losses: "LossRecord", run: "_Run | None" = None
    ) -> None:
        """Walk over batches and record their losses; learn from them in a run, while its time lasts."""
        network.train(run is not None)
        for batch in batches:
            loss = self._step(network, batch, None if run is None else run.learner)
            losses.add(loss.detach(), batch)
            if run is not None:
                self.callback.step()
                self.keeper.step(run.state)
            self.keeper.heed()
            if run is not None and time.perf_counter() >= run.deadline:
                break

    def _step(self, network: nn.Module, batch: Batch, learner: "_Learner | None") -> Tensor:
        """Return the mean loss of a batch, (); learn from it if there is a learner."""
        count = 1 if learner is None else self.settings.accumulate_batches
        total = None if count == 1 and batch.seen is None else batch.total()
        if learner is None:
            return self._loss(network, batch, total)
        if count == 1:
            return learner.step([self._loss(network, batch, total)])
        return learner.step(self._loss(network, part, total) for part in batch.parts(count))

    def _loss(self, network: nn.Module, batch: Batch, total: Tensor | float | None = None) -> Tensor:
        """Return the mean loss of a batch, (), or its share of a mean over more of them."""
        forward: Any = network.at_every_position if batch.every_position else network
        with mixed(self.settings.precision, batch.target.device.type, learning=network.training):
            forecast: Tensor = forward(batch.window)  # (B, [T',] H, D, P)
        forecast, target = forecast.float(), batch.target  # (B, [T',] H, D)
        if batch.level is not None:
            forecast, target = forecast + batch.level.unsqueeze(-1), target + batch.level
        return weighted_mean(self.loss(forecast, target), batch.weight, total)  # ()

    def _longest(self, train: Batches) -> Plan:
        """Return the steps of all epochs; ``max_steps`` may end before they do."""
        steps = len(train) * self.settings.epochs
        return Plan(
            len(train), steps if self.settings.max_steps is None else min(steps, self.settings.max_steps)
        )

    def _plan(self, network: nn.Module, train: Batches, validation: Batches | None) -> Plan:
        """Return how many steps to take; ``max_seconds`` may end before the longest plan does."""
        began = time.perf_counter()
        plan = self._longest(train)
        if self.settings.max_seconds is None and not self.callback.wants_estimate:
            return plan
        plan = replace(plan, pace=self._pace(network, plan, train, validation))
        if self.settings.max_seconds is None:
            return plan
        spent = time.perf_counter() - began
        return plan.within(max(0.0, (1 - MARGIN) * self.settings.max_seconds - spent))

    def pace(self, network: nn.Module, train: Batches) -> Pace:
        """Measure the seconds of a step, and change nothing."""
        return self._pace(network, self._longest(train), train, None)

    def losses_at(
        self, network: nn.Module, train: Batches, watched: Batch, rates: Sequence[float]
    ) -> list[float]:
        """Return a loss after every step of a training whose rate takes these values, and change nothing.

        It is always that of the batch ``watched``, as validation has it: no difference between batches hides
        what a step does. The end is where it is not finite or `FAR_ABOVE` times as large as at first.
        """
        losses: list[float] = []
        with forked(train.gather.device.type):
            trial = copy.deepcopy(network).to(train.gather.device)
            learner = _Learner(self.settings, trial, Plan(len(train), len(rates)))
            for rate, batch in zip(rates, cycle(self._windows(train, 0, 0)), strict=False):
                learner.optimizer.param_groups[0]["lr"] = rate
                self._step(trial.train(), batch, learner)
                with torch.inference_mode():
                    losses.append(float(self._step(trial.eval(), watched, None)))
                if not losses[-1] - losses[0] <= (FAR_ABOVE - 1) * abs(losses[0]):
                    break
        return losses

    def _pace(self, network: nn.Module, plan: Plan, train: Batches, validation: Batches | None) -> Pace:
        """Take the first steps on a copy of the network, and leave neither a trace nor a random number."""
        device = train.gather.device
        with forked(device.type):
            trial = copy.deepcopy(network).to(device)  # .to() lays out the weights as cuDNN wants them
            learner = _Learner(self.settings, trial, replace(plan, steps=max(plan.steps, TRIAL_STEPS)))
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
        windows = batches.epoch(0) if learner is None else self._windows(batches, 0, 0)
        for batch in islice(cycle(windows), TRIAL_STEPS):
            self._step(network, batch, learner)
            wait_for(batches.gather.device)
            seconds.append(time.perf_counter() - began - sum(seconds))
            if sum(seconds) > limit:
                break
        return max(LEAST_SECONDS, fmean(seconds[WARM_UP:] or seconds[-1:]))


class _Run:
    """A training under way: its learner, its deadline, and what stays when it ends early."""

    def __init__(self, settings: LoopSettings, network: nn.Module, plan: Plan, began: float) -> None:
        self.settings, self.network, self.plan = settings, network, plan
        self.learning_rate = settings.learning_rate
        self.learner = _Learner(settings, network, plan)
        self.began, self.seconds = began, math.inf
        if settings.max_seconds is not None and plan.pace is not None:
            self.seconds = settings.max_seconds - plan.pace.validation
        self.history: list[EpochRecord] = []
        self.losses: LossRecord | None = None  # of the epoch under way
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: dict[str, Tensor] | None = None

    @property
    def deadline(self) -> float:
        """The time at which the last step may begin."""
        return self.began + self.seconds

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        under_way = 0 if self.losses is None else self.losses.steps
        return sum(record["steps"] for record in self.history) + under_way

    def state(self) -> RunState:
        """Return everything that the steps to come depend on; refuse a run that has diverged."""
        losses = None
        if self.losses is not None:
            self.losses.check()
            losses = self.losses.state()
        _check_weights(self.network, self.learning_rate)
        learner = self.learner.state()
        numbers = {
            "plan": asdict(self.plan),
            "history": self.history,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "best_epoch": self.best_epoch,
            "seconds": time.perf_counter() - self.began,
            "losses": None if losses is None else losses.numbers,
            "learner": learner.numbers,
        }
        parts = {
            "network": self.network.state_dict(),
            "best": self.best_weights or {},
            "optimizer": learner.tensors,
            "losses": {} if losses is None else losses.tensors,
            "random": random_state(self.learner.device),
        }
        return RunState(
            numbers, {f"{part}.{n}": t for part, group in parts.items() for n, t in group.items()}
        )

    def restore(self, state: RunState, train: Batches) -> None:
        """Go on where another run with the same settings and windows was."""
        numbers = state.numbers
        self._refuse_impossible(state)
        self.network.load_state_dict(state.part("network"))
        _refuse_diverged(state.part("network"))
        _refuse_diverged(state.part("best"))
        self.history = checked_history(numbers["history"])
        self.best_epoch, self.best_weights = numbers["best_epoch"], state.part("best") or None
        self.best_loss = math.inf if numbers["best_loss"] is None else numbers["best_loss"]
        self.began = time.perf_counter() - numbers["seconds"]
        if numbers["losses"] is not None:
            self.losses = LossRecord(train, numbers["losses"]["epoch"], "loss", self.learning_rate)
            self.losses.restore(RunState(numbers["losses"], state.part("losses")))
        self.learner.restore(RunState(numbers["learner"], state.part("optimizer")), self.steps)
        set_random_state(self.learner.device, state.part("random"))

    def _refuse_impossible(self, state: RunState) -> None:
        """Refuse a state in which no run with this plan can be, whoever wrote it."""
        numbers, best, loss = state.numbers, state.part("best"), state.numbers["best_loss"]
        history, losses, learner = checked_history(numbers["history"]), numbers["losses"], numbers["learner"]
        random = random_state(self.learner.device)
        taken = [record["steps"] for record in history]
        under_way = 0 if losses is None else losses["first"] + losses["count"]
        steps = sum(taken) + under_way
        possible = {
            "history": all(each <= self.plan.full for each in taken),
            "losses": losses is None or (losses["epoch"] == len(history) and 0 < under_way <= self.plan.full),
            "steps": steps <= self.plan.steps and learner.get("steps", steps) == steps,
            "rate": is_number(learner["rate"])
            and 0 <= learner["rate"] <= self.learning_rate * (1 + ROUNDING),
            "seconds": is_number(numbers["seconds"]) and numbers["seconds"] >= 0,
            "best epoch": is_number(loss) and numbers["best_epoch"] in range(len(history))
            if best
            else loss is None,
            "best weights": not best or _shapes(best) == _shapes(self.network.state_dict()),
            "random numbers": _shapes(state.part("random")) == _shapes(random),
        }
        wrong = [name for name, right in possible.items() if not right]
        if wrong:
            raise ValueError(f"impossible {', '.join(wrong)}")

    def note(self, losses: "LossRecord", val_loss: float | None) -> EpochRecord:
        """Write an epoch into the history, and keep its weights if they are the best."""
        record = EpochRecord(
            epoch=losses.epoch,
            steps=losses.steps,
            train_loss=losses.mean(),
            val_loss=val_loss,
            seconds=max(0.0, time.perf_counter() - losses.began),
        )
        self.losses = None
        self.history.append(record)
        if val_loss is not None and val_loss < self.best_loss - self.settings.min_delta:
            weights = copy.deepcopy(self.network.state_dict())
            self.best_loss, self.best_epoch, self.best_weights = val_loss, losses.epoch, weights
        return record

    def note_unfinished_epoch(self) -> None:
        """Write the steps of an epoch that Ctrl-C ended into the history, if their weights stay."""
        if self.losses is not None and self.losses.steps and self._best_stays is None:
            self.note(self.losses, None)

    @property
    def _best_stays(self) -> dict[str, Tensor] | None:
        """The weights of the best epoch, if they are to stay and epochs were compared."""
        return self.best_weights if self.settings.restore_best_weights else None

    def is_over(self) -> bool:
        """Say whether patience or time has run out."""
        waited = len(self.history) - 1 - self.best_epoch
        patience = self.settings.patience
        impatient = self.best_weights is not None and patience is not None and waited >= patience
        return impatient or time.perf_counter() >= self.deadline

    def end(self) -> None:
        """Give the network the weights of its best epoch, if epochs were compared; refuse what diverged."""
        if self._best_stays is not None:
            self.network.load_state_dict(self._best_stays)
        _check_weights(self.network, self.learning_rate)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _refuse_diverged(weights: Mapping[str, Tensor]) -> None:
    """Refuse kept weights that no run keeps: infinite, or so large that it has diverged."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool((tensor.abs() < LARGEST_WEIGHT).all()):
            raise ValueError(f"weights that have diverged, {name}")


def _check_weights(network: nn.Module, learning_rate: float) -> None:
    """Refuse weights that are not finite, or that turn scaled values into forecasts of no use."""
    if not all(bool((parameter.abs() < LARGEST_WEIGHT).all()) for parameter in network.parameters()):
        raise TrainingError(
            f"Training ended with weights that are not finite or beyond {LARGEST_WEIGHT:g}: it diverged. "
            f"Lower learning_rate (now {learning_rate:g}), or give clip_norm=1."
        )


class _Learner:
    """What turns a loss into new weights: optimiser, clipping, and the rate of each planned step."""

    def __init__(self, settings: LoopSettings, network: nn.Module, plan: Plan) -> None:
        self.settings, self.parameters = settings, list(network.parameters())
        self.optimizer = make_optimizer(settings, self.parameters)
        self.schedule = make_schedule(settings, self.optimizer, plan)
        self.device = self.parameters[0].device.type

    def state(self) -> RunState:
        """Return what the optimiser remembers of each parameter, its rate, and the steps behind it."""
        kept = self.optimizer.state_dict()["state"]
        tensors = {f"{i}.{name}": t for i, memory in kept.items() for name, t in memory.items()}
        numbers = {"rate": self.optimizer.param_groups[0]["lr"]}
        if isinstance(self.schedule, ReduceLROnPlateau):
            numbers["waited"], best = self.schedule.num_bad_epochs, self.schedule.best
            numbers["lowest"] = best if math.isfinite(best) else None
        elif self.schedule is not None:
            numbers["steps"] = self.schedule.last_epoch
        return RunState(numbers, tensors)

    def restore(self, state: RunState, steps_taken: int) -> None:
        memory: dict[int, dict[str, Tensor]] = {}
        for key, tensor in state.tensors.items():
            i, name = key.split(".")
            memory.setdefault(int(i), {})[name] = tensor
        scalars = self._remembered()
        for at, parts in memory.items():
            shape = self.parameters[at].shape
            expected = {name: torch.Size() if scalar else shape for name, scalar in scalars.items()}
            if _shapes(parts) != expected:
                raise ValueError(f"what the optimiser remembers of parameter {at} is not {expected}")
            steps = float(parts.get("step", torch.tensor(1.0)))  # fewer where layers are left out at random
            if not (1 <= steps <= steps_taken and steps.is_integer()):
                raise ValueError(f"an optimiser after {steps:g} steps of {steps_taken}")
        fresh = self.optimizer.state_dict()
        groups = [group | {"lr": state.numbers["rate"]} for group in fresh["param_groups"]]
        self.optimizer.load_state_dict({"state": memory, "param_groups": groups})
        if isinstance(self.schedule, ReduceLROnPlateau):
            lowest, waited = state.numbers["lowest"], state.numbers["waited"]
            if not (lowest is None or is_number(lowest)) or waited not in range(self.schedule.patience + 1):
                raise ValueError(f"a plateau of {shown(waited)} epochs at {shown(lowest)}")
            self.schedule.best = math.inf if lowest is None else lowest
            self.schedule.num_bad_epochs = waited
        elif self.schedule is not None:
            steps = state.numbers["steps"]
            self.schedule.load_state_dict(
                self.schedule.state_dict() | {"last_epoch": steps, "_step_count": steps + 1}
            )

    def _remembered(self) -> dict[str, bool]:
        """Return what this optimiser remembers of a parameter, and whether it is one number for all of it."""
        trial = nn.Parameter(torch.zeros(1))  # (1,)
        trial.grad = torch.zeros(1)  # (1,)
        optimizer = make_optimizer(self.settings, [trial])
        optimizer.step()
        return {name: tensor.dim() == 0 for name, tensor in optimizer.state[trial].items()}

    def step(self, losses: Iterable[Tensor]) -> Tensor:
        """Learn from losses, () each, that make one mean together; return it."""
        for parameter in self.parameters:  # zero_grad() records itself for the profiler, which takes longer
            parameter.grad = None
        seen = []
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
            seen.append(loss.detach())
        if self.settings.l1:
            for parameter in self.parameters:
                if parameter.grad is not None:  # the gradient of the penalty, without a graph of it
                    parameter.grad.add_(parameter.detach().sign(), alpha=self.settings.l1)
        if self.settings.clip_value is not None:
            nn.utils.clip_grad_value_(self.parameters, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)
        self.optimizer.step()
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        return torch.stack(seen).sum() if len(seen) > 1 else seen[0]

    def epoch(self, loss: float) -> None:
        """Hear how an epoch went, and lower the rate if the loss stands still."""
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(loss)


def train_model(
    model: nn.Module,
    train_loader: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    epochs: int = 10,
) -> list[float]:
    """Train any network as the textbook loop does, and return the mean loss of each epoch.

    The network stays in training mode, as that loop leaves it: call ``model.eval()`` before it predicts.

    Parameters
    ----------
    model : nn.Module
        Maps inputs to predictions; it is trained in place.
    train_loader : iterable of (inputs, targets)
        The batches, on the device of the model, such as a ``DataLoader``; it is walked over once an epoch.
    optimizer : torch.optim.Optimizer
        Of the parameters of the model.
    criterion : callable
        Makes a mean loss, (), of predictions and targets.
    epochs : int
        How often to walk over the batches.

    Returns
    -------
    list of float
        One loss per epoch, in which every row of every batch counts the same.

    Raises
    ------
    SettingError
        When the model is no ``nn.Module``.
    DataError
        When the loader gives no batch, none in a later epoch, or something else than pairs of tensors.
    TrainingError
        When the loss of an epoch is not finite.

    Examples
    --------
    >>> rows = [(torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [4.0]]))]
    >>> line = nn.Linear(1, 1)
    >>> steepest = torch.optim.SGD(line.parameters(), lr=0.1)
    >>> losses = train_model(line, rows, steepest, nn.MSELoss(), epochs=3)
    >>> len(losses), losses[2] < losses[0]
    (3, True)
    """
    require_whole(epochs=(epochs, 1))
    if not isinstance(model, nn.Module):
        raise SettingError(
            f"train_model trains an nn.Module, got {shown(model)}. Estimators have fit(X, y) of their own."
        )
    losses: list[float] = []
    for epoch in range(1, epochs + 1):
        model.train()
        total, count = torch.zeros(()), 0
        for inputs, targets in map(_pair, train_loader):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)  # ()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total = total.to(loss.device) + loss.detach() * len(targets)  # ()
            count += len(targets)
        if not count:
            raise DataError(
                f"train_model needs batches (inputs, targets), but train_loader gives none in epoch {epoch}. "
                "A generator can be walked over once, a list or a DataLoader again and again."
            )
        losses.append(float(total) / count)
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"The loss of epoch {epoch} is {losses[-1]}: lower the learning rate, or look for NaN in the "
                "batches."
            )
    return losses


def _pair(batch: Any) -> tuple[Tensor, Tensor]:
    """Return the two parts of a batch of `train_model`."""
    parts = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    if len(parts) != 2 or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise DataError(
            f"train_model needs batches (inputs, targets) of two tensors, got ({kinds}). "
            "torch.from_numpy makes tensors of arrays, DataLoader(TensorDataset(X, y)) batches of them."
        )
    return parts
