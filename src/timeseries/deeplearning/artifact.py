"""The model file: one file of plain JSON and numbers, complete or absent, checked before anything is built.

Nothing in such a file is code and nothing is imported because a file names it. Writing replaces the old
version only when the new one is safely on disk; reading refuses every changed, missing or extra byte and
never needs more memory than the size of the file justifies. The layout is specified in docs/artifact.md.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from timeseries.deeplearning.artifact_file import read_sections
from timeseries.deeplearning.artifact_format import (
    FORMAT_VERSION,
    MAX_BYTES,
    PREAMBLE,
    RESERVED_KEY,
    SIGNATURE,
    Refusal,
    TensorEntry,
    build,
    encode_manifest,
    encode_payload,
    parse_sections,
)
from timeseries.deeplearning.atomic_file import publish
from timeseries.deeplearning.strict_json import JSON
from timeseries.errors import ArtifactError, MissingArtifactError, SettingError

__all__ = ["MAX_BYTES", "Artifact", "TensorEntry", "read", "read_manifest", "write"]


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
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({"horizon": 24}, {"network.weight": np.zeros(3)}))
    ...     read(f"{folder}/model").manifest
    {'horizon': 24}
    """
    path = Path(path)
    try:
        manifest, payload = encode_manifest(artifact.manifest), encode_payload(artifact.tensors)
    except Refusal as refusal:
        raise SettingError(f"This model cannot be saved to {str(path)!r}: {refusal}") from None
    preamble = PREAMBLE.pack(SIGNATURE, FORMAT_VERSION, len(manifest), len(payload))
    parts = (preamble, manifest, payload)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    publish(path, (*parts, digest.digest()), verify=partial(_verify, digest=digest.digest()))


def _verify(temporary: Path, digest: bytes) -> None:
    """Read a new file back through the reader's own checks, before it may replace the old one."""
    try:
        sections = read_sections(temporary, temporary.stat().st_size, keep_data=False)
        parse_sections(sections)
    except Refusal as refusal:
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
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({}, {"normalizer.mean": np.array([1.5, 2.0])}))
    ...     read(f"{folder}/model").tensors["normalizer.mean"].tolist()
    [1.5, 2.0]
    """
    with _refusing(path):
        sections = read_sections(Path(path), max_bytes, keep_data=True)
        manifest, entries = parse_sections(sections)
        del manifest[RESERVED_KEY]
        return Artifact(manifest, {entry.name: build(entry, sections.data) for entry in entries})


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
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/model", Artifact({"model": "lstm"}, {"network.weight": np.zeros((2, 3))}))
    ...     manifest, entries = read_manifest(f"{folder}/model")
    >>> manifest["model"], entries[0].name, entries[0].dtype, entries[0].shape
    ('lstm', 'network.weight', 'float64', (2, 3))
    """
    with _refusing(path):
        return parse_sections(read_sections(Path(path), max_bytes, keep_data=False))


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name into whatever goes wrong while it is read."""
    try:
        yield
    except Refusal as refusal:
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
