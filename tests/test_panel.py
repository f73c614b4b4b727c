"""Panels: every good table becomes one buffer, every bad one an error that names the place."""

import contextlib
import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.errors import DataError, SettingError
from timeseries.panel import Panel, TableLayout

DATA = os.environ.get("TIMESERIES_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="set TIMESERIES_DATA to the folder of real data sets")
NAN = float("nan")
DEFAULT = TableLayout()


def hours(count, start="2024-01-01"):
    return pd.date_range(start, periods=count, freq="h")


def long_frame():
    """Two hourly series, a of three and b of four rows, with a covariate of each kind."""
    return pd.DataFrame(
        {
            "unique_id": ["a"] * 3 + ["b"] * 4,
            "ds": [*hours(3), *hours(4, "2024-02-01")],
            "y": [1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 40.0],
            "load": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
            "price": [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0],
            "area": [100.0] * 3 + [200.0] * 4,
        }
    )


def wide_frame():
    return pd.DataFrame({"ds": hours(4), "north": [1.0, 2.0, 3.0, 4.0], "south": [5.0, 6.0, 7.0, 8.0]})


ALL_ROLES = TableLayout(past=["load"], future=["price"], static=["area"])


def error(frame, layout=DEFAULT, kind=DataError, **more):
    """Return the message with which a frame is refused."""
    before = frame.copy(deep=True) if isinstance(frame, pd.DataFrame) else None
    with pytest.raises(kind) as caught:
        Panel.from_frame(frame, layout, **more)
    if before is not None:
        pd.testing.assert_frame_equal(frame, before)
    return str(caught.value)


# --- what a good table becomes ---


def test_a_long_table_becomes_one_buffer_with_offsets():
    panel = Panel.from_frame(long_frame(), ALL_ROLES)
    assert panel.shape == "long"
    assert panel.ids == ("a", "b")
    assert panel.num_series == 2
    assert panel.offsets.tolist() == [0, 3, 7]
    assert panel.lengths.tolist() == [3, 4]
    assert panel.values.tolist() == [[1, 0.1], [2, 0.2], [3, 0.3], [10, 0.4], [20, 0.5], [30, 0.6], [40, 0.7]]
    assert panel.known[:, 0].tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert panel.known_offsets.tolist() == [0, 3, 7]
    assert panel.static.tolist() == [[100], [200]]
    assert panel.frequency.step == "h"
    assert (panel.targets, panel.past, panel.future, panel.static_names) == (
        ("y",),
        ("load",),
        ("price",),
        ("area",),
    )
    assert panel.time.astype("datetime64[h]").astype(str).tolist()[2:4] == ["2024-01-01T02", "2024-02-01T00"]
    assert panel.notes == ("Frequency: h, found in the stamps.",)
    assert not panel.has_missing


def test_the_arrays_have_the_promised_types_and_share_no_memory_with_the_frame():
    frame = long_frame()
    panel = Panel.from_frame(frame, ALL_ROLES)
    assert [a.dtype.str for a in (panel.values, panel.known, panel.static)] == ["<f8"] * 3
    assert (panel.offsets.dtype, panel.known_offsets.dtype) == (np.int64, np.int64)
    assert panel.time.dtype == np.dtype("datetime64[us]")
    panel.values[:], panel.time[:] = 0.0, panel.time[0]
    pd.testing.assert_frame_equal(frame, long_frame())
    assert panel.values.flags.c_contiguous


def test_rows_in_any_order_give_the_same_panel():
    frame = long_frame()
    shuffled = frame.iloc[[4, 2, 6, 0, 3, 1, 5]]
    one, two = Panel.from_frame(frame, ALL_ROLES), Panel.from_frame(shuffled, ALL_ROLES)
    for field in ("offsets", "values", "time", "known", "static"):
        assert getattr(one, field).tolist() == getattr(two, field).tolist()
    assert "Rows of the table were not in order of ds: sorted." in two.notes


def test_series_that_alternate_row_by_row_are_told_apart_without_a_note():
    frame = long_frame().iloc[[0, 3, 1, 4, 2, 5, 6]]
    panel = Panel.from_frame(frame)
    assert panel.values[:, 0].tolist() == [1, 2, 3, 10, 20, 30, 40]
    assert not any("order" in note for note in panel.notes)


def test_a_wide_table_has_a_series_per_column_in_the_order_of_the_columns():
    frame = wide_frame()[["south", "ds", "north"]]
    panel = Panel.from_frame(frame)
    assert panel.shape == "wide"
    assert panel.ids == ("south", "north")
    assert panel.offsets.tolist() == [0, 4, 8]
    assert panel.values[:, 0].tolist() == [5, 6, 7, 8, 1, 2, 3, 4]
    assert panel.time[:4].tolist() == panel.time[4:].tolist() == list(hours(4).to_pydatetime())
    assert panel.targets == ("y",)
    assert (
        "Every column of numbers is a series of its own (2): 'south', 'north'. If some are covariates, name "
        "what is what: target='...', past=['...'], future=['...']."
    ) in panel.notes


def test_covariates_of_a_wide_table_belong_to_every_series():
    frame = wide_frame().assign(load=[0.1, 0.2, 0.3, 0.4], price=[5, 6, 7, 8], area=9)
    panel = Panel.from_frame(frame, ALL_ROLES)
    assert panel.ids == ("north", "south")
    assert panel.values.tolist() == [[y, x / 10] for y, x in zip(range(1, 9), [1, 2, 3, 4] * 2, strict=True)]
    assert panel.known[:, 0].tolist() == [5, 6, 7, 8, 5, 6, 7, 8]
    assert panel.known_offsets.tolist() == [0, 4, 8]
    assert panel.static.tolist() == [[9], [9]]


def test_named_targets_of_a_wide_table_are_one_joint_series():
    panel = Panel.from_frame(
        wide_frame().assign(load=1), TableLayout(target=["south", "north"], past=["load"])
    )
    assert (panel.shape, panel.ids, panel.targets) == ("joint", ("joint",), ("south", "north"))
    assert panel.values.tolist() == [[5, 1, 1], [6, 2, 1], [7, 3, 1], [8, 4, 1]]
    single = Panel.from_frame(wide_frame(), TableLayout(target="south"))
    assert (single.shape, single.ids, single.targets) == ("joint", ("south",), ("south",))
    assert "Columns not used: 'north'." in single.notes


def test_a_table_of_time_and_y_is_one_series_called_y():
    panel = Panel.from_frame(wide_frame().rename(columns={"north": "y", "south": "x"}), TableLayout(past="x"))
    assert (panel.shape, panel.ids, panel.targets, panel.past) == ("joint", ("y",), ("y",), ("x",))


def test_a_long_table_may_have_several_targets():
    panel = Panel.from_frame(long_frame(), TableLayout(target=["load", "y"]))
    assert (panel.targets, panel.values[3].tolist()) == (("load", "y"), [0.4, 10])


@pytest.mark.parametrize(
    "ids", [[2, 10, 10], ["2", "10", "10"], [2.5, 0.5, 0.5], [("a", 1), ("a", 0), ("a", 0)]]
)
def test_names_of_series_keep_their_type_and_are_sorted(ids):
    frame = pd.DataFrame({"unique_id": pd.Series(ids), "ds": [1, 1, 2], "y": 0.0})
    panel = Panel.from_frame(frame)
    assert panel.ids == tuple(sorted(set(ids)))
    assert [type(name) for name in panel.ids] == [type(ids[0])] * 2


def test_names_of_several_types_are_accepted():
    frame = pd.DataFrame({"unique_id": pd.Series(["a", 1, 1], dtype=object), "ds": [1, 1, 2], "y": 0.0})
    assert set(Panel.from_frame(frame).ids) == {"a", 1}


def test_names_that_cannot_be_compared_keep_the_order_of_their_appearance():
    names = pd.Series([("b", 1), 2.5, 2.5, ("a", 1)], dtype=object)
    frame = pd.DataFrame({"unique_id": names, "ds": [1, 1, 2, 1], "y": 0.0})
    assert Panel.from_frame(frame).ids == (("b", 1), 2.5, ("a", 1))


def test_a_list_names_no_series():
    frame = pd.DataFrame({"unique_id": [[1], [1], [1]], "ds": [1, 2, 3], "y": 0.0})
    assert "holds lists or the like" in error(frame)


def test_categories_name_series_too_and_unused_ones_do_not():
    frame = long_frame()
    frame["unique_id"] = pd.Categorical(frame["unique_id"], categories=["c", "b", "a"])
    assert sorted(Panel.from_frame(frame).ids) == ["a", "b"]


# --- where the stamps are ---


@pytest.mark.parametrize("name", [None, "when", "north"])
def test_stamps_may_be_the_index(name):
    frame = wide_frame().set_index("ds").rename_axis(name)
    panel = Panel.from_frame(frame)
    assert panel.ids == ("north", "south")
    assert panel.time[:4].tolist() == list(hours(4).to_pydatetime())
    assert panel.layout.time == ("when" if name == "when" else "ds")


def test_series_and_stamps_may_be_levels_of_the_index():
    panel = Panel.from_frame(long_frame().set_index(["unique_id", "ds"])[["y"]])
    assert (panel.ids, panel.offsets.tolist()) == (("a", "b"), [0, 3, 7])


@pytest.mark.parametrize("convert", [lambda s: s, lambda s: s.astype(str), lambda s: s.dt.date])
def test_the_only_column_of_dates_holds_the_stamps_whatever_its_name(convert):
    frame = (
        wide_frame()
        .assign(ds=pd.date_range("2024-01-01", periods=4), place="x")
        .rename(columns={"ds": "Day"})
    )
    panel = Panel.from_frame(frame.assign(Day=convert(frame["Day"])))
    assert (panel.layout.time, panel.frequency.step, panel.ids) == ("Day", "D", ("north", "south"))
    assert "Columns not used: 'place'." in panel.notes


@pytest.mark.parametrize(
    ("column", "step"),
    [
        (["2024-01", "2024-02", "2024-03"], "MS"),
        (["2024-01-01T00:00:00", "2024-01-01T00:15:00", "2024-01-01T00:30:00"], "15min"),
        (["13/02/2024", "14/02/2024", "15/02/2024"], "D"),
        (["1/12/2024", "1/13/2024", "1/14/2024"], "D"),
        (pd.period_range("2024-01", periods=3, freq="M"), "MS"),
        (pd.period_range("2024-01", periods=3, freq="Q").astype(object), "QS-JAN"),
        (pd.Categorical(["2024-01-01", "2024-01-02", "2024-01-03"]), "D"),
        (pd.date_range("2024-01-01", periods=3).as_unit("ns"), "D"),
        (pd.date_range("2024-01-01", periods=3).as_unit("s"), "D"),
        ([3, 5, 7], 2),
        (pd.array([3, 5, 7], dtype="Int64"), 2),
        (np.array([3, 5, 7], dtype=np.uint8), 2),
        ([3.0, 5.0, 7.0], 2),
    ],
)
def test_stamps_of_every_kind_are_read(column, step):
    panel = Panel.from_frame(pd.DataFrame({"ds": column, "y": [1.0, 2.0, 3.0]}))
    assert panel.frequency.step == step
    assert panel.time.dtype in (np.dtype("datetime64[us]"), np.int64)


def test_day_and_month_are_told_apart_by_the_numbers_above_twelve():
    frame = pd.DataFrame({"ds": ["1/12/2024", "2/12/2024", "14/12/2024"], "y": 1.0})
    panel = Panel.from_frame(frame, TableLayout(missing="mask"))
    assert panel.time[[0, 1, -1]].astype("datetime64[D]").astype(str).tolist() == [
        *["2024-12-01", "2024-12-02", "2024-12-14"]
    ]


# --- numbers ---


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "uint64",
        "float16",
        "float32",
        "Int64",
        "Float32",
        "bool",
        "boolean",
        "object",
        "Sparse[float]",
    ],
)
def test_numbers_of_every_dtype_become_float64(dtype):
    panel = Panel.from_frame(wide_frame().assign(north=pd.Series([1, 0, 1, 1]).astype(dtype)))
    assert panel.values[:4, 0].tolist() == [1, 0, 1, 1]
    noted = any("'north' holds true and false: read as 1 and 0" in note for note in panel.notes)
    assert noted == dtype.startswith("bool")


