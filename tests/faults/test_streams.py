"""A reader of the output that leaves, and an output that takes nothing more."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timeseries.forecaster import Forecaster

FULL = Path("/dev/full")
FIT = ["--horizon", "3", "--model", "nlinear", "--set", "max_steps=3", "--quiet"]
VERBS = {
    "fit": ["fit", "data.csv", *FIT, "-o", "-"],
    "fit --json": ["fit", "data.csv", *FIT, "-o", "out", "--json"],
    "forecast": ["forecast", "a.model"],
    "backtest": ["backtest", "data.csv", *FIT, "--windows", "2"],
    "evaluate": ["evaluate", "a.model", "later.csv", "--quiet"],
    "update --json": ["update", "a.model", "later.csv", "-o", "out", "--json", "--quiet"],
    "inspect": ["inspect", "a.model"],
    "datasets list": ["datasets", "list"],
    "datasets get": ["datasets", "get", "airpassengers", "--quiet"],
    "--help": ["--help"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, t = tmp_path_factory.mktemp("streams"), np.arange(60)
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": np.sin(t / 3)})
    table[:48].to_csv(folder / "data.csv", index=False)
    table[48:].to_csv(folder / "later.csv", index=False)
    Forecaster("nlinear", horizon=3, context_length=6, max_steps=2).fit(table[:48]).save(folder / "a.model")
    return folder


def run(verb, folder, stdout):
    command = [sys.executable, "-m", "timeseries", *VERBS[verb]]
    return subprocess.run(command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120)


@pytest.mark.faults
@pytest.mark.parametrize("verb", VERBS)
def test_a_reader_that_left_ends_every_verb_with_141_and_silence(verb, folder):
    read, write = os.pipe()
    os.close(read)
    done = run(verb, folder, write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.faults
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("verb", VERBS)
def test_an_output_without_space_ends_every_verb_with_5_and_a_sentence(verb, folder):
    with FULL.open("w") as stdout:
        done = run(verb, folder, stdout)
    assert done.returncode == 5, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
