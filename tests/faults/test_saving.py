"""Saving under faults: whatever happens, the file is the old version or the new one, complete."""

import errno
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from timeseries.deeplearning.artifact import Artifact, read, write
from timeseries.errors import BusyError

NUMBERS = 50_000
SAVE = """
import itertools, sys
import numpy as np
from timeseries.deeplearning.artifact import Artifact, write
path, first, last = sys.argv[1], *map(int, sys.argv[2:])
print("ready", flush=True)
for version in range(first, last):
    try:
        write(path, Artifact({"version": version}, {"network.weight": np.full(50_000, float(version))}))
    except OSError as error:
        print(type(error).__name__, error.errno, error, flush=True)
"""
ENVIRONMENT = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
HOLD = """
import sys
from timeseries.deeplearning.atomic_file import writing
from timeseries.errors import BusyError
try:
    with writing(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.read()
except BusyError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


def save(path, version):
    write(path, Artifact({"version": version}, {"network.weight": np.full(NUMBERS, float(version))}))


def version_of(path):
    """Return the version that a file holds; it is checked from the first byte to the last."""
    artifact = read(path)
    assert (artifact.tensors["network.weight"] == artifact.manifest["version"]).all()
    return artifact.manifest["version"]


@pytest.fixture
def start():
    """Start processes that end with the test."""
    processes = []

    def run(code, *arguments, before=()):
        process = subprocess.Popen(
            [*before, sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def files(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def model(tmp_path):
    save(tmp_path / "model", 0)
    return tmp_path / "model"


# ------------------------------------------------------------------------------------------- kill -9


def kill_while_saving(start, model, seconds):
    """Kill a process that saves one version after the other, and return which version is there then."""
    before = version_of(model)
    process = start(SAVE, model, before + 1, 10**9)
    process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return version_of(model)


@pytest.mark.parametrize("times", [5, pytest.param(200, marks=pytest.mark.faults)])
def test_a_save_that_is_killed_leaves_one_complete_version(start, model, times, tried):
    draw, littered = random.Random(times), 0
    tried(times)
    for _ in range(times):
        assert kill_while_saving(start, model, draw.uniform(0, 0.05)) >= version_of(model) >= 0
        littered += len(files(model.parent)) > 1
    assert littered, "every process was killed between two saves; that proves nothing"
    save(model, 7)
    assert version_of(model) == 7
    assert files(model.parent) == ["model"]


def strace(call, fault):
    return ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{fault}"]


def fails(command, call, fault):
    return subprocess.run([*strace(call, fault), *command], capture_output=True).returncode == 1


@pytest.fixture
def needs_strace():
    if not shutil.which("strace") or not fails(["echo"], "write", "error=EIO"):
        pytest.skip("needs strace, and the right to use it")


@pytest.mark.faults
@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize(
    "call", ["flock", "ftruncate", "pwrite64", "chmod", "write", "fsync", "rename", "unlink"]
)
def test_a_save_that_is_killed_at_any_system_call_leaves_one_complete_version(start, model, call, tried):
    for number in itertools.count(1):
        process = start(SAVE, model, 1, 2, before=strace(call, f"signal=KILL:when={number}"))
        process.communicate()
        assert version_of(model) in (0, 1)
        if process.returncode == 0:
            break
        save(model, 0)
        assert files(model.parent) == ["model"]
    assert version_of(model) == 1
    assert number > 1, "nothing was killed"
    tried(number - 1)


# ------------------------------------------------------------------------------------------- faulty disks


@pytest.mark.faults
@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("code", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", ["flock", "chmod", "write", "fsync", "rename"])
def test_a_system_call_that_fails_is_reported_and_leaves_one_complete_version(
    start, model, call, code, tried
):
    faults = 0
    for number in itertools.count(1):
        process = start(SAVE, model, 1, 2, before=strace(call, f"error={code}:when={number}"))
        said = process.communicate()[0].splitlines()[1:]
        assert not [name for name in files(model.parent) if name.endswith(".tmp")]
        if version_of(model) == 1 and not said:
            break
        if said:
            faults += 1
            assert said[0].startswith(f"OSError {getattr(errno, code)}"), said
            assert version_of(model) == ("after it was saved" in said[0])
        save(model, 0)
    assert faults
    tried(faults)


def test_a_disk_that_is_full_leaves_the_old_version_and_says_how_much_was_needed(model):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (1, 1000, 100_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(OSError, match=r"File too large, while saving 400,\d\d\d bytes") as failure:
                save(model, 1)
            assert failure.value.errno == errno.EFBIG
            assert failure.value.filename == str(model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert version_of(model) == 0
    assert files(model.parent) == ["model"]


@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_leaves_the_old_version(disk):
    save(disk / "model", 0)
    (disk / "ballast").write_bytes(bytes(300_000))
    with pytest.raises(OSError, match="No space left on device, while saving 400,"):
        save(disk / "model", 1)
    assert version_of(disk / "model") == 0
    assert files(disk) == ["ballast", "model"]
    (disk / "ballast").unlink()
    save(disk / "model", 1)
    assert version_of(disk / "model") == 1


def test_a_file_system_that_is_read_only_is_read_and_not_written(disk):
    save(disk / "model", 0)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert version_of(disk / "model") == 0
    with pytest.raises(OSError, match=r"Read-only file system, while saving .*model") as failure:
        save(disk / "model", 1)
    assert failure.value.filename == str(disk / "model")
    assert version_of(disk / "model") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_read_and_not_written(model):
    model.parent.chmod(0o500)
    try:
        assert version_of(model) == 0
        with pytest.raises(PermissionError, match=r"while saving .*model"):
            save(model, 1)
    finally:
        model.parent.chmod(0o700)


def test_an_fsync_that_fails_is_reported_and_leaves_the_old_version(model, monkeypatch):
    def fail(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error, while saving"):
            save(model, 1)
    assert version_of(model) == 0
    assert files(model.parent) == ["model"]


# ------------------------------------------------------------------------------------------- many writers


@pytest.mark.parametrize("count", [2, 4, pytest.param(8, marks=pytest.mark.faults)])
def test_of_many_writers_one_wins_and_the_others_are_told_who(start, model, count):
    writers = [start(HOLD, model) for _ in range(count)]
    said = {writer.pid: writer.stdout.readline() for writer in writers}
    winners = [writer for writer in writers if said[writer.pid] == "held\n"]
    assert len(winners) == 1
    for loser in set(writers) - set(winners):
        assert f"is being written by process {winners[0].pid} on {os.uname().nodename}," in said[loser.pid]
        assert loser.wait() == BusyError.exit_code == 75
    with pytest.raises(BusyError):
        save(model, 1)
    winners[0].kill()
    winners[0].wait()
    save(model, 1)  # a lock dies with its holder
    assert version_of(model) == 1
    assert files(model.parent) == ["model"]


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.faults)])
def test_writers_that_save_again_and_again_never_mix_their_versions(start, model, count):
    writers = [start(SAVE, model, 1, 30) for _ in range(count)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(version_of(model))
    said = [line for writer in writers for line in writer.communicate()[0].splitlines() if line != "ready"]
    assert all(line.startswith("BusyError") for line in said)
    assert len(seen) > 1
    assert files(model.parent) == ["model"]
