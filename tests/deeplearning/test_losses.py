"""Losses against their definitions, worked out in numpy and by scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_pinball_loss,
    mean_squared_error,
)

from timeseries.deeplearning.losses import PinballLoss, kept_loss, loss_kept, make_loss, weighted_mean
from timeseries.errors import SettingError, TimeSeriesError

DEFINITIONS = {
    "mse": lambda error: error**2,
    "mae": abs,
    "huber": lambda error: np.where(abs(error) <= 1, error**2 / 2, abs(error) - 0.5),
    "smooth_l1": lambda error: np.where(abs(error) <= 1, error**2 / 2, abs(error) - 0.5),
    "log_cosh": lambda error: np.logaddexp(error, -error) - np.log(2),
}
RELATIVE = {
    "mape": lambda target, forecast: abs(target - forecast) / abs(target),
    "smape": lambda target, forecast: 2 * abs(target - forecast) / (abs(target) + abs(forecast)),
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


@pytest.mark.parametrize("name", RELATIVE)
@settings(max_examples=30, deadline=None)
@given(pair=pairs, signs=st.tuples(*[st.sampled_from([-1, 1])] * 2))
def test_a_relative_loss_equals_its_definition_away_from_zero(name, pair, signs):
    forecast, target = (sign * (1 + np.abs(part)) for sign, part in zip(signs, pair, strict=True))
    loss = make_loss(name, None)
    assert loss.relative
    losses = loss(torch.from_numpy(forecast)[..., None], torch.from_numpy(target))
    expected = RELATIVE[name](target.astype(np.float64), forecast.astype(np.float64))
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", RELATIVE)
def test_a_relative_loss_stays_finite_at_zero_and_so_does_its_gradient(name):
    forecast = torch.tensor([[0.0], [1e-6]], requires_grad=True)  # (2, 1)
    losses = make_loss(name, None)(forecast, torch.zeros(2))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert forecast.grad.isfinite().all()


def test_mape_agrees_with_scikit_learn():
    target, forecast = np.random.default_rng(0).uniform(1, 5, size=(2, 50))
    losses = make_loss("mape", None)(torch.from_numpy(forecast)[:, None], torch.from_numpy(target))
    assert float(losses.mean()) == pytest.approx(mean_absolute_percentage_error(target, forecast))


def test_log_cosh_overflows_nowhere():
    losses = make_loss("log_cosh", None)(torch.tensor([[1e4], [-1e4]]), torch.zeros(2))
    torch.testing.assert_close(losses, torch.full((2,), 1e4 - math.log(2)))


def test_a_loss_of_ones_own_gives_one_number_per_target():
    def cubed(forecast, target):
        return (forecast - target).abs() ** 3

    forecast, target = torch.full((4, 3, 2, 1), 3.0), torch.ones(4, 3, 2)
    assert (make_loss(cubed, None)(forecast, target) == 8).all()
    with pytest.raises(SettingError, match=r"of shape \(4, 3, 2\), but gave \(\)"):
        make_loss(lambda f, y: (f - y).mean(), None)(forecast, target)
    with pytest.raises(SettingError, match=r"'len' cannot compare .* TypeError"):
        make_loss(len, None)(forecast, target)
    with pytest.raises(SettingError, match=r"loss=L1Loss is a class: .*L1Loss\(reduction='none'\)"):
        make_loss(torch.nn.L1Loss, None)
    with pytest.raises(SettingError, match=r"Do not average .reduction='none'"):
        make_loss(torch.nn.L1Loss(), None)(forecast, target)
    assert (make_loss(torch.nn.L1Loss(reduction="none"), None)(forecast, target) == 2).all()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda f, y: torch.from_numpy((f.numpy() - y.numpy()) ** 2), "RuntimeError"),
        (lambda f, y: ((f - y) ** 2).detach(), "lets no gradient through"),
    ],
    ids=["numpy", "detached"],
)
def test_a_loss_that_nothing_can_be_learned_from_is_refused(loss, message):
    forecast = torch.full((4, 3, 2, 1), 3.0, requires_grad=True)
    with pytest.raises(SettingError, match=message):
        make_loss(loss, None)(forecast, torch.ones(4, 3, 2))


def test_a_file_keeps_the_name_of_a_loss_and_refuses_to_train_with_what_it_does_not_hold():
    def cubed(forecast, target):
        return (forecast - target).abs() ** 3

    assert [kept_loss(loss) for loss in ("mae", cubed)] == ["mae", "own:cubed"]
    assert loss_kept("mae") == "mae"
    found = loss_kept("own:cubed")
    assert kept_loss(found) == "own:cubed"
    with pytest.raises(SettingError, match="'cubed', which no file holds"):
        make_loss(found, None)(torch.zeros(2, 1), torch.zeros(2))


def test_quantile_is_another_name_of_pinball():
    assert make_loss("quantile", LEVELS) == make_loss("pinball", LEVELS) == PinballLoss(LEVELS)


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
    light = float(weighted_mean(torch.from_numpy(losses), torch.from_numpy(weight) / 1000))
    assert light == pytest.approx(float(mean), rel=1e-9)


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
