"""The trainer must be nothing more than the loop that one would write by hand."""

import copy
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning import trainer
from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.history import Callback, Callbacks
from timeseries.deeplearning.loss_record import READ_EVERY, LossRecord
from timeseries.deeplearning.losses import POINT_LOSSES
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.plan import Pace, Plan
from timeseries.deeplearning.trainer import Trainer
from timeseries.deeplearning.window import Sizes
from timeseries.errors import TrainingError
from timeseries.windows import Permutation, index_windows

T, H, ROWS = 8, 3, 74  # 64 windows
MSE, HUBER = POINT_LOSSES["mse"], POINT_LOSSES["huber"]


def make_values(rows=ROWS):
    draw = np.random.default_rng(0)
    return (np.sin(np.arange(rows) / 3) + 0.1 * draw.normal(size=rows))[:, None]


def make_batches(values, batch_size=16, seed=0, start=0):
    table = SeriesTable(
        names=("demand",),
        offsets=np.array([0, len(values)]),
        values=values,
        inputs=slice(0, 1),
        targets=slice(0, 1),
        lead=1,
    )
    unit = Affine(np.zeros((1, 1)), np.ones((1, 1)))
    gather = ResidentGather(Buffers(table, context=T), Scaling(unit), horizon=H)
    index = index_windows(table.offsets, np.array([start]), np.array([len(values)]), horizon=H, min_context=T)
    return Batches(gather, index, batch_size, seed)


def make_network(dropout=0.2, outputs=1):
    torch.manual_seed(0)
    return RecurrentNetwork(
        Sizes(context=T, horizon=H, past=1, outputs=outputs),
        cell="lstm",
        hidden_sizes=(8, 8),
        dropout=dropout,
    )


def settings(**changes):
    defaults = {
        "epochs": 3,
        "max_steps": None,
        "max_seconds": None,
        "learning_rate": 1e-2,
        "schedule": "constant",
        "decay_epochs": 2,
        "decay_factor": 0.5,
        "optimizer": "adam",
        "momentum": None,
        "nesterov": False,
        "weight_decay": 0.0,
        "l1": 0.0,
        "clip_norm": 0.05,
        "clip_value": None,
        "accumulate_batches": 1,
        "augmentation": None,
        "precision": "float32",
        "seed": 0,
        "patience": None,
        "min_delta": 0.0,
        "restore_best_weights": True,
    }
    return SimpleNamespace(**(defaults | changes))  # a clip_norm so small that clipping matters


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-2, fused=True)


def hand_written_loop(network, values, epochs, batch_size, make_optimizer, schedule, learn):
    """Train as a textbook would, on windows stacked in memory; the order of windows is given.

    ``schedule`` makes what moves the rate after every step, ``learn`` turns a loss into gradients.
    """
    series = torch.from_numpy((values - values[0]).astype(np.float32)) + np.float32(values[0, 0])
    past = torch.stack([series[i : i + T] for i in range(len(series) - T - H + 1)])
    target = torch.stack([series[i + T : i + T + H] for i in range(len(past))])
    optimizer = make_optimizer(network.parameters())
    moving = schedule(optimizer, epochs * -(-len(past) // batch_size))
    network.train()
    for epoch in range(epochs):
        order = torch.from_numpy(Permutation(len(past), 0, epoch)(np.arange(len(past))))
        for rows in order.split(batch_size):
            states, _ = network.recurrence.blocks[0](past[rows])
            forecast = network.head.project(states[:, -1]).view(-1, H, 1)
            loss = nn.functional.mse_loss(forecast, target[rows])
            optimizer.zero_grad()
            learn(network, loss)
            optimizer.step()
            if moving is not None:
                moving.step()


def clipped_by_norm(network, loss):
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 0.05)


def clipped_by_value(network, loss):
    loss.backward()
    nn.utils.clip_grad_value_(network.parameters(), 0.01)


ADAM = {"optimizer": "adam"}
OPTIMIZERS = {
    "adam": (ADAM, lambda p: torch.optim.Adam(p, lr=1e-2, fused=True)),
    "adam, L2": (
        ADAM | {"weight_decay": 0.1},
        lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.1, fused=True),
    ),
    "adamw": (
        {"optimizer": "adamw", "weight_decay": 0.1},
        lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1, fused=True),
    ),
    "sgd": (
        {"optimizer": "sgd", "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1, fused=True),
    ),
    "sgd, nesterov": (
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.8, nesterov=True, fused=True),
    ),
    "sgd without momentum": (
        {"optimizer": "sgd", "momentum": 0.0},
        lambda p: torch.optim.SGD(p, lr=1e-2, fused=True),
    ),
    "rmsprop": ({"optimizer": "rmsprop"}, lambda p: torch.optim.RMSprop(p, lr=1e-2)),
    "rmsprop with momentum": (
        {"optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 0.1},
        lambda p: torch.optim.RMSprop(p, lr=1e-2, momentum=0.5, weight_decay=0.1),
    ),
    "adagrad": ({"optimizer": "adagrad"}, lambda p: torch.optim.Adagrad(p, lr=1e-2)),
}
SCHEDULES = {  # epochs have 4 steps
    "constant": lambda optimizer, steps: None,
    "one_cycle": lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=steps, cycle_momentum=False
    ),
    "cosine": lambda optimizer, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps),
    "step": lambda optimizer, steps: torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.5),
}


