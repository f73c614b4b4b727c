"""Predictions beside what happened, and what is left: scores and correlations worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from timeseries.errors import DataError, SettingError
from timeseries.plotting import autocorrelation, plot_predictions, plot_residuals

DAYS = pd.date_range("2024-01-01", periods=400)
NUMBERS = arrays.arrays(np.float64, st.integers(2, 40), elements=st.floats(-100, 100, width=32))


def line(axes, label):
    return next(line for line in axes.lines if line.get_label().startswith(label))


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_predictions_are_drawn_over_time_and_against_the_truth_with_their_scores():
    y, predicted = np.array([1.0, 2, 3, 6]), np.array([1.0, 2, 5, 6])
    figure = plot_predictions(y, predicted)
    # squared errors 0, 0, 4, 0: RMSE 1; squared deviations from the mean 3: 4, 1, 0, 9, so R2 = 1 - 4/14
    assert labels(figure) == ["observed", "predicted: RMSE 1, R2 0.7143"]
    lines, dots = figure.axes
    assert line(lines, "observed").get_ydata().tolist() == [1, 2, 3, 6]
    assert line(lines, "predicted").get_ydata().tolist() == [1, 2, 5, 6]
    (cloud,) = dots.collections
    assert cloud.get_offsets().tolist() == [[1, 1], [2, 2], [3, 5], [6, 6]]
    (diagonal,) = dots.lines
    assert diagonal.get_xydata().tolist() == [[x, x] for x in dots.get_xlim()]
    assert dots.get_xlim() == dots.get_ylim()


def test_a_baseline_stands_beside_by_the_name_of_its_series():
    y = pd.Series([1.0, 2, 3, 6], DAYS[:4])
    figure = plot_predictions(y, [1.0, 2, 5, 6], pd.Series([0.0, 1, 2, 5], DAYS[:4], name="last value"))
    assert labels(figure)[2] == "last value: RMSE 1, R2 0.7143"
    assert list(line(figure.axes[0], "last value").get_xdata()) == list(DAYS[:4])
    assert labels(plot_predictions(y, y, baseline=y + 1))[2].startswith("baseline: RMSE 1,")


def test_the_newest_of_many_rows_are_lines_but_all_are_scored():
    y = np.arange(400.0)
    predicted = np.where(y < 100, y + 2, y)  # wrong in a quarter of the rows, all of them old
    figure = plot_predictions(pd.Series(y, DAYS), predicted)
    lines, dots = figure.axes
    assert line(lines, "observed").get_ydata().tolist() == list(range(100, 400))
    assert lines.get_title("right") == "the newest 300 of 400 rows"
    assert len(dots.collections[0].get_offsets()) == 400
    assert labels(figure)[1].startswith("predicted: RMSE 1,")
    assert plot_predictions(y[:300], predicted[:300]).axes[0].get_title("right") == ""


def test_rows_that_were_not_observed_are_left_out():
    figure = plot_predictions([1.0, np.nan, 3.0], [2.0, 7.0, 4.0])
    assert labels(figure)[1] == "predicted: RMSE 1, R2 0"
    figure = plot_residuals([1.0, np.nan, 3.0], [2.0, 7.0, 5.0])
    assert figure.axes[0].get_title("right") == "mean -1.5, deviation 0.5"


def test_equal_truths_have_no_r2_to_tell():
    assert labels(plot_predictions([2.0, 2.0], [3.0, 3.0]))[1] == "predicted: RMSE 1"


def test_residuals_are_drawn_with_their_histogram_and_autocorrelation():
    y = np.tile([3.0, 1.0], 8)  # residuals 1, -1, 1, ...: r_k = (-1)^k (16 - k) / 16
    figure = plot_residuals(pd.Series(y, DAYS[:16]), np.full(16, 2.0))
    over_time, sizes, later = figure.axes
    assert over_time.lines[0].get_ydata().tolist() == [1, -1] * 8
    assert list(over_time.lines[0].get_xdata()) == list(DAYS[:16])
    assert over_time.get_title("right") == "mean 0, deviation 1"
    heights = [bar.get_height() for bar in sizes.patches]
    assert len(heights) == 6  # 2 * 16^(1/3) = 5.04 (Rice)
    assert (heights[0], heights[-1], sum(heights)) == (8, 8, 16)
    band, *bars = sorted(later.patches, key=lambda patch: -patch.get_width())
    assert [bar.get_height() for bar in bars] == [-15 / 16, 14 / 16, -13 / 16, 12 / 16]
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == [1, 2, 3, 4]
    np.testing.assert_allclose([band.get_y(), band.get_height()], [-0.49, 0.98])  # 1.96 / sqrt(16)
    assert later.get_title("right") == "4 of 4 outside the 95 % band of noise, ±0.49"


def test_as_many_lags_are_drawn_as_asked_for_or_48():
    noise = np.random.default_rng(0).normal(size=400)
    assert plot_residuals(noise, np.zeros(400)).axes[2].get_title("right").split()[2] == "48"
    assert plot_residuals(noise, np.zeros(400), lags=60).axes[2].get_title("right").split()[2] == "60"
    for lags in (0, 1.5, "a"):
        with pytest.raises(SettingError, match="lags must be a whole number >= 1"):
            plot_residuals(noise, np.zeros(400), lags=lags)


@pytest.mark.parametrize("errors", [[0.0] * 9, [0.1, 0.1, 0.1, np.nan]])  # whose mean is 0.10000000000000002
def test_residuals_that_are_all_the_same_have_no_autocorrelation(errors):
    figure = plot_residuals(errors, np.zeros(len(errors)))
    assert figure.axes[2].get_title("right") == "none: all residuals are the same"


def test_the_autocorrelation_of_a_published_series_is_that_of_its_table():
    """Box & Jenkins (1976), section 2.1.5: ten observations of a batch process, mean 51 and c_0 = 189.6."""
    batches = [47.0, 64, 23, 71, 38, 64, 55, 41, 59, 48]
    np.testing.assert_allclose(autocorrelation(batches, 1), -1497 / 1896)
    deviations = np.array([-4.0, 13, -28, 20, -13, 13, 4, -10, 8, -3])
    by_numpy = np.correlate(deviations, deviations, mode="full")[9:]  # (10,) sums at lags 0 ... 9
    np.testing.assert_allclose(autocorrelation(batches, 9), by_numpy[1:] / by_numpy[0])


@given(NUMBERS, st.floats(-1000, 1000), st.integers(-3, 3))
def test_the_autocorrelation_is_that_of_numpy_and_knows_no_units(values, shift, power):
    deviations = values - values.mean()
    sums = np.correlate(deviations, deviations, mode="full")[len(values) - 1 :]  # (n,) lags 0 ... n - 1
    found = autocorrelation(values, len(values) + 2)
    if deviations.std() < 1e-3:
        return  # rounding decides
    assert np.abs(found).max() <= 1 + 1e-9
    np.testing.assert_allclose(found, sums[1:] / sums[0], atol=1e-9)
    np.testing.assert_allclose(autocorrelation(values * 10.0**power + shift, 1), found[:1], atol=1e-5)


def test_absent_values_take_no_part_in_the_autocorrelation():
    # 1, _, 3, 2: mean 2, deviations -1, _, 1, 0: r_1 = (1)(0) / 2, r_2 = (-1)(1) / 2, r_3 = (-1)(0) / 2
    np.testing.assert_array_equal(autocorrelation([1.0, np.nan, 3.0, 2.0], 3), [0, -0.5, 0])


@pytest.mark.parametrize("draw", [plot_predictions, plot_residuals])
@pytest.mark.parametrize(
    ("y", "predicted", "message"),
    [
        ([1.0, 2], [1.0], "same rows of everything, but y has 2, predicted has 1"),
        ([1.0, 2], [1.0, np.nan], "predicted must be finite numbers"),
        ([1.0, np.inf], [1.0, 2], "y must be finite numbers .*, NaN where nothing was observed"),
        ([np.nan, np.nan], [1.0, 2], "y must be finite"),
        (np.ones((2, 2)), [1.0, 2], "y must be finite numbers of shape"),
        ("ab", [1.0, 2], "y must be finite"),
        ([], [], "y must be finite"),
        (None, None, "y must be finite"),
        (3.0, 3.0, "y must be finite"),
        (pd.Series([1.0, 2]), pd.Series([1.0, 2], [5, 6]), "y and predicted are Series of different rows"),
    ],
)
def test_what_are_no_numbers_of_the_same_rows_is_refused(draw, y, predicted, message):
    with pytest.raises(DataError, match=message):
        draw(y, predicted)


def test_columns_of_a_matrix_periods_and_names_are_understood():
    y = pd.Series([1.0, 2, 3], pd.period_range("2024-01", periods=3, freq="M"))
    figure = plot_predictions(y, np.array([[1.0], [2.0], [3.0]]))
    assert str(line(figure.axes[0], "observed").get_xdata()[1])[:10] == "2024-02-01"
    figure = plot_predictions(pd.Series([1.0, 2], ["a", "b"]), [1.0, 2])
    assert list(line(figure.axes[0], "observed").get_xdata()) == [0, 1]


def test_drawing_leaves_the_numbers_as_they_were():
    y, predicted = np.array([1.0, np.nan, 3, 5]), np.array([1.0, 2, 3, 4])
    copies = y.copy(), predicted.copy()
    plot_predictions(y, predicted, baseline=predicted)
    plot_residuals(y, predicted)
    np.testing.assert_array_equal((y, predicted), copies)
