"""Gentle notes: said where the tables of docs/guidance.md speak against a choice, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from timeseries import Forecaster, LSTMModel, MLPModel, NLinearModel
from timeseries.guidance import advice, trend_note

WELL = {"sequence_length": 20, "learning_rate": 1e-3, "num_layers": 2}


def notes(model="lstm", windows=5000, **changes):
    return list(advice(model, WELL | changes, windows))


@pytest.mark.parametrize("model", ["lstm", "mlp", "nlinear", "transformer"])
def test_ordinary_choices_are_not_commented(model):
    assert notes(model) == []


@pytest.mark.parametrize(("windows", "said"), [(999, 1), (1000, 0)])
def test_few_windows_are_named_with_what_to_compare(windows, said):
    found = notes(windows=windows)
    assert len(found) == said
    assert all("999 windows" in note and "nlinear" in note for note in found)


def test_few_windows_suffice_for_a_linear_map():
    assert notes("nlinear", windows=50) == notes("dlinear", windows=50) == []


@pytest.mark.parametrize(("steps", "said"), [(1, "1 step "), (4, "4 steps "), (5, None)])
def test_a_short_window_is_named_for_recurrent_networks(steps, said):
    found = notes("gru", sequence_length=steps)
    assert [said in note for note in found] == ([True] if said else [])
    assert notes("mlp", sequence_length=steps) == []


@pytest.mark.parametrize(
    ("rate", "said"), [(9e-5, True), (1e-4, False), (1e-2, False), (0.011, True), (1.0, True)]
)
def test_rates_beyond_the_band_are_named(rate, said):
    assert [f"learning_rate={rate:g}:" in note for note in notes(learning_rate=rate)] == [True] * said


def test_many_recurrent_layers_are_named():
    assert "4 recurrent layers" in notes(num_layers=4)[0]
    assert notes(num_layers=3) == notes("tcn", num_layers=8) == []


LINE, NOISE = np.arange(200.0), np.random.default_rng(0).normal(size=200)


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_line_with_little_noise_is_told(scale, slope):
    assert "100 %" in trend_note(scale * (slope * LINE + NOISE), np.array([0, 200]))


@pytest.mark.parametrize(
    "values",
    [NOISE, np.ones(200), np.full(200, np.nan), np.sin(LINE), LINE**4, np.r_[LINE[:2], np.full(198, np.nan)]],
    ids=["noise", "constant", "missing", "wave", "curve", "two values"],
)
def test_what_is_no_line_is_not_told(values):
    assert trend_note(values, np.array([0, 200])) is None


def test_the_share_is_that_of_a_regression_over_the_times_that_are_there():
    values = np.where(NOISE > 1, np.nan, 0.1 * LINE + NOISE)
    there = np.isfinite(values)
    share = np.corrcoef(LINE[there], values[there])[0, 1] ** 2
    assert f" {100 * share:.0f} % " in trend_note(values, np.array([0, 200]))


def test_the_middle_of_all_series_counts():
    mixed = np.concatenate([LINE, NOISE, LINE])
    assert trend_note(mixed, np.array([0, 200, 400, 600])) is not None
    assert trend_note(np.concatenate([LINE, NOISE, NOISE]), np.array([0, 200, 400, 600])) is None


def fit_table(model, values, capsys, *, verbose=True, **settings):
    table = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=len(values), freq="D"), "y": values})
    settings = {"horizon": 2, "context_length": 6, "coverage": (), "max_steps": 2} | settings
    Forecaster(model, **settings).fit(table, verbose=verbose)
    return capsys.readouterr().err


def test_a_forecaster_tells_of_few_windows_and_of_a_line(capsys):
    said = fit_table("lstm", LINE + NOISE, capsys)
    assert "193 windows to learn from" in said  # 200 - 6 - 2 + 1
    assert "A straight line explains 100 %" in said
    assert "windows" not in fit_table("nlinear", LINE + NOISE, capsys)
    assert fit_table("lstm", LINE + NOISE, capsys, verbose=False) == ""


def test_an_estimator_tells_of_few_windows_when_it_speaks(capsys):
    X, y = NOISE[:, None], NOISE**2
    for model in (LSTMModel(epochs=1), MLPModel(epochs=1), NLinearModel(epochs=1)):
        model.fit(X, y)
        assert "windows" not in capsys.readouterr().err
        model.fit(X, y, verbose=True)
        assert ("200 windows" in capsys.readouterr().err) == (model.name != "nlinear")
