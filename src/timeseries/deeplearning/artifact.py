"""The model file: one file of plain JSON and numbers, complete or absent, checked before anything is built.

Nothing in such a file is code and nothing is imported because a file names it. Writing replaces the old
version only when the new one is safely on disk; reading refuses every changed, missing or extra byte and
never needs more memory than the size of the file justifies. The layout is specified in docs/artifact.md.
"""

import hashlib
import math
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as encode_tensors

from timeseries import __version__
from timeseries.deeplearning import strict_json
from timeseries.deeplearning.atomic_file import flag, publish
from timeseries.deeplearning.strict_json import JSON, NotStrictError, shorten, text_problem
from timeseries.errors import ArtifactError, MissingArtifactError, SettingError

FORMAT_VERSION: Final = 1
"""The newest format that this release writes and reads."""

MAX_BYTES: Final = 4 * 2**30
"""Files larger than this are refused unless the caller allows more."""

RESERVED_KEY: Final = "_artifact"
"""The manifest key under which the library notes who wrote the file, and in which format."""

_SIGNATURE: Final = b"\x89TSDL\x1a"
_PREAMBLE: Final = struct.Struct("<6sHQQ")  # signature, format version, manifest length, payload length
_HEADER_LENGTH: Final = struct.Struct("<Q")
_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_CHUNK: Final = 2**20

_MAX_MANIFEST_BYTES: Final = 8 * 2**20  # 100,000 series ids of 80 bytes each
_MAX_HEADER_BYTES: Final = 4 * 2**20
_MAX_TENSORS: Final = 20_000
_MAX_HEADER_TOKENS: Final = 24 * _MAX_TENSORS
_MAX_DIMENSIONS: Final = 8
_MAX_EMPTY_ELEMENTS: Final = 2**31  # the other dimensions of an empty tensor, multiplied
_MAX_PROBLEMS_SHOWN: Final = 5

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_DTYPE_NAMES: Final = tuple(dtype.name for dtype in _DTYPES.values())
_FINITE_PREFIX: Final = "network."
_METADATA: Final = "__metadata__"  # in a safetensors header, not the name of a tensor


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a model file holds.

    Parameters
    ----------
    manifest
        Settings, names, frequency and the like, as plain JSON values: None, bool, int, finite float, str,
        list and dict with str keys. The order of keys is not kept, and the key ``_artifact`` is the
        library's own.
    tensors
        Weights, normaliser state, context and the like: C-contiguous numpy arrays of any shape, of dtype
        float16, float32, float64, int32, int64, uint8 or bool. Those whose name starts with ``network.``
        must be finite. The order of names is not kept.
    """

    manifest: dict[str, JSON]
    tensors: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies in a model file, and what it is.

    Parameters
    ----------
    name
        Its name.
    dtype
        Its numpy dtype by name, such as ``float32``.
    shape
        Its dimensions; empty for a single number.
    start
        Its first byte, counted from the beginning of the tensor data.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * int(np.dtype(self.dtype).itemsize)


class _Refusal(Exception):  # noqa: N818  it never leaves this file: callers see ArtifactError or SettingError
    """Something that may not stand in a model file, in words that fit both reading and writing."""


# ---------------------------------------------------------------------------------------------- public


def write(path: str | os.PathLike[str], artifact: Artifact) -> None:
    """Save an artifact so that the file is at every moment either the old version or the new one, complete.

    The new version is written beside the target, synced, read back and verified, and only then put in its
    place. A new file gets the permissions that the umask gives; an existing one keeps its permissions.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    artifact
        What to save; neither its manifest nor its tensors are changed.

    Raises
    ------
    SettingError
        If the manifest or a tensor holds something that a model file cannot; the message names it.
    OSError
        If the file cannot be written, e.g. because the disk is full or ``path`` is a folder or a symbolic
        link. The old version stays and no temporary file is left.
    ArtifactError
        If what was read back differs from what was written. The old version stays here too.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({"horizon": 24}, {"network.weight": np.zeros(3)}))
    ...     read(f"{folder}/model").manifest
    {'horizon': 24}
    """
    path = Path(path)
    try:
        manifest, payload = _encode_manifest(artifact.manifest), _encode_payload(artifact.tensors)
    except _Refusal as refusal:
        raise SettingError(f"This model cannot be saved to {str(path)!r}: {refusal}") from None
    preamble = _PREAMBLE.pack(_SIGNATURE, FORMAT_VERSION, len(manifest), len(payload))
    parts = (preamble, manifest, payload)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    publish(path, (*parts, digest.digest()), verify=partial(_verify, digest=digest.digest()))


def _verify(temporary: Path, digest: bytes) -> None:
    """Read a new file back through the reader's own checks, before it may replace the old one."""
    try:
        sections = _read_sections(temporary, temporary.stat().st_size, keep_data=False)
        _parse_sections(sections)
    except _Refusal as refusal:
        raise ArtifactError(f"{str(temporary)!r} was written and cannot be read back: {refusal}") from None
    if sections.digest != digest:
        raise ArtifactError(
            f"What was read back from {str(temporary)!r} is not what was written: the disk or the memory of "
            f"this machine is faulty. Save to another disk."
        )


