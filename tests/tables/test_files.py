"""Files of every common writing give one table; of two readings with other numbers, none is guessed."""

import contextlib
import gzip
import io
import itertools
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.errors import DataError, MissingExtraError, SettingError
from timeseries.panel import Panel, TableLayout
from timeseries.tables.files import read_file

DEFAULT = TableLayout()
NAMES = ("größe", "prix €")


def read(content, layout=DEFAULT):
    return read_file(io.BytesIO(content if isinstance(content, bytes) else content.encode()), layout)


def refusal(content, layout=DEFAULT):
    with pytest.raises(DataError) as caught:
        read(content, layout)
    return str(caught.value)


def written(separator=",", decimal=".", encoding="utf-8"):
    frame = pd.DataFrame({"ds": ["2024-01-01", "2024-01-02"], NAMES[0]: [1.5, 2.25], NAMES[1]: [-3.5, 4.125]})
    text = frame.to_csv(index=False, sep=separator, decimal=decimal)
    if encoding in ("utf-16-le", "utf-16-be"):
        text = "\ufeff" + text
    return text.encode(encoding)


@pytest.mark.parametrize(
    ("separator", "decimal"),
    [pair for pair in itertools.product(",;\t|", ".,") if pair != (",", ",")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_separator_decimal_mark_and_encoding_are_detected_and_can_be_named(separator, decimal, encoding):
    content = written(separator, decimal, encoding)
    named = TableLayout(separator=separator, decimal=decimal, encoding=encoding.removesuffix("-le"))
    for source in (read(content), read(content, named if encoding != "utf-16-be" else DEFAULT)):
        assert tuple(source.frame.columns) == ("ds", *NAMES)
        assert source.frame[NAMES[0]].tolist() == [1.5, 2.25]
        assert source.frame[NAMES[1]].tolist() == [-3.5, 4.125]


def test_what_was_detected_is_noted():
    assert read(written()).notes == ()
    told = read(written(";", ",", "cp1252")).notes
    assert told == ("The file was read as cp1252, separated by ';', with decimal comma.",)
    panel = Panel.from_file(io.BytesIO(written("\t")))
    assert panel.notes[0] == "The file was read separated by tabs."


def test_quoted_cells_may_hold_separators():
    frame = read('ds;y;"a, b; c"\n1;2,5;"x, y; z"\n2;3,5;"x\ny"\n').frame
    assert frame.columns.tolist() == ["ds", "y", "a, b; c"]
    assert frame["y"].tolist() == [2.5, 3.5]


def test_a_decimal_comma_among_quotes_is_detected_in_a_file_with_commas():
    assert read('ds,y\n1,"2,5"\n2,"13,25"\n').frame["y"].tolist() == [2.5, 13.25]


@pytest.mark.parametrize("cell", ["1,234", "12,345", "-999,000"])
def test_a_comma_before_three_digits_is_not_guessed(cell):
    content = f"ds;x;y\n1;5;{cell}\n2;6;{cell}\n"
    told = refusal(content)
    assert f"column 'y', row 0 (line 2 of the file) holds '{cell}'" in told
    assert "give decimal=','" in told
    assert "or thousands=',' for groups of three digits" in told
    number = float(cell.replace(",", "."))
    assert read(content, TableLayout(decimal=",")).frame["y"].tolist() == [number] * 2
    with pytest.raises(DataError, match=r"(?s)must hold numbers.*give thousands=','"):
        Panel.from_file(io.BytesIO(content.encode()), TableLayout(decimal="."))


@pytest.mark.parametrize("clear", ["1,5", "12,25", "0,125", "1234,567", "1,2345"])
def test_one_clear_decimal_comma_decides_for_the_others(clear):
    frame = read(f"ds;x;y\n1;1,234;{clear}\n2;2,345;{clear}\n").frame
    assert frame["x"].tolist() == [1.234, 2.345]
    assert frame["y"].tolist() == [float(clear.replace(",", "."))] * 2


@pytest.mark.parametrize(
    ("cell", "mark"), [("1,234,567", ","), ("1,234.5", ","), ("1.234,5", "."), ("1.234.567,8", ".")]
)
def test_thousands_separators_are_refused_with_the_cell_and_the_setting(cell, mark):
    with pytest.raises(DataError) as caught:
        Panel.from_file(io.BytesIO(f"ds;y\n1;{cell}\n2;{cell}\n".encode()))
    assert f"row 0 (line 2 of the file), ds 1: '{cell}'" in str(caught.value)
    assert str(caught.value).endswith(f"To fix this: give thousands={mark!r} for groups of three digits.")


def test_a_point_in_a_file_of_decimal_commas_is_refused_not_read_as_thousands():
    with pytest.raises(DataError, match=r"ds 1: '1\.234'\nTo fix this: give thousands='\.'"):
        Panel.from_file(io.BytesIO(b"ds;y\n1;1.234\n2;2,5\n"))


def test_a_file_with_both_thousands_and_decimal_commas_is_refused():
    content = b"ds;x;y\n1;1,234,567;2,5\n2;7,654,321;3,5\n"
    with pytest.raises(DataError, match="give decimal=','"):
        Panel.from_file(io.BytesIO(content), TableLayout(target="y"))


def test_text_with_commas_is_no_decimal_comma():
    assert read('ds,y,place\n1,2.5,"Berlin, Mitte"\n2,3.5,"1,5"\n').frame["y"].tolist() == [2.5, 3.5]


def test_two_separators_that_both_cut_regularly_are_not_guessed():
    told = refusal("ds;a,b\n1;2,3\n2;3,4\n")
    assert "commas and ';' cut all lines into equal numbers of cells" in told
    assert "separator=',' or separator=';'" in told
    frame = read("ds;a,b\n1;2,3\n2;3,4\n", TableLayout(separator=";", decimal=",")).frame
    assert frame["a,b"].tolist() == [2.3, 3.4]


def test_a_long_file_is_cut_by_its_first_lines():
    rows = "".join(f"{row};{row}.5\n" for row in range(30_000))
    assert read("ds;y\n" + rows).frame["y"].iloc[-1] == 29_999.5


def test_a_comma_file_with_decimal_commas_is_refused():
    assert "a decimal comma needs another separator" in refusal("ds,y\n1,2,5\n2,3,5\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"ds,y\n1,2\n2,\x003\n", "is not text (it holds NUL bytes)"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not text"),
        ("ds,y\n1,2\n".encode("utf-16-le"), "give encoding='utf-16-le'"),
        (b"PAR1 and so on", "no whole Parquet file"),
        (gzip.compress(b"ds,y\n" + b"1,2\n" * 9999, mtime=0)[:40], "no whole gzip file"),
        (b'ds,y\n1,"2\n', "no regular CSV"),
        (b"ds,y\n1,2\x81\n", "no text in cp1252 (line 2)"),
    ],
)
def test_what_is_no_table_is_refused(content, told):
    assert told in refusal(content)


