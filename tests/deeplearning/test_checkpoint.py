"""Exact resume: whoever goes on from a checkpoint ends where the uninterrupted fit does, bit for bit."""

import shutil
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from timeseries.deeplearning import artifact, rehearsal
from timeseries.deeplearning.checkpoint import Checkpoints, RunKeeper, fingerprint, wanted_checkpoints
from timeseries.deeplearning.models import CustomModel, LSTMModel, NLinearModel
from timeseries.errors import ArtifactError, MissingArtifactError, SettingError
from timeseries.forecaster import Forecaster

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(60, 2))
Y = np.convolve(X[:, 0], [0.5, 0.3, 0.2])[:60]
TABLE = pd.DataFrame(
    {"ds": pd.date_range("2024-01-01", periods=90, freq="h"), "y": np.sin(np.arange(90) / 3)}
)
SMALL = {"hidden_size": 4, "sequence_length": 5, "epochs": 3, "batch_size": 16, "dropout": 0.3}


def weights(model):
    network = model.network_ if hasattr(model, "network_") else model.fitted_.network
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_same(one, other):
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(other)[name]), name
    strip = [[{k: v for k, v in r.items() if k != "seconds"} for r in m.train_history] for m in (one, other)]
    assert strip[0] == strip[1]


def make(**changes):
    settings = SMALL | {"horizon": 3, "context_length": 6} | changes
    settings.pop("sequence_length")
    return Forecaster("lstm", **settings)


@pytest.fixture
def copies(monkeypatch, tmp_path):
    """Return the list of all checkpoints that are written from now on, each under a name of its own."""
    kept = []
    publish = artifact.write

    def write_and_copy(path, what):
        publish(path, what)
        kept.append(Path(shutil.copy(path, tmp_path / f"copy-{len(kept)}")))

    monkeypatch.setattr("timeseries.deeplearning.checkpoint.artifact.write", write_and_copy)
    return kept


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd", "schedule": "one_cycle"},
        {"optimizer": "adamw", "schedule": "one_cycle", "weight_decay": 0.1, "clip_norm": 0.1},
        {"patience": 1, "learning_rate": 0.1, "epochs": 6},
        {"max_steps": 7},
        {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "cosine", "l1": 0.01, "clip_value": 0.1},
        {"optimizer": "sgd", "schedule": "cosine_restarts", "cycles": 2},
        {"optimizer": "adagrad", "schedule": "step", "decay_epochs": 1, "accumulate_batches": 2},
        {"schedule": "plateau", "decay_epochs": 1, "learning_rate": 0.3, "epochs": 6, "loss": "smape"},
        {"patience": 1, "learning_rate": 0.1, "epochs": 6, "restore_best_weights": False, "min_delta": 0.1},
        {"augmentation": {"jitter": 0.1, "mixup": 0.3, "masking": 0.2}},
        {"optimizer": "sgd", "nesterov": True, "loss": lambda f, y: (f - y).abs() ** 1.5},
    ],
)
def test_an_estimator_goes_on_from_any_step_to_the_same_weights(changes, copies, tmp_path):
    made = SMALL | changes
    whole = LSTMModel(**made).fit(X, Y, validation_split=0.2)
    every = Checkpoints(path=tmp_path / "run", steps=1)
    assert_same(LSTMModel(**made).fit(X, Y, validation_split=0.2, checkpoint=every), whole)
    steps = sum(record["steps"] for record in whole.train_history)
    assert len(copies) == steps + 1  # the last holds the result
    for copy in copies[::3] + copies[-2:]:
        torch.manual_seed(99)  # the caller's stream is of no importance
        assert_same(LSTMModel(**made).fit(X, Y, validation_split=0.2, resume=copy), whole)


class Depth(torch.nn.Module):
    """Leaves a layer out of some training steps at random, so that its optimiser takes fewer of them."""

    def __init__(self, sizes):
        super().__init__()
        self.shape = sizes.horizon, sizes.targets, sizes.outputs
        width = sizes.context * sizes.past
        self.inner = torch.nn.Linear(width, width)
        self.outer = torch.nn.Linear(width, sizes.horizon * sizes.targets * sizes.outputs)

    def forward(self, window):
        x = window.past.flatten(1)  # (B, T * F)
        if not self.training or torch.rand(()) < 0.5:
            x = x + self.inner(x)  # (B, T * F)
        return self.outer(x).reshape(-1, *self.shape)  # (B, H, D, P)


def test_a_network_that_leaves_layers_out_at_random_goes_on_too(copies, tmp_path):
    made = {"network": Depth, "sequence_length": 5, "epochs": 3, "batch_size": 16}
    whole = CustomModel(**made).fit(X, Y)
    CustomModel(**made).fit(X, Y, checkpoint=Checkpoints(path=tmp_path / "run", steps=1))
    counts = artifact.read(copies[-2]).tensors
    assert len({float(a) for name, a in counts.items() if name.endswith(".step")}) > 1
    for copy in list(copies):
        assert_same(CustomModel(**made).fit(X, Y, resume=copy), whole)