def assert_equal_to_the_loop_by_hand(chosen, make_optimizer, schedule="constant", learn=clipped_by_norm):
    ours, values = make_network(), make_values()
    theirs = copy.deepcopy(ours)
    torch.manual_seed(1)  # dropout draws from the global stream in both
    Trainer(chosen, MSE).fit(ours, make_batches(values))
    torch.manual_seed(1)
    hand_written_loop(theirs, values, 3, 16, make_optimizer, SCHEDULES[schedule], learn)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_trainer_equals_a_hand_written_loop_bit_for_bit(optimizer, schedule):
    named, make_optimizer = OPTIMIZERS[optimizer]
    assert_equal_to_the_loop_by_hand(settings(**named, schedule=schedule), make_optimizer, schedule)


@pytest.mark.parametrize(
    ("clipping", "learn"),
    [
        ({"clip_norm": None}, lambda network, loss: loss.backward()),
        ({"clip_norm": None, "clip_value": 0.01}, clipped_by_value),
    ],
)
def test_gradients_are_clipped_as_asked(clipping, learn):
    assert_equal_to_the_loop_by_hand(settings(**clipping), OPTIMIZERS["adam"][1], learn=learn)


def test_l1_is_the_penalty_that_one_would_add_to_the_loss():
    def penalised(network, loss):
        (loss + 0.01 * sum(p.abs().sum() for p in network.parameters())).backward()

    ours, theirs, values = make_network(dropout=0.0), make_network(dropout=0.0), make_values()
    Trainer(settings(l1=0.01, clip_norm=None), MSE).fit(ours, make_batches(values))
    hand_written_loop(theirs, values, 3, 16, OPTIMIZERS["adam"][1], SCHEDULES["constant"], penalised)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    plain = make_network(dropout=0.0)
    Trainer(settings(clip_norm=None), MSE).fit(plain, make_batches(values))
    with_penalty, without = (sum(p.abs().sum() for p in n.parameters()) for n in (ours, plain))
    assert with_penalty < 0.9 * without


@pytest.mark.parametrize("rows", [74, 70])  # 64 windows; 60, of which the last step has 12
@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_batches_learn_what_one_large_batch_does(rows, parts):
    small, large, values = make_network(dropout=0.0), make_network(dropout=0.0), make_values(rows)
    plain, gathered = settings(clip_norm=None), settings(clip_norm=None, accumulate_batches=parts)
    history = Trainer(plain, MSE).fit(large, make_batches(values)).history
    accumulated = Trainer(gathered, MSE).fit(small, make_batches(values)).history
    for a, b in zip(small.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
    for one, other in zip(history, accumulated, strict=True):
        assert one["steps"] == other["steps"]
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)


def test_accumulation_runs_the_network_on_small_batches_only():
    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.map, self.sizes = nn.Linear(T, H), []

        def forward(self, window):
            self.sizes.append(len(window.past))
            return self.map(window.past[..., 0])[..., None, None]

    network = Counted()
    Trainer(settings(epochs=1, accumulate_batches=4), MSE).fit(network, make_batches(make_values(), 32))
    assert network.sizes == [8] * 8


