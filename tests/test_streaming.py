"""Streams: what they forecast, and what they refuse."""

import copy
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from timeseries import Forecaster, LSTMModel
from timeseries.deeplearning.window import Window
from timeseries.errors import DataError, MissingExtraError, SettingError, TrainingError, UnsupportedError

H, T, NEW = 3, 12, 8
TINY = {"horizon": H, "context_length": T, "max_steps": 3, "hidden_size": 5}


def series(rows=60, number=1, seed=0, **columns):
    draw = np.random.default_rng(seed)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": f"s{s}",
                    "ds": stamps,
                    "y": 100 * (s + 1) + np.sin(np.arange(rows) / 3) * 5 + draw.normal(size=rows),
                }
                | {name: draw.normal(size=rows) for name in columns}
            )
            for s in range(number)
        ],
        ignore_index=True,
    )


def split(table, new=NEW):
    """Return the rows to fit, and the rows that follow as (NEW, S, C)."""
    last = table["ds"].drop_duplicates().nlargest(new).min()
    follow = table[table["ds"] >= last].sort_values(["ds", "unique_id"])
    numbers = follow.drop(columns=["unique_id", "ds"]).to_numpy()
    return table[table["ds"] < last], numbers.reshape(new, -1, numbers.shape[1])


def forward(forecaster, table):
    """Forecast by the network alone, over all rows from the first window on, one series: (H,) medians."""
    fitted = forecaster.fitted_
    center, scale = (part[0, 0] for part in fitted.scaling.values)
    past = (table["y"].to_numpy()[-(T + NEW) :] - center) / scale  # (T + NEW,)
    with torch.inference_mode():
        numbers = fitted.network(
            Window(torch.tensor(past, dtype=torch.float32)[None, :, None])
        )  # (1, H, 1, P)
    return numbers[0, :, 0].median(dim=-1).values.numpy() * scale + center