def test_a_forecaster_goes_on_from_both_of_its_runs(copies, tmp_path):
    whole = make(patience=2).fit(TABLE, val_size=20)
    every = Checkpoints(path=tmp_path / "run", steps=5)
    make(patience=2).fit(TABLE, val_size=20, checkpoint=every)
    runs = [sorted(artifact.read(copy).manifest["runs"]) for copy in copies]
    assert runs[0] == ["first"]
    assert runs[-1] == ["first", "refit"]
    for copy in list(copies):
        resumed = make(patience=2).fit(TABLE, val_size=20, resume=copy)
        assert_same(resumed, whole)
        pd.testing.assert_frame_equal(resumed.predict(), whole.predict(), check_exact=True)


def test_epochs_decide_how_often_too_and_validation_is_not_repeated(copies, tmp_path):
    every = Checkpoints(path=tmp_path / "run", epochs=2)
    whole = LSTMModel(**SMALL | {"epochs": 5}).fit(X, Y, validation_split=0.2, checkpoint=every)
    assert len(copies) == 3  # after epochs 2 and 4, and the result
    assert len(artifact.read(copies[1]).manifest["runs"]["fit"]["numbers"]["history"]) == 4
    assert_same(LSTMModel(**SMALL | {"epochs": 5}).fit(X, Y, validation_split=0.2, resume=copies[1]), whole)


def test_seconds_decide_how_often_too(copies, monkeypatch, tmp_path):
    LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    assert len(copies) == 1  # it took less than a minute
    LSTMModel(**SMALL).fit(X, Y, checkpoint=Checkpoints(path=tmp_path / "run", seconds=1e-9))
    assert len(copies) == 1 + 3 * 4 + 1


def test_losses_of_a_long_epoch_are_summed_as_if_nothing_had_happened(copies, monkeypatch, tmp_path):
    monkeypatch.setattr("timeseries.deeplearning.loss_record.READ_EVERY", 3)
    made = SMALL | {"batch_size": 4, "epochs": 2}
    whole = LSTMModel(**made).fit(X, Y)
    LSTMModel(**made).fit(X, Y, checkpoint=Checkpoints(path=tmp_path / "run", steps=4))
    for copy in list(copies):
        assert_same(LSTMModel(**made).fit(X, Y, resume=copy), whole)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hidden_size": 5}, "settings.hidden_size was 4, is 5"),
        ({"seed": 1, "epochs": 4}, "settings.epochs was 3, is 4; settings.seed was 0, is 1"),
    ],
)
def test_another_setting_is_refused_by_name(change, told, tmp_path):
    LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    with pytest.raises(ArtifactError, match=rf"written by another fit. {told}.*Give the same settings"):
        LSTMModel(**SMALL | change).fit(X, Y, resume=tmp_path / "run")


def test_other_data_another_split_and_another_version_are_refused_by_name(tmp_path, monkeypatch):
    make().fit(TABLE, checkpoint=tmp_path / "run")
    resume = {"resume": tmp_path / "run"}
    changed = TABLE.assign(y=TABLE["y"].where(TABLE.index != 50, 0.125))
    with pytest.raises(ArtifactError, match=r"another fit. data.values differs"):
        make().fit(changed, **resume)
    with pytest.raises(ArtifactError, match=r"data.rows was 90, is 89"):
        make().fit(TABLE.head(89), **resume)
    with pytest.raises(ArtifactError, match=r"fit.val_size was None, is 30"):
        make().fit(TABLE, val_size=30, **resume)
    with pytest.raises(ArtifactError, match=r"fit.answers.lower was None, is -5"):
        make(lower=-5).fit(TABLE, **resume)
    with pytest.raises(ArtifactError, match="model was 'lstm', is 'dlinear'"):
        Forecaster("dlinear", horizon=3, context_length=6).fit(TABLE, **resume)
    with pytest.raises(ArtifactError, match=r"zone was None, is 'UTC'"):
        make().fit(TABLE.assign(ds=TABLE["ds"].dt.tz_localize("UTC")), **resume)
    with pytest.raises(ArtifactError, match=r"layout.missing was 'error', is 'mask'"):
        make(missing="mask").fit(TABLE, **resume)
    with monkeypatch.context() as patch:
        patch.setattr("torch.__version__", "9.9")
        with pytest.raises(ArtifactError, match=r"torch was '[^']*', is '9\.9'"):
            make().fit(TABLE, **resume)
    monkeypatch.setattr("timeseries.deeplearning.checkpoint.__version__", "9.9")
    with pytest.raises(ArtifactError, match=r"library was '[^']*', is '9\.9'"):
        make().fit(TABLE, **resume)


