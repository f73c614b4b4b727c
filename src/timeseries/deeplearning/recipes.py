"""Named settings that were found by measurement; the forecaster starts from them, estimators do not.

They were chosen on validation parts alone: ``docs/decisions/0004-first-recipe.md``.
"""

from typing import Any

# A fixed number of steps serves a series of a hundred rows (many epochs) and a panel of many (less than one).
_STEPS = {"batch_size": 32, "epochs": 1000, "max_steps": 1000, "clip_norm": 1.0}

RECIPES: dict[str, dict[str, Any]] = {
    "lstm": _STEPS | {"instance_norm": True, "num_layers": 1, "learning_rate": 2e-3},
    "nlinear": _STEPS,
    "transformer": _STEPS | {"instance_norm": True},
}
