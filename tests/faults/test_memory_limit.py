"""A training that gets no more memory says so, with bytes and batch size, and loses no checkpoint."""

import os
import subprocess
import sys

import pytest

from timeseries.deeplearning import artifact
from timeseries.deeplearning.runtime import told_of_memory
from timeseries.errors import MemoryLimitError

SCRIPT = """
import ctypes, resource, sys
import timeseries.deeplearning.checkpoint as checkpoint
from timeseries.cli import main

written = checkpoint.artifact.write

def write_and_starve(path, what):
    written(path, what)
    ctypes.CDLL(None).malloc_trim(0)  # or the next step could do with what the first has left
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + 10_000_000, most))

checkpoint.artifact.write = write_and_starve
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_a_starved_training_ends_with_5_and_its_last_checkpoint_is_whole(tmp_path):
    rows = "\n".join(f"{number},{number % 7}" for number in range(3000))
    (tmp_path / "t.csv").write_text(f"ds,y\n{rows}\n")
    settings = ["hidden_size=64", "batch_size=2000", "patch_length=1", "max_steps=50"]
    options = [part for setting in settings for part in ("--set", setting)]
    how = ["--model", "lstm", "--horizon", "4", "--context-length", "100", "--quiet", "-o", "a.model"]
    kept = ["--checkpoint", "run", "--checkpoint-every", "1steps"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "fit", "t.csv", *how, *kept, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 5, done.stderr
    assert "Training on batches of 2000 windows" in done.stderr
    assert "ran out of memory on asking for" in done.stderr
    assert "Lower batch_size (now 2000), or" in done.stderr
    assert artifact.read(tmp_path / "run").manifest["kind"] == "checkpoint"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "t.csv"]


@pytest.mark.parametrize("fault", [RuntimeError("shapes do not match"), ValueError("can't allocate memory")])
def test_other_faults_pass_as_they_are(fault):
    with pytest.raises(type(fault)) as raised, told_of_memory("Training", "Stop."):
        raise fault
    assert raised.value is fault


def test_what_the_system_refuses_without_a_number_is_told_too():
    told = r"^Training ran out of memory\. Stop\.$"
    with pytest.raises(MemoryLimitError, match=told), told_of_memory("Training", "Stop."):
        raise MemoryError
