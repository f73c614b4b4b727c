"""Pictures of forecasts and backtests: what is on them, line by line."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from timeseries.backtesting import Backtest
from timeseries.errors import DataError
from timeseries.panel import TableLayout
from timeseries.plotting import plot_backtest, plot_error_by_step, plot_forecast
from timeseries.plotting.forecasts import _tint

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


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_forecast_before_its_history_is_refused_with_the_order(zone):
    told = r"forecast of 'y' begins at 2024-01-01.* 2024-04-10.*plot_forecast\(history, forecast\)"
    with pytest.raises(DataError, match=told):
        plot_forecast(forecast(levels=(0.1, 0.5, 0.9)), history().assign(ds=DAYS.tz_localize(zone)))
    with pytest.raises(DataError, match="Give the history first"):
        plot_forecast(history(), history())
    numbered = [history().assign(ds=np.arange(100)), forecast().assign(ds=np.arange(100, 103))]
    assert plot_forecast(*numbered).axes
    with pytest.raises(DataError, match="begins at 0, and its history no earlier, at 100"):
        plot_forecast(*numbered[::-1])


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
