"""A rehearsal must train as the real thing does, and leave nothing behind."""

import copy
import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from timeseries import Forecaster, load_airpassengers
from timeseries.deeplearning import rehearsal, runtime
from timeseries.deeplearning.engine import build, fit_network, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.models import LSTMModel, NLinearModel
from timeseries.deeplearning.plan import Pace
from timeseries.deeplearning.rehearsal import (
    BatchSizeCurve,
    LearningRateCurve,
    Rehearsal,
    choose_device,
    choose_precision,
    choose_threads,
    find_batch_size,
    find_learning_rate,
)
from timeseries.deeplearning.runtime import seeded
from timeseries.deeplearning.trainer import Trainer
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
    """Every step learns from its own batch; what is compared is the loss on all windows, which are few."""
    model, rates = make(optimizer="sgd", momentum=0.0), [0.01, 0.05, 0.1, 0.2, 0.3]
    found = Rehearsal(model, gather(), TRAIN).losses_at(rates)
    with seeded(0, "cpu"):
        network = build(model, sizes_for(model, TABLE))
    series = torch.from_numpy(VALUES.astype(np.float32))
    past = torch.stack([series[i : i + T] for i in range(len(TRAIN))])[..., 0]  # (N, T)
    target = torch.stack([series[i + T : i + T + H] for i in range(len(TRAIN))])[..., 0]  # (N, H)

    def loss(rows):
        last = past[rows][:, -1:]
        return nn.functional.mse_loss(network.past(past[rows] - last) + last, target[rows])

    order = torch.from_numpy(Permutation(len(TRAIN), 0, 0)(np.arange(len(TRAIN)))).split(16)
    expected = []
    for step, rate in enumerate(rates):
        network.zero_grad()
        loss(order[step % len(order)]).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= rate * parameter.grad
            expected.append(loss(slice(None)).item())
    assert found == pytest.approx(expected, rel=1e-4)


def test_losses_are_compared_as_validation_has_them_and_training_goes_on_as_training():
    """With a rate of nearly 0 nothing changes but the draws of dropout, and those do not count."""
    model = make(LSTMModel, hidden_size=4, dropout=0.5)
    losses = Rehearsal(model, gather(), TRAIN).losses_at([1e-9] * 6)
    assert losses == pytest.approx([losses[0]] * 6, rel=1e-6)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        real = nn.LSTM.forward
        patch.setattr(nn.LSTM, "forward", lambda self, *a: seen.append(self.training) or real(self, *a))
        Rehearsal(model, gather(), TRAIN).losses_at([1e-9] * 2)
    assert seen == [True, False] * 2


def test_windows_without_a_target_do_not_count_in_the_losses_that_are_compared():
    values = VALUES.copy()
    values[20:30] = np.nan
    table = replace(TABLE, values=values)
    found = Rehearsal(make(), ResidentGather(Buffers(table, context=T), UNIT, horizon=H), TRAIN)
    assert np.isfinite(found.losses_at([1e-9, 1e-9])).all()


def test_a_rate_that_diverges_ends_the_curve():
    losses = Rehearsal(make(optimizer="sgd"), gather(), TRAIN).losses_at([1e-3, 1e6, 1e6, 1e6, 1e6])
    assert len(losses) == 2
    assert not losses[1] <= 4 * losses[0]


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


