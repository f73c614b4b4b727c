"""The trainer must be nothing more than the loop that one would write by hand."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.losses import MSELoss, PinballLoss, weighted_mean
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.trainer import Trainer
from timeseries.deeplearning.window import Sizes
from timeseries.errors import TrainingError
from timeseries.windows import Permutation, index_windows

T, H, ROWS = 8, 3, 74  # 64 windows


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
        "learning_rate": 1e-2,
        "optimizer": "adam",
        "clip_norm": 0.05,
        "patience": None,
    }
    return SimpleNamespace(**(defaults | changes))  # a clip_norm so small that clipping matters


def hand_written_loop(network, values, epochs, batch_size):
    """Train as a textbook would, on windows stacked in memory; the order of windows is given."""
    series = torch.from_numpy((values - values[0]).astype(np.float32)) + np.float32(values[0, 0])
    past = torch.stack([series[i : i + T] for i in range(len(series) - T - H + 1)])
    target = torch.stack([series[i + T : i + T + H] for i in range(len(past))])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, fused=True)
    network.train()
    for epoch in range(epochs):
        order = torch.from_numpy(Permutation(len(past), 0, epoch)(np.arange(len(past))))
        for rows in order.split(batch_size):
            states, _ = network.recurrence.blocks[0](past[rows])
            forecast = network.head.project(states[:, -1]).view(-1, H, 1)
            loss = nn.functional.mse_loss(forecast, target[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.05)
            optimizer.step()


def test_the_trainer_equals_a_hand_written_loop_bit_for_bit():
    ours, values = make_network(), make_values()
    theirs = copy.deepcopy(ours)
    torch.manual_seed(1)  # dropout draws from the global stream in both
    Trainer(settings(), MSELoss()).fit(ours, make_batches(values))
    torch.manual_seed(1)
    hand_written_loop(theirs, values, epochs=3, batch_size=16)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_looking_at_validation_changes_nothing_but_which_weights_stay():
    histories = []
    for validation in (None, make_batches(make_values(), seed=None, start=40)):
        torch.manual_seed(1)
        histories.append(
            Trainer(settings(), MSELoss()).fit(make_network(), make_batches(make_values()), validation)
        )
    assert [r["train_loss"] for r in histories[0]] == [r["train_loss"] for r in histories[1]]


def test_the_weights_of_the_best_epoch_are_put_back_and_patience_ends_the_run():
    train, validation = make_batches(make_values()), make_batches(make_values(60) ** 2, seed=None)
    network = make_network()
    trainer = Trainer(settings(epochs=60, learning_rate=0.05, patience=3, clip_norm=None), MSELoss())
    history = trainer.fit(network, train, validation)
    losses = [record["val_loss"] for record in history]
    best = int(np.argmin(losses))
    assert len(history) < 60
    assert len(history) - 1 - best == 3
    assert trainer.evaluate(network, validation) == losses[best]


def test_the_epoch_loss_counts_every_window_once_whatever_the_batch_size():
    trainer, network = Trainer(settings(), MSELoss()), make_network()
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
    Trainer(settings(epochs=1), MSELoss()).fit(ours, make_batches(values, batch_size=48))
    hand_written_loop(theirs, values, epochs=1, batch_size=48)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_max_steps_ends_the_run_within_an_epoch():
    history = Trainer(settings(epochs=9, max_steps=10), MSELoss()).fit(
        make_network(), make_batches(make_values())
    )
    assert [record["steps"] for record in history] == [4, 4, 2]


def test_missing_targets_do_not_count():
    values = make_values()
    trainer, network = Trainer(settings(), MSELoss()), make_network()
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
        Trainer(settings(learning_rate=1e30, clip_norm=None), MSELoss()).fit(
            make_network(), make_batches(make_values())
        )


def test_a_value_too_large_to_train_on_is_named():
    values = make_values()
    values[20] = 1e30
    with pytest.raises(TrainingError, match=r"series 'demand' holds a value near row \d+ .*too large"):
        Trainer(settings(), MSELoss()).fit(make_network(), make_batches(values))


def test_pinball_equals_its_definition():
    forecast, target = torch.randn(5, H, 1, 3), torch.randn(5, H, 1)
    levels = (0.1, 0.5, 0.9)
    expected = np.zeros((5, H, 1))
    for i, q in enumerate(levels):
        error = (target - forecast[..., i]).numpy()
        expected += np.where(error > 0, q * error, (q - 1) * error) / 3
    np.testing.assert_allclose(PinballLoss(levels)(forecast, target), expected, rtol=1e-5, atol=1e-7)


def test_the_minimiser_of_pinball_is_the_quantile():
    draw = torch.from_numpy(np.random.default_rng(0).exponential(size=20_000)).float()
    candidates = torch.linspace(0, 4, 401)
    losses = [
        float(weighted_mean(PinballLoss((0.9,))(c.expand(len(draw), 1, 1, 1), draw[:, None, None]), None))
        for c in candidates
    ]
    assert float(candidates[int(np.argmin(losses))]) == pytest.approx(np.quantile(draw, 0.9), abs=0.03)
