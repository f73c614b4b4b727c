"""Checkpoints with the right checksum that no fit wrote: refused by name before a step is taken."""

import copy

import numpy as np
import pytest

from timeseries.deeplearning import artifact
from timeseries.deeplearning.artifact import Artifact
from timeseries.deeplearning.checkpoint import Checkpoints
from timeseries.deeplearning.models import LSTMModel
from timeseries.errors import ArtifactError

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(40, 2)), DRAW.normal(size=40)
SETTINGS = {"hidden_size": 3, "num_layers": 1, "sequence_length": 4, "batch_size": 8, "max_steps": 8}


def fit(**how):
    return LSTMModel(**SETTINGS, epochs=2, schedule="one_cycle").fit(X, Y, validation_split=0.3, **how)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Return a checkpoint of a run under way, with a best epoch behind it, and one of a run that is over."""
    path = tmp_path_factory.mktemp("run") / "run"
    kept = []
    publish = artifact.write

    def write_and_read(file, what):
        publish(file, what)
        kept.append(artifact.read(file))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("timeseries.deeplearning.checkpoint.artifact.write", write_and_read)
        fit(checkpoint=Checkpoints(path=path, steps=1))
    under_way = next(state for state in kept if state.manifest["runs"]["fit"]["numbers"]["losses"])
    under_way = kept[-3] if kept[-3].manifest["runs"]["fit"]["numbers"]["best_loss"] else under_way
    return {"under way": under_way, "over": kept[-1]}


def write(path, state):
    manifest = {name: value for name, value in state.manifest.items() if name != "_artifact"}
    artifact.write(path, Artifact(manifest, state.tensors))


def changed(state, place, value):
    """Return a copy with another value at a place of the manifest; DELETE takes it out."""
    manifest = copy.deepcopy(dict(state.manifest))
    inner = manifest
    for name in place[:-1]:
        inner = inner[name]
    if value == DELETE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return Artifact(manifest, dict(state.tensors))


DELETE = "(taken out)"
NUMBERS = ("runs", "fit", "numbers")
MANIFEST = [
    *[((name,), value) for name in ("identity", "placement", "runs") for value in (None, [], "x")],
    *[(("placement",), value) for value in ({}, {"device": "cpu", "threads": True, "precision": "float32"})],
    *[(("runs", "fit"), value) for value in (None, [], {}, {"over": False})],
    *[
        ((*NUMBERS, name), DELETE)
        for name in ("plan", "history", "best_loss", "best_epoch", "seconds", "losses")
    ],
    *[
        ((*NUMBERS, "plan", name), value)
        for name in ("full", "steps")
        for value in (0, -1, 10**15, "x", None)
    ],
    *[((*NUMBERS, "plan", "pace"), value) for value in ({"step": 1, "x": 2}, "x")],
    *[((*NUMBERS, "history"), value) for value in (None, "x", [1], [{}], {"a": 1})],
    *[((*NUMBERS, "history", 0, name), value) for name in ("steps", "train_loss") for value in ("x", None)],
    ((*NUMBERS, "history", 0, "epoch"), 7),
    ((*NUMBERS, "history", 0, "steps"), -1),
    ((*NUMBERS, "history", 0, "steps"), 10**12),
    *[((*NUMBERS, "best_epoch"), value) for value in (-1, 99, "x", None)],
    *[((*NUMBERS, "best_loss"), value) for value in ("x", [])],
    *[((*NUMBERS, "seconds"), value) for value in (-1, "x", None)],
    *[((*NUMBERS, "losses", "epoch"), value) for value in (0, 9, None)],
    *[((*NUMBERS, "losses", "count"), value) for value in (-1, 10**9, "x", 1.5)],
    *[((*NUMBERS, "losses", "first"), value) for value in (-300, 10**9, "x")],
    *[
        ((*NUMBERS, "losses", name), value)
        for name in ("total", "weight", "seconds")
        for value in ("x", None)
    ],
    *[
        ((*NUMBERS, "learner", name), value)
        for name in ("rate", "steps")
        for value in ("x", None, DELETE, -1)
    ],
    (("more",), 1),
    (("runs", "more"), {"over": True, "history": []}),
    (("runs", "fit", "more"), 1),
    (("runs", "fit", "over"), "yes"),
    ((*NUMBERS, "plan", "pace"), {"step": -1, "validation": 0.0}),
    ((*NUMBERS, "learner", "rate"), 1e6),
]


@pytest.mark.parametrize(("place", "value"), MANIFEST, ids=repr)
def test_a_state_that_no_run_is_ever_in_is_refused(place, value, states, tmp_path):
    write(tmp_path / "run", changed(states["under way"], place, value))
    with pytest.raises(ArtifactError, match="run"):
        fit(resume=tmp_path / "run")


OVER = [
    *[(("runs", "fit", "history"), value) for value in (None, [], "x", [1], [{}])],
    (("runs", "fit", "over"), False),
    *[(("runs", "fit", "history", 0, "val_loss"), value) for value in ("x", None, False, "", [], {})],
    *[(("runs", "fit", "history", 0, "steps"), value) for value in (0, 10**7, 10**10, 10**70, 2.0)],
]


@pytest.mark.parametrize(("place", "value"), OVER, ids=repr)
def test_a_result_that_no_run_ever_had_is_refused(place, value, states, tmp_path):
    write(tmp_path / "run", changed(states["over"], place, value))
    with pytest.raises(ArtifactError, match="lacks a part of a checkpoint or holds a wrong one"):
        fit(resume=tmp_path / "run")


@pytest.mark.parametrize("name", ["under way", "over"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_weights_that_no_run_keeps_are_refused(name, value, states, tmp_path):
    state = states[name]
    for spoilt in [key for key in state.tensors if "hidden" in key or "cell" in key or "weight" in key][:3]:
        array = np.full_like(state.tensors[spoilt], value)
        write(tmp_path / "run", Artifact(dict(state.manifest), {**state.tensors, spoilt: array}))
        assert refused(tmp_path / "run"), spoilt


@pytest.mark.parametrize("steps", [0.0, 0.3, 2.0**62])
def test_an_optimiser_after_other_steps_is_refused(steps, states, tmp_path):
    state = states["under way"]
    counts = {key: np.full_like(a, steps) for key, a in state.tensors.items() if key.endswith(".step")}
    assert counts
    write(tmp_path / "run", Artifact(dict(state.manifest), {**state.tensors, **counts}))
    assert refused(tmp_path / "run")


def test_names_of_a_checkpoint_reach_no_terminal_as_they_are(states, tmp_path):
    evil = "\x1b]0;owned\x07" + "x" * 100_000
    spoilt = changed(states["over"], ("identity", evil), evil)
    write(tmp_path / "run", spoilt)
    with pytest.raises(ArtifactError, match="written by another fit") as refusal:
        fit(resume=tmp_path / "run")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 2000


def refused(path):
    try:
        fit(resume=path)
    except ArtifactError:
        return True
    return False


def test_every_tensor_is_compared_with_what_this_run_would_have_written(states, tmp_path):
    state = states["under way"]
    taken = []
    for name, array in state.tensors.items():
        others = {
            "absent": None,
            "longer": np.concatenate([array.ravel(), array.ravel()[:1]]),
            "flat": array[None],
        }
        for how, other in others.items():
            tensors = {key: kept for key, kept in state.tensors.items() if key != name}
            if other is not None:
                tensors[name] = other
            write(tmp_path / "run", Artifact(dict(state.manifest), tensors))
            if not refused(tmp_path / "run"):
                taken.append(f"{name} {how}")
    assert len(state.tensors) > 10
    assert taken == []
    extra = {**state.tensors, "fit.optimizer.99.exp_avg": np.zeros(1, np.float32)}
    write(tmp_path / "run", Artifact(dict(state.manifest), extra))
    assert refused(tmp_path / "run")


def test_what_is_not_spoilt_is_taken(states, tmp_path):
    whole = fit()
    for state in states.values():
        write(tmp_path / "run", state)
        np.testing.assert_array_equal(fit(resume=tmp_path / "run").predict(X), whole.predict(X))
