"""Files with a right checksum that nobody should load: refused by name, at once, with little memory.

The promise is 100 ms and 64 MB; time is measured on the CPU, with room for a slow machine.
"""

import copy
import os
import subprocess
import sys
import time
import tracemalloc
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from timeseries.cli import main
from timeseries.deeplearning.artifact import Artifact, read, write
from timeseries.deeplearning.inventory import COUNTS, FLAGS, IN_SAMPLE, MANIFESTS, SHARED
from timeseries.deeplearning.models.dlinear import DLinearModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.transformer import TransformerModel
from timeseries.deeplearning.window import Sizes
from timeseries.ensemble import Ensemble
from timeseries.errors import ArtifactError
from timeseries.forecaster import Forecaster

SECONDS, BYTES = 5 * 0.1, 64 * 2**20
BILLION = 10**9


def panel_table():
    t = np.arange(40)
    parts = []
    for number, name in enumerate("ab"):
        stamps = pd.date_range("2024-01-01", periods=40, freq="h", tz="Europe/Berlin")
        columns = {"y": np.sin(t / 3) + number, "load": t * 0.5, "hour": t % 24.0, "size": 1.0 + number}
        parts.append(pd.DataFrame({"unique_id": name, "ds": stamps} | columns))
    table = pd.concat(parts, ignore_index=True)
    table.loc[5, "y"] = np.nan
    return table


def fitted_forecaster():
    roles = {"past": ["load"], "future": ["hour"], "static": ["size"], "missing": "mask"}
    settings = {"horizon": 3, "context_length": 8, "max_steps": 2, "hidden_size": 4, "coverage": (0.8,)}
    return Forecaster("lstm", **settings, **roles).fit(panel_table())


def fitted_estimator(made=LSTMModel, **settings):
    t = np.arange(30.0)
    model = made(**({"sequence_length": 5, "epochs": 1} | settings))
    return model.fit(np.column_stack([t, np.sin(t)]), np.cos(t))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def forecaster(folder):
    fitted_forecaster().save(folder / "forecaster")
    Forecaster.load(folder / "forecaster")  # what is imported late is imported now
    return read(folder / "forecaster")


@pytest.fixture(scope="module")
def ensemble(folder):
    roles = {"past": ["load"], "future": ["hour"], "static": ["size"], "missing": "mask"}
    settings = {"horizon": 3, "context_length": 8, "max_steps": 2, "hidden_size": 4, "coverage": (0.8,)}
    members = Ensemble.of_seeds("lstm", seeds=2, combine="weighted", **settings, **roles)
    members.fit(panel_table()).save(folder / "ensemble")
    Ensemble.load(folder / "ensemble")
    return read(folder / "ensemble")


@pytest.fixture(scope="module")
def estimator(folder):
    fitted_estimator(hidden_size=3).save(folder / "estimator")
    LSTMModel.load(folder / "estimator")
    return read(folder / "estimator")


def refuse(load, path):
    """Load a file that must be refused, and return the sentence.

    Tracing the memory makes the processor slower, some three times; only a load that is slow even so is
    timed again without it.
    """
    seconds, peak, refusal = attempt(load, path, traced=True)
    for _ in range(3):
        if seconds < SECONDS:
            break
        seconds = attempt(load, path, traced=False).seconds
    assert path.name in refusal
    assert len(refusal) < 3000
    assert seconds < SECONDS
    assert peak < BYTES
    return refusal


class Attempt(NamedTuple):
    seconds: float  # of the processor
    peak: int  # bytes, 0 where they were not traced
    refusal: str


def attempt(load, path, *, traced):
    if traced:
        tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(ArtifactError) as refusal:
            load(path)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1] if traced else 0
    finally:
        tracemalloc.stop()
    return Attempt(seconds, peak, str(refusal.value))


def spoilt(artifact, spoil, path):
    manifest, arrays = copy.deepcopy(artifact.manifest), dict(artifact.tensors)
    spoil(manifest, arrays)
    write(path, Artifact(manifest, arrays))
    return path


def put(*keys):
    """Return a change of the manifest: the last of the arguments goes where the others lead."""
    *way, last, value = keys

    def spoil(manifest, arrays):
        for key in way:
            manifest = manifest[key]
        manifest[last] = value

    return spoil


def drop(*keys):
    *way, last = keys

    def spoil(manifest, arrays):
        for key in way:
            manifest = manifest[key]
        del manifest[last]

    return spoil


