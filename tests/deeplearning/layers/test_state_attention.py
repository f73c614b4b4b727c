"""Attention over states against the equations of the papers."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.layers.state_attention import SCORES, weights_of

B, T, W = 3, 5, 4


def additive(score, query, states):
    """Return v . tanh(W q + b + U k): Bahdanau et al. 2015, appendix A.1.2."""
    w, b = (part.detach().numpy() for part in (score.query.weight, score.query.bias))
    u, v = (part.detach().numpy() for part in (score.key.weight, score.energy.weight[0]))
    return np.array(
        [[v @ np.tanh(w @ q + b + u @ k) for k in row] for q, row in zip(query, states, strict=True)]
    )


def dot(_, query, states):
    """Return q . k: Luong et al. 2015, equation 8."""
    return np.array([[q @ k for k in row] for q, row in zip(query, states, strict=True)])


def general(score, query, states):
    """Return q . W k: Luong et al. 2015, equation 8."""
    w = score.key.weight.detach().numpy()
    return np.array([[q @ w @ k for k in row] for q, row in zip(query, states, strict=True)])


BY_HAND = {"additive": additive, "dot": dot, "general": general}


def test_every_score_has_its_equation():
    assert set(SCORES) == set(BY_HAND)


@pytest.mark.parametrize("name", sorted(BY_HAND))
@torch.no_grad()
def test_scores_are_those_of_the_papers(name):
    torch.manual_seed(0)
    score = SCORES[name](W).double()
    query, states = torch.randn(B, W, dtype=torch.float64), torch.randn(B, T, W, dtype=torch.float64)
    expected = BY_HAND[name](score, query.numpy(), states.numpy())
    np.testing.assert_allclose(score(query, states), expected, rtol=1e-9)


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_gradients_of_the_weights_are_those_of_small_differences(name):
    torch.manual_seed(0)
    score = SCORES[name](W).double()
    query = torch.randn(B, W, dtype=torch.float64, requires_grad=True)
    states = torch.randn(B, T, W, dtype=torch.float64, requires_grad=True)
    present = torch.rand(B, T) > 0.3
    assert torch.autograd.gradcheck(lambda q, k: weights_of(score(q, k), present), (query, states))


@pytest.mark.parametrize("size", [1.0, 1e4, 1e30])
def test_weights_are_a_softmax_over_the_present_steps_and_exactly_zero_elsewhere(size):
    scores = size * torch.randn(B, T, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    weights = weights_of(scores, present).numpy()
    assert not weights[~present.numpy()].any()
    for row, kept, found in zip(scores.double().numpy()[:2], present.numpy(), weights, strict=False):
        powers = np.exp(row[kept] - row[kept].max())
        np.testing.assert_allclose(found[kept], powers / powers.sum(), rtol=1e-5, atol=1e-30)
    assert torch.equal(weights_of(scores[:1], None), weights_of(scores[:1], present[:1]))
