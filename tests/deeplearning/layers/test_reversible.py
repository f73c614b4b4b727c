"""Reversible layers: the gradients of the plain computation, and nothing kept that grows with depth."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from timeseries.deeplearning.layers.lsh_attention import LSHAttention
from timeseries.deeplearning.layers.reversible import run_reversibly
from timeseries.deeplearning.networks.reformer import ReformerLayer

W = 6


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_layers(count, dropout=0.4):
    torch.manual_seed(0)
    return [
        ReformerLayer(
            W,
            attention=LSHAttention(W, 2, chunk_length=3, num_buckets=4, num_hashes=2),
            feedforward=8,
            activation="gelu",
            dropout=dropout,
        ).double()
        for _ in range(count)
    ]


def run_plainly(layers, x1, x2, present):
    for layer in layers:
        replay = layer.replay(x2, present)
        x1 = x1 + layer.f(x2, replay)
        x2 = x2 + layer.g(x1, replay)
    return x1, x2


def gradients(run, layers, present, frozen=()):
    x1, x2 = draw(2, 7, W).requires_grad_(), draw(2, 7, W, seed=1).requires_grad_()
    for layer in layers:
        layer.zero_grad()
        for name, weight in layer.named_parameters():
            weight.requires_grad_(name not in frozen)
    torch.manual_seed(3)  # dropout
    y1, y2 = run(layers, x1, x2, present)
    (y1 * draw(2, 7, W, seed=4) + y2.sin()).sum().backward()
    weights = [weight.grad for layer in layers for weight in layer.parameters()]
    return [y1.detach(), y2.detach(), x1.grad, x2.grad, *weights]


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("frozen", [(), ("attention.query.weight", "feedforward.0.bias")])
def test_answers_and_gradients_are_those_of_the_plain_computation_with_dropout_too(count, masked, frozen):
    layers, present = make_layers(count), draw(2, 7, seed=2) > 0 if masked else None
    ours = gradients(run_reversibly, layers, present, frozen)
    plain = gradients(run_plainly, layers, present, frozen)
    for found, expected in zip(ours, plain, strict=True):
        if expected is None:
            assert found is None
        else:
            torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    assert sum(part is None for part in ours) == count * len(frozen)


def test_the_gradient_is_that_of_finite_differences():
    layers, x = make_layers(2, dropout=0.0), draw(1, 4, W)
    assert torch.autograd.gradcheck(
        lambda x1, x2: run_reversibly(layers, x1, x2, None),
        (x.clone().requires_grad_(), draw(1, 4, W, seed=1).requires_grad_()),
    )


def test_what_is_kept_for_the_gradient_does_not_grow_with_the_number_of_layers():
    def kept(count):
        tensors = []
        with saved_tensors_hooks(lambda tensor: tensors.append(tensor) or tensor, lambda tensor: tensor):
            run_reversibly(make_layers(count), draw(2, 7, W).requires_grad_(), draw(2, 7, W), None)
        return [tensor.shape for tensor in tensors]

    assert kept(1) == kept(5) == [(2, 7, W)] * 2


def test_dropout_draws_anew_each_time_and_only_in_training():
    (layer,) = make_layers(1)
    x = draw(2, 7, W)
    one, other = (layer.g(x, layer.replay(x, None)) for _ in range(2))
    assert not torch.allclose(one, other)
    dropped = (one == 0).double().mean().item()
    assert 0.2 < dropped < 0.6  # of 84 numbers, 0.4 expected
    layer.eval()
    plain = layer.g(x, layer.replay(x, None))
    torch.testing.assert_close(one[one != 0], plain[one != 0] / 0.6)