@pytest.mark.parametrize("engine", ["numpy", "numba", "torch"])
def test_a_forecast_is_the_forward_over_all_rows_since_the_first_window(engine):
    table = series()
    past, new = split(table)
    forecaster = Forecaster(LSTMModel(hidden_size=5, max_steps=3), horizon=H, context_length=T).fit(past)
    stream = forecaster.stream(engine=engine)
    for values in new:
        answer = stream.step(values)  # (1, H, 1, Q)
    assert stream.engine == engine
    middle = stream.levels.index(0.5)
    np.testing.assert_allclose(answer[0, :, 0, middle], forward(forecaster, table), rtol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_a_stream_begins_with_the_forecast_of_predict(name):
    past, _ = split(series(number=2))
    forecaster = Forecaster(name, **TINY).fit(past)
    stream = forecaster.stream()
    pd.testing.assert_frame_equal(stream.frame(), forecaster.predict())
    assert (stream.steps, stream.ids, stream.columns) == (0, ("s0", "s1"), ("y",))


def all_engines(table, **settings):
    """Yield the forecasts of all engines after each observation, some of which lack values."""
    past, new = split(table)
    new = new.copy()
    new[2, 1], new[4, :, 0] = np.nan, np.nan
    forecaster = Forecaster("lstm", past=["x"], **TINY, **settings).fit(past)
    streams = [forecaster.stream(engine=engine) for engine in ("torch", "numpy", "numba")]
    for values in new:
        yield tuple(stream.step(values) for stream in streams)


def test_all_engines_give_the_same_forecasts_also_through_gaps():
    for expected, *others in all_engines(series(number=3, x=1)):
        for found in others:
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bounds_and_whole_numbers_are_kept():
    table = series(number=3, x=1).round({"y": 0})
    for expected, *others in all_engines(table, lower=90, integer=True):
        for found in others:
            assert (found >= 90).all()
            assert np.array_equal(found, np.rint(found))
            np.testing.assert_allclose(found, expected, atol=1.0)  # a rounding apart


@pytest.mark.parametrize("engine", ["window", "torch", "numpy"])
def test_series_are_stepped_as_one_batch_and_each_as_if_alone(engine):
    table = series(number=20)
    past, new = split(table)
    forecaster = Forecaster("gru", **TINY).fit(past)
    together = forecaster.stream(engine=engine)
    alone = forecaster.stream(past[past["unique_id"] == "s7"], engine=engine)
    place = together.ids.index("s7")
    for values in new:
        answer = together.step(values)
        np.testing.assert_allclose(alone.step(values[place]), answer[place : place + 1], rtol=1e-6)


@pytest.mark.parametrize("engine", ["window", "numpy", "numba", "torch"])
def test_a_copy_of_a_stream_goes_its_own_way(engine):
    stream = Forecaster("lstm", **TINY).fit(series()).stream(engine=engine)
    other, alone = copy.copy(stream), copy.deepcopy(stream)
    other.step(120.0)
    assert np.array_equal(stream.step(90.0), alone.step(90.0))


def test_what_a_mask_hides_was_not_observed():
    stream = Forecaster("lstm", **TINY).fit(series(number=2)).stream()
    other = copy.deepcopy(stream)
    masked = np.ma.array([[101], [202]], mask=[[True], [False]])
    assert np.array_equal(stream.step(masked), other.step([[np.nan], [202.0]]))


def test_a_table_of_a_stream_follows_its_newest_observation():
    past, new = split(series())
    stream = Forecaster("lstm", **TINY).fit(past).stream()
    expected = pd.Timestamp(past["ds"].max())
    for number, values in enumerate(new, 1):
        assert stream.time.tolist() == [(expected + pd.Timedelta(hours=number)).to_datetime64()]
        stream.step(float(values[0, 0]))
    table = stream.frame()
    first = expected + pd.Timedelta(hours=NEW + 1)
    assert table["ds"].tolist() == pd.date_range(first, periods=H, freq="h").tolist()
    assert table["y"].tolist() == stream.forecast[0, :, 0, stream.levels.index(0.5)].tolist()


def test_a_network_fitted_to_gaps_is_told_how_long_ago_the_last_row_was():
    table = series()
    past, new = split(table)
    past, new = past.copy(), new.copy()
    past.loc[past.index[20:23], "y"] = np.nan
    past.loc[past.index[-1], "y"] = np.nan
    forecaster = Forecaster(
        LSTMModel(hidden_size=5, max_steps=3), horizon=H, context_length=T, missing="mask"
    ).fit(past)
    stream = forecaster.stream()
    assert stream.engine == "torch"
    new[1] = np.nan
    for values in new:
        answer = stream.step(values)
    fitted = forecaster.fitted_
    center, scale = (part[0, 0] for part in fitted.scaling.values)
    numbers = np.concatenate([past["y"].to_numpy()[-T:], new[:, 0, 0]])  # (T+NEW,)
    seen = np.isfinite(numbers)
    gap = np.ones(len(numbers), dtype=np.float32)  # two rows are absent: the one after each waits for two
    gap[np.flatnonzero(~seen) + 1] = 2
    with torch.inference_mode():
        expected = fitted.network(
            Window(
                torch.tensor((numbers - center) / scale, dtype=torch.float32)[None, :, None],
                torch.tensor(seen)[None, :, None],
                torch.tensor(gap)[None],
            )
        )
    middle = expected[0, :, 0].median(dim=-1).values.numpy() * scale + center
    np.testing.assert_allclose(answer[0, :, 0, stream.levels.index(0.5)], middle, rtol=1e-6)


def test_a_constant_is_forecast_as_such_until_it_moves():
    past = series(number=2)
    past.loc[past["unique_id"] == "s0", "y"] = 7.0
    stream = Forecaster("lstm", **TINY).fit(past).stream()
    assert (stream.step([[7.0], [200.0]])[0] == 7.0).all()
    assert (stream.step([[np.nan], [200.0]])[0] == 7.0).all()
    assert not (stream.step([[9.0], [200.0]])[0] == 7.0).all()
    assert not (stream.step([[7.0], [200.0]])[0] == 7.0).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0], r"shape \(2, 2\): a row for each of 2 series, a column for each of y, x; got"),
        ([[1.0, 2.0]], r"shape \(2, 2\)"),
        (5.0, r"shape \(2, 2\)"),
        ([[1.0, 2.0, 3.0]], r"got one of shape \(1, 3\), \[\[1\.0"),
        ("five", r"in numbers that float64 can hold; got 'five'"),
        ([[10**400, 1], [1, 1]], r"in numbers that float64 can hold; got \[\[1000"),
        (None, r"got None"),
        ([["1", "2"], ["3", "4"]], r"Pass numbers"),
        ([[True, False], [True, True]], r"Pass numbers"),
        ([[1.0, None], [1.0, 0.0]], r"Pass numbers"),
        ([[1.0, 2.0], [3.0, "x"]], r"Pass numbers"),
        ([[1.0, 2.0], [3.0]], r"shape \(2, 2\)"),
        (np.ma.array(["1", "2"], mask=[True, False]), r"Pass numbers"),
        ([[1.0, 2.0], [np.inf, 0.0]], r"Column 'y' of series 's1' at 2024-01-03 05:00:00 holds inf"),
        ([[1.0, -np.inf], [1.0, 0.0]], r"Column 'x' of series 's0' .* holds -inf"),
        ([[1e200, 1.0], [1.0, 0.0]], r"Column 'y' of series 's0' .* holds 1e\+200"),
    ],
)
def test_what_is_no_observation_is_refused_and_leaves_the_stream_as_it_was(values, message):
    past, new = split(series(number=2, x=1))
    forecaster = Forecaster("lstm", past=["x"], **TINY).fit(past)
    stream, other = forecaster.stream(), forecaster.stream()
    stream.step(new[0])
    with pytest.raises(DataError, match=message):
        stream.step(values)
    other.step(new[0])
    assert stream.steps == 1
    assert np.array_equal(stream.step(new[1]), other.step(new[1]))