def test_true_and_false_among_objects_are_noted_too():
    panel = Panel.from_frame(wide_frame().assign(north=pd.Series([True, False, True, True], dtype=object)))
    assert panel.values[:4, 0].tolist() == [1, 0, 1, 1]
    assert "Column 'north' holds true and false: read as 1 and 0." in panel.notes


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "object"])
def test_absent_values_of_nullable_columns_are_masked(dtype):
    frame = wide_frame().assign(north=pd.Series([1, None, 1, 1], dtype=object).astype(dtype))
    panel = Panel.from_frame(frame, TableLayout(missing="mask"))
    assert np.isnan(panel.values[:, 0]).tolist() == [False, True] + [False] * 6
    assert panel.has_missing


def test_extreme_values_pass_unchanged():
    frame = wide_frame().assign(north=[1e300, -1e300, 5e-324, 1e39])
    assert Panel.from_frame(frame).values[:4, 0].tolist() == [1e300, -1e300, 5e-324, 1e39]


# --- gaps ---


def test_masked_gaps_become_rows_of_nan_on_the_grid():
    frame = long_frame().drop(index=[1, 5])
    panel = Panel.from_frame(frame, TableLayout(past=["load"], static=["area"], missing="mask", freq="h"))
    full = Panel.from_frame(long_frame(), TableLayout(past=["load"], static=["area"]))
    expected = full.values.copy()
    expected[[1, 5]] = NAN
    np.testing.assert_array_equal(panel.values, expected)
    assert panel.time.tolist() == full.time.tolist()
    assert panel.offsets.tolist() == panel.known_offsets.tolist() == [0, 3, 7]
    assert panel.static.tolist() == [[100], [200]]
    assert "Absent stamps became 2 masked rows." in panel.notes


