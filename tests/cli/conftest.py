"""A command line that runs in this process, and files for it."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from timeseries.cli import main
from timeseries.forecaster import Forecaster


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command line in an empty folder; expect an exit code, and nothing of a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0, **options):
        done = CliRunner().invoke(main, [str(argument) for argument in arguments], **options)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done

    return run


@pytest.fixture
def document(run):
    """Run a command line with --json and return its only document."""

    def run_json(*arguments, **options):
        return json.loads(run(*arguments, "--json", **options).stdout, parse_constant=pytest.fail)

    return run_json


@pytest.fixture
def table():
    t = np.arange(40)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=40), "y": np.sin(t / 3) + t / 10})


@pytest.fixture
def data(table, tmp_path):
    table.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


@pytest.fixture
def forecaster(table):
    return Forecaster("nlinear", horizon=3, context_length=6, max_steps=2).fit(table)


@pytest.fixture
def model(forecaster, tmp_path):
    forecaster.save(tmp_path / "a.model")
    return tmp_path / "a.model"


@pytest.fixture
def holds():
    """Compare a printed table with a frame: to the digits that are printed, and no more than those."""

    def holds(printed, frame):
        read = pd.read_csv(io.StringIO(printed), parse_dates=[c for c in ("ds", "cutoff") if c in frame])
        pd.testing.assert_frame_equal(read, frame, check_dtype=False, rtol=1e-8, atol=1e-8)
        return read

    return holds
