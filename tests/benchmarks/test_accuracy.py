"""What the accuracy script measures is what others measure."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

import accuracy
import sets
from timeseries import Panel, TableLayout


@pytest.fixture(autouse=True)
def _needs_data(data_folder):
    """Skip where the real data are absent."""


def naive_scores(name, step):
    table, protocol = sets.SETS[name]()
    scored = accuracy.prepare(Panel.from_frame(table, TableLayout()), protocol, "test", step)
    return {title: accuracy.score(name, scored, forecast) for title, forecast in scored.rivals.items()}


def test_the_seasonal_naive_row_of_m4_hourly_is_the_official_one():
    row = naive_scores("m4_hourly", 1)["seasonal naive"]
    assert (round(row["sMAPE %"], 3), round(row["MASE"], 3), row["skill"]) == (13.912, 1.193, 0)


def test_the_seasonal_naive_row_of_pjm_is_off_by_7_32_percent():
    row = naive_scores("pjm", 24)["seasonal naive"]
    assert (round(row["MAPE %"], 2), row["skill"]) == (7.32, 0)
    assert row["step 1"] < row["MAPE %"] < row["largest step"]


def test_the_last_price_of_the_dow_explains_nearly_everything_and_has_no_skill():
    (title, row), *others = naive_scores("dow", 1).items()
    assert (title, others, row["skill"]) == ("last value", [], 0)
    assert row["R2"] > 0.95


def test_r2_is_the_mean_of_those_of_scikit_learn_over_the_series():
    random = np.random.default_rng(0)
    truth, forecast = random.normal(size=(2, 12, 3))
    table, protocol = sets.etth1()
    scored = accuracy.prepare(
        Panel.from_frame(table[["ds", "HUFL", "OT"]], TableLayout()), protocol, "test", 480
    )
    assert (scored.origins.series == np.repeat([0, 1], 6)).all()
    expected = np.mean(
        [r2_score(truth[half].ravel(), forecast[half].ravel()) for half in np.split(np.arange(12), 2)]
    )
    assert accuracy.r2(truth, forecast, scored) == pytest.approx(expected)


def test_the_windows_of_the_loop_by_hand_stay_within_their_series():
    table, protocol = sets.exchange_rate()
    steps = table[["ds"]].assign(a=np.arange(7588.0), b=-5.0 * np.arange(7588))
    drawn = accuracy.stacked_windows(Panel.from_frame(steps, TableLayout()), protocol, seed=0)
    assert drawn.shape == (300, 128, 96 + 24)
    slopes = drawn.diff(dim=-1)
    assert (slopes.amax(dim=-1) - slopes.amin(dim=-1)).max() < 1e-5
    assert {float(sign) for sign in slopes[..., 0].sign().unique()} == {-1.0, 1.0}
