"""What happened in each epoch, as plain data, and who is told while it happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypedDict

from torch import Tensor

from timeseries.deeplearning.plan import Plan


class EpochRecord(TypedDict):
    """One epoch; losses are in scaled units, those that training sees."""

    epoch: int
    steps: int
    train_loss: float
    val_loss: float | None
    seconds: float


class Reporter:
    """Told how training goes; this one keeps silent, those that speak derive from it."""

    wants_estimate = False
    """Whether a few steps are taken on a copy before training, to know how long all will take."""

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Hear what is planned, before the first step, and how many steps of it were taken earlier."""

    def step(self) -> None:
        """Hear that one more step was taken."""

    def epoch(self, record: EpochRecord) -> None:
        """Hear how an epoch went."""

    def end(self) -> None:
        """Hear that training ended, by whatever cause."""


class RunState(NamedTuple):
    """A training between two steps: all that the steps to come depend on, beside its settings and data."""

    numbers: dict[str, Any]
    """Plain numbers, lists and dicts of them."""
    tensors: dict[str, Tensor]
    """Named ``part.name``."""

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of one part, without its name."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): t for key, t in self.tensors.items() if key.startswith(prefix)}


class Keeper:
    """Asked between two steps whether to keep the state of a run; this one keeps nothing."""

    kept: RunState | None = None
    """The state to go on from, if there is one."""

    def step(self, state: Callable[[], RunState]) -> None:
        """Hear that a step was taken; ``state()`` takes the run down."""

    def epoch(self, state: Callable[[], RunState]) -> None:
        """Hear that an epoch ended."""

    def heed(self) -> None:
        """End the run by an exception if somebody asked for it."""

    @contextmanager
    def watch(self, state: Callable[[], RunState]) -> Iterator[None]:
        """Listen, while a run lasts, whether somebody asks for its end."""
        yield
