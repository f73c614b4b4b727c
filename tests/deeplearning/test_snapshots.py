"""Copies of weights at the ends of cycles."""

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning.history import Callbacks
from timeseries.deeplearning.plan import Plan
from timeseries.deeplearning.snapshots import Snapshots, with_weights
from timeseries.errors import SettingError


def walk(snapshots, steps, full=2):
    """Let a weight count the steps that were taken."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    told = Callbacks([snapshots])
    told.watch(network)
    told.begin(Plan(full, steps))
    for _ in range(steps):
        with torch.no_grad():
            network.weight += 1
        told.step()
    told.end()
    return network


def test_a_snapshot_is_a_copy_of_the_weights_at_the_end_of_each_cycle():
    snapshots = Snapshots(3)
    walk(snapshots, 10)
    walk(snapshots, 6)
    assert [[weights["weight"].item() for weights in run] for run in snapshots.runs] == [
        [3, 6, 10],
        [2, 4, 6],
    ]


def test_fewer_steps_than_snapshots_are_refused():
    with pytest.raises(SettingError, match="2 steps cannot be divided into 3 cycles"):
        walk(Snapshots(3), 2)


def test_other_weights_go_into_a_copy():
    network = nn.Linear(1, 1, bias=False)
    before = network.weight.item()
    other = with_weights(network, {"weight": torch.tensor([[7.0]])})
    assert (other.weight.item(), network.weight.item()) == (7.0, np.float32(before))