def test_a_plateau_lowers_the_rate_after_epochs_without_a_better_loss():
    """The rate of every epoch against ReduceLROnPlateau, told the losses of the history."""
    validation = make_batches(make_values(60) ** 2, seed=None)
    chosen = settings(schedule="plateau", decay_epochs=1, epochs=12, learning_rate=0.05)
    rates = []
    real = trainer._Learner.epoch

    def epoch(learner, loss):
        real(learner, loss)
        rates.append(learner.optimizer.param_groups[0]["lr"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer._Learner, "epoch", epoch)
        history = Trainer(chosen, MSE).fit(make_network(), make_batches(make_values()), validation).history
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.05)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    expected = []
    for record in history:
        plateau.step(record["val_loss"])
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates == expected
    assert rates[-1] < 0.05


def losses_of_validation(monkeypatch, losses):
    """Let validation say these numbers, one per epoch."""
    numbers = iter(losses)
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(numbers))


@pytest.mark.parametrize(("min_delta", "epochs"), [(0.0, 6), (0.15, 4)])
def test_a_loss_must_be_lower_by_min_delta_to_count_as_better(min_delta, epochs, monkeypatch):
    losses_of_validation(monkeypatch, [1.0, 0.8, 0.7, 0.69, 0.68, 0.67])
    chosen = settings(epochs=6, patience=2, min_delta=min_delta)
    batches = make_batches(make_values())
    assert len(Trainer(chosen, MSE).fit(make_network(), batches, batches).history) == epochs


def test_the_last_weights_stay_when_the_best_are_not_wanted(monkeypatch):
    kept = {}
    for wanted in (True, False):
        losses_of_validation(monkeypatch, [1.0, 0.5, 0.8])
        network = make_network(dropout=0.0)
        chosen = settings(restore_best_weights=wanted)
        Trainer(chosen, MSE).fit(network, make_batches(make_values()), make_batches(make_values()))
        kept[wanted] = network
    for wanted, epochs in ((True, 2), (False, 3)):
        alone = make_network(dropout=0.0)
        Trainer(settings(epochs=epochs), MSE).fit(alone, make_batches(make_values()))
        for a, b in zip(kept[wanted].parameters(), alone.parameters(), strict=True):
            assert torch.equal(a, b)


def test_a_callback_hears_every_epoch_and_may_end_the_run():
    class Until(Callback):
        def __init__(self, last):
            self.last, self.heard = last, []

        def epoch(self, record):
            self.heard.append(record["epoch"])
            return record["epoch"] == self.last

    early, late = Until(1), Until(5)
    both = Callbacks([late, early])
    history = Trainer(settings(), MSE, both).fit(make_network(), make_batches(make_values()))
    assert early.heard == late.heard == [0, 1]
    assert [record["epoch"] for record in history.history] == [0, 1]


def test_a_relative_loss_compares_with_the_values_in_the_units_of_the_series():
    """MAPE of a series at level 100 with spread 2: the network sees (y - 100) / 2."""
    values = 100 + 2 * make_values()
    table = make_batches(values).gather.table
    affine = Affine(np.full((1, 1), 100.0), np.full((1, 1), 2.0))
    gather = ResidentGather(Buffers(table, context=T), Scaling(affine), horizon=H)
    index = make_batches(values).index
    for position_stride in (None, 1):
        batches = Batches(gather, index, 16, None, position_stride, levels=True)
        zero = ZeroForecast(position_stride)
        loss = Trainer(settings(), POINT_LOSSES["mape"]).evaluate(zero, batches)
        targets = [
            values[i + j + T : i + j + T + H]
            for i in range(len(index))
            for j in (range(1 - T, 1) if position_stride else [0])
        ]
        assert loss == pytest.approx(np.mean(np.abs(np.array(targets) - 100) / np.array(targets)), rel=1e-4)


class Watching(nn.Module):
    """Keeps the windows that it is given, by whether it is trained; copies keep them in the same place."""

    def __init__(self):
        super().__init__()
        self.level, self.seen = nn.Parameter(torch.zeros(1)), {True: [], False: []}

    def __deepcopy__(self, memo):
        twin = Watching()
        twin.seen = self.seen
        return twin

    def forward(self, window):
        self.seen[self.training].append(window.past.clone())
        return self.level.expand(len(window.past), H, 1, 1)

    def distances(self, values, *, training):
        """Return how far each window is from the nearest one of the data, (M,)."""
        known = torch.cat([batch.window.past for batch in make_batches(values).epoch(0)])  # (N, T, 1)
        shown = torch.cat(self.seen[training])  # (M, T, 1)
        return (shown.flatten(1)[:, None] - known.flatten(1)).abs().amax(dim=2).min(dim=1).values  # (M,)


