"""Hashed attention against its definition, set by set in float64, and against full attention."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.deeplearning.layers.lsh_attention import LSHAttention

W, N = 6, 2
D = W // N


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(**settings):
    torch.manual_seed(0)
    settings = {"chunk_length": 3, "num_buckets": 4, "num_hashes": 2} | settings
    return LSHAttention(W, N, **settings).double()


def bucket_by_hand(query, rotation):
    """Return h(x) = argmax([xR; -xR])."""
    rotated = query @ rotation
    return int(np.argmax(np.concatenate([rotated, -rotated])))


def chunks_by_hand(buckets, chunk_length):
    """Return in which chunk each step stands when the steps are sorted by bucket, then by time."""
    order = sorted(range(len(buckets)), key=lambda i: (buckets[i], i))
    return [order.index(i) // chunk_length for i in range(len(buckets))]


def by_hand(attention, x, present):
    """Return the attention of every step of one window (T, W) to the union of its sets over all rounds."""
    query, value, output = (
        getattr(attention, n).weight.detach().numpy() for n in ("query", "value", "output")
    )
    steps, out = len(x), np.zeros((len(x), W))
    for n in range(N):
        part = slice(n * D, (n + 1) * D)
        q, v = (x @ query.T)[:, part], (x @ value.T)[:, part]
        k = q / np.linalg.norm(q, axis=1, keepdims=True)
        seen = [set() for _ in range(steps)]
        for r in range(attention.num_hashes):
            rotation = attention.rotations[r, n].numpy()
            buckets = [bucket_by_hand(q[i], rotation) if present[i] else 99 for i in range(steps)]
            chunk = chunks_by_hand(buckets, attention.chunk_length)
            for i in range(steps):
                seen[i] |= {
                    j
                    for j in range(i)
                    if present[j] and buckets[i] == buckets[j] and chunk[i] - chunk[j] in (0, 1)
                }
        for i in range(steps):
            keys = sorted(seen[i]) or [i]
            share = np.exp([q[i] @ k[j] / math.sqrt(D) for j in keys])
            out[i, part] = share @ v[keys] / share.sum()
    return out @ output.T


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 17),
    chunk_length=st.integers(1, 6),
    num_buckets=st.sampled_from([2, 4, 8]),
    num_hashes=st.integers(1, 4),
    seed=st.integers(0, 99),
    share=st.sampled_from([-9.0, 0.0, 9.0]),
)
def test_a_step_looks_at_the_union_of_what_the_rounds_find_and_at_nothing_twice(
    steps, chunk_length, num_buckets, num_hashes, seed, share
):
    attention = made(chunk_length=chunk_length, num_buckets=num_buckets, num_hashes=num_hashes)
    x, present = draw(2, steps, W, seed=seed), draw(2, steps, seed=seed + 1) > share
    found = attention(x, attention.buckets(x, present)).detach().numpy()
    expected = [
        by_hand(attention, window.numpy(), there.tolist()) for window, there in zip(x, present, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("num_hashes", [1, 3])
def test_one_bucket_and_one_chunk_are_full_attention_with_shared_queries_and_keys(num_hashes):
    attention, x = made(chunk_length=8, num_buckets=1, num_hashes=num_hashes), draw(2, 7, W)
    query, value = (
        part(x).reshape(2, 7, N, D).transpose(1, 2) for part in (attention.query, attention.value)
    )
    allowed = torch.ones(7, 7, dtype=torch.bool).tril(-1)
    allowed[0, 0] = True  # the first step has no other
    key = query / query.norm(dim=-1, keepdim=True)
    full = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    expected = attention.output(full.transpose(1, 2).reshape(2, 7, W))
    torch.testing.assert_close(attention(x, attention.buckets(x, None)), expected)


def test_within_given_buckets_no_step_sees_a_later_one_and_the_gradient_is_that_of_finite_differences():
    attention, x = made(), draw(1, 8, W)
    buckets = attention.buckets(x, None)
    assert torch.autograd.gradcheck(lambda part: attention(part, buckets), (x.clone().requires_grad_(),))
    before = attention(x, buckets)
    x[:, 5:] += 1
    torch.testing.assert_close(attention(x, buckets)[:, :5], before[:, :5])


def test_buckets_are_those_of_the_rotations_and_absent_steps_are_behind_all():
    attention, x = made(num_buckets=8), draw(2, 9, W)
    present = torch.ones(2, 9, dtype=torch.bool)
    present[0, :4] = False
    found = attention.buckets(x, present)
    query = (x @ attention.query.weight.T).reshape(2, 9, N, D).detach().numpy()
    for b, r, n, t in np.ndindex(2, 2, N, 9):
        by_rule = bucket_by_hand(query[b, t, n], attention.rotations[r, n].numpy()) if present[b, t] else 8
        assert found[b, r, n, t] == by_rule
    assert made(num_buckets=1).buckets(x, present)[0, 0, 0].tolist() == [1] * 4 + [0] * 5


def test_the_rotations_belong_to_what_is_saved_and_are_not_learned():
    attention = made()
    assert attention.state_dict()["rotations"].shape == (2, N, D, 2)
    assert "rotations" not in dict(attention.named_parameters())
    assert "rotations" not in made(num_buckets=1).state_dict()
