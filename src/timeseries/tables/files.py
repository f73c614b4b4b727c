"""Files as frames: text with a header line, plain or gzipped, and Parquet, told apart by their first bytes.

How a text file is written (encoding, separator, decimal comma) is named by the layout or detected. Where two
readings would give different numbers, the file is refused until the layout says which one is meant.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO

import pandas as pd

from timeseries import memory
from timeseries.errors import DataError, MissingExtraError, require_path, shown
from timeseries.process import warnings_as
from timeseries.tables.frames import Source
from timeseries.tables.layout import TableLayout
from timeseries.tables.numerals import mark_class
from timeseries.tables.roles import duplicate_columns

_ABSENT = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None"]
# Before 3.1, pandas rounds every fourth number in its last bit unless asked not to; 3.1 warns if asked.
_VERSION = tuple(map(int, pd.__version__.split(".")[:2]))
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _VERSION < (3, 1) else {}
_MARKS = {  # bytes with which a text may begin, and the encoding they stand for
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATORS = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
BYTES_PER_BYTE = 4  # of text, at the peak of reading it; benchmarks/memory.py
BYTES_PER_CELL = 24  # of Parquet: decoded, and as a column of pandas
_SAMPLE = 100_000  # characters that decide about the separator
_COMMA_NUMBER = r"[+-]?\d[\d.]*(,\d+)*(\.\d+)?"
_CLEAR_DECIMAL = r"[+-]?(\d+,(\d{1,2}|\d{4,})|0\d*,\d+|\d{4,},\d+|[\d.]+\.[\d.]*,\d+)"
_CLEAR_THOUSANDS = r"[+-]?(\d{1,3},\d{3},[\d,]+|\d[\d,]*,\d{3}\.\d+|\d{1,2}(,\d\d)+,\d{3})"


@dataclass(frozen=True, kw_only=True)
class _Writing:
    """How a text file is written."""

    name: str
    content: bytes
    encoding: str
    separator: str = ","
    decimal: str = "."

    def open(self) -> IO[str]:
        """Open the file as text."""
        return io.TextIOWrapper(io.BytesIO(self.content), encoding=self.encoding, newline="")

    def note(self) -> tuple[str, ...]:
        """Say how the file was read, unless it is plain CSV."""
        facts = [] if self.encoding in ("utf-8", "utf-8-sig") else [f"as {self.encoding}"]
        facts += (
            []
            if self.separator == ","
            else [f"separated by {_SEPARATORS.get(self.separator, self.separator)}"]
        )
        facts += [] if self.decimal == "." else ["with decimal comma"]
        return (f"The {self.name} was read {', '.join(facts)}.",) if facts else ()


def read_file(file: str | PathLike[str] | BinaryIO, layout: TableLayout) -> Source:
    r"""Read a file of text (CSV and its relatives, plain or gzipped) or of Parquet.

    Parameters
    ----------
    file
        Path, or anything whose ``read()`` gives bytes. The content decides what it is, not the suffix.
    layout
        Says, or leaves to detection, how text is written. Names of series stay text as written, unless all
        are whole numbers.

    Returns
    -------
    Source
        With what was detected among its notes.

    Raises
    ------
    DataError
        If the file is absent, empty, damaged or no table, or if its numbers can be read in two ways.
    MissingExtraError
        For Parquet without pyarrow.

    Examples
    --------
    >>> source = read_file(io.BytesIO(b"ds;y\n1;2,5\n2;3,75\n"), TableLayout())
    >>> source.frame["y"].tolist(), source.notes
    ([2.5, 3.75], ("The file was read separated by ';', with decimal comma.",))
    """
    path = str(Path(file)) if isinstance(file, (str, PathLike)) else None
    try:
        return replace(_read(file, layout), file=path)
    except DataError as error:
        error.file = path
        raise


def _read(file: str | PathLike[str] | BinaryIO, layout: TableLayout) -> Source:
    """Read a file, and word what its libraries say of it."""
    name = f"file {Path(file)}" if isinstance(file, (str, PathLike)) else "file"
    try:
        content = _content(file, name)
        if content[:4] == b"PAR1":
            return Source(frame=_parquet(content, name))
        return _text(content, name, layout)
    except pd.errors.EmptyDataError:
        raise DataError(f"The {name} is empty; expected CSV with a header line.") from None
    except (pd.errors.ParserError, csv.Error) as error:
        raise DataError(f"The {name} is no regular CSV: {error}. Correct that line.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"The {name} is no whole gzip file: {error}. Fetch it again.") from None
    except OSError as error:
        raise DataError(f"Cannot read the {name}: {error.strerror or error}.") from None


def _content(file: str | PathLike[str] | BinaryIO, name: str) -> bytes:
    """Read all bytes, unpacked, unless they are more than this machine can make a table of."""
    if not isinstance(file, (str, PathLike)):
        content = file.read() if hasattr(file, "read") else None
        if not isinstance(content, bytes):
            raise DataError(
                f"The {name} must be a path, or be opened for reading bytes: open(path, 'rb'), or "
                f"io.BytesIO(text.encode()); got {shown(file)}."
            )
        packed = content[:2] == b"\x1f\x8b"
    else:
        require_path(file)
        path = Path(file)
        _refuse_large(path.stat().st_size, name)
        content = path.read_bytes()
        packed = content[:2] == b"\x1f\x8b" or path.suffix == ".gz"
    if packed:
        content = _unpacked(content, name)
    _refuse_large(len(content), name)
    return content


def _unpacked(content: bytes, name: str) -> bytes:
    """Unpack gzip, but stop where a small file turns into more than fits into memory."""
    available = memory.available_memory()
    limit = -1 if available is None else available // BYTES_PER_BYTE + 1
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        unpacked = file.read(limit)
    _refuse_large(len(unpacked), name)
    return unpacked


def _refuse_large(size: int, name: str) -> None:
    job = f"Reading the {name}"
    memory.refuse_beyond_memory(
        BYTES_PER_BYTE * size, job, "Read a part of its rows, or use a larger machine."
    )


def _parquet(content: bytes, name: str) -> pd.DataFrame:
    """Read Parquet, of which pyarrow knows the format."""
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("pyarrow (the reader of Parquet)", "parquet") from None
    try:
        from pyarrow import parquet

        shape = parquet.read_metadata(io.BytesIO(content))
        cells = shape.num_rows * shape.num_columns
        memory.refuse_beyond_memory(
            BYTES_PER_CELL * cells, f"Reading the {name}", "Read a part of its rows, or use a larger machine."
        )
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"The {name} is no whole Parquet file: {error}. Fetch it again.") from None


def _text(content: bytes, name: str, layout: TableLayout) -> Source:
    """Read text: first its encoding, then its separator, then its cells, last its decimal mark."""
    writing = _Writing(name=name, content=content, encoding=_encoding(content, name, layout))
    writing = replace(writing, separator=layout.separator or _separator(writing))
    with writing.open() as text:
        header = pd.read_csv(text, header=None, nrows=1, dtype=str, sep=writing.separator).iloc[0].fillna("")
    if header.duplicated().any():
        raise duplicate_columns(header, name)
    writing = replace(writing, decimal=layout.decimal_mark or ".")
    frame = _cells(writing, list(header), layout)
    if layout.decimal_mark is None and _has_decimal_commas(frame, name, layout):
        writing = replace(writing, decimal=",")
        frame = _cells(writing, list(header), layout)
    if layout.id in frame.columns and frame[layout.id].str.fullmatch(r"0|-?[1-9]\d{0,17}").all():
        frame[layout.id] = frame[layout.id].astype("int64")
    return Source(
        frame=frame,
        in_file=_row_by_line(writing, frame),
        decimal="," if writing.decimal == "," else None,
        notes=writing.note(),
    )


def _row_by_line(writing: _Writing, frame: pd.DataFrame) -> bool:
    """Tell whether every row is one line: no blank lines between them, no line breaks within cells."""
    return writing.content.rstrip(b"\r\n\0").count(b"\n") == len(frame)


def _encoding(content: bytes, name: str, layout: TableLayout) -> str:
    """Find the encoding: named, by the mark at the beginning, UTF-8 if all of it is, else cp1252."""
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    for encoding in [layout.encoding] if layout.encoding else [marked] if marked else ["utf-8", "cp1252"]:
        if not encoding.startswith(("utf-16", "utf-32")) and b"\0" in content:
            raise DataError(
                f"The {name} is not text (it holds NUL bytes); expected CSV with a header line, or Parquet. "
                "For text in UTF-16 without a mark, give encoding='utf-16-le'."
            )
        try:
            content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
        else:
            return encoding
    raise DataError(
        f"The {name} is no text in {encoding} (line {line}). Save it as UTF-8, or give encoding='...'",
        line=line,
    )


def _separator(writing: _Writing) -> str:
    """Find the separator that cuts all lines into the same number of cells, more than one."""
    with writing.open() as text:
        sample = text.read(_SAMPLE)
    if len(sample) == _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample
    widths = {mark: _widths(sample, mark) for mark in _SEPARATORS}
    regular = [mark for mark, width in widths.items() if len(set(width)) == 1 and width[0] > 1]
    if len(regular) > 1:
        named = " or ".join(f"separator={mark!r}" for mark in regular)
        marks = " and ".join(_SEPARATORS[mark] for mark in regular)
        raise DataError(
            f"The {writing.name} can be read in several ways: {marks} cut all lines into equal numbers "
            f"of cells. Say which separates the columns: {named}."
        )
    # Of an irregular file, the parser names the line, once it is cut as its header seems to be.
    return regular[0] if regular else max(_SEPARATORS, key=lambda mark: (widths[mark] or [0])[0])


def _widths(sample: str, mark: str) -> list[int]:
    """Count the cells of each line that is not blank."""
    return [len(cells) for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=mark) if cells]


def _has_decimal_commas(frame: pd.DataFrame, name: str, layout: TableLayout) -> bool:
    """Tell whether numbers are written 1,5; refuse a file in which 1,234 may be one or a thousand."""
    columns = [column for column in frame.columns if column not in (layout.id, layout.time)]
    meanings = {column: _comma(frame[column], layout.thousands) for column in columns}
    found = set(meanings.values())
    if "unclear" in found and found <= {"unclear", ""}:
        column = next(column for column, meaning in meanings.items() if meaning == "unclear")
        row = int(frame[column].str.contains(",", na=False).to_numpy().argmax())
        raise DataError(
            f"The {name}, column {column!r}, row {row} (line {row + 2} of the file) holds "
            f"{frame[column].iloc[row]!r}: is that a decimal comma, or does it separate thousands?\n"
            "To fix this: give decimal=',' for a decimal comma, or thousands=',' for groups of three digits.",
            column=column,
            row=row,
            value=frame[column].iloc[row],
        )
    return "decimal" in found and "thousands" not in found  # else the cells are refused where they are used


def _comma(column: "pd.Series[Any]", thousands: str | None) -> str:
    """Say what commas in a column of numbers are: "decimal", "thousands", "unclear", or "" without any.

    Where another mark groups the thousands, a comma cannot.
    """
    if pd.api.types.is_numeric_dtype(column.dtype) or not len(column):
        return ""
    cells = column.dropna().astype(str).str.strip()
    if thousands is not None:
        cells = cells.str.replace(rf"(?<=\d){mark_class(thousands)}(?=\d)", "", regex=True)
    commas = cells[cells.str.contains(",", regex=False)]
    if not len(commas) or not cells.str.fullmatch(_COMMA_NUMBER).all():
        return ""
    if commas.str.fullmatch(_CLEAR_THOUSANDS).any():
        return "thousands"
    clear = thousands is not None or commas.str.fullmatch(_CLEAR_DECIMAL).any()
    return "decimal" if clear else "unclear"


def _cells(writing: _Writing, header: list[str], layout: TableLayout) -> pd.DataFrame:
    """Parse the cells, the names of series as written: "007" is not 7, and "NA" may be Namibia."""
    numeric = dict.fromkeys([name for name in header if name != layout.id], _ABSENT)
    absent: dict[str, Sequence[str]] = {**numeric, layout.id: []}
    with writing.open() as text, warnings_as("error", pd.errors.ParserWarning):
        try:
            frame: pd.DataFrame = pd.read_csv(
                text,
                sep=writing.separator,
                decimal=writing.decimal,
                index_col=False,
                dtype={layout.id: str},
                keep_default_na=False,
                na_values=absent,
                low_memory=False,
                **_EXACT,
            )
        except pd.errors.ParserWarning:
            raise DataError(
                f"The rows of the {writing.name} have more fields than its header names. Complete the header "
                "or give the separator; a decimal comma needs another separator than commas."
            ) from None
    return frame