def test_augmentation_changes_the_windows_of_training_and_no_others():
    values, network = make_values(), Watching()
    chosen = settings(epochs=2, augmentation={"jitter": 0.5})
    Trainer(chosen, MSE).fit(network, make_batches(values), make_batches(values, seed=None))
    assert (network.distances(values, training=True) > 0.1).all()
    assert (network.distances(values, training=False) == 0).all()
    first, second = network.seen[True][:4], network.seen[True][4:8]
    assert not any(torch.equal(a, b) for a in first for b in second)  # each epoch anew


def test_rehearsals_augment_as_the_training_does():
    values, chosen = make_values(), settings(augmentation={"jitter": 0.5})
    for rehearse in (
        lambda network, batches: Trainer(chosen, MSE).pace(network, batches),
        lambda network, batches: Trainer(chosen, MSE).losses_at(
            network, batches, next(batches.epoch(0)), [1e-3, 1e-3]
        ),
    ):
        network = Watching()
        rehearse(network, make_batches(values))
        assert (network.distances(values, training=True) > 0.1).all()


class ZeroForecast(nn.Module):
    """Forecasts the mean."""

    def __init__(self, position_stride):
        super().__init__()
        self.positions = [] if position_stride is None else [T]

    def forward(self, window):
        return torch.zeros(len(window.past), *self.positions, H, 1, 1)  # (B, [T,] H, D, P)

    at_every_position = forward


def test_looking_at_validation_changes_nothing_but_which_weights_stay():
    histories = []
    for validation in (None, make_batches(make_values(), seed=None, start=40)):
        torch.manual_seed(1)
        histories.append(
            Trainer(settings(), MSE).fit(make_network(), make_batches(make_values()), validation)
        )
    assert [r["train_loss"] for r in histories[0].history] == [r["train_loss"] for r in histories[1].history]


def test_the_weights_of_the_best_epoch_are_put_back_and_patience_ends_the_run():
    train, validation = make_batches(make_values()), make_batches(make_values(60) ** 2, seed=None)
    network = make_network()
    trainer = Trainer(settings(epochs=60, learning_rate=0.05, patience=3, clip_norm=None), MSE)
    history = trainer.fit(network, train, validation).history
    losses = [record["val_loss"] for record in history]
    best = int(np.argmin(losses))
    assert len(history) < 60
    assert len(history) - 1 - best == 3
    assert trainer.evaluate(network, validation) == losses[best]


def test_the_epoch_loss_counts_every_window_once_whatever_the_batch_size():
    trainer, network = Trainer(settings(), MSE), make_network()
    whole = trainer.evaluate(network, make_batches(make_values(), batch_size=64))
    for batch_size in (1, 7, 50):
        assert trainer.evaluate(network, make_batches(make_values(), batch_size)) == pytest.approx(
            whole, rel=1e-5
        )


def test_a_filled_last_batch_learns_from_its_own_windows_only():
    """64 windows in batches of 48: the second step must equal one on its 16 windows alone."""
    values = make_values()
    ours = make_network(dropout=0.0)
    theirs = copy.deepcopy(ours)
    Trainer(settings(epochs=1), MSE).fit(ours, make_batches(values, batch_size=48))
    hand_written_loop(theirs, values, 1, 48, OPTIMIZERS["adam"][1], SCHEDULES["constant"], clipped_by_norm)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_max_steps_ends_the_run_within_an_epoch():
    training = Trainer(settings(epochs=9, max_steps=10), MSE).fit(make_network(), make_batches(make_values()))
    assert [record["steps"] for record in training.history] == [4, 4, 2]


class Interrupt(Callback):
    """Presses Ctrl-C when the given epoch was reported, or the given step was taken."""

    def __init__(self, epoch=None, step=None):
        self.at, self.steps, self.ended = (epoch, step), 0, 0

    def step(self):
        self.steps += 1
        if self.steps == self.at[1]:
            raise KeyboardInterrupt

    def epoch(self, record):
        if record["epoch"] == self.at[0]:
            raise KeyboardInterrupt

    def end(self):
        self.ended += 1


