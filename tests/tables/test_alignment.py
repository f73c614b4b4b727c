"""Rows in order: time zones, stamps that repeat, and futures that hold more than is needed."""

import datetime
import zoneinfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.answers import answer_frame
from timeseries.errors import DataError
from timeseries.panel import Panel, TableLayout

DEFAULT = TableLayout()
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def refusal(frame, layout=DEFAULT, **more):
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, layout, **more)
    return str(caught.value)


def hours(count, start="2024-01-01", **more):
    return pd.date_range(start, periods=count, freq="h", **more)


# --- time zones ---


@pytest.mark.parametrize(
    ("freq", "words"), [("MS", "whole months"), ("2MS", "whole steps of 2 months"), ("QS", "whole quarters")]
)
def test_local_months_that_are_none_of_utc_are_named_in_words(freq, words):
    stamps = pd.date_range("2020-01-01", periods=24, freq=freq, tz="Europe/Berlin")
    told = refusal(pd.DataFrame({"ds": stamps, "y": 1.0}))
    assert f"do not follow the one before by {words} of UTC." in told
    assert "'" not in told.split("\n")[0].removeprefix("Stamps in column 'ds'")
    assert "If these are local days or months, drop the zone." in told


@pytest.mark.parametrize("start", ["2024-03-30 20:00", "2024-10-26 20:00"])
def test_hours_step_in_absolute_time_over_both_changes_of_the_clock(start):
    stamps = hours(12, start, tz="Europe/Berlin")
    panel = Panel.from_frame(pd.DataFrame({"ds": stamps, "y": np.arange(12.0)}))
    assert (panel.frequency.step, panel.zone) == ("h", "Europe/Berlin")
    assert np.diff(panel.time).tolist() == [datetime.timedelta(hours=1)] * 11
    answer = answer_frame(panel.until(np.array([5])), np.zeros((1, 7, 1, 1)), None)
    assert str(answer["ds"].dtype) == "datetime64[us, Europe/Berlin]"
    assert answer["ds"].tolist() == stamps[5:].tolist()
    assert panel.to_frame()["ds"].tolist() == stamps.tolist()


def test_an_index_with_a_time_zone_comes_back_as_one():
    frame = pd.DataFrame({"y": np.arange(4.0)}, index=hours(4, tz="Asia/Tokyo"))
    answer = answer_frame(Panel.from_frame(frame), np.zeros((1, 2, 1, 1)), None)
    assert str(answer.index.tz) == "Asia/Tokyo"
    assert answer.index[0] == frame.index[-1] + pd.Timedelta(hours=1)


@pytest.mark.parametrize(
    ("column", "zone"),
    [
        (["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"], "UTC"),
        (["2024-01-01 02:00+02:00", "2024-01-01 03:00+02:00"], "UTC+02:00"),
        ([datetime.datetime(2024, 1, 1, hour, tzinfo=BERLIN) for hour in (1, 2)], "Europe/Berlin"),
        ([datetime.datetime(2024, 1, 1, hour, tzinfo=datetime.UTC) for hour in (0, 1)], "UTC"),
        ([pd.Timestamp(f"2024-01-01 0{hour}:00", tz="Asia/Tokyo") for hour in (9, 8)][::-1], "Asia/Tokyo"),
    ],
)
@pytest.mark.parametrize("dtype", [None, object])
def test_zones_and_offsets_of_every_kind_are_kept(column, zone, dtype):
    panel = Panel.from_frame(pd.DataFrame({"ds": pd.Series(column, dtype=dtype), "y": [1.0, 2.0]}))
    assert panel.zone == zone
    first = panel.written(panel.time)[0]
    assert first == pd.Timestamp(column[0])
    assert panel.frequency.step == "h"


