"""Heads against matrix products by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.heads import CovariateHead, DirectHead, HeadShape, forecast_head
from timeseries.deeplearning.window import Sizes, Window

B, W = 5, 4
SIZES = Sizes(context=6, horizon=3, past=2, targets=2, outputs=2)
erf = np.vectorize(math.erf)
BY_HAND = {
    "relu": lambda v: np.maximum(v, 0),
    "leaky_relu": lambda v: np.where(v > 0, v, 0.01 * v),
    "elu": lambda v: np.where(v > 0, v, np.expm1(v)),
    "gelu": lambda v: v * (1 + erf(v / np.sqrt(2))) / 2,
    "silu": lambda v: v / (1 + np.exp(-v)),
    "softplus": lambda v: np.log1p(np.exp(v)),
    "tanh": np.tanh,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "identity": lambda v: v,
}


def make(shape, sizes=SIZES):
    torch.manual_seed(0)
    return forecast_head(W, sizes, shape).double().eval()


def linear(layer, values):
    return values @ layer.weight.numpy().T + layer.bias.numpy()


def summary(seed=1):
    return 2 * torch.randn(B, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WINDOW = Window(torch.zeros(B, 6, 2))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@torch.no_grad()
def test_hidden_layers_are_matrix_products_with_an_activation_after_each(activation):
    head = make(HeadShape(hidden_sizes=(7, 5), activation=activation, dropout=0.5))
    first, second = (layer for layer in head.hidden if isinstance(layer, nn.Linear))
    hidden = BY_HAND[activation](linear(first, summary().numpy()))  # (B, 7)
    hidden = BY_HAND[activation](linear(second, hidden))  # (B, 5)
    expected = linear(head.head.project, hidden).reshape(B, 3, 2, 2)
    np.testing.assert_allclose(head(summary(), WINDOW), expected, rtol=1e-6, atol=1e-9)


@torch.no_grad()
def test_the_last_layer_of_a_deep_head_still_sees_static_features():
    sizes = Sizes(context=6, horizon=1, past=1, static=2)
    head = make(HeadShape(hidden_sizes=(7,)), sizes)
    static = torch.randn(B, 2, dtype=torch.float64)
    hidden = BY_HAND["relu"](linear(head.hidden[1], summary().numpy()))  # (B, 7)
    expected = linear(head.head.project, np.concatenate([hidden, static.numpy()], axis=1))  # (B, 1)
    answer = head(summary(), WINDOW._replace(static=static))
    np.testing.assert_allclose(answer.reshape(B, 1), expected, rtol=1e-6)


@torch.no_grad()
def test_dropout_alone_drops_a_share_of_the_summary_and_only_in_training():
    head = make(HeadShape(dropout=0.25))
    expected = linear(head.head.project, summary().numpy()).reshape(B, 3, 2, 2)
    np.testing.assert_allclose(head(summary(), WINDOW), expected, rtol=1e-6, atol=1e-9)
    dropped = head.train().hidden(torch.ones(1000, W, dtype=torch.float64))
    assert set(dropped.flatten().tolist()) == {0.0, 1 / 0.75}
    assert 0.2 < (dropped == 0).double().mean() < 0.3


def test_a_head_without_hidden_layers_and_dropout_is_the_bare_one():
    future = Sizes(context=6, horizon=3, past=2, future=1)
    assert type(forecast_head(W, SIZES, HeadShape(activation="gelu"))) is DirectHead
    assert type(forecast_head(W, future)) is CovariateHead
    assert list(make(HeadShape()).state_dict()) == ["project.weight", "project.bias"]


def test_the_head_of_a_network_with_known_covariates_can_have_hidden_layers():
    sizes = Sizes(context=6, horizon=3, past=2, future=1)
    head = make(HeadShape(hidden_sizes=(7,)), sizes)
    assert type(head.head) is CovariateHead
    window = WINDOW._replace(future=torch.randn(B, 3, 1, dtype=torch.float64))
    assert head(summary(), window).shape == (B, 3, 1, 1)
