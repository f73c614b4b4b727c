"""The written-out backward pass of GRU and plain RNN against PyTorch's layers and numerical gradients."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from timeseries.deeplearning.layers.unrolled import run
from timeseries.deeplearning.runtime import threads

B, T, F, W = 3, 7, 2, 4
MAKERS = {
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}
every_cell = pytest.mark.parametrize("cell", sorted(MAKERS))


def make(cell, dtype=torch.float64, width=W, **options):
    torch.manual_seed(0)
    return MAKERS[cell](F, width, batch_first=True, **options).to(dtype)


def draw(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return 2 * torch.randn(*shape, generator=generator).to(dtype)


def learned(read, layers, x, state):
    """Return the states that a batch leads to, and the gradients of a function of all of them."""
    inputs = [x.clone().requires_grad_(), *layers.parameters()]
    if state is not None:
        inputs.append(state.clone().requires_grad_())
    states, final = read(layers, inputs[0], None if state is None else inputs[-1])
    score = (states * draw(*states.shape, dtype=x.dtype)).sin().sum() + final.cos().sum()
    return [states.detach(), final.detach(), *torch.autograd.grad(score, inputs)]


def pytorchs_own(layers, x, state):
    return layers(x, state)


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("steps", [1, T])
@pytest.mark.parametrize("started", [False, True])
def test_states_and_gradients_are_those_of_pytorchs_layers(cell, bidirectional, num_layers, steps, started):
    layers = make(cell, num_layers=num_layers, bidirectional=bidirectional)
    state = draw(num_layers * (1 + bidirectional), B, W) if started else None
    x = draw(B, steps, F)
    torch.testing.assert_close(
        learned(run, layers, x, state), learned(pytorchs_own, layers, x, state), rtol=1e-12, atol=1e-12
    )


class Unrolled(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x, state):
        return run(self.layers, x, state)


@every_cell
def test_the_gradients_are_those_of_small_differences(cell):
    module = Unrolled(make(cell, num_layers=2))
    weights = {name: part.detach().clone().requires_grad_() for name, part in module.named_parameters()}

    def states(x, state, *parts):
        return torch.func.functional_call(module, dict(zip(weights, parts, strict=True)), (x, state))

    inputs = draw(B, T, F).requires_grad_(), draw(2, B, W).requires_grad_()
    assert torch.autograd.gradcheck(states, (*inputs, *weights.values()))


@every_cell
def test_float32_is_as_near_to_float64_as_pytorchs_layers_are(cell):
    layers, x = make(cell, torch.float32, width=32, num_layers=2), draw(16, 96, F, dtype=torch.float32)
    exact = learned(pytorchs_own, make(cell, torch.float64, width=32, num_layers=2), x.double(), None)
    ours, theirs = learned(run, layers, x, None), learned(pytorchs_own, layers, x, None)
    for near, other, true in zip(ours, theirs, exact, strict=True):
        scale = true.abs().max()
        allowed = max(4 * float((other - true).abs().max() / scale), 1e-6)
        assert float((near - true).abs().max() / scale) <= allowed


@every_cell
def test_going_back_twice_gives_the_same_gradients(cell):
    layers, x = make(cell), draw(B, T, F)
    score = run(layers, x)[0].square().sum()
    first = torch.autograd.grad(score, list(layers.parameters()), retain_graph=True)
    second = torch.autograd.grad(score, list(layers.parameters()))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_dropout_sits_between_the_layers():
    layers = make("gru", num_layers=2, dropout=1.0).train()
    upper = nn.GRU(W, W, batch_first=True).double()
    upper.load_state_dict(
        {name.replace("l1", "l0"): part for name, part in layers.state_dict().items() if "l1" in name}
    )
    states, final = run(layers, draw(B, T, F))
    torch.testing.assert_close(states, upper(torch.zeros(B, T, W, dtype=torch.float64))[0])
    assert final[0].abs().min() > 0
    layers.eval()
    torch.testing.assert_close(run(layers, draw(B, T, F)), layers(draw(B, T, F)))


class _PyTorchWasAskedError(Exception):
    pass


def asks_pytorch(layers, x):
    def refuse(*_):
        raise _PyTorchWasAskedError

    layers.forward = refuse
    try:
        run(layers, x)
    except _PyTorchWasAskedError:
        return True
    return False


def test_only_what_learns_in_full_precision_on_a_cpu_is_unrolled():
    x = draw(B, T, F, dtype=torch.float32)
    assert not asks_pytorch(make("gru", torch.float32), x)
    assert asks_pytorch(make("gru", torch.float32).requires_grad_(requires_grad=False), x)
    assert not asks_pytorch(
        make("gru", torch.float32).requires_grad_(requires_grad=False), x.requires_grad_()
    )
    x = x.detach()
    with torch.no_grad():
        assert asks_pytorch(make("gru", torch.float32), x)
    with torch.inference_mode():
        assert asks_pytorch(make("gru", torch.float32), x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert asks_pytorch(make("gru", torch.float32), x)
    packed = pack_padded_sequence(x, torch.tensor([T, 2, 1]), batch_first=True)
    assert asks_pytorch(make("gru", torch.float32), packed)
    assert asks_pytorch(nn.LSTM(F, W, batch_first=True), x)
    assert asks_pytorch(make("gru", torch.float32).to("meta"), x.to("meta"))


@pytest.mark.parametrize(("windows", "learns", "expected"), [(8, False, 1), (9, False, 2), (1, True, 2)])
def test_an_lstm_forecasts_a_few_windows_with_one_thread_and_bit_for_bit_the_same(windows, learns, expected):
    layers = nn.LSTM(F, 64, 2, batch_first=True)
    x, seen = draw(windows, T, F, dtype=torch.float32), []
    with threads(2), torch.set_grad_enabled(learns):
        own, _ = layers(x)
        layers.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
        states, _ = run(layers, x)
        assert torch.get_num_threads() == 2
    assert seen == [expected]
    assert torch.equal(states, own)
