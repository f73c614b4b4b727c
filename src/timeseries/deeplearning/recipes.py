"""Named settings that were found by measurement; the forecaster starts from them, estimators do not.

How they were found: ``benchmarks/`` and ``docs/decisions/``. Only validation parts chose them.
"""

from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    "lstm": {"instance_norm": True, "batch_size": 128, "patience": 3, "epochs": 30, "clip_norm": 1.0},
    "nlinear": {"batch_size": 128, "patience": 3, "epochs": 30},
    "transformer": {"instance_norm": True, "batch_size": 128, "patience": 3, "epochs": 30, "clip_norm": 1.0},
}
