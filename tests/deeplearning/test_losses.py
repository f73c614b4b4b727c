"""Losses against their definitions, worked out in numpy and by scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from timeseries.deeplearning.losses import PinballLoss, make_loss, weighted_mean
from timeseries.errors import TimeSeriesError

DEFINITIONS = {
    "mse": lambda error: error**2,
    "mae": abs,
    "huber": lambda error: np.where(abs(error) <= 1, error**2 / 2, abs(error) - 0.5),
}
LEVELS = (0.1, 0.5, 0.9)
numbers = st.floats(-100, 100, width=32)
pairs = array_shapes(min_dims=2, max_dims=4, max_side=4).flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=numbers), arrays(np.float32, shape, elements=numbers)
    )
)


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=30, deadline=None)
@given(pair=pairs)
def test_a_point_loss_equals_its_definition_on_any_leading_axes(name, pair):
    forecast, target = pair
    losses = make_loss(name, None)(torch.from_numpy(forecast)[..., None], torch.from_numpy(target))
    expected = DEFINITIONS[name](target.astype(np.float64) - forecast)
    assert losses.shape == target.shape
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(pair=pairs, shifts=arrays(np.float32, 3, elements=numbers))
def test_pinball_equals_its_definition_on_any_leading_axes(pair, shifts):
    forecast, target = pair
    forecast = forecast[..., None] + shifts  # (..., 3)
    losses = PinballLoss(LEVELS)(torch.from_numpy(forecast), torch.from_numpy(target))
    error = target.astype(np.float64)[..., None] - forecast
    expected = np.where(error > 0, LEVELS * error, (np.array(LEVELS) - 1) * error).mean(axis=-1)
    assert losses.shape == target.shape
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-4)


def test_means_equal_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    target, forecast = draw.normal(size=(2, 50))
    both = torch.from_numpy(forecast)[:, None], torch.from_numpy(target)  # (50, 1), (50,)
    for name, theirs in (("mse", mean_squared_error), ("mae", mean_absolute_error)):
        assert float(weighted_mean(make_loss(name, None)(*both), None)) == pytest.approx(
            theirs(target, forecast), rel=1e-12
        )
    for level in LEVELS:
        ours = float(weighted_mean(PinballLoss((level,))(*both), None))
        assert ours == pytest.approx(mean_pinball_loss(target, forecast, alpha=level), rel=1e-6)


@pytest.mark.parametrize("shape", [(5, 3, 2), (5, 4, 3, 2)])
def test_a_weighted_mean_counts_what_has_weight_whatever_the_axes(shape):
    draw = np.random.default_rng(0)
    losses, weight = draw.normal(size=shape), draw.integers(0, 2, size=shape).astype(float)
    mean = weighted_mean(torch.from_numpy(losses), torch.from_numpy(weight))
    assert float(mean) == pytest.approx(np.average(losses, weights=weight), rel=1e-12)
    assert float(weighted_mean(torch.from_numpy(losses), torch.zeros(shape))) == 0.0


def test_the_minimiser_of_pinball_is_the_quantile():
    draw = torch.from_numpy(np.random.default_rng(0).exponential(size=20_000)).float()
    candidates = torch.linspace(0, 4, 401)
    losses = [
        float(weighted_mean(PinballLoss((0.9,))(c.expand(len(draw), 1, 1, 1), draw[:, None, None]), None))
        for c in candidates
    ]
    assert float(candidates[int(np.argmin(losses))]) == pytest.approx(np.quantile(draw, 0.9), abs=0.03)


def test_pinball_can_be_trained_after_it_was_evaluated():
    loss = PinballLoss((0.123, 0.5))
    forecast, target = torch.zeros(2, 2), torch.ones(2)
    with torch.inference_mode():
        loss(forecast, target)
    forecast.requires_grad_()
    loss(forecast, target).sum().backward()
    np.testing.assert_allclose(forecast.grad, [[-0.123 / 2, -0.25]] * 2, rtol=1e-6)


def test_pinball_of_half_precision_stays_there():
    assert (
        PinballLoss(LEVELS)(torch.zeros(2, 3).bfloat16(), torch.zeros(2).bfloat16()).dtype == torch.bfloat16
    )


@pytest.mark.parametrize(("name", "quantiles"), [("msee", None), ("pinball", None), ("pinball", ())])
def test_an_unknown_loss_is_refused_with_the_known_ones(name, quantiles):
    with pytest.raises(TimeSeriesError, match="huber"):
        make_loss(name, quantiles)
