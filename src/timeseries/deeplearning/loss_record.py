"""The losses of an epoch, and the cause of the first one that is not finite."""

import math
import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from timeseries.deeplearning.gather import Batch, Batches
from timeseries.deeplearning.history import RunState, is_number
from timeseries.errors import TrainingError

READ_EVERY = 256  # steps between readings of the losses
TOO_LARGE = 1e15  # scaled values whose square nears the end of float32


class LossRecord:
    """The losses of an epoch, kept on the device and read now and then.

    Parameters
    ----------
    batches : Batches
        What the losses are of; a batch is found again from its step.
    epoch : int
        Which epoch.
    name : str
        What errors call the loss.
    learning_rate : float
        What errors advise to lower.
    """

    def __init__(self, batches: Batches, epoch: int, name: str, learning_rate: float) -> None:
        self.batches, self.epoch, self.name, self.learning_rate = batches, epoch, name, learning_rate
        self.began = time.perf_counter()
        self.losses: list[Tensor] = []  # () each, not read yet
        self.weights: list[Tensor | float] = []  # the same of their targets
        self.first = 0  # how many were read
        self.total, self.weight = 0.0, 0.0

    @property
    def steps(self) -> int:
        """How many losses were added."""
        return self.first + len(self.losses)

    def add(self, loss: Tensor, batch: Batch) -> None:
        """Take the mean loss of a batch, (); it counts as often as the batch has targets."""
        self.losses.append(loss)
        self.weights.append(batch.total())
        if len(self.losses) == READ_EVERY:
            self._read()

    def mean(self) -> float:
        """Return the mean over all targets so far."""
        self._read()
        if not self.weight:
            raise TrainingError(
                "No target was observed in any of the windows. Give rows with observed targets, "
                "for validation too (val_size)."
            )
        return self.total / self.weight

    def check(self) -> None:
        """Refuse losses that are not finite among those that were not read yet."""
        losses = self._together(self.losses).numpy()
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            self._raise_not_finite(self.first + int(bad[0]), float(losses[bad[0]]))

    def state(self) -> RunState:
        """Return what was added so far; what was not read yet stays so, or sums would round differently."""
        numbers = {"epoch": self.epoch, "first": self.first, "count": len(self.losses), "total": self.total}
        numbers |= {"weight": self.weight, "seconds": time.perf_counter() - self.began}
        empty = (0, READ_EVERY - len(self.losses))
        losses, weights = (pad(self._together(part), empty) for part in (self.losses, self.weights))
        return RunState(numbers, {"losses": losses, "weights": weights})

    def restore(self, state: RunState) -> None:
        """Go on where another record of the same epoch was."""
        numbers, tensors = state
        whole = type(numbers["first"]) is type(numbers["count"]) is int
        if not (whole and numbers["first"] >= 0 and 0 <= numbers["count"] < READ_EVERY):
            raise ValueError(f"losses of the steps from {numbers['first']} on, {numbers['count']} of them")
        if not all(is_number(numbers[name]) for name in ("total", "weight", "seconds")):
            raise ValueError("losses that are no numbers")
        if not all(tensors[name].shape == (READ_EVERY,) for name in ("losses", "weights")):
            raise ValueError(f"losses of other than {READ_EVERY} steps")
        self.first, count = numbers["first"], numbers["count"]
        self.total, self.weight = numbers["total"], numbers["weight"]
        self.began = time.perf_counter() - numbers["seconds"]
        self.losses, self.weights = [*tensors["losses"][:count]], [*tensors["weights"][:count]]

    def _read(self) -> None:
        self.check()
        losses, weights = (self._together(part).double().numpy() for part in (self.losses, self.weights))
        self.total += float(losses @ weights)
        self.weight += float(weights.sum())
        self.first += len(self.losses)
        self.losses, self.weights = [], []

    def _together(self, numbers: Sequence[Tensor | float]) -> Tensor:
        """Return numbers, () each, as one tensor on the CPU, in float32."""
        if not numbers:
            return torch.zeros(0)
        kind, device = torch.float32, self.batches.gather.device
        return torch.stack([torch.as_tensor(number, dtype=kind, device=device) for number in numbers]).cpu()

    def _raise_not_finite(self, step: int, loss: float) -> NoReturn:
        where = (
            f"The {self.name} became {loss} at epoch {self.epoch + 1}, step {step + 1} of {len(self.batches)}"
        )
        raise TrainingError(f"{where}: {_cause(self.batches, self.epoch, step, self.learning_rate)}")


def _cause(batches: Batches, epoch: int, step: int, learning_rate: float) -> str:
    """Find the batch again from its cursor and say why its loss is not finite, and what to do."""
    series, origin = batches.locate(epoch, step, step + 1)
    window, target = batches.gather.window(series, origin), batches.gather.target(series, origin)[0]
    past = window.past if window.observed is None else window.past.masked_fill(~window.observed, 0.0)
    largest = torch.maximum(past.abs().flatten(1).amax(dim=1), target.abs().flatten(1).amax(dim=1))  # (B,)
    worst = int(largest.nan_to_num(nan=math.inf).argmax())
    name = batches.gather.table.names[series[worst]]
    row = int(origin[worst] - batches.gather.table.offsets[series[worst]])
    if not float(largest[worst]) < TOO_LARGE:
        return (
            f"series {name!r} holds a value near row {row} that is too large to train on. "
            "Check that row, or rescale the series."
        )
    return (
        f"the weights diverged. The largest scaled value of that batch is {largest[worst]:.3g} "
        f"(series {name!r}, window ending at row {row}). Lower learning_rate (now {learning_rate:g}), or "
        "give clip_norm=1."
    )
