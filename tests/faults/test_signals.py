"""SIGTERM and Ctrl-C to a command that trains: it keeps a checkpoint, leaves, and goes on exactly."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning import artifact

LEAVE = 5.0  # seconds
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
SETTINGS = ["--horizon", "3", "--model", "lstm", "--set", "hidden_size=8", "--context-length", "8"]
CADENCE = ["--checkpoint", "run", "--checkpoint-every", "5steps", "--quiet"]

STARTED = []


@pytest.fixture
def folder(tmp_path):
    t = np.arange(300)
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=300, freq="h"), "y": np.sin(t / 3)})
    table.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def start(folder, *options):
    command = [sys.executable, "-m", "timeseries", "fit", "t.csv", *SETTINGS, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)
    STARTED.append(process)
    return process


def ended(process):
    """Wait for a process that nobody stops, and return its exit code and what it said."""
    told = process.communicate(timeout=120)[1]
    return process.returncode, told


@pytest.fixture(autouse=True)
def _stop():
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def training(folder, *options):
    """Start a fit, and return its process once it has written its first checkpoint."""
    process = start(folder, *options, *CADENCE)
    while not (folder / "run").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process


def steps_kept(path):
    runs = artifact.read(path).manifest["runs"]
    numbers = [run["numbers"] for run in runs.values() if not run["over"]]
    return sum(r["steps"] for n in numbers for r in n["history"]) + sum(
        n["losses"]["first"] + n["losses"]["count"] for n in numbers if n["losses"]
    )


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_leaves_a_checkpoint_and_ends_the_command(number, folder):
    process = training(folder, "--set", "epochs=100000", "-o", "a.model")
    began = time.monotonic()
    process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < LEAVE
    assert process.returncode == CODES[number], told
    assert steps_kept(folder / "run") > 0
    assert "Traceback" not in told
    left = {path.name for path in folder.iterdir()}
    assert left == {"t.csv", "run"} | ({"a.model"} if number == signal.SIGINT else set())


@pytest.mark.faults
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.05, 0.3])
def test_what_a_signal_ended_goes_on_to_the_same_weights(number, delay, folder):
    made = ["--set", "epochs=20"]
    assert ended(start(folder, *made, "-o", "whole.model", "--quiet")) == (0, "")
    process = training(folder, *made, "-o", "ended.model")
    time.sleep(delay)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (CODES[number], 0, -number)  # -15 and -2: after the end of the command
    assert ended(start(folder, *made, "-o", "resumed.model", "--resume", "run", "--quiet")) == (0, "")
    whole, resumed = (artifact.read(folder / f"{name}.model") for name in ("whole", "resumed"))
    assert whole.tensors.keys() == resumed.tensors.keys()
    for name, array in whole.tensors.items():
        np.testing.assert_array_equal(resumed.tensors[name], array, err_msg=name)


@pytest.mark.faults
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_second_signal_ends_the_command_at_once_and_the_last_checkpoint_stays(number, folder):
    process = training(folder, "--set", "epochs=100000", "-o", "a.model")
    for _ in range(20):
        process.send_signal(number)
        time.sleep(0.005)
        if process.poll() is not None:
            break
    process.communicate(timeout=LEAVE)
    assert process.returncode in (CODES[number], -number)
    assert steps_kept(folder / "run") > 0


@pytest.mark.slow
def test_a_second_fit_that_would_write_the_same_checkpoint_is_told_who_does(folder):
    process = training(folder, "--set", "epochs=100000", "-o", "a.model")
    code, told = ended(start(folder, "-o", "b.model", *CADENCE))
    assert code == 75
    assert f"run' is being written by process {process.pid} on" in told
    process.kill()
    process.wait()
    assert ended(start(folder, "--set", "max_steps=2", "-o", "c.model", *CADENCE)) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["c.model", "run", "t.csv"]
