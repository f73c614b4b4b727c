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
_WINDOW = _TRAINING | {
    "instance_norm": True,
    "last_value_residual": True,
    "linear_skip": True,
    "batch_size": 64,
}
_ENCODER = _WINDOW | {"patch_length": OF_SEASON, "d_model": 64, "nhead": 4, "dim_feedforward": 128}

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
    "bilstm": Recipe("bilstm", _PATCHES, "an LSTM that reads its window from both ends"),
    "bigru": Recipe("bigru", _PATCHES, "the same with gated recurrent units"),
    "attention_lstm": Recipe("attention_lstm", _PATCHES, "an LSTM that looks back at all its states"),
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
        "the two ReLU LSTM layers of the Keras textbooks, as they stand there",
    ),
    "nlinear": Recipe("nlinear", _TRAINING, "one linear map: the honest small model"),
    "dlinear": Recipe("dlinear", _TRAINING | {"instance_norm": True}, "two linear maps, of trend and rest"),
    "transformer": Recipe("transformer", _ENCODER, "a causal Transformer over whole seasons"),
    "cnn": Recipe("cnn", _WINDOW | {"pool_size": 8}, "convolutions over the window"),
    "tcn": Recipe(
        "tcn",
        _WINDOW | {"channels": 32, "num_layers": 6, "batch_size": 32},  # which see 253 steps
        "dilated causal convolutions",
    ),
    "patchtst": Recipe("patchtst", _ENCODER, "a Transformer over overlapping patches of each channel"),
    "mlp": Recipe("mlp", _WINDOW, "hidden layers over the whole window: fast, and hard to beat"),
    "transformer_xl": Recipe(
        "transformer_xl",
        _ENCODER | {"segment_length": 4, "memory_length": 4},  # patches
        "a Transformer with a memory of the seasons before",
    ),
    "reformer": Recipe(
        "reformer",
        _ENCODER | {"chunk_length": 4},  # patches
        "hashed attention among seasons, and reversible layers",
    ),
    "custom": Recipe("custom", _TRAINING, "a network of your own"),
}
NAMES = [name for name in RECIPES if name != "custom"]  # a model of your own is named by its network
