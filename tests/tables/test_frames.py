"""Tables of every library give one panel, stay as they are, and are answered in their own library."""

import datetime
import subprocess
import sys

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from timeseries.answers import answer_frame
from timeseries.errors import DataError
from timeseries.panel import Panel, TableLayout
from timeseries.tables.frames import as_source, like

START = datetime.datetime(2024, 1, 1)
HOURS = [START + datetime.timedelta(hours=hour) for hour in range(3)]
LONG = {"unique_id": ["b", "a", "a"], "ds": [HOURS[0], HOURS[0], HOURS[1]], "y": [7.0, 1.0, 2.0]}
WIDE = {"ds": HOURS, "north": [1, 2, 3], "south": [4.5, 5.5, 6.5]}


def answered(panel, horizon=2):
    """Answer each step of series s with the number s."""
    numbers = np.arange(panel.num_series, dtype=float).reshape(-1, 1, 1, 1)
    return answer_frame(panel, np.tile(numbers, (1, horizon, len(panel.targets), 1)), None)


MAKERS = {
    "pandas": pd.DataFrame,
    "pandas with the types of arrow": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "lazy polars": pl.LazyFrame,
    "pyarrow": pa.table,
    "narwhals": lambda columns: nw.from_native(pl.DataFrame(columns)),
    "dict": dict,
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def make(request):
    return request.param


def test_a_long_table_of_every_library_gives_the_same_panel(make):
    panel = Panel.from_frame(make(LONG))
    assert (panel.ids, panel.shape, panel.offsets.tolist()) == (("a", "b"), "long", [0, 2, 3])
    assert panel.values[:, 0].tolist() == [1, 2, 7]
    assert panel.time.tolist() == [HOURS[0], HOURS[1], HOURS[0]]
    assert panel.frequency.step == "h"


def test_a_wide_table_of_every_library_gives_the_same_panel(make):
    panel = Panel.from_frame(make(WIDE))
    assert (panel.ids, panel.shape) == (("north", "south"), "wide")
    assert panel.values[:, 0].tolist() == [1, 2, 3, 4.5, 5.5, 6.5]


@pytest.mark.parametrize(
    ("make", "kind"), [(pd.DataFrame, pd.DataFrame), (pl.DataFrame, pl.DataFrame), (pa.table, pa.Table)]
)
@pytest.mark.parametrize("columns", [LONG, WIDE])
def test_the_answer_comes_in_the_library_of_the_question(make, kind, columns):
    answer = answered(Panel.from_frame(make(columns)))
    assert isinstance(answer, kind)
    rows = nw.from_native(answer).to_dict(as_series=False)
    if columns is LONG:
        assert rows["unique_id"] == ["a", "a", "b", "b"]
        assert rows["y"] == [0, 0, 1, 1]
        assert rows["ds"][0] == HOURS[2]
    else:
        assert rows["ds"] == [START + datetime.timedelta(hours=hour) for hour in (3, 4)]
        assert (rows["north"], rows["south"]) == ([0, 0], [1, 1])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_panel_is_written_as_the_table_that_was_read(make):
    frame = make(WIDE)
    written = Panel.from_frame(frame).to_frame()
    assert nw.from_native(written).to_dict(as_series=False) == nw.from_native(frame).to_dict(as_series=False)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_the_time_zone_goes_in_and_comes_out_in_every_library(make, zone):
    stamps = pd.date_range("2024-03-31", periods=5, freq="h", tz=zone)  # clocks go forward in Berlin
    frame = make(pd.DataFrame({"ds": stamps, "y": np.arange(5.0)}))
    panel = Panel.from_frame(frame)
    assert panel.zone == zone
    assert panel.time.tolist() == stamps.tz_convert("UTC").tz_localize(None).to_pydatetime().tolist()
    answer = answered(panel)
    assert type(answer) is type(frame)
    stamps_after = nw.from_native(answer)["ds"]
    assert str(stamps_after.dtype) == f"Datetime(time_unit='us', time_zone={zone!r})"
    assert stamps_after.to_list()[0] == stamps[-1] + pd.Timedelta(hours=1)


def test_an_offset_goes_in_and_comes_out():
    table = pa.table({"ds": pa.array(HOURS, pa.timestamp("us", "+01:00")), "y": [1.0, 2.0, 3.0]})
    panel = Panel.from_frame(table)
    assert panel.time.tolist() == HOURS
    assert str(answered(panel).schema.field("ds").type) == "timestamp[us, tz=+01:00]"
    assert str(pd.DatetimeIndex(panel.written(panel.time)).tz) == "UTC+01:00"


def test_arrow_and_polars_types_are_read():
    frame = pl.DataFrame(
        {
            "unique_id": pl.Series(["b", "a", "a"], dtype=pl.Categorical),
            "ds": [datetime.date(2024, 1, day) for day in (1, 1, 2)],
            "y": pl.Series([7, 1, None], dtype=pl.UInt8),
            "price": pl.Series(["1.5", "2.5", "3.5"]).cast(pl.Decimal(10, 2)),
            "open": [True, False, True],
        }
    )
    layout = TableLayout(past=["price", "open"], missing="mask")
    for table in (frame, frame.to_arrow()):
        panel = Panel.from_frame(table, layout)
        assert (panel.ids, panel.frequency.step) == (("a", "b"), "D")
        np.testing.assert_array_equal(panel.values, [[1, 2.5, 0], [np.nan, 3.5, 1], [7, 1.5, 1]])


def test_the_table_of_another_library_stays_as_it_is():
    frame = pl.DataFrame(WIDE)
    before = frame.clone()
    Panel.from_frame(frame).values[:] = 0
    assert frame.equals(before)


def test_an_array_gets_numbered_rows_and_named_columns():
    panel = Panel.from_frame(np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]))
    assert (panel.shape, panel.ids) == ("wide", ("y0", "y1"))
    assert panel.values[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert panel.time.tolist() == [0, 1, 2] * 2
    assert panel.notes[0] == "The table came without stamps: its rows are numbered from 0."
    assert answered(panel).to_dict("list") == {"ds": [3, 4], "y0": [0, 0], "y1": [1, 1]}


@pytest.mark.parametrize(
    "table",
    [
        np.array([1.0, 2.0]),
        np.array([[1.0], [2.0]]),
        [1, 2],
        (1, 2),
        pd.Series([1, 2]),
        pd.Series([1, 2], index=[7, 3], name="y"),
        pl.Series([1, 2]),
        pa.chunked_array([[1], [2]]),
    ],
    ids=lambda table: type(table).__name__,
)
def test_one_row_of_numbers_is_the_series_y(table):
    panel = Panel.from_frame(table)
    assert (panel.shape, panel.ids, panel.values[:, 0].tolist()) == ("joint", ("y",), [1, 2])
    assert panel.time.tolist() == [0, 1]
    answered(panel)


def test_an_array_is_copied():
    array = np.array([1.0, 2.0])
    Panel.from_frame(array).values[:] = 0
    assert array.tolist() == [1, 2]


def test_a_series_with_stamps_keeps_them_and_its_name():
    series = pd.Series([1.0, 2.0], index=pd.DatetimeIndex(HOURS[:2]), name="load")
    panel = Panel.from_frame(series)
    assert (panel.ids, panel.time.tolist()) == (("load",), HOURS[:2])


def test_an_array_of_named_fields_is_a_table():
    array = np.array([(1, 5.0), (2, 6.0)], dtype=[("ds", "i8"), ("y", "f8")])
    assert Panel.from_frame(array).values[:, 0].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "got builtins.NoneType"),
        ("table.csv", "got builtins.str"),
        (7, "got builtins.int"),
        (np.zeros((2, 2, 2)), "array of shape (2, 2, 2); expected (rows,) or (rows, columns)"),
        (np.array(5.0), "array of shape ()"),
        (np.array([]), "has no rows"),
        ([[1, 2], [3]], "list of uneven lists"),
        (["a", "b"], "row 0, ds 0: 'a'"),
        (np.array([1j, 2j]), "complex"),
        ({"ds": [1, 2], "y": [1]}, "not one of columns of the same length"),
        ({"ds": 1, "y": 2}, "not one of columns"),
        ({}, "has no rows"),
        (pl.DataFrame(), "has no rows"),
        (pl.DataFrame({"ds": HOURS, "y": [[1], [2], [3]]}), "must hold numbers"),
        (pa.table([[1], [2]], names=["y", "y"]), "occur more than once"),
        (pd.Series([1, 2], name="ds"), "is a series called 'ds'"),
    ],
)
def test_what_is_no_table_is_refused(table, told):
    with pytest.raises(DataError) as caught:
        Panel.from_frame(table)
    assert told in str(caught.value)


def test_a_future_may_come_from_another_library_than_its_history():
    history = pd.DataFrame(WIDE)
    future = pl.DataFrame({"ds": [HOURS[2] + datetime.timedelta(hours=1)], "south": [7.5]})
    panel = Panel.from_frame(history, TableLayout(target="north", future="south"), future=future)
    assert panel.known[:, 0].tolist() == [4.5, 5.5, 6.5, 7.5]


def test_a_pandas_frame_passes_through_without_a_copy():
    frame = pd.DataFrame(WIDE)
    assert as_source(frame, TableLayout()).frame is frame
    assert like(frame, "pandas") is frame


def test_a_pandas_frame_needs_no_other_library():
    code = (
        "import sys, pandas as pd; from timeseries.panel import Panel; "
        "Panel.from_frame(pd.DataFrame({'ds': [1, 2], 'y': [1., 2.]})).to_frame(); "
        "print('polars' in sys.modules, 'narwhals' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
