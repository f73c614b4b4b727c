"""The recurrent stack against PyTorch's own layers, and against the same steps without the absent ones."""

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
