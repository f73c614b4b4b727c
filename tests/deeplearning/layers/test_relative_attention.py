"""Relative attention against its equation, written out position by position in float64."""

import math

import numpy as np
import pytest
import torch

from timeseries.deeplearning.layers.relative_attention import (
    RelativeAttention,
    RelativeLayer,
    segment_mask,
)

W, N = 6, 2
D = W // N


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sinusoids(distance):
    """Return R of a distance: sine and cosine in turn, of rates that fall from 1 to 1/10,000."""
    rates = [10_000 ** (-2 * (k // 2) / W) for k in range(W)]
    return np.array([(math.sin, math.cos)[k % 2](distance * rate) for k, rate in enumerate(rates)])


def by_hand(attention, x, known, present):
    """Return the four terms of the paper summed pair by pair, the softmax over them, and its outcome."""
    weights = {name: p.detach().numpy() for name, p in attention.named_parameters()}
    out = np.zeros(x.shape)
    memory = known.shape[1] - x.shape[1]
    for b in range(len(x)):
        for i in range(x.shape[1]):
            heads = []
            for n in range(N):
                part = slice(n * D, (n + 1) * D)
                u, v = weights["content_bias"][n], weights["position_bias"][n]
                query = (weights["query.weight"] @ x[b, i])[part]
                scores, values = [], []
                for j in range(memory + i + 1):
                    if not (present[b, j] or j == memory + i):
                        continue
                    key = (weights["key.weight"] @ known[b, j])[part]
                    place = (weights["position.weight"] @ sinusoids(memory + i - j))[part]
                    scores.append((query @ key + query @ place + u @ key + v @ place) / math.sqrt(D))
                    values.append((weights["value.weight"] @ known[b, j])[part])
                share = np.exp(scores - np.max(scores))
                heads.append(share @ np.array(values) / share.sum())
            out[b, i] = weights["output.weight"] @ np.concatenate(heads)
    return out


def made():
    torch.manual_seed(0)
    attention = RelativeAttention(W, N).double()
    attention.content_bias.data, attention.position_bias.data = draw(N, D, seed=5), draw(N, D, seed=6)
    return attention


@pytest.mark.parametrize(("memory", "length"), [(0, 1), (0, 5), (3, 4), (7, 2), (4, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_the_outcome_is_that_of_the_four_terms_of_the_paper(memory, length, masked):
    attention = made()
    known, x = draw(2, memory + length, W, seed=1), draw(2, length, W, seed=2)
    present = draw(2, memory + length, seed=3) > 0 if masked else None
    forbidden = segment_mask(length, present, memory + length, x.device)
    everywhere = np.ones((2, memory + length), dtype=bool)
    expected = by_hand(attention, x.numpy(), known.numpy(), everywhere if present is None else present)
    found = attention(x, known, forbidden).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)  # the sinusoids are float32


def test_its_gradient_is_that_of_finite_differences():
    attention = made()
    x, known = draw(1, 2, W, seed=2).requires_grad_(), draw(1, 4, W, seed=1).requires_grad_()
    forbidden = segment_mask(2, None, 4, x.device)
    assert torch.autograd.gradcheck(lambda *parts: attention(*parts, forbidden), (x, known))


def test_a_step_of_a_segment_looks_at_the_memory_itself_and_the_present_steps_before_it():
    present = torch.tensor([[True, False, True, False]])
    allowed = ~segment_mask(2, present, 4, torch.device("cpu"))[0]
    assert allowed.int().tolist() == [[1, 0, 1, 0], [1, 0, 1, 1]]
    assert (~segment_mask(2, None, 4, torch.device("cpu"))).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


@torch.no_grad()
def test_a_layer_normalises_attends_and_adds_twice():
    torch.manual_seed(0)
    layer = RelativeLayer(W, num_heads=N, feedforward=8, activation="relu", dropout=0.5).double().eval()
    x, memory = draw(2, 3, W), draw(2, 4, W, seed=1)
    forbidden = segment_mask(3, None, 7, x.device)

    def normalised(part):
        return (part - part.mean(-1, keepdim=True)) / (
            part.var(-1, keepdim=True, unbiased=False) + 1e-5
        ).sqrt()

    known = normalised(torch.cat([memory, x], dim=1))
    after = x + layer.attention(known[:, 4:], known, forbidden)
    first, _, _, second = layer.feedforward
    hidden = (normalised(after) @ first.weight.T + first.bias).clamp(min=0)
    torch.testing.assert_close(layer(x, memory, forbidden), after + hidden @ second.weight.T + second.bias)
