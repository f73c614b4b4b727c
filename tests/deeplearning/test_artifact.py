"""The model file: what goes in comes out, and nothing else comes in.

The files are checked against a second writer and reader in this module, built from docs/artifact.md with
``struct``, ``json``, ``hashlib`` and the safetensors library.
"""

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timeseries.deeplearning.artifact import MAX_BYTES, Artifact, TensorEntry, read, read_manifest, write
from timeseries.errors import ArtifactError, SettingError

NOTE = {"created_by": "timeseries-deeplearning 0.1", "format_version": 1}
DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8", "bool")


def seal(body):
    return body + hashlib.sha256(body).digest()


def assemble(manifest=b"", header=b"{}", data=b"", version=1, header_length=None, lengths=None):
    """Build a file with a right checksum from parts that may be wrong."""
    manifest = manifest or json.dumps({"_artifact": NOTE}).encode()
    payload = struct.pack("<Q", len(header) if header_length is None else header_length) + header + data
    lengths = lengths or (len(manifest), len(payload))
    return seal(b"\x89TSDL\x1a" + struct.pack("<HQQ", version, *lengths) + manifest + payload)


def with_manifest(members):
    return assemble(b'{"_artifact":' + json.dumps(NOTE).encode() + b"," + members + b"}")


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def with_tensors(entries, data=b"\0\0\0\0"):
    return assemble(header=json.dumps(entries).encode(), data=data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def small():
    weights = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    return Artifact(
        {"model": "lstm", "horizon": 24, "series": ["Zürich", "a,b", "🙂"], "scale": 0.1, "seed": 2**127},
        {"network.weight": weights, "observed": np.array([True, False]), "step": np.array(7)},
    )


# ------------------------------------------------------------------------------------------- round trips

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(10**70), 10**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3))
)
names = text.filter(lambda name: name not in ("", "__metadata__") and not name.startswith("network."))


@settings(max_examples=60, deadline=None)
@given(
    manifest=st.dictionaries(text.filter(lambda key: key != "_artifact"), values, max_size=5),
    tensors=st.dictionaries(names, arrays, max_size=5),
)
def test_whatever_is_saved_comes_back_the_same_to_the_last_bit(folder, manifest, tensors):
    path = folder / "round-trip"
    write(path, Artifact(manifest, tensors))
    loaded = read(path)
    assert repr(sorted_keys(loaded.manifest)) == repr(
        sorted_keys(manifest)
    )  # repr tells -0.0, 1 and 1.0 apart
    assert loaded.tensors.keys() == tensors.keys()
    for name, array in tensors.items():
        got = loaded.tensors[name]
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert got.flags.writeable
        assert got.flags.c_contiguous
        assert got.flags.aligned


def sorted_keys(value):
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(part) for part in value] if isinstance(value, list) else value


def test_the_file_has_the_documented_layout(tmp_path, small):
    write(tmp_path / "model", small)
    raw = (tmp_path / "model").read_bytes()
    assert raw[:6] == b"\x89TSDL\x1a"
    version, manifest_length, payload_length = struct.unpack_from("<HQQ", raw, 6)
    assert (version, len(raw)) == (1, 24 + manifest_length + payload_length + 32)
    manifest = json.loads(raw[24 : 24 + manifest_length])
    note = manifest.pop("_artifact")
    assert manifest == small.manifest
    assert note["format_version"] == 1
    assert note["created_by"].startswith("timeseries-deeplearning ")
    tensors = safetensors.numpy.load(raw[24 + manifest_length : -32])
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        name: tensor.tolist() for name, tensor in small.tensors.items()
    }
    assert raw[-32:] == hashlib.sha256(raw[:-32]).digest()
    assert (24 + manifest_length) % 8 == 0


def test_a_file_written_by_the_book_is_read(tmp_path):
    tensors = {"network.w": np.array([[1.5, -2.0]], np.float32), "ids": np.arange(3)}
    payload = safetensors.numpy.save(tensors)
    manifest = json.dumps({"a": [1, {"b": "é"}], "_artifact": NOTE}, indent=1).encode()
    body = b"\x89TSDL\x1a" + struct.pack("<HQQ", 1, len(manifest), len(payload)) + manifest + payload
    (tmp_path / "model").write_bytes(seal(body))
    loaded = read(tmp_path / "model")
    assert loaded.manifest == {"a": [1, {"b": "é"}]}
    assert {name: tensor.tolist() for name, tensor in loaded.tensors.items()} == {
        "network.w": [[1.5, -2.0]],
        "ids": [0, 1, 2],
    }


