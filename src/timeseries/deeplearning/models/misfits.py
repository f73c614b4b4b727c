"""What settings and data have against each other, said before anything is trained."""

import warnings
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import numpy as np

from timeseries.deeplearning.models.rows import Rows, Targets, held_out
from timeseries.deeplearning.runtime import check_device
from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.errors import LeakageWarning, SettingError, UnusedStepsWarning, require_switch, shown
from timeseries.leakage import leaks, told

DEVICES = ("cpu", "cuda", "mps")  # those that may be absent; another name is no device at all


def misfits(
    settings: TrainingSettings, rows: Rows, targets: Targets, *, validation_split: Any, verbose: Any
) -> Iterator[str]:
    """Yield one sentence per setting or argument of fit that does not go with the data or this machine.

    A setting that is wrong by itself is left to `Settings.problems`.
    """
    yield from _misfits_of_sizes(settings, rows, targets)
    yield from _misfits_of_windows(settings, rows, targets)
    if isinstance(settings.device, str) and settings.device in DEVICES:
        yield from _refusal(lambda: check_device(settings.device))
    yield from _refusal(lambda: require_switch(verbose=verbose))
    if not (isinstance(validation_split, (int, float)) and 0 <= validation_split < 1):
        yield f"validation_split must be at least 0 and below 1, got {shown(validation_split)}"
    elif validation_split and not held_out(rows, targets, validation_split).any():
        kind = "sequences" if targets.one_per_sequence else "rows of a sequence"
        yield f"validation_split={shown(validation_split)} holds out none of the {kind}: give more, or 0"
    elif not validation_split and settings.patience is not None:
        yield (
            f"patience={shown(settings.patience)} needs rows to watch: fit(..., validation_split=0.1), or "
            "patience=None"
        )


def _misfits_of_sizes(settings: TrainingSettings, rows: Rows, targets: Targets) -> Iterator[str]:
    for name, part in (("input_size", rows.values), ("output_size", targets.values)):
        declared = getattr(settings, name)
        if isinstance(declared, Integral) and declared != part.shape[1]:
            yield (
                f"{name}={shown(declared)}, but the data has {part.shape[1]}: leave {name} out, the data "
                "tells it"
            )


def _misfits_of_windows(settings: TrainingSettings, rows: Rows, targets: Targets) -> Iterator[str]:
    length: Any = settings.sequence_length
    horizon: Any = settings.horizon
    longest = int(rows.lengths.max())
    if isinstance(length, Integral) and int(length) > longest:
        whole = "X has" if rows.form == "rows" else "the longest sequence of X has"
        yield (
            f"sequence_length={shown(length)} is longer than the data: {whole} {longest} "
            f"sample{'s' * (longest != 1)}, so give more, or set sequence_length={longest} at most"
        )
    if targets.one_per_sequence and isinstance(horizon, Integral) and int(horizon) > 1:
        yield f"horizon={shown(horizon)} needs a target for every step, but y holds one per sequence"


def _refusal(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except SettingError as error:
        yield str(error).rstrip(".")


def warn_of_data(settings: TrainingSettings, rows: Rows, targets: Targets) -> None:
    """Warn the caller of fit of columns that give the answer away, and of steps that no window sees."""
    X, offsets = rows.values, rows.offsets
    shifts = settings.sequence_length + settings.horizon - 1  # by more, no window holds both
    if targets.one_per_sequence:
        X, offsets, shifts = X[offsets[1:] - 1], np.array([0, len(rows.lengths)]), 1  # (S, F)
        longest = int(rows.lengths.max())
        if longest > settings.sequence_length:
            warnings.warn(
                f"Sequences of X have up to {longest} steps, of which a window shows the last "
                f"{settings.sequence_length}. Set sequence_length={longest} to use all of them.",
                UnusedStepsWarning,
                stacklevel=4,
            )
    found = leaks(X, targets.values, offsets, shifts=shifts)
    if found:
        text = told(found, rows.names, targets.values.shape[1])
        warnings.warn(text, LeakageWarning, stacklevel=4)