def test_the_suggestion_on_a_quadratic_loss_is_the_one_in_closed_form():
    """Steepest descent on c w^2 / 2, w_k = w_0 (1 - r_1 c) ... (1 - r_k c), loses half where the rates sum to
    ln 2 / (2 c); they grow by the factor q, so that they sum to r / (1 - 1/q)."""
    curvature, rates = 7.0, np.geomspace(1e-7, 10, 400)
    with np.errstate(over="ignore"):
        losses = curvature / 2 * np.cumprod(1 - rates * curvature) ** 2
    kept = int(np.flatnonzero(losses > 4 * losses[0])[0])
    curve = LearningRateCurve(tuple(rates[:kept]), tuple(losses[:kept]))
    ratio = rates[1] / rates[0]
    assert curve.suggestion == pytest.approx(np.log(2) / (2 * curvature) * (1 - 1 / ratio), rel=0.06)
    assert curve.suggestion < 2 / curvature  # beyond which steepest descent diverges


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_the_suggestion_for_a_linear_network_is_that_of_gradient_descent_by_hand(seed, scale):
    """All windows in every step, momentum 0: the losses follow from the eigenvalues of the curvature."""
    draw = np.random.default_rng(seed)
    values = scale * (np.sin(np.arange(ROWS) / 3) + 0.3 * draw.normal(size=ROWS))[:, None]
    table = replace(TABLE, values=values)
    model = make(optimizer="sgd", momentum=0.0, batch_size=512, seed=seed, horizon=1)
    train = index_windows(TABLE.offsets, np.array([0]), np.array([ROWS]), horizon=1, min_context=T)
    there = ResidentGather(Buffers(table, context=T), UNIT, horizon=1)
    found = find_learning_rate(Rehearsal(model, there, train))
    with seeded(seed, "cpu"):
        start = build(model, sizes_for(model, table)).past
    past = np.stack([values[i : i + T, 0] for i in range(len(train))])  # (N, T)
    inputs = np.c_[past - past[:, -1:], np.ones(len(past))]  # (N, T+1)
    truth = values[T : T + len(past), 0] - past[:, -1]  # (N,)
    weights = np.r_[start.weight.detach().numpy()[0], start.bias.detach().numpy()].astype(np.float64)
    hessian = 2 * inputs.T @ inputs / len(inputs)  # (T+1, T+1)
    best = np.linalg.lstsq(inputs, truth, rcond=None)[0]  # (T+1,)
    curvature, axes = np.linalg.eigh(hessian)
    away = axes.T @ (weights - best)  # (T+1,)
    rates = np.geomspace(1e-7, 10, 100)
    away = away * np.cumprod(1 - rates[:, None] * curvature, axis=0)  # (steps, T+1)
    losses = np.mean((inputs @ best - truth) ** 2) + (curvature * away**2).sum(axis=1) / 2  # (steps,)
    np.testing.assert_allclose(found.losses[:80], losses[:80], rtol=1e-3)
    until = np.argmax(losses > 1.25 * losses[0]) or len(losses)
    expected = rates[np.argmax(losses <= (losses[0] + losses[:until].min()) / 2)]
    assert found.suggestion == pytest.approx(expected, rel=0.2)  # a step more or less
    assert found.suggestion < 2 / curvature.max()


def rows(count, clean=False):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(count, 2))
    y = np.convolve(X[:, 0], [0.5, 0.3, 0.2])[:count] + 0.3 * X[:, 1]
    return X, y if clean else y + 0.05 * draw.normal(size=count)


def small(seed, **settings):
    return LSTMModel(**{"sequence_length": 8, "hidden_size": 8, "batch_size": 8, "seed": seed} | settings)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "count", "low", "high"),
    [
        (small, 120, 0.01, 0.3),
        (partial(small, batch_size=2), 120, 0.003, 0.5),
        (partial(small, dropout=0.5), 120, 0.01, 0.5),
        (partial(small, batch_size=32, sequence_length=5, hidden_size=4, num_layers=1), 120, 0.01, 0.1),
        (partial(small, batch_size=64, hidden_size=16), 3000, 0.01, 0.1),
        (partial(small, batch_size=32, optimizer="sgd", momentum=0.0), 3000, 0.01, 8.0),
    ],
)
def test_suggestions_lie_where_a_training_can_learn_however_small_data_and_batches(
    model, count, low, high, seed
):
    """Adam moves every weight by about its rate a step; weights are about 1 / sqrt(8) in size."""
    assert low <= model(seed).find_learning_rate(*rows(count, clean=count > 1000)).suggestion <= high


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("name", "settings", "low", "high"),
    [
        ("lstm_keras", {"context_length": 12}, 5e-4, 0.05),
        ("nlinear", {}, 1e-3, 0.05),
        ("nlinear", {"optimizer": "sgd"}, 1e-3, 0.3),
    ],
)
def test_suggestions_for_air_passengers_lie_where_a_training_can_learn(name, settings, low, high, seed):
    forecaster = Forecaster(name, horizon=6, seed=seed, **settings)
    assert low <= forecaster.find_learning_rate(load_airpassengers()).suggestion <= high


def test_a_training_at_a_tenth_of_the_suggestion_learns_what_one_far_below_it_does_not():
    X, y = rows(120)
    rate = small(0).find_learning_rate(X, y).suggestion / 10
    near, far = (
        small(0, epochs=8, learning_rate=chosen).fit(X, y).train_history[-1]["train_loss"]
        for chosen in (rate, rate / 1000)
    )
    assert near < 0.7 * far