def test_a_tensor_that_lies_at_an_odd_place_is_read(tmp_path):
    header = {"flag": entry("BOOL", (1,), (0, 1)), "x": entry("F64", (1,), (1, 9))}
    (tmp_path / "model").write_bytes(with_tensors(header, b"\x01" + struct.pack("<d", 2.5)))
    loaded = read(tmp_path / "model")
    assert loaded.tensors["x"].tolist() == [2.5]
    assert loaded.tensors["x"].flags.aligned


def test_equal_artifacts_give_equal_bytes_whatever_the_order(tmp_path, small):
    backwards = Artifact(
        dict(reversed(small.manifest.items())),
        dict(reversed(small.tensors.items())),
    )
    write(tmp_path / "a", small)
    write(tmp_path / "b", backwards)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_manifest_and_the_list_of_tensors_are_read_without_the_tensors(tmp_path, small):
    write(tmp_path / "model", small)
    manifest, entries = read_manifest(tmp_path / "model")
    assert manifest.pop("_artifact")["format_version"] == 1
    assert manifest == small.manifest
    assert sorted((e.name, e.dtype, e.shape, e.nbytes) for e in entries) == [
        ("network.weight", "float32", (3, 5), 60),
        ("observed", "bool", (2,), 2),
        ("step", "int64", (), 8),
    ]
    assert all(isinstance(e, TensorEntry) for e in entries)


