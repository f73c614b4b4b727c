"""Absent values: those at the head of a series, series without any, and what is said about the others."""

import contextlib
import datetime
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.errors import DataError, TimeSeriesError
from timeseries.panel import Panel, TableLayout

NAN = float("nan")
DEFAULT = TableLayout()


def refusal(frame, layout=DEFAULT):
    with pytest.raises(DataError) as caught:
        Panel.from_frame(frame, layout)
    return str(caught.value)


def long_frame():
    return pd.DataFrame(
        {
            "unique_id": ["a"] * 3 + ["b"] * 4,
            "ds": [1, 2, 3, 1, 2, 3, 4],
            "y": [1.0, 2.0, 3.0, NAN, NAN, 30.0, 40.0],
            "price": [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0],
        }
    )


def test_absent_values_at_the_head_of_a_series_are_left_out_with_their_count():
    panel = Panel.from_frame(long_frame().iloc[::-1], TableLayout(future="price"))
    assert panel.values[:, 0].tolist() == [1, 2, 3, 30, 40]
    assert panel.time.tolist() == [1, 2, 3, 3, 4]
    assert panel.known[:, 0].tolist() == [5, 6, 7, 10, 11]
    assert "2 rows before the first observed value of their series were left out (1 series)." in panel.notes


def test_absent_values_at_the_head_stay_where_they_are_masked():
    panel = Panel.from_frame(long_frame(), TableLayout(missing="mask"))
    assert panel.lengths.tolist() == [3, 4]


def test_absent_values_elsewhere_are_refused_still():
    frame = long_frame()
    frame.loc[6, "y"] = NAN
    told = refusal(frame)
    assert "series 'b', column 'y', row 6, ds 4: nan" in told
    assert "row 3" not in told


def test_series_of_a_wide_table_may_begin_one_after_the_other():
    frame = pd.DataFrame(
        {
            "ds": [1, 2, 3, 4],
            "u": [NAN, NAN, 3.0, 4.0],
            "v": [NAN, 6.0, 7.0, 8.0],
            "price": [1.0, 2.0, 3.0, 4.0],
        }
    )
    panel = Panel.from_frame(frame, TableLayout(future="price"))
    assert (panel.ids, panel.offsets.tolist(), panel.known_offsets.tolist()) == (
        ("u", "v"),
        [0, 2, 5],
        [0, 2, 5],
    )
    assert panel.values[:, 0].tolist() == [3, 4, 6, 7, 8]
    assert panel.time.tolist() == [3, 4, 2, 3, 4]
    assert panel.known[:, 0].tolist() == [3, 4, 2, 3, 4]
    assert "1 series begin later than the table: 1 rows without their values were left out." in panel.notes
    pd.testing.assert_frame_equal(panel.to_frame(), frame[1:].reset_index(drop=True))
    pd.testing.assert_frame_equal(panel.tail(1).to_frame(), frame[3:].reset_index(drop=True))
    frame.loc[3, "u"] = NAN
    assert "series 'u', column 'u', row 3, ds 4: nan" in refusal(frame, TableLayout(future="price"))


def test_a_head_ends_with_the_first_value_of_any_target():
    frame = pd.DataFrame({"ds": [1, 2, 3, 4], "u": [NAN, NAN, 3.0, 4.0], "v": [NAN, 2.0, 3.0, 4.0]})
    assert "column 'u', row 1, ds 2: nan" in refusal(frame, TableLayout(target=["u", "v"]))
    panel = Panel.from_frame(frame.assign(u=[NAN, 2.0, 3.0, 4.0]), TableLayout(target=["u", "v"]))
    assert panel.values.tolist() == [[2, 2], [3, 3], [4, 4]]


def test_a_row_of_covariates_alone_is_no_head():
    frame = pd.DataFrame({"ds": [1, 2, 3], "y": [1.0, 2.0, 3.0], "lag": [NAN, 1.0, 2.0]})
    assert "column 'lag', row 0" in refusal(frame, TableLayout(past="lag"))


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_series_without_a_value_are_dropped_if_asked(missing):
    frame = long_frame()
    frame.loc[3:, "y"] = NAN
    assert "series 'b', column 'y', row 3, ds 1: nan from here to the end" in refusal(frame)
    panel = Panel.from_frame(frame, TableLayout(bad_series="drop", missing=missing, future="price"))
    assert (panel.ids, panel.offsets.tolist()) == (("a",), [0, 3])
    assert panel.known[:, 0].tolist() == [5, 6, 7]
    assert "Left out without a single observed value: 'b'." in panel.notes


def test_columns_without_a_value_are_dropped_from_a_wide_table_if_asked():
    frame = pd.DataFrame({"ds": [1, 2], "u": [1.0, 2.0], "v": NAN, "w": [3.0, 4.0], "price": 5.0})
    panel = Panel.from_frame(frame, TableLayout(bad_series="drop", past="price"))
    assert panel.ids == ("u", "w")
    assert panel.values.tolist() == [[1, 5], [2, 5], [3, 5], [4, 5]]


