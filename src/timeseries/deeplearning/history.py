"""What happened in each epoch, as plain data."""

import sys
from collections.abc import Callable
from typing import TypedDict


class EpochRecord(TypedDict):
    """One epoch; losses are in scaled units, those that training sees."""

    epoch: int
    steps: int
    train_loss: float
    val_loss: float | None
    seconds: float


def progress_line(record: EpochRecord, epochs: int) -> str:
    """Return one line for people: the epoch, its losses, and what is left at this pace."""
    left = record["seconds"] * (epochs - record["epoch"] - 1)
    validation = "" if record["val_loss"] is None else f"  val_loss {record['val_loss']:.4f}"
    return (
        f"epoch {record['epoch'] + 1}/{epochs}  train_loss {record['train_loss']:.4f}{validation}"
        f"  {record['seconds']:.1f} s, at most {left:.0f} s left"
    )


def print_progress(epochs: int) -> Callable[[EpochRecord], None]:
    """Return a reporter that prints one line per epoch to the standard error stream."""

    def report(record: EpochRecord) -> None:
        print(progress_line(record, epochs), file=sys.stderr, flush=True)  # noqa: T201

    return report
