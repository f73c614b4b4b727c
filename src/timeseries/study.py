"""The trials of a search: chosen by Optuna, kept in a file; the only file that needs optuna (extra ``tune``).

The file is Optuna's journal: one JSON object per line, each written and synced before the next step is taken,
so a killed search loses the trial under way and no other. It holds no code.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from timeseries.deeplearning.atomic_file import writing
from timeseries.deeplearning.checkpoint import differences
from timeseries.deeplearning.strict_json import plain_json
from timeseries.errors import ArtifactError, MissingExtraError, require_path, shown
from timeseries.settings import Span

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as Asked

Space = Mapping[str, Span | Sequence[Any]]
NAME = "tuning"
"""Of the one study in a file."""
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
OUTCOMES = {COMPLETE: "COMPLETE", PRUNED: "PRUNED", FAILED: "FAIL"}
"""How a trial can end, and what Optuna calls that."""
BEGINNING = b'{"op_code":'
"""How every line of a journal begins."""


class Trial(NamedTuple):
    """What came of one choice of settings."""

    settings: dict[str, Any]
    errors: list[float]
    """One per fold; fewer where the trial was pruned or failed."""
    seconds: float
    outcome: str
    """"complete", "pruned" or "failed"."""
    reason: str = ""
    """Why it failed."""

    @property
    def error(self) -> float:
        """The mean over the folds so far, NaN without any."""
        return float(np.mean(self.errors)) if self.errors else float("nan")


class _NoLock:
    """For Optuna: the file is locked for the whole search already."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


@contextmanager
def opened(
    path: str | PathLike[str] | None,
    space: Space,
    *,
    start: Mapping[str, Any],
    seed: int,
    identity: Mapping[str, Any],
) -> Iterator["Study"]:
    """Open the study in a file, or begin one there; without a path it lives as long as the block.

    Parameters
    ----------
    path : path, optional
        The journal. No other search may write it meanwhile.
    space : mapping
        What is tried for each setting: a range, or a few values.
    start : mapping
        The settings of the first trial, whether or not they are among what is tried.
    seed : int
        Decides what is tried.
    identity : mapping
        What must be the same for trials to be comparable: nested names and plain values.

    Raises
    ------
    ArtifactError
        If the file holds no study, a damaged one, or that of another search; the differences are named.
    BusyError
        If another search writes the file.
    MissingExtraError
        If Optuna is not installed.
    """
    optuna = _optuna()
    if path is not None:
        require_path(path)
    with nullcontext() if path is None else writing(path):
        yield Study(optuna, _storage(optuna, path), space, start, seed, identity, path)


