"""Pictures of forecasts, residuals, backtests and trainings; all that needs matplotlib (extra ``plot``)."""

from timeseries.plotting.figures import check_picture, save_picture
from timeseries.plotting.forecasts import plot_backtest, plot_error_by_step, plot_forecast
from timeseries.plotting.residuals import autocorrelation, plot_predictions, plot_residuals
from timeseries.plotting.training import plot_attention, plot_learning_rate, plot_losses
from timeseries.plotting.tuning import plot_tuning

__all__ = [
    "autocorrelation",
    "check_picture",
    "plot_attention",
    "plot_backtest",
    "plot_error_by_step",
    "plot_forecast",
    "plot_learning_rate",
    "plot_losses",
    "plot_predictions",
    "plot_residuals",
    "plot_tuning",
    "save_picture",
]