def test_another_number_of_threads_is_told(tmp_path, monkeypatch):
    LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    threads = torch.get_num_threads()
    monkeypatch.setattr("torch.get_num_threads", lambda: threads + 1)
    with pytest.warns(UserWarning, match=f"computed otherwise: threads was {threads}, is {threads + 1}"):
        LSTMModel(**SMALL).fit(X, Y, resume=tmp_path / "run")


AUTO = {"device": "auto", "threads": "auto", "precision": "auto"}


class Chosen:
    """Trials that choose what they are told to, and count."""

    def __init__(self, monkeypatch, threads, precision):
        self.found, self.asked = {"threads": threads, "precision": precision}, []
        for name in self.found:
            monkeypatch.setattr(rehearsal, f"choose_{name}", partial(self.choose, name))

    def choose(self, name, model, *_):
        if getattr(model, name) != "auto":
            return getattr(model, name)
        self.asked.append(name)
        return self.found[name]


@pytest.mark.parametrize("of_table", [False, True])
def test_what_a_trial_chose_is_gone_on_with_whatever_a_second_would_choose(
    of_table, copies, tmp_path, monkeypatch
):
    monkeypatch.setattr("timeseries.deeplearning.checkpoint.has_bfloat16", lambda device: True)
    monkeypatch.setattr("timeseries.deeplearning.runtime.has_bfloat16", lambda device: True)
    monkeypatch.setattr("timeseries.deeplearning.checkpoint.number_of_threads", lambda: 8)
    given, settings = (X, Y), {"sequence_length": 5} | AUTO
    if of_table:
        given, settings = (TABLE,), {"horizon": 3, "context_length": 6} | AUTO
    fresh = partial(Forecaster if of_table else LSTMModel, hidden_size=4, epochs=3, **settings)
    if of_table:
        fresh = partial(fresh, "lstm")
    first = Chosen(monkeypatch, 2, "bfloat16")
    whole = fresh().fit(*given, checkpoint=Checkpoints(path=tmp_path / "run", steps=1))
    assert first.asked == ["threads", "precision"]
    second = Chosen(monkeypatch, 1, "float32")
    gone_on = fresh().fit(*given, resume=copies[1])
    assert second.asked == []
    for made in (whole, gone_on):
        told = made.fitted_.model.settings() if of_table else made.fitted_settings_
        assert (told["device"], told["threads"], told["precision"]) == ("cpu", 2, "bfloat16")
    assert_same(gone_on, whole)


def test_what_this_machine_does_not_have_is_chosen_anew_and_told(tmp_path, monkeypatch):
    settings = {"sequence_length": 5, "epochs": 3} | AUTO
    with monkeypatch.context() as patch:
        Chosen(patch, 2, "bfloat16")
        patch.setattr("timeseries.deeplearning.runtime.has_bfloat16", lambda device: True)
        NLinearModel(**settings).fit(X, Y, checkpoint=tmp_path / "run")
    monkeypatch.setattr("timeseries.deeplearning.checkpoint.number_of_threads", lambda: 1)
    monkeypatch.setattr("timeseries.deeplearning.checkpoint.has_bfloat16", lambda device: False)
    second = Chosen(monkeypatch, 1, "float32")
    message = "precision was 'bfloat16', is 'float32'; threads was 2, is 1"
    with pytest.warns(UserWarning, match=message):
        NLinearModel(**settings).fit(X, Y, resume=tmp_path / "run")
    assert second.asked == ["threads", "precision"]


def test_files_that_are_no_checkpoint_are_refused(tmp_path):
    with pytest.raises(MissingArtifactError):
        LSTMModel(**SMALL).fit(X, Y, resume=tmp_path / "none")
    model = LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    model.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match="holds a finished 'estimator', not a checkpoint"):
        LSTMModel(**SMALL).fit(X, Y, resume=tmp_path / "model")
    with pytest.raises(ArtifactError):
        LSTMModel.load(tmp_path / "run")
    with pytest.raises(ArtifactError, match="it is the checkpoint of a training, which fit can resume"):
        Forecaster.load(tmp_path / "run")
    damaged = bytearray((tmp_path / "run").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "run").write_bytes(damaged)
    with pytest.raises(ArtifactError, match="damaged"):
        LSTMModel(**SMALL).fit(X, Y, resume=tmp_path / "run")


@pytest.mark.parametrize("settings", [{"steps": 0}, {"epochs": 1.5}, {"seconds": -1.0}])
def test_impossible_cadences_are_refused(settings):
    with pytest.raises(SettingError):
        Checkpoints(path="run", **settings)