def test_reading_needs_twice_the_size_of_the_file_and_inspecting_next_to_nothing(tmp_path):
    size = 32 * 2**20
    write(tmp_path / "model", Artifact({}, {"network.w": np.ones(size // 8), "x": np.ones(4)}))
    tracemalloc.start()
    try:
        read(tmp_path / "model")
        assert tracemalloc.get_traced_memory()[1] < 2.05 * size
        tracemalloc.reset_peak()
        read_manifest(tmp_path / "model")
        assert tracemalloc.get_traced_memory()[1] < 0.15 * size
    finally:
        tracemalloc.stop()


def test_a_hundred_thousand_series_ids_fit(tmp_path):
    ids = [f"series/{i:06d}/{'x' * 40}" for i in range(100_000)]
    write(tmp_path / "model", Artifact({"ids": ids}, {}))
    assert read(tmp_path / "model").manifest["ids"] == ids


# ------------------------------------------------------------------------------------------------ damage


def test_every_flipped_bit_is_refused(tmp_path, small):
    path = tmp_path / "model"
    write(path, small)
    raw = path.read_bytes()
    refusals = []
    with path.open("r+b", buffering=0) as file:
        for position in range(len(raw)):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([raw[position] ^ (1 << bit)]), position)
                with pytest.raises(ArtifactError) as refusal:
                    read(path)
                refusals.append(str(refusal.value))
            os.pwrite(file.fileno(), raw[position : position + 1], position)
    assert len(refusals) == 8 * len(raw)
    assert all(str(path) in refusal for refusal in refusals)
    assert read(path).manifest == small.manifest


@pytest.mark.parametrize("reader", [read, read_manifest])
def test_every_truncation_is_refused(tmp_path, small, reader):
    path = tmp_path / "model"
    write(path, small)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(ArtifactError, match="damaged or incomplete"):
            reader(path)


@pytest.mark.parametrize("extra", [b"\0", b"\n", b"x" * 100])
def test_extra_bytes_are_refused(tmp_path, small, extra):
    path = tmp_path / "model"
    write(path, small)
    path.write_bytes(path.read_bytes() + extra)
    with pytest.raises(ArtifactError, match="by its own account"):
        read(path)


def test_damage_to_the_numbers_is_noticed_by_inspecting_too(tmp_path, small):
    path = tmp_path / "model"
    write(path, small)
    raw = bytearray(path.read_bytes())
    raw[-40] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match="checksum"):
        read_manifest(path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path):
    (tmp_path / "model").write_bytes(assemble(version=7))
    with pytest.raises(ArtifactError, match=r"format version 7 .* reads up to 1\. Upgrade: pip install"):
        read(tmp_path / "model")


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path, small):
    path = tmp_path / "model"
    write(path, small)
    size = path.stat().st_size
    assert read(path, max_bytes=size).manifest == small.manifest
    with pytest.raises(ArtifactError, match=f"{size - 1:,} allowed. Raise max_bytes"):
        read(path, max_bytes=size - 1)
    os.truncate(path, MAX_BYTES + 1)  # sparse
    with pytest.raises(ArtifactError, match="Raise max_bytes"):
        read_manifest(path)


# --------------------------------------------------------------------------------- hostile, right checksum

deep = b'"a":' + b"[" * 32 + b"]" * 32
HOSTILE = {
    "a repeated key": (with_manifest(b'"a":1,"a":2'), "'a' twice"),
    "a repeated key deep inside": (with_manifest(b'"x":[{"a":1,"a":1}]'), "'a' twice"),
    "a repeated key in disguise": (with_manifest(b'"a":1,"\\u0061":1'), "'a' twice"),
    "two notes": (with_manifest(b'"_artifact":{}'), "'_artifact' twice"),
    "NaN": (with_manifest(b'"a":NaN'), "NaN"),
    "infinity": (with_manifest(b'"a":-Infinity'), "-Infinity"),
    "a float too large": (with_manifest(b'"a":1e999'), "1e999"),
    "an endless float": (with_manifest(b'"a":0.' + b"0" * 10**6), "too long"),
    "an endless integer": (with_manifest(b'"a":' + b"9" * 10**6), "characters"),
    "nesting": (with_manifest(deep), "32 levels"),
    "a depth bomb": (assemble(b"[" * 4_000_000), "32 levels"),
    "a depth bomb of objects": (assemble(b'{"":' * 1_000_000), "32 levels"),
    "a flood of values": (with_manifest(b'"a":[' + b"1," * 2_000_000 + b"1]"), "tokens"),
    "a flood of strings": (assemble(b'""' * 2_000_000), "tokens"),
    "half a character": (with_manifest(b'"a":"\\ud800"'), "Unicode|UTF-8"),
    "half a character in a key": (with_manifest(b'"\\udfff":1'), "Unicode|UTF-8"),
    "a broken string": (with_manifest(b'"a":"' + b'\\"' * 1_000_000), "JSON"),
    "latin-1": (with_manifest(b'"a":"\xe9"'), "UTF-8"),
    "a byte order mark": (assemble(b"\xef\xbb\xbf{}"), "JSON"),
    "no object": (assemble(b"[1]"), "not a JSON object"),
    "two objects": (assemble(b"{}{}"), "JSON"),
    "a control character": (with_manifest(b'"a":"\x00"'), "JSON"),
    "no JSON": (assemble(b"import os"), "JSON"),
    "no note": (assemble(b'{"a":1}'), "which release"),
    "a note of another form": (assemble(b'{"_artifact":[1]}'), "which release"),
    "a note with more": (assemble(json.dumps({"_artifact": {**NOTE, "x": 1}}).encode()), "which release"),
    "a note of wrong types": (
        assemble(json.dumps({"_artifact": {**NOTE, "format_version": True}}).encode()),
        "wrong type",
    ),
    "a note of another version": (
        assemble(json.dumps({"_artifact": {**NOTE, "format_version": 2}}).encode()),
        "another format version",
    ),
    "version 0": (assemble(version=0), "version 0"),
    "a manifest of 2**60": (assemble(lengths=(2**60, 10)), "own account"),
    "a payload of 2**60": (assemble(lengths=(60, 2**60)), "own account"),
    "lengths that wrap around": (assemble(lengths=(2**64 - 8, 2**64 - 8)), "own account"),
    "a manifest beyond the cap": (assemble(b" " * (8 * 2**20 + 1)), "manifest takes"),
    "a header of 2**60": (assemble(header_length=2**60), "list of tensors takes"),
    "a header beyond the payload": (assemble(header_length=50), "longer than the file"),
    "a header beyond the cap": (assemble(header=b" " * (4 * 2**20 + 1)), "list of tensors takes"),
    "no header": (assemble(header=b""), "JSON"),
    "a header that is a list": (assemble(header=b"[]"), "not a JSON object"),
    "100,000 tensors": (with_tensors({f"{i}": [] for i in range(100_000)}), "100,000 tensors"),
    "20,001 tensors": (
        with_tensors({f"{i}": entry(shape=[0], offsets=[0, 0]) for i in range(20_001)}, b""),
        "20,001 tensors",
    ),
    "tensors of the same name": (
        assemble(
            header=b'{"x":%b,"x":%b}'
            % (json.dumps(entry()).encode(), json.dumps(entry(offsets=(4, 8))).encode()),
            data=b"\0" * 8,
        ),
        "'x' twice",
    ),
    "a shape said twice": (
        assemble(
            header=b'{"x":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', data=b"\0" * 4
        ),
        "'shape' twice",
    ),
    "metadata": (with_tensors({"__metadata__": {"format": "pt"}}, b""), "name that is not allowed"),
    "no name": (with_tensors({"": entry()}), "name that is not allowed"),
    "another field": (with_tensors({"x": {**entry(), "file": "/etc/passwd"}}), "not described"),
    "a missing field": (with_tensors({"x": {"dtype": "F32", "shape": [1]}}), "not described"),
    "no description": (with_tensors({"x": None}), "not described"),
    "an unknown dtype": (with_tensors({"x": entry("O")}), "dtype 'O'"),
    "a dtype that is no text": (with_tensors({"x": entry(["F32"])}), "dtype"),
    "a shape of 2**60": (with_tensors({"x": entry(shape=[2**60])}), "does not fit"),
    "a shape that wraps around": (with_tensors({"x": entry(shape=[2**62, 4], offsets=(0, 0))}, b""), "fit"),
    "a huge empty shape": (with_tensors({"x": entry(shape=[0, 2**60], offsets=(0, 0))}, b""), "shape"),
    "a shape of digits": (with_tensors({"x": entry(shape=[10**70] * 8)}), "does not fit"),
    "a negative shape": (with_tensors({"x": entry(shape=[-1, -1])}), "shape"),
    "a boolean shape": (with_tensors({"x": entry(shape=[True])}), "shape"),
    "a fractional shape": (with_tensors({"x": entry(shape=[1.0])}), "shape"),
    "a shape that is no list": (with_tensors({"x": {**entry(), "shape": 1}}), "shape"),
    "too many dimensions": (with_tensors({"x": entry(shape=[1] * 9)}), "shape"),
    "three offsets": (with_tensors({"x": entry(offsets=(0, 4, 4))}), "data_offsets"),
    "offsets backwards": (with_tensors({"x": entry(offsets=(4, 0))}), "does not fit"),
    "negative offsets": (with_tensors({"x": entry(offsets=(-4, 0))}), "data_offsets"),
    "an overlap": (with_tensors({"x": entry(), "y": entry()}), "begins at byte 0 instead of 4"),
    "a half overlap": (with_tensors({"x": entry(), "y": entry(offsets=(2, 6))}, b"\0" * 6), "instead of 4"),
    "an overlap by a range too wide": (
        with_tensors({"x": entry(offsets=(0, 8)), "y": entry(offsets=(4, 8))}, b"\0" * 8),
        "does not fit",
    ),
    "a gap": (with_tensors({"x": entry(), "y": entry(offsets=(8, 12))}, b"\0" * 12), "instead of 4"),
    "data past the end": (with_tensors({"x": entry(shape=[2], offsets=(0, 8))}), "take 8 bytes"),
    "data left over": (with_tensors({"x": entry()}, b"\0" * 8), "take 4 bytes"),
    "a NaN weight": (with_tensors({"network.x": entry()}, struct.pack("<f", np.nan)), "NaN"),
    "an infinite weight": (with_tensors({"network.x": entry()}, struct.pack("<f", -np.inf)), "infinity"),
    "a bool of 2": (with_tensors({"x": entry("BOOL", (1,), (0, 1))}, b"\x02"), "other bytes than 0 and 1"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_by_name(tmp_path, case):
    raw, reason = HOSTILE[case]
    path = tmp_path / "hostile"
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match=reason) as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value)) < 600 + len(str(path))


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=100) | st.builds(assemble, st.binary(min_size=1, max_size=60), st.binary()))
def test_random_bytes_are_refused(folder, raw):
    path = folder / "random"
    path.write_bytes(raw)
    with pytest.raises(ArtifactError):
        read(path)