def change(name, make):
    def spoil(manifest, arrays):
        arrays[name] = np.ascontiguousarray(make(arrays[name].copy()))

    return spoil


def setting(position, value):
    def made(array):
        array.reshape(-1)[position] = value
        return array

    return made


def both(*spoils):
    def spoil(manifest, arrays):
        for one in spoils:
            one(manifest, arrays)

    return spoil


def needed(kind):
    """Return the keys that a manifest of a kind must have."""
    return [name for name, rule in MANIFESTS[kind].items() if not rule.optional]


ODD = [None, True, 1.5, "8", [], {}, -1, 0, BILLION, 10**70]
NETWORK = [  # of forecasters and estimators alike: what the network is built from
    *[
        put("sizes", name, value)
        for name in ("context", "horizon", "past", "targets", "outputs")
        for value in ODD
    ],
    *[put("sizes", name, value) for name in ("future", "static") for value in ODD if value != 0],
    *[put("sizes", name, value) for name in FLAGS for value in (None, 0, 1, "true")],
    *[put("settings", name, value) for name in ("horizon", "sequence_length") for value in ODD],
    *[put("settings", "num_layers", value) for value in (*ODD[2:], 65)],
    *[put("settings", "hidden_size", value) for value in (*ODD[2:], 16_385, [BILLION], [4] * 1000, [4, "4"])],
    *[put("settings", "patch_length", value) for value in (*ODD[2:], 2)],
    *[
        both(put("settings", setting, BILLION), put("sizes", size, BILLION))
        for setting, size in (("sequence_length", "context"), ("horizon", "horizon"))
    ],
    put("settings", "dropout", 2),
    put("settings", "quantiles", [0.1, 0.5]),
    put("settings", "quantiles", [0.1] * 20_000),
    *[put("settings", "loss", value) for value in ("os.system", 7, ["mse"], {})],
    put("settings", "device", "meta"),
    put("settings", "hidden_sise", 4),
    put("settings", "config", None),
    put("settings", "config", {"hidden_size": 4}),
    put("settings", "network", "os.system"),
    put("settings", "self", 1),
    put("settings", "seed", [[[]]]),
    put("settings", []),
    put("settings", None),
    drop("settings", "horizon"),
    drop("settings"),
    drop("sizes", "context"),
    drop("sizes"),
    put("sizes", "width", 1),
    put("sizes", []),
    *[put("model", name) for name in ("../x", "os.system", "__main__", "lsmt", "", None, 7, ["lstm"], {})],
    put("model", "gru"),
    put("model", "custom"),
    *[put("kind", name) for name in ("forecasters", None, 7, ["forecaster"], {}, "checkpoint")],
    drop("kind"),
    put("__class__", "os.system"),
    put("history", None),
    put("history", [1]),
    put("history", [{"epoch": "x" * 1000}]),
    lambda manifest, arrays: arrays.clear(),
    lambda manifest, arrays: arrays.update({"extra": np.zeros(1)}),
    lambda manifest, arrays: arrays.update({"network.extra": np.zeros(1, np.float32)}),
    lambda manifest, arrays: arrays.update({"x" * 10_000: np.zeros(1)}),
    lambda manifest, arrays: arrays.update({"network." + "x" * 10_000: np.zeros(1, np.float32)}),
    lambda manifest, arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("network.")],
    lambda manifest, arrays: arrays.update({f"network.{i}": np.zeros(1, np.float32) for i in range(1_000)}),
    *[change("probe.past", make) for make in (lambda a: a[:1], lambda a: a[..., :1], lambda a: a[0])],
    change("probe.past", lambda a: a.astype(np.float64)),
    change("probe.past", setting(0, np.nan)),
    change("probe.forecast", lambda a: a + 1),
    change("probe.forecast", lambda a: a[:, :0]),
    change("probe.forecast", setting(0, np.inf)),
]
FORECASTER = [
    *[put("frequency", value) for value in (None, "", "fortnight", "h" * 40, "0h", -1, 0, 1.5, True, [], 3)],
    *[put("frequency", value) for value in (" " * 10**6, "9" * 5000 + "h", "60min", "../x", "W-XXX", "MS")],
    *[put("zone", value) for value in ("Mars/Olympus", "../../etc/passwd", "/etc/passwd", 5, "", "America")],
    *[put("zone", value) for value in ("dateutil//etc/passwd", "dateutil/Europe/Berlin", "a" * 10**5, [])],
    *[put("layout", "season_zone", value) for value in ("dateutil//etc/passwd", "Nowhere", 5, "America")],
    *[
        put("layout", "encoding", value)
        for value in ("os", "../x", "a" * 10**6, "hex", "a.b", 5, "timeseries")
    ],
    *[put("layout", "freq", value) for value in ("fortnight", 1.5, 0, [], " " * 10**6)],
    *[put("layout", "season", value) for value in (0, -1, 1.5, "24", [])],
    *[put("layout", "past", value) for value in (None, 5, "load", ["load", "load"], [["load"]])],
    *[put("layout", name, "x") for name in ("missing", "duplicates", "bad_series", "decimal", "thousands")],
    *[put("layout", name, None) for name in ("id", "time", "missing")],
    put("layout", "separator", 5),
    put("layout", "target", []),
    put("layout", "colour", "red"),
    put("layout", None),
    *[put("series", value) for value in (["a"], ["a", "a"], ["a", "b", "c"], [], None, "ab", {"a": 1})],
    put("series", ["a", None]),
    put("series", [["a"], "b"]),
    *[put("shape", value) for value in ("tall", None, ["long"])],
    *[put("index", value) for value in (None, "ds", [["ds"]])],
    *[put("time", value) for value in ("numbers", None, ["stamps"])],
    *[
        put("columns", role, value)
        for role in ("targets", "past", "future", "static_names")
        for value in ([], None, "y", ["one", "two"], [[]])
        if not (role == "static_names" and value == "y")
    ],
    put("columns", []),
    drop("columns", "past"),
    *[drop(name) for name in needed("forecaster") if name not in ("kind", "model", "settings", "sizes")],
    *[put("answers", "levels", value) for value in (None, [], [0.5], [0.9, 0.5, 0.1], "x", [0.1, 0.5, None])],
    *[put("answers", "lower", value) for value in ("0", [], True)],
    put("answers", "integer", 1),
    put("answers", "lowest", 1),
    put("answers", []),
    *[put("calibration", value) for value in (None, 5, [5], {})],
    *[
        change(f"scaling.{name}.{part}", make)
        for name in ("values", "known", "static")
        for part in ("center", "scale")
        for make in (
            setting(0, np.nan),
            setting(0, np.inf),
            lambda a: a[:0],
            lambda a: a[:, :0],
            lambda a: a.ravel(),
            lambda a: a.astype(np.float32),
        )
    ],
    *[
        change(f"scaling.{name}.scale", setting(0, x))
        for name in ("values", "known", "static")
        for x in (0, -1)
    ],
    *[
        change(name, make)
        for name in ("tail.offsets", "tail.known_offsets")
        for make in (
            setting(0, 1),
            setting(0, -1),
            setting(1, -1),
            setting(1, BILLION),
            setting(1, -(2**63)),
            setting(2, 15),
            setting(2, BILLION),
            lambda a: a[:2],
            lambda a: a[:0],
            lambda a: a.astype(np.float64),
            lambda a: a.reshape(1, 3),
        )
    ],
    *[
        change(f"tail.{name}", make)
        for name in ("values", "known", "static")
        for make in (setting(0, np.inf), lambda a: a[:1], lambda a: a[:, :0], lambda a: a[..., None])
    ],
    change("tail.known", setting(3, np.nan)),
    change("tail.time", lambda a: a[::-1]),
    change("tail.time", lambda a: a[:3]),
    change("tail.time", lambda a: a * 0),
    *[change("tail.time", setting(0, stamp)) for stamp in (-(2**63), -(2**60), -(2**62))],
    *[change("ends", setting(0, stamp)) for stamp in (-(2**63), 2**63 - 1)],
    change("ends", lambda a: a[:1]),
    *[change("calibration.levels", setting(0, x)) for x in (0, 0.5, 0.6, np.nan, -1)],
    *[change("calibration.source", setting(0, x)) for x in (-1, 1, BILLION)],
    *[change("calibration.shifts", setting(0, x)) for x in (np.nan, np.inf)],
    *[change(f"calibration.{name}", lambda a: a[:1]) for name in ("levels", "source", "shifts")],
    *[change(f"probe.{name}", lambda a: a[..., :0]) for name in ("future", "static")],
    *[change(f"in_sample.{name}", lambda a: a[:1]) for name in IN_SAMPLE],
    *[change(f"in_sample.{name}", setting(0, -1.0)) for name in ("scale", "square_scale", "observed", "age")],
    *[change(f"in_sample.{name}", setting(0, np.inf)) for name in IN_SAMPLE],
    *[change(f"in_sample.{name}", setting(0, np.nan)) for name in IN_SAMPLE[2:]],
    *[change(f"in_sample.{name}", setting(0, 0.5)) for name in ("observed", "age")],
    lambda manifest, arrays: arrays.pop("in_sample.mean"),
    lambda manifest, arrays: arrays.update({"in_sample.more": np.zeros((2, 1))}),
]
ESTIMATOR = [
    *[put("one_target", value) for value in (None, 1, "true")],
    *[put("feature_names", value) for value in (None, ["a"], ["a", "a"], "ab", ["a", "b", "c"], [[], []])],
    *[drop(name) for name in needed("estimator") if name not in ("kind", "settings", "sizes")],
    *[
        change(f"scaling.{part}", make)
        for part in ("center", "scale")
        for make in (
            setting(0, np.nan),
            setting(0, np.inf),
            lambda a: a[:, :1],
            lambda a: a.T,
            lambda a: a[0],
        )
    ],
    *[change("scaling.scale", setting(0, value)) for value in (0, -0.0, -1)],
    lambda manifest, arrays: arrays.pop("scaling.scale"),
    lambda manifest, arrays: arrays.pop("probe.past"),
    lambda manifest, arrays: arrays.update({"tail.values": np.zeros((3, 1))}),
]


