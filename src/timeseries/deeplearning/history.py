"""What happened in each epoch, as plain data, and who is told while it happens."""

from typing import TypedDict

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

    def begin(self, plan: Plan) -> None:
        """Hear what is planned, before the first step."""

    def step(self) -> None:
        """Hear that one more step was taken."""

    def epoch(self, record: EpochRecord) -> None:
        """Hear how an epoch went."""

    def end(self) -> None:
        """Hear that training ended, by whatever cause."""
