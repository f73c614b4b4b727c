"""Pictures of a search: the best so far, what was pruned, what mattered."""

import numpy as np
import pandas as pd
import pytest

from timeseries.errors import DataError
from timeseries.plotting import plot_tuning
from timeseries.tuning import TuningResult


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def searched(errors, importance):
    """Return a search of so many trials; NaN for one that was pruned."""
    trials = pd.DataFrame({"error": errors}, index=pd.RangeIndex(1, len(errors) + 1, name="trial"))
    return TuningResult(
        forecaster=None,
        settings={},
        error=min(errors),
        metric="mae",
        trials=trials,
        importance=importance,
        interrupted=False,
    )


def test_a_search_is_drawn_with_its_best_so_far_and_what_mattered():
    figure = plot_tuning(searched([5.0, 7.0, np.nan, 4.0], {"learning_rate": 0.7, "dropout": 0.3}))
    history, importance = figure.axes
    np.testing.assert_array_equal(line(history, "trial").get_ydata(), [5, 7, np.nan, 4])
    np.testing.assert_array_equal(line(history, "best").get_ydata(), [5, 5, np.nan, 4])
    assert line(history, "pruned or failed").get_xdata().tolist() == [3]
    assert history.get_yscale() == "linear"
    assert history.get_ylabel() == "MAE, in the units of the data"
    assert [label.get_text() for label in importance.get_yticklabels()] == ["dropout", "learning_rate"]
    assert [bar.get_width() for bar in importance.patches] == [0.3, 0.7]


def test_errors_of_many_sizes_are_drawn_by_ratio_and_no_importance_is_left_out():
    (history,) = plot_tuning(searched([5.0, 5000.0], importance={})).axes
    assert history.get_yscale() == "log"
    with pytest.raises(DataError, match="plot_tuning draws the TuningResult"):
        plot_tuning([1.0])
