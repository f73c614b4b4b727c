"""Convolutions and normalisations against loops in float64, and against PyTorch's own layers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from timeseries.deeplearning.layers.convolution import (
    BatchNorm,
    CausalConvolution,
    ConvolutionLayer,
    LayerNorm,
    ResidualBlock,
    only_present,
)

B, T, W, C = 3, 9, 2, 4


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(layer, *arguments, **settings):
    torch.manual_seed(1)
    return layer(*arguments, **settings).double()


def dilated(x, weight, bias, dilation):
    """Return bias + sum over j of weight[..., k-1-j] x[t - j d], the definition, step by step."""
    steps, kernel = x.shape[-1], weight.shape[-1]
    out = np.zeros((len(x), len(weight), steps)) + bias[None, :, None]
    for t in range(steps):
        for j in range(kernel):
            if t - j * dilation >= 0:
                out[:, :, t] += x[:, :, t - j * dilation] @ weight[:, :, kernel - 1 - j].T
    return out


@settings(max_examples=40, deadline=None)
@given(kernel=st.integers(1, 5), dilation=st.sampled_from([1, 2, 3, 8, 2**23]), steps=st.integers(1, 12))
def test_a_causal_convolution_is_the_sum_over_the_steps_that_it_reaches(kernel, dilation, steps):
    layer = made(CausalConvolution, W, C, kernel_size=kernel, dilation=dilation)
    direction, length = layer.direction.detach().numpy(), draw(C).abs().numpy() + 0.1
    layer.length.data = torch.from_numpy(length)[:, None, None]
    weight = np.stack([n * v / np.sqrt((v**2).sum()) for n, v in zip(length, direction, strict=True)])
    x = draw(B, W, steps)
    expected = dilated(x.numpy(), weight, layer.bias.detach().numpy(), dilation)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_a_causal_convolution_is_that_of_pytorch_with_its_weight_norm():
    layer = made(CausalConvolution, W, C, kernel_size=3, dilation=2)
    theirs = weight_norm(nn.Conv1d(W, C, 3, dilation=2).double())
    theirs.parametrizations.weight.original0.data = layer.length.data.clone()
    theirs.parametrizations.weight.original1.data = layer.direction.data.clone()
    theirs.bias.data = layer.bias.data.clone()
    x = draw(B, W, T)
    ours, other = layer(x), theirs(nn.functional.pad(x, (4, 0)))
    torch.testing.assert_close(ours, other)
    ours.pow(2).sum().backward()
    other.pow(2).sum().backward()
    torch.testing.assert_close(layer.length.grad, theirs.parametrizations.weight.original0.grad)
    torch.testing.assert_close(layer.direction.grad, theirs.parametrizations.weight.original1.grad)


def test_weight_norm_starts_from_the_weights_of_a_plain_convolution():
    torch.manual_seed(5)
    layer = CausalConvolution(W, C, kernel_size=3, dilation=1)
    torch.manual_seed(5)
    plain = nn.Conv1d(W, C, 3)
    x = torch.randn(B, W, T)
    torch.testing.assert_close(layer(x), plain(nn.functional.pad(x, (2, 0))))


@pytest.mark.parametrize("channels", [W, C])
def test_a_residual_block_is_two_convolutions_beside_a_way_around_them(channels):
    block = made(ResidualBlock, W, channels, kernel_size=2, dilation=3, activation="relu", dropout=0.5).eval()
    x = draw(B, W, T)
    inner = x.numpy()
    for layer in block.convolutions:
        weight = (layer.direction * layer.length / layer.direction.norm(dim=(1, 2), keepdim=True)).detach()
        inner = np.maximum(dilated(inner, weight.numpy(), layer.bias.detach().numpy(), 3), 0)
    around = x.numpy()
    if channels != W:
        around = dilated(around, block.around.weight.detach().numpy(), block.around.bias.detach().numpy(), 1)
    np.testing.assert_allclose(block(x, None).detach().numpy(), np.maximum(around + inner, 0), rtol=1e-9)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_a_convolution_layer_keeps_the_length_and_is_centred(kernel):
    layer = made(
        ConvolutionLayer, W, C, kernel_size=kernel, normalization="none", activation="tanh", dropout=0.0
    )
    x = draw(B, W, T)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (kernel // 2, kernel - 1 - kernel // 2)))
    weight, bias = layer.conv.weight.detach().numpy(), layer.conv.bias.detach().numpy()
    expected = np.stack(
        [np.tensordot(padded[:, :, t : t + kernel], weight, axes=([1, 2], [1, 2])) + bias for t in range(T)],
        axis=2,
    )
    np.testing.assert_allclose(layer(x, None).detach().numpy(), np.tanh(expected), rtol=1e-9, atol=1e-12)


def test_absent_steps_are_zero_after_every_layer():
    present = torch.tensor([[False, True, True, False]])
    x = only_present(draw(1, W, 4), present)
    layer = made(ConvolutionLayer, W, C, kernel_size=3, normalization="layer", activation="elu", dropout=0.0)
    block = made(ResidualBlock, W, C, kernel_size=2, dilation=1, activation="elu", dropout=0.0)
    for after in (layer(x, present), block(x, present)):
        assert (after[..., [0, 3]] == 0).all()
        assert (after[..., [1, 2]] != 0).all()


def test_batch_norm_of_full_windows_is_that_of_pytorch_in_training_and_after():
    ours, theirs = BatchNorm(W).double(), nn.BatchNorm1d(W).double()
    for seed in range(3):
        x = draw(B, W, T, seed=seed)
        torch.testing.assert_close(ours(x, None), theirs(x))
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x, None), theirs.eval()(x))


def test_batch_norm_counts_present_steps_alone():
    ours, theirs = BatchNorm(W).double(), nn.BatchNorm1d(W).double()
    x, present = draw(B, W, T), draw(B, T, seed=3) > 0
    after = ours(x, present).transpose(1, 2)[present]
    torch.testing.assert_close(after, theirs(x.transpose(1, 2)[present]))
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)


@pytest.mark.parametrize("count", [0, 1])
def test_batch_norm_of_a_step_without_company_uses_the_running_statistics(count):
    norm, x = BatchNorm(W).double(), draw(1, W, 4)
    present = torch.arange(4)[None] < count
    after = norm(x, present)
    torch.testing.assert_close(after, x / np.sqrt(1 + 1e-5))
    assert norm.mean.tolist() == [0, 0]
    assert norm.variance.tolist() == [1, 1]


def test_layer_norm_scales_every_step_by_itself():
    x = draw(B, W, T)
    centred = x - x.mean(dim=1, keepdim=True)
    expected = centred / (centred.pow(2).mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(LayerNorm(W).double()(x), expected)