def read(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Artifact:
    """Load an artifact, after every byte of the file has been checked.

    Parameters
    ----------
    path
        The file to read; a symbolic link is refused.
    max_bytes
        The largest file to accept, in bytes; loading needs about twice the size of the file in memory.

    Returns
    -------
    Artifact
        What :func:`write` was given; every tensor is a new array that may be changed.

    Raises
    ------
    ArtifactError
        If the file is damaged, incomplete, larger than ``max_bytes``, of a newer format, or not a model file.
    MissingArtifactError
        If there is no such file; it is a FileNotFoundError too.
    OSError
        If it cannot be opened or read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({}, {"normalizer.mean": np.array([1.5, 2.0])}))
    ...     read(f"{folder}/model").tensors["normalizer.mean"].tolist()
    [1.5, 2.0]
    """
    with _refusing(path):
        data, manifest, entries = _read_checked(Path(path), max_bytes, keep_data=True)
        del manifest[RESERVED_KEY]
        return Artifact(manifest, {entry.name: _build(entry, data) for entry in entries})


def read_manifest(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> tuple[dict[str, JSON], list[TensorEntry]]:
    """Describe a model file without building any of its tensors; the checksum is verified all the same.

    Parameters
    ----------
    path
        The file to read; a symbolic link is refused.
    max_bytes
        The largest file to accept, in bytes; memory does not grow with the size of the tensors.

    Returns
    -------
    manifest : dict
        The manifest as saved, and under ``_artifact`` the format version and the release that wrote it.
    entries : list of TensorEntry
        Name, dtype and shape of every tensor, in the order of the file.

    Raises
    ------
    ArtifactError
        If the file is damaged, incomplete, larger than ``max_bytes``, of a newer format, or not a model file.
    MissingArtifactError
        If there is no such file; it is a FileNotFoundError too.
    OSError
        If it cannot be opened or read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({"model": "lstm"}, {"network.weight": np.zeros((2, 3))}))
    ...     manifest, entries = read_manifest(f"{folder}/model")
    >>> manifest["model"], entries[0].name, entries[0].dtype, entries[0].shape
    ('lstm', 'network.weight', 'float64', (2, 3))
    """
    with _refusing(path):
        _, manifest, entries = _read_checked(Path(path), max_bytes, keep_data=False)
        return manifest, entries


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name into whatever goes wrong while it is read."""
    try:
        yield
    except _Refusal as refusal:
        raise ArtifactError(f"Cannot load {os.fspath(path)!r}: {refusal}") from None
    except MemoryError:
        raise ArtifactError(
            f"Cannot load {os.fspath(path)!r}: not enough memory, about twice the file's size is needed. "
            f"Free some, or load it on a larger machine."
        ) from None
    except FileNotFoundError as error:
        raise MissingArtifactError(error.errno, error.strerror, os.fspath(path)) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


# ---------------------------------------------------------------------------------------------- encoding


def _encode_manifest(manifest: dict[str, JSON]) -> bytes:
    """Turn the caller's manifest and the library's own note into canonical JSON, padded for alignment."""
    if not isinstance(manifest, dict):
        raise _Refusal(f"the manifest must be a dict, got {type(manifest).__name__}.")
    if RESERVED_KEY in manifest:
        raise _Refusal(f"the manifest key {RESERVED_KEY!r} is the library's own. Use another name.")
    note: JSON = {"created_by": f"timeseries-deeplearning {__version__}", "format_version": FORMAT_VERSION}
    try:
        raw = strict_json.encode({**manifest, RESERVED_KEY: note})
    except NotStrictError as error:
        raise _Refusal(f"the manifest {error}.") from None
    raw += b" " * (-len(raw) % 8)  # so that the tensor data after it is aligned in the file
    _check_size(len(raw), "the manifest", _MAX_MANIFEST_BYTES)
    return raw


def _encode_payload(tensors: dict[str, NDArray[Any]]) -> bytes:
    """Turn the tensors into the bytes of a safetensors file."""
    if len(tensors) > _MAX_TENSORS:
        raise _Refusal(f"there are {len(tensors):,} tensors, and at most {_MAX_TENSORS:,} are allowed.")
    _refuse_any(problem for name, array in tensors.items() for problem in _tensor_problems(name, array))
    payload = encode_tensors(tensors)
    (header_length,) = _HEADER_LENGTH.unpack_from(payload)
    _check_size(header_length, "the list of tensors", _MAX_HEADER_BYTES)
    return payload


def _refuse_any(problems: Iterator[str]) -> None:
    """Raise one refusal that shows the first problems and counts the rest."""
    found = list(problems)
    if found:
        more = len(found) - _MAX_PROBLEMS_SHOWN
        rest = f" (and {more:,} more)" if more > 0 else ""
        raise _Refusal("; ".join(found[:_MAX_PROBLEMS_SHOWN]) + rest + ".")


def _tensor_problems(name: object, array: object) -> Iterator[str]:
    """Say what keeps one tensor out of a model file."""
    where = f"tensor {shorten(name)}"
    if not isinstance(name, str) or name in ("", _METADATA) or text_problem(name):
        yield f"{where} needs another name: some valid text other than {_METADATA!r}"
    elif type(array) is not np.ndarray:
        yield f"{where} is of type {type(array).__name__}; it must be a plain numpy array"
    elif array.dtype.name not in _DTYPE_NAMES or not array.dtype.isnative:
        allowed = ", ".join(_DTYPE_NAMES)
        yield f"{where} has dtype {array.dtype.str}; allowed are {allowed}, in native byte order"
    elif not array.flags.c_contiguous:
        yield f"{where} is not C-contiguous; pass numpy.ascontiguousarray of it"
    elif _shape_problem(array.shape):
        yield f"{where} has shape {array.shape}: {_shape_problem(array.shape)}"
    elif name.startswith(_FINITE_PREFIX) and not _is_finite(array):
        yield f"{where} holds NaN or infinity; the network must be finite to be saved"


def _shape_problem(shape: tuple[int, ...]) -> str | None:
    """Say what is unreasonable about a shape, whatever the number of bytes behind it."""
    if len(shape) > _MAX_DIMENSIONS:
        return f"at most {_MAX_DIMENSIONS} dimensions are allowed"
    if 0 in shape and math.prod(size for size in shape if size) > _MAX_EMPTY_ELEMENTS:
        return "an empty tensor may not have dimensions this large"
    return None


def _is_finite(array: NDArray[Any]) -> bool:
    """Tell whether no number is NaN or infinite, without a temporary array of the same length."""
    if array.dtype.kind != "f" or array.size == 0:
        return True
    with np.errstate(invalid="ignore"):  # a signalling NaN is an answer here, not a fault
        return math.isfinite(array.min()) and math.isfinite(array.max())


# ---------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class _Sections:
    """The parts of a file whose checksum is right; none of them has been interpreted yet."""

    manifest: bytes
    header: bytes
    data_length: int
    data: NDArray[np.uint8]  # empty when the data was hashed but not kept
    digest: bytes


class _Reader:
    """Reads a file once, from front to back, and hashes what passes."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.hash = hashlib.sha256()

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        taken = self.file.read(length)
        if len(taken) != length:
            raise _Refusal("it became shorter while it was read. Wait until it is complete.")
        self.hash.update(taken)
        return taken

    def fill(self, target: NDArray[np.uint8]) -> None:
        """Read the next bytes into an array."""
        for start in range(0, len(target), _CHUNK):
            part = target[start : start + _CHUNK].data
            if self.file.readinto(part) != len(part):
                raise _Refusal("it became shorter while it was read. Wait until it is complete.")
            self.hash.update(part)

    def skip(self, length: int) -> None:
        """Hash the next bytes without keeping them."""
        while length:
            length -= len(self.take(min(length, _CHUNK)))


def _read_checked(
    path: Path, max_bytes: int, *, keep_data: bool
) -> tuple[NDArray[np.uint8], dict[str, JSON], list[TensorEntry]]:
    """Read a file, and interpret it only when its checksum is right."""
    sections = _read_sections(path, max_bytes, keep_data=keep_data)
    manifest, entries = _parse_sections(sections)
    return sections.data, manifest, entries


def _read_sections(path: Path, max_bytes: int, *, keep_data: bool) -> _Sections:
    """Read a file of consistent lengths and verify its digest."""
    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise _Refusal(
                f"it has {size:,} bytes, more than the {max_bytes:,} allowed. Raise max_bytes to load it."
            )
        reader = _Reader(file)
        manifest_length, payload_length = _check_preamble(reader, size)
        manifest = reader.take(manifest_length)
        (header_length,) = _HEADER_LENGTH.unpack(reader.take(_HEADER_LENGTH.size))
        data_length = payload_length - _HEADER_LENGTH.size - header_length
        _check_size(header_length, "the list of tensors", _MAX_HEADER_BYTES)
        if data_length < 0:
            raise _Refusal(_damaged("its list of tensors is longer than the file"))
        header = reader.take(header_length)
        data = np.empty(data_length if keep_data else 0, np.uint8)
        reader.fill(data)
        reader.skip(data_length - len(data))
        digest = reader.hash.digest()
        if digest != reader.take(_DIGEST_BYTES):
            raise _Refusal(_damaged("its checksum does not match its content"))
        return _Sections(manifest, header, data_length, data, digest)


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
        raise _Refusal("it is a symbolic link. Give the path of the file itself (os.path.realpath).")
    if stat.S_ISDIR(status.st_mode):
        raise _Refusal("it is a folder. Give the path of the model file.")
    if not stat.S_ISREG(status.st_mode):
        raise _Refusal("it is a pipe, socket or device. Give the path of an ordinary file.")


def _check_preamble(reader: _Reader, size: int) -> tuple[int, int]:
    """Check signature, version and lengths, and return the lengths of manifest and payload."""
    if size == 0:
        raise _Refusal(_damaged("it is empty"))
    start = reader.take(min(size, _PREAMBLE.size))
    if not _SIGNATURE.startswith(start[: len(_SIGNATURE)]):
        raise _Refusal(_describe_foreign(start))
    smallest = _PREAMBLE.size + len("{}") + _HEADER_LENGTH.size + len("{}") + _DIGEST_BYTES
    if size < smallest:
        raise _Refusal(_damaged(f"it ends after {size} bytes, and the smallest model file has {smallest}"))
    _, version, manifest_length, payload_length = _PREAMBLE.unpack(start)
    if version > FORMAT_VERSION:
        raise _Refusal(
            f"it has format version {version} and was written by a newer release; this one reads up to "
            f"{FORMAT_VERSION}. Upgrade: pip install --upgrade timeseries-deeplearning."
        )
    if version == 0:
        raise _Refusal(_damaged("there is no format version 0"))
    expected = _PREAMBLE.size + manifest_length + payload_length + _DIGEST_BYTES
    if expected != size or payload_length < _HEADER_LENGTH.size:
        raise _Refusal(_damaged(f"it should have {expected:,} bytes by its own account, and has {size:,}"))
    _check_size(manifest_length, "the manifest", _MAX_MANIFEST_BYTES)
    return manifest_length, payload_length


def _describe_foreign(start: bytes) -> str:
    """Say what a file is that does not carry our signature."""
    never = "Pickles are never loaded, since loading one can run any code. Save the model again with save()."
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return f"it is a pickle, not a model file of this library. {never}"
    if start[:2] == b"PK":
        return f"it is a zip archive (such as torch.save writes), not a model file of this library. {never}"
    return "it does not begin like a model file of this library. Give the path that save() was given."


def _damaged(reason: str) -> str:
    """Complete the reason why a file that may have been ours can no longer be trusted."""
    return f"{reason}, so it is damaged or incomplete. Save the model again, or restore a copy."


def _malformed(reason: str) -> _Refusal:
    """Build the refusal of a file that has the right checksum and yet breaks the rules."""
    return _Refusal(f"{reason}. This library did not write it so; do not use this file.")


def _check_size(length: int, what: str, limit: int) -> None:
    """Refuse a section longer than its cap."""
    if length > limit:
        raise _Refusal(f"{what} takes {length:,} bytes, and at most {limit:,} are allowed.")


# ---------------------------------------------------------------------------------------------- interpreting


def _parse_sections(sections: _Sections) -> tuple[dict[str, JSON], list[TensorEntry]]:
    """Interpret manifest and header of a file whose checksum is right."""
    try:
        manifest = strict_json.decode(sections.manifest)
    except NotStrictError as error:
        raise _malformed(f"the manifest {error}") from None
    note = manifest.get(RESERVED_KEY)
    if not isinstance(note, dict) or sorted(note) != ["created_by", "format_version"]:
        raise _malformed(f"the manifest's {RESERVED_KEY!r} does not say which release wrote it")
    if type(note["created_by"]) is not str or type(note["format_version"]) is not int:
        raise _malformed(f"the manifest's {RESERVED_KEY!r} holds values of the wrong type")
    if note["format_version"] != FORMAT_VERSION:
        raise _malformed("the manifest names another format version than the first bytes of the file")
    return manifest, _parse_header(sections.header, sections.data_length)


def _parse_header(raw: bytes, data_length: int) -> list[TensorEntry]:
    """Read the list of tensors, which must cover the data exactly: no gap, no overlap, nothing beyond."""
    try:
        header = strict_json.decode(raw, max_tokens=_MAX_HEADER_TOKENS)
    except NotStrictError as error:
        raise _malformed(f"the list of tensors {error}") from None
    if len(header) > _MAX_TENSORS:
        raise _malformed(f"it lists {len(header):,} tensors, and at most {_MAX_TENSORS:,} are allowed")
    entries = [_parse_entry(name, fields) for name, fields in header.items()]
    entries.sort(key=lambda entry: (entry.start, entry.nbytes))
    position = 0
    for entry in entries:
        if entry.start != position:
            reason = f"tensor {shorten(entry.name)} begins at byte {entry.start:,} instead of {position:,}"
            raise _malformed(f"{reason} of the tensor data")
        position += entry.nbytes
    if position != data_length:
        raise _malformed(f"the tensors take {position:,} bytes of data, and the file has {data_length:,}")
    return entries


def _parse_entry(name: str, fields: JSON) -> TensorEntry:
    """Read one line of the list of tensors."""
    where = f"tensor {shorten(name)}"
    if name in ("", _METADATA):
        raise _malformed(f"{where} has a name that is not allowed")
    if not isinstance(fields, dict) or sorted(fields) != ["data_offsets", "dtype", "shape"]:
        raise _malformed(f"{where} is not described by dtype, shape and data_offsets")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise _malformed(f"{where} has dtype {shorten(dtype)}; allowed are {', '.join(_DTYPES)}")
    shape, offsets = _naturals(fields["shape"]), _naturals(fields["data_offsets"])
    if shape is None or _shape_problem(shape):
        raise _malformed(f"{where} has a shape that is not allowed, {shorten(fields['shape'])}")
    if offsets is None or len(offsets) != 2:
        raise _malformed(f"{where} has data_offsets other than two numbers, {shorten(offsets)}")
    entry = TensorEntry(name, _DTYPES[dtype].name, shape, start=offsets[0])
    if entry.nbytes != offsets[1] - offsets[0]:
        reason = f"{where} of shape {shorten(shape)} does not fit its data_offsets {shorten(offsets)}"
        raise _malformed(reason)
    return entry


def _naturals(value: JSON) -> tuple[int, ...] | None:
    """Return a JSON list of whole numbers from 0 as a tuple, or None when it is anything else."""
    if not isinstance(value, list):
        return None
    numbers = tuple(number for number in value if type(number) is int and number >= 0)
    return numbers if len(numbers) == len(value) else None


def _build(entry: TensorEntry, data: NDArray[np.uint8]) -> NDArray[Any]:
    """Copy one tensor out of the data, and check the values that its kind allows."""
    stored = data[entry.start : entry.start + entry.nbytes]
    dtype = np.dtype(entry.dtype)
    if dtype == np.bool_ and stored.size and stored.max() > 1:
        raise _malformed(f"tensor {shorten(entry.name)} is of dtype bool and holds other bytes than 0 and 1")
    array = stored.view(dtype.newbyteorder("<")).reshape(entry.shape).astype(dtype, copy=True)
    if entry.name.startswith(_FINITE_PREFIX) and not _is_finite(array):
        raise _malformed(f"tensor {shorten(entry.name)} holds NaN or infinity")
    return array