def trained(changes, *, validation=True, callback=None):
    """Return weights and training of a network on 4 steps an epoch, dropout and all."""
    network = make_network()
    watch = make_batches(make_values(60) ** 2, seed=None) if validation else None
    torch.manual_seed(1)
    training = Trainer(settings(**changes), MSE, callback).fit(network, make_batches(make_values()), watch)
    return [p.detach() for p in network.parameters()], training


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("when", [{"epoch": 3}, {"step": 17}, {"step": 19}])
def test_ctrl_c_leaves_the_best_weights_of_the_epochs_that_were_compared(when):
    callback = Interrupt(**when)
    weights, training = trained({"epochs": 9, "learning_rate": 0.05}, callback=callback)
    expected, whole = trained({"epochs": 4, "learning_rate": 0.05})  # 16 steps
    assert training.interrupted
    assert not whole.interrupted
    assert losses_of(training) == losses_of(whole)
    assert same(weights, expected)
    assert callback.ended == 1


def losses_of(training):
    return [(r["epoch"], r["steps"], r["train_loss"], r["val_loss"]) for r in training.history]


@pytest.mark.parametrize(
    ("when", "steps"), [({"epoch": 1}, [4, 4]), ({"step": 10}, [4, 4, 2]), ({"step": 1}, [1])]
)
def test_ctrl_c_without_validation_keeps_the_steps_that_were_taken(when, steps):
    weights, training = trained({}, validation=False, callback=Interrupt(**when))
    expected, _ = trained({"max_steps": sum(steps)}, validation=False)
    assert training.interrupted
    assert [record["steps"] for record in training.history] == steps
    assert same(weights, expected)


def test_ctrl_c_before_the_first_validation_keeps_the_steps_that_were_taken():
    weights, training = trained({}, callback=Interrupt(step=3))
    expected, _ = trained({"max_steps": 3}, validation=False)
    assert losses_of(training)[0][:2] == (0, 3)
    assert training.history[0]["val_loss"] is None
    assert same(weights, expected)


def test_ctrl_c_before_the_first_step_is_the_callers():
    class Early(Interrupt):
        def begin(self, plan, before=0):
            raise KeyboardInterrupt

    callback = Early()
    with pytest.raises(KeyboardInterrupt):
        trained({}, callback=callback)
    assert callback.ended == 1


class Curious(Callback):
    """Wants to know how long it will take."""

    wants_estimate = True

    def begin(self, plan, before=0):
        self.plan = plan


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
@pytest.mark.parametrize("max_steps", [None, 2])
def test_the_estimate_leaves_no_trace_in_the_result(schedule, max_steps):
    changes, callback = {"schedule": schedule, "max_steps": max_steps}, Curious()
    weights, training = trained(changes, callback=callback)
    expected, plain = trained(changes)
    roomy, budgeted = trained(changes | {"max_seconds": 1e6})
    assert same(weights, expected)
    assert same(roomy, expected)
    assert losses_of(training) == losses_of(plain) == losses_of(budgeted)
    assert (callback.plan.steps, callback.plan.epochs) == ((12, [4] * 3) if max_steps is None else (2, [2]))
    assert callback.plan.pace.step > 0
    assert callback.plan.pace.validation > 0


def test_a_training_fault_ends_the_report_too():
    callback = Interrupt()
    with pytest.raises(TrainingError):
        trained({"learning_rate": 1e30, "clip_norm": None}, callback=callback)
    assert callback.ended == 1


class Clock:
    """A clock that moves when a batch is trained on or validated, and then by as much as it is told."""

    def __init__(self, monkeypatch, train, validation=0.0):
        self.now, self.train, self.validation = 0.0, train, validation
        monkeypatch.setattr("timeseries.deeplearning.trainer.time.perf_counter", lambda: self.now)

    def move(self, network):
        self.now += self.train if network.training else self.validation


def timed(monkeypatch, changes, *, train=1.0, validation=0.0, slower=1.0):
    """Train 64 windows in batches of 16 while a step takes ``train`` seconds; after the trial, ``slower``."""
    clock = Clock(monkeypatch, train, validation)

    class Slower(Callback):
        def begin(self, plan, before=0):
            clock.train *= slower
            self.plan = plan

    network, callback = make_network(), Slower()
    hook = network.register_forward_pre_hook(lambda module, _: clock.move(module))
    torch.manual_seed(1)
    watch = make_batches(make_values(60) ** 2, seed=None) if validation else None
    training = Trainer(settings(**changes), MSE, callback).fit(network, make_batches(make_values()), watch)
    hook.remove()
    return [p.detach() for p in network.parameters()], training, callback.plan, clock.now


