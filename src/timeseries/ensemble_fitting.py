"""From a panel to a fitted ensemble: members one after the other or in processes, then what joins them.

A process gets the settings and the table, and hands its members back as model files: no network is ever
pickled.
"""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from timeseries.combination import calibrate_combined, combine, inverse_error_weights
from timeseries.deeplearning import artifact
from timeseries.deeplearning.history import Callbacks
from timeseries.deeplearning.models import CustomModel, WindowRegressor
from timeseries.deeplearning.progress import listeners
from timeseries.deeplearning.runtime import number_of_threads, threads
from timeseries.deeplearning.snapshots import Snapshots, with_weights
from timeseries.errors import SettingError, TimeSeriesError, TrainingError
from timeseries.fitted import Answers, FittedForecaster
from timeseries.fitted_ensemble import FittedEnsemble, unrounded
from timeseries.fitting import fit_model, held_out_rows, recalibrated, spread_evenly
from timeseries.intervals import MEDIAN
from timeseries.notes import tell
from timeseries.panel import Panel
from timeseries.splits import Origins
from timeseries.storage import pack, unpack
from timeseries.windows import index_windows

Floats = npt.NDArray[np.float64]
EXIT_SECONDS = 10.0  # that a process may take to end when it is told to


@dataclass(frozen=True, kw_only=True)
class HowToFit:
    """What all members of an ensemble share when they are fitted."""

    answers: Answers
    combine: str = "mean"
    snapshots: int = 1
    val_size: int | None = None
    keep_validation: bool = False
    processes: int = 1
    verbose: bool = False


class Unfitted(NamedTuple):
    """A model whose window is set, and the names of what is done to its targets."""

    model: WindowRegressor
    target_transform: tuple[str, ...] = ()


class Job(NamedTuple):
    """One training, which gives as many members as it keeps snapshots."""

    model: WindowRegressor
    target_transform: tuple[str, ...]
    panel: Panel
    how: HowToFit
    held_out: Origins  # M origins that no member learns from, possibly none


class Member(NamedTuple):
    """A fitted member, and what it said before it was fitted again on all rows."""

    fitted: FittedForecaster
    held_out: Floats | None  # (M, H, D, Q), not as whole numbers; None where nothing was held out


def fit_ensemble(given: Sequence[Unfitted], panel: Panel, how: HowToFit) -> FittedEnsemble:
    """Fit every model to a panel, and learn how to join what they say from rows that none learned from.

    Parameters
    ----------
    given : sequence of Unfitted
        They forecast the same steps.
    panel : Panel
        All rows; the last ones are held out of the first run of every member, as in `fit_model`.
    how : HowToFit
        Bounds, levels, validation, processes.

    Returns
    -------
    FittedEnsemble

    Raises
    ------
    SettingError, DataError, TrainingError
        As from `fit_model`; also when weights are wanted and no row is held out.
    KeyboardInterrupt
        After Ctrl-C; all processes have ended by then.
    """
    given = [member._replace(model=_of_cycles(member.model, how.snapshots)) for member in given]
    held_out = _held_out(given, panel, how)
    jobs = [Job(*member, panel, how, held_out) for member in given]
    together = min(how.processes, len(jobs))
    members = _fit_in_processes(jobs, together) if together > 1 else _fit_in_turn(jobs)
    fitted = FittedEnsemble(
        members=tuple(member.fitted for member in members), combine=how.combine, snapshots=how.snapshots
    )
    said = [member.held_out for member in members if member.held_out is not None]  # (M, H, D, Q) each
    return _joined(fitted, np.stack(said), panel, held_out) if said else fitted


def _of_cycles(model: WindowRegressor, snapshots: int) -> WindowRegressor:
    """Let the rate of a training fall to 0 as often as a snapshot is taken, and let it take all its steps."""
    if snapshots == 1:
        return model
    whole = {"patience": None, "max_seconds": None, "restore_best_weights": False}
    return model.set_params(schedule="cosine_restarts", cycles=snapshots, **whole)  # type: ignore[no-any-return]


