"""Files of every released format load for ever, and forecast what they forecast when they were made.

The files under tests/fixtures/ are frozen: never make them again, add those of the next format beside them.
"""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.artifact import read_manifest
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.ensemble import Ensemble
from timeseries.forecaster import Forecaster

FIXTURES = Path(__file__).parents[1] / "fixtures"
FORMAT_1 = FIXTURES / "format-1"
TOLERANCE = 1e-5


def hours_ahead():
    table = pd.read_csv(FORMAT_1 / "lstm.future.csv")
    return table.assign(ds=pd.to_datetime(table["ds"], utc=True).dt.tz_convert("Europe/Berlin"))


@pytest.mark.parametrize("name", ["lstm", "nlinear", "custom"])
def test_a_forecaster_of_format_1_forecasts_what_it_did(name):
    own = runpy.run_path(str(FIXTURES / "make_format_1.py"))["Linear"]
    loaded = Forecaster.load(FORMAT_1 / f"{name}.model", networks={"Linear": own})
    answer = loaded.predict(future=hours_ahead() if name == "lstm" else None)
    expected = pd.read_csv(FORMAT_1 / f"{name}.forecast.csv")
    assert list(answer.columns) == list(expected.columns)
    for column, values in expected.items():
        if values.dtype == np.float64:
            np.testing.assert_allclose(answer[column], values, rtol=TOLERANCE, atol=TOLERANCE)
        else:
            assert answer[column].astype(str).tolist() == values.astype(str).tolist()


def test_an_ensemble_of_format_1_forecasts_what_it_did():
    loaded = Ensemble.load(FORMAT_1 / "ensemble.model")
    answer = loaded.predict(future=hours_ahead())
    expected = pd.read_csv(FORMAT_1 / "ensemble.forecast.csv")
    assert list(answer.columns) == list(expected.columns)
    assert answer["unique_id"].tolist() == expected["unique_id"].tolist()
    for column in ("y", "y_q0.1", "y_q0.5", "y_q0.9"):
        np.testing.assert_allclose(answer[column], expected[column], rtol=TOLERANCE, atol=TOLERANCE)
    assert [member.target_transform for member in loaded.members] == [(), ("detrend",)]


def test_an_estimator_of_format_1_predicts_what_it_did():
    X = np.loadtxt(FORMAT_1 / "estimator.input.csv", delimiter=",")  # (n, 2)
    expected = np.loadtxt(FORMAT_1 / "estimator.forecast.csv", delimiter=",")  # (n, 2)
    answer = LSTMModel.load(FORMAT_1 / "estimator.model").predict(X, steps=2)  # (n, 2)
    np.testing.assert_allclose(answer, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_frozen_files_are_of_format_1_and_small():
    models = sorted(FORMAT_1.glob("*.model"))
    assert [model.stem for model in models] == ["custom", "ensemble", "estimator", "lstm", "nlinear"]
    for model in models:
        assert read_manifest(model)[0]["_artifact"]["format_version"] == 1
    assert sum(file.stat().st_size for file in FORMAT_1.iterdir()) < 150_000
