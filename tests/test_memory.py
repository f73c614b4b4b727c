"""Jobs that need more memory than there is: refused before they start, with the numbers."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from timeseries import memory
from timeseries.cli import main
from timeseries.deeplearning.models import LSTMModel
from timeseries.errors import MemoryLimitError
from timeseries.forecaster import Forecaster
from timeseries.memory import GIB, available_memory, refuse_beyond_memory
from timeseries.panel import Panel, TableLayout

TABLE = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=1000, freq="h"), "y": np.arange(1000.0)})


@pytest.fixture
def left(monkeypatch):
    """Return a function that leaves so many bytes of memory."""
    return lambda size: monkeypatch.setattr(memory, "available_memory", lambda: size)


def group(tmp_path, limit, used, cached, name):
    paths = [tmp_path / part for part in ("limit", "used", "statistics")]
    for path, text in zip(paths, (limit, used, f"anon 5\n{name} {cached}\n"), strict=True):
        path.write_text(f"{text}\n")
    return (*map(str, paths), name)


def test_the_least_of_machine_control_group_and_process_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:       64 kB\n")
    monkeypatch.setattr(memory, "_GROUPS", ())
    assert available_memory() == 65536
    monkeypatch.setattr(memory, "_GROUPS", (group(tmp_path, 10_000, 7_000, 2_000, "inactive_file"),))
    assert available_memory() == 5_000
    monkeypatch.setattr(memory, "_GROUPS", (group(tmp_path, 10_000, 17_000, 0, "inactive_file"),))
    assert available_memory() == 0
    monkeypatch.setattr(memory, "_GROUPS", (group(tmp_path, "max", 7_000, 2_000, "inactive_file"),))
    assert available_memory() == 65536


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_the_limit_of_the_address_space_counts():
    code = (
        "import resource; from timeseries.memory import available_memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)); print(available_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2 << 30 < int(done.stdout) < 3 << 30


def test_where_nothing_is_known_nothing_is_refused(left):
    left(None)
    refuse_beyond_memory(1e30, "All of it", "None.")


def test_a_refusal_says_both_numbers_and_is_a_memory_error(left):
    left(GIB // 2)
    refuse_beyond_memory(GIB // 2, "This", "")
    with pytest.raises(
        MemoryError, match=r"^This needs about 2\.5 GiB of memory, but 0\.5 GiB are avail.*Buy"
    ):
        refuse_beyond_memory(2.5 * GIB, "This", "Buy some.")


def test_a_table_too_large_to_read_or_to_fit_is_refused_with_its_rows(left):
    left(31_000)
    with pytest.raises(MemoryLimitError, match="Reading 1,000 rows of 1 columns"):
        Panel.from_frame(TABLE)
    left(32_000)
    panel = Panel.from_frame(TABLE)
    left(23_999)
    with pytest.raises(MemoryLimitError, match=r"Fitting 1 series of 1,000 rows in all \(1 columns\)"):
        Forecaster("nlinear", horizon=3, max_steps=1).fit(panel)
    left(24_000)
    Forecaster("nlinear", horizon=3, context_length=6, max_steps=1, coverage=()).fit(panel)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_too_large_to_read_is_refused_before_it_is_parsed(pack, left, tmp_path):
    text = TABLE.to_csv(index=False).encode()
    (tmp_path / "data.csv").write_bytes(pack(text))
    left(4 * len(text) - 4)
    with pytest.raises(MemoryLimitError, match=r"Reading the file .*data\.csv needs about"):
        Panel.from_file(tmp_path / "data.csv")
    done = CliRunner().invoke(
        main, ["backtest", str(tmp_path / "data.csv"), "--horizon", "2", "--json", "--model", "nlinear"]
    )
    assert done.exit_code == 5
    assert json.loads(done.stdout)["error"]["code"] == "TS-R003"
    left(4 * len(text) + 100)
    assert len(Panel.from_file(tmp_path / "data.csv").values) == 1000


def test_a_small_gzip_that_unpacks_to_more_than_fits_is_not_unpacked_whole(left, tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 50_000_000))
    left(400_000)
    with pytest.raises(MemoryLimitError, match=r"0\.0 GiB are available"):
        Panel.from_file(tmp_path / "bomb.gz")


def test_parquet_too_large_to_decode_is_refused(left, tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"ds": np.arange(100_000), "y": 1.0}).to_parquet(tmp_path / "data.parquet")
    left(4_000_000)
    with pytest.raises(MemoryLimitError, match="Reading the file"):
        Panel.from_file(tmp_path / "data.parquet", TableLayout(freq=1))


def test_a_network_beyond_all_memory_is_refused_without_making_it(left):
    left(10 * GIB)
    with pytest.raises(MemoryLimitError, match=r"Training a network of .* MB needs about"):
        LSTMModel(hidden_size=16_384).fit(np.zeros((50, 1)), np.zeros(50))
