"""Deep learning on time series, recurrent networks first.

The names below are imported when they are first asked for: ``import timeseries`` itself is immediate.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timeseries.backtesting import Backtest
    from timeseries.datasets import load_airpassengers, load_dataset
    from timeseries.deeplearning.models.lstm import LSTMModel
    from timeseries.deeplearning.models.nlinear import NLinearModel
    from timeseries.deeplearning.models.transformer import TransformerModel
    from timeseries.ensemble import Ensemble
    from timeseries.forecaster import Forecaster
    from timeseries.normalization import DataNormalizer
    from timeseries.panel import Panel, TableLayout
    from timeseries.plotting import plot_backtest, plot_error_by_step, plot_forecast, plot_losses
    from timeseries.windows import create_sequences

__version__ = "0.1.0.dev0"

__all__ = [
    "Backtest",
    "DataNormalizer",
    "Ensemble",
    "Forecaster",
    "LSTMModel",
    "NLinearModel",
    "Panel",
    "TableLayout",
    "TransformerModel",
    "create_sequences",
    "load_airpassengers",
    "load_dataset",
    "plot_backtest",
    "plot_error_by_step",
    "plot_forecast",
    "plot_losses",
]

_HOMES = {
    "Backtest": "backtesting",
    "DataNormalizer": "normalization",
    "Ensemble": "ensemble",
    "Forecaster": "forecaster",
    "LSTMModel": "deeplearning.models.lstm",
    "NLinearModel": "deeplearning.models.nlinear",
    "Panel": "panel",
    "TableLayout": "panel",
    "TransformerModel": "deeplearning.models.transformer",
    "create_sequences": "windows",
    "load_airpassengers": "datasets",
    "load_dataset": "datasets",
    "plot_backtest": "plotting",
    "plot_error_by_step": "plotting",
    "plot_forecast": "plotting",
    "plot_losses": "plotting",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"timeseries.{_HOMES[name]}"), name)
    from timeseries.errors import did_you_mean

    raise AttributeError(f"module 'timeseries' has no attribute {name!r}.{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
