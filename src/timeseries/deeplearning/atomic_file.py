"""Replace a file so that whoever looks, at any moment and after any crash, finds the old version or the new.

The new version is written beside the old one under a hidden name, ``.<name>.<16 hex digits>.tmp``, synced,
verified, and renamed over the old one; then the folder is synced, so that the rename survives a power cut.

There is one writer of a file at a time: it holds a lock on ``.<name>.lock`` beside the file. The system takes
the lock back when its holder ends, however it ends.
"""

import errno
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from timeseries.errors import BusyError

try:
    import fcntl
except ImportError:  # a system without these locks
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)  # the file system has none
_MAX_HOLDER_BYTES: Final = 400  # of the line that names the holder of a lock


class _Held(NamedTuple):
    """A lock of this process: which thread took it, and the open file that it is on."""

    thread: int
    descriptor: int | None  # None where there are no locks


_held: dict[Path, _Held] = {}


def publish(path: Path, parts: tuple[bytes, ...], verify: Callable[[Path], None]) -> None:
    """Write the parts, one after the other, as the new version of a file.

    A new file gets the permissions that the umask gives; an existing one keeps its permission bits.

    Parameters
    ----------
    path
        The file to create or replace; its folder must exist.
    parts
        Its new content.
    verify
        Called with the temporary file once that is complete and synced; raises to keep the old version.

    Raises
    ------
    OSError
        If the file cannot be written or ``path`` is no ordinary file. The old version stays and the temporary
        file is removed, unless the message says "after it was saved".
    BusyError
        If another process or thread is writing the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     publish(Path(folder, "a"), (b"one ", b"two"), verify=lambda temporary: None)
    ...     Path(folder, "a").read_text()
    'one two'
    """
    old = _replaceable(path)
    with ExitStack() as stack:
        with _naming(path, size=sum(map(len, parts))):
            stack.enter_context(writing(path))
            _replace(path, parts, old, verify)
        _sync_folder(path)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Be the only writer of a file while the block runs; a program may hold it as long as it likes.

    What killed writers of this file left behind is removed first. The thread that holds a file may publish it
    and may hold it once more; every other thread and process is refused. Where the system or the file system
    has no locks, the block runs without one.

    Parameters
    ----------
    path
        The file to write; its folder must exist.

    Raises
    ------
    BusyError
        If another process or thread holds the file; it is named.
    OSError
        If ``path`` is no ordinary file, or the lock cannot be made, e.g. in a folder that is read-only.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, writing(f"{folder}/a"):
    ...     publish(Path(folder, "a"), (b"one",), verify=lambda temporary: None)
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['.a.lock', 'a']
    """
    path = Path(path)
    _replaceable(path)
    path = path.parent.resolve() / path.name
    if path in _held and _held[path].thread == threading.get_ident():
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    descriptor = None if fcntl is None else _lock(path, lock)
    try:
        _held[path] = _Held(threading.get_ident(), descriptor)
        if descriptor is not None:
            _remove_leftovers(path)
        yield
    finally:
        in_a_fork = _held.pop(path, None) is None  # the lock is the parent's, and let go of already
        if descriptor is not None and not in_a_fork:
            with suppress(OSError):  # before the lock is given up, so that nobody else's file is removed
                lock.unlink(missing_ok=True)
            os.close(descriptor)  # gives it up: no forked process has a copy


def _lock(path: Path, lock: Path) -> int | None:
    """Take the lock of a file and return its descriptor, None where the file system has no locks."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | flag("O_NOFOLLOW") | flag("O_CLOEXEC")
        descriptor = os.open(lock, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, lock):
                _sign(descriptor)
                return descriptor
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise BusyError(
                f"{str(path)!r} is being written by {holder}, and has one writer at a time. "
                "Wait until it is done, or save to another file."
            ) from None
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                lock.unlink(missing_ok=True)
                return None
            raise
        os.close(descriptor)  # its holder has just removed it: the next one is another file


def _is_at(descriptor: int, lock: Path) -> bool:
    """Tell whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.lstat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write into a lock who holds it, where there is still room for that."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {os.uname().nodename}".encode()[:_MAX_HOLDER_BYTES], 0)


def _holder(descriptor: int) -> str:
    """Say who signed a lock; who took it this instant is given one to do so."""
    for pause in (0.0, 0.01, 0.1):
        time.sleep(pause)
        found = re.fullmatch(rb"(\d{1,20}) ([\w.-]+)", os.pread(descriptor, _MAX_HOLDER_BYTES, 0))
        if found:
            return f"process {found[1].decode()} on {found[2].decode()}"
    return "another process"


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of writers of this file that were killed; its lock is held."""
    temporary = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{16}\.tmp")
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if temporary.fullmatch(entry.name)]
    for name in names:
        path.with_name(name).unlink(missing_ok=True)


def _drop_locks() -> None:
    """In a forked process, let go of the locks: they are its parent's, and must not outlive it."""
    for held in _held.values():
        if held.descriptor is not None:
            os.close(held.descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_locks)


@contextmanager
def _naming(path: Path, size: int) -> Iterator[None]:
    """Put the file and its size into a fault of the system."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"{error.strerror}, while saving {size:,} bytes", str(path)) from error


def _replace(
    path: Path, parts: tuple[bytes, ...], old: os.stat_result | None, verify: Callable[[Path], None]
) -> None:
    """Write the new version beside the old one, and put it in its place when it is verified."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, parts, old)
        verify(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what the caller must hear
            temporary.unlink(missing_ok=True)
        raise


def _replaceable(path: Path) -> os.stat_result | None:
    """Return the old file's status, or None when there is none; refuse what is no file to replace."""
    if not path.parent.is_dir():
        reason = f"There is no folder {str(path.parent)!r} to save in; create it first"
        raise FileNotFoundError(errno.ENOENT, reason, str(path))
    try:
        old = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        reason = "This is a folder; give the path of a file to save to"
        raise IsADirectoryError(errno.EISDIR, reason, str(path))
    if not stat.S_ISREG(old.st_mode):
        reason = "Only an ordinary file is replaced, and this is a link, a pipe or a device; remove it first"
        raise FileExistsError(errno.EEXIST, reason, str(path))
    return old


def _write_new(temporary: Path, parts: tuple[bytes, ...], old: os.stat_result | None) -> None:
    """Write a new file that only its owner can open until it is complete."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | flag("O_NOFOLLOW") | flag("O_CLOEXEC") | flag("O_BINARY")
    # Without an old file to imitate, the system applies the umask, which cannot be read without changing it.
    descriptor = os.open(temporary, flags, 0o600 if old else 0o666)
    try:
        mode = stat.S_IMODE((old or os.fstat(descriptor)).st_mode) & 0o777
        temporary.chmod(0o600)
        for part in parts:
            rest = memoryview(part)
            while rest:  # one call may take less than it is given
                rest = rest[os.write(descriptor, rest) :]
        temporary.chmod(mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Make the new name of the file survive a power cut."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | flag("O_DIRECTORY") | flag("O_CLOEXEC"))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise OSError(error.errno, f"{error.strerror}, after it was saved", str(path)) from error


def flag(name: str) -> int:
    """Return one of the system's flags for opening a file, or 0 where it has none of that name.

    Parameters
    ----------
    name
        Its name in ``os``, such as ``O_NOFOLLOW``.

    Returns
    -------
    int
        The flag.

    Examples
    --------
    >>> flag("O_NO_SUCH_THING")
    0
    """
    return int(getattr(os, name, 0))