def test_resuming_goes_on_writing_to_the_same_file_unless_another_is_named():
    every = Checkpoints(path="b", steps=3)
    assert wanted_checkpoints(None, None) is None
    assert wanted_checkpoints(None, "a") == Checkpoints(path="a", resume="a")
    assert wanted_checkpoints("b", "a") == Checkpoints(path="b", resume="a")
    assert wanted_checkpoints(every, "a") == Checkpoints(path="b", steps=3, resume="a")


def send_at(step, number, monkeypatch):
    """Let a signal come at a step of the first run."""
    seen = []
    original = RunKeeper.step

    def step_then_signal(self, state):
        original(self, state)
        seen.append(1)
        if len(seen) == step:
            signal.raise_signal(number)

    monkeypatch.setattr(RunKeeper, "step", step_then_signal)


@pytest.mark.parametrize("step", [1, 4, 8])
def test_ctrl_c_keeps_the_run_and_reaches_the_caller(step, monkeypatch, tmp_path):
    whole = make().fit(TABLE, val_size=20)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        send_at(step, signal.SIGINT, patch)
        interrupted = make()
        with pytest.raises(KeyboardInterrupt):
            interrupted.fit(TABLE, val_size=20, checkpoint=tmp_path / "run")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert np.isfinite(interrupted.predict()["y"]).all()  # the best so far
    kept = artifact.read(tmp_path / "run").manifest["runs"]["first"]["numbers"]
    taken = (
        sum(record["steps"] for record in kept["history"])
        + (kept["losses"] or {"first": 0, "count": 0})["count"]
    )
    assert taken == step
    assert_same(make().fit(TABLE, val_size=20, resume=tmp_path / "run"), whole)


def test_a_handler_of_the_callers_own_hears_sigterm_once_the_run_is_kept(monkeypatch, tmp_path):
    heard = []
    old = signal.signal(signal.SIGTERM, lambda *_: heard.append((tmp_path / "run").exists()))
    try:
        send_at(3, signal.SIGTERM, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    finally:
        signal.signal(signal.SIGTERM, old)
    assert heard == [True]


@pytest.mark.parametrize("name", ["epoch", "finish"])
def test_a_signal_after_the_last_step_leaves_a_checkpoint_too(name, monkeypatch, tmp_path):
    whole = LSTMModel(**SMALL).fit(X, Y)
    kept = getattr(RunKeeper, name)
    at = {"epoch": 3, "finish": 1}[name]
    seen = []

    def signal_first(self, *arguments):
        seen.append(1)
        if len(seen) == at:
            signal.raise_signal(signal.SIGINT)
        return kept(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(RunKeeper, name, signal_first)
        with pytest.raises(KeyboardInterrupt):
            LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    assert_same(LSTMModel(**SMALL).fit(X, Y, resume=tmp_path / "run"), whole)


def test_a_signal_in_the_step_that_time_ends_leaves_a_checkpoint_too(monkeypatch, tmp_path):
    send_at(1, signal.SIGINT, monkeypatch)
    monkeypatch.setattr("timeseries.deeplearning.trainer._Run.deadline", 0.0)
    with pytest.raises(KeyboardInterrupt):
        LSTMModel(**SMALL | {"epochs": 5}).fit(X, Y, checkpoint=tmp_path / "run")
    assert (tmp_path / "run").exists()


def test_a_signal_that_is_ignored_stays_so(monkeypatch, tmp_path):
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        send_at(3, signal.SIGINT, monkeypatch)
        fitted = LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, old)
    assert_same(fitted, LSTMModel(**SMALL).fit(X, Y))


def test_in_a_thread_no_signal_is_touched(tmp_path):
    done = []
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(
        target=lambda: done.append(LSTMModel(**SMALL).fit(X, Y, checkpoint=tmp_path / "run"))
    )
    thread.start()
    thread.join()
    assert_same(done[0], LSTMModel(**SMALL).fit(X, Y))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_diverged_run_is_not_kept(tmp_path):
    good = Checkpoints(path=tmp_path / "run", steps=1)
    with pytest.raises(Exception, match=r"diverged|not finite|became"):
        LSTMModel(**SMALL | {"learning_rate": 1e30, "optimizer": "sgd"}).fit(X, Y, checkpoint=good)
    if (tmp_path / "run").exists():
        assert all(np.isfinite(a).all() for a in artifact.read(tmp_path / "run").tensors.values())


def test_the_same_bytes_of_another_type_or_shape_are_other_data():
    numbers = np.zeros(4, dtype=np.int64)
    marks = {
        name: fingerprint(part=part)["part"]
        for name, part in {
            "int": numbers,
            "float": numbers.view(np.float64),
            "square": numbers.reshape(2, 2),
            "copy": numbers.copy(),
        }.items()
    }
    assert marks["int"] == marks["copy"]
    assert len(set(marks.values())) == 3
