"""Named settings that were found by measurement; the forecaster starts from them, estimators do not.

They were chosen on validation parts alone: ``docs/decisions/0005-recipes.md``.
"""

from typing import Any, NamedTuple

OF_SEASON = "season"  # a patch_length that the forecaster takes from the season of the table


class Recipe(NamedTuple):
    """A model and settings for it; what is not named keeps the model's default."""

    model: str
    settings: dict[str, Any]
    purpose: str


# A fixed number of steps serves a series of a hundred rows (many epochs) and a panel of many (less than one).
_TRAINING = {
    "loss": "mae",
    "schedule": "one_cycle",
    "learning_rate": 3e-3,
    "batch_size": 128,
    "epochs": 1000,
    "max_steps": 1000,
    "clip_norm": 1.0,
}
_PATCHES = _TRAINING | {
    "instance_norm": True,
    "last_value_residual": True,
    "linear_skip": True,
    "max_steps": 2000,
    "patch_length": OF_SEASON,
    "hidden_size": 128,
    "num_layers": 1,
}
_TEXTBOOK = _TRAINING | {
    "instance_norm": True,
    "linear_skip": True,
    "learning_rate": 1e-3,
    "batch_size": 64,
}

RECIPES: dict[str, Recipe] = {
    "lstm": Recipe("lstm", _PATCHES, "an LSTM that reads a season at once: accurate in seconds"),
    "lstm_panel": Recipe(
        "lstm",
        _PATCHES
        | {
            "last_value_residual": False,
            "hidden_size": 256,
            "batch_size": 64,
            "max_steps": 4000,
        },
        "a wider LSTM, trained longer: for many series that share a rhythm",
    ),
    "lstm_stacked": Recipe(
        "lstm",
        _TRAINING
        | {
            "instance_norm": True,
            "linear_skip": True,
            "hidden_size": 64,
            "num_layers": 2,
            "dropout": 0.0,
            "batch_size": 64,
            "learning_rate": 2e-3,
        },
        "two LSTM layers, step by step, as in textbooks",
    ),
    "gru": Recipe("gru", _PATCHES, "the same with gated recurrent units"),
    "rnn": Recipe("rnn", _PATCHES, "the same with plain recurrent units"),
    "bilstm": Recipe(
        "bilstm", _PATCHES, "an LSTM that reads its window from both ends (not part of the search)"
    ),
    "bigru": Recipe("bigru", _PATCHES, "the same with gated recurrent units (not part of the search)"),
    "attention_lstm": Recipe(
        "attention_lstm", _PATCHES, "an LSTM that looks back at all its states (not part of the search)"
    ),
    "lstm_keras": Recipe(
        "lstm",
        {
            "hidden_size": 50,
            "num_layers": 2,
            "dropout": 0.2,
            "head_dropout": 0.2,
            "activation": "relu",
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "loss": "mse",
            "batch_size": 32,
            "epochs": 50,
        },
        "the two ReLU LSTM layers of the Keras textbooks, as they stand there (not part of the search)",
    ),
    "nlinear": Recipe("nlinear", _TRAINING, "one linear map: the honest small model"),
    "dlinear": Recipe("dlinear", _TRAINING | {"instance_norm": True}, "two linear maps, of trend and rest"),
    "transformer": Recipe(
        "transformer",
        {"instance_norm": True, "batch_size": 32, "epochs": 1000, "max_steps": 1000, "clip_norm": 1.0},
        "a causal Transformer (not part of the search)",
    ),
    "cnn": Recipe(
        "cnn", _TEXTBOOK | {"pool_size": 8}, "convolutions over the window (not part of the search)"
    ),
    "tcn": Recipe(
        "tcn",
        _TEXTBOOK | {"channels": 32, "num_layers": 6},  # which see 253 steps
        "dilated causal convolutions (not part of the search)",
    ),
    "patchtst": Recipe(
        "patchtst",
        _TEXTBOOK | {"patch_length": OF_SEASON, "d_model": 64, "nhead": 4, "dim_feedforward": 128},
        "a Transformer over patches (not part of the search)",
    ),
    "mlp": Recipe("mlp", _TEXTBOOK, "hidden layers over the whole window (not part of the search)"),
    "transformer_xl": Recipe(
        "transformer_xl", _TEXTBOOK, "a Transformer with a memory (not part of the search)"
    ),
    "reformer": Recipe(
        "reformer", _TEXTBOOK, "hashed attention and reversible layers (not part of the search)"
    ),
    "custom": Recipe("custom", _TRAINING, "a network of your own"),
}
NAMES = [name for name in RECIPES if name != "custom"]  # a model of your own is named by its network