class Study:
    """Trials that are over, and the choice of the next one.

    A trial depends on the seed and on the trials that are over, not on how often the search was interrupted.
    """

    def __init__(
        self,
        optuna: ModuleType,
        storage: Any,
        space: Space,
        start: Mapping[str, Any],
        seed: int,
        identity: Mapping[str, Any],
        path: str | PathLike[str] | None,
    ) -> None:
        self._optuna, self._seed, self._space, self._start = optuna, seed, space, start
        self._choices = {
            name: None if isinstance(tried, Span) else {repr(value): value for value in tried}
            for name, tried in space.items()
        }
        self._distributions = {name: _distribution(optuna, tried) for name, tried in space.items()}
        named = {"study_name": NAME, "storage": storage, "pruner": optuna.pruners.MedianPruner()}
        with _quietly(optuna), _readable(path):
            exists = storage is not None and NAME in optuna.get_all_study_names(storage)
            self._study = (optuna.load_study if exists else optuna.create_study)(**named)
            self._compare(plain_json(dict(identity)), path)
            self._give_up_unfinished()

    def _compare(self, identity: dict[str, Any], path: str | PathLike[str] | None) -> None:
        """Note what the trials belong to, or refuse to mix them with those of another search."""
        then = self._study.user_attrs.get("identity")
        if then is None:
            self._study.set_user_attr("identity", identity)
            return
        told = differences(then, identity)
        if told:
            raise ArtifactError(
                f"Cannot go on from {path}: it was written by another search. {told}. Give the same table "
                "and settings, or another file."
            )

    def _give_up_unfinished(self) -> None:
        """Forget trials that were under way when the search was killed: they do not count, and come again."""
        state = self._optuna.trial.TrialState
        for kept in self._study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            if "outcome" in kept.user_attrs:  # killed just before its very end
                self._tell(kept.number, self._read(kept))
            else:
                self._study.tell(kept.number, state=state.FAIL)

    @property
    def trials(self) -> list[Trial]:
        """Those that are over, in their order."""
        return [self._read(trial) for trial in self._study.trials if "outcome" in trial.user_attrs]

    def _read(self, kept: "FrozenTrial") -> Trial:
        attributes = kept.user_attrs
        return Trial(
            self._settings(kept.params),
            *(attributes[name] for name in ("errors", "seconds", "outcome", "reason")),
        )

    def _settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return values for what Optuna drew, in the order of the space, and the start for the rest."""
        values = {
            name: value if (choices := self._choices[name]) is None else choices[value]
            for name, value in drawn.items()
        }
        return {name: values.get(name, self._start.get(name)) for name in self._space}

    def next(self) -> "Running":
        """Choose the settings of the next trial; the first has those of the start.

        Optuna is not told of a value of the start that is not among what is tried: it could not hold it.
        """
        done, tried = len(self.trials), self._distributions
        if not done:
            written = self._written_start()
            tried = {name: tried[name] for name in written}
            waiting = self._optuna.trial.TrialState.WAITING
            if not self._study.get_trials(deepcopy=False, states=(waiting,)):
                self._study.enqueue_trial(written)
        seed = int(np.random.SeedSequence([self._seed, done]).generate_state(1)[0])
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)
        asked = self._study.ask(tried)
        return Running(self, asked, self._settings(asked.params))

    def _written_start(self) -> dict[str, Any]:
        """Return the start as Optuna has it, as far as it is among what is tried."""
        return {
            name: _written(tried, self._start[name])
            for name, tried in self._space.items()
            if self._start[name] in tried
        }

    def end(self, asked: "Asked", trial: Trial) -> None:
        """Keep what came of a trial."""
        for name in ("errors", "seconds", "reason", "outcome"):  # the outcome last: it makes the trial count
            asked.set_user_attr(name, getattr(trial, name))
        self._tell(asked.number, trial)

    def _tell(self, number: int, trial: Trial) -> None:
        state = self._optuna.trial.TrialState[OUTCOMES[trial.outcome]]
        self._study.tell(number, trial.error if trial.outcome == COMPLETE else None, state=state)

    @property
    def importance(self) -> dict[str, float]:
        """How much of what the error varies is due to each setting, as shares of 1, the largest first.

        Empty where all complete trials with settings among those tried have the same error.
        """
        state = self._optuna.trial.TrialState
        told = [
            trial
            for trial in self._study.get_trials(deepcopy=False, states=(state.COMPLETE,))
            if trial.params.keys() == self._space.keys()  # others began outside of what is tried
        ]
        if len({trial.value for trial in told}) < 2:
            return {}
        with _quietly(self._optuna):
            compared = self._optuna.create_study()
        compared.add_trials(told)
        shares = self._optuna.importance.get_param_importances(compared)
        return {name: float(share) for name, share in shares.items()}


class Running:
    """A trial under way, and what it is to try."""

    def __init__(self, study: Study, asked: "Asked", settings: dict[str, Any]) -> None:
        self._study, self._asked, self.settings = study, asked, settings
        self.errors: list[float] = []

    def add(self, error: float) -> bool:
        """Hear the error of one more fold; tell whether the trial is worse than the median so far."""
        self.errors.append(error)
        self._asked.report(float(np.mean(self.errors)), step=len(self.errors))
        return self._asked.should_prune()

    def end(self, outcome: str, seconds: float, reason: str = "") -> Trial:
        """Keep what came of it."""
        trial = Trial(self.settings, self.errors, seconds, outcome, reason)
        self._study.end(self._asked, trial)
        return trial


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "tune") from None
    return optuna


def _storage(optuna: ModuleType, path: str | PathLike[str] | None) -> Any:
    """Open a journal, without the line that a full disk or a power cut left half written at its end."""
    if path is None:
        return None
    journal = Path(path)
    if journal.exists():
        _cut_unfinished_line(journal)
    backend = optuna.storages.journal
    with _readable(path):
        return backend.JournalStorage(backend.JournalFileBackend(str(journal), lock_obj=_NoLock()))


def _cut_unfinished_line(journal: Path) -> None:
    content = journal.read_bytes()
    start = content[: len(BEGINNING)]
    if start != BEGINNING[: len(start)]:
        raise ArtifactError(f"{journal} holds something else than a search. Give another file as storage.")
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with journal.open("r+b") as file:
            file.truncate(whole)


@contextmanager
def _readable(path: str | PathLike[str] | None) -> Iterator[None]:
    """Say of a file what is wrong with it where Optuna cannot read it."""
    try:
        yield
    except ArtifactError:
        raise
    except (json.JSONDecodeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ArtifactError(
            f"{path} is damaged: {type(error).__name__}: {shown(str(error))}. Begin anew in another file."
        ) from error


@contextmanager
def _quietly(optuna: ModuleType) -> Iterator[None]:
    """Keep Optuna from telling what it does, for a while."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _written(tried: Span | Sequence[Any], value: Any) -> Any:
    """Return a value that is tried as Optuna has it."""
    return value if isinstance(tried, Span) else repr(tried[list(tried).index(value)])


def _distribution(optuna: ModuleType, tried: Span | Sequence[Any]) -> "BaseDistribution":
    """Return a range, or values, as Optuna has them; values by what they are written as."""
    made: Any = optuna.distributions
    if isinstance(tried, Span):
        kind = made.IntDistribution if tried.whole else made.FloatDistribution
        return kind(tried.low, tried.high, log=tried.log)  # type: ignore[no-any-return]
    return made.CategoricalDistribution([repr(value) for value in tried])  # type: ignore[no-any-return]