def test_a_masked_value_may_be_stored_as_nan_outside_the_network(tmp_path):
    write(tmp_path / "model", Artifact({}, {"context": np.array([1.0, np.nan])}))
    assert np.isnan(read(tmp_path / "model").tensors["context"]).tolist() == [False, True]


def test_too_little_memory_is_said_in_words(tmp_path, small, monkeypatch):
    write(tmp_path / "model", small)

    def no_memory(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_memory)
    with pytest.raises(ArtifactError, match="not enough memory"):
        read(tmp_path / "model")


# ----------------------------------------------------------------------------------- not one of our files


def make_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1.0]}))


def make_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")


def make_symlink(path):
    write(path.with_name("real"), Artifact({}, {}))
    path.symlink_to("real")


FOREIGN = {
    "empty": (lambda path: path.touch(), "it is empty"),
    "text": (lambda path: path.write_text("ds,y\n2020-01-01,1\n"), "does not begin like"),
    "pickle": (make_pickle, "it is a pickle.*never loaded"),
    "zip": (make_zip, "it is a zip archive.*never loaded"),
    "safetensors": (
        lambda path: path.write_bytes(safetensors.numpy.save({"x": np.zeros(2)})),
        "does not begin like",
    ),
    "directory": (lambda path: path.mkdir(), "it is a folder"),
    "symlink": (make_symlink, "it is a symbolic link"),
    "dangling symlink": (lambda path: path.symlink_to("nowhere"), "it is a symbolic link"),
    "FIFO": (os.mkfifo, "it is a pipe, socket or device"),
}


