"""What happened in each epoch, as plain data, and who is told while it happens."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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


def best_epoch(losses: Sequence[float], min_delta: float = 0.0) -> int:
    """Return the last epoch whose loss was lower than the best before it, by more than ``min_delta``.

    >>> best_epoch([1.0, 0.5, 0.4, 0.6]), best_epoch([1.0, 0.5, 0.4, 0.6], min_delta=0.2)
    (2, 1)
    """
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best] - min_delta:
            best = epoch
    return best


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


class Callback:
    """Told how training goes; this one keeps silent, those that speak or act derive from it.

    Examples
    --------
    >>> class UntilGoodEnough(Callback):
    ...     def epoch(self, record):
    ...         return record["train_loss"] < 0.1  # True ends training after this epoch
    """

    wants_estimate = False
    """Whether a few steps are taken on a copy before training, to know how long all will take."""

    def watch(self, network: nn.Module) -> None:
        """See the network before training begins; every step changes its weights."""

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Hear what is planned, before the first step, and how many steps of it were taken earlier."""

    def step(self) -> None:
        """Hear that one more step was taken."""

    def epoch(self, record: EpochRecord) -> bool | None:
        """Hear how an epoch went; True ends training as if patience had run out."""
        return None

    def end(self) -> None:
        """Hear that training ended, by whatever cause."""


class Callbacks(Callback):
    """Several that are told one after the other; training ends when one of them wants it."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)
        self.wants_estimate = any(callback.wants_estimate for callback in self.callbacks)

    def watch(self, network: nn.Module) -> None:
        """Show the network to all."""
        for callback in self.callbacks:
            callback.watch(network)

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Tell all what is planned."""
        for callback in self.callbacks:
            callback.begin(plan, before)

    def step(self) -> None:
        """Tell all that one more step was taken."""
        for callback in self.callbacks:
            callback.step()

    def epoch(self, record: EpochRecord) -> bool:
        """Tell all how an epoch went."""
        wishes = [callback.epoch(record) for callback in self.callbacks]  # all hear it, whoever wants an end
        return any(wishes)

    def end(self) -> None:
        """Tell all that training ended."""
        for callback in self.callbacks:
            callback.end()


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
