"""Pictures of a search of settings."""

from typing import TYPE_CHECKING

import numpy as np

from timeseries.errors import DataError, shown
from timeseries.plotting.figures import BEST, MODEL, OTHERS, dress, empty_figure, legend, whole_numbers
from timeseries.plotting.forecasts import UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from timeseries.tuning import TuningResult

WIDE_ERRORS = 10  # times the smallest: then the axis is logarithmic


def plot_tuning(result: "TuningResult") -> "Figure":
    """Draw the error of every trial with the best so far, and how much each setting matters.

    Parameters
    ----------
    result : TuningResult
        What ``tune`` returned.

    Returns
    -------
    Figure
        The second panel is left out where the importance is unknown.

    Raises
    ------
    DataError
        When the result is none of a search.
    """
    from timeseries.tuning import TuningResult  # which brings torch

    if not isinstance(result, TuningResult):
        raise DataError(f"plot_tuning draws the TuningResult that tune() returned, got {shown(result)}.")
    panels = 2 if result.importance else 1
    figure = empty_figure(9, 4.5 if panels == 1 else 6.5)
    above, *below = figure.subplots(panels, squeeze=False)[:, 0]
    _draw_trials(above, result)
    for axes in below:
        dress(axes, "importance")
        names = list(result.importance)[::-1]  # the largest on top
        axes.barh(names, [result.importance[name] for name in names], color=MODEL)
        axes.set_xlabel("share, of 1")
    return figure


def _draw_trials(axes: "Axes", result: "TuningResult") -> None:
    """Draw complete trials by their error, the others at the foot."""
    dress(axes, "error by trial")
    errors = result.trials["error"]
    axes.plot(errors.index, errors.cummin(), color=BEST, linewidth=1.6, drawstyle="steps-post", label="best")
    axes.plot(errors.index, errors, "o", color=MODEL, markersize=4.5, label="trial")
    others = errors.index[errors.isna()]
    if len(others):
        foot = np.full(len(others), errors.min())  # (trials,)
        axes.plot(others, foot, "x", color=OTHERS[-1], markersize=5, label="pruned or failed")
    if errors.min() > 0 and errors.max() > WIDE_ERRORS * errors.min():
        axes.set_yscale("log")
    axes.set_xlabel("trial")
    axes.set_ylabel(", ".join(filter(None, [result.metric.upper(), UNITS.get(result.metric)])))
    whole_numbers(axes)
    legend(axes)
