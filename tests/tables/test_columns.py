"""Stamps written as quarters and weeks, and numbers with signs of currencies."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.errors import DataError
from timeseries.panel import Panel, TableLayout

DEFAULT = TableLayout()


def panel_of(stamps, layout=DEFAULT):
    return Panel.from_frame(pd.DataFrame({"ds": stamps, "y": np.arange(float(len(stamps)))}), layout)


def refusal(frame, layout=DEFAULT):
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, layout)
    return str(caught.value)


@pytest.mark.parametrize("dash", ["", "-"])
@pytest.mark.parametrize("time", ["ds", "quarter"])  # found by its name, or as the only column of dates
def test_quarters_are_read_as_their_first_days(dash, time):
    periods = pd.period_range("1999Q3", periods=9, freq="Q")
    texts = [f"{period.year}{dash}Q{period.quarter}" for period in periods]
    panel = Panel.from_frame(pd.DataFrame({time: texts, "y": np.arange(9.0)}))
    assert pd.DatetimeIndex(panel.time).tolist() == periods.to_timestamp().tolist()
    assert panel.frequency.step == "QS-JAN"
    note = f"Column '{time}' of the table holds quarters: read as the stamps of their first days."
    assert note in panel.notes


@given(
    monday=st.dates(datetime.date(1600, 1, 1), datetime.date(2500, 1, 1)).map(
        lambda day: day - datetime.timedelta(days=day.weekday())
    ),
    dash=st.sampled_from(["", "-"]),
)
def test_iso_weeks_are_read_as_their_mondays(monday, dash):
    days = [monday + datetime.timedelta(weeks=week) for week in range(60)]
    names = [day.isocalendar() for day in days]
    panel = panel_of([f"{name.year:04}{dash}W{name.week:02}" for name in names])
    assert panel.time.astype("datetime64[D]").tolist() == days
    assert panel.frequency.step == "W-MON"
    assert "Column 'ds' of the table holds ISO weeks: read as the stamps of their first days." in panel.notes


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["2020Q1", "2020Q5"], "quarters"),
        (["2020Q1", "2020-04-01"], "quarters"),
        (["2020-W01", "2020-W00"], "ISO weeks"),
        (["2020-W53", "2021-W53"], "ISO weeks"),  # 2021 has 52, by ISO 8601
        (["2020-W01", "2020-Q2"], "ISO weeks"),
    ],
)
def test_text_that_names_no_such_period_is_refused_by_row(texts, kind):
    told = refusal(pd.DataFrame({"ds": texts, "y": [1.0, 2.0]}))
    assert f"holds text that names none of the {kind}, as the first does." in told
    assert f"row 1: {texts[1]!r}" in told
    assert "row 0" not in told
    assert "date_format" not in told


def test_a_named_format_decides_how_weeks_are_read():
    layout = TableLayout(date_format="%G-W%V-%u")
    assert str(panel_of(["2020-W01-1", "2020-W02-1"], layout).time[0])[:10] == "2019-12-30"


@pytest.mark.parametrize(
    ("cells", "fix"),
    [
        (["\u20ac 50.13", "\u20ac 4"], "remove the sign \u20ac from the cells."),
        (["\u00a350.13", "$4"], "remove the sign \u00a3, $ from the cells."),
        (["50.13 %", "4 %"], "remove the sign % from the cells."),
        (
            ["\u20ac 1.050,13", "\u20ac 4"],
            "remove the sign \u20ac from the cells; give thousands='.' for groups of three digits.",
        ),
        (
            ["\u20b9 1,57,106.88", "4"],
            "remove the sign \u20b9 from the cells; give thousands=',' for groups of two and three digits.",
        ),
        (
            ["\u20ac 50.13", "-"],
            "remove the sign \u20ac from the cells; correct the cells without digits, or leave them empty "
            "(NaN) and give missing='mask'.",
        ),
        (["5a", "6b"], "correct these cells: plain numbers are written like 1234.5."),
        (["a", "b"], "correct these cells, or leave them empty (NaN) and give missing='mask'."),
    ],
)
def test_cells_are_told_what_makes_numbers_of_them(cells, fix):
    frame = pd.DataFrame({"ds": [1, 2], "y": cells})
    assert refusal(frame).endswith(f"To fix this: {fix}")
    if "missing" not in fix:
        assert "NaN" not in refusal(frame)


def test_a_column_of_money_is_not_left_out_of_a_wide_table():
    frame = pd.DataFrame({"ds": [1, 2], "price": ["\u20ac 1", "\u20ac 2"], "load": [1.0, 2.0]})
    assert "Column 'price' of the table must hold numbers." in refusal(frame)