def is_common(tensor):
    return tensor.startswith(("tail.", "ends", "in_sample."))


def of_member(spoil):
    """Return the change of a forecaster, made to the second member of an ensemble and to what all share."""

    def spoil_member(manifest, arrays):
        prefix = "member.1."
        own = {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
        common = {name: x for name, x in arrays.items() if is_common(name)}
        keys = {name: manifest[name] for name in SHARED} | manifest["members"][1]
        keys, tensors = keys | {"kind": "forecaster"}, own | common
        spoil(keys, tensors)
        if keys.get("kind") == "forecaster":
            del keys["kind"]  # which no member has
        else:
            keys["kind"] = "another"
        for name in (*common, *(prefix + name for name in own)):
            del arrays[name]
        arrays |= {name if is_common(name) else prefix + name: x for name, x in tensors.items()}
        manifest["members"][1] = {name: x for name, x in keys.items() if name not in SHARED}
        for name in SHARED:
            del manifest[name]
        manifest |= {name: keys[name] for name in SHARED if name in keys}

    return spoil_member


def adding(name):
    return lambda manifest, arrays: arrays.update({name: arrays["member.0.scaling.values.scale"]})


ENSEMBLE = [
    *[drop(name) for name in needed("ensemble")],
    *[put("combine", value) for value in (None, "sum", ["mean"], "mean", "median")],
    *[put("snapshots", value) for value in (None, True, 1.5, "1", [], -1, 0, 3, BILLION, 10**70)],
    *[put("members", value) for value in (None, {}, [], [1, 2], [{}, {}], "ab", [None] * 101)],
    *[put("members", 0, value) for value in (None, [], {}, "lstm")],
    *[put("calibration", value) for value in (None, 5, [5], {})],
    put("kind", "ensembles"),
    lambda manifest, arrays: manifest["members"].append(manifest["members"][0]),
    lambda manifest, arrays: manifest["members"].pop(),
    lambda manifest, arrays: manifest["members"].extend([manifest["members"][0]] * 98),
    lambda manifest, arrays: manifest["members"].extend([manifest["members"][0]] * 600),
    put("members", 0, "series", ["c", "d"]),
    put("members", 0, "kind", "forecaster"),
    both(put("members", 0, "settings", "horizon", 2), put("members", 0, "sizes", "horizon", 2)),
    put("answers", "levels", None),
    *[change("weights", make) for make in (lambda a: a[:1], lambda a: a[:0], lambda a: a * 2)],
    *[change("weights", setting(0, x)) for x in (0, -1, 2, np.nan, np.inf)],
    change("weights", lambda a: a.astype(np.float32)),
    change("weights", lambda a: np.array([2.0, -1.0])),
    lambda manifest, arrays: arrays.pop("weights"),
    *[change("calibration.levels", setting(0, x)) for x in (0, 0.5, 0.6, np.nan, -1)],
    *[change("calibration.source", setting(0, x)) for x in (-1, 3, BILLION)],
    *[change("calibration.shifts", setting(0, x)) for x in (np.nan, np.inf)],
    *[change(f"calibration.{name}", lambda a: a[:1]) for name in ("levels", "source", "shifts")],
    *[adding(f"{place}scaling.more") for place in ("", "member.0.", "member.2.", "member.-1.", "member.x.")],
    *[adding(f"{place}network.more") for place in ("", "member.0.", "member.2.", "member.00.", "member.")],
    *[adding(f"member.0.{name}") for name in ("tail.values", "ends", "in_sample.mean")],
    lambda manifest, arrays: arrays.update(
        {name: x * np.nan for name, x in arrays.items() if name.startswith("member.1.network.")}
    ),
]


@pytest.mark.parametrize("spoil", [*map(of_member, (NETWORK + FORECASTER)[::4]), *ENSEMBLE])
def test_a_hostile_ensemble_is_refused_at_once(spoil, folder, ensemble):
    refuse(Ensemble.load, spoilt(ensemble, spoil, folder / "hostile"))


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [of_member(spoil) for spoil in NETWORK + FORECASTER])
def test_a_hostile_member_is_refused_at_once(spoil, folder, ensemble):
    refuse(Ensemble.load, spoilt(ensemble, spoil, folder / "hostile"))


