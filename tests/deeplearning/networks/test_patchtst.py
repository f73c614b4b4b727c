"""PatchTST: patches by hand, PyTorch's encoder over them, and which channel knows of which."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from timeseries.deeplearning.layers.patches import patch_count
from timeseries.deeplearning.models.patchtst import PatchTSTModel
from timeseries.deeplearning.networks.patchtst import PatchTSTNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=10, horizon=3, past=2, targets=2)
SHAPE = {"patch_length": 4, "stride": 3, "d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 16}


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    return PatchTSTNetwork(sizes, **(SHAPE | {"dropout": 0.1} | settings)).eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_patches_hold_every_step_and_no_patch_is_superfluous(steps, length, stride):
    length, stride = min(length, steps), min(stride, length)
    count, held = 1, length
    while held < steps:
        count, held = count + 1, held + stride
    assert patch_count(steps, length, stride) == count


@torch.no_grad()
@pytest.mark.parametrize("context", [10, 9])
def test_a_forecast_is_pytorchs_encoder_over_patches_counted_back_from_the_newest_step(context):
    network = make(replace(SIZES, context=context))
    past = draw(3, context, 2)
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False).eval()
    theirs.load_state_dict(network.encoder.state_dict())
    steps = np.zeros((3, 10, 2), dtype=np.float32)
    steps[:, 10 - context :] = past
    for target in range(2):
        patches = np.stack([steps[:, start : start + 4, target] for start in (0, 3, 6)], axis=1)  # (B, 3, 4)
        states = theirs(network.embed(torch.from_numpy(patches)) + network.positions)
        expected = states.flatten(1) @ network.head.project.weight.T + network.head.project.bias
        torch.testing.assert_close(network(Window(past))[:, :, target, 0], expected)


@torch.no_grad()
def test_targets_share_their_weights_and_do_not_know_of_each_other():
    network, past = make(), draw(3, 10, 2)
    forecast = network(Window(past))
    torch.testing.assert_close(network(Window(past.flip(-1))), forecast.flip(2))
    past[..., 1] += 5
    changed = network(Window(past))
    torch.testing.assert_close(changed[:, :, 0], forecast[:, :, 0])
    assert ((changed - forecast)[:, :, 1].abs() > 1e-4).any()


@torch.no_grad()
def test_every_target_knows_of_covariates_of_the_past_the_future_and_the_series():
    sizes = Sizes(context=10, horizon=3, past=4, targets=2, future=1, static=2)
    network = make(sizes)
    window = Window(draw(3, 10, 4), None, None, draw(3, 3, 1), draw(3, 2))
    forecast = network(window)
    past = window.past.clone()
    past[..., 2] += 1
    for other in (
        window._replace(past=past),
        window._replace(future=window.future + 1),
        window._replace(static=window.static + 1),
    ):
        moved = (network(other) - forecast).abs().amax(dim=(0, 1, 3))
        assert (moved > 1e-4).all()


@torch.no_grad()
def test_covariates_and_series_stay_with_their_own_window():
    sizes = Sizes(context=10, horizon=3, past=3, targets=2, future=1, static=2)
    network = make(sizes)
    window = Window(draw(3, 10, 3), None, None, draw(3, 3, 1), draw(3, 2))
    other = window._replace(future=window.future.clone(), static=window.static.clone())
    other.future[1] += 1
    other.static[1] += 1
    moved = (network(other) - network(window)).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert moved.tolist() == [False, True, False]


@torch.no_grad()
def test_rows_without_the_past_of_the_target_forecast_it_from_all_channels():
    network, past = make(replace(SIZES, targets=1, autoregressive=False)), draw(3, 10, 2)
    forecast = network(Window(past))
    assert forecast.shape == (3, 3, 1, 1)
    for channel in range(2):
        changed = past.clone()
        changed[..., channel] += 1
        assert ((network(Window(changed)) - forecast).abs() > 1e-4).any()


@torch.no_grad()
def test_a_patch_without_an_observed_value_is_seen_by_no_other():
    network, past = make(), draw(3, 10, 2)
    observed = torch.ones(3, 10, 2, dtype=torch.bool)
    observed[:, :4, 0] = False
    present = network._patches(Window(past, observed))[1]
    assert present.tolist() == [[False, True, True], [True, True, True]] * 3
    forecast = network(Window(past, observed))
    network.positions[0] = 10 * draw(8, seed=3)
    torch.testing.assert_close(network(Window(past, observed))[:, :, 0], forecast[:, :, 0])


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 3, 25])
def test_a_window_of_any_length_is_read(length):
    past = draw(2, length, 2)
    torch.testing.assert_close(make()(Window(past)), make()(Window(past[:, -10:])))


def test_settings_reach_the_network():
    model = PatchTSTModel(
        sequence_length=10,
        patch_length=4,
        stride=3,
        d_model=12,
        nhead=3,
        num_layers=4,
        dim_feedforward=20,
        activation="relu",
        dropout=0.3,
        head_sizes=7,
    )
    network = model.build_network(SIZES)
    layer = network.encoder.layers[0]
    assert (network.embed.weight.shape, network.positions.shape) == ((12, 4), (3, 12))
    assert (len(network.encoder.layers), layer.self_attn.num_heads, layer.dropout.p) == (4, 3, 0.3)
    assert (layer.linear1.out_features, type(layer.activation).__name__) == (20, "ReLU")
    assert network.head.hidden[1].weight.shape == (7, 36)


@pytest.mark.parametrize(
    ("context", "settings", "patch", "stride"),
    [(96, {}, 16, 8), (6, {}, 6, 3), (1, {}, 1, 1), (96, {"patch_length": 24}, 24, 12)],
)
def test_without_being_told_a_patch_has_16_steps_and_overlaps_by_half(context, settings, patch, stride):
    model = PatchTSTModel(sequence_length=context, **settings)
    model.check_settings()
    network = model.build_network(replace(SIZES, context=context))
    assert (network.patch_length, network.stride) == (patch, stride)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_length": 21}, "patch_length must be at most sequence_length=20, .*, got 21"),
        ({"patch_length": 4, "stride": 5}, "stride must be at most patch_length=4, .*, got 5"),
        (
            {"sequence_length": 9000, "patch_length": 2},
            r"sequence_length=9000 makes 8,999 patches of 2 steps, one every 1; .*at most 4,096",
        ),
        ({"d_model": 9, "nhead": 2}, "d_model must be a multiple of nhead, got 9 and 2"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        PatchTSTModel(**settings).check_settings()
