"""Pictures of a training: its losses, its learning rate, and where attention looked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from timeseries.errors import DataError, TrainingError, shown
from timeseries.plotting.figures import BEST, MODEL, OBSERVED, legend, new_figure, whole_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from timeseries.deeplearning.history import EpochRecord
    from timeseries.deeplearning.rehearsal import LearningRateCurve

Floats = npt.NDArray[np.float64]


def plot_losses(history: "Sequence[EpochRecord]") -> "Figure":
    """Draw training and validation loss by epoch, and mark the epoch that was chosen.

    Parameters
    ----------
    history : list of EpochRecord
        ``train_history`` of a forecaster or an estimator; losses in scaled units.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When no epoch was completed, or this is no ``train_history``.

    Examples
    --------
    >>> record = {"epoch": 0, "steps": 10, "train_loss": 0.5, "val_loss": 0.6, "seconds": 1.0}
    >>> [line.get_label() for line in plot_losses([record]).axes[0].lines]
    ['training', 'validation', 'best: epoch 1, 0.6']
    """
    if not isinstance(history, Sequence) or not all(isinstance(record, dict) for record in history):
        raise DataError(
            f"plot_losses draws train_history, a list of records, got {shown(history)}. "
            "Of a fitted model: plot_losses(model.train_history); of an ensemble, one of its members: "
            "plot_losses(ensemble.train_history[0])."
        )
    if not history:
        raise DataError("There is no loss to draw: the history holds no epoch.")
    figure, (axes,) = new_figure(["loss by epoch"], 1)
    epochs = [record["epoch"] + 1 for record in history]
    marker = "o" if len(epochs) <= 30 else ""
    training = [record["train_loss"] for record in history]
    axes.plot(epochs, training, color=OBSERVED, marker=marker, markersize=3.5, label="training")
    watched = {record["epoch"] + 1: loss for record in history if (loss := record["val_loss"]) is not None}
    if watched:
        losses = list(watched.values())
        axes.plot(list(watched), losses, color=MODEL, marker=marker, markersize=3.5, label="validation")
        best = min(watched, key=watched.__getitem__)
        label = f"best: epoch {best}, {watched[best]:.4g}"
        axes.plot([best], [watched[best]], "D", color=BEST, markersize=7, linestyle="", label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss, in scaled units")
    whole_numbers(axes)
    legend(axes)
    return figure


def plot_learning_rate(curve: "LearningRateCurve") -> "Figure":
    """Draw how the loss answered to growing learning rates, and mark the one that is suggested.

    Parameters
    ----------
    curve : LearningRateCurve
        What ``find_learning_rate`` of a forecaster or an estimator returned.

    Returns
    -------
    Figure
        Rates on a logarithmic axis. Losses far above the first one are cut off: that training diverges there
        is all that they say.

    Raises
    ------
    DataError
        When this is no such curve.

    Examples
    --------
    >>> from timeseries import Forecaster, load_airpassengers
    >>> forecaster = Forecaster("nlinear", horizon=12, optimizer="sgd")
    >>> figure = plot_learning_rate(forecaster.find_learning_rate(load_airpassengers(), steps=50))
    >>> figure.axes[0].get_xscale()
    'log'
    """
    if not all(hasattr(curve, name) for name in ("rates", "losses")) or not len(curve.losses):
        raise DataError(f"plot_learning_rate draws what find_learning_rate returned, got {shown(curve)}.")
    figure, (axes,) = new_figure(["loss by learning rate"], 1)
    axes.plot(curve.rates, curve.losses, color=MODEL, linewidth=1.8, label="loss")
    try:
        best = curve.suggestion
    except TrainingError:
        axes.set_title("no rate is suggested: the loss did not fall", loc="right", fontsize=10)
    else:
        axes.axvline(best, color=BEST, linewidth=1.2, linestyle="--", label=f"suggestion: {best:.2g}")
    first, lowest = curve.losses[0], min(curve.losses)
    margin = max(0.25 * (first - lowest), 0.05 * abs(first))
    axes.set_ylim(lowest - margin, first + 2 * margin)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss of the same windows, scaled units")
    legend(axes)
    return figure


def plot_attention(weights: npt.ArrayLike) -> "Figure":
    """Draw how much each step of a window counts: bars for one row of weights, a map for several.

    Parameters
    ----------
    weights : array of shape (T,) or (n, T)
        What ``AttentionLSTMModel.attention`` returned, or rows of it; with ``patch_length`` its steps are
        patches.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When these are no weights.

    Examples
    --------
    >>> figure = plot_attention([[0.1, 0.2, 0.7], [0.0, 0.5, 0.5]])
    >>> figure.axes[0].get_xlabel()
    'steps before the row that is predicted'
    """
    rows = _attention_rows(weights)  # (n, T)
    back = np.arange(rows.shape[1] - 1, -1, -1)  # (T,) steps from each to the newest
    figure, (axes,) = new_figure(["attention"], 1)
    if len(rows) == 1:
        axes.bar(back, rows[0], color=MODEL, width=0.8)
        axes.set_ylabel("weight")
    else:
        axes.grid(visible=False)
        edges = np.arange(rows.shape[1], -1, -1) - 0.5  # (T+1,)
        drawn = axes.pcolormesh(edges, np.arange(len(rows) + 1) - 0.5, rows, cmap="Blues", vmin=0)
        axes.set_ylabel("row")
        axes.invert_yaxis()
        figure.colorbar(drawn, ax=axes, label="weight")
    axes.invert_xaxis()  # time runs to the right
    axes.set_xlabel("steps before the row that is predicted")
    whole_numbers(axes)
    return figure


def _attention_rows(weights: npt.ArrayLike) -> Floats:
    """Return weights as rows (n, T), or refuse what is none."""
    try:
        given = np.asarray(weights, dtype=np.float64)  # (T,) or (n, T)
        rows = np.atleast_2d(given) if given.ndim else np.empty((0, 0))  # (n, T)
    except (TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or not rows.size or not (rows >= 0).all() or not np.isfinite(rows).all():
        raise DataError(
            "plot_attention draws what attention(X) returned, rows (n, T) of weights that are 0 or more, got "
            f"{shown(weights)}. Of a fitted AttentionLSTMModel: plot_attention(model.attention(X))."
        )
    return rows