def test_an_ensemble_is_no_forecaster_and_a_forecaster_no_ensemble(folder, ensemble, forecaster):
    as_it_is = put("combine", "weighted")
    assert "Ensemble.load" in refuse(Forecaster.load, spoilt(ensemble, as_it_is, folder / "hostile"))
    refuse(Forecaster.load, spoilt(forecaster, put("kind", "ensemble"), folder / "hostile"))
    refuse(Ensemble.load, spoilt(forecaster, put("kind", "ensemble"), folder / "hostile"))
    refuse(Ensemble.load, spoilt(ensemble, put("kind", "forecaster"), folder / "hostile"))


def test_one_weight_that_is_not_finite_is_found_in_any_member(folder, ensemble):
    name = max(name for name in ensemble.tensors if name.startswith("member.1.network."))
    for value in (np.nan, np.inf):
        spoil = change(name, setting(0, value))
        assert "holds NaN or infinity" in refuse(Ensemble.load, spoilt(ensemble, spoil, folder / "hostile"))


@pytest.mark.parametrize("spoil", NETWORK + FORECASTER)
def test_a_hostile_forecaster_is_refused_at_once(spoil, folder, forecaster):
    refuse(Forecaster.load, spoilt(forecaster, spoil, folder / "hostile"))


@pytest.mark.parametrize("spoil", NETWORK + ESTIMATOR)
def test_a_hostile_estimator_is_refused_at_once(spoil, folder, estimator):
    refuse(LSTMModel.load, spoilt(estimator, spoil, folder / "hostile"))


