"""Named data sets: found, fetched on request alone, checked, and tidied as they say."""

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timeseries import datasets
from timeseries.datasets import DATASETS, SourceFile, load_dataset
from timeseries.errors import DataError, DownloadError, SettingError

CONTENT = b"date,HUFL,OT\n2016-07-01 00:00:00,1.5,3\n2016-07-01 01:00:00,2.5,4\n"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "timeseries"


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """Put a small "etth1" where a file address leads, and return the file."""
    monkeypatch.delenv("TIMESERIES_DATA", raising=False)
    path = tmp_path / "origin.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    monkeypatch.setattr(SourceFile, "url", property(lambda file: path.as_uri()))
    small = replace(DATASETS["etth1"].files[0], sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))
    monkeypatch.setitem(DATASETS, "etth1", replace(DATASETS["etth1"], files=(small,)))
    return path


def test_nothing_is_fetched_unless_asked_for(origin, empty_cache, monkeypatch):
    monkeypatch.setattr(datasets, "urlopen", lambda *a, **k: pytest.fail("went to the network"))
    with pytest.raises(DataError, match=r"timeseries datasets get etth1.*download=True"):
        load_dataset("etth1")
    assert not empty_cache.exists()


def test_a_fetched_set_is_kept_unzipped_and_needs_no_network_again(origin, empty_cache):
    table = load_dataset("etth1", download=True)
    assert (empty_cache / "ETTh1.csv").read_bytes() == CONTENT
    assert [path.name for path in empty_cache.iterdir()] == ["ETTh1.csv"]
    origin.unlink()
    pd.testing.assert_frame_equal(load_dataset("etth1"), table)
    assert table.columns.tolist() == ["ds", "HUFL", "OT"]
    assert table["ds"].tolist() == [pd.Timestamp("2016-07-01 00:00"), pd.Timestamp("2016-07-01 01:00")]


@pytest.mark.parametrize(
    "change", [b"x", CONTENT[:-1], CONTENT + b"\n", gzip.compress(CONTENT + b"1", mtime=0)]
)
def test_a_wrong_checksum_is_refused_with_both_and_leaves_nothing(origin, empty_cache, change):
    origin.write_bytes(change)
    with pytest.raises(DataError) as caught:
        load_dataset("etth1", download=True)
    assert hashlib.sha256(CONTENT).hexdigest() in str(caught.value)
    assert "origin.csv.gz has the sha256 " in str(caught.value)
    assert not empty_cache.exists()


def test_a_damaged_copy_in_the_cache_is_refused_too(origin, empty_cache):
    empty_cache.mkdir(parents=True)
    (empty_cache / "ETTh1.csv").write_bytes(gzip.compress(CONTENT)[:-5])
    with pytest.raises(DataError, match=r"ETTh1.csv is no whole gzip file.*Delete it"):
        load_dataset("etth1")


def test_a_copy_put_there_by_hand_may_be_gzipped(origin, empty_cache):
    empty_cache.mkdir(parents=True)
    (empty_cache / "ETTh1.csv").write_bytes(gzip.compress(CONTENT))
    assert len(load_dataset("etth1")) == 2


def test_a_bomb_is_unpacked_one_byte_beyond_the_known_size_and_no_further(origin):
    origin.write_bytes(gzip.compress(bytes(10_000)))
    with pytest.raises(DataError, match=hashlib.sha256(bytes(len(CONTENT) + 1)).hexdigest()):
        load_dataset("etth1", download=True)


def test_without_network_the_error_tells_how_to_do_it_by_hand(origin, empty_cache):
    origin.unlink()
    with pytest.raises(DownloadError) as caught:
        load_dataset("etth1", download=True)
    assert origin.as_uri() in str(caught.value)
    assert f"put it at {empty_cache / 'ETTh1.csv'}" in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_the_folder_of_shared_data_comes_first(origin, tmp_path, monkeypatch):
    (tmp_path / "ett").mkdir()
    (tmp_path / "ett" / "ETTh1.csv.gz").write_bytes(gzip.compress(CONTENT))
    monkeypatch.setenv("TIMESERIES_DATA", str(tmp_path))
    origin.unlink()
    assert len(load_dataset("etth1", download=True)) == 2


def test_a_relative_cache_folder_is_ignored_as_the_xdg_rules_have_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("somewhere", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert datasets.cache_folder() == tmp_path / ".cache" / "timeseries"


def test_an_unknown_name_is_answered_with_the_known():
    with pytest.raises(SettingError, match=r"Unknown data set 'eth1'\. Did you mean 'etth1'"):
        load_dataset("eth1")


def test_every_address_names_a_commit_and_every_checksum_is_one():
    for name, dataset in DATASETS.items():
        for file in dataset.files:
            assert file.url.startswith("https://raw.githubusercontent.com/")
            commit = file.repository.split("/")[2]
            assert len(commit) >= 12
            assert int(commit, 16)
            assert len(file.sha256) == 64
            assert int(file.sha256, 16)
        assert dataset.about.endswith((".", "'.")), name
        assert dataset.licence


SHAPES = {  # rows and columns, from the table of origins; M4: 169 x 748 + 245 x 1008 rows
    "airpassengers": (144, 2),
    "dowjones": (6577, 28),
    "etth1": (17420, 8),
    "etth2": (17420, 8),
    "ettm1": (69680, 8),
    "ettm2": (69680, 8),
    "exchange_rate": (7588, 9),
    "m4_hourly": (373372, 3),
    "pjm_hourly": (145362, 2),
}


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_the_real_sets_are_tidy(name, data_folder):
    table = load_dataset(name)
    assert table.shape == SHAPES[name]
    keys = ["unique_id", "ds"] if name == "m4_hourly" else ["ds"]
    assert table.columns[: len(keys)].tolist() == keys
    assert not table.isna().any().any()
    assert all(np.issubdtype(table[c].dtype, np.number) for c in table.columns.drop(keys))
    series = table.groupby("unique_id")["ds"] if name == "m4_hourly" else [("all", table["ds"])]
    assert all(stamps.is_monotonic_increasing and stamps.is_unique for _, stamps in series)


def test_doubled_hours_are_averaged_and_absent_ones_stay_absent(data_folder):
    table = load_dataset("pjm_hourly").set_index("ds")["y"]
    assert table["2014-11-02 02:00"] == (23755 + 22935) / 2
    assert pd.Timestamp("2018-03-11 03:00") not in table.index
    assert len(pd.date_range(table.index[0], table.index[-1], freq="h")) - len(table) == 30


def test_the_test_part_of_m4_follows_its_training_part(data_folder):
    table = load_dataset("m4_hourly")
    assert table["unique_id"].drop_duplicates().tolist() == [f"H{i}" for i in range(1, 415)]
    first = table[table["unique_id"] == "H1"].set_index("ds")["y"]
    with gzip.open(data_folder / "m4" / "Hourly-test.csv.gz", "rt") as file:
        row = file.readlines()[1].replace('"', "").split(",")
    assert first.loc[701:].tolist() == [float(number) for number in row[1:]]
    assert first.index.tolist() == list(range(1, 749))
    assert first[1] == 605


def test_local_paths_are_those_of_the_shared_folder(data_folder):
    for dataset in DATASETS.values():
        assert all((Path(data_folder) / file.local).is_file() for file in dataset.files)
