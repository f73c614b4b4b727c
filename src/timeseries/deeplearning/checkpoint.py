"""Exact resume: a fit under way as a file, from which another process goes on as if nothing had happened.

The file is an artifact (docs/artifact.md): replaced in one step, checked byte by byte, without code. It holds
the state of the run under way, the result of every run that is over (a fit may train twice), and what must
be the same for the steps to come to be the same: settings, data, versions.
"""

import copy
import hashlib
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from timeseries import __version__
from timeseries.deeplearning import artifact
from timeseries.deeplearning.atomic_file import writing
from timeseries.deeplearning.history import EpochRecord, Keeper, RunState
from timeseries.deeplearning.runtime import available_devices, has_bfloat16, number_of_threads
from timeseries.deeplearning.strict_json import plain_json
from timeseries.errors import LONGEST, ArtifactError, SettingError, require_path, require_whole, shown

EVERY_SECONDS = 60.0
PARTS = {"identity": dict, "placement": dict, "runs": dict}
"""What the manifest of a checkpoint holds beside its kind."""
PLACEMENT = {"device": str, "threads": int, "precision": str}
"""Where and how a fit computes, which may have been chosen by a trial."""
RUNS = {"fit", "first", "refit"}
"""The names of the runs that there are."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Placed(Protocol):
    """Settings of a model that say where and how it computes, or "auto"."""

    device: str
    threads: int | str | None
    precision: str


PlacedModel = TypeVar("PlacedModel", bound=Placed)


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Where a fit is kept while it lasts, how often, and which file it goes on from.

    Parameters
    ----------
    path : path
        The file to write.
    epochs, steps, seconds : number, optional
        How often: after so many epochs, optimiser steps or seconds; every minute when none is given. One more
        is written when a run is complete, and on Ctrl-C and SIGTERM.
    resume : path, optional
        The file to go on from; the settings and the data must be those it was written with.

    Raises
    ------
    SettingError
        If a number is not positive.

    Examples
    --------
    >>> Checkpoints(path="demand.checkpoint", epochs=1).seconds is None
    True
    """

    path: str | PathLike[str]
    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None
    resume: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        require_path(self.path)
        if self.resume is not None:
            require_path(self.resume)
        given = {"epochs": self.epochs, "steps": self.steps}
        require_whole(**{name: (value, 1) for name, value in given.items() if value is not None})
        seconds: Any = self.seconds
        if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
            raise SettingError(f"seconds must be a number above 0, got {shown(seconds)}.")
        if self.epochs is self.steps is self.seconds is None:
            object.__setattr__(self, "seconds", EVERY_SECONDS)


def wanted_checkpoints(
    checkpoint: Checkpoints | str | PathLike[str] | None, resume: str | PathLike[str] | None
) -> Checkpoints | None:
    """Return what the arguments of a ``fit`` ask for; resuming goes on writing to the same file."""
    if isinstance(checkpoint, Checkpoints):
        parts = {name: getattr(checkpoint, name) for name in ("path", "epochs", "steps", "seconds")}
        return Checkpoints(**parts, resume=checkpoint.resume if resume is None else resume)
    path = resume if checkpoint is None else checkpoint
    return None if path is None else Checkpoints(path=path, resume=resume)


@contextmanager
def sole_writer(wanted: Checkpoints | None) -> Iterator[None]:
    """Let no other fit write the same checkpoint while this one lasts.

    Raises
    ------
    BusyError
        If another fit writes it; its process is named.
    """
    with nullcontext() if wanted is None else writing(wanted.path):
        yield


