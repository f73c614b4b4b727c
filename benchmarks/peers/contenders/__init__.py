"""What is raced in the benchmarks: one file per library, all of one small protocol (protocol.py).

A contender runs in the environment of its library, so its file is imported by name, and only there.
"""

from importlib import import_module

from contenders.protocol import Contender

FILES = {  # contender: file and class
    "timeseries": ("ours", "PlainNetwork"),
    "recipe lstm": ("ours", "LSTMRecipe"),
    "recipe lstm_stacked": ("ours", "StackedRecipe"),
    "recipe nlinear": ("ours", "NLinearRecipe"),
    "bare forward": ("ours", "BareForward"),
    "by hand": ("by_hand", "HandWrittenLoop"),
    "neuralforecast": ("neuralforecast_models", "NeuralForecastModels"),
    "darts": ("darts_block_rnn", "DartsBlockRNN"),
    "keras": ("keras_layers", "KerasLayers"),
    "gluonts": ("gluonts_deepar", "GluonTSDeepAR"),
    "pytorch_forecasting": ("recurrent_network", "PyTorchForecastingNetwork"),
}


def make(name: str) -> Contender:
    """Return a contender, importing its library."""
    file, title = FILES[name]
    contender: Contender = getattr(import_module(f"contenders.{file}"), title)()
    return contender