@pytest.mark.parametrize("reader", [read, read_manifest])
@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_model_file_is_refused_for_what_it_is(tmp_path, kind, reader):
    make, reason = FOREIGN[kind]
    make(tmp_path / "thing")
    with pytest.raises(ArtifactError, match=reason):
        reader(tmp_path / "thing")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_refused(device):
    with pytest.raises(ArtifactError, match="device"):
        read(device)


def test_a_name_that_becomes_a_link_at_the_last_moment_is_not_followed(tmp_path, small, monkeypatch):
    write(tmp_path / "model", small)
    link = tmp_path / "link"
    link.symlink_to("model")
    before = (tmp_path / "model").lstat()
    monkeypatch.setattr(type(link), "lstat", lambda self: before)
    with pytest.raises(OSError, match="link"):
        read(link)


def test_a_missing_file_is_the_ordinary_error_and_not_a_damaged_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_a_hard_link_is_as_good_as_the_file(tmp_path, small):
    write(tmp_path / "model", small)
    (tmp_path / "other").hardlink_to(tmp_path / "model")
    assert read(tmp_path / "other").manifest == small.manifest
    write(tmp_path / "other", Artifact({}, {}))  # replaces the name, not the content behind it
    assert read(tmp_path / "model").manifest == small.manifest


AUDITED = """
import sys
from timeseries.deeplearning.artifact import read
events = []
sys.addaudithook(lambda name, args: events.append((name, args)))
manifest = read(sys.argv[1]).manifest
seen = [(name, str(args[0]) if args else "") for name, args in events]
assert manifest["model"] == "os.system", manifest
assert [what for name, what in seen if name == "open" and not what.isdigit()] == [sys.argv[1]], seen
forbidden = ("import", "exec", "compile", "pickle", "os.system", "subprocess", "socket", "ctypes")
assert not [event for event in seen if event[0].startswith(forbidden)], seen
assert not {"torch", "pandas", "sklearn"} & set(sys.modules)
"""


def test_loading_runs_nothing_imports_nothing_and_opens_one_file(tmp_path):
    manifest = {"model": "os.system", "args": ["id"], "__class__": "builtins.eval", "py/object": "os.system"}
    write(tmp_path / "model", Artifact(manifest, {"network.__reduce__": np.zeros(2)}))
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, tmp_path / "model"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------ what may be saved

REFUSED_TENSORS = {
    "object": np.array([{}]),
    "text": np.array(["a"]),
    "complex": np.zeros(2, complex),
    "int16": np.zeros(2, np.int16),
    "longdouble": np.zeros(2, np.longdouble),
    "record": np.zeros(2, [("a", "f4")]),
    "date": np.zeros(2, "datetime64[s]"),
    "string dtype": np.array(["a"], np.dtypes.StringDType()),
    "big endian": np.zeros(2, ">f4"),
    "transposed": np.zeros((2, 3)).T,
    "strided": np.zeros(6)[::2],
    "masked": np.ma.masked_array([1.0], mask=[True]),
    "list": [1.0],
    "number": 1.0,
    "none": None,
    "nine dimensions": np.zeros([1] * 9),
    "huge and empty": np.zeros((0, 2**40), np.uint8),
}


@pytest.mark.parametrize("kind", REFUSED_TENSORS)
def test_a_tensor_that_cannot_be_saved_is_named(tmp_path, kind):
    with pytest.raises(SettingError, match=f"tensor 'the {kind}'") as refusal:
        write(tmp_path / "model", Artifact({}, {f"the {kind}": REFUSED_TENSORS[kind], "fine": np.zeros(1)}))
    assert "fine" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "__metadata__", "\ud800", 3, None])
