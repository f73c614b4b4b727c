"""A file is replaced in one step, or left as it was."""

import errno
import os
import stat

import pytest

from timeseries.deeplearning.atomic_file import publish


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
