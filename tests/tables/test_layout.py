"""Where the first offender is: the same place in the message, in the fields of the error and in JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from timeseries.errors import DataError
from timeseries.panel import Panel

DAYS = pd.date_range("2024-01-01", periods=4)
LONG = "unique_id,ds,y\n" + "".join(f"a,{day.date()},{i}\n" for i, day in enumerate(DAYS))


def where(table):
    with pytest.raises(DataError) as caught:
        (Panel.from_frame if isinstance(table, pd.DataFrame) else Panel.from_file)(table)
    return caught.value.where


def test_a_cell_of_a_frame_is_placed_by_series_column_row_stamp_and_value():
    frame = pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": [1.0, np.inf, 2.0, -np.inf]})
    place = {"series": "a", "column": "y", "row": 1, "time": DAYS[1], "value": np.inf}
    assert where(frame) == place


def test_an_absent_cell_has_the_value_nan():
    frame = pd.DataFrame({"ds": DAYS, "y": pd.array([1, 2, None, 3], dtype="Int64")})
    assert np.isnan(where(frame)["value"])
    assert where(frame)["row"] == 2


def test_an_absent_stamp_is_placed_at_the_row_that_follows_it():
    frame = pd.DataFrame({"ds": [*DAYS, DAYS[-1] + pd.Timedelta(days=3)], "y": 1.0})
    assert where(frame) == {"series": "y", "row": 4, "time": DAYS[-1] + pd.Timedelta(days=1)}


def test_a_file_adds_its_path_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(LONG.replace("a,2024-01-03,2", "a,2024-01-03,n/a"))
    place = where(path)
    assert (place["file"], place["row"], place["line"]) == (str(path), 2, 4)


@pytest.mark.parametrize("change", [("ds,y\n", "ds,y\n\n"), ("a,2024-01-01", '"a\nb",2024-01-01')])
def test_where_rows_are_not_lines_no_line_is_told(tmp_path, change):
    path = tmp_path / "a.csv"
    path.write_text(LONG.replace(*change).replace(",3\n", ",x\n"))
    place = where(path)
    assert place["row"] == 3
    assert "line" not in place


def test_a_file_that_is_no_table_is_named(tmp_path):
    assert where(tmp_path / "nowhere.csv") == {"file": str(tmp_path / "nowhere.csv")}


@pytest.mark.parametrize(
    ("cell", "value"), [("n/a", None), ("inf", "inf"), ("x", "x"), ("1 000", "1 000"), ("nan", None)]
)
def test_the_command_line_tells_the_place_as_plain_json(tmp_path, run_json, cell, value):
    path = tmp_path / "a.csv"
    path.write_text(LONG.replace("a,2024-01-03,2", f"a,2024-01-03,{cell}"))
    error = run_json("fit", path, "--horizon", 1, "-o", "m")["error"]
    assert set(error) == {"code", "message", "exit_code", "where"}
    place = error["where"]
    stamp = place.pop("time")
    assert pd.Timestamp(stamp) == DAYS[2]
    assert place == {
        "file": str(path),
        "series": "a",
        "column": "y",
        "row": 2,
        "line": 4,
        "value": value,
    }


@pytest.fixture
def run_json(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from timeseries.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
        assert done.exit_code == 3, done.output
        return json.loads(done.stdout, parse_constant=pytest.fail)

    return run
