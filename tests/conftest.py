"""What all tests share."""

import os
import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a job of a shell's background
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["OMP_NUM_THREADS"] = "1"  # tests run in several processes, and start more: threads would spin

from pathlib import Path

import pytest

collect_ignore = ["watched_calls.py"]  # a program of its own, which a test runs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that takes longest, so that no worker waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder with the real data sets, or skip."""
    folder = os.environ.get("TIMESERIES_DATA")
    if not folder:
        pytest.skip("needs the real data: set TIMESERIES_DATA to the folder that holds it")
    return Path(folder)
