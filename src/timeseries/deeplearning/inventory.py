"""What the file of a model must hold: every key, every tensor with its shape, and what its numbers may be.

Anyone can compute a checksum, so a file that is whole may still be hostile. Here it is compared with what
this library would have written, before anything is built from it. That needs neither torch nor pandas.

Shapes: S series, N rows, M rows of known covariates, T context, H horizon, F features of a step, C columns of
values, D targets, P numbers per target, K covariates known ahead, Q static features, L calibrated levels.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from timeseries.combination import COMBINATIONS
from timeseries.deeplearning.strict_json import shorten
from timeseries.errors import ArtifactError
from timeseries.frequency import Frequency
from timeseries.recipes import RECIPES
from timeseries.steps import STAMP
from timeseries.target_transforms import TRANSFORMS

COLUMN_ROLES: Final = ("targets", "past", "future", "static_names")
"""The fields of a panel that name columns."""

COUNTS: Final = ("context", "horizon", "past", "targets", "outputs", "future", "static")
"""The sizes of a network that are numbers."""

WEIGHTS: Final = "network."
"""What the names of the weights begin with; they are compared with the network that the settings make."""

IN_SAMPLE: Final = ("scale", "square_scale", "observed", "mean", "first", "age")
"""What may be kept of the rows that were fitted: all of it, or nothing."""

FLAGS: Final = ("masked", "autoregressive")
"""The sizes of a network that are true or false."""

SHARED: Final = ("layout", "frequency", "series", "shape", "index", "columns", "time", "zone", "answers")
"""The keys of a forecaster that the members of an ensemble have in common; they stand in its file once."""

SHARED_TENSORS: Final = ("tail.", "ends", "in_sample.")
"""What the names of tensors begin with that they have in common."""

_MAX_SHOWN: Final = 5
_MAX_FREQUENCY: Final = 32  # characters: reading it takes the square of them
_MAX_ENCODING: Final = 64  # characters: Python knows none longer
_MAX_STEP: Final = 2**62  # of integer time
_MAX_PARTS: Final = 10_000  # of one setting, such as quantiles
_MAX_MEMBERS: Final = 100  # of an ensemble: what they share is gone through for each
_SUM: Final = 1e-9  # by which weights may miss the sum 1
_MAX_TRANSFORMS: Final = 100  # one after another
_PROBES: Final = 2  # windows that every file holds with their forecasts
_MODELS: Final = sorted({recipe.model for recipe in RECIPES.values()})
_STAMPS: Final = np.array(["0001-01-01", "9999-12-31T23:59:59.999999"], dtype=STAMP).astype(np.int64)  # (2,)

# What zoneinfo takes. pandas also takes "dateutil/" and a path, and would read that file.
_ZONE: Final = re.compile(r"(?!dateutil/)[A-Za-z0-9_+:/-]{1,64}|tzlocal\(\)")


class Kind(NamedTuple):
    """The type and shape of a tensor; None is a length that the rest of the file does not fix."""

    dtype: str
    shape: tuple[int | None, ...]

    def fits(self, found: "Kind") -> bool:
        """Tell whether a tensor is of this kind."""
        pairs = zip(self.shape, found.shape, strict=False)
        return (self.dtype, len(self.shape)) == (found.dtype, len(found.shape)) and all(
            wanted is None or wanted == length for wanted, length in pairs
        )


class Shaped(Protocol):
    """Anything with the type and shape of a tensor."""

    @property
    def dtype(self) -> object:
        """Its numpy type, or the name of that."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""


class Rule(NamedTuple):
    """What a value of a manifest must be, in words, and the test of it."""

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False


# ------------------------------------------------------------------------------------------- the manifest


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int))


def _is_whole(value: Any, low: int = 0, high: int = 2**31) -> bool:
    return type(value) is int and low <= value < high


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_name, value)) and len(set(value)) == len(value)


