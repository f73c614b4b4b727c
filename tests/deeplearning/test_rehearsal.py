"""A rehearsal must train as the real thing does, and leave nothing behind."""

import copy
import logging

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning import rehearsal
from timeseries.deeplearning.engine import build, fit_network, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.models import LSTMModel, NLinearModel
from timeseries.deeplearning.plan import Pace
from timeseries.deeplearning.rehearsal import (
    BatchSizeCurve,
    LearningRateCurve,
    Rehearsal,
    choose_device,
    find_batch_size,
    find_learning_rate,
)
from timeseries.deeplearning.runtime import seeded
from timeseries.errors import MemoryLimitError, SettingError, TrainingError
from timeseries.windows import Permutation, index_windows

ROWS, T, H = 70, 4, 2
VALUES = np.sin(np.arange(ROWS) / 3)[:, None]
UNIT = Scaling(Affine(np.zeros((1, 1)), np.ones((1, 1))))
TABLE = SeriesTable(
    names=("demand",),
    offsets=np.array([0, ROWS]),
    values=VALUES,
    inputs=slice(0, 1),
    targets=slice(0, 1),
    lead=1,
)
TRAIN = index_windows(TABLE.offsets, np.array([0]), np.array([ROWS]), horizon=H, min_context=T)


def make(made=NLinearModel, **settings):
    return made(**({"sequence_length": T, "horizon": H, "batch_size": 16} | settings))


def gather():
    return ResidentGather(Buffers(TABLE, context=T), UNIT, horizon=H)


def test_the_losses_of_growing_rates_are_those_of_a_loop_by_hand():
    model, rates = make(optimizer="sgd", momentum=0.0), [0.01, 0.05, 0.1, 0.2, 0.3]
    found = Rehearsal(model, gather(), TRAIN).losses_at(rates)
    with seeded(0, "cpu"):
        network = build(model, sizes_for(model, TABLE))
    series = torch.from_numpy(VALUES.astype(np.float32))
    past = torch.stack([series[i : i + T] for i in range(len(TRAIN))])[..., 0]  # (N, T)
    target = torch.stack([series[i + T : i + T + H] for i in range(len(TRAIN))])[..., 0]  # (N, H)
    order = torch.from_numpy(Permutation(len(TRAIN), 0, 0)(np.arange(len(TRAIN)))).split(16)
    expected = []
    for step, rate in enumerate(rates):
        rows = order[step % len(order)]
        last = past[rows][:, -1:]
        loss = nn.functional.mse_loss(network.past(past[rows] - last) + last, target[rows])
        expected.append(loss.item())
        network.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= rate * parameter.grad
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_rate_that_diverges_ends_the_curve():
    losses = Rehearsal(make(optimizer="sgd"), gather(), TRAIN).losses_at([1e-3, 1e6, 1e6, 1e6, 1e6])
    assert 2 <= len(losses) < 5
    assert not losses[-1] <= rehearsal_limit() * min(losses)


def rehearsal_limit():
    from timeseries.deeplearning.trainer import FAR_ABOVE

    return FAR_ABOVE


def test_a_rehearsal_leaves_neither_a_trace_nor_a_random_number():
    model = make(LSTMModel, hidden_size=4, dropout=0.3, epochs=2)
    before = fit_network(model, gather(), TRAIN).network.state_dict()
    settings, state = copy.deepcopy(model.settings()), torch.get_rng_state()
    threads = torch.get_num_threads()
    tried = Rehearsal(make(LSTMModel, hidden_size=4, dropout=0.3, threads=1), gather(), TRAIN)
    assert tried.pace().step > 0
    find_learning_rate(tried, steps=12)
    find_batch_size(Rehearsal(model, gather(), TRAIN))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert model.settings() == settings
    after = fit_network(model, gather(), TRAIN).network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_suggested_rate_is_where_the_loss_falls_fastest_per_factor_of_the_rate():
    rates = np.geomspace(1e-7, 10, 200)
    losses = 1 / (1 + rates / 3e-3) + (rates / 2) ** 2  # falls fastest at 3e-3, grows beyond 1
    curve = LearningRateCurve(tuple(rates), tuple(losses))
    assert curve.suggestion == pytest.approx(3e-3, rel=0.1)