@pytest.mark.parametrize("freq", ["MS", "ME", "QE-DEC", "W-WED", "B", "YS-JAN", "15min"])
def test_masked_gaps_are_filled_for_calendar_steps_as_pandas_reindexes(freq):
    stamps = pd.date_range("2019-12-20", periods=30, freq=freq)
    frame = pd.DataFrame({"ds": stamps, "y": np.arange(30.0)}).drop(index=[4, 5, 11, 20])
    panel = Panel.from_frame(frame, TableLayout(missing="mask"))
    expected = frame.set_index("ds").reindex(stamps)["y"]
    assert panel.time.tolist() == stamps.to_numpy().astype("datetime64[us]").tolist()
    np.testing.assert_array_equal(panel.values[:, 0], expected)


def test_gaps_of_a_wide_table_are_masked_in_every_series():
    panel = Panel.from_frame(wide_frame().drop(index=2), TableLayout(missing="mask"))
    np.testing.assert_array_equal(panel.values[:, 0], [1, 2, NAN, 4, 5, 6, NAN, 8])
    assert panel.offsets.tolist() == [0, 4, 8]


def test_a_series_of_a_coarser_step_is_a_gap_only_if_the_step_is_declared():
    hourly = pd.DataFrame({"unique_id": "a", "ds": hours(9), "y": 1.0})
    sparse = pd.DataFrame({"unique_id": "b", "ds": hours(9)[::2], "y": 1.0})
    frame = pd.concat([hourly, sparse])
    told = error(frame, TableLayout(missing="mask"))
    assert "Series differ in frequency: most step by 'h'" in told
    assert "series 'b', from row 9 on, steps by '2h'" in told
    panel = Panel.from_frame(frame, TableLayout(missing="mask", freq="h"))
    assert np.isnan(panel.values[:, 0]).sum() == 4


@pytest.mark.parametrize("kept", [[0, 2], [0, 2, 5]])
def test_few_rows_with_gaps_are_no_coarser_step(kept):
    hourly = pd.DataFrame({"unique_id": "a", "ds": hours(9), "y": 1.0})
    sparse = pd.DataFrame({"unique_id": "b", "ds": hours(9)[kept], "y": 1.0})
    panel = Panel.from_frame(pd.concat([hourly, sparse]), TableLayout(missing="mask"))
    assert panel.lengths.tolist() == [9, kept[-1] + 1]


# --- the future ---


def future_frame():
    return pd.DataFrame(
        {
            "unique_id": ["b", "b", "b", "a", "a"],
            "ds": [*hours(3, "2024-02-01 04:00"), *hours(2, "2024-01-01 03:00")],
            "price": [80.0, 90.0, 95.0, 50.0, 60.0],
        }
    )


def test_known_covariates_run_on_past_the_end_of_the_values():
    panel = Panel.from_frame(long_frame(), ALL_ROLES, future=future_frame())
    assert panel.known_offsets.tolist() == [0, 5, 12]
    assert panel.known[:, 0].tolist() == [5, 6, 7, 50, 60, 8, 9, 10, 11, 80, 90, 95]
    assert panel.offsets.tolist() == [0, 3, 7]


def test_the_future_of_a_wide_table_belongs_to_every_series():
    frame = wide_frame().assign(price=[5, 6, 7, 8]).set_index("ds")
    future = pd.DataFrame({"price": [9.0, 10.0]}, index=hours(2, "2024-01-01 04:00"))
    panel = Panel.from_frame(frame, TableLayout(future=["price"]), future=future)
    assert panel.known[:, 0].tolist() == [5, 6, 7, 8, 9, 10] * 2
    assert panel.known_offsets.tolist() == [0, 6, 12]


