"""Replace a file so that whoever looks, at any moment and after any crash, finds the old version or the new.

The new version is written beside the old one under a hidden name, ``.<name>.<16 hex digits>.tmp``, synced,
verified, and renamed over the old one; then the folder is synced, so that the rename survives a power cut.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


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

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     publish(Path(folder, "a"), (b"one ", b"two"), verify=lambda temporary: None)
    ...     Path(folder, "a").read_text()
    'one two'
    """
    old = _replaceable(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, parts, old)
        verify(temporary)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong first is what the caller must hear
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            size = sum(map(len, parts))
            raise OSError(error.errno, f"{error.strerror}, while saving {size:,} bytes", str(path)) from error
        raise
    _sync_folder(path)


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
