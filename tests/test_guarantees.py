"""The published promises: each has tests, which exist; and one that has no better place."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timeseries.forecaster import Forecaster

ROOT = Path(__file__).parents[1]
LINES = [
    line for line in re.split(r"\n(?=\d+\. )", (ROOT / "GUARANTEES.md").read_text()) if line[0].isdigit()
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("**")[1])
def test_every_promise_names_tests_that_exist(line):
    links = re.findall(r"\[([^\]]+)\]\((tests/[^)]+)\)", line)
    assert links
    for name, path in links:
        assert f"def test_{name.replace(' ', '_')}(" in (ROOT / path).read_text()


def test_forecasts_and_scores_do_not_depend_on_the_batch_size(monkeypatch):
    t = np.arange(200)
    columns = {
        "ds": pd.date_range("2024-01-01", periods=200, freq="h"),
        "a": np.sin(t / 3),
        "b": np.cos(t / 5),
    }
    fitted = Forecaster("lstm", horizon=3, context_length=8, max_steps=5, hidden_size=8)
    fitted.fit(pd.DataFrame(columns).head(100))
    results = []
    for size in (1, 7, 1024):
        monkeypatch.setattr("timeseries.deeplearning.engine.FORECAST_BATCH", size)
        results.append(fitted.evaluate(pd.DataFrame(columns), step=1))
    for other in results[1:]:
        assert other.forecast.shape == results[0].forecast.shape == (2 * 98, 3, 1, 5)  # every window
        np.testing.assert_allclose(other.forecast, results[0].forecast, rtol=1e-6, atol=1e-6)
        pd.testing.assert_frame_equal(other.table(), results[0].table(), rtol=1e-6)
