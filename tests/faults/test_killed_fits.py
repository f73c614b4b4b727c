"""kill -9 while a network is trained: the checkpoint is complete, and the run goes on exactly."""

import os
import subprocess
import sys

import numpy as np
import pytest

from timeseries.deeplearning import artifact

KILLED = """
import sys, numpy as np, pandas as pd
from timeseries.deeplearning.checkpoint import Checkpoints
from timeseries.forecaster import Forecaster
table = pd.DataFrame({"ds": np.arange(400), "y": np.sin(np.arange(400) / 3)})
path, out = sys.argv[1:3]
resume = sys.argv[3] if len(sys.argv) > 3 else None
settings = {"hidden_size": 8, "dropout": 0.2, "epochs": 6, "patience": None}
forecaster = Forecaster("lstm", horizon=3, context_length=12, **settings)
print("begin", flush=True)
forecaster.fit(table, checkpoint=Checkpoints(path=path, steps=2), resume=resume)
np.savez(out, **{n: t.numpy() for n, t in forecaster.fitted_.network.state_dict().items()})
"""


def run_script(*arguments, seconds=120):
    """Run the script; kill it so many seconds after its training began. Return whether it came to its end."""
    command = [sys.executable, "-c", KILLED, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        process.stdout.readline()
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return False


@pytest.mark.parametrize(
    "times", [pytest.param(2, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.faults)]
)
def test_a_fit_killed_at_any_moment_goes_on_to_the_same_weights(times, tmp_path, tried):
    assert run_script(tmp_path / "whole", tmp_path / "whole.npz")
    resume = []
    for delay in np.random.default_rng(times).uniform(0.0, 1.0, times):
        if run_script(tmp_path / "run", tmp_path / "killed.npz", *resume, seconds=delay):
            (tmp_path / "run").unlink()  # it came to its end: kill another one
            resume = []
        if (tmp_path / "run").exists():
            artifact.read(tmp_path / "run")  # complete, whenever the process ended
            resume = [tmp_path / "run"]
    assert run_script(tmp_path / "run", tmp_path / "end.npz", *resume)
    expected, found = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "end.npz")
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    tried(times)
    assert left == []  # what killed writers left behind is gone
