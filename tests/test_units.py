"""From the user's units to those of a network and back: by hand, in numpy, and compiled."""

import numpy as np
import pytest

from timeseries.deeplearning.compiled_step import CompiledUnits
from timeseries.intervals import calibrate
from timeseries.units import Units

S, C, D, H = 3, 2, 1, 4
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def made(of, calibration=None):
    draw = np.random.default_rng(0)
    center, scale = draw.normal(size=(S, C)) * 1e3, draw.uniform(0.1, 50, size=(S, C))
    return of(center, scale, center[:, :D], scale[:, :D], calibration)


def calibration(own):
    draw = np.random.default_rng(1)
    forecast = np.sort(draw.normal(size=(60, H, D, 1 if own is None else len(own))), axis=-1)
    return calibrate(draw.normal(size=(60, H, D)), forecast, own, LEVELS)


@pytest.mark.parametrize("of", [Units, CompiledUnits])
def test_an_observation_is_scaled_and_what_is_not_finite_is_told(of):
    units, rows = made(of), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # (S, C)
    scaled, finite = units.scaled(rows)
    assert finite
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, ((rows - units.center) / units.scale).astype(np.float32))
    for bad in (np.nan, np.inf, 1e200):
        rows[1, 1] = bad
        scaled, finite = units.scaled(rows)
        assert not finite
        assert np.flatnonzero(~np.isfinite(scaled)).tolist() == [3]


@pytest.mark.parametrize("of", [Units, CompiledUnits])
@pytest.mark.parametrize("numbers", [1, 3, 5])
def test_a_forecast_comes_back_in_order_and_in_the_users_units(of, numbers):
    units = made(of)
    forecast = np.random.default_rng(2).normal(size=(S, H, D, numbers)).astype(np.float32)
    answer, finite = units.answer(forecast)
    assert finite
    expected = [
        [
            [sorted(units.center[s, 0] + float(z) * units.scale[s, 0] for z in forecast[s, h, 0])]
            for h in range(H)
        ]
        for s in range(S)
    ]
    np.testing.assert_allclose(answer, expected, rtol=1e-12)
    forecast[1, 2] = np.nan
    answer, finite = units.answer(forecast)
    assert not finite
    assert np.isfinite(answer[0]).all()


@pytest.mark.parametrize("own", [None, (0.1, 0.5, 0.9), LEVELS])
def test_compiled_quantiles_are_those_of_the_calibration_bit_for_bit(own):
    learned = calibration(own)
    forecast = np.random.default_rng(3).normal(size=(S, H, D, len(own or [0]))).astype(np.float32)
    expected, _ = made(Units, learned).answer(forecast)
    found, finite = made(CompiledUnits, learned).answer(forecast)
    assert finite
    assert found.shape == (S, H, D, len(LEVELS))
    assert np.array_equal(found, expected)
    assert (np.diff(found, axis=-1) >= 0).all()