def test_the_future_of_a_joint_table_is_found_by_a_column_of_dates_too():
    frame = wide_frame().rename(columns={"ds": "Hour"})
    future = pd.DataFrame({"Hour": hours(2, "2024-01-01 04:00"), "north": [9, 10]})
    panel = Panel.from_frame(frame, TableLayout(target="south", future="north"), future=future)
    assert panel.known[:, 0].tolist() == [1, 2, 3, 4, 9, 10]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda f: f.assign(unique_id="c"),
            "has series that the table does not have.\n  series 'c', column 'unique",
        ),
        (lambda f: f[f["unique_id"] == "a"], "must continue every series, but lacks some.\n  series 'b'"),
        (
            lambda f: f.drop(index=0),
            r"series 'b' ends at 2024-02-01 03:00:00, so the future table must begin at 2024",
        ),
        (lambda f: f.drop(index=0), r"2024-02-01 04:00:00; it begins at 2024-02-01 05:00:00 (row 0)"),
        (
            lambda f: f.drop(index=1),
            "do not follow the one before by one step of 'h'.\n  series 'b', column 'ds', row 1",
        ),
        (
            lambda f: pd.concat([f, f[:1]]),
            "of the future table has the same stamp twice within a series.\n  series 'b'",
        ),
        (
            lambda f: f.assign(price=[1, 2, NAN, 4, 5]),
            "Column 'price' of the future table has absent values (NaN)",
        ),
        (
            lambda f: f.drop(columns="price"),
            "future table has no column 'price', the layout's future. Columns: 'uniq",
        ),
        (lambda f: f.drop(columns="unique_id"), "future table has no column 'unique_id', the layout's id."),
        (lambda f: f[:0], "The future table has no rows"),
        (
            lambda f: f.assign(unique_id=["b", "b", "b", None, "a"]),
            "Column 'unique_id' of the future table must name",
        ),
        (
            lambda f: f.assign(ds=range(5)),
            "Stamps of the future table are integers, those of the table dates",
        ),
    ],
)
def test_a_future_that_does_not_continue_the_history_is_refused(change, told):
    assert told in error(long_frame(), ALL_ROLES, future=change(future_frame()))


def test_a_future_without_known_covariates_is_refused():
    assert "name them, future=['...']" in error(long_frame(), kind=SettingError, future=future_frame())


def test_absent_stamps_cannot_be_masked_under_covariates_known_into_the_future():
    told = error(long_frame().drop(index=[4]), TableLayout(future=["price"], missing="mask"))
    assert "(price) need a value at every stamp, but stamps are absent before series 'b', row 4" in told
    assert "add a row for each absent stamp, with its covariates known into the future" in told
    both = error(long_frame().drop(index=[4]), TableLayout(future=["price"]))
    assert "and an empty target, and give missing='mask', or correct freq" in both
    added = set_cell(long_frame(), 4, "y", NAN)  # as both say
    panel = Panel.from_frame(added, TableLayout(future=["price"], missing="mask"))
    assert np.isnan(panel.values[4, 0])


# --- what a bad table is told ---


def set_cell(frame, row, column, value):
    frame = frame.copy()
    if not isinstance(value, float):
        frame[column] = frame[column].astype(object)
    frame.loc[frame.index[row], column] = value
    return frame


def test_an_absent_value_is_named_by_series_column_row_and_stamp():
    assert error(set_cell(long_frame(), 4, "y", NAN)) == (
        "Column 'y' of the table has absent values (NaN); expected a number in every row.\n"
        "  series 'b', column 'y', row 4, ds 2024-02-01 01:00:00: nan\n"
        "To fix this: give missing='mask' to keep them as masked steps, "
        "or fill them (at the ends: drop the rows)."
    )


def test_rows_are_numbered_as_in_the_frame_given_even_if_it_is_unsorted():
    frame = set_cell(long_frame(), 4, "y", NAN).iloc[::-1]
    assert "series 'b', column 'y', row 2, ds 2024-02-01 01:00:00: nan" in error(frame)


def test_only_the_first_five_offenders_are_listed_and_all_are_counted():
    frame = wide_frame().iloc[np.arange(40) % 4].assign(ds=hours(40), north=[1.0] + [NAN] * 39)
    told = error(frame)
    assert told.count("column 'north'") == 5
    assert "... 39 in all; the first 5 are shown." in told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.inf, ("infinite values", "series 'b', column 'y', row 4, ds 2024-02-01 01:00:00: inf")),
        (-np.inf, ("infinite values", "-inf")),
        ("n/a", ("must hold numbers", "row 4, ds 2024-02-01 01:00:00: 'n/a'", "correct these cells")),
        ("1,5", ("must hold numbers", "'1,5'", "decimal=','")),
        ("1,234.5", ("must hold numbers", "give thousands=','")),
        ("", ("must hold numbers", ": ''")),
        ("7.5", ("must hold numbers", "'7.5'", "pd.to_numeric(frame['y'])")),
        (1j, ("must hold numbers", "1j")),
        ([1, 2], ("must hold numbers", "[1, 2]")),
    ],
)
def test_a_cell_that_is_no_number_is_named(value, told):
    frame = long_frame().astype({"y": object})
    frame.at[4, "y"] = value
    message = error(frame)
    assert all(part in message for part in told), message


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (np.array([1, 2, 3, 4j]), "Column 'y' of the table holds complex numbers; expected real ones."),
        (pd.Categorical([1, 2, 3, 4]), "must hold numbers, not category values."),
        (hours(4), "must hold numbers, not datetime64"),
    ],
)
def test_a_target_of_the_wrong_type_is_refused(column, told):
    assert told in error(wide_frame().assign(y=column), TableLayout(target="y"))


def test_text_in_a_wide_table_is_refused_if_some_of_it_is_a_number_and_else_left_out():
    assert "'-'" in error(wide_frame().assign(north=["1.5", "-", "2", "3"]))
    assert "decimal=','" in error(wide_frame().assign(north=["1,5", "2,5", "3,5", "4,5"]))
    panel = Panel.from_frame(wide_frame().assign(station="x"))
    assert "Columns not used: 'station'." in panel.notes
    assert "no column of numbers" in error(pd.DataFrame({"ds": hours(2), "station": "x"}))


@pytest.mark.parametrize("missing", ["error", "mask"])
@pytest.mark.parametrize(("column", "role"), [("price", "known into the future"), ("area", "static feature")])
def test_absent_values_in_known_and_static_columns_are_always_refused(missing, column, role):
    layout = TableLayout(past=["load"], future=["price"], static=["area"], missing=missing)
    told = error(set_cell(long_frame(), 1, column, NAN), layout)
    assert f"series 'a', column '{column}', row 1, ds 2024-01-01 01:00:00: nan" in told
    assert role in told


def test_a_series_of_nothing_but_absent_values_is_refused_even_if_masked():
    frame = long_frame()
    frame.loc[frame["unique_id"] == "b", "y"] = NAN
    told = error(frame, TableLayout(missing="mask"))
    assert "without a single observed value" in told
    assert "series 'b', column 'y', row 3, ds 2024-02-01 00:00:00" in told
    assert "series 'south', column 'south'" in error(
        wide_frame().assign(south=NAN), TableLayout(missing="mask")
    )