def test_a_table_of_nothing_but_absent_values_is_refused_also_if_bad_series_are_dropped():
    frame = pd.DataFrame({"ds": [1, 2], "y": [NAN, NAN]})
    assert "none is left to forecast" in refusal(frame, TableLayout(bad_series="drop"))


def test_a_column_of_text_called_y_is_shown_as_such():
    told = refusal(pd.DataFrame({"ds": [1, 2], "y": ["n/a", "-"]}))
    assert "Column 'y' of the table must hold numbers.\n  series 'y', column 'y', row 0, ds 1: 'n/a'" in told


# --- columns of odd names, types and values ---

ODD_NAMES = ["größe", "😀", "a b", "quo\"te'", "new\nline", "__proto__", "x" * 10_000, "", " ", "nul\0byte"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_columns_of_any_name_go_in_and_come_out(name, make):
    frame = make({"ds": [1, 2, 3], name: [1.0, 2.0, 3.0], "other": [4.0, 5.0, 6.0]})
    panel = Panel.from_frame(frame)
    assert panel.ids == (name, "other")
    written = panel.to_frame()
    assert list(written.columns) == ["ds", name, "other"]
    assert list(written[name]) == [1, 2, 3]


def test_columns_may_be_numbered():
    frame = pd.DataFrame([[1, 5.0, 7.0], [2, 6.0, 8.0]]).rename(columns={0: "ds"})
    panel = Panel.from_frame(frame)
    assert panel.ids == (1, 2)
    assert panel.to_frame().columns.tolist() == ["ds", 1, 2]


@pytest.mark.parametrize(
    ("first", "step"), [("0001-01-01", "D"), ("9999-12-20", "D"), ("2262-04-10", "D"), ("1677-09-20", "D")]
)
def test_years_far_away_are_kept_to_the_day(first, step):
    time = np.datetime64(first, "us") + np.arange(5) * np.timedelta64(1, "D")
    panel = Panel.from_frame(pd.DataFrame({"ds": time, "y": 1.0}))
    assert panel.frequency.step == step
    assert panel.time.tolist() == time.tolist()
    assert panel.future_times(1)[0, 0] == time[-1] + np.timedelta64(1, "D")


def test_the_leap_day_and_the_days_around_the_years_are_on_the_grid():
    stamps = pd.date_range("2023-12-30", "2024-03-02")
    panel = Panel.from_frame(pd.DataFrame({"ds": stamps, "y": 1.0}))
    assert panel.future_times(1)[0, 0] == np.datetime64("2024-03-03")
    until_the_28th = panel.until(np.array([61]))
    assert until_the_28th.future_times(1)[0, 0] == np.datetime64("2024-02-29")


def test_a_panel_of_one_row_can_be_made_with_a_frequency():
    panel = Panel.from_frame(pd.DataFrame({"ds": [5], "y": [1.0]}), TableLayout(freq=1))
    assert (panel.lengths.tolist(), panel.future_times(2).tolist()) == ([1], [[6, 7]])
    assert "freq='h'" in refusal(pd.DataFrame({"ds": [5], "y": [1.0]}))


def test_holes_in_integer_time_are_listed_or_masked():
    frame = pd.DataFrame({"ds": [0, 1, 2, 5, 6, 7], "y": 1.0})
    told = refusal(frame)
    assert "ds 3, between row 2 and row 3" in told
    assert "ds 4, between row 2 and row 3" in told
    assert Panel.from_frame(frame, TableLayout(missing="mask")).lengths.tolist() == [8]


def test_periods_are_read_as_their_start_with_a_note():
    frame = pd.DataFrame({"y": [1.0, 2.0]}, index=pd.period_range("2024-01", periods=2, freq="M"))
    panel = Panel.from_frame(frame)
    assert panel.time.astype("datetime64[D]").astype(str).tolist() == ["2024-01-01", "2024-02-01"]
    assert "Column 'ds' of the table holds periods: read as the stamps of their start." in panel.notes


@pytest.mark.parametrize(
    ("column", "date_format", "first"),
    [
        (["01/02/2024", "02/02/2024"], "%d/%m/%Y", "2024-02-01"),
        (["01/31/2024", "02/01/2024"], "%m/%d/%Y", "2024-01-31"),
        ([20240131, 20240201], "%Y%m%d", "2024-01-31"),
        (["31. 1. 24", "1. 2. 24"], "%d. %m. %y", "2024-01-31"),
    ],
)
def test_a_date_format_decides_how_text_is_read(column, date_format, first):
    panel = Panel.from_frame(pd.DataFrame({"ds": column, "y": 1.0}), TableLayout(date_format=date_format))
    assert (panel.frequency.step, str(panel.time[0])[:10]) == ("D", first)


def test_a_date_format_that_does_not_fit_names_the_cell():
    frame = pd.DataFrame({"ds": ["01/02/2024", "13/02/2024"], "y": 1.0})
    assert "date_format='%d/%m/%Y' if the day comes first" in refusal(frame.replace("13", "12", regex=True))
    told = refusal(frame, TableLayout(date_format="%m/%d/%Y"))
    assert "no date like '%m/%d/%Y'.\n  series 'y', column 'ds', row 1: '13/02/2024'" in told


# --- any frame at all ---


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["1,5", "2024-01-01", "01/02/2024", "n/a", "2024-01-01T00:00Z", "", "-"]),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([datetime.UTC, BERLIN])),
    st.dates(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.lists(st.integers(), max_size=1),
    st.tuples(),
    st.binary(max_size=2),
)
DTYPES = [
    "Int64",
    "Float32",
    "boolean",
    "string",
    "category",
    "float16",
    "datetime64[ns]",
    "datetime64[s, UTC]",
]
COLUMNS = st.one_of(
    st.sampled_from(["unique_id", "ds", "y", "price", "area", "x"]),
    st.text(max_size=2),
    st.integers(-1, 1),
    st.none(),
)


