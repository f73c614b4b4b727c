"""A fitted ensemble as an artifact, and back: what members share stands in it once."""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from timeseries.deeplearning.artifact import Artifact
from timeseries.deeplearning.inventory import (
    SHARED,
    check_inventory,
    check_numbers,
    is_shared,
    member_arrays,
    member_manifest,
    member_prefix,
)
from timeseries.deeplearning.packing import Arrays
from timeseries.deeplearning.strict_json import plain_json
from timeseries.errors import IN_PYTHON, ArtifactError
from timeseries.fitted import FittedForecaster
from timeseries.fitted_ensemble import FittedEnsemble
from timeseries.storage import CALIBRATION_ARRAYS, TAIL_ARRAYS, pack, unpack, unpack_calibration


def pack_ensemble(fitted: FittedEnsemble, *, history: bool) -> Artifact:
    """Return everything a fitted ensemble knows as an artifact, with or without the last rows."""
    common = pack(fitted.reference, history=history)
    members = [pack(member, history=False) for member in fitted.members]
    calibration = fitted.calibration
    manifest: dict[str, Any] = {name: common.manifest[name] for name in SHARED} | {
        "kind": "ensemble",
        "combine": fitted.combine,
        "snapshots": fitted.snapshots,
        "members": [_own_keys(member) for member in members],
        "calibration": None if calibration is None else calibration.notes,
    }
    arrays: Arrays = {name: array for name, array in common.tensors.items() if is_shared(name)}
    for number, member in enumerate(members):
        own = {name: array for name, array in member.tensors.items() if not is_shared(name)}
        arrays |= {member_prefix(number) + name: array for name, array in own.items()}
    if fitted.weights is not None:
        arrays["weights"] = fitted.weights
    if calibration is not None:
        arrays |= {f"calibration.{name}": getattr(calibration, name) for name in CALIBRATION_ARRAYS}
    return Artifact(plain_json(manifest), arrays)


def _own_keys(member: Artifact) -> dict[str, Any]:
    return {name: value for name, value in member.manifest.items() if name not in (*SHARED, "kind")}


def unpack_ensemble(
    stored: Artifact, path: str | PathLike[str], networks: Mapping[str, Any]
) -> FittedEnsemble:
    """Rebuild a fitted ensemble from an artifact."""
    manifest: Any = stored.manifest
    if manifest.get("kind") in ("estimator", "forecaster"):
        raise ArtifactError(
            f"{path} is the file of one {manifest['kind']} ({manifest.get('model')!r}), not of an ensemble. "
            f"Load it with its own class.\n{IN_PYTHON}Forecaster.load(path)"
        )
    try:
        check_inventory(manifest, stored.tensors)
        check_numbers(manifest, stored.tensors)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtifactError(f"{path} lacks a part of an ensemble or holds a wrong one: {error}.") from error
    return FittedEnsemble(
        members=_unpack_members(stored, path, networks),
        combine=manifest["combine"],
        snapshots=manifest["snapshots"],
        weights=stored.tensors.get("weights"),
        calibration=unpack_calibration(manifest, stored.tensors),
    )


def _unpack_members(
    stored: Artifact, path: str | PathLike[str], networks: Mapping[str, Any]
) -> tuple[FittedForecaster, ...]:
    """Rebuild every member; all rows that are kept go through their checks once."""
    manifest: Any = stored.manifest
    shared = {name: array for name, array in stored.tensors.items() if is_shared(name)}
    first = _unpack_member(stored, 0, shared, path, networks)
    nothing = first.tail.tail(0)
    empty: Arrays = {f"tail.{name}": getattr(nothing, name) for name in TAIL_ARRAYS}
    empty |= {"tail.time": nothing.time.astype(np.int64), "ends": shared["ends"]}
    others = range(1, len(manifest["members"]))
    members = [first, *(_unpack_member(stored, number, empty, path, networks) for number in others)]
    return tuple(
        replace(member, tail=first.tail.tail(member.memory), in_sample=first.in_sample) for member in members
    )


def _unpack_member(
    stored: Artifact, number: int, shared: Arrays, path: str | PathLike[str], networks: Mapping[str, Any]
) -> FittedForecaster:
    manifest = member_manifest(stored.manifest, number)
    arrays = member_arrays(stored.tensors, number) | shared
    return unpack(Artifact(manifest, arrays), f"{path} (member {number})", networks)
