"""What happened in each epoch, as plain data."""

import sys
import time
from collections.abc import Callable
from typing import TypedDict


class EpochRecord(TypedDict):
    """One epoch; losses are in scaled units, those that training sees."""

    epoch: int
    steps: int
    train_loss: float
    val_loss: float | None
    seconds: float


Report = Callable[[EpochRecord, int], None]  # an epoch, and how many there are at most


def progress_line(record: EpochRecord, epochs: int) -> str:
    """Return one line for people: the epoch, its losses, and what is left at this pace."""
    left = record["seconds"] * (epochs - record["epoch"] - 1)
    validation = "" if record["val_loss"] is None else f"  val_loss {record['val_loss']:.4f}"
    return (
        f"epoch {record['epoch'] + 1}/{epochs}  train_loss {record['train_loss']:.4f}{validation}"
        f"  {record['seconds']:.1f} s, at most {left:.0f} s left"
    )


def print_progress(seconds: float = 0.0) -> Report:
    """Return a reporter that prints to the standard error stream, at most one line in so many seconds."""
    next_line = 0.0

    def report(record: EpochRecord, epochs: int) -> None:
        nonlocal next_line
        now = time.monotonic()
        if now >= next_line or record["epoch"] + 1 == epochs:
            next_line = now + seconds
            print(progress_line(record, epochs), file=sys.stderr, flush=True)  # noqa: T201

    return report
