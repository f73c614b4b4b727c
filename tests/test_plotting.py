"""Pictures: what is on them, line by line, and that both formats are written without a display."""

import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from timeseries.backtesting import Backtest
from timeseries.errors import DataError, MissingExtraError, SettingError
from timeseries.panel import TableLayout
from timeseries.plotting import (
    _tint,
    check_picture,
    plot_attention,
    plot_backtest,
    plot_error_by_step,
    plot_forecast,
    plot_losses,
    plot_tuning,
    save_picture,
)
from timeseries.tuning import TuningResult

DAYS = pd.date_range("2024-01-01", periods=100)


def history(names=("y",)):
    return pd.DataFrame({"ds": DAYS} | {name: np.arange(100.0) + 1000 * i for i, name in enumerate(names)})


def forecast(names=("y",), levels=()):
    ahead = pd.date_range("2024-04-10", periods=3)
    columns = {"ds": ahead}
    for i, name in enumerate(names):
        middle = np.array([100.0, 101, 102]) + 1000 * i
        columns[name] = middle
        columns |= {f"{name}_q{level:g}": middle + 20 * (level - 0.5) for level in levels}
    return pd.DataFrame(columns)


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def bands(axes):
    return {band.get_label(): band.get_paths()[0].get_extents() for band in axes.collections}


def test_a_forecast_continues_the_end_of_its_history():
    (axes,) = plot_forecast(history(), forecast()).axes
    assert line(axes, "observed").get_ydata().tolist() == list(range(85, 100))  # five times three steps
    assert line(axes, "forecast").get_ydata().tolist() == [99, 100, 101, 102]
    assert axes.get_title("left") == "y"
    assert axes.get_xlabel() == "ds"


def test_intervals_are_named_by_what_they_hold_and_drawn_from_the_widest_inwards():
    answer = forecast(levels=(0.025, 0.1, 0.5, 0.9, 0.975))
    (axes,) = plot_forecast(history(), answer).axes
    drawn = bands(axes)
    assert list(drawn) == ["95 % interval", "80 % interval"]
    assert (drawn["95 % interval"].y0, drawn["95 % interval"].y1) == (90.5, 111.5)
    assert (drawn["80 % interval"].y0, drawn["80 % interval"].y1) == (92.0, 110.0)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["observed", "forecast", "95 % interval", "80 % interval"]
    assert sum(_tint(0)) > sum(_tint(1)) > sum(_tint(2))


def test_quantiles_that_make_no_central_interval_are_named_as_they_are():
    (axes,) = plot_forecast(history(), forecast(levels=(0.2, 0.5, 0.9))).axes
    assert list(bands(axes)) == ["quantiles 0.2 to 0.9"]


def test_what_happened_is_drawn_where_it_is_given():
    truth = pd.DataFrame({"ds": pd.date_range("2024-04-10", periods=2), "y": [98.0, 97]})
    (axes,) = plot_forecast(history(), forecast(), truth=truth).axes
    assert line(axes, "what happened").get_ydata()[:3].tolist() == [99, 98, 97]


def test_a_few_of_many_series_are_drawn_and_the_rest_is_counted():
    names = ["a", "b", "c", "d", "e", "f"]
    figure = plot_forecast(history(names), forecast(names))
    assert [axes.get_title("left") for axes in figure.axes] == ["a", "b", "c", "d"]
    assert figure.get_supxlabel() == "4 of 6 series"
    assert line(figure.axes[1], "observed").get_ydata()[-1] == 1099
    (axes,) = plot_forecast(history(names), forecast(names), series="f").axes
    assert line(axes, "forecast").get_ydata()[-1] == 5102


def test_long_tables_and_their_own_names_are_understood():
    layout = TableLayout(id="shop", time="day", target="sold")
    rename = {"unique_id": "shop", "ds": "day", "y": "sold", "y_q0.1": "sold_q0.1", "y_q0.9": "sold_q0.9"}
    tables = [
        pd.concat([part.assign(unique_id=shop) for shop in ("north", "south")]).rename(columns=rename)
        for part in (history(), forecast(levels=(0.1, 0.9)))
    ]
    figure = plot_forecast(*tables, layout=layout)
    assert [axes.get_title("left") for axes in figure.axes] == ["north", "south"]
    assert list(bands(figure.axes[0])) == ["80 % interval"]


def test_series_with_common_stamps_are_drawn_in_the_order_of_the_table():
    names = [f"s{number}" for number in range(8)]
    long = pd.concat([history().assign(unique_id=name) for name in names])
    later = pd.concat([forecast().assign(unique_id=name) for name in names])
    shown = [axes.get_title("left") for axes in plot_forecast(long, later).axes]
    assert shown == names[:4]


def test_an_unknown_series_is_answered_with_the_known():
    with pytest.raises(DataError, match=r"no series 'z' to draw\. There are: y"):
        plot_forecast(history(), forecast(), series="z")
    with pytest.raises(DataError, match=r"There are: a, b"):
        plot_backtest(backtest(), series="z")


def backtest(targets=("y",)):
    """Two series with four origins each, two steps apart, three steps ahead: neighbours overlap."""
    origins = np.tile([10, 12, 14, 16], 2)  # (M,)
    rows = origins[:, None] + np.arange(1, 4)  # (M, H)
    truth = np.stack([rows * 1.0 + 100 * d for d in range(len(targets))], axis=-1)  # (M, H, D)
    forecasts = truth[..., None] + np.array([-2.0, 1, 2])  # (M, H, D, P)
    return Backtest(
        model="lstm",
        ids=("a",) * 4 + ("b",) * 4,
        targets=targets,
        cutoff=DAYS.to_numpy()[origins],
        time=DAYS.to_numpy()[rows],
        truth=truth,
        forecast=forecasts,
        levels=(0.1, 0.5, 0.9),
        baselines={"seasonal_naive": truth + 3, "last_value": truth + np.arange(4.0, 7)[:, None]},
        zone=None,
        scale=np.ones((8, len(targets))),
        square_scale=np.ones((8, len(targets))),
    )


