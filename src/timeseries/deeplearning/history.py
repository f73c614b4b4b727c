"""What happened in each epoch, as plain data, and who is told while it happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypedDict

from torch import Tensor, nn

from timeseries.deeplearning.plan import Plan


class EpochRecord(TypedDict):
    """One epoch; losses are in scaled units, those that training sees."""

    epoch: int
    steps: int
    train_loss: float
    val_loss: float | None
    seconds: float


def is_number(value: object) -> bool:
    """Tell whether a value of a file is a finite number; what is read has no others (strict_json).

    >>> is_number(0.5), is_number(True), is_number("0.5")
    (True, False, False)
    """
    return type(value) in (int, float)


def checked_history(records: Any) -> list[EpochRecord]:
    """Return records that a file holds; raise a ValueError where they are none.

    >>> record = {"epoch": 0, "steps": 2, "train_loss": 0.5, "val_loss": None, "seconds": 0.1}
    >>> checked_history([record]) == [record]
    True
    """
    for epoch, record in enumerate(records):
        numbers = [record["train_loss"], record["seconds"]]
        numbers += [] if record["val_loss"] is None else [record["val_loss"]]
        whole = type(record["steps"]) is int and record["steps"] > 0
        if (
            set(record) != set(EpochRecord.__annotations__)
            or record["epoch"] != epoch
            or not whole
            or not all(map(is_number, numbers))
        ):
            raise ValueError(f"no record of epoch {epoch + 1}")
    return list(records)


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

    result: RunState | None = None
    """History and weights of the run, if it is over."""

    def finish(self, network: nn.Module, history: list[EpochRecord]) -> None:
        """Hear that the run is over, and what became of it."""

    @contextmanager
    def taking_up(self) -> Iterator[None]:
        """Say of a kept state what is wrong with it, while a run takes it up."""
        yield

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