def _held_out(given: Sequence[Unfitted], panel: Panel, how: HowToFit) -> Origins:
    """Return the origins whose steps no member learns from in its first run, evenly spread."""
    each = [held_out_rows(m, panel, how.val_size, how.answers, names) for m, names in given]  # (S,) each
    rows = np.min(each, axis=0)  # (S,)
    later = index_windows(panel.offsets, panel.lengths - rows, panel.lengths, horizon=given[0].model.horizon)
    if how.combine == "weighted" and not len(later):
        raise SettingError(
            "combine='weighted' compares members on rows that none of them learned from, and no row is held "
            "out. Give val_size, at least the horizon, or ask for intervals, which hold rows out too."
        )
    none = np.zeros(0, dtype=np.int64)  # (0,)
    series, row = spread_evenly(later) if len(later) else (none, none)  # (M,) each
    return Origins(series, row, np.zeros_like(series))


def _joined(fitted: FittedEnsemble, said: Floats, panel: Panel, held_out: Origins) -> FittedEnsemble:
    """Learn weights and the calibration of the combination from what members said, (K, M, H, D, Q)."""
    steps = held_out.row[:, None] + np.arange(1, said.shape[2] + 1)  # (M, H)
    truth = panel.values[:, : len(panel.targets)][steps]  # (M, H, D)
    levels, weights, calibration = fitted.answers.levels, None, None
    if fitted.combine == "weighted":
        middle = 0 if fitted.levels is None else fitted.levels.index(MEDIAN)
        weights = inverse_error_weights(truth, said[..., middle], held_out.series)  # (K,)
    if levels is not None:
        calibration = calibrate_combined(truth, combine(said, fitted.combine, weights), levels)
    return replace(fitted, weights=weights, calibration=calibration)


# ------------------------------------------------------------------------------------------- one training


def fit_job(job: Job, *, verbose: bool) -> list[Member]:
    """Fit one model; return its members in the order of their snapshots."""
    how, firsts = job.how, list[FittedForecaster]()
    snapshots = Snapshots(how.snapshots)
    told = listeners((), verbose=verbose)
    final = fit_model(
        job.model,
        job.panel,
        how.val_size,
        keep_validation=how.keep_validation,
        callback=Callbacks([snapshots, told]) if how.snapshots > 1 else told,
        answers=how.answers,
        target_transform=job.target_transform,
        on_first=firsts.append,
    )
    pairs = [(firsts[0], final)]
    if how.snapshots > 1:
        pairs = _of_snapshots(firsts[0], final, snapshots, job)
    if not len(job.held_out.row):
        return [Member(last, None) for _, last in pairs]
    return [Member(last, unrounded(first).forecast(job.panel, job.held_out)) for first, last in pairs]


def _of_snapshots(
    first: FittedForecaster, final: FittedForecaster, snapshots: Snapshots, job: Job
) -> list[tuple[FittedForecaster, FittedForecaster]]:
    """Return what each snapshot was in the first run and is in the last, with a calibration of its own."""
    how, names = job.how, job.target_transform
    rows = held_out_rows(job.model, job.panel, how.val_size, how.answers, names)  # (S,)
    pairs = []
    for early, late in zip(snapshots.runs[0], snapshots.runs[-1], strict=True):
        before = replace(first, network=with_weights(first.network, early))
        before = recalibrated(before, job.panel, rows)
        after = replace(final, network=with_weights(final.network, late), calibration=before.calibration)
        pairs.append((before, after))
    return pairs


def _fit_in_turn(jobs: Sequence[Job]) -> list[Member]:
    members = []
    for number, job in enumerate(jobs):
        if job.how.verbose and len(jobs) > 1:
            tell(f"{_named(jobs, number)}:")
        members += fit_job(job, verbose=job.how.verbose)
    return members


def _named(jobs: Sequence[Job], number: int) -> str:
    model = jobs[number].model
    return f"Member {number + 1} of {len(jobs)} ({model.title}, seed {model.seed})"


# ------------------------------------------------------------------------------------------- processes


