"""Several networks of one training: copies of its weights where the learning rate has fallen to 0."""

import copy
from typing import TypeVar

from torch import Tensor, nn

from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.plan import Plan

Network = TypeVar("Network", bound=nn.Module)
Weights = dict[str, Tensor]


class Snapshots(Callback):
    """Keep the weights at the end of every cycle of a training with ``schedule="cosine_restarts"``.

    G. Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", ICLR 2017.

    Parameters
    ----------
    count : int
        Cycles of the schedule, and snapshots of every run.

    Attributes
    ----------
    runs : list of list of dict
        The snapshots of every run that was heard, in order.

    Examples
    --------
    >>> network, snapshots = nn.Linear(1, 1), Snapshots(2)
    >>> snapshots.watch(network)
    >>> snapshots.begin(Plan(full=2, steps=4))
    >>> for _ in range(4):
    ...     snapshots.step()
    >>> [len(run) for run in snapshots.runs]
    [2]
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.runs: list[list[Weights]] = []

    def watch(self, network: nn.Module) -> None:
        """Remember whose weights to copy."""
        self._network = network

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Begin the snapshots of a run."""
        self._ends, self._steps = plan.cycle_ends(self.count), before
        self.runs.append([])

    def step(self) -> None:
        """Copy the weights if a cycle ends here."""
        self._steps += 1
        if self._steps in self._ends:
            weights = self._network.state_dict()
            self.runs[-1].append({name: tensor.clone() for name, tensor in weights.items()})


def with_weights(network: Network, weights: Weights) -> Network:
    """Return a copy of a network that has these weights."""
    other = copy.deepcopy(network)
    other.load_state_dict(weights)
    return other
