"""Named public data sets: one comes along, the others have a pinned address and a checksum.

Nothing is fetched unless that is asked for in so many words, and nothing is read whose checksum is wrong.
"""

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path, PurePosixPath
from urllib.request import urlopen

import pandas as pd

from timeseries.deeplearning.atomic_file import publish
from timeseries.errors import DataError, DownloadError, require_known

TIMEOUT = 30.0  # seconds without an answer
GZIP = b"\x1f\x8b"  # how a gzip file begins


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a data set, as its origin publishes it."""

    local: str
    """Where it lies in the folder that ``TIMESERIES_DATA`` names."""
    repository: str
    """Owner, name and commit on GitHub."""
    path: str
    """Where it lies in that repository; may be gzipped."""
    sha256: str
    """Of the content, unzipped."""
    size: int
    """Bytes of the content, unzipped."""

    @property
    def url(self) -> str:
        """Return the address of this very version."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.path}"

    @property
    def cached(self) -> Path:
        """Return where a fetched copy lies, unzipped."""
        return cache_folder() / PurePosixPath(self.local).name.removesuffix(".gz")

    @property
    def found(self) -> Path | None:
        """Return where it lies on this machine, None where it does not."""
        shared = os.environ.get("TIMESERIES_DATA")
        places = [Path(shared, self.local)] if shared else []
        with suppress(DataError):  # without a home there is no cache, and nothing in it
            places.append(self.cached)
        return next((path for path in places if path.is_file()), None)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set: what it is, who says what may be done with it, where it comes from."""

    about: str
    licence: str
    files: tuple[SourceFile, ...]
    read: Callable[..., pd.DataFrame]
    """Turns the contents of the files into a tidy table."""

    @property
    def is_here(self) -> bool:
        """Return whether it can be read without the network."""
        return all(file.found for file in self.files)


def load_dataset(name: str, *, download: bool = False) -> pd.DataFrame:
    """Return a named public data set as a tidy table.

    It is looked for in the folder that ``TIMESERIES_DATA`` names, then in the cache
    (``$XDG_CACHE_HOME/timeseries``), and its checksum must be right.

    Parameters
    ----------
    name : str
        A name of ``DATASETS``; ``timeseries datasets list`` tells them with their licences.
    download : bool
        Fetch it into the cache when it is in neither place; otherwise the network is left alone.

    Returns
    -------
    DataFrame
        Long (``unique_id, ds, y``), or wide: ``ds`` and a column per series.

    Raises
    ------
    SettingError
        When there is no data set of that name.
    DataError
        When it is not on this machine and may not be fetched, or a checksum is wrong.
    DownloadError
        When it cannot be fetched; the message tells how to do it by hand.

    Examples
    --------
    >>> load_dataset("airpassengers").shape
    (144, 2)
    """
    require_known("data set", name, DATASETS)
    dataset = DATASETS[name]
    return dataset.read(*(_content(name, file, download=download) for file in dataset.files))


def load_airpassengers() -> pd.DataFrame:
    """Return the monthly totals of international airline passengers, 1949 to 1960.

    Returns
    -------
    DataFrame
        144 rows: ``ds``, the first day of the month, and ``y``, thousands of passengers. Series G of
        Box & Jenkins (1976).

    Examples
    --------
    >>> load_airpassengers().tail(1).to_string(header=False, index=False)
    '1960-12-01 432'
    """
    with as_file(files("timeseries") / "data" / "airpassengers.csv") as path:
        return pd.read_csv(path, parse_dates=["ds"])


def cache_folder() -> Path:
    """Return the folder for fetched files, after the XDG rules; it need not exist."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "timeseries"
    try:
        return Path.home() / ".cache" / "timeseries"
    except RuntimeError:
        raise DataError(
            "There is no folder for fetched data sets: this user has no home. Set XDG_CACHE_HOME to one, or "
            "TIMESERIES_DATA to the folder that holds them."
        ) from None