def test_a_backtest_shows_the_newest_forecasts_that_do_not_overlap():
    figure = plot_backtest(backtest())
    assert [axes.get_title("left") for axes in figure.axes] == ["a", "b"]
    axes = figure.axes[0]
    drawn = [line.get_ydata().tolist() for line in axes.lines if line.get_label() == "forecast"]
    assert drawn == [[14, 15, 16], [18, 19, 20]]  # origins 12 and 16, one above the truth
    assert line(axes, "observed").get_ydata().tolist() == [13, 14, 15, 17, 18, 19]
    assert list(bands(axes)) == ["80 % interval"]
    assert [axes.get_title("right") for axes in figure.axes] == [
        "lstm, the newest 2 of 4 windows",
        "the newest 2 of 4 windows",
    ]


def test_a_backtest_whose_windows_are_all_drawn_says_no_more_than_its_model():
    whole = backtest()
    apart = replace(whole, time=whole.time[:, :1], truth=whole.truth[:, :1], forecast=whole.forecast[:, :1])
    assert [axes.get_title("right") for axes in plot_backtest(apart).axes] == ["lstm", ""]


def test_a_joint_backtest_has_a_panel_for_each_target():
    figure = plot_backtest(backtest(targets=("p", "q")))
    assert [axes.get_title("left") for axes in figure.axes] == ["a, p", "a, q", "b, p", "b, q"]
    assert line(figure.axes[1], "forecast").get_ydata()[0] == 114


def test_the_error_of_every_contender_is_drawn_at_each_step():
    (axes,) = plot_error_by_step(backtest()).axes
    assert line(axes, "lstm").get_ydata().tolist() == [1, 1, 1]
    assert line(axes, "seasonal naive").get_ydata().tolist() == [3, 3, 3]
    assert line(axes, "last value").get_ydata().tolist() == [4, 5, 6]
    assert line(axes, "last value").get_xdata().tolist() == [1, 2, 3]
    assert axes.get_ylabel() == "MAE, in the units of the data"
    assert axes.get_ylim()[0] == 0
    (axes,) = plot_error_by_step(backtest(), metric="mse").axes
    assert line(axes, "last value").get_ydata().tolist() == [16, 25, 36]


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
    "weights", [[], "a", np.zeros((2, 3, 4)), [0.5, np.nan], [-0.5, 1.5], [[0.5], [0.5, 0.5]], None, [np.inf]]
)
def test_what_holds_no_weights_is_refused(weights):
    with pytest.raises(DataError, match=r"draws what attention\(X\) returned"):
        plot_attention(weights)


@pytest.mark.parametrize("name", ["a.png", "a.svg", "A.PNG"])
def test_both_formats_are_written_without_a_display(name, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    save_picture(plot_losses([record(0, 3.0, 2.0)]), tmp_path / name)
    if name.endswith("svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    else:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_other_formats_and_an_absent_matplotlib_are_refused_with_the_fix(monkeypatch):
    with pytest.raises(SettingError, match=r"\.png or \.svg, but 'x\.jpg'"):
        check_picture("folder/x.jpg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: check_picture("x.png"), lambda: plot_losses([record(0, 1.0, None)])):
        with pytest.raises(MissingExtraError, match=r"timeseries-deeplearning\[plot\]"):
            draw()


def test_drawing_leaves_the_tables_as_they_were():
    tables = history(), forecast(levels=(0.1, 0.9))
    copies = [table.copy() for table in tables]
    plot_forecast(*tables)
    for table, copy in zip(tables, copies, strict=True):
        pd.testing.assert_frame_equal(table, copy)


@pytest.mark.parametrize("start", [0, 1000])
def test_whole_numbers_serve_as_time(start):
    past = pd.DataFrame({"ds": np.arange(start, start + 30), "y": np.arange(30.0)})
    ahead = pd.DataFrame({"ds": np.arange(start + 30, start + 33), "y": [1.0, 2, 3]})
    (axes,) = plot_forecast(past, ahead).axes
    assert line(axes, "forecast").get_xdata().tolist() == list(range(start + 29, start + 33))


def test_holes_in_the_history_are_left_open():
    past = history()
    past.loc[90:92, "y"] = np.nan
    (axes,) = plot_forecast(past, forecast()).axes
    assert np.isnan(line(axes, "observed").get_ydata()).sum() == 3


def searched(errors, importance=None, metric="mae"):
    """Return a search of so many trials; NaN for one that was pruned."""
    trials = pd.DataFrame({"error": errors}, index=pd.RangeIndex(1, len(errors) + 1, name="trial"))
    return TuningResult(
        forecaster=None,
        settings={},
        error=min(errors),
        metric=metric,
        trials=trials,
        importance={"learning_rate": 0.7, "dropout": 0.3} if importance is None else importance,
        interrupted=False,
    )


def test_a_search_is_drawn_with_its_best_so_far_and_what_mattered():
    history, importance = plot_tuning(searched([5.0, 7.0, np.nan, 4.0])).axes
    assert line(history, "trial").get_ydata().tolist()[:2] == [5, 7]
    best = line(history, "best").get_ydata()
    np.testing.assert_array_equal(best, [5, 5, np.nan, 4])
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