def test_a_forecast_that_is_not_finite_is_refused_and_leaves_the_stream_as_it_was():
    forecaster = Forecaster(LSTMModel(hidden_size=5, max_steps=3), horizon=H, context_length=T).fit(series())
    with torch.no_grad():
        next(reversed(list(forecaster.fitted_.network.parameters()))).fill_(3e38)
    forecaster.fitted_.scaling.values.scale[:] = 1e300
    with pytest.raises(TrainingError, match=r"forecasts are not finite, the first of series 's0'"):
        forecaster.stream()


WINDOWED = ["nlinear", "patchtst", "bilstm", "tcn", "attention_lstm"]


@pytest.mark.parametrize("name", WINDOWED)
def test_a_network_that_has_no_state_refuses_engines_that_carry_one(name):
    tiny = {"horizon": H, "context_length": T, "max_steps": 1}
    forecaster = Forecaster(name, **tiny).fit(series())
    with pytest.raises(UnsupportedError, match=r"Network has no state to carry.*engine='window'"):
        forecaster.stream(engine="torch")


@pytest.mark.parametrize("name", [*WINDOWED, "lstm", "lstm_panel", "gru", "mlp", "transformer"])
def test_by_itself_a_stream_forecasts_what_predict_does_while_the_level_changes(name):
    table = series(number=2, x=1)
    table["y"] += np.where(table["ds"] >= table["ds"].max() - pd.Timedelta("6h"), 50, 0)
    past, new = split(table)
    tiny = {"horizon": H, "context_length": T, "max_steps": 3}
    forecaster = Forecaster(name, past=["x"], **tiny).fit(past)
    stream = forecaster.stream()
    assert stream.engine == "window"
    for number, values in enumerate(new):
        stream.step(values)
        history = table[table["ds"] <= past["ds"].max() + pd.Timedelta(hours=number + 1)]
        pd.testing.assert_frame_equal(stream.frame(), forecaster.predict(history), rtol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "patchtst", "nlinear"])