def _is_spelt_step(value: Any) -> bool:
    return _is_whole(value, 1, _MAX_STEP) or (_is_text(value) and len(value) <= _MAX_FREQUENCY)


def _is_frequency(value: Any) -> bool:
    if not _is_spelt_step(value):
        return False
    try:
        Frequency(value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_zone(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _ZONE.fullmatch(value) is not None)


def _is_encoding(value: Any) -> bool:
    return value is None or (_is_text(value) and len(value) <= _MAX_ENCODING)


def _is_layout(value: Any) -> bool:
    """Check types, and what would be looked up by its name; the layout checks the rest itself."""
    if not isinstance(value, dict):
        return False
    names, options = ("id", "time"), ("missing", "duplicates", "bad_series")
    maybe = ("date_format", "separator", "decimal", "thousands")
    target, freq = value.get("target"), value.get("freq")
    return (
        all(_is_name(value.get(name)) for name in names)
        and all(_is_text(value.get(name)) for name in options)
        and all(value.get(name) is None or _is_text(value[name]) for name in maybe)
        and all(_are_names(value.get(name)) for name in ("past", "future", "static"))
        and (target is None or _is_name(target) or _are_names(target))
        and (freq is None or _is_spelt_step(freq))
        and (value.get("season") is None or _is_whole(value["season"], 1))
        and _is_zone(value.get("season_zone"))
        and _is_encoding(value.get("encoding"))
    )


def _is_sizes(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {*COUNTS, *FLAGS}
        and all(_is_whole(value[name], 0 if name in ("future", "static") else 1) for name in COUNTS)
        and all(isinstance(value[name], bool) for name in FLAGS)
    )


def _is_setting(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) <= _MAX_PARTS and all(map(_is_number, value.values()))
    parts = value if isinstance(value, list) and len(value) <= _MAX_PARTS else [value]
    return all(part is None or isinstance(part, (bool, int, float, str)) for part in parts)


def _are_settings(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and "config" not in value
        and all(map(_is_setting, value.values()))
        and all(_is_whole(value.get(name), 1) for name in ("horizon", "sequence_length"))
    )


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(epoch, dict) and all(part is None or _is_number(part) for part in epoch.values())
        for epoch in value
    )


def _is_answers(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"levels", "lower", "upper", "integer"}:
        return False
    levels = value["levels"]
    return (
        (levels is None or (isinstance(levels, list) and all(map(_is_number, levels))))
        and all(value[bound] is None or _is_number(value[bound]) for bound in ("lower", "upper"))
        and isinstance(value["integer"], bool)
    )


def _is_columns(value: Any) -> bool:
    return (
        isinstance(value, dict) and value.keys() == {*COLUMN_ROLES} and all(map(_are_names, value.values()))
    )


def _are_members(value: Any) -> bool:
    fits = isinstance(value, list) and 1 <= len(value) <= _MAX_MEMBERS
    return fits and all(isinstance(member, dict) for member in value)


def _are_transforms(value: Any) -> bool:
    some = isinstance(value, list) and 0 < len(value) <= _MAX_TRANSFORMS
    return some and all(_is_text(name) and name in TRANSFORMS for name in value)