def test_a_static_feature_that_varies_is_named_with_both_values():
    told = error(set_cell(long_frame(), 5, "area", 7.0), ALL_ROLES)
    assert "varies within a series (which begins with 200.0)" in told
    assert "series 'b', column 'area', row 5, ds 2024-02-01 02:00:00: 7.0" in told


@pytest.mark.parametrize("name", [None, "", NAN])
def test_a_row_without_series_is_named(name):
    frame = long_frame().astype({"unique_id": object})
    frame.loc[4, "unique_id"] = name
    assert "column 'unique_id', row 4, ds 2024-02-01 01:00:00" in error(frame)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([*hours(3), pd.NaT], "must hold a stamp in every row.\n  series 'y', column 'ds', row 3: NaT"),
        (
            ["2024-01-01", "2024-01-02", "soon", "2024-01-04"],
            "like the first, '2024-01-01'.\n  series 'y', column 'ds', row 2: 'soo",
        ),
        (["2024-01-01", "2024-01-02 12:00", "2024-01-03", "2024-01-04"], "row 1: '2024-01-02 12:00'"),
        (
            ["soon", "later", "x", "y"],
            "holds text that is no date.\n  series 'y', column 'ds', row 0: 'soon'",
        ),
        (
            ["01/02/2024", "02/02/2024", "03/02/2024", "04/02/2024"],
            "which of the numbers is the day and which the",
        ),
        (
            ["13/02/2024", "02/14/2024", "03/02/2024", "04/02/2024"],
            "which of the numbers is the day and which the",
        ),
        (
            ["2024-01-01 00:00:00+01:00"] * 2 + ["2024-01-01 00:00:00+02:00"] * 2,
            "mixes time zones or offsets; the first is +01:00.\n  series 'y', column 'ds', row 2: '2024",
        ),
        (
            [pd.Timestamp("2024-01-01 05:00", tz=zone) for zone in ("UTC", "UTC", "Asia/Tokyo", "UTC")],
            "In Python: frame['ds'] = pd.to_datetime(frame['ds'], utc=True)",
        ),
        ([1.0, 2.0, 2.5, 3.0], "must be whole and below 2**53.\n  series 'y', column 'ds', row 2: 2.5"),
        ([1, 2, 3, 2**60], "must be whole and below 2**53"),
        ([1.0, 2.0, NAN, 3.0], "must hold a stamp in every row"),
        ([True, False, True, False], "must hold dates or integers, but holds boolean values"),
        (pd.to_timedelta([1, 2, 3, 4], unit="h"), "but holds timedelta"),
        (np.array(["2024-01-01T00:00:00.000000001"] * 4, "datetime64[ns]"), "finer than a microsecond"),
    ],
)
def test_stamps_that_cannot_be_read_are_named(column, told):
    assert told in error(pd.DataFrame({"ds": column, "y": [1.0, 2.0, 3.0, 4.0]}))


def test_a_table_without_stamps_is_told_what_was_looked_for():
    told = error(wide_frame().drop(columns="ds"))
    assert "Looked for a column 'ds': none." in told
    assert "index of dates: it is a RangeIndex" in told
    assert "only column of dates: none" in told
    assert "In Python: frame = frame.assign(**{'ds': range(len(frame))})" in told
    two = wide_frame().rename(columns={"ds": "from"}).assign(to=hours(4, "2025-01-01"))
    assert "only column of dates: several ('from', 'to')" in error(two)
    assert "Did you mean 'DS '?" in error(wide_frame().rename(columns={"ds": "DS "}).assign(to=hours(4)))
    assert "Looked for a column 'Mnth'" in error(wide_frame(), TableLayout(time="Mnth"))


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (TableLayout(target="Y"), "no column 'Y', the layout's target. Did you mean 'y'?"),
        (
            TableLayout(target=["y", "loda"]),
            "Did you mean 'load'? Columns: 'unique_id', 'ds', 'y', 'load', 'price'",
        ),
        (TableLayout(id="unique_ids"), "no column 'unique_ids', the layout's id. Did you mean 'unique_id'?"),
        (TableLayout(past="wind"), "no column 'wind', the layout's past."),
        (TableLayout(future="wind"), "future='...'"),
        (TableLayout(static="wind"), "no column 'wind', the layout's static."),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(layout, told):
    assert told in error(long_frame(), layout)


def test_a_long_table_without_y_is_told_so():
    assert "no column 'y', the layout's target. Did you mean 'Y'?" in error(
        long_frame().rename(columns={"y": "Y"})
    )


def test_what_is_no_flat_frame_with_rows_is_refused():
    assert "has no rows (columns: 'unique_id', 'ds'" in error(long_frame()[:0])
    assert "an array or a dict of columns; got builtins.object" in error(object())
    twice = pd.DataFrame([[1, 2.0, 3.0]], columns=["ds", "y", "y"])
    assert "Column names of the table occur more than once: 'y'." in error(twice)
    levels = wide_frame().set_axis(pd.MultiIndex.from_product([["x"], ["ds", "north", "south"]]), axis=1)
    assert "column names of 2 levels" in error(levels)


@pytest.mark.parametrize(("value", "agree"), [(2.0, "agree"), (9.0, "differ")])
def test_a_stamp_that_occurs_twice_is_named_with_both_rows(value, agree):
    frame = pd.concat([long_frame(), long_frame().iloc[[1]].assign(y=value)])
    told = error(frame)
    assert "has the same stamp twice within a series" in told
    assert f"series 'a', ds 2024-01-01 01:00:00: row 1 and row 7, their values {agree}" in told
    assert "frame.drop_duplicates(['unique_id', 'ds'])" in told


def test_stamps_repeated_in_a_table_without_series_hint_at_their_column():
    told = error(long_frame().rename(columns={"unique_id": "shop"}).assign(ds=[*hours(3), *hours(4)]))
    assert "name their column: id='shop'" in told


