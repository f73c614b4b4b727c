"""Layers against arithmetic by hand."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.layers.inputs import WindowInputs
from timeseries.deeplearning.layers.instance_norm import scale_window, unscale_forecast, window_scale
from timeseries.deeplearning.networks.nlinear import NLinearNetwork
from timeseries.deeplearning.window import Sizes, Window


def test_inputs_hold_values_mask_and_log_gap_and_a_step_is_present_when_any_value_is():
    past = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    observed = torch.tensor([[[True, True], [False, True], [False, False]]])
    gap = torch.tensor([[1.0, 2.0, 5.0]])
    x, present = WindowInputs(Sizes(context=3, horizon=1, past=2, masked=True))(Window(past, observed, gap))
    log = np.log1p([1, 2, 5])
    expected = [[1, 2, 1, 1, log[0]], [0, 4, 0, 1, log[1]], [0, 0, 0, 0, log[2]]]
    np.testing.assert_allclose(x[0], expected, rtol=1e-6)
    assert present.tolist() == [[True, True, False]]


def test_instance_norm_scales_each_target_by_its_own_observed_values_and_leaves_covariates():
    past = torch.randn(2, 9, 3) * torch.tensor([1.0, 50.0, 7.0]) + torch.tensor([0.0, 300.0, 5.0])
    observed = torch.rand(2, 9, 3) > 0.3
    window = Window(past, observed)
    scale = window_scale(window, 2)
    for b in range(2):
        for d in range(2):
            seen = past[b, observed[b, :, d], d].double().numpy()
            assert float(scale.level[b, 0, d]) == pytest.approx(seen.mean(), rel=1e-4, abs=1e-5)
            assert float(scale.spread[b, 0, d]) == pytest.approx(np.sqrt(seen.var() + 1e-5), rel=1e-4)
    scaled = scale_window(window, scale)
    torch.testing.assert_close(scaled.past[..., :2], (past[..., :2] - scale.level) / scale.spread)
    assert torch.equal(scaled.past[..., 2], past[..., 2])
    back = unscale_forecast(scaled.past[..., :2, None], scale)
    torch.testing.assert_close(back[..., 0], past[..., :2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("autoregressive", [True, False])
def test_nlinear_starts_from_the_last_value_of_each_target(autoregressive):
    sizes = Sizes(context=4, horizon=2, past=3, targets=2, outputs=1, autoregressive=autoregressive)
    network = NLinearNetwork(sizes)
    past = torch.randn(5, 4, 3)
    weight, bias = network.past.weight, network.past.bias
    last = past[:, -1:] if autoregressive else torch.zeros(5, 1, 3)
    expected = ((past - last).flatten(1) @ weight.T + bias).view(5, 2, 2)
    expected = expected + (last[:, :, :2] if autoregressive else 0.0)
    torch.testing.assert_close(network(Window(past))[..., 0], expected)