def test_no_rate_is_suggested_where_the_loss_never_falls():
    with pytest.raises(TrainingError, match="did not fall at any learning rate"):
        _ = LearningRateCurve((1e-3, 1e-2, 1e-1), (1.0, 2.0, 3.0)).suggestion
    with pytest.raises(SettingError, match="steps"):
        find_learning_rate(Rehearsal(make(), gather(), TRAIN), steps=3)


def test_the_found_rate_trains_better_than_one_far_below_it():
    model = make(epochs=20)
    rate = find_learning_rate(Rehearsal(model, gather(), TRAIN)).suggestion
    final = [
        fit_network(make(epochs=20, learning_rate=chosen), gather(), TRAIN).history[-1]["train_loss"]
        for chosen in (rate, rate / 1000)
    ]
    assert final[0] < final[1] / 2


def paced(seconds):
    """Let a rehearsal take so many seconds per step, by its model."""
    return lambda self: Pace(seconds(self.model))


def test_the_suggested_batch_is_the_smallest_that_is_nearly_as_fast_as_the_best(monkeypatch):
    monkeypatch.setattr(Rehearsal, "pace", paced(lambda model: 1 + model.batch_size / 8))
    curve = find_batch_size(Rehearsal(make(), gather(), TRAIN))
    assert curve.sizes == (8, 16, 32, 64, len(TRAIN))
    speeds = [size / (1 + size / 8) for size in curve.sizes]  # 4, 5.33, 6.4, 7.11, 7.14
    assert curve.windows_per_second == pytest.approx(speeds)
    assert curve.suggestion == 64
    assert BatchSizeCurve((8, 16, 32), (80.0, 99.0, 100.0)).suggestion == 16


def test_the_end_of_the_memory_ends_the_search_for_a_batch_size(monkeypatch):
    def seconds(model):
        if model.batch_size > 16:
            raise torch.OutOfMemoryError("tried to allocate 20 GiB")
        return 1.0

    monkeypatch.setattr(Rehearsal, "pace", paced(seconds))
    assert find_batch_size(Rehearsal(make(), gather(), TRAIN)).sizes == (8, 16)
    monkeypatch.setattr(Rehearsal, "pace", paced(lambda model: seconds(make(batch_size=99))))
    with pytest.raises(MemoryLimitError, match="batches of 8 windows"):
        find_batch_size(Rehearsal(make(), gather(), TRAIN))


def test_auto_takes_the_only_device_there_is_and_logs_why(monkeypatch, caplog):
    monkeypatch.setattr(rehearsal, "available_devices", lambda: ["cpu"])
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_device(make(device="auto"), TABLE, UNIT, TRAIN) == "cpu"
    assert caplog.messages == ["device='auto' chose cpu: it is the only one here"]


@pytest.mark.parametrize(("cuda", "chosen"), [(0.004, "cpu"), (0.0005, "cuda")])
def test_auto_takes_the_device_whose_steps_are_shorter(cuda, chosen, monkeypatch, caplog):
    monkeypatch.setattr(rehearsal, "available_devices", lambda: ["cpu", "cuda"])
    times = {"cpu": 0.001, "cuda": cuda}
    monkeypatch.setattr(rehearsal, "_seconds_per_step", lambda model, device, *_: times[device])
    measured = f"cpu 1 ms, cuda {1000 * cuda:.3g} ms"
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_device(make(device="auto"), TABLE, UNIT, TRAIN) == chosen
    assert caplog.messages == [f"device='auto' chose {chosen}: a step took: {measured}"]


def test_a_named_device_is_not_tried():
    assert choose_device(make(device="cuda"), None, None, None) == "cuda"


def test_a_step_is_timed_on_the_device_itself():
    assert rehearsal._seconds_per_step(make(device="auto"), "cpu", TABLE, UNIT, TRAIN) > 0
