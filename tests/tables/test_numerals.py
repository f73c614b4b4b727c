"""Numbers written as text: groups of exactly three digits, and no reading that was not named."""

import io
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.errors import DataError
from timeseries.panel import Panel, TableLayout
from timeseries.tables.layout import THOUSANDS
from timeseries.tables.numerals import Numerals

WRITINGS = [(d, t) for d, t in itertools.product(".,", (None, *THOUSANDS)) if d != t]


def panel_of(cells, *, in_file, **layout):
    frame = pd.DataFrame({"ds": range(len(cells)), "y": cells})
    if not in_file:
        return Panel.from_frame(frame, TableLayout(**layout))
    return Panel.from_file(io.BytesIO(frame.to_csv(index=False, sep=";").encode()), TableLayout(**layout))


def refusal(cells, *, in_file, **layout):
    with pytest.raises(DataError) as caught:
        panel_of(cells, in_file=in_file, **layout)
    return str(caught.value)


def listed(told):
    """Return the cells that an error lists."""
    return re.findall(r"ds \d+: '(.*)'$", told, flags=re.MULTILINE)


@given(
    number=st.decimals(min_value=-(10**12), max_value=10**12, places=3, allow_nan=False),
    writing=st.sampled_from(WRITINGS),
)
def test_a_number_is_read_back_however_it_is_written(number, writing):
    """Python's own format is the reference: 1,234,567.125 with its marks exchanged."""
    decimal, thousands = writing
    text = f"{number:,.3f}" if thousands else f"{number:.3f}"
    text = text.translate({ord(","): thousands, ord("."): decimal})
    assert Numerals(decimal, thousands).read([text]).tolist() == [float(number)]


@given(
    whole=st.text("0123456789.", min_size=1, max_size=12),
    rest=st.sampled_from(["", ",5", ",", ",5,5"]),
)
def test_groups_that_are_not_of_three_digits_are_never_read(whole, rest):
    """Cut at the marks, the groups after the first must have three digits, the first one to three."""
    first, *groups = whole.split(".")
    right = all(map(len, groups)) and all(len(group) == 3 for group in groups) and len(first) in (1, 2, 3)
    right = right if groups else len(first) > 0
    read = Numerals(",", ".").read([whole + rest])[0]
    assert np.isnan(read) == (not right or rest == ",5,5")


@given(
    groups=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    first=st.integers(0, 99),
    last=st.integers(0, 999),
    cents=st.sampled_from(["", ".88"]),
)
def test_groups_of_two_before_the_last_three_are_read_between_commas(groups, first, last, cents):
    parts = [str(first), *(f"{group:02}" for group in groups), f"{last:03}"]
    text = ",".join(parts) + cents
    assert Numerals(".", ",").read([text]).tolist() == [float("".join(parts) + cents)]
    assert np.isnan(Numerals(",", ".").read([text.translate({44: ".", 46: ","})])).all()


@pytest.mark.parametrize(
    "text", ["1,57", "1,57,10", "1,57,1060", "157,10,606", "1,570,10,606", "1,5,106", "1,57,"]
)
def test_other_groups_of_two_are_not_read(text):
    assert np.isnan(Numerals(".", ",").read([text])).all()


INDIAN = ["1,57,106.88", "57,106", "106", "1,00,00,000"]


@pytest.mark.parametrize("in_file", [True, False])
def test_groups_of_two_are_told_their_mark_and_read_with_it(in_file):
    for cells in (INDIAN, ["1,57,106", "12,34,567"]):
        told = refusal(cells, in_file=in_file)
        assert told.endswith("To fix this: give thousands=',' for groups of two and three digits.")
    panel = panel_of(INDIAN, in_file=in_file, thousands=",")
    assert panel.values[:, 0].tolist() == [157106.88, 57106, 106, 10_000_000]


NEVER = ("\u0661\u0662", "1_000", "0x10", "inf", "nan", None, 5)


@pytest.mark.parametrize(
    "text",
    [
        "12.34,5",
        "1.2345",
        "1234.567",
        ".123",
        "1..234",
        "1.234.",
        "1,5,5",
        "1,234.5",
        "--1",
        "",
        " ",
        "1 234",
        *NEVER,
    ],
)
def test_what_is_no_number_in_this_writing_is_not_read(text):
    assert np.isnan(Numerals(",", ".").read([text])).all()


@pytest.mark.parametrize(
    ("text", "thousands", "number"),
    [
        ("1\u00a0234,5", " ", 1234.5),
        ("1\u202f234\u202f567", " ", 1234567),
        ("1\u2019234,5", "'", 1234.5),
        ("+1'234", "'", 1234),
        (" -1'234,5e2 ", "'", -123450),
        (",5", "'", 0.5),
    ],
)
def test_the_look_alikes_of_typography_are_the_mark(text, thousands, number):
    assert Numerals(",", thousands).read([text]).tolist() == [number]


