"""Baselines against a plain loop, against published figures, and against any look at the future."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timeseries.baselines import drift, last_value, mean, seasonal_naive
from timeseries.errors import DataError, SettingError
from timeseries.metrics import score
from timeseries.normalization import DataNormalizer
from timeseries.splits import rolling_origins

NAN = float("nan")
FORECASTS = {
    "last_value": last_value,
    "seasonal_naive": lambda *given: seasonal_naive(*given, season_length=3),
    "drift": drift,
    "mean": mean,
}


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@st.composite
def questions(draw):
    """A buffer with gaps and empty series, and origins before which every target was observed."""
    lengths = draw(st.lists(st.integers(0, 8), min_size=1, max_size=4).filter(any))
    number = st.one_of(st.just(NAN), st.floats(-100, 100))
    values = draw(arrays(np.float64, (sum(lengths), 2), elements=number))
    offsets = offsets_of(lengths)
    starts = offsets[:-1][np.diff(offsets) > 0]
    values[starts] = np.nan_to_num(values[starts])
    origins = draw(st.lists(st.integers(0, len(values) - 1), max_size=5))
    return values, offsets, np.array(origins, dtype=np.int64), draw(st.integers(1, 7))


def newest(values, start, row, target):
    """Return the last observed value of one target in rows start..row, or None."""
    for at in range(row, start - 1, -1):
        if not np.isnan(values[at, target]):
            return values[at, target]
    return None


def by_loop(values, offsets, origins, horizon, season):
    """Forecast one number at a time, as the docstring of seasonal_naive says; season 1 is the last value."""
    out = np.empty((len(origins), horizon, values.shape[1]))
    for (m, k, target), _ in np.ndenumerate(out):
        start = max(o for o in offsets[:-1] if o <= origins[m])
        wanted = newest(values, start, origins[m] - season + 1 + k % season, target)
        out[m, k, target] = newest(values, start, origins[m], target) if wanted is None else wanted
    return out


def test_last_value_by_hand():
    values = np.array([[1.0, 10.0], [2.0, NAN], [NAN, 30.0], [9.0, 9.0]])
    forecast = last_value(values, offsets_of([3, 1]), [1, 2], horizon=2)
    assert forecast.tolist() == [[[2.0, 10.0]] * 2, [[2.0, 30.0]] * 2]


def test_seasonal_naive_by_hand():
    values = np.arange(10.0)[:, None]
    forecast = seasonal_naive(values, offsets_of([10]), [6], horizon=5, season_length=3)
    assert forecast.ravel().tolist() == [4.0, 5.0, 6.0, 4.0, 5.0]


def test_a_gap_in_the_season_takes_the_value_before_it():
    values = np.array([[1.0], [2.0], [NAN], [4.0]])
    forecast = seasonal_naive(values, offsets_of([4]), [3], horizon=3, season_length=3)
    assert forecast.ravel().tolist() == [2.0, 2.0, 4.0]


def test_a_season_longer_than_the_series_takes_the_value_at_the_origin_and_not_another_series():
    values = np.array([[70.0], [80.0], [90.0], [NAN], [2.0], [3.0]])
    forecast = seasonal_naive(values, offsets_of([3, 3]), [5], horizon=5, season_length=5)
    assert forecast.ravel().tolist() == [3.0, 3.0, 3.0, 2.0, 3.0]


@settings(max_examples=200, deadline=None)
@given(questions())
def test_last_value_equals_a_plain_loop(question):
    np.testing.assert_array_equal(last_value(*question), by_loop(*question, season=1))


@settings(max_examples=200, deadline=None)
@given(questions(), st.integers(1, 9))
def test_seasonal_naive_equals_a_plain_loop(question, season):
    np.testing.assert_array_equal(seasonal_naive(*question, season), by_loop(*question, season))


def test_drift_continues_the_line_through_the_first_and_the_last_observed_value():
    values = np.array([[9.0], [NAN], [1.0], [7.0], [5.0], [NAN], [99.0]])
    forecast = drift(values, offsets_of([1, 6]), [0, 2, 5], horizon=2)
    # flat; one value alone: flat; from 1 in row 2 to 5 in row 4: 2 a row, and row 5 has passed
    assert forecast[..., 0].tolist() == [[9.0, 9.0], [1.0, 1.0], [9.0, 11.0]]


@settings(max_examples=100, deadline=None)
@given(questions())
def test_drift_and_mean_equal_a_plain_loop(question):
    values, offsets, origins, _ = question
    lines, means = drift(*question), mean(*question)
    for (m, k, target), line in np.ndenumerate(lines):
        start = max(o for o in offsets[:-1] if o <= origins[m])
        seen = [row for row in range(start, origins[m] + 1) if not np.isnan(values[row, target])]
        y = values[seen, target]
        slope = (y[-1] - y[0]) / (seen[-1] - seen[0]) if len(seen) > 1 else 0.0
        assert line == pytest.approx(y[-1] + (origins[m] + k + 1 - seen[-1]) * slope, abs=1e-9)
        assert means[m, k, target] == pytest.approx(y.mean(), abs=1e-9)


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
@pytest.mark.parametrize("noise", [NAN, 1e9])
@settings(max_examples=100, deadline=None)
@given(questions())
def test_nothing_after_the_origin_and_nothing_of_another_series_moves_a_forecast(forecast, noise, question):
    values, offsets, origins, horizon = question
    for origin in origins:
        start = offsets[np.searchsorted(offsets, origin, side="right") - 1]
        changed = np.full_like(values, noise)
        changed[start : origin + 1] = values[start : origin + 1]
        np.testing.assert_array_equal(
            forecast(changed, offsets, [origin], horizon), forecast(values, offsets, [origin], horizon)
        )


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
def test_a_series_without_any_value_up_to_the_origin_is_refused_by_position(forecast):
    values = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, NAN], [4.0, NAN], [5.0, 5.0]])
    offsets = offsets_of([2, 0, 3])
    with pytest.raises(
        DataError, match=r"1 forecast\(s\) have none \(series at position 2, its row 1, target 1\)"
    ):
        forecast(values, offsets, [1, 3, 4], 2)


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
@pytest.mark.parametrize("origins", [[4], [-1], [0, 99]])
def test_an_origin_outside_the_buffer_is_refused(forecast, origins):
    with pytest.raises(DataError, match=f"rows of the buffer, 0 to 3; 1 are not: {origins[-1]}"):
        forecast(np.ones((4, 1)), offsets_of([4]), origins, 2)


@pytest.mark.parametrize("origins", [3, [[3]], [1.0], [True]])
def test_origins_that_are_no_list_of_rows_are_refused(origins):
    with pytest.raises(DataError, match="one-dimensional array of row numbers"):
        last_value(np.ones((4, 1)), offsets_of([4]), origins, 2)


def test_bad_settings_are_listed_at_once():
    with pytest.raises(SettingError, match=r"horizon must .* got 0; season_length must .* got 1\.5"):
        seasonal_naive(np.ones((4, 1)), offsets_of([4]), [3], 0, 1.5)
    with pytest.raises(SettingError, match="horizon must be a whole number >= 1, got True"):
        last_value(np.ones((4, 1)), offsets_of([4]), [3], True)


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
def test_no_origins_give_no_forecasts(forecast):
    assert forecast(np.ones((4, 2)), offsets_of([4]), [], 3).shape == (0, 3, 2)


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
def test_the_forecast_is_a_copy_and_the_values_stay_as_they_were(forecast):
    values = np.array([[1.0], [2.0], [3.0]])
    forecast(values, offsets_of([3]), [2], 3)[:] = 0.0
    assert values.ravel().tolist() == [1.0, 2.0, 3.0]


@pytest.mark.skipif(
    "TIMESERIES_DATA" not in os.environ, reason="TIMESERIES_DATA names no folder with public data"
)
@pytest.mark.parametrize(
    ("forecast", "published_mse", "published_mae"),  # Repeat: also Zeng et al. (AAAI 2023), one window fewer
    [
        (last_value, 1.294, 0.713),
        (lambda *given: seasonal_naive(*given, season_length=24), 0.512, 0.433),
    ],
    ids=["last_value", "seasonal_naive"],
)
def test_the_errors_on_etth1_are_those_of_the_long_horizon_protocol(forecast, published_mse, published_mae):
    rows = pd.read_csv(Path(os.environ["TIMESERIES_DATA"]) / "ett" / "ETTh1.csv.gz").iloc[:14400, 1:]
    values = DataNormalizer().fit(rows[:8640]).transform(rows)  # (14400, 7)
    offsets = np.array([0, 14400])
    origins = rolling_origins(offsets, horizon=96, windows=2785, step=1)
    assert origins.row[0] + 1 == 11520
    truth = values[origins.row[:, None] + 1 + np.arange(96)]  # (2785, 96, 7)
    answer = forecast(values, offsets, origins.row, 96)
    assert round(score("mse", truth, answer).value, 3) == published_mse
    assert round(score("mae", truth, answer).value, 3) == published_mae


def berlin(start, days):
    """Hours in UTC, what clocks in Berlin show then, and by how many hours they are ahead."""
    stamps = pd.date_range(start, periods=24 * days, freq="h", tz="UTC")
    local = stamps.tz_convert("Europe/Berlin")
    ahead = np.array([int(stamp.utcoffset().total_seconds()) // 3600 for stamp in local])
    return stamps, local.hour.to_numpy(), ahead


@pytest.mark.parametrize("start", ["2024-03-28", "2024-10-24"])
def test_seasons_by_the_clock_repeat_the_hour_that_was_shown_and_never_look_ahead(start):
    stamps, shown, ahead = berlin(start, 7)
    values = shown[:, None].astype(float)  # (168, 1)
    origins = np.arange(48, 144)
    offsets = offsets_of([len(values)])
    forecasts = seasonal_naive(values, offsets, origins, 24, 24, ahead)[..., 0]  # (M, 24)
    truth = values[origins[:, None] + np.arange(1, 25), 0]
    wrong = stamps[(origins[:, None] + np.arange(1, 25))[forecasts != truth]]
    # Only hours that did not exist the day before, or that came twice, have no hour to repeat.
    assert set(wrong.tz_convert("Europe/Berlin").hour) <= {2, 3}
    by_rows = seasonal_naive(values, offsets, origins, 24, 24)[..., 0]
    assert (by_rows != truth).sum() > 10 * (forecasts != truth).sum()
    for origin in (70, 90, 100):
        changed = values.copy()
        changed[origin + 1 :] = 99.0
        again = seasonal_naive(changed, offsets, np.array([origin]), 24, 24, ahead)
        np.testing.assert_array_equal(again[0, :, 0], forecasts[origin - 48])


def test_a_clock_that_never_changes_changes_nothing():
    values = np.random.default_rng(0).normal(size=(50, 2))
    given = values, offsets_of([20, 30]), np.array([5, 19, 30]), 9
    np.testing.assert_array_equal(seasonal_naive(*given, 4, np.full(50, 2)), seasonal_naive(*given, 4))
