"""Frequencies: every spelling read, every regular step found again, every grid as pandas draws it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.errors import DataError, SettingError
from timeseries.frequency import Frequency

ALIASES = ["s", "30s", "min", "15min", "h", "4h", "D", "2D", "W-SUN", "W-WED", "2W-MON", "B", "2B"]
ALIASES += [
    "MS",
    "2MS",
    "ME",
    "QS-JAN",
    "QS-FEB",
    "QE-DEC",
    "QE-OCT",
    "2QE-DEC",
    "YS-JAN",
    "YS-APR",
    "YE-DEC",
]
ALIASES += ["BMS", "BME", "BQS-JAN", "BQE-DEC", "BYS-JAN", "BYE-DEC", "100ms", "5us"]


def stamps(alias, periods, start="2019-12-27"):
    return pd.date_range(start, periods=periods, freq=alias).to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
def test_the_stamps_after_a_stamp_are_those_of_pandas(alias):
    expected = stamps(alias, 40)
    after = Frequency(alias).after(expected[[0, 10]], 29)
    assert after.tolist() == [expected[1:30].tolist(), expected[11:].tolist()]
    assert after.dtype == np.dtype("datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
def test_the_grid_between_two_stamps_is_that_of_pandas(alias):
    expected = stamps(alias, 25)
    frequency = Frequency(alias)
    assert frequency.grid(expected[0], expected[-1]).tolist() == expected.tolist()
    just_before = expected[-1] - np.timedelta64(1, "us")
    assert frequency.grid(expected[0], just_before).tolist() == expected[:-1].tolist()
    assert frequency.grid(expected[1], expected[0]).tolist() == []


@pytest.mark.parametrize("alias", ALIASES)
def test_steps_are_counted_between_stamps_and_refused_between_grids(alias):
    time = stamps(alias, 25)
    frequency = Frequency(alias)
    assert frequency.count(time[:-3], time[3:]).tolist() == [3] * 22
    assert frequency.count(time[:-1], time[1:] + np.timedelta64(1, "us")).tolist() in ([-1] * 24, [1] * 24)
    assert frequency.fits(time).all()


@pytest.mark.parametrize("alias", ALIASES)
def test_the_time_of_day_is_kept(alias):
    half_past_six = np.timedelta64(390, "m")
    time = stamps(alias, 8) + half_past_six
    assert Frequency(alias).after(time[:1], 7)[0].tolist() == time[1:].tolist()


def test_pandas_stamps_and_texts_are_stamps_too():
    daily = Frequency("D").grid(pd.Timestamp("2024-02-28"), "2024-03-01")
    assert daily.astype("datetime64[D]").astype(str).tolist() == ["2024-02-28", "2024-02-29", "2024-03-01"]


def test_a_stamp_off_the_calendar_is_refused_with_its_date():
    with pytest.raises(DataError, match=r"2024-01-15T00:00:00.000000 does not belong to the frequency 'MS'"):
        Frequency("MS").after(np.array(["2024-01-15"], dtype="datetime64[us]"), 3)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        *[("H", "h"), ("T", "min"), ("S", "s"), ("L", "ms"), ("U", "us"), ("M", "ME"), ("BM", "BME")],
        *[("Q", "QE-DEC"), ("Y", "YE-DEC"), ("A", "YE-DEC"), ("AS", "YS-JAN"), ("A-MAR", "YE-MAR")],
        *[
            ("15T", "15min"),
            ("d", "D"),
            ("w", "W-SUN"),
            ("W", "W-SUN"),
            ("W-mon", "W-MON"),
            ("w-fri", "W-FRI"),
        ],
        *[("60min", "h"), ("90min", "90min"), ("24h", "D"), ("1h", "h"), ("3600s", "h"), (" 2 h ", "2h")],
        *[
            ("QS", "QS-JAN"),
            ("QS-OCT", "QS-JAN"),
            ("QE-JUN", "QE-DEC"),
            ("BQS-NOV", "BQS-FEB"),
            ("QE-JAN", "QE-OCT"),
        ],
        *[("YS-APR", "YS-APR"), ("12MS", "12MS"), (7, 7), (np.int64(3), 3), ("1", 1)],
    ],
)
def test_every_spelling_of_a_step_has_one_canonical_form(written, canonical):
    assert Frequency.parse(written) == Frequency(canonical)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("hourly", r"Unknown frequency 'hourly'. Did you mean 'h'\? Known: D, h, min, "),
        ("daily", "Did you mean 'D'"),
        ("days", "Did you mean 'D'"),
        ("months", "Did you mean 'MS'"),
        ("m", "Did you mean 'min' or 'MS'"),
        ("mins", "Did you mean 'min'"),
        ("ns", "Unknown frequency 'ns'"),
        ("SME", "Unknown frequency 'SME'"),
        ("W-FOO", "Unknown anchor 'FOO' in the frequency 'W-FOO': expected one of MON, TUE"),
        ("QS-MON", "expected one of JAN, FEB"),
        ("MS-JAN", "expected none after 'MS'"),
        ("D-MON", "expected none after 'D'"),
        ("1.5h", "Cannot read the frequency '1.5h'"),
        ("", "Cannot read the frequency ''"),
        ("-1h", "Cannot read the frequency"),
        ("0h", "from 1 to 999999"),
        ("9999999999D", "from 1 to 999999"),
        (0, "at least 1, got 0"),
        ("0", "at least 1, got 0"),
        (-3, "at least 1, got -3"),
        (True, "got True"),
        (1.5, "got 1.5"),
        (None, "got None"),
    ],
)
def test_a_frequency_that_is_none_is_refused_with_a_hint(written, told):
    with pytest.raises(SettingError, match=told):
        Frequency.parse(written)


def test_a_step_that_is_not_canonical_cannot_be_built():
    with pytest.raises(SettingError, match=r"use Frequency.parse\('60min'\)"):
        Frequency("60min")


def test_a_frequency_prints_as_its_step():
    assert f"{Frequency('MS')} {Frequency(3)}" == "MS 3"


@pytest.mark.parametrize(
    ("alias", "season"),
    [
        *[
            ("1ms", 1000),
            ("100ms", 10),
            ("s", 3600),
            ("10s", 360),
            ("min", 1440),
            ("10min", 144),
            ("15min", 96),
        ],
        *[
            ("30min", 48),
            ("h", 24),
            ("4h", 6),
            ("12h", 2),
            ("D", 7),
            ("7D", 1),
            ("B", 5),
            ("W", 52),
            ("4W", 13),
        ],
        *[
            ("MS", 12),
            ("ME", 12),
            ("BME", 12),
            ("2MS", 6),
            ("6MS", 2),
            ("QS", 4),
            ("QE", 4),
            ("2QE", 2),
            ("YS", 1),
        ],
        *[("YE", 1), ("2YS", 1), (1, 1), (10, 1), ("5h", 24), ("2D", 7), ("2B", 5)],
    ],
)
def test_the_season_of_a_step_is_that_of_the_table(alias, season):
    assert Frequency.parse(alias).season_length == season


@pytest.mark.parametrize("alias", [a for a in ALIASES if a not in {"2B", "BYS-JAN", "BYE-DEC"}])
@pytest.mark.parametrize("absent", [[], [7], [3, 4, 5], [2, 9, 17]])
def test_the_step_is_found_again_though_stamps_are_absent(alias, absent):
    time = np.delete(stamps(alias, 30), absent)
    assert Frequency.infer(time) == Frequency(alias)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stamps_of_every_resolution_are_read(unit):
    assert Frequency.infer(stamps("h", 10).astype(f"datetime64[{unit}]")) == Frequency("h")


def test_working_days_with_holidays_are_working_days_and_five_days_of_one_week_are_days():
    # New York Stock Exchange, 2024: 15 January and 19 February were holidays.
    days = pd.bdate_range("2024-01-02", "2024-03-28").drop(["2024-01-15", "2024-02-19"]).to_numpy()
    assert Frequency.infer(days) == Frequency("B")
    assert Frequency.infer(days[days < np.datetime64("2024-01-06")]) == Frequency("D")
    with_a_saturday = np.sort(np.append(days, np.datetime64("2024-02-03")))
    assert Frequency.infer(with_a_saturday) == Frequency("D")


@pytest.mark.parametrize(
    ("pair", "alias"),
    [
        (("2024-01-01", "2024-02-01"), "MS"),
        (("2023-02-01", "2023-03-01"), "MS"),
        (("2024-01-31", "2024-02-29"), "ME"),
        (("2023-01-01", "2024-01-01"), "YS-JAN"),
        (("2024-03-31", "2024-06-30"), "QE-DEC"),
        (("2024-01-01", "2024-01-08"), "W-MON"),
        (("2024-01-05", "2024-01-08"), "3D"),
        (("2024-01-01 00:00", "2024-01-01 00:45"), "45min"),
    ],
)
def test_two_stamps_give_their_difference(pair, alias):
    assert Frequency.infer(np.array(pair, dtype="datetime64[us]")) == Frequency(alias)


def test_one_stamp_has_no_step():
    assert Frequency.infer(np.array(["2024-01-01"], dtype="datetime64[us]")) is None
    assert Frequency.infer(np.array([5])) is None


def test_irregular_stamps_have_no_step():
    minutes = np.array([0, 7, 18, 31, 48, 71, 100, 141])
    assert Frequency.infer(minutes * np.timedelta64(1, "m") + np.datetime64("2024-01-01", "us")) is None
    assert Frequency.infer(minutes) is None
    middles = np.array([f"2024-{month:02d}-15" for month in range(1, 13)], dtype="datetime64[us]")
    assert Frequency.infer(middles) is None, "the 15th of each month has no alias, and is not every 31 days"


def test_most_steps_decide_so_that_the_odd_stamp_can_be_named():
    hours = stamps("h", 50)
    odd = np.insert(hours, 20, hours[20] - np.timedelta64(10, "m"))
    assert Frequency.infer(odd) == Frequency("h")
    months = stamps("MS", 12)
    months[5] += np.timedelta64(1, "D")
    assert Frequency.infer(months) == Frequency("MS")


@given(
    alias=st.sampled_from(["min", "h", "D", "W-TUE", "MS", "ME", "QS-JAN", "YE-DEC"]),
    kept=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_whatever_is_inferred_explains_most_steps(alias, kept):
    time = stamps(alias, 40)[np.array(kept)]
    frequency = Frequency.infer(time)
    if frequency is None:
        assert len(time) < 2 or np.mean(kept) < 0.7
    else:
        steps = frequency.count(time[:-1], time[1:])
        assert (steps >= 1).mean() > 0.5
        assert frequency.shift(time[:-1], steps)[steps > 0].tolist() == time[1:][steps > 0].tolist()


@given(
    start=st.integers(-1000, 1000),
    step=st.integers(1, 50),
    kept=st.sets(st.integers(0, 60), min_size=45, max_size=60),
)
def test_the_step_of_integer_time_is_found(start, step, kept):
    time = start + step * np.array(sorted(kept))
    assert Frequency.infer(time) == Frequency(step)
    assert Frequency(step).after(time[-1:], 2).tolist() == [[time[-1] + step, time[-1] + 2 * step]]