def test_a_tensor_needs_a_proper_name(tmp_path, name):
    with pytest.raises(SettingError, match="needs another name"):
        write(tmp_path / "model", Artifact({}, {name: np.zeros(1)}))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_network_that_is_not_finite_is_not_saved(tmp_path, bad, dtype):
    with pytest.raises(SettingError, match=r"'network\.w' holds NaN or infinity"):
        write(tmp_path / "model", Artifact({}, {"network.w": np.array([0.0, bad, 1.0], dtype)}))


def test_the_first_five_problems_are_shown_and_the_rest_counted(tmp_path):
    tensors = {f"t{i}": np.zeros(1, complex) for i in range(8)}
    with pytest.raises(SettingError, match=r"'t4'.*\(and 3 more\)") as refusal:
        write(tmp_path / "model", Artifact({}, tensors))
    assert "'t5'" not in str(refusal.value)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"a": {"lr": float("nan")}}, r"manifest at \['a'\]\['lr'\] is nan"),
        ({"_artifact": 1}, "the library's own"),
        ({"a": "x" * (8 * 2**20)}, "manifest takes"),
        ([1], "must be a dict"),
    ],
)
def test_a_manifest_that_cannot_be_saved_is_explained(tmp_path, manifest, reason):
    with pytest.raises(SettingError, match=reason):
        write(tmp_path / "model", Artifact(manifest, {}))
    assert list(tmp_path.iterdir()) == []


def test_too_many_tensors_or_too_long_names_are_refused(tmp_path):
    with pytest.raises(SettingError, match="20,001 tensors"):
        write(tmp_path / "model", Artifact({}, {str(i): np.zeros(0) for i in range(20_001)}))
    with pytest.raises(SettingError, match="list of tensors takes"):
        write(tmp_path / "model", Artifact({}, {"x" * 5_000_000: np.zeros(0)}))


def test_the_largest_list_of_tensors_that_is_written_is_read(tmp_path):
    tensors = {f"network.layers.{i}.weight": np.zeros([1] * 8, np.uint8) for i in range(20_000)}
    write(tmp_path / "model", Artifact({}, tensors))
    assert len(read_manifest(tmp_path / "model")[1]) == 20_000


def test_saving_changes_neither_manifest_nor_tensors(tmp_path, small):
    before = json.dumps(small.manifest), {name: t.tobytes() for name, t in small.tensors.items()}
    for tensor in small.tensors.values():
        tensor.flags.writeable = False
    write(tmp_path / "model", small)
    assert before == (json.dumps(small.manifest), {name: t.tobytes() for name, t in small.tensors.items()})


# ---------------------------------------------------------------------------------- all or nothing


def test_a_disk_that_alters_a_byte_is_noticed_before_the_old_file_is_lost(tmp_path, small, monkeypatch):
    path = tmp_path / "model"
    write(path, small)
    old = path.read_bytes()
    honest = os.write
    monkeypatch.setattr(os, "write", lambda fd, part: honest(fd, bytes(part)[:-1] + b"\x07"))
    with pytest.raises(ArtifactError, match="read back"):
        write(path, Artifact({"new": True}, {}))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_gives_back_another_file_is_noticed_too(tmp_path, small, monkeypatch):
    path = tmp_path / "model"
    write(path, small)
    old = path.read_bytes()

    def swap(descriptor):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, old, 0)

    monkeypatch.setattr(os, "fsync", swap)
    with pytest.raises(ArtifactError, match="not what was written"):
        write(path, Artifact({"new": True}, {}))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


ENDLESS_WRITER = """
import sys, itertools
import numpy as np
from timeseries.deeplearning.artifact import Artifact, write
for n in itertools.count():
    write(sys.argv[1], Artifact({"n": n}, {"network.w": np.full(100_000, n, np.float64)}))
    if n == 0:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.011, 0.023, 0.037])
def test_a_process_killed_while_saving_leaves_a_complete_file(tmp_path, delay):
    path = tmp_path / "model"
    with subprocess.Popen([sys.executable, "-c", ENDLESS_WRITER, path], stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.05 + delay)
        writer.kill()
    loaded = read(path)
    assert set(loaded.tensors["network.w"].tolist()) == {float(loaded.manifest["n"])}
