"""What a model file may hold, as bytes: the limits, writing manifest and tensors, interpreting them again.

Nothing here opens a file; docs/artifact.md is the specification.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as encode_tensors

from timeseries import __version__
from timeseries.deeplearning import strict_json
from timeseries.deeplearning.strict_json import JSON, NotStrictError, shorten, text_problem

FORMAT_VERSION: Final = 1
"""The newest format that this release writes and reads."""

MAX_BYTES: Final = 4 * 2**30
"""Files larger than this are refused unless the caller allows more."""

RESERVED_KEY: Final = "_artifact"
"""The manifest key under which the library notes who wrote the file, and in which format."""

SIGNATURE: Final = b"\x89TSDL\x1a"
PREAMBLE: Final = struct.Struct("<6sHQQ")  # signature, format version, manifest length, payload length
HEADER_LENGTH: Final = struct.Struct("<Q")
DIGEST_BYTES: Final = hashlib.sha256().digest_size

MAX_MANIFEST_BYTES: Final = 8 * 2**20  # 100,000 series ids of 80 bytes each
MAX_HEADER_BYTES: Final = 4 * 2**20
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


class Refusal(Exception):  # noqa: N818  it never leaves these files: callers see ArtifactError or SettingError
    """Something that may not stand in a model file, in words that fit both reading and writing."""


@dataclass(frozen=True)
class Sections:
    """The parts of a file whose checksum is right; none of them has been interpreted yet."""

    manifest: bytes
    header: bytes
    data_length: int
    data: NDArray[np.uint8]  # (data_length,), or (0,) when the data was hashed but not kept
    digest: bytes


# ---------------------------------------------------------------------------------------------- encoding


def encode_manifest(manifest: dict[str, JSON]) -> bytes:
    """Turn the caller's manifest and the library's own note into canonical JSON, padded for alignment."""
    if not isinstance(manifest, dict):
        raise Refusal(f"the manifest must be a dict, got {type(manifest).__name__}.")
    if RESERVED_KEY in manifest:
        raise Refusal(f"the manifest key {RESERVED_KEY!r} is the library's own. Use another name.")
    note: JSON = {"created_by": f"timeseries-deeplearning {__version__}", "format_version": FORMAT_VERSION}
    try:
        raw = strict_json.encode({**manifest, RESERVED_KEY: note})
    except NotStrictError as error:
        raise Refusal(f"the manifest {error}.") from None
    raw += b" " * (-len(raw) % 8)  # so that the tensor data after it is aligned in the file
    check_size(len(raw), "the manifest", MAX_MANIFEST_BYTES)
    return raw


def encode_payload(tensors: dict[str, NDArray[Any]]) -> bytes:
    """Turn the tensors into the bytes of a safetensors file."""
    if len(tensors) > _MAX_TENSORS:
        raise Refusal(f"there are {len(tensors):,} tensors, and at most {_MAX_TENSORS:,} are allowed.")
    _refuse_any(problem for name, array in tensors.items() for problem in _tensor_problems(name, array))
    payload = encode_tensors(tensors)
    (header_length,) = HEADER_LENGTH.unpack_from(payload)
    check_size(header_length, "the list of tensors", MAX_HEADER_BYTES)
    return payload


def _refuse_any(problems: Iterator[str]) -> None:
    """Raise one refusal that shows the first problems and counts the rest."""
    found = list(problems)
    if found:
        more = len(found) - _MAX_PROBLEMS_SHOWN
        rest = f" (and {more:,} more)" if more > 0 else ""
        raise Refusal("; ".join(found[:_MAX_PROBLEMS_SHOWN]) + rest + ".")


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


# ---------------------------------------------------------------------------------------------- interpreting


def parse_sections(sections: Sections) -> tuple[dict[str, JSON], list[TensorEntry]]:
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


def build(entry: TensorEntry, data: NDArray[np.uint8]) -> NDArray[Any]:
    """Copy one tensor out of the data, and check the values that its kind allows."""
    stored = data[entry.start : entry.start + entry.nbytes]
    dtype = np.dtype(entry.dtype)
    if dtype == np.bool_ and stored.size and stored.max() > 1:
        raise _malformed(f"tensor {shorten(entry.name)} is of dtype bool and holds other bytes than 0 and 1")
    array = stored.view(dtype.newbyteorder("<")).reshape(entry.shape).astype(dtype, copy=True)
    if entry.name.startswith(_FINITE_PREFIX) and not _is_finite(array):
        raise _malformed(f"tensor {shorten(entry.name)} holds NaN or infinity")
    return array


def damaged(reason: str) -> str:
    """Complete the reason why a file that may have been ours can no longer be trusted."""
    return f"{reason}, so it is damaged or incomplete. Save the model again, or restore a copy."


def _malformed(reason: str) -> Refusal:
    """Build the refusal of a file that has the right checksum and yet breaks the rules."""
    return Refusal(f"{reason}. This library did not write it so; do not use this file.")


def check_size(length: int, what: str, limit: int) -> None:
    """Refuse a section longer than its cap."""
    if length > limit:
        raise Refusal(f"{what} takes {length:,} bytes, and at most {limit:,} are allowed.")
