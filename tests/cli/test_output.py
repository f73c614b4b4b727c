"""Tables in JSON documents, and the digits of tables in files."""

import json

import numpy as np
import pandas as pd

from timeseries.cli.output import as_precise_as_float32, records


def test_rows_hold_what_json_can_absent_values_are_null_and_stamps_are_iso_8601():
    table = pd.DataFrame(
        {
            "ds": [pd.Timestamp("2024-01-01 12:30"), pd.NaT],
            "name": ["a", None],
            7: np.array([1, 2]),
            "y": [0.1 + 0.2, np.nan],
        }
    )
    expected = (
        '[{"ds": "2024-01-01T12:30:00", "name": "a", "7": 1, "y": 0.30000000000000004}, '
        '{"ds": null, "name": null, "7": 2, "y": null}]'
    )
    assert json.dumps(records(table), allow_nan=False) == expected


def test_forecasts_have_nine_digits_and_other_columns_all_of_theirs():
    table = pd.DataFrame({"ds": [1, 2], "y": [100 / 3, 1000 / 3], "truth": [0.1 + 0.2, 2.0], "n": [1, 2]})
    rounded = as_precise_as_float32(table, ["y", "n"], "unique_id")
    assert rounded.to_csv(index=False).split() == [
        "ds,y,truth,n",
        "1,33.3333333,0.30000000000000004,1",
        "2,333.333333,2.0,2",
    ]
    assert table["y"].tolist() == [100 / 3, 1000 / 3]  # what was given stays


def test_small_movements_on_large_numbers_and_small_series_beside_large_ones_keep_their_digits():
    y = [1e9 + 0.123456789, 1e9 + 0.223456789, 1e-7 / 3, 2e-7 / 3, 5.0, 5.0]
    table = pd.DataFrame({"id": list("aabbcc"), "y": y})
    rounded = as_precise_as_float32(table, ["y"], "id")["y"].to_numpy()
    span = np.array([0.1, 0.1, 1e-7 / 3, 1e-7 / 3, 5.0, 5.0])
    assert (np.abs(rounded - y) <= 5e-9 * span + 1e-16 * np.abs(y)).all()
    assert str(rounded[2]) == "3.33333333e-08"


def test_a_forecast_of_one_step_and_one_that_is_absent_are_left_as_they_are():
    table = pd.DataFrame({"y": [123456789.123456], "z": [np.nan]})
    pd.testing.assert_frame_equal(as_precise_as_float32(table, ["y", "z"], "id"), table)