_MODEL: Final[dict[str, Rule]] = {
    "model": Rule("a name", _is_text),  # its class has compared it with its own
    "settings": Rule("settings by name, horizon and sequence_length among them", _are_settings),
    "sizes": Rule(f"whole numbers for {', '.join(COUNTS)} and true or false for the rest", _is_sizes),
    "history": Rule("a list of epochs, numbers by name", _is_history),
}
MANIFESTS: Final[dict[str, dict[str, Rule]]] = {
    "forecaster": _MODEL
    | {
        "kind": Rule("forecaster", lambda value: value == "forecaster"),
        "model": Rule(f"one of {', '.join(_MODELS)}", lambda value: _is_text(value) and value in _MODELS),
        "layout": Rule("a layout of tables", _is_layout),
        "frequency": Rule("a step such as 'h' or 1", _is_frequency),
        "series": Rule("different names, at least one", lambda value: _are_names(value) and value != []),
        "shape": Rule("long, wide or joint", lambda value: value in ("long", "wide", "joint")),
        "index": Rule("names of columns", _are_names),
        "columns": Rule(f"lists of different names for {', '.join(COLUMN_ROLES)}", _is_columns),
        "time": Rule("stamps or numbers", lambda value: value in ("stamps", "numbers")),
        "zone": Rule("a time zone or null", _is_zone),
        "answers": Rule("levels, lower, upper and integer", _is_answers),
        "calibration": Rule(
            "sentences or null",
            lambda value: value is None or (isinstance(value, list) and all(map(_is_text, value))),
        ),
        "target_transform": Rule(f"one or more of {', '.join(TRANSFORMS)}", _are_transforms, optional=True),
    },
    "estimator": _MODEL
    | {
        "kind": Rule("estimator", lambda value: value == "estimator"),
        "one_target": Rule("true or false", lambda value: isinstance(value, bool)),
        "one_per_sequence": Rule("true or absent", lambda value: value is True, optional=True),
        "feature_names": Rule("different names", _are_names),
    },
}
"""The keys of a manifest by its kind, with what each must be."""
_MEMBER: Final = {n: rule for n, rule in MANIFESTS["forecaster"].items() if n not in (*SHARED, "kind")}
MANIFESTS["ensemble"] = {n: MANIFESTS["forecaster"][n] for n in (*SHARED, "calibration")} | {
    "kind": Rule("ensemble", lambda value: value == "ensemble"),
    "combine": Rule(
        f"one of {', '.join(COMBINATIONS)}", lambda value: _is_text(value) and value in COMBINATIONS
    ),
    "snapshots": Rule("a whole number from 1", lambda value: _is_whole(value, 1)),
    "members": Rule(f"a list of 1 to {_MAX_MEMBERS} members", _are_members),
}


def check_inventory(manifest: Mapping[str, Any], tensors: Mapping[str, Shaped]) -> None:
    """Refuse a model file that this library would not have written so; no tensor has to be there for that.

    Parameters
    ----------
    manifest
        Of a model file, without ``_artifact``.
    tensors
        By name, each tensor or its entry in the list of the file.

    Raises
    ------
    ArtifactError
        If a key or a tensor is missing, is unknown or is not what the rest of the file says; the first five
        such places are named.

    Examples
    --------
    >>> check_inventory({"kind": "recipe"}, {})
    Traceback (most recent call last):
    timeseries.errors.ArtifactError: it holds neither a forecaster nor an estimator, but 'recipe'
    """
    kind = manifest.get("kind")
    if kind == "checkpoint":
        raise ArtifactError("it is the checkpoint of a training, which fit can resume, and no model")
    if not isinstance(kind, str) or kind not in MANIFESTS:
        raise ArtifactError(f"it holds neither a forecaster nor an estimator, but {shorten(kind)}")
    _refuse(_manifest_problems(manifest, MANIFESTS[kind]))
    if kind == "ensemble":
        _check_ensemble(manifest, tensors)
        return
    _refuse(_contradictions(manifest))
    _refuse(_tensor_problems(_expected_with(manifest, tensors), _beside_weights(tensors)))


def _expected_with(manifest: Mapping[str, Any], tensors: Mapping[str, Shaped]) -> dict[str, Kind]:
    """Return every tensor beside the weights that a model must hold, with those it may where it has one."""
    expected = expected_tensors(manifest)
    if manifest["kind"] == "forecaster" and any(name.startswith("in_sample.") for name in tensors):
        shape = len(manifest["series"]), manifest["sizes"]["targets"]
        expected |= {f"in_sample.{name}": Kind("float64", shape) for name in IN_SAMPLE}
    return expected