def test_the_sizes_of_a_manifest_are_those_that_a_network_is_built_from():
    assert {*COUNTS, *FLAGS} == {field.name for field in fields(Sizes)}


@pytest.mark.parametrize(
    ("made", "settings", "match"),
    [
        (DLinearModel, {"kernel_size": BILLION}, "kernel_size must be at most 25"),
        (TransformerModel, {"d_model": BILLION}, "d_model must be between"),
        (TransformerModel, {"nhead": 3}, "d_model must be a multiple"),
        (TransformerModel, {"num_layers": 65}, "num_layers must be between"),
    ],
)
def test_what_a_network_would_take_beyond_its_weights_is_bounded(made, settings, match, folder):
    fitted_estimator(made).save(folder / "one")
    made.load(folder / "one")
    hostile = spoilt(
        read(folder / "one"),
        lambda manifest, arrays: manifest["settings"].update(settings),
        folder / "hostile",
    )
    assert match in refuse(made.load, hostile)


def test_a_window_whose_attention_would_not_fit_is_refused_although_its_probe_is_there(folder):
    fitted_estimator(TransformerModel).save(folder / "one")

    def lengthen(manifest, arrays):
        manifest["settings"]["sequence_length"] = manifest["sizes"]["context"] = 100_000
        arrays["probe.past"] = np.zeros((2, 100_000, 2), np.float32)

    hostile = spoilt(read(folder / "one"), lengthen, folder / "hostile")
    assert "sequence_length must be at most 4,096" in refuse(TransformerModel.load, hostile)