def test_an_hour_that_occurs_twice_hints_at_the_clock_change():
    stamps = pd.date_range("2024-10-26 23:00", periods=4, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    told = error(wide_frame().assign(ds=stamps.tz_localize(None)))
    assert "2024-10-27 02:00:00: row 1 and row 2" in told
    assert "if a clock was changed at that hour, name its zone, season_zone='...'" in told


def test_absent_stamps_are_listed_and_counted():
    frame = pd.DataFrame({"unique_id": "a", "ds": hours(30), "y": 1.0}).drop(
        index=[3, 10, 11, 12, 13, 14, 15]
    )
    assert error(frame) == (
        "Stamps are absent from the steps of 'h' in series 'a':\n"
        "  series 'a', ds 2024-01-01 03:00:00, between row 2 and row 3\n"
        "  series 'a', ds 2024-01-01 10:00:00, between row 8 and row 9\n"
        "  series 'a', ds 2024-01-01 11:00:00, between row 8 and row 9\n"
        "  series 'a', ds 2024-01-01 12:00:00, between row 8 and row 9\n"
        "  series 'a', ds 2024-01-01 13:00:00, between row 8 and row 9\n"
        "  ... 7 in all; the first 5 are shown.\n"
        "To fix this: give missing='mask' to keep them as masked steps, add the rows, "
        "or correct freq if that is wrong."
    )
    both = pd.concat([frame, frame.assign(unique_id="b")])
    assert "in series 'a' (and in 1 more series):" in error(both)
    assert "ds 6, between row 5 and row 6" in error(pd.DataFrame({"ds": [0, 1, 2, 3, 4, 5, 7, 8], "y": 1.0}))


@pytest.mark.parametrize(
    ("stamps", "declared", "observed"),
    [
        (hours(60), "D", "h"),
        (pd.date_range("2024-01-01", periods=30), "h", "D"),
        (pd.date_range("2024-01-01", periods=30, freq="MS"), "M", "MS"),
        (pd.date_range("2024-01-01", periods=30, freq="W-MON"), "W", "W-MON"),
        (pd.bdate_range("2024-01-01", periods=30), "D", "B"),
        (np.arange(0, 50, 5), 1, "5"),
    ],
)
def test_a_declared_frequency_that_the_stamps_contradict_is_refused(stamps, declared, observed):
    told = error(pd.DataFrame({"ds": stamps, "y": 1.0}), TableLayout(freq=declared))
    assert f"Column 'ds' must step by freq={declared!r}, but steps by '{observed}'" in told


def test_a_declared_frequency_must_suit_the_kind_of_stamps():
    assert "which are dates" in error(wide_frame(), TableLayout(freq=1), SettingError)
    assert "which are integers" in error(
        wide_frame().assign(ds=range(4)), TableLayout(freq="h"), SettingError
    )


def test_an_old_alias_is_translated_with_a_note():
    panel = Panel.from_frame(wide_frame(), TableLayout(freq="H"))
    assert panel.frequency.step == "h"
    assert "Frequency 'H' was read as 'h'." in panel.notes


def test_a_stray_stamp_is_named():
    stamps = hours(40).to_series()
    stamps.iloc[17] += pd.Timedelta(minutes=20)
    told = error(pd.DataFrame({"ds": stamps.to_numpy(), "y": 1.0}))
    assert "do not follow the one before by whole steps of 'h'.\n  series 'y', column 'ds', row 17:" in told
    months = pd.date_range("2024-01-01", periods=12, freq="MS").to_series()
    months.iloc[4] += pd.Timedelta(days=1)
    told = error(pd.DataFrame({"ds": months.to_numpy(), "y": 1.0}))
    assert "cannot belong to the frequency 'MS'.\n  series 'y', column 'ds', row 4:" in told


def test_series_of_different_frequency_are_named():
    frame = pd.concat(
        [
            pd.DataFrame({"unique_id": "slow", "ds": pd.date_range("2024-01-01", periods=50), "y": 1.0}),
            pd.DataFrame({"unique_id": "slow too", "ds": pd.date_range("2024-01-01", periods=50), "y": 1.0}),
            pd.DataFrame({"unique_id": "swift", "ds": hours(40), "y": 1.0}),
        ]
    )
    told = error(frame)
    assert "most step by 'D'" in told
    assert "series 'swift', from row 100 on, steps by 'h'" in told


def test_stamps_without_regular_step_are_shown_with_a_histogram():
    minutes = np.array([0, 7, 18, 31, 38, 71, 100, 141])
    told = error(
        pd.DataFrame({"ds": minutes * pd.Timedelta(minutes=1) + pd.Timestamp("2024-01-01"), "y": 1.0})
    )
    assert "Column 'ds' has no regular step: 6 different ones in series 'y'." in told
    assert "2 times a step of 0 days 00:07:00" in told
    assert "2 times a step of 7" in error(pd.DataFrame({"ds": minutes, "y": 1.0}))


def test_a_single_row_needs_a_declared_frequency():
    frame = wide_frame()[:1]
    assert "no series has two rows" in error(frame)
    panel = Panel.from_frame(frame, TableLayout(freq="h"))
    assert panel.future_times(1).tolist() == [[pd.Timestamp("2024-01-01 01:00")]] * 2


def test_a_typing_error_in_a_stamp_does_not_fill_the_memory():
    frame = pd.DataFrame({"ds": [*range(100), 10**12], "y": 1.0})
    told = error(frame, TableLayout(missing="mask"))
    assert "would make 1000000000001 rows of 101" in told
    assert "row 100, ds 1000000000000" in told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"missing": "msk"}, "Unknown value of missing 'msk'. Did you mean 'mask'? Known: error, mask."),
        ({"freq": "hourly"}, "Did you mean 'h'?"),
        ({"past": ["x"], "future": ["x"]}, "Column 'x' is named as both past and future"),
        ({"target": "y", "static": ["y"]}, "Column 'y' is named as both target and static"),
        ({"time": "unique_id"}, "Column 'unique_id' is named as both id and time"),
        ({"past": ["x", "x"]}, "Column 'x' is named twice as past"),
        ({"target": []}, "target=[] names no column"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(settings, told):
    with pytest.raises(SettingError) as caught:
        TableLayout(**settings)
    assert told in str(caught.value)


def test_a_layout_takes_one_name_for_a_list_of_one():
    assert TableLayout(past="load", target=["y"]) == TableLayout(past=["load"], target=("y",))


# --- what a panel can do ---


def test_until_keeps_the_first_rows_of_each_series_and_all_known_covariates():
    panel = Panel.from_frame(long_frame(), ALL_ROLES, future=future_frame())
    past = panel.until(np.array([2, 3]))
    assert past.offsets.tolist() == [0, 2, 5]
    assert past.values[:, 0].tolist() == [1, 2, 10, 20, 30]
    assert past.time.tolist() == panel.time[[0, 1, 3, 4, 5]].tolist()
    assert past.known.tolist() == panel.known.tolist()
    assert past.known_offsets.tolist() == panel.known_offsets.tolist()
    assert past.ids == panel.ids
    assert panel.offsets.tolist() == [0, 3, 7]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([2], r"one integer per series, shape \(2,\); got int64 of shape \(1,\)"),
        ([1.0, 2.0], "got float64"),
        ([3, 5], r"1 to 4 rows of series 'b', but was asked for 5 \(1 series"),
        ([0, 1], "series 'a', but was asked for 0"),
    ],
)
def test_until_refuses_rows_that_are_not_there(rows, told):
    with pytest.raises(DataError, match=told):
        Panel.from_frame(long_frame()).until(np.array(rows))


