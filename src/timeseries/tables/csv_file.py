"""CSV files as frames: plain or gzipped text in UTF-8, with a header line."""

import gzip
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from timeseries.errors import DataError
from timeseries.tables.layout import TableLayout
from timeseries.tables.roles import duplicate_columns

_ABSENT = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None"]
# Before 3.1, pandas rounds every fourth number in its last bit unless asked not to; 3.1 warns if asked.
_VERSION = tuple(map(int, pd.__version__.split(".")[:2]))
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _VERSION < (3, 1) else {}


def read_csv(path: str | Path, layout: TableLayout) -> pd.DataFrame:
    """Read a CSV file; names of series stay text as written, unless all are whole numbers.

    Raises
    ------
    DataError
        If the file is absent, empty, damaged, not text in UTF-8, or not separated by commas.
    """
    path = Path(path)
    try:
        _refuse_binary(path)
        return _parsed(path, layout)
    except pd.errors.EmptyDataError:
        raise DataError(f"The file {path} is empty; expected CSV with a header line.") from None
    except pd.errors.ParserError as error:
        raise DataError(f"The file {path} is no regular CSV: {error}. Correct that line.") from None
    except UnicodeDecodeError:
        line = _first_line_not_utf8(path)
        raise DataError(f"The file {path} is no text in UTF-8 (line {line}). Save it as UTF-8.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"The file {path} is no whole gzip file: {error}. Fetch it again.") from None
    except OSError as error:
        raise DataError(f"Cannot read the file {path}: {error.strerror or error}.") from None


def _parsed(path: Path, layout: TableLayout) -> pd.DataFrame:
    """Parse a file that is known to be text."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, encoding="utf-8-sig").iloc[0].fillna("")
    if header.duplicated().any():
        raise duplicate_columns(header, f"file {path}")
    if len(header) == 1 and any(mark in header.iloc[0] for mark in ";\t|"):
        raise DataError(
            f"The file {path} does not separate its columns by commas; its header is {header.iloc[0]!r}. "
            "Save it with commas, or read it with pd.read_csv(..., sep=...) and give the frame."
        )
    frame = _cells(path, [name for name in header if name != layout.id], layout.id)
    if layout.id in frame.columns and frame[layout.id].str.fullmatch(r"0|-?[1-9]\d{0,17}").all():
        frame[layout.id] = frame[layout.id].astype("int64")
    return frame


def _cells(path: Path, numeric: list[str], id: str) -> pd.DataFrame:
    """Parse the cells, the names of series as written: "007" is not 7, and "NA" may be Namibia."""
    absent: dict[str, Sequence[str]] = {**dict.fromkeys(numeric, _ABSENT), id: []}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(
                path,
                encoding="utf-8-sig",
                index_col=False,
                dtype={id: str},
                keep_default_na=False,
                na_values=absent,
                low_memory=False,
                **_EXACT,
            )
        except pd.errors.ParserWarning:
            raise DataError(
                f"The rows of the file {path} have more fields than its header names. Complete the header."
            ) from None
    return frame


def _first_line_not_utf8(path: Path) -> int:
    """Find the line, from 1, at which a file ceases to be UTF-8."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        lines = enumerate(file, start=1)
        return next(number for number, line in lines if line.decode(errors="ignore").encode() != line)


def _refuse_binary(path: Path) -> None:
    """Refuse a file that is not text, before a parser makes something of it."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        start = file.read(4096)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"The file {path} is text in UTF-16. Save it as UTF-8.")
    if b"\0" in start:
        raise DataError(f"The file {path} is no text; expected CSV with a header line.")
