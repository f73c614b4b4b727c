"""Fuzz the loading of model files, guided by coverage: ``make fuzz``.

An input is what a file says, without lengths and checksum, so that the fuzzer gets past them: the manifest,
the list of tensors and their data, with a mark between them. The harness adds what is missing. An input
without a mark is taken for a complete file. Whatever it is, loading gives a model or an ArtifactError.
"""

import hashlib
import json
import random
import struct
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["timeseries"], enable_loader_override=False):
    from timeseries.deeplearning.artifact import read, read_manifest
    from timeseries.deeplearning.artifact_format import encode_manifest, encode_payload
    from timeseries.deeplearning.inventory import check_inventory, check_numbers
    from timeseries.deeplearning.models.lstm import LSTMModel
    from timeseries.errors import ArtifactError
    from timeseries.forecaster import Forecaster

MARK = b"\xff\x00\xff"
FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2,
    10**9,
    2**63,
    10**70,
    0.5,
    1e308,
    "",
    "../x",
    "os.system",
    "h",
)
ODD += ([], {}, [[]], ["a", "a"], "\ud800", " " * 100)


def assemble(data: bytes) -> bytes:
    """Return the file that an input stands for."""
    manifest, mark, rest = data.partition(MARK)
    if not mark:
        return data
    header, _, tensors = rest.partition(MARK)
    payload = struct.pack("<Q", len(header)) + header + tensors
    body = b"\x89TSDL\x1a" + struct.pack("<HQQ", 1, len(manifest), len(payload)) + manifest + payload
    return body + hashlib.sha256(body).digest()


def take_apart(file: bytes) -> bytes:
    """Return the input that stands for a file."""
    manifest_length, payload_length = struct.unpack_from("<QQ", file, 8)
    manifest, payload = file[24:][:manifest_length], file[24 + manifest_length :][:payload_length]
    (header_length,) = struct.unpack_from("<Q", payload)
    return MARK.join([manifest, payload[8:][:header_length], payload[8 + header_length :]])


def load(path: Path) -> None:
    """Load a file in every way there is; what is accepted can also be written again."""
    try:
        read_manifest(path)
        artifact = read(path)
    except ArtifactError:
        return
    encode_manifest(artifact.manifest)
    encode_payload(artifact.tensors)
    try:
        check_inventory(artifact.manifest, artifact.tensors)
        check_numbers(artifact.manifest, artifact.tensors)
        loader = Forecaster if artifact.manifest["kind"] == "forecaster" else LSTMModel
        loader.load(path)
    except ArtifactError:
        return


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change a value of the JSON in an input and keep it JSON, or any of its bytes."""
    draw = random.Random(seed)
    parts = data.split(MARK)
    chosen = draw.randrange(len(parts))
    try:
        document = json.loads(parts[chosen]) if chosen < 2 and draw.random() < 0.8 else None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, (dict, list)) and document:
        change_value(document, draw)
        parts[chosen] = json.dumps(document, ensure_ascii=draw.random() < 0.1).encode(
            "utf-8", "surrogatepass"
        )
    else:
        parts[chosen] = atheris.Mutate(parts[chosen], max(len(parts[chosen]) + 64, 64))
    return MARK.join(parts)[:max_size]


def change_value(document: Any, draw: random.Random) -> None:
    """Replace, move, remove or add one value, anywhere inside a list or dict."""
    place = document
    while True:
        key = draw.choice([*place] if isinstance(place, dict) else [*range(len(place))])
        inner = place[key]
        if not (isinstance(inner, (dict, list)) and inner) or draw.random() < 0.2:
            break
        place = inner
    match draw.randrange(6):
        case 0 | 1:
            place[key] = draw.choice(ODD)
        case 2:
            place[key] = inner + draw.choice((-1, 1)) if type(inner) in (int, float) else [inner]
        case 3:
            del place[key]
        case 4 if isinstance(place, list):
            place.append(inner)
        case 4:
            place[draw.choice(("x", "config", "__class__", str(key) + "s"))] = inner
        case 5:
            place[key] = draw.choice([*place.values()] if isinstance(place, dict) else place)


def main() -> None:
    """Run the fuzzer with the arguments of libFuzzer, such as -max_total_time=600."""
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    path, corpus = folder / "model", folder / "corpus"
    corpus.mkdir()
    for model in FIXTURES.glob("format-*/*.model"):
        (corpus / model.stem).write_bytes(take_apart(model.read_bytes()))

    def run(data: bytes) -> None:
        path.write_bytes(assemble(data))
        load(path)

    atheris.Setup([*sys.argv, str(corpus)], run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