@pytest.mark.parametrize(
    "column",
    [
        ["2024-01-01 05:00:00+01:00", "2024-01-01 05:00:00+02:00"],
        ["2024-01-01 05:00:00+01:00", "2024-01-01 05:00:00"],
        [pd.Timestamp("2024-01-01 05:00", tz="UTC"), pd.Timestamp("2024-01-01 05:00", tz="Asia/Tokyo")],
        [datetime.datetime(2024, 1, 1, 5, tzinfo=BERLIN), datetime.datetime(2024, 1, 1, 5)],
    ],
)
def test_mixed_offsets_are_refused_with_the_fix(column):
    told = refusal(pd.DataFrame({"ds": pd.Series(column, dtype=object), "y": [1.0, 2.0]}))
    assert "mixes time zones or offsets" in told
    assert "row 1: " in told
    assert "\nIn Python: frame['ds'] = pd.to_datetime(frame['ds'], utc=True)" in told
    all_zoned = all(pd.Timestamp(stamp).tz is not None for stamp in column)
    assert ("season_zone='Europe/Berlin'" in told) == all_zoned  # no clock helps a stamp without offset


def as_written(stamps, kind):
    """Write stamps as text with offsets, or as Python's datetimes of fixed offsets."""
    texts = [stamp.isoformat() for stamp in stamps]
    return texts if kind == "text" else [datetime.datetime.fromisoformat(text) for text in texts]


CLOCK = TableLayout(season_zone="Europe/Berlin")


