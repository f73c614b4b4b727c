"""The recurrent stack against PyTorch's own layers, and against the same steps without the absent ones."""

import copy

import pytest
import torch
from torch import nn

from timeseries.deeplearning.layers.recurrence import Recurrence, steps_since_present

B, T, F = 3, 7, 2
every_cell = pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
every_direction = pytest.mark.parametrize("bidirectional", [False, True])


def make(cell, hidden_sizes=(5, 5), bidirectional=False, dropout=0.0, activation="tanh"):
    torch.manual_seed(0)
    options = {"dropout": dropout, "bidirectional": bidirectional, "activation": activation}
    return Recurrence(cell, F, hidden_sizes, **options).eval()


def make_steps(seed=1):
    draw = torch.Generator().manual_seed(seed)
    present = torch.rand(B, T, generator=draw) > 0.4
    present[:, 2] = True
    return torch.randn(B, T, F, generator=draw), present


@every_cell
@every_direction
@torch.no_grad()
def test_equal_widths_are_pytorchs_own_stack(cell, bidirectional):
    recurrence = make(cell, bidirectional=bidirectional)
    torch.manual_seed(0)
    theirs = getattr(nn, cell.upper())(F, 5, 2, batch_first=True, bidirectional=bidirectional)
    x, _ = make_steps()
    outputs, final = theirs(x)
    hidden = final[0] if cell == "lstm" else final
    expected = torch.cat([hidden[-2], hidden[-1]], dim=-1) if bidirectional else hidden[-1]
    assert torch.equal(recurrence.summary(x, None), expected)
    assert torch.equal(recurrence.states(x, None), outputs)


@every_cell
@torch.no_grad()
def test_unequal_widths_are_pytorchs_layers_one_after_the_other(cell):
    recurrence, (x, _) = make(cell, (6, 3, 4)), make_steps()
    torch.manual_seed(0)
    layers = [getattr(nn, cell.upper())(i, o, batch_first=True) for i, o in ((F, 6), (6, 3), (3, 4))]
    outputs = x
    for layer in layers:
        outputs = layer(outputs)[0]
    assert torch.equal(recurrence.states(x, None), outputs)
    assert recurrence.width == 4


@every_cell
@every_direction
@pytest.mark.parametrize("hidden_sizes", [(5, 5), (6, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@torch.no_grad()
def test_absent_steps_are_as_if_they_were_not_there(cell, bidirectional, hidden_sizes, activation):
    recurrence, (x, present) = make(cell, hidden_sizes, bidirectional, activation=activation), make_steps()
    summary, state = recurrence.summary(x, present), recurrence.start(x, present)
    for b in range(B):
        kept = x[b : b + 1, present[b]]
        torch.testing.assert_close(summary[b : b + 1], recurrence.summary(kept, None))
        for got, alone in zip(state, recurrence.start(kept, None), strict=True):
            for part, expected in zip(got, alone, strict=True):
                torch.testing.assert_close(part[:, b : b + 1], expected)


@every_cell
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@torch.no_grad()
def test_a_window_without_any_step_keeps_the_zero_state(cell, activation):
    recurrence, (x, _) = make(cell, activation=activation), make_steps()
    nothing = torch.zeros(B, T, dtype=torch.bool)
    assert not recurrence.states(x, nothing).any()
    assert not any(part.any() for block in recurrence.start(x, nothing) for part in block)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@torch.no_grad()
def test_dropout_sits_between_layers_and_only_there(activation):
    x, _ = make_steps()
    for hidden_sizes in ((5, 5), (6, 3)):
        recurrence = make("gru", hidden_sizes, dropout=0.5, activation=activation).train()
        torch.manual_seed(3)
        one = recurrence.summary(x, None)
        torch.manual_seed(4)
        assert not torch.equal(recurrence.summary(x, None), one)
    single = make("gru", (5,), dropout=0.5, activation=activation).train()
    assert torch.equal(single.summary(x, None), single.summary(x, None))


def test_the_age_of_the_state_counts_the_steps_since_the_last_present_one():
    present = torch.tensor([[False, True, False, False, True], [False, False, False, False, False]])
    expected = [[1, 0, 1, 2, 0], [1, 2, 3, 4, 5]]
    assert steps_since_present(present, torch.zeros(2, 5, 1)).tolist() == expected
    assert not steps_since_present(None, torch.zeros(2, 5, 1)).any()


@pytest.mark.parametrize("sizes", [(4, 4), (5, 3)])
@every_cell
def test_truncation_carries_the_state_and_cuts_the_gradient(cell, sizes):
    """Segments of 3 steps, the state detached between them, against a loop over torch's own layers."""
    torch.manual_seed(0)
    ours = Recurrence(cell, 2, sizes, dropout=0.0, bidirectional=False, truncation=3).double()
    x = torch.randn(2, 8, 2, dtype=torch.float64, requires_grad=True)
    truncated, whole = ours.states(x, None), copy.deepcopy(ours).eval().states(x, None)
    torch.testing.assert_close(truncated, whole)
    (found,) = torch.autograd.grad(truncated.sum(), x)
    outputs, states = [], [None] * len(ours.blocks)
    for steps in x.split(3, dim=1):
        for number, block in enumerate(ours.blocks):
            steps, state = block(steps, states[number])
            states[number] = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
        outputs.append(steps)
    (expected,) = torch.autograd.grad(torch.cat(outputs, dim=1).sum(), x)
    torch.testing.assert_close(found, expected)
    (of_the_end,) = torch.autograd.grad(ours.states(x, None)[:, -1].sum(), x)
    assert (of_the_end[:, :6] == 0).all()
    assert (of_the_end[:, 6:] != 0).any()


def test_truncation_counts_the_steps_that_are_present():
    torch.manual_seed(0)
    layers = Recurrence("gru", 2, (4,), dropout=0.0, bidirectional=False, truncation=3)
    x = torch.randn(1, 8, 2)
    present = torch.tensor([[True, False, True, True, False, True, True, True]])
    masked, alone = x.clone().requires_grad_(), x[:, present[0]].clone().requires_grad_()
    (found,) = torch.autograd.grad(layers.states(masked, present)[:, -1].sum(), masked)
    (expected,) = torch.autograd.grad(layers.states(alone, None)[:, -1].sum(), alone)
    torch.testing.assert_close(found[:, present[0]], expected)
