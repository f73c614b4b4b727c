"""Features of stamps against dates worked out by hand, and numpy's sine and cosine."""

import datetime
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from timeseries.errors import DataError, MissingExtraError, NotFittedError, SettingError
from timeseries.features import CalendarFeatures, CyclicFeatures, FourierFeatures, HolidayFeatures
from timeseries.features.stamps import CYCLES, FIELDS
from timeseries.forecaster import Forecaster

STAMPS = st.lists(
    st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)), min_size=1, max_size=8
)
OF_STAMPS = [
    CalendarFeatures(fields=tuple(FIELDS)),
    CyclicFeatures(cycles=CYCLES),
    FourierFeatures(period="7D", pairs=3),
]
every_one = pytest.mark.parametrize("transformer", OF_STAMPS, ids=lambda made: type(made).__name__)


def table(*stamps, name="ds"):
    return pd.DataFrame({name: [pd.Timestamp(stamp) for stamp in stamps]})


# ------------------------------------------------------------------------------------------ the numbers


def test_fields_are_those_of_the_calendar_on_the_wall():
    features = CalendarFeatures(fields=tuple(FIELDS)).fit_transform(
        table("2024-12-31 23:59:58", "2024-02-29", "2023-10-01 12:00")
    )
    expected = {  # Tuesday; Thursday; Sunday
        "year": [2024, 2024, 2023],
        "quarter": [4, 1, 4],
        "month": [12, 2, 10],
        "week": [1, 9, 39],  # the Tuesday belongs to week 1 of 2025
        "day": [31, 29, 1],
        "dayofyear": [366, 60, 274],
        "dayofweek": [1, 3, 6],
        "hour": [23, 0, 12],
        "minute": [59, 0, 0],
        "second": [58, 0, 0],
        "weekend": [0, 0, 1],
        "month_start": [0, 0, 1],
        "month_end": [1, 1, 0],
    }
    assert {name: column.tolist() for name, column in zip(FIELDS, features.T, strict=True)} == expected


@settings(max_examples=60, deadline=None)
@given(STAMPS)
def test_fields_agree_with_pythons_own_dates(stamps):
    names = ("year", "month", "day", "hour", "dayofweek", "week", "dayofyear")
    found = CalendarFeatures(fields=names).fit_transform(pd.DataFrame({"ds": pd.to_datetime(stamps)}))
    expected = [
        [t.year, t.month, t.day, t.hour, t.weekday(), t.isocalendar()[1], t.timetuple().tm_yday]
        for t in stamps
    ]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("cycle", "stamp", "share"),
    [
        ("hour", "2024-05-05 10:15", 0.25),
        ("day", "1969-12-31 18:00", 0.75),
        ("week", "2024-07-03 12:00", 2.5 / 7),  # a Wednesday
        ("month", "2024-02-15 12:00", 14.5 / 29),
        ("month", "2023-02-15", 14 / 28),
        ("quarter", "2024-05-01", 30 / 91),
        ("year", "2024-12-31", 365 / 366),
        ("year", "2023-07-02 12:00", 0.5),
    ],
)
def test_a_cycle_is_as_long_as_the_calendar_has_it(cycle, stamp, share):
    found = CyclicFeatures(cycles=cycle).fit_transform(table(stamp))[0]
    np.testing.assert_allclose(found, [np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)], atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.floats(0.1, 1e4), st.integers(1, 4))