def test_future_times_follow_the_last_stamp_of_each_series():
    times = Panel.from_frame(long_frame()).future_times(2)
    assert times.tolist() == [list(hours(2, "2024-01-01 03:00")), list(hours(2, "2024-02-01 04:00"))]


# --- files ---


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_csv_file_gives_the_panel_of_its_frame(tmp_path, name):
    long_frame().to_csv(tmp_path / name, index=False)
    future_frame().to_csv(tmp_path / f"future-{name}", index=False)
    expected = Panel.from_frame(long_frame(), ALL_ROLES, future=future_frame())
    for future in (tmp_path / f"future-{name}", str(tmp_path / f"future-{name}"), future_frame()):
        panel = Panel.from_file(tmp_path / name, ALL_ROLES, future=future)
        assert panel.ids == expected.ids
        for field in ("values", "time", "known", "known_offsets", "static"):
            assert getattr(panel, field).tolist() == getattr(expected, field).tolist()


def csv(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_errors_about_a_file_name_its_line(tmp_path):
    path = csv(tmp_path, "ds,y\n2024-01-01,1\n2024-01-02,x\n")
    with pytest.raises(
        DataError, match=r"series 'y', column 'y', row 1 \(line 3 of the file\), ds 2024-01-02: 'x'"
    ):
        Panel.from_file(path, TableLayout(target="y"))


def test_names_of_series_are_read_from_a_file_as_written(tmp_path):
    rows = "unique_id,ds,y\n{0},1,5\n{0},2,6\n{1},1,7\n"
    assert Panel.from_file(csv(tmp_path, rows.format("007", "7"))).ids == ("007", "7")
    assert Panel.from_file(csv(tmp_path, rows.format("NA", "DE"))).ids == ("DE", "NA")
    assert Panel.from_file(csv(tmp_path, rows.format("10", "9"))).ids == (9, 10)


def test_numbers_are_read_from_a_file_to_the_last_bit(tmp_path):
    written = "0.1234567890123456789"
    assert Panel.from_file(csv(tmp_path, f"ds,y\n1,{written}\n2,1e-310\n")).values[0, 0] == float(written)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty; expected CSV with a header line"),
        (b"ds,y\n", "has no rows"),
        (b"\x00\x01\x02\x03PNG", "is not text"),
        ("ds,y\n1,2\n".encode("utf-16-le"), "encoding='utf-16-le'"),
        (b"ds,y\n1,2\n\x81,4\n", r"no text in cp1252 (line 3)"),
        (b"ds,y,y\n1,2,3\n", "occur more than once: 'y'"),
        (b"ds,y\n1,2,3\n2,3,4\n", "more fields than its header"),
        (b"ds,y\n1,2\n2,3,4\n", "no regular CSV"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(tmp_path, content, told):
    path = csv(tmp_path, content)
    with pytest.raises(DataError) as caught:
        Panel.from_file(path)
    assert told in str(caught.value)


def test_a_file_that_cannot_be_opened_or_unpacked_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read the file .*absent.csv: No such file"):
        Panel.from_file(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"Cannot read the file .*: Is a directory"):
        Panel.from_file(tmp_path)
    with pytest.raises(DataError, match="no whole gzip file"):
        Panel.from_file(csv(tmp_path, "ds,y\n1,2\n", "table.csv.gz"))
    packed = gzip.compress(b"ds,y\n" + b"1,2\n" * 10_000)
    with pytest.raises(DataError, match="no whole gzip file"):
        Panel.from_file(csv(tmp_path, packed[: len(packed) // 2], "table.csv.gz"))


def test_a_byte_order_mark_and_odd_column_names_are_read(tmp_path):
    path = csv(tmp_path, '\ufeffds,"größe, ""m""\n😀"\n1,2\n2,3\n')
    assert Panel.from_file(path).ids == ('größe, "m"\n😀',)


# --- any table at all ---


@st.composite
def long_frames(draw):
    """Small long frames with all faults a table can have, each rare enough that many frames are good."""
    pieces = []
    for name in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)):
        count = draw(st.integers(1, 6))
        step = draw(st.sampled_from(["h", "h", "h", "h", "2h", "MS"]))
        stamps = pd.date_range("2024-01-01", periods=count, freq=step)
        kept = draw(st.lists(st.sampled_from([True] * 9 + [False]), min_size=count, max_size=count))
        values = st.one_of(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([NAN, 0.5, 1e300, np.inf]))
        y = draw(st.lists(values, min_size=count, max_size=count))
        pieces.append(pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.array(y, dtype=float)})[kept])
    frame = pd.concat(pieces, ignore_index=True)
    again = draw(st.sampled_from([[]] * 9 + [[0]]))
    frame = pd.concat([frame, frame.iloc[again]]) if len(frame) else frame
    return frame.iloc[draw(st.permutations(range(len(frame))))] if draw(st.booleans()) else frame


@settings(deadline=None)
@given(frame=long_frames(), missing=st.sampled_from(["error", "mask"]))
def test_any_long_table_is_either_refused_or_becomes_what_pandas_makes_of_it(frame, missing):
    before = frame.copy(deep=True)
    panel = None
    with contextlib.suppress(DataError):
        panel = Panel.from_frame(frame, TableLayout(missing=missing))
    pd.testing.assert_frame_equal(frame, before)
    faulty = frame.duplicated(["unique_id", "ds"]).any() or np.isinf(frame["y"]).any() or len(frame) == 0
    first = frame.dropna().groupby("unique_id")["ds"].min()
    begun = frame["ds"] >= pd.to_datetime(frame["unique_id"].map(first.to_dict()))
    faulty |= missing == "error" and frame["y"].isna()[begun].any()
    faulty |= frame["y"].isna().groupby(frame["unique_id"]).all().any()
    assert panel is None or not faulty
    used = frame[begun] if missing == "error" else frame
    hourly = used.sort_values("ds").groupby("unique_id")["ds"].diff().dropna() == pd.Timedelta(hours=1)
    assert panel is not None or faulty or len(hourly) == 0 or not hourly.all(), "a good table was refused"
    if panel is None:
        return
    groups = {name: group.set_index("ds")["y"].sort_index() for name, group in used.groupby("unique_id")}
    assert panel.ids == tuple(groups)
    for number, group in enumerate(groups.values()):
        rows = slice(panel.offsets[number], panel.offsets[number + 1])
        grid = pd.date_range(group.index[0], group.index[-1], freq=panel.frequency.step)
        assert missing == "mask" or len(grid) == len(group)
        assert panel.time[rows].tolist() == grid.to_numpy().astype("datetime64[us]").tolist()
        np.testing.assert_array_equal(panel.values[rows, 0], group.reindex(grid))


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    data=st.data(),
)
def test_until_then_future_times_meet_the_rows_left_out(lengths, data):
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(lengths)), lengths),
            "ds": np.concatenate([np.arange(n) for n in lengths]),
            "y": np.arange(sum(lengths), dtype=float),
        }
    )
    panel = Panel.from_frame(frame, TableLayout(freq=1))
    rows = np.array([data.draw(st.integers(1, n)) for n in lengths])
    past = panel.until(rows)
    assert past.lengths.tolist() == rows.tolist()
    assert past.future_times(1)[:, 0].tolist() == rows.tolist()
    kept = frame.groupby("unique_id", group_keys=False)["y"].apply(lambda y: y.iloc[: rows[y.name]])
    assert past.values[:, 0].tolist() == kept.tolist()