def fingerprint(**arrays: npt.NDArray[Any]) -> dict[str, str]:
    """Return a checksum per array, of its type, shape and bytes.

    Examples
    --------
    >>> a, b = np.zeros(3), np.zeros((3, 1))
    >>> fingerprint(values=a) == fingerprint(values=a.copy()), fingerprint(values=a) == fingerprint(values=b)
    (True, False)
    """
    return {
        name: hashlib.sha256(
            f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
        ).hexdigest()
        for name, part in arrays.items()
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what differs between two jobs that are described by nested names and plain values; "" for nothing.

    Examples
    --------
    >>> differences({"fit": {"gap": 0}, "seed": 1}, {"fit": {"gap": 2}, "seed": 1})
    'fit.gap was 0, is 2'
    """
    was, is_now = _flat(then), _flat(now)
    names = sorted(name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name))
    more = f" ({len(names)} differences)" if len(names) > 5 else ""
    return "; ".join(_difference(name, was.get(name), is_now.get(name)) for name in names[:5]) + more


class CheckpointFile:
    """The checkpoint of one fit: its runs, and what they depend on.

    Parameters
    ----------
    wanted : Checkpoints
        Where, how often, and from where.
    identity : mapping
        What must be the same to go on: nested names and plain values.

    Raises
    ------
    ArtifactError
        If the file to go on from is damaged, or was written by another fit; the differences are named.
    MissingArtifactError
        If there is no such file.
    """

    def __init__(self, wanted: Checkpoints, identity: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.identity = {"library": __version__, "torch": torch.__version__, **identity}
        self.placement: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        if wanted.resume is not None:
            self._take_up(wanted.resume)

    def _take_up(self, path: str | PathLike[str]) -> None:
        stored = artifact.read(path)
        manifest: Any = stored.manifest
        if manifest.get("kind") != "checkpoint":
            raise ArtifactError(
                f"{path} holds a finished {shown(manifest.get('kind'))}, not a checkpoint: load() reads it."
            )
        found = {name: type(part) for name, part in manifest.items() if name not in ("kind", "_artifact")}
        if found != PARTS or not manifest["runs"].keys() <= RUNS:
            raise ArtifactError(
                f"{path} lacks a part of a checkpoint or holds another one: it must hold "
                f"{', '.join(PARTS)}, with runs named {', '.join(sorted(RUNS))}."
            )
        placement = manifest["placement"]
        if {name: type(value) for name, value in placement.items()} != PLACEMENT:
            raise ArtifactError(f"{path} does not say where it was written: {shown(placement)}.")
        told = differences(manifest["identity"], self.identity)
        if told:
            raise ArtifactError(
                f"Cannot go on from {path}: it was written by another fit. {told}. Give the same "
                "settings and data, or fit without resume."
            )
        self.placement = placement
        self.runs, self.arrays = manifest["runs"], stored.tensors

    def begun(self, model: PlacedModel) -> PlacedModel:
        """Return a copy of a model that has in place of "auto" what the fit chose that wrote the file.

        What this machine does not have stays "auto".
        """
        there = copy.copy(model)
        for name, value in self.placement.items():
            if getattr(there, name) == "auto" and _is_possible(name, value, there.device):
                setattr(there, name, value)
        return there

    def place(self, model: PlacedModel) -> None:
        """Note where the fit computes, and warn where it began elsewhere."""
        threads = model.threads if isinstance(model.threads, int) else number_of_threads()
        now = {"device": model.device, "threads": threads, "precision": model.precision}
        told = differences(self.placement, now) if self.placement else ""
        if told:
            warnings.warn(
                f"{self.wanted.resume} was written by a fit that computed otherwise: {told}. The weights may "
                "differ in their last bits.",
                stacklevel=5,
            )
        self.placement = now

    def run(self, name: str) -> "RunKeeper":
        """Return the keeper of one of the runs of the fit."""
        return RunKeeper(self, name)

    def write(self, name: str, run: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep what there is of a run, in place of what was kept of it before."""
        prefix = f"{name}."
        self.runs[name] = dict(run)
        self.arrays = {key: a for key, a in self.arrays.items() if not key.startswith(prefix)}
        self.arrays |= {prefix + key: array for key, array in arrays.items()}
        manifest: dict[str, Any] = {
            "kind": "checkpoint",
            "identity": self.identity,
            "placement": self.placement,
            "runs": self.runs,
        }
        artifact.write(self.wanted.path, artifact.Artifact(plain_json(manifest), self.arrays))

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """Return the tensors kept of a run."""
        prefix = f"{name}."
        kept = {key: array for key, array in self.arrays.items() if key.startswith(prefix)}
        return {key.removeprefix(prefix): torch.from_numpy(array.copy()) for key, array in kept.items()}


def _is_possible(name: str, value: Any, device: str) -> bool:
    """Tell whether a fit can compute here as one did elsewhere; its precision where its device is known."""
    if name == "device":
        return value in available_devices()
    if name == "threads":
        return bool(1 <= value <= number_of_threads())
    return value == "float32" or bool(value == "bfloat16" and has_bfloat16(device))


class RunKeeper(Keeper):
    """Keep one run of a fit in its checkpoint, as often as wanted and when a signal asks for its end.

    Parameters
    ----------
    file : CheckpointFile
        Of the whole fit.
    name : str
        Of the run.
    """

    def __init__(self, file: CheckpointFile, name: str) -> None:
        self.file, self.name = file, name
        self.asked: int | None = None
        self.steps, self.epochs, self.written = 0, 0, time.perf_counter()
        self.is_over = False
        if name in file.runs:
            with self.taking_up():
                self._take(file.runs[name])

    def _take(self, run: dict[str, Any]) -> None:
        """Take up what is kept of the run: its result, or the state that it was in."""
        if set(run) not in ({"over", "history"}, {"over", "numbers"}) or run["over"] is not (
            "history" in run
        ):
            raise ValueError(f"a run of {', '.join(map(shown, run))}")
        tensors = self.file.part(self.name)
        if run["over"]:
            self.result = RunState({"history": run["history"]}, tensors)
        else:
            self.kept = RunState(run["numbers"], tensors)

    @contextmanager
    def taking_up(self) -> Iterator[None]:
        """Refuse, with its name, a file that says what no fit wrote: anyone can compute its checksum."""
        try:
            yield
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            raise ArtifactError(
                f"{self.file.wanted.resume} lacks a part of a checkpoint or holds a wrong one: {error}."
            ) from error

    def finish(self, network: nn.Module, history: list[EpochRecord]) -> None:
        """Keep the result of the run in place of its state."""
        self.file.write(self.name, {"over": True, "history": history}, _arrays(network.state_dict()))
        self.is_over = True

    def save(self, state: RunState) -> None:
        """Keep a state."""
        self.file.write(self.name, {"over": False, "numbers": state.numbers}, _arrays(state.tensors))
        self.steps, self.epochs, self.written = 0, 0, time.perf_counter()

    def step(self, state: Callable[[], RunState]) -> None:
        """Keep the state if enough steps or seconds have passed."""
        self.steps += 1
        wanted = self.file.wanted
        late = wanted.seconds is not None and time.perf_counter() - self.written >= wanted.seconds
        if late or (wanted.steps is not None and self.steps >= wanted.steps):
            self.save(state())

    def epoch(self, state: Callable[[], RunState]) -> None:
        """Keep the state if enough epochs have passed."""
        self.epochs += 1
        if self.file.wanted.epochs is not None and self.epochs >= self.file.wanted.epochs:
            self.save(state())

    def heed(self) -> None:
        """End the run between two steps if a signal came."""
        if self.asked is not None:
            raise _Stopped

    @contextmanager
    def watch(self, state: Callable[[], RunState]) -> Iterator[None]:
        """Let the first SIGINT or SIGTERM wait for the end of a step, keep the state, and let it act then.

        The second acts at once. A handler that returns does not let the run go on: it ends like one after
        Ctrl-C. Signals that the process ignores stay ignored, and since signals reach the main thread alone,
        other threads listen to none.
        """
        before: dict[int, Any] = {}

        def note(number: int, _: object) -> None:
            self.asked = number
            _put_back(before)

        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            before |= {number: signal.signal(number, note) for number in heard}
        try:
            yield
            if self.asked is not None and not self.is_over:
                self.save(state())
        except _Stopped:
            self.save(state())
        finally:
            _put_back(before)
        if self.asked is not None:
            number, self.asked = self.asked, None
            signal.raise_signal(number)
            raise KeyboardInterrupt


class _Stopped(Exception):  # noqa: N818  it never leaves this file
    """A signal asked for the end of the run."""


def _put_back(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, npt.NDArray[Any]]:
    return {
        name: np.ascontiguousarray(t.detach().cpu().numpy()).reshape(t.shape) for name, t in tensors.items()
    }


def _flat(names: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested names as one level, joined by points; the values as JSON has them."""
    flat: dict[str, Any] = {}
    for name, value in names.items():
        path = f"{before}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: plain_json(value)}
    return flat


def _difference(name: str, then: Any, now: Any) -> str:
    if name.startswith("data.") and isinstance(then, str) and isinstance(now, str) and len(then) == 64:
        return f"{name} differs"
    written = "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in name[:LONGEST])
    return f"{written} was {shown(then)}, is {shown(now)}"