@st.composite
def columns(draw, rows):
    kind = draw(st.sampled_from(["any", "one", "regular", "stamps", "names"]))
    if kind == "regular":
        return pd.Series(np.arange(rows) * draw(st.sampled_from([1, 2, 0.5, 1e300, NAN])))
    if kind == "stamps":
        step = draw(st.sampled_from(["h", "D", "MS", "7D", "us"]))
        zone = draw(st.sampled_from([None, None, "UTC", "Europe/Berlin"]))
        order = draw(st.permutations(range(rows)))
        return pd.Series(pd.date_range("2024-03-30", periods=rows, freq=step, tz=zone)[order])
    if kind == "names":
        return pd.Series(draw(st.lists(st.sampled_from("ab"), min_size=rows, max_size=rows)), dtype=object)
    cells = (
        CELLS if kind == "any" else draw(st.sampled_from([st.integers(-3, 3), st.floats(), st.datetimes()]))
    )
    column = pd.Series(draw(st.lists(cells, min_size=rows, max_size=rows)), dtype=object)
    with contextlib.suppress(Exception):
        return column.astype(draw(st.sampled_from(DTYPES)))
    return column


@st.composite
def frames(draw):
    """Good long tables, of which columns are replaced, renamed, left out or made the index."""
    rows = draw(st.integers(0, 6))
    good = {
        "unique_id": pd.Series(
            draw(st.lists(st.sampled_from("ab"), min_size=rows, max_size=rows)), dtype=object
        ),
        "ds": pd.Series(pd.date_range("2024-03-30", periods=rows, freq="h")),
        "y": pd.Series(
            draw(st.lists(st.sampled_from([1.0, 2.0, NAN]), min_size=rows, max_size=rows)), dtype=float
        ),
        "price": pd.Series(np.arange(rows, dtype=float)),
        "area": pd.Series(np.ones(rows)),
    }
    for name in draw(st.lists(st.sampled_from(sorted(good)), max_size=2)):
        good[name] = draw(columns(rows))
    dropped = draw(st.lists(st.sampled_from([*good, *good, "unique_id"]), max_size=2))
    renamed = draw(st.dictionaries(st.sampled_from([*good]), COLUMNS, max_size=1))
    parts = [column.rename(renamed.get(name, name)) for name, column in good.items() if name not in dropped]
    frame = pd.concat(parts, axis=1)
    if draw(st.booleans()) and parts[0].dtype != np.float16:
        frame = frame.iloc[:, 1:].set_index(pd.Index(parts[0]))
    return frame


layouts = st.builds(
    TableLayout,
    target=st.sampled_from([None, None, "y", ["y", "x"]]),
    future=st.sampled_from([(), (), "price"]),
    static=st.sampled_from([(), (), "area"]),
    missing=st.sampled_from(["error", "mask"]),
    duplicates=st.sampled_from(["error", "first", "last", "mean"]),
    bad_series=st.sampled_from(["error", "drop"]),
    freq=st.sampled_from([None, None, 1, "h", "MS"]),
    date_format=st.sampled_from([None, None, "%Y-%m-%d", "%d/%m/%Y"]),
)


@settings(max_examples=100, deadline=None)
@given(frame=frames(), layout=layouts, future=st.one_of(st.none(), frames()))
def test_any_frame_is_refused_in_our_words_or_becomes_a_panel_of_numbers(frame, layout, future):
    before = [None if table is None else table.copy(deep=True) for table in (frame, future)]
    panel = None
    with contextlib.suppress(TimeSeriesError):
        panel = Panel.from_frame(frame, layout, future=future)
    for table, copy in zip((frame, future), before, strict=True):
        if table is not None:
            pd.testing.assert_frame_equal(table, copy)
    if panel is None:
        return
    assert not np.isinf(panel.values).any()
    assert np.isfinite(panel.known).all()
    assert np.isfinite(panel.static).all()
    assert layout.missing == "mask" or not panel.has_missing
    assert panel.offsets[-1] == len(panel.values) == len(panel.time)
    assert len(panel.ids) == panel.num_series == len(panel.static)
    panel.to_frame()


@pytest.mark.parametrize("year", [-5000, 0, 10_000, 280_000])
def test_years_that_no_calendar_prints_are_refused(year):
    time = np.datetime64(year - 1970, "Y").astype("datetime64[s]") + np.arange(3)
    assert "outside the years 1 to 9999" in refusal(pd.DataFrame({"ds": time, "y": 1.0}))