def test_fourier_pairs_of_numbers_are_sines_and_cosines(numbers, period, pairs):
    found = FourierFeatures(period=period, pairs=pairs).fit_transform(np.array(numbers)[:, None])
    angle = 2 * np.pi * np.array(numbers)[:, None] / period * np.arange(1, pairs + 1)
    np.testing.assert_allclose(found[:, ::2], np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(found[:, 1::2], np.cos(angle), atol=1e-6)


def test_the_phase_of_dates_is_that_of_the_stamp_whatever_was_fitted():
    year = table(*pd.date_range("2024-01-01", periods=400, freq="D"))
    fourier = FourierFeatures(period="365.25D", pairs=2)
    whole = fourier.fit(year).transform(year)
    np.testing.assert_array_equal(fourier.fit(year[:7]).transform(year[300:]), whole[300:])
    days = np.arange(400) + 19723  # since 1970-01-01: 54 years with 13 leap days
    np.testing.assert_allclose(whole[:, 2], np.sin(4 * np.pi * days / 365.25), atol=1e-9)


@every_one
def test_an_absent_stamp_has_no_features(transformer):
    found = clone(transformer).fit_transform(table("2024-01-01", None))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@every_one
def test_stamps_with_a_zone_are_read_on_its_clock(transformer):
    local = pd.date_range("2024-03-31", periods=5, freq="h")[[0, 1, 4]]  # 2 o'clock does not exist that day
    zoned = pd.DataFrame({"ds": local.tz_localize("Europe/Berlin")})
    naive = pd.DataFrame({"ds": local})
    np.testing.assert_array_equal(
        clone(transformer).fit_transform(zoned), clone(transformer).fit_transform(naive)
    )


# ------------------------------------------------------------------------------------------ no look ahead


@settings(max_examples=30, deadline=None)
@given(STAMPS, STAMPS, st.sampled_from(OF_STAMPS))
def test_later_stamps_change_nothing_bit_for_bit(first, later, transformer):
    made, short = clone(transformer), pd.DataFrame({"ds": pd.to_datetime(first)})
    alone = made.fit_transform(short)
    both = made.fit_transform(pd.DataFrame({"ds": pd.to_datetime(first + later)}))
    np.testing.assert_array_equal(both[: len(first)], alone)
    np.testing.assert_array_equal(
        alone, np.concatenate([made.transform(short[i : i + 1]) for i in range(len(short))])
    )


# ------------------------------------------------------------------------------------------ scikit-learn


@parametrize_with_checks([FourierFeatures(period=7, pairs=2)])
def test_the_contract_of_scikit_learn_for_numbers(estimator, check):
    check(estimator)


@pytest.mark.parametrize("made", [CalendarFeatures(), CyclicFeatures(), HolidayFeatures(country="DE")])
def test_the_contract_of_scikit_learn_for_dates_which_its_checks_have_none_of(made):
    with pytest.warns(SkipTestWarning, match="requires input"):
        check_estimator(made)


@every_one
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_any_library_are_taken_and_given(transformer, library):
    frame = table(*pd.date_range("2024-01-01", periods=5, freq="7h"), name="when")
    given = frame if library == "pandas" else pl.DataFrame({"when": frame["when"].to_list()})
    made = clone(transformer)
    plain = made.fit_transform(given)
    np.testing.assert_array_equal(plain, made.fit_transform(frame))
    answer = made.set_output(transform=library).fit_transform(given)
    assert type(answer) is type(given)
    assert list(answer.columns) == made.get_feature_names_out().tolist()
    assert all(name.startswith("when_") for name in answer.columns)
    np.testing.assert_array_equal(answer.to_numpy(), plain)
    if library == "pandas":
        assert answer.index.equals(frame.index)


def test_arrays_of_dates_are_taken_without_names():
    made = CalendarFeatures(fields="month").fit(np.array([["2024-05-01"]], dtype="datetime64[D]"))
    assert made.transform(np.array([["2024-06-01"]], dtype="datetime64[s]")).tolist() == [[6.0]]
    assert made.get_feature_names_out().tolist() == ["x0_month"]


def test_features_stand_beside_the_other_columns_in_a_column_transformer():
    frame = table("2024-05-01", "2024-06-01").assign(y=[1.0, 2.0])
    made = make_column_transformer(
        (CalendarFeatures(fields="month"), ["ds"]), ("passthrough", ["y"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    assert made.fit_transform(frame).to_dict("list") == {"ds_month": [5.0, 6.0], "y": [1.0, 2.0]}


# ------------------------------------------------------------------------------------------ as covariates


def test_a_forecaster_learns_the_week_from_covariates_that_are_known_ahead():
    stamps = pd.date_range("2024-01-01", periods=7 * 40 + 7, freq="D")
    weekly = CyclicFeatures(cycles="week").set_output(transform="pandas")
    features = weekly.fit_transform(pd.DataFrame({"ds": stamps}))
    monday = np.cos(2 * np.pi * stamps.day_of_week.to_numpy() / 7)
    whole = pd.DataFrame({"ds": stamps, "y": 10 + monday}).join(features)
    past, ahead = whole[:-7], whole[-7:].drop(columns="y").reset_index(drop=True)
    forecaster = Forecaster(
        "nlinear",
        horizon=7,
        context_length=1,
        target="y",
        future=list(features.columns),
        coverage=(),
        learning_rate=0.03,
        max_steps=600,
    )
    answer = forecaster.fit(past).predict(future=ahead)["y"]  # the window shows one day: no week to repeat
    np.testing.assert_allclose(answer - answer.mean(), monday[-7:] - monday[-7:].mean(), atol=0.05)


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (CalendarFeatures(fields="mnth"), "Did you mean 'month'"),
        (CalendarFeatures(fields=()), "fields must be"),
        (CyclicFeatures(cycles=("day", 3)), "every cycles must be a name, got 3"),
        (FourierFeatures(period=0), "period must be above 0"),
        (FourierFeatures(period="1 month"), "fixed length"),
        (FourierFeatures(period=True), "period must be a number or a text"),
        (FourierFeatures(period="1D", pairs=0), "pairs must be at least 1"),
        (HolidayFeatures(), "country must be a code"),
    ],
)
def test_settings_that_make_no_sense_are_refused(made, problem):
    with pytest.raises(SettingError, match=problem):
        made.fit(table("2024-01-01"))


def test_text_is_no_stamp():
    with pytest.raises(DataError, match="needs dates, but column 'ds' holds") as caught:
        CalendarFeatures().fit(pd.DataFrame({"ds": ["2024-01-01"]}))
    assert caught.value.column == "ds"


def test_a_number_is_no_period_of_dates():
    with pytest.raises(SettingError, match=r"holds dates: give a duration such as '24h'"):
        FourierFeatures(period=24).fit(table("2024-01-01"))


def test_features_of_an_unfitted_transformer_are_refused():
    with pytest.raises(NotFittedError, match="CalendarFeatures is not fitted"):
        CalendarFeatures().transform(table("2024-01-01"))


# ------------------------------------------------------------------------------------------ holidays


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'timeseries-deeplearning\[holidays\]'"):
        HolidayFeatures(country="DE").fit(table("2024-01-01"))


def test_holidays_are_those_of_the_country_and_its_state():
    pytest.importorskip("holidays")
    days = table("2024-12-25 18:00", "2024-12-27", "2025-01-06", None, "2026-05-01")
    germany = HolidayFeatures(country="DE").fit_transform(days)
    bavaria = HolidayFeatures(country="DE", subdivision="BY").fit_transform(days)  # where Epiphany is one
    np.testing.assert_array_equal(germany[:, 0], [1, 0, 0, np.nan, 1])
    np.testing.assert_array_equal(bavaria[:, 0], [1, 0, 1, np.nan, 1])
    assert HolidayFeatures(country="DE").fit(days).get_feature_names_out().tolist() == ["ds_holiday"]


def test_an_unknown_country_is_refused():
    pytest.importorskip("holidays")
    with pytest.raises(SettingError, match="country='ZZ'"):
        HolidayFeatures(country="ZZ").fit(table("2024-12-25"))
