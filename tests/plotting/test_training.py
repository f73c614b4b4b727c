"""Pictures of a training: losses, learning rates, attention."""

import numpy as np
import pytest

from timeseries import Forecaster, LSTMModel
from timeseries.deeplearning.rehearsal import LearningRateCurve
from timeseries.errors import DataError
from timeseries.plotting import plot_attention, plot_learning_rate, plot_losses


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def record(epoch, train, val):
    return {"epoch": epoch, "steps": 1, "train_loss": train, "val_loss": val, "seconds": 0.1}


def test_losses_mark_the_epoch_with_the_least_validation_loss():
    (axes,) = plot_losses([record(0, 3.0, 2.0), record(1, 2.0, 1.5), record(2, 1.0, 1.75)]).axes
    assert line(axes, "training").get_ydata().tolist() == [3, 2, 1]
    assert line(axes, "training").get_xdata().tolist() == [1, 2, 3]
    assert line(axes, "validation").get_ydata().tolist() == [2, 1.5, 1.75]
    assert line(axes, "best: epoch 2, 1.5").get_xdata().tolist() == [2]


def test_losses_without_validation_have_one_line_and_no_history_is_refused():
    (axes,) = plot_losses([record(0, 3.0, None), record(1, 2.0, None)]).axes
    assert [line.get_label() for line in axes.lines] == ["training"]
    with pytest.raises(DataError, match="holds no epoch"):
        plot_losses([])


@pytest.mark.parametrize(
    "given", [LSTMModel(), Forecaster("lstm", horizon=2), [[record(0, 3.0, None)]], None, "a", {"epoch": 0}]
)
def test_what_is_no_history_is_refused_with_the_call_that_draws_it(given):
    with pytest.raises(
        DataError, match=r"plot_losses\(model\.train_history\); .*ensemble\.train_history\[0\]"
    ):
        plot_losses(given)


def test_epochs_without_a_validation_loss_are_left_out_of_its_line():
    """As the last one after Ctrl-C, whose training ended before it was validated."""
    (axes,) = plot_losses([record(0, 3.0, 2.0), record(1, 2.0, 1.5), record(2, 1.0, None)]).axes
    assert line(axes, "training").get_xdata().tolist() == [1, 2, 3]
    assert line(axes, "validation").get_xdata().tolist() == [1, 2]
    assert line(axes, "best: epoch 2, 1.5").get_ydata().tolist() == [1.5]


def curve(losses):
    return LearningRateCurve(tuple(np.geomspace(1e-4, 1.0, len(losses))), tuple(losses))


def test_a_learning_rate_curve_marks_the_rate_that_is_suggested():
    (axes,) = plot_learning_rate(curve([5.0, 5, 4, 1, 30])).axes
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(line(axes, "loss").get_xdata(), [1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert line(axes, "loss").get_ydata().tolist() == [5, 5, 4, 1, 30]
    np.testing.assert_allclose(line(axes, "suggestion: 0.1").get_xdata(), 0.1)  # falls by 3 before it
    assert axes.get_ylim() == (0, 7)  # (5 - 1) / 4 below the lowest, twice that above the first


def test_a_curve_that_never_falls_is_drawn_without_a_mark():
    (axes,) = plot_learning_rate(curve([1.0, 2, 3])).axes
    assert [line.get_label() for line in axes.lines] == ["loss"]
    assert axes.get_title("right") == "no rate is suggested: the loss did not fall"


@pytest.mark.parametrize("value", [None, [], "a", 3, [1.0, 2.0], curve([])])
def test_what_is_no_learning_rate_curve_is_refused(value):
    with pytest.raises(DataError, match="draws what find_learning_rate returned"):
        plot_learning_rate(value)


def test_the_attention_of_one_row_is_drawn_as_bars_that_end_at_the_row_itself():
    for weights in ([0.125, 0.25, 0.625], [[0.125, 0.25, 0.625]]):
        (axes,) = plot_attention(weights).axes
        bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in axes.patches}
        assert bars == {2: 0.125, 1: 0.25, 0: 0.625}
        assert axes.get_xlim()[0] > axes.get_xlim()[1]  # time runs to the right
        assert axes.get_ylabel() == "weight"


def test_the_attention_of_several_rows_is_a_map_with_a_row_for_each():
    weights = np.array([[0.125, 0.25, 0.625], [0.0, 0.5, 0.5]])
    axes, scale = plot_attention(weights).axes
    (drawn,) = axes.collections
    np.testing.assert_array_equal(drawn.get_array(), weights)
    corners = drawn.get_coordinates()  # (n+1, T+1, 2)
    assert corners[0, :, 0].tolist() == [2.5, 1.5, 0.5, -0.5]
    assert corners[:, 0, 1].tolist() == [-0.5, 0.5, 1.5]
    assert drawn.get_clim() == (0.0, 0.625)
    assert (axes.get_ylabel(), scale.get_ylabel()) == ("row", "weight")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row on top


@pytest.mark.parametrize(
    "weights",
    [[], "a", np.zeros((2, 3, 4)), [0.5, np.nan], [-0.5, 1.5], [[0.5], [0.5, 0.5]], None, [np.inf], 3, 0.5],
)
def test_what_holds_no_weights_is_refused(weights):
    with pytest.raises(
        DataError, match=r"draws what attention\(X\) returned.*plot_attention\(model\.attention\(X\)\)"
    ):
        plot_attention(weights)
