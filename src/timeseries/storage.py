"""A fitted forecaster as an artifact, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from typing import Any, cast

import numpy as np

from timeseries.deeplearning.artifact import Artifact
from timeseries.deeplearning.gather import Affine, Scaling
from timeseries.deeplearning.inventory import COLUMN_ROLES, check_inventory, check_numbers
from timeseries.deeplearning.models import model_class
from timeseries.deeplearning.packing import Arrays, pack_network, unpack_network
from timeseries.deeplearning.strict_json import plain_json
from timeseries.deeplearning.window import Sizes
from timeseries.errors import IN_PYTHON, ArtifactError, SettingError
from timeseries.fitted import Answers, FittedForecaster
from timeseries.frequency import Frequency
from timeseries.in_sample import InSample
from timeseries.intervals import Calibration
from timeseries.panel import Panel, TableLayout, in_zone
from timeseries.steps import STAMP
from timeseries.target_transforms import TRANSFORMS
from timeseries.transformed import FittedTransforms

TAIL_ARRAYS = ("offsets", "values", "known", "known_offsets", "static")  # fields of a panel that hold numbers
CALIBRATION_ARRAYS = ("levels", "source", "shifts")


def pack(fitted: FittedForecaster, *, history: bool) -> Artifact:
    """Return everything a fitted forecaster knows as an artifact, with or without the last rows."""
    tail = fitted.tail if history else fitted.tail.tail(0)
    if not all(isinstance(name, (str, int)) for name in tail.ids):
        raise SettingError("Only forecasters whose series are named by text or whole numbers can be saved.")
    manifest = {
        "kind": "forecaster",
        "model": fitted.model.name,
        "settings": fitted.model.stored_settings(),
        "sizes": asdict(fitted.sizes),
        "layout": asdict(tail.layout),
        "frequency": tail.frequency.step,
        "series": tail.ids,
        "shape": tail.shape,
        "index": tail.index,
        "columns": {name: getattr(tail, name) for name in COLUMN_ROLES},
        "time": "stamps" if np.issubdtype(tail.time.dtype, np.datetime64) else "numbers",
        "zone": tail.zone,
        "history": fitted.history,
        "answers": asdict(fitted.answers),
        "calibration": None if fitted.calibration is None else fitted.calibration.notes,
    }
    arrays: Arrays = pack_network(fitted.network, fitted.sizes)
    if fitted.transforms.names:
        manifest |= {"target_transform": fitted.transforms.names}
        arrays |= _pack_transforms(fitted.transforms)
    affines = {
        "values": fitted.scaling.values,
        "known": fitted.scaling.known,
        "static": fitted.static_scaling,
    }
    for name, affine in affines.items():
        if affine is not None:
            arrays |= {f"scaling.{name}.center": affine.center, f"scaling.{name}.scale": affine.scale}
    arrays |= {f"tail.{name}": getattr(tail, name) for name in TAIL_ARRAYS}
    arrays |= {"tail.time": tail.time.astype(np.int64), "ends": fitted.ends.astype(np.int64)}
    if fitted.calibration is not None:
        arrays |= {f"calibration.{name}": getattr(fitted.calibration, name) for name in CALIBRATION_ARRAYS}
    if fitted.in_sample is not None and history:
        arrays |= {f"in_sample.{name}": part for name, part in fitted.in_sample._asdict().items()}
    return Artifact(plain_json(manifest), arrays)


def unpack(stored: Artifact, path: str | PathLike[str], networks: Mapping[str, Any]) -> FittedForecaster:
    """Rebuild a fitted forecaster from an artifact."""
    manifest: Any = stored.manifest
    if manifest.get("kind") == "estimator":
        raise ArtifactError(
            f"{path} is the file of an estimator ({manifest.get('model')!r}), not of a forecaster. "
            "Fit a forecaster, or load it with its own class.\n"
            f"{IN_PYTHON}LSTMModel.load(path)"
        )
    if manifest.get("kind") == "ensemble":
        raise ArtifactError(
            f"{path} is the file of an ensemble, not of a single forecaster. Load it with its own class.\n"
            f"{IN_PYTHON}Ensemble.load(path)"
        )
    try:
        check_inventory(manifest, stored.tensors)
        check_numbers(manifest, stored.tensors)
        made = model_class(manifest["model"])
        model = made(**made.restored_settings(manifest["settings"], networks))
        model.check_settings()
        sizes, layout = Sizes(**manifest["sizes"]), TableLayout(**manifest["layout"])
        network = unpack_network(model, sizes, stored.tensors)
        tail = _unpack_tail(manifest, stored.tensors, layout)
        answers, calibration = _unpack_answers(manifest), unpack_calibration(manifest, stored.tensors)
        affines = [_unpack_affine(stored.tensors, name) for name in ("values", "known", "static")]
        ends, epochs = _unpack_time(manifest, stored.tensors["ends"]), manifest["history"]
        transforms = _unpack_transforms(manifest, stored.tensors)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, OSError) as error:
        raise ArtifactError(f"{path} lacks a part of a forecaster or holds a wrong one: {error}.") from error
    return FittedForecaster(
        model=model,
        network=network,
        sizes=sizes,
        scaling=Scaling(cast("Affine", affines[0]), affines[1]),
        static_scaling=cast("Affine", affines[2]),
        tail=tail,
        ends=ends,
        history=epochs,
        answers=answers,
        calibration=calibration,
        in_sample=_unpack_in_sample(stored.tensors),
        transforms=transforms,
    )


def _pack_transforms(transforms: FittedTransforms) -> Arrays:
    return {
        f"target_transform.{i}.{name}": part
        for i, state in enumerate(transforms.states)
        for name, part in state.items()
    }


def _unpack_transforms(manifest: Any, arrays: Arrays) -> FittedTransforms:
    names = tuple(manifest.get("target_transform", ()))
    states = tuple(
        {part: arrays[f"target_transform.{i}.{part}"] for part in TRANSFORMS[name].state}
        for i, name in enumerate(names)
    )
    return FittedTransforms(names, states)


def unpack_calibration(manifest: Any, arrays: Arrays) -> Calibration | None:
    """Return the calibration that a file holds, None where it holds none."""
    if manifest["calibration"] is None:
        return None
    parts: Any = {name: arrays[f"calibration.{name}"] for name in CALIBRATION_ARRAYS}
    return Calibration(**parts, notes=tuple(manifest["calibration"]))


def _unpack_in_sample(arrays: Arrays) -> InSample | None:
    if "in_sample.scale" not in arrays:
        return None
    return InSample(**{name: arrays[f"in_sample.{name}"] for name in InSample._fields})


def _unpack_answers(manifest: Any) -> Answers:
    stored = manifest["answers"]
    return Answers(**(stored | {"levels": None if stored["levels"] is None else tuple(stored["levels"])}))


def _unpack_time(manifest: Any, time: Any) -> Any:
    return time.view("datetime64[us]") if manifest["time"] == "stamps" else time


def _unpack_affine(arrays: Arrays, name: str) -> Affine | None:
    if name == "known" and "scaling.known.center" not in arrays:
        return None
    return Affine(arrays[f"scaling.{name}.center"], arrays[f"scaling.{name}.scale"])


def _unpack_tail(manifest: Any, arrays: Arrays, layout: TableLayout) -> Panel:
    zone = manifest["zone"]
    in_zone(np.zeros(0, dtype=STAMP), zone)  # a zone that this machine does not know is refused now
    roles: Any = {name: tuple(manifest["columns"][name]) for name in COLUMN_ROLES}
    numbers: Any = {name: arrays[f"tail.{name}"] for name in TAIL_ARRAYS}
    return Panel(
        ids=tuple(manifest["series"]),
        time=_unpack_time(manifest, arrays["tail.time"]),
        frequency=Frequency(manifest["frequency"]),
        layout=layout,
        shape=manifest["shape"],
        index=tuple(manifest["index"]),
        notes=(),
        zone=zone,
        **roles,
        **numbers,
    )