# --- real data ---


@needs_data
def test_the_transformer_temperatures_are_seven_hourly_series():
    panel = Panel.from_file(Path(DATA) / "ett/ETTh1.csv.gz")
    assert (panel.shape, panel.frequency.step, panel.layout.time) == ("wide", "h", "date")
    assert panel.ids == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert panel.lengths.tolist() == [17420] * 7
    assert panel.values[0, 0] == 5.827000141143799  # first row of the file
    assert str(panel.time[-1]) == "2018-06-26T19:00:00.000000"


@needs_data
def test_the_twelve_regions_of_pjm_are_refused_for_the_hours_of_the_clock_change():
    with pytest.raises(DataError) as caught:
        Panel.from_file(Path(DATA) / "pjm/est_hourly.csv.gz")
    told = str(caught.value)
    for stamp in ("2014-11-02 02:00", "2015-11-01 02:00", "2016-11-06 02:00", "2017-11-05 02:00"):
        assert stamp in told


@needs_data
def test_the_twelve_regions_of_pjm_are_read_masked_once_the_duplicates_are_gone():
    frame = pd.read_csv(Path(DATA) / "pjm/est_hourly.csv.gz").drop_duplicates("Datetime")
    panel = Panel.from_frame(frame, TableLayout(missing="mask"))
    stamps = pd.to_datetime(frame["Datetime"])
    grid = pd.date_range(stamps.min(), stamps.max(), freq="h")
    assert (panel.num_series, panel.lengths[0], panel.frequency.step) == (12, len(grid), "h")
    expected = frame.set_index(stamps)["PJME"].reindex(grid)
    np.testing.assert_array_equal(
        panel.values[slice(*panel.offsets[panel.ids.index("PJME") :][:2]), 0], expected
    )


@needs_data
def test_the_air_passengers_are_read_through_a_layout():
    layout = TableLayout(time="Month", target="#Passengers")
    panel = Panel.from_file(Path(DATA) / "airpassengers/AirPassengers.csv", layout)
    assert (panel.shape, panel.ids, panel.lengths.tolist()) == ("joint", ("#Passengers",), [144])
    assert panel.frequency.step == "MS"
    assert panel.frequency.season_length == 12
    assert panel.values[[0, 143], 0].tolist() == [112, 432]


def test_seasons_follow_the_clock_of_a_named_zone():
    hours = pd.date_range("2024-03-30 22:00", periods=6, freq="h", tz="UTC")
    frame = pd.DataFrame({"ds": hours, "y": np.arange(6.0)})
    clock = Panel.from_frame(frame, TableLayout(season_zone="Europe/Berlin")).season_clock
    assert clock.tolist() == [1, 1, 1, 2, 2, 2]  # from 01:00 UTC on 31 March, clocks are two hours ahead
    assert Panel.from_frame(frame).season_clock is None
    quarters = frame.assign(ds=pd.date_range("2024-03-31", periods=6, freq="15min", tz="UTC"))
    panel = Panel.from_frame(quarters, TableLayout(season_zone="Europe/Berlin"))
    assert panel.season_clock.tolist() == [4, 4, 4, 4, 8, 8]


@pytest.mark.parametrize(
    ("stamps", "zone", "told"),
    [
        (pd.date_range("2024-01-01", periods=9, tz="UTC"), "Europe/Berlin", "is for steps below a day"),
        (pd.date_range("2024-01-01", periods=9, freq="h"), "Europe/Berlim", "Unknown time zone"),
        (pd.date_range("2024-01-01", periods=9, freq="h"), 5, "as text, got 5"),
        (range(9), "UTC", "is for steps below a day, but the frequency is 1"),
    ],
)
def test_a_clock_that_no_stamp_shows_is_refused(stamps, zone, told):
    with pytest.raises(SettingError, match=told):
        Panel.from_frame(pd.DataFrame({"ds": stamps, "y": 1.0}), TableLayout(season_zone=zone))
