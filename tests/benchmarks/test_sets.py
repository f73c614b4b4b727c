"""The sets have the sizes that were published, and the simplest forecasts reach on them what is known."""

import numpy as np
import pandas as pd
import pytest

import sets

ETT_COLUMNS = ["ds", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]


@pytest.fixture(autouse=True)
def _needs_data(data_folder):
    """Skip where the real data are absent."""


def windows(values, horizon, test, step=1):
    """Return the truth of every window of the last rows, (M, H, ...), and the rows of the origins, (M,)."""
    origins = np.arange(len(values) - test - 1, len(values) - horizon, step)
    return values[origins[:, None] + np.arange(1, horizon + 1)], origins


def repeated(values, origins, horizon, season):
    return values[origins[:, None] - season + 1 + np.arange(horizon) % season]


def errors(values, horizon, test, season):
    """Return MSE and MAE of the last season repeated."""
    truth, origins = windows(values, horizon, test)
    difference = truth - repeated(values, origins, horizon, season)
    return np.mean(difference**2), np.mean(np.abs(difference))


# Published rows; the errors are those of benchmarks/floors.py at 96 steps, computed apart from the library.
@pytest.mark.parametrize(("name", "expected"), [("etth1", (0.512, 0.433)), ("etth2", (0.391, 0.380))])
def test_ett_has_the_published_rows_and_seasonal_errors(name, expected):
    table, protocol = sets.SETS[name]()
    assert table.columns.tolist() == ETT_COLUMNS
    assert (len(table), protocol.train, protocol.validation, protocol.test) == (14400, 8640, 2880, 2880)
    values = table.drop(columns="ds").to_numpy()
    np.testing.assert_allclose(values[:8640].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values[:8640].std(axis=0), 1)
    assert errors(values, 96, protocol.test, protocol.season) == pytest.approx(expected, abs=5e-4)
    assert protocol.windows("test") == protocol.windows("validation") == 2857


def test_exchange_rate_has_the_published_split_and_last_value_errors():
    table, protocol = sets.exchange_rate()
    assert table.shape == (7588, 9)
    assert (protocol.train, protocol.validation, protocol.test) == (5311, 760, 1517)
    values = table.drop(columns="ds").to_numpy()
    np.testing.assert_allclose(values[:5311].std(axis=0), 1)
    # Repeat of LTSF-Linear at 96 and 192 steps, all windows
    assert errors(values, 96, protocol.test, season=1) == pytest.approx((0.081, 0.196), abs=5e-4)
    assert errors(values, 192, protocol.test, season=1) == pytest.approx((0.167, 0.289), abs=5e-4)


@pytest.mark.parametrize("step", [1, 24])
def test_the_seasonal_naive_forecast_of_pjm_is_off_by_7_32_percent_from_midnights_and_from_all_hours(step):
    table, protocol = sets.pjm()
    values = table["PJME"].to_numpy()
    truth, origins = windows(values, protocol.horizon, protocol.test, step)
    share = np.abs(truth - repeated(values, origins, 24, protocol.season)) / truth
    assert round(100 * share.mean(), 2) == 7.32
    assert len(origins) == {1: 8737, 24: 365}[step]


def test_pjm_is_a_complete_hourly_grid_whose_origins_are_midnights():
    table, protocol = sets.pjm()
    assert table["ds"].tolist() == pd.date_range("2015-01-01", "2018-08-03", freq="h").tolist()
    assert np.isfinite(table["PJME"]).all()
    assert protocol.windows("test") == protocol.windows("validation") == 365
    assert protocol.train + protocol.validation + protocol.test == len(table) == 31441
    _, origins = windows(table["PJME"].to_numpy(), 24, protocol.test, protocol.step)
    assert (table["ds"].iloc[origins].dt.hour == 0).all()


def test_pjm_takes_the_mean_of_a_repeated_hour_and_of_the_neighbours_of_a_skipped_one():
    demand = sets.pjm()[0].set_index("ds")["PJME"]
    assert demand["2015-11-01 02:00"] == (21567 + 21171) / 2
    before, skipped, after = demand["2015-03-08 02:00":"2015-03-08 04:00"]
    assert skipped == (before + after) / 2


def test_the_seasonal_naive_forecast_of_m4_hourly_has_the_official_smape_and_mase():
    table, protocol = sets.m4_hourly()
    smape, mase = [], []
    for _, series in table.groupby("unique_id")["y"]:
        past, truth = np.split(series.to_numpy(), [-protocol.test])
        forecast = np.tile(past[-24:], 2)
        off = np.abs(truth - forecast)
        smape.append(np.mean(200 * off / (np.abs(truth) + np.abs(forecast))))
        mase.append(off.mean() / np.abs(past[24:] - past[:-24]).mean())
    assert (round(np.mean(smape), 3), round(np.mean(mase), 3)) == (13.912, 1.193)


def test_m4_hourly_has_414_series_of_two_lengths_counted_by_integers():
    table, protocol = sets.m4_hourly()
    lengths = table.groupby("unique_id", sort=False).size()
    assert lengths.value_counts().to_dict() == {960 + 48: 245, 700 + 48: 169}
    assert table.loc[table["unique_id"] == "H1", "ds"].tolist() == list(range(748))
    assert protocol.windows("test") == protocol.windows("validation") == 1


def test_dow_has_27_stocks_and_an_r2_near_1_for_the_price_of_the_day_before():
    table, protocol = sets.dow()
    assert table.shape == (6577, 28)
    assert (protocol.train, protocol.windows("validation"), protocol.windows("test")) == (5077, 500, 1000)
    prices = table.drop(columns="ds").to_numpy()
    truth, origins = windows(prices, 1, protocol.test)
    off = truth[:, 0] - prices[origins]
    r2 = 1 - (off**2).sum(axis=0) / ((truth[:, 0] - truth[:, 0].mean(axis=0)) ** 2).sum(axis=0)
    assert r2.shape == (27,)
    assert r2.min() > 0.9


@pytest.mark.parametrize("name", sets.SETS)
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_rows_up_to_a_part_are_those_of_every_series_without_the_later_parts(name, part):
    table, protocol = sets.SETS[name]()
    later = {"train": protocol.validation + protocol.test, "validation": protocol.test, "test": 0}[part]
    cut = sets.up_to(part, table, protocol)
    if name == "m4_hourly":
        pieces = [rows[: len(rows) - later] for _, rows in table.groupby("unique_id", sort=False)]
        pd.testing.assert_frame_equal(cut, pd.concat(pieces))
    else:
        pd.testing.assert_frame_equal(cut, table[: len(table) - later])
    assert part != "train" or protocol.train in (None, len(cut))