def test_a_time_budget_plans_the_steps_that_fit_so_that_a_cycle_ends(monkeypatch):
    """A trial ends after 5 % of 100 s: 6 steps of 1 s. Of the 90 s to plan for, 84 are left."""
    changes = {"epochs": 60, "schedule": "one_cycle"}
    weights, training, plan, seconds = timed(monkeypatch, changes | {"max_seconds": 100.0})
    assert plan.steps == 84
    assert seconds == 90.0
    monkeypatch.undo()
    expected, whole = trained(changes | {"max_steps": 84}, validation=False)
    assert losses_of(training) == losses_of(whole)  # it can be run again without a clock
    assert same(weights, expected)


def test_a_time_budget_counts_validation(monkeypatch):
    """Trials: 6 steps of 1 s and 3 of 2 s; a validation of 4 takes 8 s, an epoch 12 s; 78 s left."""
    _, training, plan, seconds = timed(
        monkeypatch, {"epochs": 60, "max_seconds": 100.0}, train=1.0, validation=2.0
    )
    assert plan.pace == Pace(step=1.0, validation=8.0)
    assert plan.epochs == [4] * 6  # 72 s; no step and its validation fit into the other 6
    assert len(training.history) == 6
    assert seconds == 6 + 6 + 72


def test_a_step_that_becomes_slow_meets_the_deadline_and_validation_still_follows(monkeypatch):
    _, training, plan, seconds = timed(
        monkeypatch, {"epochs": 60, "max_seconds": 100.0}, train=1.0, validation=2.0, slower=15.0
    )
    assert plan.epochs == [4] * 6
    assert [record["steps"] for record in training.history] == [4, 1]  # 12 + 60 + 8 + 15 is past 92
    assert seconds == 103.0
    assert all(record["val_loss"] is not None for record in training.history)
    assert not training.interrupted


def test_a_budget_too_short_for_anything_takes_one_step(monkeypatch):
    _, training, plan, _ = timed(monkeypatch, {"max_seconds": 0.5})
    assert plan.steps == 1
    assert [record["steps"] for record in training.history] == [1]


def test_missing_targets_do_not_count():
    values = make_values()
    trainer, network = Trainer(settings(), MSE), make_network()
    values[30] = np.nan
    batches = make_batches(values, batch_size=1)
    losses = [
        float(((network.eval()(b.window)[..., 0] - b.target) ** 2)[b.weight > 0].sum().detach())
        for b in batches.epoch(0)
    ]
    counted = sum(float(b.weight.sum()) for b in batches.epoch(0))
    assert counted == 64 * H - H  # row 30 is a target at H steps
    assert trainer.evaluate(network, batches) == pytest.approx(sum(losses) / counted, rel=1e-5)


def test_divergence_stops_with_epoch_step_series_and_what_to_do():
    with pytest.raises(TrainingError, match=r"epoch \d+, step \d+ of 4.*'demand'.*Lower learning_rate"):
        Trainer(settings(learning_rate=1e30, clip_norm=None), MSE).fit(
            make_network(), make_batches(make_values())
        )


def test_a_validation_loss_that_is_not_finite_says_so_with_its_true_epoch():
    values = make_values()
    values[-1] = 1e30  # a target of the last validation windows alone
    train, validation = make_batches(make_values()), make_batches(values, seed=None, start=ROWS - 12)
    with pytest.raises(TrainingError, match=r"validation loss became inf at epoch 1, step 1 of 1.*too large"):
        Trainer(settings(), MSE).fit(make_network(), train, validation)
    validation = make_batches(make_values(), seed=None, start=ROWS - 12)

    class Spoil(Callback):
        def epoch(self, record):
            if record["epoch"] == 1:
                validation.gather.values.rows[-1] = 1e30

    with pytest.raises(TrainingError, match="validation loss became inf at epoch 3, step 1 of 1"):
        Trainer(settings(), MSE, Spoil()).fit(make_network(), train, validation)


def test_every_position_of_a_window_may_have_a_forecast_of_its_own():
    """Forecasts (B, T, H, D, 1) and targets (B, T, H, D) go through losses, means and faults alike."""
    batches = make_batches(make_values(), batch_size=50)
    gather = batches.gather
    plain = gather.target

    def repeated(series, origin):
        target, _ = plain(series, origin)
        return target.unsqueeze(1).expand(-1, T, -1, -1), None

    expected = Trainer(settings(), HUBER).evaluate(Zeros(), batches)
    gather.target = repeated
    assert Trainer(settings(), HUBER).evaluate(Zeros(T), batches) == pytest.approx(expected, rel=1e-5)
    gather.target = lambda series, origin: (repeated(series, origin)[0] * 1e20, None)
    with pytest.raises(TrainingError, match="series 'demand' holds a value"):
        Trainer(settings(), MSE).evaluate(Zeros(T), batches)