def _beside_weights(tensors: Mapping[str, Shaped], prefixes: Sequence[str] = ("",)) -> dict[str, Kind]:
    """Return what each tensor is that is no weight of a network, nor of one of these members."""
    weights = tuple(prefix + WEIGHTS for prefix in prefixes)
    return {
        name: Kind(str(tensor.dtype), tensor.shape)
        for name, tensor in tensors.items()
        if not name.startswith(weights)
    }


# ------------------------------------------------------------------------------------------- ensembles


def member_prefix(number: int) -> str:
    """Return what the names of the tensors of one member begin with.

    >>> member_prefix(0)
    'member.0.'
    """
    return f"member.{number}."


def member_manifest(manifest: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return what the manifest of one member of an ensemble would be in a file of its own."""
    own: dict[str, Any] = manifest["members"][number]
    return own | {name: manifest[name] for name in SHARED} | {"kind": "forecaster"}


def is_shared(tensor: str) -> bool:
    """Tell whether the members of an ensemble have a tensor of this name in common.

    >>> is_shared("tail.values"), is_shared("scaling.values.scale")
    (True, False)
    """
    return tensor.startswith(SHARED_TENSORS)


def _check_ensemble(manifest: Mapping[str, Any], tensors: Mapping[str, Shaped]) -> None:
    """Refuse an ensemble whose members are wrong or do not go together."""
    expected: dict[str, Kind] = {}
    members = [member_manifest(manifest, number) for number in range(len(manifest["members"]))]
    for number, member in enumerate(members):
        try:
            _refuse(_manifest_problems(manifest["members"][number], _MEMBER))
            _refuse(_contradictions(member))
        except ArtifactError as error:
            raise ArtifactError(f"member {number}: {error}") from None
        own = _expected_with(member, tensors)
        expected |= {n if is_shared(n) else member_prefix(number) + n: kind for n, kind in own.items()}
    _refuse(_disagreements(manifest, members))
    if manifest["combine"] == "weighted":
        expected["weights"] = Kind("float64", (len(members),))
    if manifest["calibration"] is not None:
        sizes, levels = members[0]["sizes"], manifest["answers"]["levels"]
        expected |= _calibration(sizes["horizon"], sizes["targets"], len(levels or ()))
    prefixes = [member_prefix(number) for number in range(len(members))]
    _refuse(_tensor_problems(expected, _beside_weights(tensors, prefixes)))


def _disagreements(manifest: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say in what members differ that must agree, so that their forecasts can be combined."""
    if len(members) % manifest["snapshots"]:
        yield f"{len(members)} members are not so many times {manifest['snapshots']} snapshots"
    if len({member["sizes"]["horizon"] for member in members}) > 1:
        yield "its members forecast different numbers of steps"
    calibrated = {member["calibration"] is not None for member in members}
    asked = manifest["answers"]["levels"]
    if calibrated != {asked is not None} or (manifest["calibration"] is not None and asked is None):
        yield "calibration goes with answers.levels, in all members"
    if asked is None and any(
        member["settings"].get("quantiles") != members[0]["settings"].get("quantiles") for member in members
    ):
        yield "its members forecast different quantiles"


def _refuse(problems: Iterator[str]) -> None:
    """Raise the first problems as one error, or return."""
    found = [problem for problem, _ in zip(problems, range(_MAX_SHOWN), strict=False)]
    if found:
        raise ArtifactError("; ".join(found))


def _manifest_problems(manifest: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    for name in manifest:
        if name not in rules:
            yield f"{shorten(name)} is no key of a model file"
    for name, rule in rules.items():
        if name not in manifest:
            if not rule.optional:
                yield f"{name} is missing"
        elif not rule.holds(manifest[name]):
            yield f"{name} should be {rule.words}, is {shorten(manifest[name])}"


def _contradictions(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Say which parts of a manifest contradict each other."""
    if manifest["kind"] == "forecaster" and _is_text(manifest["frequency"]) != (manifest["time"] == "stamps"):
        yield f"the frequency {manifest['frequency']!r} does not go with time as {manifest['time']}"
    if manifest.get("zone") is not None and manifest["time"] != "stamps":
        yield "a zone goes with time as stamps alone"
    for name, value in _expected_sizes(manifest).items():
        if manifest["sizes"][name] != value:
            yield f"sizes.{name} should be {value} by the rest of the file, is {manifest['sizes'][name]}"


def _expected_sizes(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return those sizes that follow from the rest of a manifest."""
    settings = manifest["settings"]
    levels = settings.get("quantiles")
    sizes = {
        "context": settings["sequence_length"],
        "horizon": settings["horizon"],
        "outputs": len(levels) if isinstance(levels, list) else 1,
    }
    if manifest["kind"] == "estimator":
        names, one = manifest["feature_names"], manifest["one_target"]
        sizes |= {"future": 0, "static": 0, "masked": False, "autoregressive": False}
        return sizes | ({"past": len(names)} if names else {}) | ({"targets": 1} if one else {})
    targets, past, future, static = (len(manifest["columns"][role]) for role in COLUMN_ROLES)
    sizes |= {"targets": targets, "past": targets + past + future, "future": future, "static": static}
    return sizes | {"autoregressive": True}


# ------------------------------------------------------------------------------------------- the tensors


def expected_tensors(manifest: Mapping[str, Any]) -> dict[str, Kind]:
    """Return every tensor beside the weights that goes with a manifest whose keys have been checked."""
    sizes = manifest["sizes"]
    t, h, f, d, p, k, q = (
        sizes[name] for name in ("context", "horizon", "past", "targets", "outputs", "future", "static")
    )
    probe: dict[str, tuple[int | None, ...]] = {"past": (_PROBES, t, f), "forecast": (_PROBES, h, d, p)}
    probe |= {"future": (_PROBES, h, k)} if k else {}
    probe |= {"static": (_PROBES, q)} if q else {}
    tensors = {f"probe.{name}": Kind("float32", shape) for name, shape in probe.items()}
    if manifest["kind"] == "estimator":
        return tensors | _scaling("scaling", (1, f + d))
    s, c = len(manifest["series"]), f - k
    tensors |= _scaling("scaling.values", (s, c)) | _scaling("scaling.static", (1, q))
    tensors |= _scaling("scaling.known", (s, k)) if k else {}
    tensors |= {
        "ends": Kind("int64", (s,)),
        "tail.offsets": Kind("int64", (s + 1,)),
        "tail.time": Kind("int64", (None,)),
        "tail.values": Kind("float64", (None, c)),
        "tail.known_offsets": Kind("int64", (s + 1,)),
        "tail.known": Kind("float64", (None, k)),
        "tail.static": Kind("float64", (s, q)),
    }
    tensors |= _transforms(manifest, s, d)
    levels = manifest["answers"]["levels"]
    return tensors | (_calibration(h, d, len(levels or ())) if manifest["calibration"] is not None else {})


def _scaling(name: str, shape: tuple[int, ...]) -> dict[str, Kind]:
    return {f"{name}.{part}": Kind("float64", shape) for part in ("center", "scale")}


def _transforms(manifest: Mapping[str, Any], series: int, targets: int) -> dict[str, Kind]:
    """Return what transforms of the targets have learned; some of it for every row of a season."""
    names = manifest.get("target_transform", ())
    season = manifest["layout"]["season"] or Frequency(manifest["frequency"]).season_length
    return {
        f"target_transform.{i}.{part}": Kind(
            "float64", (series, season, targets) if by_phase else (series, targets)
        )
        for i, name in enumerate(names)
        for part, by_phase in TRANSFORMS[name].state.items()
    }


def _calibration(horizon: int, targets: int, levels: int) -> dict[str, Kind]:
    return {
        "calibration.levels": Kind("float64", (levels,)),
        "calibration.source": Kind("int64", (levels,)),
        "calibration.shifts": Kind("float64", (horizon, targets, levels)),
    }


def _tensor_problems(expected: Mapping[str, Kind], found: Mapping[str, Kind]) -> Iterator[str]:
    for name, kind in expected.items():
        if name not in found:
            yield f"the tensor {name} is missing"
        elif not kind.fits(found[name]):
            yield f"the tensor {name} should be {_shown(kind)}, is {_shown(found[name])}"
    for name in found:
        if name not in expected:
            yield f"{shorten(name)} is no tensor of such a model"


def _shown(kind: Kind) -> str:
    return f"{kind.dtype} of shape ({', '.join('any' if n is None else str(n) for n in kind.shape)})"


# ------------------------------------------------------------------------------------------- the numbers


def check_numbers(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers that no fitted model has, in tensors whose shapes have been checked.

    Parameters
    ----------
    manifest
        Of a model file, checked by :func:`check_inventory`.
    arrays
        Its tensors.

    Raises
    ------
    ArtifactError
        If a scale is not positive, rows are not in order, or something that must be finite is not.
    """
    if manifest["kind"] == "ensemble":
        _check_numbers_of_ensemble(manifest, arrays)
        return
    problems = [_scaling_problems(arrays)]
    if manifest["kind"] == "forecaster":
        problems += [_tail_problems(manifest, arrays), _calibration_problems(manifest, arrays)]
        problems += [_in_sample_problems(arrays)] if "in_sample.scale" in arrays else []
        problems.append(_transform_problems(manifest, arrays))
    _refuse(chain.from_iterable(problems))


def member_arrays(arrays: Mapping[str, NDArray[Any]], number: int) -> dict[str, NDArray[Any]]:
    """Return the tensors of one member of an ensemble by their own names, without those that all share."""
    prefix = member_prefix(number)
    return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}


def _check_numbers_of_ensemble(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers that no fitted ensemble has."""
    members = [member_manifest(manifest, number) for number in range(len(manifest["members"]))]
    shared = {name: array for name, array in arrays.items() if is_shared(name)}
    problems = [_scaling_problems(shared), _tail_problems(members[0], shared)]
    problems += [_in_sample_problems(shared)] if "in_sample.scale" in shared else []
    problems += [_weights_problems(arrays["weights"])] if "weights" in arrays else []
    if manifest["calibration"] is not None:
        levels = manifest["answers"]["levels"]
        problems += [_calibration_problems({**manifest, "sizes": {"outputs": len(levels)}}, arrays)]
    for number, member in enumerate(members):
        own = member_arrays(arrays, number)
        problems += [_scaling_problems(own), _calibration_problems(member, own), _infinite_weights(own)]
        problems.append(_transform_problems(member, own))
    _refuse(chain.from_iterable(problems))


def _weights_problems(weights: NDArray[Any]) -> Iterator[str]:
    if not ((weights > 0).all() and abs(weights.sum() - 1) <= _SUM):
        yield "weights holds what is not positive, or has another sum than 1"


def _infinite_weights(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say which weights are not finite: the container looks at those of a file of one network alone."""
    for name, array in arrays.items():
        if name.startswith(WEIGHTS) and not np.isfinite(array).all():
            yield f"{shorten(name)} holds NaN or infinity"


def _scaling_problems(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for name, array in arrays.items():
        if (
            name.startswith(("scaling.", "probe.", "tail.known", "tail.static", "target_transform."))
            and not np.isfinite(array).all()
        ):
            yield f"{name} holds NaN or infinity"
        elif name.startswith("scaling.") and name.endswith(".scale") and not (array > 0).all():
            yield f"{name} holds a scale that is not positive"


def _tail_problems(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say what is wrong with the last rows."""
    offsets, time, ends = arrays["tail.offsets"], arrays["tail.time"], arrays["ends"]  # (S+1,), (N,), (S,)
    rows = {"tail.offsets": "tail.values", "tail.known_offsets": "tail.known"}
    wrong = [name for name, buffer in rows.items() if not _divides(arrays[name], len(arrays[buffer]))]
    yield from (f"{name} does not divide the rows of {rows[name]} among the series" for name in wrong)
    if np.isinf(arrays["tail.values"]).any():
        yield "tail.values holds infinity"
    if len(time) != len(arrays["tail.values"]):
        yield f"tail.time has {len(time)} rows and tail.values {len(arrays['tail.values'])}"
    elif not wrong and not _increases(time, offsets):
        yield "tail.time does not increase within each series"
    if manifest["time"] == "stamps" and not all(
        _are_stamps(part, manifest["frequency"]) for part in (time, ends)
    ):
        yield "tail.time or ends holds stamps that do not go with the frequency"


def _divides(offsets: NDArray[Any], rows: int) -> bool:
    """Tell whether offsets (S+1,) lead from 0 to the number of rows and never back."""
    return bool(offsets[0] == 0 and offsets[-1] == rows and (offsets[1:] >= offsets[:-1]).all())


def _increases(time: NDArray[Any], offsets: NDArray[Any]) -> bool:
    """Tell whether time (N,) increases everywhere but where a series begins."""
    rises = time[1:] > time[:-1]  # (N-1,)
    begins = offsets[(offsets > 0) & (offsets < len(time))]  # (<=S,)
    rises[begins - 1] = True
    return bool(rises.all())


def _are_stamps(time: NDArray[Any], step: str) -> bool:
    """Tell whether time (N,) lies in the years 1 to 9999 and on a grid of the frequency."""
    inside = (time >= _STAMPS[0]) & (time <= _STAMPS[1])  # (N,)
    return bool(inside.all() and Frequency(step).fits(time.view(STAMP)).all())


def _calibration_problems(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say what is wrong with the calibrated levels, or with those that are asked for."""
    asked = manifest["answers"]["levels"]
    if manifest["calibration"] is not None:
        levels, source = arrays["calibration.levels"], arrays["calibration.source"]  # (L,) each
        rising = all(low < high for low, high in zip((0.0, *levels), (*levels, 1.0), strict=True))
        if not rising or 0.5 not in levels or levels.tolist() != asked:
            yield "calibration.levels is not answers.levels, or does not rise from above 0 to below 1"
        if not ((source >= 0) & (source < manifest["sizes"]["outputs"])).all():
            yield "calibration.source names numbers that the network does not give"
        if not np.isfinite(arrays["calibration.shifts"]).all():
            yield "calibration.shifts holds NaN or infinity"


def _transform_problems(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say which transforms of the targets cannot be undone."""
    for i, name in enumerate(manifest.get("target_transform", ())):
        for part in TRANSFORMS[name].state:
            array, (low, high) = arrays[f"target_transform.{i}.{part}"], TRANSFORMS[name].span
            if not ((array >= low) & (array <= high)).all():
                yield f"target_transform.{i}.{part} holds what does not lie between {low:g} and {high:g}"


def _in_sample_problems(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say what no rows can have left behind: infinite or negative scales, half a value, a mean of nothing."""
    scales, counts = (
        [arrays[f"in_sample.{name}"] for name in names] for names in (IN_SAMPLE[:2], ("observed", "age"))
    )  # (S, D) each
    numbers = [*counts, *(arrays[f"in_sample.{name}"] for name in ("mean", "first"))]
    if any((scale < 0).any() or np.isinf(scale).any() for scale in scales):
        yield "in_sample.scale or in_sample.square_scale holds a scale that is negative or infinite"
    if not all(np.isfinite(part).all() for part in numbers):
        yield "in_sample.observed, mean, first or age holds NaN or infinity"
    elif not all(((part >= 0) & (part % 1 == 0)).all() for part in counts):
        yield "in_sample.observed or in_sample.age holds what is no count"