@pytest.mark.parametrize("kind", ["text", "datetimes"])
@pytest.mark.parametrize("start", ["2024-03-30 20:00", "2024-10-26 20:00", "2024-07-01"])
def test_offsets_of_a_named_clock_are_read_as_utc(start, kind):
    stamps = hours(12, start, tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": pd.Series(as_written(stamps, kind), dtype=object), "y": 1.0})
    panel = Panel.from_frame(frame, CLOCK)
    assert (panel.zone, panel.frequency.step) == ("UTC", "h")
    assert pd.DatetimeIndex(panel.time).tolist() == stamps.tz_convert("UTC").tz_localize(None).tolist()
    assert "Column 'ds' of the table is written with offsets from UTC: read as UTC." in panel.notes


def test_a_future_with_one_offset_continues_a_history_with_two():
    stamps = hours(12, "2024-03-30 20:00", tz="Europe/Berlin")
    frame = with_price(as_written(stamps, "text"))
    layout = TableLayout(season_zone="Europe/Berlin", target="y", future="price")
    panel = Panel.from_frame(frame[:9], layout, future=frame[9:])
    assert panel.known[:, 0].tolist() == [*range(12)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_stamps_in_utc_or_in_a_named_zone_stay_as_they_are_under_a_named_clock(zone):
    panel = Panel.from_frame(pd.DataFrame({"ds": hours(4, tz=zone), "y": 1.0}), CLOCK)
    assert panel.zone == zone
    assert not any("read as UTC" in note for note in panel.notes)


@pytest.mark.parametrize("kind", ["text", "datetimes"])
@pytest.mark.parametrize("layout", [DEFAULT, CLOCK])
def test_local_days_with_offsets_are_told_to_be_plain_dates(layout, kind):
    days = pd.date_range("2024-03-29", periods=4, tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": pd.Series(as_written(days, kind), dtype=object), "y": 1.0})
    told = refusal(frame, layout)
    assert "To fix this: write days as plain dates, without an offset." in told
    assert "frame['ds'].map(lambda t: str(t)[:10])" in told
    frame["ds"] = frame["ds"].map(lambda t: str(t)[:10])  # as the message has it
    assert Panel.from_frame(frame).frequency.step == "D"


def test_a_stamp_without_offset_among_others_is_refused_even_under_a_named_clock():
    texts = ["2024-01-01 05:00+01:00", "2024-01-01 06:00"]
    assert "mixes time zones or offsets" in refusal(pd.DataFrame({"ds": texts, "y": 1.0}), CLOCK)


def test_local_days_in_a_time_zone_are_told_to_drop_it():
    days = pd.date_range("2024-03-25", periods=12, tz="Europe/Berlin")
    told = refusal(pd.DataFrame({"ds": days, "y": 1.0}))
    assert "If these are local days or months, drop the zone." in told
    assert told.endswith("In Python: frame['ds'] = frame['ds'].dt.tz_localize(None)")
    assert "column 'ds', row 7: Timestamp('2024-04-01 00:00:00+0200'" in told
    assert Panel.from_frame(pd.DataFrame({"ds": days.tz_localize(None), "y": 1.0})).frequency.step == "D"


def test_errors_write_stamps_in_the_zone_of_the_table():
    frame = pd.DataFrame({"ds": hours(6, tz="Asia/Tokyo"), "y": 1.0})
    assert "ds 2024-01-01 03:00:00+09:00, between row 2" in refusal(frame.drop(index=3))
    assert "ds 2024-01-01 02:00:00+09:00: row 2 and row 6" in refusal(pd.concat([frame, frame[2:3]]))


KNOWN = TableLayout(future="price")


def with_price(stamps):
    return pd.DataFrame({"ds": stamps, "y": 1.0, "price": np.arange(len(stamps), dtype=float)})


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (None, "have no time zone, those of the table the time zone UTC"),
        ("Asia/Tokyo", "the time zone Asia/Tokyo"),
    ],
)
def test_a_future_of_another_time_zone_is_refused(zone, told):
    assert told in refusal(with_price(hours(3, tz="UTC")), KNOWN, future=with_price(hours(6, tz=zone)))


def test_a_future_of_the_same_zone_continues_the_history():
    stamps = hours(6, "2024-03-30 23:00", tz="Europe/Berlin")
    panel = Panel.from_frame(with_price(stamps[:3]), KNOWN, future=with_price(stamps)[3:])
    assert panel.known[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


# --- the future may hold more ---


def test_rows_of_the_future_within_the_history_are_not_used():
    stamps = hours(9)
    future = with_price(stamps).assign(price=lambda frame: frame["price"] + 100)
    future.loc[:4, "price"] = np.nan  # not even looked at
    panel = Panel.from_frame(with_price(stamps[:5]), KNOWN, future=future.sample(frac=1, random_state=0))
    assert panel.known[:, 0].tolist() == [0, 1, 2, 3, 4, 105, 106, 107, 108]
    assert "5 rows of the future table lie in the history: not used." in panel.notes


def test_each_series_takes_its_own_part_of_the_future():
    history = pd.concat(
        [with_price(hours(3)).assign(unique_id="a"), with_price(hours(5)).assign(unique_id="b")]
    )
    future = pd.concat([with_price(hours(7)).assign(unique_id=name) for name in "ba"])
    panel = Panel.from_frame(history, KNOWN, future=future)
    assert panel.known_offsets.tolist() == [0, 7, 14]
    assert panel.known[:, 0].tolist() == [*range(7), *range(7)]


def test_errors_about_a_longer_future_name_its_own_rows():
    future = with_price(hours(8))
    told = refusal(with_price(hours(5)), KNOWN, future=future.drop(index=6))
    assert "do not follow the one before by one step of 'h'.\n  series 'y', column 'ds', row 6:" in told
    future.loc[6, "price"] = np.nan
    told = refusal(with_price(hours(5)), KNOWN, future=future)
    assert "'price' of the future table has absent values" in told
    assert "row 6, ds 2024-01-01 06:00:00: nan" in told


def test_a_future_that_ends_with_the_history_is_refused():
    told = refusal(with_price(hours(5)), KNOWN, future=with_price(hours(5)))
    assert "no stamp after the last one of each series" in told
    assert "series 'y' ends at 2024-01-01 04:00:00, its future at 2024-01-01 04:00:00" in told


# --- stamps that repeat ---


def repeated():
    """Series b has stamp 1 three times (in rows 0, 3, 5); series a is without fault."""
    return pd.DataFrame(
        {
            "unique_id": ["b", "a", "a", "b", "b", "b"],
            "ds": [1, 1, 2, 1, 2, 1],
            "y": [5.0, 0.0, 1.0, 6.0, 9.0, 10.0],
            "area": [0.1, 0.2, 0.2, 0.1, 0.1, 0.1],
        }
    )


@pytest.mark.parametrize(("duplicates", "number"), [("first", 5.0), ("last", 10.0), ("mean", 7.0)])
def test_repeated_stamps_are_kept_once_as_asked(duplicates, number):
    panel = Panel.from_frame(repeated(), TableLayout(duplicates=duplicates, static="area"))
    assert panel.values[:, 0].tolist() == [0, 1, number, 9]
    assert panel.time.tolist() == [1, 2, 1, 2]
    assert panel.static.tolist() == [[0.2], [0.1]]  # the mean of equal numbers is the number itself
    assert any(note.startswith("2 rows of the table repeat a stamp of their series") for note in panel.notes)


def test_repeated_stamps_are_refused_with_all_three_ways_out():
    assert "give duplicates='first', 'last' or 'mean'" in refusal(repeated())


def stacked(**columns):
    """Three shops below each other, whose column nobody named."""
    parts = [
        pd.DataFrame({"ds": hours(4), "umsatz": np.arange(4) * 1.5 + shop, "filiale": f"F{shop}"})
        for shop in range(3)
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


@pytest.mark.parametrize(
    ("frame", "layout", "advised"),
    [
        (stacked(), DEFAULT, "id='filiale', with target='umsatz';"),
        (stacked(), TableLayout(target="umsatz"), "id='filiale';"),
        (stacked().rename(columns={"umsatz": "y"}), DEFAULT, "id='filiale';"),
        (stacked(filiale=np.arange(12) // 4), DEFAULT, "id='filiale', with target='umsatz';"),
        (stacked().astype({"filiale": "category"}), DEFAULT, "id='filiale', with target='umsatz';"),
        (stacked(a=1.5), DEFAULT, "id='filiale', with target='...';"),
        (stacked(nr=np.arange(12) // 4), DEFAULT, "id='filiale' or id='nr', with target='umsatz';"),
        (stacked(row=range(12), stadt="B"), DEFAULT, "id='filiale', with target='...';"),
        (stacked(stadt=["A"] * 8 + ["B"] * 4), DEFAULT, "id='filiale', with target='umsatz';"),
        (stacked(filiale="F"), DEFAULT, "id='...';"),
        (stacked().drop(columns="filiale"), DEFAULT, "id='...';"),
    ],
)
def test_many_stamps_with_different_values_are_told_of_the_forgotten_series_first(frame, layout, advised):
    told = refusal(frame, layout)
    fix = f"To fix this: if the table holds several series, name their column: {advised} if it is one series"
    assert fix in told
    assert told.index("id=") < told.index("duplicates=")
    assert "drop_duplicates" not in told


def test_the_advised_column_makes_a_panel():
    assert Panel.from_frame(stacked(), TableLayout(id="filiale", target="umsatz")).num_series == 3


@pytest.mark.parametrize(
    ("stamps", "y"),
    [
        ([*hours(30), *hours(30)], 1.0),
        ([*hours(30), *hours(1)], range(31)),
        ([*hours(30), *hours(2)], range(32)),
    ],
)
def test_rows_that_agree_or_are_few_are_told_of_duplicates_first(stamps, y):
    told = refusal(pd.DataFrame({"ds": stamps, "y": y}))
    assert "To fix this: give duplicates='first', 'last' or 'mean'" in told
    assert "; if the table holds several series, name their column: id='...'" in told


def test_absent_values_do_not_count_in_a_mean():
    frame = pd.DataFrame({"ds": [1, 1, 1, 2, 2, 3], "y": [np.nan, 4.0, 8.0, np.nan, np.nan, 1.0]})
    panel = Panel.from_frame(frame, TableLayout(duplicates="mean", missing="mask"))
    np.testing.assert_array_equal(panel.values[:, 0], [6, np.nan, 1])


def test_errors_name_the_rows_of_the_table_also_where_some_were_left_out():
    frame = repeated()
    frame.loc[4, "y"] = np.nan
    for duplicates in ("first", "last", "mean"):
        told = refusal(frame, TableLayout(duplicates=duplicates))
        assert "series 'b', column 'y', row 4, ds 2: nan" in told


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(-9, 9)), min_size=1, max_size=20
    ),
    duplicates=st.sampled_from(["first", "last", "mean"]),
)
def test_repeated_stamps_become_what_pandas_makes_of_them(rows, duplicates):
    frame = pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).astype({"y": float})
    expected = frame.groupby(["unique_id", "ds"])["y"].agg(duplicates)
    panel = Panel.from_frame(frame, TableLayout(duplicates=duplicates, missing="mask", freq=1))
    observed = panel.values[~np.isnan(panel.values)]
    np.testing.assert_allclose(observed, expected.to_numpy(), rtol=0, atol=1e-12)
    assert (
        panel.time[~np.isnan(panel.values[:, 0])].tolist() == expected.index.get_level_values("ds").tolist()
    )