def test_the_curve_is_the_same_every_time_and_tells_its_suggestion_in_a_line():
    X, y = rows(60)
    curve = small(0).find_learning_rate(X, y, steps=40)
    assert curve == small(0).find_learning_rate(X, y, steps=40)
    assert repr(curve).startswith(
        f"LearningRateCurve(suggestion={curve.suggestion:.2g}, 40 rates from 1e-07 to "
    )
    assert len(repr(curve)) < 120
    assert repr(LearningRateCurve((1e-3, 1e-2, 1e-1), (1.0, 2.0, 3.0))) == (
        "LearningRateCurve(no suggestion, 3 rates from 0.001 to 0.1, no fall of the loss from 1)"
    )


def test_what_comes_after_a_loss_far_above_the_first_does_not_count():
    rates = tuple(np.geomspace(1e-4, 1e2, 7))
    assert LearningRateCurve(rates, (1.0, 0.9, 0.8, 1.2, 0.2, 3.0, 3.0)).suggestion == pytest.approx(1.0)
    assert LearningRateCurve(rates, (1.0, 0.9, 0.8, 1.3, 0.2, 3.0, 3.0)).suggestion == pytest.approx(1e-3)


def test_losses_below_0_are_compared_as_those_above_it():
    rates = tuple(np.geomspace(1e-4, 1e-1, 4))
    assert LearningRateCurve(rates, (-1.0, -1.4, -2.0, 5.0)).suggestion == pytest.approx(1e-2)
    with pytest.raises(TrainingError, match=r"it began at -1, and -1\.009 was the lowest"):
        _ = LearningRateCurve(rates, (-1.0, -1.009, -0.9, 5.0)).suggestion


def test_a_loss_of_ones_own_below_0_does_not_end_the_curve():
    def shifted(forecast, target):
        return (forecast - target) ** 2 - 5

    assert len(Rehearsal(make(loss=shifted), gather(), TRAIN).losses_at([1e-3] * 5)) == 5


@pytest.mark.parametrize("losses", [(1.0, 2.0, 3.0), (1.0, 0.991, 1.0), (0.0, 0.0, 0.0)])
def test_no_rate_is_suggested_where_the_loss_does_not_visibly_fall(losses):
    with pytest.raises(TrainingError, match="did not fall visibly at any learning rate"):
        _ = LearningRateCurve((1e-3, 1e-2, 1e-1), losses).suggestion


def test_too_few_steps_are_refused():
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


@pytest.mark.parametrize(
    ("seconds", "loss", "chosen"),
    [
        (0.001, 1.009, "bfloat16"),
        (0.001, 1.02, "float32"),
        (0.003, 0.5, "float32"),
        (0.001, np.nan, "float32"),
    ],
    ids=["faster", "faster and worse", "slower", "diverged"],
)
def test_auto_takes_bfloat16_where_it_is_faster_and_no_worse(seconds, loss, chosen, monkeypatch, caplog):
    monkeypatch.setattr(rehearsal, "has_bfloat16", lambda device: True)
    told = {"float32": (0.002, 1.0), "bfloat16": (seconds, loss)}
    monkeypatch.setattr(Rehearsal, "pace", lambda self: Pace(told[self.model.precision][0]))
    monkeypatch.setattr(Rehearsal, "losses_at", lambda self, _: [9.0, told[self.model.precision][1]])
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_precision(make(precision="auto"), gather(), TRAIN) == chosen
    [message] = caplog.messages
    assert message == (
        f"precision='auto' chose {chosen}: float32 2 ms a step, loss 1 after 30, "
        f"bfloat16 {1000 * seconds:.3g} ms a step, loss {loss:.4g} after 30"
    )


def test_auto_takes_float32_where_there_is_no_bfloat16(monkeypatch, caplog):
    monkeypatch.setattr(rehearsal, "has_bfloat16", lambda device: False)
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_precision(make(precision="auto"), gather(), TRAIN) == "float32"
    assert caplog.messages == ["precision='auto' chose float32: cpu does not compute with bfloat16"]