def _content(name: str, file: SourceFile, *, download: bool) -> bytes:
    """Return the checked content of a file, from wherever it is."""
    if path := file.found:
        return _checked(path.read_bytes(), file, str(path), "Delete it and fetch it again.")
    if not download:
        raise DataError(
            f"The data set {name!r} is not on this machine ({file.cached} is absent). Fetch it with "
            f"'timeseries datasets get {name}' or load_dataset({name!r}, download=True)."
        )
    content = _checked(
        _fetched(file), file, file.url, "Its origin has changed, or something on the way did; do not use it."
    )
    file.cached.parent.mkdir(parents=True, exist_ok=True)
    publish(file.cached, (content,), verify=lambda temporary: None)  # the content was checked above
    return content


def _checked(raw: bytes, file: SourceFile, origin: str, fix: str) -> bytes:
    """Unzip what was read and refuse it unless it is the published content."""
    try:
        # One byte beyond the known size settles it: a bomb is never unpacked.
        content = gzip.GzipFile(fileobj=BytesIO(raw)).read(file.size + 1) if raw[:2] == GZIP else raw
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{origin} is no whole gzip file: {error}. {fix}") from None
    found = sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(f"{origin} has the sha256 {found}, expected {file.sha256}. {fix}")
    return content


def _fetched(file: SourceFile) -> bytes:
    """Ask the origin for the bytes of a file."""
    try:
        with urlopen(file.url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(file.size + 1)
    except OSError as error:
        raise DownloadError(
            f"Cannot fetch {file.url}: {error}. Fetch it by hand and put it at {file.cached} "
            "(gzipped or not); its checksum is tested when it is read."
        ) from None
    return content


def _read_ett(content: bytes) -> pd.DataFrame:
    return pd.read_csv(BytesIO(content), parse_dates=["date"]).rename(columns={"date": "ds"})


def _read_exchange_rate(content: bytes) -> pd.DataFrame:
    return pd.read_csv(BytesIO(content), parse_dates=["date"], date_format="%Y/%m/%d %H:%M").rename(
        columns={"date": "ds"}
    )


def _read_pjm(content: bytes) -> pd.DataFrame:
    """Take the hours of PJM East, in order; the mean where an hour of autumn came twice."""
    table = pd.read_csv(BytesIO(content), usecols=["Datetime", "PJME"], parse_dates=["Datetime"])
    hours = table.dropna().groupby("Datetime")["PJME"].mean()  # sorted by stamp
    return hours.rename("y").rename_axis("ds").reset_index()


def _read_m4(train: bytes, test: bytes) -> pd.DataFrame:
    """Put the test part of every series after its training part, one row per value."""
    past, ahead = _stacked(train), _stacked(test)
    ahead["ds"] += ahead["unique_id"].map(past.groupby("unique_id")["ds"].max())
    by_step = pd.concat([past, ahead]).sort_values("ds")
    return by_step.sort_values(
        "unique_id",
        key=lambda ids: ids.str[1:].astype(int),  # H2 comes before H10
        kind="stable",
        ignore_index=True,
    )


def _stacked(content: bytes) -> pd.DataFrame:
    """Turn a row per series, padded with empty cells, into a row per value, counted from 1."""
    wide = pd.read_csv(BytesIO(content)).rename(columns={"V1": "unique_id"})
    long = wide.set_axis(["unique_id", *range(1, wide.shape[1])], axis=1)
    rows = long.melt("unique_id", var_name="ds", value_name="y").dropna(ignore_index=True)
    return rows.astype({"ds": "int64"})


def _read_dowjones(content: bytes) -> pd.DataFrame:
    table = pd.read_csv(BytesIO(content)).rename(columns={"date": "ds"})
    return table.assign(ds=pd.to_datetime(table["ds"].str[:10]))  # days; the file adds midnight in UTC


def _ett(name: str, repository: str, path: str, checksum: str, size: int) -> DataSet:
    """Describe one of the four sets of the ETT family."""
    step = "hour" if "h" in name else "quarter of an hour"
    return DataSet(
        about=f"Electricity transformer {name[-1]}: six loads and the oil temperature OT, every {step}.",
        licence="CC BY-ND 4.0: no changed copies",
        files=(
            SourceFile(
                local=f"ett/{name}.csv.gz", repository=repository, path=path, sha256=checksum, size=size
            ),
        ),
        read=_read_ett,
    )


_ETT = "zhouhaoyi/ETDataset/1d16c8f4f943"
_HICR = "ljnvs/HiCR-Mamba/d472c100956e"
_M4 = "Mcompetitions/M4-methods/6c1067e5a571"

DATASETS: dict[str, DataSet] = {
    "airpassengers": DataSet(
        about="International airline passengers by month, 1949 to 1960 (Box & Jenkins 1976, series G).",
        licence="public facts; comes along",
        files=(),
        read=load_airpassengers,
    ),
    "dowjones": DataSet(
        about="Daily prices of 27 Dow Jones stocks, 1999 to 2025, trading days only.",
        licence="none stated",
        files=(
            SourceFile(
                local="stocks/dowjones27_daily.csv.gz",
                repository="jackyue1994/OLinear/f168e01a3e0e",
                path="dataset/DowJones/dowjones.csv",
                sha256="c89d9542b24758dc61bd7152e208a4561f33b6a98d421694ffc223bf95f5d8aa",
                size=2_239_559,
            ),
        ),
        read=_read_dowjones,
    ),
    "etth1": _ett(
        "ETTh1",
        _ETT,
        "ETT-small/ETTh1.csv",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        2_589_657,
    ),
    "etth2": _ett(
        "ETTh2",
        _ETT,
        "ETT-small/ETTh2.csv",
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
        2_417_960,
    ),
    "ettm1": _ett(
        "ETTm1",
        _HICR,
        "datasets/ETT-small/ETTm1.csv.gz",
        "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
        10_360_719,
    ),
    "ettm2": _ett(
        "ETTm2",
        _HICR,
        "datasets/ETT-small/ETTm2.csv.gz",
        "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
        9_677_236,
    ),
    "exchange_rate": DataSet(
        about="Exchange rates of eight currencies by trading day, 1990 to 2010; the dates are made up.",
        licence="none stated",
        files=(
            SourceFile(
                local="exchange_rate/exchange_rate.csv.gz",
                repository="junwoopark92/Self-Supervised-Contrastive-Forecsating/f394705adbf5",
                path="dataset/exchange_rate/exchange_rate.csv",
                sha256="d55e7aa2641009814a18ba3279431b13f6d413b0eab195b9ff21988d8cf94e97",
                size=630_212,
            ),
        ),
        read=_read_exchange_rate,
    ),
    "m4_hourly": DataSet(
        about="414 hourly series of the M4 competition; the last 48 rows of each were its test.",
        licence="none stated; free for research",
        files=(
            SourceFile(
                local="m4/Hourly-train.csv.gz",
                repository=_M4,
                path="Dataset/Train/Hourly-train.csv",
                sha256="ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
                size=2_347_115,
            ),
            SourceFile(
                local="m4/Hourly-test.csv.gz",
                repository=_M4,
                path="Dataset/Test/Hourly-test.csv",
                sha256="71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42",
                size=132_820,
            ),
        ),
        read=_read_m4,
    ),
    "pjm_hourly": DataSet(
        about="Hourly demand of PJM East in MW, 2002 to 2018, local time: the mean where an hour of autumn "
        "came twice; 30 hours are absent, so fit with missing='mask'.",
        licence="CC0",
        files=(
            SourceFile(
                local="pjm/est_hourly.csv.gz",
                repository="salesforce/Merlion/085ef8a69e5d",
                path="data/multivariate/energy_power/est_hourly.csv.gz",
                sha256="6b389893eea83d2ffbc9ad32957629f983e8627418ca9033f7bacc9b95f89bfd",
                size=12_705_938,
            ),
        ),
        read=_read_pjm,
    ),
}
"""Every data set, by name."""
