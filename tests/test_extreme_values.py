"""Numbers at the edges of float64: statistics that round-trip, forecasts that stay finite and move along."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.errors import DataError, TrainingError
from timeseries.forecaster import Forecaster
from timeseries.normalization import STRATEGIES, DataNormalizer

ROWS = 60
WAVE = np.sin(np.arange(ROWS) / 3.0) + 0.1 * np.cos(np.arange(ROWS))  # (ROWS,)
QUICK = {"horizon": 3, "context_length": 8, "max_steps": 5, "coverage": ()}
MODELS = {"nlinear": {}, "lstm": {"hidden_size": 4, "patch_length": 1}}
SIZES = [1e38, 1e39, 1e300, 1e-39, 1e-300]


def table(y):
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=len(y)), "y": y})


def forecast(name, y, **more):
    chosen = QUICK | MODELS[name] | more
    return Forecaster(name, **chosen).fit(table(y)).predict().drop(columns="ds").to_numpy()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([name for name in STRATEGIES if name != "log1p"]),
    st.sampled_from([0.0, 1.0, -1e8, 1e12, 1e15]),
    st.sampled_from([1e-310, 1e-100, 1e-3, 1.0, 1e5, 1e38, 1e39, 1e300]),
    st.integers(0, 2**32 - 1),
)
def test_a_normalizer_gives_values_back_to_a_millionth_of_their_movement(strategy, offset, size, seed):
    movement = size * np.random.default_rng(seed).uniform(-1, 1, (50, 1))  # (50, 1)
    rows = offset + movement  # rounded as float64 does: what is lost there is not the normalizer's
    normalizer = DataNormalizer(strategy=strategy).fit(rows)
    scaled = normalizer.transform(rows)
    assert np.isfinite(scaled).all()
    span = rows.max() - rows.min()
    rounding = 4 * np.spacing(np.abs(rows).max())  # no float64 is nearer to the truth than that
    off = np.abs(normalizer.inverse_transform(scaled) - rows).max()
    assert off <= max(1e-6 * span, rounding)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("largest", [8e307, 1.2e308, 1.79e308])
def test_a_normalizer_at_the_end_of_float64_is_right_or_refuses(strategy, largest):
    wave = np.sin(np.arange(50.0))[:, None]
    rows = largest * wave / np.abs(wave).max()  # (50, 1)
    try:
        normalizer = DataNormalizer(strategy=strategy).fit(rows)
    except DataError:
        assert strategy == "log1p" or largest > 1e308
        return
    back = normalizer.inverse_transform(normalizer.transform(rows))
    np.testing.assert_allclose(back, rows, rtol=1e-6, atol=1e-9 * largest)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e300])
def test_a_logarithm_gives_values_back_to_a_millionth(size):
    rows = size * np.random.default_rng(0).uniform(0, 1, (50, 1))  # (50, 1)
    normalizer = DataNormalizer(strategy="log1p").fit(rows)
    np.testing.assert_allclose(normalizer.inverse_transform(normalizer.transform(rows)), rows, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_scales_with_its_series_as_far_as_float64_goes(name, size):
    # A power of two scales a float64 without rounding; what remains is the rounding of float32 inside.
    factor = 2.0 ** np.round(np.log2(size))
    np.testing.assert_allclose(forecast(name, WAVE * factor) / factor, forecast(name, WAVE), rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_denormal_values_give_finite_forecasts_of_their_size(name):
    answer = forecast(name, WAVE * 1e-310)
    assert np.isfinite(answer).all()
    assert np.abs(answer).max() < 1e-308


@pytest.mark.parametrize(("offset", "movement"), [(1e8, 1e-3), (1e12, 1.0), (-1e12, 1.0), (2.0**40, 0.25)])
@pytest.mark.parametrize("name", MODELS)
def test_a_forecast_moves_along_with_a_huge_offset(name, offset, movement):
    exact = (offset + movement * WAVE) - offset  # the movement that float64 keeps beside the offset
    near, far = forecast(name, exact), forecast(name, offset + exact)
    rounding = 4 * np.spacing(abs(offset))
    np.testing.assert_allclose(far - offset, near, rtol=0, atol=1e-4 * movement + rounding)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("level", [0.0, 7.0, 1e-310, 1e39, -1e300, 1e8])
def test_the_forecast_of_a_constant_is_that_constant(name, level):
    assert forecast(name, np.full(ROWS, level)).ravel().tolist() == [level] * 3


@pytest.mark.parametrize("name", MODELS)
def test_the_forecast_of_an_almost_constant_series_stays_beside_it(name):
    y = 1e8 + np.tile([0.0, 1.5e-8], ROWS // 2)
    np.testing.assert_allclose(forecast(name, y), 1e8, rtol=1e-15)


@pytest.mark.parametrize("outlier", [1e38, 1e200, -1e300])
def test_rows_that_no_window_shows_do_not_touch_a_forecast(outlier):
    """One value of 1e200 among ordinary ones, after everything that was fitted to, before the window."""
    fitted = Forecaster("nlinear", **QUICK).fit(table(WAVE))
    longer = np.concatenate([WAVE, [0.0], WAVE])
    poisoned = np.where(np.arange(len(longer)) == ROWS, outlier, longer)
    np.testing.assert_array_equal(fitted.predict(table(poisoned))["y"], fitted.predict(table(longer))["y"])


def test_an_outlier_that_would_judge_the_network_is_refused_with_its_place():
    """Cut off to what float32 holds, it would decide epochs and intervals: a repair without a word."""
    y = np.where(np.arange(ROWS) == ROWS - 9, 1e200, WAVE)
    with pytest.raises(TrainingError, match=r"series 'y' holds a value near row 4\d that is too large"):
        Forecaster("nlinear", **QUICK).fit(table(y), val_size=12)


def test_a_window_that_shows_what_float32_cannot_hold_beside_its_scale_is_refused():
    fitted = Forecaster("nlinear", **QUICK).fit(table(WAVE))
    refused = pytest.raises(TrainingError, match="far outside what the network")
    with pytest.warns(UserWarning, match="standard deviations off"), refused:
        fitted.predict(table(np.append(WAVE, 1e200)))