class Zeros(nn.Module):
    """Forecasts zero, at the end of the window or at every position."""

    def __init__(self, *positions):
        super().__init__()
        self.positions = positions

    def forward(self, window):
        return torch.zeros(len(window.past), *self.positions, H, 1, 1)


def test_a_value_too_large_to_train_on_is_named():
    values = make_values()
    values[20] = 1e30
    with pytest.raises(TrainingError, match=r"series 'demand' holds a value near row \d+ .*too large"):
        Trainer(settings(), MSE).fit(make_network(), make_batches(values))


def test_the_first_of_equally_good_epochs_is_the_best(monkeypatch):
    """patience counts from the first epoch with the lowest loss: an equal one is no progress."""
    losses = iter([3.0, 2.0, 2.0, 2.0, 2.0])
    trainer, batches = Trainer(settings(epochs=5, patience=2), MSE), make_batches(make_values())
    monkeypatch.setattr(trainer, "evaluate", lambda *_: next(losses))
    assert len(trainer.fit(make_network(), batches, batches).history) == 4


def test_every_position_is_trained_on_when_the_batches_say_so():
    """One update equals the one by hand on the loss over all positions."""
    batches = make_batches(make_values())
    everywhere = Batches(batches.gather, batches.index, 64, 0, position_stride=1)
    network, theirs = make_network(dropout=0.0), make_network(dropout=0.0)
    Trainer(settings(epochs=1), MSE).fit(network, everywhere)
    (batch,) = everywhere.epoch(0)
    forecast = torch.stack(  # position by position, from the window cut there
        [theirs(batch.window._replace(past=batch.window.past[:, : t + 1])) for t in range(T)], dim=1
    ).squeeze(-1)
    loss = nn.functional.mse_loss(forecast, batch.target)
    optimizer = adam(theirs.parameters())
    loss.backward()
    nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
    optimizer.step()
    for ours, expected in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-5)


def test_max_steps_holds_with_validation_and_patience_too():
    batches = make_batches(make_values())  # 4 a pass
    trainer = Trainer(settings(epochs=9, max_steps=10, patience=20), MSE)
    history = trainer.fit(make_network(), batches, batches).history
    assert [record["steps"] for record in history] == [4, 4, 2]


def begun_run(**changes):
    """Return a run that has taken no step, and the batches it would take."""
    batches = make_batches(make_values())
    run = trainer._Run(settings(**changes), make_network(), Plan(4, 12, Pace(step=0.01)), time.perf_counter())
    return run, batches


def test_a_run_that_is_taken_up_has_spent_the_seconds_of_the_first():
    first, batches = begun_run(max_seconds=60.0)
    state = first.state()
    state.numbers["seconds"] = 50.0
    second, _ = begun_run(max_seconds=60.0)
    second.restore(state, batches)
    left = second.deadline - time.perf_counter()
    assert 5.0 < left <= 10.0


@pytest.mark.parametrize("count", [READ_EVERY, READ_EVERY + 1, -1])
def test_a_state_with_more_unread_losses_than_are_kept_is_refused(count):
    run, batches = begun_run()
    run.losses = LossRecord(batches, 0, "loss", 0.01)
    run.losses.add(torch.ones(()), next(batches.epoch(0)))
    state = run.losses.state()
    state.numbers["count"] = count
    with pytest.raises(ValueError, match="losses of the steps"):
        LossRecord(batches, 0, "loss", 0.01).restore(state)


def test_no_state_is_kept_of_a_run_that_has_diverged():
    run, batches = begun_run()
    with torch.no_grad():
        next(run.network.parameters()).fill_(float("inf"))
    with pytest.raises(TrainingError, match="not finite or beyond"):
        run.state()
    run, batches = begun_run()
    run.losses = LossRecord(batches, 0, "loss", 0.01)
    run.losses.add(torch.tensor(float("nan")), next(batches.epoch(0)))
    with pytest.raises(TrainingError, match="The loss became nan at epoch 1, step 1"):
        run.state()