def test_a_named_encoding_that_does_not_fit_is_refused():
    content = "ds,größe\n1,2\n2,3\n".encode("latin-1")
    assert "no text in utf-8 (line 1)" in refusal(content, TableLayout(encoding="utf-8"))
    assert (
        read("ds,größe\n1,2\n".encode("utf-16-le"), TableLayout(encoding="utf-16-le")).frame.columns[1]
        == "größe"
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"decimal": "x"}, "decimal must be '.' or ','"),
        ({"separator": "ab"}, "separator must be one character"),
        ({"separator": ""}, "separator must be one character"),
        ({"separator": '"'}, "separator must be one character"),
        ({"separator": ",", "decimal": ","}, "must differ"),
        ({"thousands": "_"}, "thousands must be one of '.', ',', \"'\" and ' ', got '_'"),
        ({"thousands": ""}, "thousands must be one of"),
        ({"thousands": 5}, "as text, got 5"),
        ({"thousands": ",", "decimal": ","}, "decimal and thousands are both ','; they must differ"),
        ({"thousands": " ", "separator": " "}, "separator and thousands are both ' '; they must differ"),
        ({"encoding": "utf-9"}, "Unknown encoding 'utf-9'"),
        ({"encoding": "base64"}, "Unknown encoding 'base64'"),
        ({"duplicates": "frist"}, "Did you mean 'first'"),
        ({"bad_series": "keep"}, "Unknown value of bad_series"),
    ],
)
def test_impossible_options_are_refused(settings, told):
    with pytest.raises(SettingError) as caught:
        TableLayout(**settings)
    assert told in str(caught.value)


def parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def test_parquet_gives_the_panel_of_its_frame(tmp_path):
    stamps = pd.date_range("2024-03-31", periods=4, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": [1.0, 2.0, 3.0, 4.0], "größe": [5, 6, 7, 8]})
    frame.to_parquet(tmp_path / "table.bin")
    expected = Panel.from_frame(frame, TableLayout(past="größe"))
    for file in (
        tmp_path / "table.bin",
        io.BytesIO(parquet(frame)),
        io.BytesIO(gzip.compress(parquet(frame))),
    ):
        panel = Panel.from_file(file, TableLayout(past="größe"))
        assert panel.values.tolist() == expected.values.tolist()
        assert (panel.zone, panel.time.tolist()) == ("Europe/Berlin", expected.time.tolist())
    indexed = Panel.from_file(io.BytesIO(parquet(frame.set_index("ds")[["y"]])))
    assert indexed.index == ("ds",)


def test_rows_of_parquet_are_no_lines():
    frame = pd.DataFrame({"ds": [1, 2], "y": [1.0, None]})
    with pytest.raises(DataError) as caught:
        Panel.from_file(io.BytesIO(parquet(frame)))
    assert "row 1, ds 2: nan" in str(caught.value)


def test_parquet_without_its_reader_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        read(b"PAR1")
    assert "pip install 'timeseries-deeplearning[parquet]'" in str(caught.value)


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(gzip.compress(b"ds,y\n1,2\n2,3\n"))
    assert Panel.from_file(path).values[:, 0].tolist() == [2, 3]
    path.write_bytes(parquet(pd.DataFrame({"ds": [1, 2], "y": [2.0, 3.0]})))
    assert Panel.from_file(path).values[:, 0].tolist() == [2, 3]


@settings(deadline=None)
@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=6),
    separator=st.sampled_from(";\t|"),
)
def test_no_number_is_ever_read_as_another(numbers, separator):
    """Written with a decimal comma, numbers come back as they were, or the file is refused."""
    frame = pd.DataFrame({"ds": range(len(numbers)), "y": np.array(numbers)})
    content = frame.to_csv(index=False, sep=separator, decimal=",", lineterminator="\n")
    column = frame["y"]
    with contextlib.suppress(DataError):
        column = read(content).frame["y"]
    if pd.api.types.is_numeric_dtype(column.dtype):
        assert column.tolist() == numbers
    named = read(content, TableLayout(decimal=","))
    assert named.frame["y"].tolist() == numbers


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(content):
    with contextlib.suppress(DataError):
        assert Panel.from_file(io.BytesIO(content)).num_series > 0