def test_a_window_with_gaps_is_read_as_predict_reads_it(name):
    table = series(number=2)
    table.loc[table.index % 60 > 56, "y"] = np.nan  # among the new rows
    table.loc[[20, 45, 51], "y"] = np.nan
    past, new = split(table)
    tiny = {"horizon": H, "context_length": T, "max_steps": 3}
    forecaster = Forecaster(name, missing="mask", **tiny).fit(past)
    stream = forecaster.stream()
    for number, values in enumerate(new[:-3]):
        stream.step(values)
        history = table[table["ds"] <= past["ds"].max() + pd.Timedelta(hours=number + 1)]
        pd.testing.assert_frame_equal(stream.frame(), forecaster.predict(history), rtol=1e-6)


def test_a_network_without_a_scale_of_its_window_carries_its_state():
    few, many = (
        Forecaster(LSTMModel(hidden_size=5, max_steps=3), horizon=H, context_length=T).fit(series(number=n))
        for n in (2, 17)
    )
    assert (few.stream().engine, many.stream().engine) == ("numpy", "torch")


@pytest.mark.parametrize("kind", [pd.Series, pd.DataFrame, pl.Series, pl.DataFrame])
def test_labels_are_refused_since_nobody_reads_them(kind):
    stream = Forecaster("lstm", **TINY).fit(series(number=3)).stream()
    with pytest.raises(DataError, match=r"labels are not read. Got a .*\.to_numpy\(\)"):
        stream.step(kind(np.ones(3)))
    assert stream.steps == 0


def test_nobody_writes_into_the_forecast_of_a_stream():
    stream = Forecaster("lstm", **TINY).fit(series()).stream()
    for answer in (stream.forecast, stream.step(100.0)):
        with pytest.raises(ValueError, match="read-only"):
            answer[:] = 0


def test_what_a_stream_cannot_know_is_refused():
    table = series(x=1)
    ahead = Forecaster("lstm", future=["x"], **TINY).fit(table)
    with pytest.raises(UnsupportedError, match=r"also needs x of the steps to forecast"):
        ahead.stream(table)
    changed = Forecaster("lstm", target_transform=["difference"], **TINY).fit(series())
    with pytest.raises(UnsupportedError, match=r"target_transform=\['difference'\]"):
        changed.stream()
    with pytest.raises(SettingError, match=r"Unknown engine 'nunpy'\. Did you mean 'numpy'"):
        Forecaster("lstm", **TINY).fit(series()).stream(engine="nunpy")
    deep = Forecaster("lstm", head_activation="relu", head_sizes=[4], **TINY)
    deep.fit(series())
    for engine in ("numpy", "numba"):
        with pytest.raises(UnsupportedError, match=f"engine='{engine}' is for RNN, LSTM and GRU"):
            deep.stream(engine=engine)


def test_numba_is_needed_only_where_it_is_asked_for(monkeypatch):
    forecaster = Forecaster("lstm", **TINY).fit(series())
    monkeypatch.setitem(sys.modules, "timeseries.deeplearning.compiled_step", None)
    assert forecaster.stream(engine="numpy").engine == "numpy"
    with pytest.raises(MissingExtraError, match=r"pip install 'timeseries-deeplearning\[numba\]'"):
        forecaster.stream(engine="numba")


def test_a_stream_leaves_its_forecaster_as_it_was():
    past, new = split(series())
    forecaster = Forecaster("lstm", **TINY).fit(past)
    before = forecaster.predict()
    stream = forecaster.stream()
    for values in new:
        stream.step(values)
    pd.testing.assert_frame_equal(forecaster.predict(), before)