def _fit_in_processes(jobs: Sequence[Job], processes: int) -> list[Member]:
    """Fit models in so many processes, each of which takes the next one when it is done with one.

    They share the threads of this one, since more threads than cores wait for each other without end. None
    of them outlives this call.
    """
    share = max(1, number_of_threads() // processes)
    found: dict[int, list[Member]] = {}
    workers: dict[Connection, SpawnProcess] = {}
    context = get_context("spawn")  # a fork would copy the locks of threads as they happen to be
    taken = context.Value("q", 0)
    with TemporaryDirectory() as folder:
        try:
            for _ in range(processes):
                receiver, sender = context.Pipe(duplex=False)
                given = sender, jobs, taken, Path(folder), share
                workers[receiver] = context.Process(target=_work, args=given, daemon=True)
                with sender:  # closed here, or the end of the process would not be heard
                    _start(workers[receiver])
            while len(found) < len(jobs):
                heard = wait(list(workers))
                for receiver in [receiver for receiver in workers if receiver in heard]:
                    said = _received(receiver, workers[receiver])
                    if said is None:
                        del workers[receiver]
                        continue
                    found[said[0]] = _taken_over(jobs, *said, Path(folder))
        finally:
            _end(list(workers.values()))
    return [member for number in sorted(found) for member in found[number]]


def _start(process: SpawnProcess) -> None:
    """Start a process; refuse members that cannot be sent to it."""
    try:
        process.start()
    except OSError:
        raise
    except Exception as error:  # whatever pickling something of the caller's own raises
        raise SettingError(
            f"The members cannot be sent to another process: {error}. Define networks and losses of your own "
            "at the top of a module, or fit with processes=1."
        ) from error


def _received(receiver: Connection, process: SpawnProcess) -> tuple[int, list[Floats | None]] | None:
    """Return the number of a fitted model and what its members said, None at an orderly end, or raise."""
    try:
        said: Any = receiver.recv()
    except EOFError:
        receiver.close()
        process.join()
        if process.exitcode == 0:
            return None
        raise TrainingError(
            f"A process ended with exit code {process.exitcode} before its fit was done. If memory was "
            "short, fit with fewer processes; a script that fits in processes needs "
            'if __name__ == "__main__": around what it runs.'
        ) from None
    if isinstance(said, Exception):
        raise said
    number, forecasts = said
    return number, forecasts


def _taken_over(jobs: Sequence[Job], number: int, said: list[Floats | None], folder: Path) -> list[Member]:
    """Return the members that a process wrote into files, with what they said."""
    fitted = [_read(_file(folder, number, place), jobs[number]) for place in range(len(said))]
    if jobs[number].how.verbose:
        history = fitted[0].history
        seconds = sum(record["seconds"] for record in history)
        tell(f"{_named(jobs, number)} is fitted: {len(history)} epochs, {seconds:.1f} s.")
    return [Member(member, part) for member, part in zip(fitted, said, strict=True)]


def _file(folder: Path, number: int, place: int) -> Path:
    """Return where a process writes a member, the one of that place in its training."""
    return folder / f"{number}.{place}"


def _read(path: Path, job: Job) -> FittedForecaster:
    """Return what a process wrote, with the rows and names that it was given in place of their copies."""
    model = job.model
    own = {model.title: model.network} if isinstance(model, CustomModel) else {}
    fitted = unpack(artifact.read(path), path, own)
    return replace(
        fitted,
        model=model.set_params(device=fitted.model.device),
        tail=job.panel.tail(fitted.memory),
        answers=job.how.answers,
    )


def _work(sender: Connection, jobs: Sequence[Job], taken: Any, folder: Path, count: int) -> None:
    """Fit models in a process of its own, with so many threads, until all are taken."""
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        with threads(count):
            while (number := _next(taken)) < len(jobs):
                sender.send(_done(jobs[number], number, folder))
    except KeyboardInterrupt:  # of a terminal; the parent hears it too, and tells
        sys.exit(128 + signal.SIGINT)


def _next(taken: Any) -> int:
    """Take the number of the next model."""
    with taken.get_lock():
        number: int = taken.value
        taken.value += 1
    return number


def _done(job: Job, number: int, folder: Path) -> tuple[int, list[Floats | None]] | Exception:
    """Fit one model, write its members into files and return what they said; or what went wrong."""
    try:
        members = fit_job(job, verbose=False)
        for place, member in enumerate(members):
            artifact.write(_file(folder, number, place), pack(_numbered(member.fitted), history=True))
    except TimeSeriesError as error:
        return error
    except Exception as error:
        return TrainingError(f"{job.model.title}: {type(error).__name__}: {error}")
    return number, [member.held_out for member in members]


def _numbered(fitted: FittedForecaster) -> FittedForecaster:
    """Give series numbers for names: a file cannot hold every kind of name, and the parent knows them."""
    return replace(fitted, tail=replace(fitted.tail, ids=tuple(range(len(fitted.tail.ids)))))


def _end_with_parent() -> None:
    """Wait for the end of the process that started this one, and end too."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(processes: Sequence[SpawnProcess]) -> None:
    """End those that were started, and wait until they have ended."""
    started = [process for process in processes if process.pid is not None]
    for process in started:
        process.terminate()
    for process in started:
        process.join(EXIT_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