# ------------------------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def saved(folder):
    """A forecaster of a few kilobytes in a file that may be damaged and mended again."""
    stamps = pd.date_range("2024-01-01", periods=30, freq="D")
    table = pd.DataFrame({"ds": stamps, "y": np.arange(30.0)})
    path = folder / "small"
    Forecaster("nlinear", horizon=2, context_length=4, max_steps=2, coverage=()).fit(table).save(path)
    return path


def is_refused(path):
    try:
        Forecaster.load(path)
    except ArtifactError as refusal:
        return path.name in str(refusal)
    return False


def flipped(path, bits):
    """Flip one bit after the other, each alone, and return those that were not refused."""
    whole = path.read_bytes()
    passed = []
    with path.open("r+b", buffering=0) as file:
        for bit in bits:
            place, mask = bit // 8, 1 << bit % 8
            file.seek(place)
            file.write(bytes([whole[place] ^ mask]))
            passed += [] if is_refused(path) else [bit]
            file.seek(place)
            file.write(whole[place : place + 1])
    return passed


def test_every_flipped_bit_before_the_weights_is_refused(saved, tried):
    bits = 8 * (32 + sum(header_of(saved)))
    tried(bits)
    assert flipped(saved, range(bits)) == []
    assert not is_refused(saved)


def test_two_thousand_flipped_bits_of_weights_and_checksum_are_refused(saved, tried):
    tried(2000)
    first, last = 32 + sum(header_of(saved)), saved.stat().st_size
    bits = np.random.default_rng(0).integers(8 * first, 8 * last, 2000).tolist()
    assert flipped(saved, bits) == []
    assert not is_refused(saved)


def test_every_truncation_is_refused_and_every_byte_too_many(saved, folder, tried):
    cut = folder / "cut"
    whole = saved.read_bytes()
    tried(len(whole) + 1)
    cut.write_bytes(whole + b"\0")
    assert is_refused(cut)
    for length in range(len(whole) - 1, -1, -1):
        os.truncate(cut, length)
        assert is_refused(cut), length


def header_of(path):
    """Return the lengths of manifest and list of tensors, by docs/artifact.md."""
    start = path.read_bytes()
    manifest_length = int.from_bytes(start[8:16], "little")
    return manifest_length, int.from_bytes(start[24 + manifest_length :][:8], "little")


# ------------------------------------------------------------------------------------------- inspect


@pytest.mark.parametrize(
    "spoil",
    [
        put("sizes", "horizon", BILLION),
        put("model", "../x"),
        put("series", [["a"], "b"]),
        put("frequency", " " * 10**6),
        put("columns", []),
        put("history", None),
        put("settings", "horizon", "3"),
        drop("kind"),
        change("scaling.values.scale", lambda a: a[:1]),
        lambda manifest, arrays: arrays.pop("tail.values"),
    ],
)
def test_inspect_refuses_what_loading_refuses(spoil, folder, forecaster):
    def inspect(path):
        with pytest.raises(SystemExit) as ended:
            main(["inspect", str(path)])
        assert ended.value.code == 4
        raise ArtifactError(str(path))

    refuse(inspect, spoilt(forecaster, spoil, folder / "hostile"))


def test_inspect_prints_no_escape_codes_of_the_file_and_needs_no_torch(folder, forecaster):
    evil = "\x1b]0;owned\x07\u202e\n a"
    path = spoilt(forecaster, put("series", [evil, "b"]), folder / "hostile")
    code = f"""
import sys
from timeseries.cli import main
try:
    main(["inspect", {str(path)!r}])
finally:
    print([name for name in ("torch", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    printed = done.stdout.decode()
    assert r"2: \x1b]0;owned\x07\u202e\n a, b" in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)
    assert printed.splitlines()[-1] == "[]"


def test_nothing_but_the_file_itself_is_opened_because_of_what_a_file_says(folder, forecaster):
    bait = folder / "bait"
    bait.write_bytes(b"TZif")
    opened, watching = [], [True]  # a hook stays as long as the process
    sys.addaudithook(lambda event, of: opened.append(str(of[0])) if event == "open" and watching else None)
    for zone in (f"dateutil/{bait}", str(bait), f"../..{bait}"):
        for spoil in (put("zone", zone), put("layout", "season_zone", zone)):
            refuse(Forecaster.load, spoilt(forecaster, spoil, folder / "hostile"))
    watching.clear()
    assert str(folder / "hostile") in opened
    assert not [path for path in opened if "bait" in path]
