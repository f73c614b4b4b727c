"""A file is replaced in one step, or left as it was."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from timeseries.deeplearning.atomic_file import publish, writing
from timeseries.errors import BusyError


def accept(_temporary):
    pass


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    return path


def test_a_file_is_created_and_then_replaced(tmp_path):
    path = tmp_path / "model"
    publish(path, (b"one", b"", b" two"), accept)
    assert path.read_bytes() == b"one two"
    publish(path, (b"three",), accept)
    assert path.read_bytes() == b"three"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "chmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failed_system_call_leaves_the_old_file_and_no_other(target, monkeypatch, call, code):
    def fail(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=rf"{os.strerror(code)}, while saving 3 bytes.*model") as failure:
            publish(target, (b"new",), accept)
    assert failure.value.errno == code
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_file_and_no_other(target, monkeypatch):
    honest, calls = os.write, []

    def write_a_little(descriptor, part):
        calls.append(len(part))
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return honest(descriptor, part[:2])

    monkeypatch.setattr(os, "write", write_a_little)
    with pytest.raises(OSError, match="No space left"):
        publish(target, (b"0123456789",), accept)
    assert calls == [10, 8, 6, 4]
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("reason", [ValueError("unfit"), KeyboardInterrupt(), OSError("no number")])
def test_a_refusal_or_interruption_passes_and_leaves_the_old_file(target, reason):
    def refuse(_temporary):
        raise reason

    with pytest.raises(type(reason)) as failure:
        publish(target, (b"new",), refuse)
    assert failure.value is reason
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_the_new_version_is_verified_and_synced_before_it_replaces_the_old(target, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def sync(descriptor):
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def swap(source, destination):
        steps.append("replace")
        replace(source, destination)

    def verify(temporary):
        steps.append("verify")
        assert (temporary.parent, temporary.read_bytes()) == (target.parent, b"new")
        assert target.read_bytes() == b"old"

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", swap)
    publish(target, (b"new",), verify)
    assert steps == ["sync file", "verify", "replace", "sync folder"]


@pytest.mark.parametrize(("code", "raises"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_folder_that_cannot_be_synced_is_reported_with_the_file_in_place(target, monkeypatch, code, raises):
    fsync = os.fsync

    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    if raises:
        with pytest.raises(OSError, match="after it was saved"):
            publish(target, (b"new",), accept)
    else:
        publish(target, (b"new",), accept)
    assert target.read_bytes() == b"new"


@pytest.mark.usefixtures("umask")
def test_a_new_file_follows_the_umask_and_an_old_one_keeps_its_permissions(tmp_path):
    publish(tmp_path / "new", (b"x",), accept)
    assert mode(tmp_path / "new") == 0o640
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o604)
    publish(tmp_path / "old", (b"x",), accept)
    assert mode(tmp_path / "old") == 0o604


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("exists", [True, False])
def test_nobody_else_can_open_the_file_while_it_is_written(tmp_path, monkeypatch, exists):
    path = tmp_path / "model"
    if exists:
        path.touch(0o644)
    honest, modes = os.write, []

    def watch(descriptor, part):
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return honest(descriptor, part)

    monkeypatch.setattr(os, "write", watch)
    publish(path, (b"one", b"two"), accept)
    assert modes == [0o600, 0o600]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere'.*create it first"):
        publish(tmp_path / "nowhere" / "model", (b"x",), accept)


def test_a_folder_that_is_a_file_is_named(target):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*model'"):
        publish(target / "model", (b"x",), accept)


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError, match="This is a folder"):
        publish(tmp_path, (b"x",), accept)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere")], ids=["FIFO", "link"])
def test_what_is_no_ordinary_file_is_not_replaced(tmp_path, make):
    make(tmp_path / "thing")
    before = (tmp_path / "thing").lstat()
    with pytest.raises(FileExistsError, match="Only an ordinary file is replaced"):
        publish(tmp_path / "thing", (b"x",), accept)
    assert (tmp_path / "thing").lstat() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "thing"]


# ------------------------------------------------------------------------------------------- one writer

HOLD = """
import sys
from timeseries.deeplearning.atomic_file import writing
with writing(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(target):
    """Another process that holds the file until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def lock_of(path):
    return path.with_name(f".{path.name}.lock")


def test_a_second_process_is_refused_and_told_who_holds_the_file(target, holder):
    expected = rf"model' is being written by process {holder.pid} on {os.uname().nodename}, and has one"
    with pytest.raises(BusyError, match=expected) as refusal:
        publish(target, (b"new",), accept)
    assert isinstance(refusal.value, OSError)
    assert target.read_bytes() == b"old"
    publish(target.with_name("other"), (b"new",), accept)
    holder.communicate("")
    publish(target, (b"new",), accept)
    assert target.read_bytes() == b"new"
    assert sorted(file.name for file in target.parent.iterdir()) == ["model", "other"]


def test_the_lock_of_a_killed_process_is_taken_over(target, holder):
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert lock_of(target).exists()
    publish(target, (b"new",), accept)
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_left_over_temporary_files_are_removed_but_never_those_of_a_living_writer(target, holder):
    leftover = target.with_name(".model.0123456789abcdef.tmp")
    others = [".model.0123456789abcdeF.tmp", ".model2.0123456789abcdef.tmp", ".model.tmp", "model.tmp"]
    for name in (leftover.name, *others):
        target.with_name(name).touch()
    with pytest.raises(BusyError):
        publish(target, (b"new",), accept)
    assert leftover.exists()
    holder.communicate("")
    publish(target, (b"new",), accept)
    assert sorted(file.name for file in target.parent.iterdir()) == sorted(["model", *others])


def test_who_holds_a_file_may_publish_it_and_another_thread_may_not(target):
    refused = []

    def publish_from_another_thread():
        try:
            publish(target, (b"other",), accept)
        except BusyError as refusal:
            refused.append(str(refusal))

    with writing(target):
        with writing(target.parent / "." / "model"):
            publish(target, (b"one",), accept)
        publish(target, (b"two",), accept)
        thread = threading.Thread(target=publish_from_another_thread)
        thread.start()
        thread.join()
        assert target.read_bytes() == b"two"
    assert f"by process {os.getpid()} on" in refused[0]
    assert list(target.parent.iterdir()) == [target]


def test_a_forked_process_neither_holds_the_file_nor_keeps_it_from_others(target):
    read, write = os.pipe()
    with writing(target):
        child = os.fork()
        if child == 0:  # it must end without running what the tests do at their end
            try:
                publish(target, (b"child",), accept)
                os.write(write, b"published")
            except BusyError:
                os.write(write, b"refused")
            signal.pause()
        assert os.read(read, 100) == b"refused"
    try:
        publish(target, (b"new",), accept)  # the child is alive, and has a copy of all that was open
        assert target.read_bytes() == b"new"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_that_vanishes_while_it_is_taken_is_taken_again(target, monkeypatch):
    honest, taken = fcntl.flock, []

    def lose_the_first(descriptor, operation):
        if not taken:
            lock_of(target).unlink()  # as its holder does at the end
        taken.append(operation)
        honest(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lose_the_first)
    with writing(target), lock_of(target).open("rb") as second, pytest.raises(BlockingIOError):
        honest(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(taken) == 2  # lost, taken again


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_locks_writing_goes_on_and_removes_nothing(target, monkeypatch, code):
    def fail(*_args):
        raise OSError(code, os.strerror(code))

    leftover = target.with_name(".model.0123456789abcdef.tmp")
    leftover.touch()
    monkeypatch.setattr(fcntl, "flock", fail)
    publish(target, (b"new",), accept)
    assert target.read_bytes() == b"new"
    assert sorted(target.parent.iterdir()) == [leftover, target]


def test_a_lock_that_fails_in_another_way_is_a_fault_of_the_system(target, monkeypatch):
    def fail(*_args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error, while saving 3 bytes"):
        publish(target, (b"new",), accept)


def test_a_lock_that_is_a_link_is_not_followed(target):
    lock_of(target).symlink_to(target)
    with pytest.raises(OSError, match="while saving 3 bytes"):
        publish(target, (b"new",), accept)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("line", [b"", b"rubbish", b"1 \x1b[31m", b"\xff" * 5000])
def test_a_holder_that_does_not_say_who_it_is_is_another_process(target, line):
    lock_of(target).write_bytes(line)
    with lock_of(target).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="is being written by another process"):
            publish(target, (b"new",), accept)


def test_a_folder_under_two_names_has_one_writer(tmp_path):
    """Within a process the holder of the file is known by where it really is."""
    real, other = tmp_path / "real", tmp_path / "other"
    real.mkdir()
    other.symlink_to(real)
    with writing(real / "model"):
        refused = []

        def write():
            try:
                with writing(other / "model"):
                    pass
            except BusyError as refusal:
                refused.append(str(refusal))

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        with writing(other / "model"):  # the same thread may hold it once more
            pass
    assert len(refused) == 1
