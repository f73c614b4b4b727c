"""A fitted estimator as what a file holds, and back."""

from collections.abc import Mapping
from copy import copy
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np

from timeseries.deeplearning.artifact import Artifact
from timeseries.deeplearning.inventory import check_inventory, check_numbers
from timeseries.deeplearning.packing import pack_network, unpack_network
from timeseries.deeplearning.window import Sizes
from timeseries.errors import ArtifactError


def pack(model: Any) -> Artifact:
    """Return everything that a fitted estimator knows."""
    as_fitted = copy(model).set_params(**model.fitted_settings_)
    manifest: dict[str, Any] = {
        "kind": "estimator",
        "model": model.name,
        "settings": as_fitted.stored_settings(),
        "sizes": asdict(model.sizes_),
        "history": model.history_,
        "one_target": model.one_target_,
        "feature_names": list(getattr(model, "feature_names_in_", [])),
    }
    manifest |= {"one_per_sequence": True} if model.one_per_sequence_ else {}
    arrays = pack_network(model.network_, model.sizes_)
    arrays |= {"scaling.center": model.center_, "scaling.scale": model.scale_}
    return Artifact(manifest, arrays)


def unpack(model: Any, stored: Artifact, path: str | PathLike[str], networks: Mapping[str, Any]) -> None:
    """Make a bare estimator what ``pack`` saw; ``networks`` holds the caller's own by name.

    Raises
    ------
    ArtifactError
        If the file holds something else, or lacks a part.
    """
    manifest: Any = stored.manifest
    arrays = stored.tensors
    if manifest.get("kind") in ("forecaster", "ensemble"):
        reader = str(manifest["kind"]).capitalize()
        raise ArtifactError(f"{path} holds a {reader.lower()}: read it with {reader}.load(path).")
    if manifest.get("kind") != "estimator" or manifest.get("model") != model.name:
        raise ArtifactError(
            f"{path} holds: {manifest.get('kind')} {manifest.get('model')!r}, "
            f"but {type(model).__name__}.load reads an estimator {model.name!r}."
        )
    try:
        check_inventory(manifest, arrays)
        check_numbers(manifest, arrays)
        model.__init__(**model.restored_settings(manifest["settings"], networks))
        model.check_settings()
        model.fitted_settings_ = model.settings()
        model.sizes_ = Sizes(**manifest["sizes"])
        model.network_ = unpack_network(model, model.sizes_, arrays)
        model.center_, model.scale_ = arrays["scaling.center"], arrays["scaling.scale"]
        model.history_, model.one_target_ = manifest["history"], bool(manifest["one_target"])
        model.one_per_sequence_ = "one_per_sequence" in manifest
        model.n_features_in_ = model.sizes_.past
        if manifest["feature_names"]:
            model.feature_names_in_ = np.array(manifest["feature_names"], dtype=object)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtifactError(
            f"{path} lacks a part of a {model.name} model or holds a wrong one: {error}."
        ) from error