GERMAN = ["126,34", "3.891,94", "1.234.567,8", "5"]


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("layout", [{"thousands": "."}, {"thousands": ".", "decimal": ","}])
def test_grouped_numbers_are_read_once_their_mark_is_named(in_file, layout):
    panel = panel_of(GERMAN, in_file=in_file, **layout)
    assert panel.values[:, 0].tolist() == [126.34, 3891.94, 1234567.8, 5.0]
    assert panel.layout.thousands == "."


@pytest.mark.parametrize("in_file", [True, False])
def test_only_the_cells_that_cannot_be_read_are_listed(in_file):
    told = refusal(GERMAN, in_file=in_file, decimal=",")
    assert listed(told) == ["3.891,94", "1.234.567,8"]
    assert told.endswith("To fix this: give thousands='.' for groups of three digits.")


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize(
    ("cells", "layout", "fix"),
    [
        (["1,5", "x1"], {"decimal": ","}, "correct these cells"),
        (["1,5", "12.34,5"], {"thousands": "."}, "correct these cells"),
        (["1,5", "1.234.5"], {"decimal": ","}, "correct these cells"),
        (["1.5", "1,234.5"], {"decimal": "."}, "give thousands=',' for groups of three digits."),
        (["5", "1,234"], {"decimal": "."}, "give thousands=',' for groups of three digits."),
        (["1.5", "1'234.5"], {"decimal": "."}, 'give thousands="\'" for groups of three digits.'),
        (["1.5", "1 234.5"], {"decimal": "."}, "give thousands=' ' for groups of three digits."),
        (["1.5", "1.234,5"], {"decimal": "."}, "correct these cells"),
        (
            ["2,5", "1.234,5"],
            {"decimal": "."},
            "give decimal=',' and thousands='.' for groups of three digits.",
        ),
        (
            ["2,5", "1.234,5", "-"],
            {"decimal": ","},
            "give thousands='.' for groups of three digits; correct the cells without",
        ),
        (["5,5", "-", "7"], {"decimal": ","}, "correct these cells"),
    ],
)
def test_a_mark_of_thousands_is_advised_exactly_where_the_cells_are_grouped(in_file, cells, layout, fix):
    assert f"To fix this: {fix}" in refusal(cells, in_file=in_file, **layout)


def test_a_comma_that_can_be_either_mark_is_not_guessed():
    told = refusal(["1,234", "5"], in_file=False)
    assert told.endswith("give decimal=',' for a decimal comma, or thousands=',' for groups of three digits.")
    for in_file in (True, False):
        assert panel_of(["1,234", "5,125"], in_file=in_file, decimal=",").values[0, 0] == 1.234
        assert panel_of(["1,234", "5,125"], in_file=in_file, thousands=",").values[0, 0] == 1234


@pytest.mark.parametrize("mark", ["'", " "])
def test_where_another_mark_groups_thousands_a_comma_begins_the_decimals(mark):
    assert panel_of(["1,234", f"5{mark}125,5"], in_file=True, thousands=mark).values[:, 0].tolist() == [
        1.234,
        5125.5,
    ]


def test_text_in_a_frame_is_refused_until_its_marks_are_named():
    assert "pd.to_numeric(frame['y'])" in refusal(["1", "2"], in_file=False)
    assert panel_of([1.0, "2,5"], in_file=False, decimal=",").values[:, 0].tolist() == [1.0, 2.5]


def test_columns_of_grouped_numbers_are_series_of_a_wide_table():
    frame = pd.DataFrame({"ds": [1, 2], "a": ["1.234.567", "2.345.678"], "b": ["1'234", "2'345"]})
    with pytest.raises(DataError, match=r"give thousands='\.'"):
        Panel.from_frame(frame)
    assert Panel.from_frame(frame[["ds", "a"]], TableLayout(thousands=".")).values[0, 0] == 1234567


def test_known_covariates_of_the_future_are_written_as_those_of_the_table():
    rows = [f"{row};{row},5;1.00{row},25" for row in range(6)]
    history, future = ("\n".join(["ds;y;k", *part]).encode() for part in (rows[:4], rows[4:]))
    layout = TableLayout(target="y", future="k", thousands=".")
    panel = Panel.from_file(io.BytesIO(history), layout, future=io.BytesIO(future))
    assert panel.known[:, 0].tolist() == [1000.25 + row for row in range(6)]