@pytest.mark.parametrize(("most", "tried"), [(2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_auto_takes_the_number_of_threads_whose_best_step_is_shortest(most, tried, monkeypatch, caplog):
    rounds = iter([*(0.003 for _ in tried), *(0.001 if number == 2 else 0.002 for number in tried[::-1])])
    asked = []

    def pace(self):
        asked.append(self.model.threads)
        return Pace(next(rounds))

    monkeypatch.setattr(rehearsal, "number_of_threads", lambda: most)
    monkeypatch.setattr(Rehearsal, "pace", pace)
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_threads(make(threads="auto"), gather(), TRAIN) == 2
    assert asked == [*tried, *tried[::-1]]
    measured = ", ".join(f"{number}: {1 if number == 2 else 2} ms" for number in tried)
    assert caplog.messages == [f"threads='auto' chose 2: a step took: {measured}"]


@pytest.mark.parametrize("named", [None, 3])
def test_threads_that_are_not_left_open_are_not_tried(named):
    assert choose_threads(make(threads=named), None, None) == named


def test_where_the_process_has_one_thread_nothing_is_tried(monkeypatch, caplog):
    monkeypatch.setattr(rehearsal, "number_of_threads", lambda: 1)
    with caplog.at_level(logging.INFO, logger="timeseries"):
        assert choose_threads(make(threads="auto"), None, None) == 1
    assert caplog.messages == ["threads='auto' chose 1: the process has no more"]


@pytest.mark.parametrize("most", [1, 2])
def test_what_is_timed_computes_with_the_threads_it_is_tried_with(most, monkeypatch):
    monkeypatch.setattr(rehearsal, "number_of_threads", lambda: most)
    seen = []
    monkeypatch.setattr(Trainer, "pace", lambda *_: seen.append(torch.get_num_threads()) or Pace(1.0))
    before = torch.get_num_threads()
    choose_threads(make(threads="auto"), gather(), TRAIN)
    assert seen == {1: [], 2: [1, 2, 2, 1]}[most]
    assert torch.get_num_threads() == before


AUTO = {"precision": "auto", "threads": "auto", "device": "auto"}


def test_what_was_chosen_is_kept_in_the_fitted_model_and_gives_the_same_weights_by_name(monkeypatch):
    monkeypatch.setattr(rehearsal, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(rehearsal, "available_devices", lambda: ["cpu"])
    settings = {"horizon": 2, "max_steps": 2}
    chosen = Forecaster("nlinear", **settings, **AUTO).fit(load_airpassengers())
    found = {name: getattr(chosen.fitted_.model, name) for name in AUTO}
    assert found == {"precision": "float32", "threads": torch.get_num_threads(), "device": "cpu"}
    named = Forecaster("nlinear", **settings, **found).fit(load_airpassengers())
    pd.testing.assert_frame_equal(chosen.predict(), named.predict(), check_exact=True)


def test_what_was_chosen_is_kept_in_the_file_of_an_estimator_whose_own_settings_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(rehearsal, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(rehearsal, "available_devices", lambda: ["cpu"])
    X, y = np.random.default_rng(0).normal(size=(2, 30, 1))  # (n, 1) each
    model = NLinearModel(sequence_length=4, epochs=1, **AUTO).fit(X, y[:, 0])
    assert {name: model.settings()[name] for name in AUTO} == AUTO
    model.save(tmp_path / "m")
    stored = NLinearModel.load(tmp_path / "m").settings()
    found = {name: stored[name] for name in AUTO}
    assert found == {"precision": "float32", "threads": torch.get_num_threads(), "device": "cpu"}


def test_bfloat16_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda device: False)
    refused = pytest.raises(SettingError, match="precision='bfloat16' is not available here: cpu does not")
    with refused:
        fit_network(make(precision="bfloat16"), gather(), TRAIN)
    with refused:
        Rehearsal(make(precision="bfloat16"), gather(), TRAIN).pace()


def test_training_in_bfloat16_keeps_float32_weights_and_forecasts_in_float32(monkeypatch):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda device: True)  # linear layers need no help for it
    seen = []

    def watched(network, given, answer):
        seen.append((network.training, answer.dtype))

    handle = torch.nn.modules.module.register_module_forward_hook(watched)
    settings = {"max_steps": 40, "epochs": 40, "learning_rate": 0.01}
    mixed, plain = (
        fit_network(make(precision=precision, **settings), gather(), TRAIN, TRAIN)
        for precision in ("bfloat16", "float32")
    )
    handle.remove()
    assert {dtype for training, dtype in seen if not training} == {torch.float32}
    assert torch.bfloat16 in {dtype for training, dtype in seen if training}
    assert all(weight.dtype == torch.float32 for weight in mixed.network.parameters())
    losses = [trained.history[-1]["val_loss"] for trained in (mixed, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_a_named_device_is_not_tried():
    assert choose_device(make(device="cuda"), None, None, None) == "cuda"


def test_a_step_is_timed_on_the_device_itself():
    assert rehearsal._seconds_per_step(make(device="auto"), "cpu", TABLE, UNIT, TRAIN) > 0
