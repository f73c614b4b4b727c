"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # the tests run in several processes


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder with the real data sets, or skip."""
    folder = os.environ.get("TIMESERIES_DATA")
    if not folder:
        pytest.skip("needs the real data: set TIMESERIES_DATA to the folder that holds it")
    return Path(folder)
