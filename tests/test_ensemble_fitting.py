"""Members fitted in processes: the same as one after the other, and none of them stays."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from timeseries import ensemble_fitting
from timeseries.deeplearning.runtime import threads
from timeseries.ensemble import Ensemble
from timeseries.ensemble_fitting import HowToFit, Job
from timeseries.errors import SettingError, TrainingError
from timeseries.forecaster import Forecaster
from timeseries.panel import Panel
from timeseries.splits import Origins

SMALL = {"horizon": 4, "context_length": 8, "max_steps": 10}


def table(rows=60):
    t = np.arange(rows)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"ds": stamps, "north": np.sin(t / 3) + 5, "south": np.cos(t / 4) * 100})


def make(**settings):
    return Ensemble.of_seeds("lstm", seeds=3, **(SMALL | {"hidden_size": 4} | settings))


def assert_same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_members_fitted_in_processes_are_the_same_bit_for_bit(capfd):
    frame = table()
    named = frame.melt("ds", var_name="unique_id", value_name="y")
    named["unique_id"] = named["unique_id"].map({"north": pd.Timestamp(0), "south": pd.Timestamp(1)})
    settings = SMALL | {"threads": 1}
    members = [
        Forecaster("lstm", hidden_size=4, dropout=0.3, num_layers=2, **settings),
        Forecaster("nlinear", seed=3, **settings),
    ]
    one, other = (Ensemble(members, combine="weighted", snapshots=2) for _ in range(2))
    one.fit(named)
    before = torch.get_num_threads()
    other.fit(named, processes=2, verbose=True)
    assert torch.get_num_threads() == before
    assert not multiprocessing.active_children()
    assert_same(one.predict(), other.predict())
    assert_same(one.spread(), other.spread())
    np.testing.assert_array_equal(one.weights_, other.weights_)
    for mine, theirs in zip(one.members_, other.members_, strict=True):
        for name, weights in mine.fitted_.network.state_dict().items():
            assert torch.equal(weights, theirs.fitted_.network.state_dict()[name])
        assert mine.fitted_.tail.ids == theirs.fitted_.tail.ids
        assert mine.estimator.get_params() == theirs.estimator.get_params()
    told = capfd.readouterr().err
    assert "Member 1 of 2 (lstm, seed 0) is fitted:" in told
    assert "Member 2 of 2 (nlinear, seed 3) is fitted:" in told


class Counting(nn.Module):
    """Maps linearly, and knows with how many threads it learned."""

    def __init__(self, sizes):
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        self.map = nn.Linear(sizes.context * sizes.past, sizes.horizon * sizes.targets * sizes.outputs)
        self.register_buffer("threads", torch.zeros(()))

    def forward(self, window):
        if self.training:
            self.threads.fill_(torch.get_num_threads())
        return self.map(window.past.flatten(1)).unflatten(1, self.shape)


@pytest.mark.parametrize(("settings", "number"), [({}, 2), ({"threads": 3}, 3)])
def test_processes_share_the_threads_unless_a_member_says_how_many(settings, number):
    members = [Forecaster(Counting, seed=seed, **SMALL, **settings) for seed in range(2)]
    with threads(5):
        ensemble = Ensemble(members).fit(table(), processes=2)
    told = [member.fitted_.network.state_dict() for member in ensemble.members_]
    assert [state["module.threads"].item() for state in told] == [number] * 2


def test_what_a_process_raises_is_raised_here():
    diverging = SMALL | {"learning_rate": 1e30, "optimizer": "sgd", "clip_norm": None}
    forecaster, panel = Forecaster("nlinear", coverage=(), **diverging), Panel.from_frame(table())
    none = np.zeros(0, dtype=np.int64)
    how = HowToFit(answers=forecaster.answers)
    job = Job(forecaster._model_for(panel), (), panel, how, Origins(none, none, none))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver, sender:
        sender.send(ensemble_fitting._done(job, 0, None))
        with pytest.raises(TrainingError, match=r"diverge|not finite"):
            ensemble_fitting._received(receiver, None)


def test_what_no_error_of_ours_is_becomes_one_that_names_the_model(monkeypatch):
    def broken(*given, **more):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(ensemble_fitting, "fit_job", broken)
    model = Forecaster("nlinear", **SMALL)._model_for(Panel.from_frame(table()))
    error = ensemble_fitting._done(Job(model, (), None, None, None), 0, None)
    assert isinstance(error, TrainingError)
    assert str(error) == "nlinear: ZeroDivisionError: by zero"


def test_what_cannot_be_sent_to_a_process_is_refused_with_the_fix():
    class Local(nn.Module):
        """A class that no other process can find."""

    members = [Forecaster(Local, **SMALL), Forecaster("nlinear", **SMALL)]
    with pytest.raises(SettingError, match="top of a module, or fit with processes=1"):
        Ensemble(members).fit(table(), processes=2)
    assert not multiprocessing.active_children()


def test_ctrl_c_ends_all_processes(monkeypatch):
    started = threading.Event()
    start = ensemble_fitting._start
    monkeypatch.setattr(ensemble_fitting, "_start", lambda *given: (start(*given), started.set())[0])

    def press():
        started.wait()
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    endless = make(max_steps=10**9, epochs=10**9)
    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        endless.fit(table(), processes=2)
    pressing.join()
    assert not multiprocessing.active_children()
    assert not hasattr(endless, "fitted_")


def test_a_process_that_dies_is_told_with_its_exit_code(monkeypatch):
    start = ensemble_fitting._start

    def started(process):
        start(process)
        process.kill()

    monkeypatch.setattr(ensemble_fitting, "_start", started)
    with pytest.raises(TrainingError, match=r"exit code -9.*fewer processes"):
        make().fit(table(), processes=2)
    assert not multiprocessing.active_children()
