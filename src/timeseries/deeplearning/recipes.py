"""Named settings that were found by measurement; the forecaster starts from them, estimators do not.

They were chosen on validation parts alone: ``docs/decisions/0005-recipes.md``.
"""

from typing import Any, NamedTuple

OF_SEASON = "season"  # a patch_length that the forecaster takes from the season of the table


class Recipe(NamedTuple):
    """A model and settings for it; what is not named keeps the model's default."""

    model: str
    settings: dict[str, Any]


# A fixed number of steps serves a series of a hundred rows (many epochs) and a panel of many (less than one).
_STEPS = {"batch_size": 32, "epochs": 1000, "max_steps": 1000, "clip_norm": 1.0}

RECIPES: dict[str, Recipe] = {
    "lstm": Recipe("lstm", _STEPS | {"instance_norm": True, "num_layers": 1, "learning_rate": 2e-3}),
    "gru": Recipe("gru", _STEPS | {"instance_norm": True, "num_layers": 1, "learning_rate": 2e-3}),
    "rnn": Recipe("rnn", _STEPS | {"instance_norm": True, "num_layers": 1, "learning_rate": 2e-3}),
    "nlinear": Recipe("nlinear", _STEPS),
    "dlinear": Recipe("dlinear", _STEPS),
    "transformer": Recipe("transformer", _STEPS | {"instance_norm": True}),
    "custom": Recipe("custom", _STEPS),
}
