"""Where the history of a training can be sent while it lasts: TensorBoard and MLflow, if installed.

Both hear what every `Callback` hears. Nothing is sent unless you ask for it.
"""

from os import PathLike
from typing import Any

from timeseries.deeplearning.history import Callback, EpochRecord
from timeseries.deeplearning.plan import Plan
from timeseries.errors import MissingExtraError

LOSSES = ("train_loss", "val_loss", "seconds")  # of an epoch


def _numbers(record: EpochRecord) -> dict[str, float]:
    named: Any = record
    return {name: named[name] for name in LOSSES if named[name] is not None}


class TensorBoardCallback(Callback):
    """Write the losses of every epoch as scalars that TensorBoard shows.

    Parameters
    ----------
    log_dir : path
        The folder of the event files; it is made when training begins.

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.
    """

    def __init__(self, log_dir: str | PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard") from error
        self.log_dir, self._open = log_dir, SummaryWriter
        self._runs = 0

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Open the file of a run; a second run of the same fit has a folder of its own, ``refit``."""
        folder = f"{self.log_dir}/refit" if self._runs else str(self.log_dir)
        self._writer, self._runs = self._open(folder), self._runs + 1

    def epoch(self, record: EpochRecord) -> None:
        """Write the numbers of an epoch."""
        for name, value in _numbers(record).items():
            self._writer.add_scalar(name, value, record["epoch"])

    def end(self) -> None:
        """Close the file."""
        self._writer.close()


class MLflowCallback(Callback):
    """Log the losses of every epoch to the active run of MLflow, or to one of its own.

    Parameters
    ----------
    run_name : str, optional
        Of the run that is started where none is active.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    def __init__(self, run_name: str | None = None) -> None:
        try:
            import mlflow  # type: ignore[import-not-found]
        except ImportError as error:
            raise MissingExtraError("mlflow", "mlflow") from error
        self.run_name, self._mlflow = run_name, mlflow
        self._started, self._runs = False, 0

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Start a run if there is none."""
        self._prefix, self._runs = "refit_" if self._runs else "", self._runs + 1
        self._started = self._mlflow.active_run() is None
        if self._started:
            self._mlflow.start_run(run_name=self.run_name)

    def epoch(self, record: EpochRecord) -> None:
        """Log the numbers of an epoch."""
        named = {self._prefix + name: value for name, value in _numbers(record).items()}
        self._mlflow.log_metrics(named, step=record["epoch"])

    def end(self) -> None:
        """End the run that was started here."""
        if self._started:
            self._mlflow.end_run()
