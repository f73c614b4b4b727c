"""The model file as the disk has it: opened with care, read once, hashed on the way, not yet interpreted."""

import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from timeseries.deeplearning.artifact_format import (
    DIGEST_BYTES,
    FORMAT_VERSION,
    HEADER_LENGTH,
    MAX_HEADER_BYTES,
    MAX_MANIFEST_BYTES,
    PREAMBLE,
    SIGNATURE,
    Refusal,
    Sections,
    check_size,
    damaged,
)
from timeseries.deeplearning.atomic_file import flag

_CHUNK: Final = 2**20


class _Reader:
    """Reads a file once, from front to back, and hashes what passes."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.hash = hashlib.sha256()

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        taken = self.file.read(length)
        if len(taken) != length:
            raise Refusal("it became shorter while it was read. Wait until it is complete.")
        self.hash.update(taken)
        return taken

    def fill(self, target: NDArray[np.uint8]) -> None:
        """Read the next bytes into an array."""
        for start in range(0, len(target), _CHUNK):
            part = target[start : start + _CHUNK].data
            if self.file.readinto(part) != len(part):
                raise Refusal("it became shorter while it was read. Wait until it is complete.")
            self.hash.update(part)

    def skip(self, length: int) -> None:
        """Hash the next bytes without keeping them."""
        while length:
            length -= len(self.take(min(length, _CHUNK)))


def read_sections(path: Path, max_bytes: int, *, keep_data: bool) -> Sections:
    """Read a file of consistent lengths and verify its digest."""
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise Refusal(
                f"it has {size:,} bytes, more than the {max_bytes:,} allowed. Raise max_bytes to load it."
            )
        reader = _Reader(file)
        manifest_length, payload_length = _check_preamble(reader, size)
        manifest = reader.take(manifest_length)
        (header_length,) = HEADER_LENGTH.unpack(reader.take(HEADER_LENGTH.size))
        data_length = payload_length - HEADER_LENGTH.size - header_length
        check_size(header_length, "the list of tensors", MAX_HEADER_BYTES)
        if data_length < 0:
            raise Refusal(damaged("its list of tensors is longer than the file"))
        header = reader.take(header_length)
        data = np.empty(data_length if keep_data else 0, np.uint8)
        reader.fill(data)
        reader.skip(data_length - len(data))
        digest = reader.hash.digest()
        if digest != reader.take(DIGEST_BYTES):
            raise Refusal(damaged("its checksum does not match its content"))
        return Sections(manifest, header, data_length, data, digest)


def _open_regular(path: Path) -> BufferedReader:
    """Open an ordinary file: nothing that leads elsewhere, could block, or acts when it is opened."""
    _check_regular(path.lstat())
    flags = os.O_RDONLY | flag("O_NOFOLLOW") | flag("O_NONBLOCK") | flag("O_CLOEXEC") | flag("O_BINARY")
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_regular(os.fstat(file.fileno()))  # again: the name may have changed hands in between
    except BaseException:
        file.close()
        raise
    return file


def _check_regular(status: os.stat_result) -> None:
    """Refuse what is not an ordinary file."""
    if stat.S_ISLNK(status.st_mode):
        raise Refusal("it is a symbolic link. Give the path of the file itself (os.path.realpath).")
    if stat.S_ISDIR(status.st_mode):
        raise Refusal("it is a folder. Give the path of the model file.")
    if not stat.S_ISREG(status.st_mode):
        raise Refusal("it is a pipe, socket or device. Give the path of an ordinary file.")


def _check_preamble(reader: _Reader, size: int) -> tuple[int, int]:
    """Check signature, version and lengths, and return the lengths of manifest and payload."""
    if size == 0:
        raise Refusal(damaged("it is empty"))
    start = reader.take(min(size, PREAMBLE.size))
    if not SIGNATURE.startswith(start[: len(SIGNATURE)]):
        raise Refusal(_describe_foreign(start))
    smallest = PREAMBLE.size + len("{}") + HEADER_LENGTH.size + len("{}") + DIGEST_BYTES
    if size < smallest:
        raise Refusal(damaged(f"it ends after {size} bytes, and the smallest model file has {smallest}"))
    _, version, manifest_length, payload_length = PREAMBLE.unpack(start)
    if version > FORMAT_VERSION:
        raise Refusal(
            f"it has format version {version} and was written by a newer release; this one reads up to "
            f"{FORMAT_VERSION}. Upgrade: pip install --upgrade timeseries-deeplearning."
        )
    if version == 0:
        raise Refusal(damaged("there is no format version 0"))
    expected = PREAMBLE.size + manifest_length + payload_length + DIGEST_BYTES
    if expected != size or payload_length < HEADER_LENGTH.size:
        raise Refusal(damaged(f"it should have {expected:,} bytes by its own account, and has {size:,}"))
    check_size(manifest_length, "the manifest", MAX_MANIFEST_BYTES)
    return manifest_length, payload_length


def _describe_foreign(start: bytes) -> str:
    """Say what a file is that does not carry our signature."""
    never = "Pickles are never loaded, since loading one can run any code. Save the model again with save()."
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return f"it is a pickle, not a model file of this library. {never}"
    if start[:2] == b"PK":
        return f"it is a zip archive (such as torch.save writes), not a model file of this library. {never}"
    return "it does not begin like a model file of this library. Give the path of a model file."
