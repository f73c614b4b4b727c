"""Deep learning on time series, recurrent networks first.

The names below are imported when they are first asked for: ``import timeseries`` itself is immediate.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timeseries.backtesting import Backtest
    from timeseries.choosing import Choice, choose_model
    from timeseries.datasets import load_airpassengers, load_dataset
    from timeseries.deeplearning.callbacks import MLflowCallback, TensorBoardCallback
    from timeseries.deeplearning.checkpoint import Checkpoints
    from timeseries.deeplearning.history import Callback
    from timeseries.deeplearning.models.attention_lstm import AttentionLSTMModel
    from timeseries.deeplearning.models.bigru import BiGRUModel
    from timeseries.deeplearning.models.bilstm import BiLSTMModel
    from timeseries.deeplearning.models.cnn import CNN1DModel
    from timeseries.deeplearning.models.dlinear import DLinearModel
    from timeseries.deeplearning.models.gru import GRUModel
    from timeseries.deeplearning.models.lstm import LSTMModel
    from timeseries.deeplearning.models.mlp import MLPModel
    from timeseries.deeplearning.models.nlinear import NLinearModel
    from timeseries.deeplearning.models.patchtst import PatchTSTModel
    from timeseries.deeplearning.models.reformer import ReformerModel
    from timeseries.deeplearning.models.rnn import RNNModel
    from timeseries.deeplearning.models.tcn import TCNModel
    from timeseries.deeplearning.models.transformer import TransformerModel
    from timeseries.deeplearning.models.transformer_xl import TransformerXLModel
    from timeseries.deeplearning.trainer import train_model
    from timeseries.ensemble import Ensemble
    from timeseries.forecaster import Forecaster
    from timeseries.normalization import DataNormalizer
    from timeseries.panel import Panel, TableLayout
    from timeseries.plotting import (
        plot_attention,
        plot_backtest,
        plot_error_by_step,
        plot_forecast,
        plot_learning_rate,
        plot_losses,
        plot_predictions,
        plot_residuals,
        plot_tuning,
    )
    from timeseries.settings import Span
    from timeseries.tuning import TuningResult, search_space, tune
    from timeseries.windows import create_sequences

__version__ = "0.1.0.dev0"

__all__ = [
    "AttentionLSTMModel",
    "Backtest",
    "BiGRUModel",
    "BiLSTMModel",
    "CNN1DModel",
    "Callback",
    "Checkpoints",
    "Choice",
    "DLinearModel",
    "DataNormalizer",
    "Ensemble",
    "Forecaster",
    "GRUModel",
    "LSTMModel",
    "MLPModel",
    "MLflowCallback",
    "NLinearModel",
    "Panel",
    "PatchTSTModel",
    "RNNModel",
    "ReformerModel",
    "Span",
    "TCNModel",
    "TableLayout",
    "TensorBoardCallback",
    "TransformerModel",
    "TransformerXLModel",
    "TuningResult",
    "choose_model",
    "create_sequences",
    "load_airpassengers",
    "load_dataset",
    "plot_attention",
    "plot_backtest",
    "plot_error_by_step",
    "plot_forecast",
    "plot_learning_rate",
    "plot_losses",
    "plot_predictions",
    "plot_residuals",
    "plot_tuning",
    "search_space",
    "train_model",
    "tune",
]

_HOMES = {
    "AttentionLSTMModel": "deeplearning.models.attention_lstm",
    "Backtest": "backtesting",
    "BiGRUModel": "deeplearning.models.bigru",
    "BiLSTMModel": "deeplearning.models.bilstm",
    "CNN1DModel": "deeplearning.models.cnn",
    "Callback": "deeplearning.history",
    "Checkpoints": "deeplearning.checkpoint",
    "Choice": "choosing",
    "DLinearModel": "deeplearning.models.dlinear",
    "DataNormalizer": "normalization",
    "Ensemble": "ensemble",
    "Forecaster": "forecaster",
    "GRUModel": "deeplearning.models.gru",
    "LSTMModel": "deeplearning.models.lstm",
    "MLPModel": "deeplearning.models.mlp",
    "MLflowCallback": "deeplearning.callbacks",
    "NLinearModel": "deeplearning.models.nlinear",
    "Panel": "panel",
    "PatchTSTModel": "deeplearning.models.patchtst",
    "RNNModel": "deeplearning.models.rnn",
    "ReformerModel": "deeplearning.models.reformer",
    "Span": "settings",
    "TCNModel": "deeplearning.models.tcn",
    "TableLayout": "panel",
    "TensorBoardCallback": "deeplearning.callbacks",
    "TransformerModel": "deeplearning.models.transformer",
    "TransformerXLModel": "deeplearning.models.transformer_xl",
    "TuningResult": "tuning",
    "choose_model": "choosing",
    "create_sequences": "windows",
    "load_airpassengers": "datasets",
    "load_dataset": "datasets",
    "plot_attention": "plotting",
    "plot_backtest": "plotting",
    "plot_error_by_step": "plotting",
    "plot_forecast": "plotting",
    "plot_learning_rate": "plotting",
    "plot_losses": "plotting",
    "plot_predictions": "plotting",
    "plot_residuals": "plotting",
    "plot_tuning": "plotting",
    "search_space": "tuning",
    "train_model": "deeplearning.trainer",
    "tune": "tuning",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"timeseries.{_HOMES[name]}"), name)
    from timeseries.errors import did_you_mean

    raise AttributeError(f"module 'timeseries' has no attribute {name!r}.{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
