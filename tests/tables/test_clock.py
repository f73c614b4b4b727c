"""Stamps without an offset under a named clock: what it showed once, twice and never."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.answers import answer_frame
from timeseries.errors import DataError, SettingError
from timeseries.forecaster import Forecaster
from timeseries.panel import Panel, TableLayout

BERLIN = TableLayout(season_zone="Europe/Berlin")
DEFAULT = TableLayout()
SPRING, AUTUMN = "2024-03-31", "2024-10-27"


def instants(count, start=AUTUMN, zone="Europe/Berlin", step="h"):
    """Return stamps that know their offset, from local midnight on by default."""
    return pd.date_range(pd.Timestamp(start, tz=zone), periods=count, freq=step)


def shown(stamps):
    """Write stamps as the clock on the wall showed them."""
    return stamps.tz_localize(None)


def frame(stamps, **columns):
    return pd.DataFrame({"ds": stamps, "y": np.arange(float(len(stamps))), **columns})


def refusal(table, layout=BERLIN, **more):
    with pytest.raises(DataError) as caught:
        Panel.from_frame(table, layout, **more)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["dates", "text", "index"])
@pytest.mark.parametrize("start", [SPRING, AUTUMN])
def test_hours_that_a_clock_showed_are_the_instants_at_which_it_did(start, kind):
    stamps = instants(12, start)
    table = frame(shown(stamps) if kind != "text" else shown(stamps).astype(str))
    panel = Panel.from_frame(table.set_index("ds") if kind == "index" else table, BERLIN)
    assert (panel.zone, panel.frequency.step) == ("Europe/Berlin", "h")
    assert panel.written(panel.time).tolist() == stamps.tolist()
    assert panel.values[:, 0].tolist() == [*range(12)]


def test_what_was_done_is_noted_with_the_hour_that_stands_twice():
    read = "Stamps of the table without an offset were read as the clock of Europe/Berlin"
    twice = "the hour at 2024-10-27 02:00 stands twice, first before the change"
    assert f"{read}; {twice}." in Panel.from_frame(frame(shown(instants(8))), BERLIN).notes
    assert f"{read}." in Panel.from_frame(frame(shown(instants(8, SPRING))), BERLIN).notes
    two_years = frame(shown(instants(24 * 400)))
    assert f"{read}; {twice} (so in 1 more years)." in Panel.from_frame(two_years, BERLIN).notes


@given(
    start=st.sampled_from([SPRING, AUTUMN, "2024-07-01"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo"]),
    step=st.sampled_from(["h", "30min", "15min", "min"]),
    moved=st.integers(0, 100),
    count=st.integers(70, 90),
)
@settings(max_examples=60, deadline=None)
def test_any_stretch_of_any_clock_is_read_as_it_was(start, zone, step, moved, count):
    stamps = instants(count + moved, start, zone, step)[moved:]
    panel = Panel.from_frame(frame(shown(stamps)), TableLayout(season_zone=zone))
    assert panel.written(panel.time).tolist() == stamps.tolist()


@pytest.mark.parametrize("grouped", [True, False])
def test_every_series_has_the_hour_twice_in_its_own_order(grouped):
    table = pd.concat([frame(shown(instants(5)), unique_id=name) for name in "ab"])
    table = table if grouped else table.iloc[[5, 0, 6, 1, 7, 2, 8, 3, 9, 4]]
    panel = Panel.from_frame(table, BERLIN)
    assert panel.ids == ("a", "b")
    assert panel.values[:, 0].tolist() == [0, 1, 2, 3, 4] * 2
    assert panel.written(panel.time).tolist() == [*instants(5)] * 2


@pytest.mark.parametrize(
    ("kept", "meant"), [(slice(0, 3), slice(0, 3)), (slice(3, 8), slice(3, 8)), ([2, 4, 5], slice(3, 6))]
)
def test_a_table_that_begins_or_ends_within_the_hour_has_the_one_that_adjoins(kept, meant):
    stamps = instants(8)
    panel = Panel.from_frame(frame(shown(stamps)[kept]), BERLIN)
    assert panel.written(panel.time).tolist() == stamps[meant].tolist()
    assert "2024-10-27 02:00, at an end of the rows, was read as the one that adjoins" in " ".join(
        panel.notes
    )


@pytest.mark.parametrize("dropped", [2, 3])
def test_an_hour_that_the_clock_showed_twice_and_the_table_has_once_is_refused(dropped):
    told = refusal(frame(shown(instants(8)).delete(dropped)))
    assert "The clock of Europe/Berlin showed these stamps twice, but the table has their hour once" in told
    assert "row 2: Timestamp('2024-10-27 02:00:00')" in told
    assert "To fix this: add the rows of the other hour, in order of time, or write all stamps with" in told


@pytest.mark.parametrize("rows", [[2], [2, 5], [0, 2], [1, 2, 6]])
def test_an_hour_between_gaps_is_refused_as_either_could_be_meant(rows):
    layout = TableLayout(season_zone="Europe/Berlin", freq="h", missing="mask")
    table = frame(shown(instants(8))[rows])
    told = refusal(table, layout)
    assert "the table has their hour once" in told
    assert f"row {rows.index(2)}: Timestamp('2024-10-27 02:00:00')" in told


def test_the_hours_of_two_years_are_told_apart_though_no_row_lies_between_them():
    years = [instants(4, "2023-10-29")[2:], instants(4)[2:]]
    layout = TableLayout(season_zone="Europe/Berlin", freq="h", missing="mask")
    panel = Panel.from_frame(frame(shown(years[0].append(years[1]))), layout)
    assert panel.written(panel.time[[0, 1, -2, -1]]).tolist() == [*years[0], *years[1]]


def test_a_refused_row_is_that_of_the_table_though_its_series_are_mixed():
    table = pd.concat([frame(shown(instants(6)).delete(2), unique_id=name) for name in "ab"])
    told = refusal(table.iloc[[5, 0, 6, 1, 7, 2, 8, 3, 9, 4]])
    assert "series 'a', column 'ds', row 5: Timestamp('2024-10-27 02:00:00')" in told
    assert "series 'b', column 'ds', row 4: Timestamp('2024-10-27 02:00:00')" in told


def test_rows_in_the_hour_that_the_clock_skips_are_refused():
    stamps = pd.date_range(SPRING, periods=6, freq="h")
    told = refusal(frame(stamps))
    assert "The clock of Europe/Berlin never showed these stamps: it was put forward past them." in told
    assert "row 2: Timestamp('2024-03-31 02:00:00')" in told
    assert "row 3" not in told
    assert "leave season_zone out" in told


@pytest.mark.parametrize(
    "order",
    [
        [*range(12)][::-1],
        [4, *range(4), *range(5, 12)],
        sorted(range(12), key=lambda i: shown(instants(12, step="30min", start=AUTUMN))[i]),
    ],
)
def test_rows_whose_order_does_not_tell_the_hours_apart_are_refused(order):
    stamps = shown(instants(12, step="30min"))  # 02:00 and 02:30 stand twice, in rows 4 to 7
    told = refusal(frame(stamps[order]))
    assert "the order of the rows does not tell which of them came before it was put back" in told
    assert "Timestamp('2024-10-27 02:00:00')" in told
    assert "oldest first" in told


def test_a_stamp_that_stands_three_times_is_refused_whatever_duplicates_says():
    stamps = shown(instants(8))
    layout = TableLayout(season_zone="Europe/Berlin", duplicates="first")
    assert "each stamp once in each" in refusal(frame(stamps[[0, 1, 2, 2, 3, 4, 5]]), layout)
    panel = Panel.from_frame(frame(stamps[[0, 0, 1, 2, 3, 4, 5]]), layout)
    assert panel.written(panel.time).tolist() == instants(6).tolist()


@pytest.mark.parametrize("start", ["0001-01-01", "9999-12-31 18:00"])
def test_stamps_at_the_ends_of_the_calendar_are_refused_under_a_clock(start):
    stamps = pd.date_range(start, periods=6, freq="h", unit="us")
    told = refusal(frame(stamps), TableLayout(season_zone="America/New_York"))
    assert "The clock of America/New_York is known for the years 2 to 9998 only." in told
    assert Panel.from_frame(frame(stamps)).frequency.step == "h"


def test_rows_out_of_order_where_no_hour_stands_twice_are_sorted():
    stamps = instants(8, SPRING)
    panel = Panel.from_frame(frame(shown(stamps)[::-1]), BERLIN)
    assert panel.written(panel.time).tolist() == stamps.tolist()


@pytest.mark.parametrize(
    ("stamps", "told"),
    [
        (pd.date_range("2024-10-20", periods=14), "is for steps below a day, but the frequency is 'D'"),
        (pd.date_range("2024-10-20", periods=14, freq="6h"), "at steps of up to an hour"),
        (range(9), "is for steps below a day"),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_stamps_that_show_no_change_of_a_clock_are_refused_under_one(stamps, told, declared):
    freq = (getattr(stamps, "freqstr", None) or 1) if declared else None
    with pytest.raises(SettingError, match=told):
        Panel.from_frame(frame(stamps), TableLayout(season_zone="Europe/Berlin", freq=freq))


def test_a_future_of_one_row_is_read_as_the_clock_of_its_history():
    stamps = instants(5)
    table = frame(shown(stamps), price=1.0)
    layout = TableLayout(season_zone="Europe/Berlin", target="y", future="price")
    panel = Panel.from_frame(table[:4], layout, future=table[4:])
    assert panel.known.shape == (5, 1)
    told = refusal(table[:2], layout, future=table[2:3])
    assert "but the table has their hour once" in told  # its order says nothing: it is the only row


def test_the_answer_has_the_offsets_that_tell_the_hours_apart():
    panel = Panel.from_frame(frame(shown(instants(2))), BERLIN)
    answer = answer_frame(panel, np.zeros((1, 3, 1, 1)), None)
    assert [str(stamp) for stamp in answer["ds"]] == [
        "2024-10-27 02:00:00+02:00",
        "2024-10-27 02:00:00+01:00",
        "2024-10-27 03:00:00+01:00",
    ]


@pytest.mark.parametrize("start", [SPRING, AUTUMN])
def test_a_model_remembers_the_clock_for_later_tables(start, tmp_path):
    stamps = instants(72, pd.Timestamp(start) - pd.Timedelta(days=1))
    table = frame(shown(stamps))
    model = Forecaster("nlinear", horizon=3, context_length=6, max_steps=2, season_zone="Europe/Berlin")
    model.fit(table[:25]).save(tmp_path / "m")  # up to the midnight before the change
    model = Forecaster.load(tmp_path / "m")
    assert model.predict()["ds"].tolist() == stamps[25:28].tolist()
    assert model.predict(table[:40])["ds"].tolist() == stamps[40:43].tolist()
    assert len(model.evaluate(table[25:]).forecasts) > 0
    model.update(table[25:50])
    assert model.predict()["ds"].tolist() == stamps[50:53].tolist()
    model.update(table[50:51])
    assert model.predict()["ds"].tolist() == stamps[51:54].tolist()


@pytest.mark.parametrize(
    ("start", "zone"),
    [(day, zone) for zone, days in {
        "Europe/Berlin": ("2024-03-31", "2024-10-27", "2021-03-28", "2021-10-31"),
        "America/New_York": ("2024-03-10", "2024-11-03", "2020-03-08", "2020-11-01"),
        "Australia/Sydney": ("2024-10-06", "2024-04-07"),
    }.items() for day in days],
)  # fmt: skip
def test_only_the_change_of_a_clock_leads_to_its_zone(start, zone):
    stamps = shown(instants(48, pd.Timestamp(start) - pd.Timedelta(days=1), zone))
    told = refusal(frame(stamps), DEFAULT)
    assert "To fix this: if a clock was changed at that hour, name its zone, season_zone='...'" in told
    assert "In Python" not in told
    more = refusal(frame(stamps.delete(6)), DEFAULT)
    gaps_first = "stands" not in more and "same stamp twice" not in more
    assert ("season_zone" in more) != gaps_first  # another hour is absent as well
    twice = refusal(frame(stamps.insert(6, stamps[6])), DEFAULT)
    assert "season_zone" not in twice


def test_a_day_that_stands_twice_is_no_change_of_a_clock():
    days = pd.date_range("2024-10-20", periods=14)
    told = refusal(frame(days.insert(7, days[7])), DEFAULT)  # 27 October
    assert "has the same stamp twice" in told
    assert "season_zone" not in told


@pytest.mark.parametrize(
    "twice", ["2024-10-27 08:00", "2024-10-26 02:00", "2024-09-29 02:00", "2024-10-20 02:00"]
)
def test_another_hour_that_stands_twice_does_not_lead_to_a_clock(twice):
    stamps = pd.date_range(pd.Timestamp(twice) - pd.Timedelta(hours=9), periods=20, freq="h")
    told = refusal(frame(stamps.insert(9, stamps[9])), DEFAULT)
    assert f"{twice}:00: row 9 and row 10" in told
    assert "season_zone" not in told


@pytest.mark.parametrize("absent", [[2, 3], [9], [26]])
def test_other_absent_hours_do_not_lead_to_a_clock(absent):
    stamps = pd.date_range(SPRING, periods=48, freq="h")
    assert "season_zone" not in refusal(frame(stamps.delete(absent)), DEFAULT)
    assert "season_zone" in refusal(frame(stamps.delete([2])), DEFAULT)
