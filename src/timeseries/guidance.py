"""Gentle notes: where settings and data are such that experience speaks against them (docs/guidance.md)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from timeseries.windows import Ints

LINEAR = ("nlinear", "dlinear")
RECURRENT = ("rnn", "lstm", "gru", "bilstm", "bigru", "attention_lstm")
FEW_WINDOWS = 1000  # below which a linear map is hard to beat
SHORT_WINDOW = 5  # steps; with fewer there is nothing to remember
RATES = (1e-4, 1e-2)  # of learning, where networks learn well
DEEP = 3  # recurrent layers; more cost time and bring nothing
STRAIGHT = 0.95  # share of variance that a line explains where little else is left
LOOKED_AT = 200  # series whose line is drawn, at most


def advice(model: str, settings: Mapping[str, Any], windows: int) -> Iterator[str]:
    """Yield a sentence for every choice that measured tables speak against.

    Parameters
    ----------
    model : str
        The name of the network.
    settings : mapping
        Its settings.
    windows : int
        Windows that it learns from.

    Examples
    --------
    >>> list(advice("lstm", {"sequence_length": 20, "learning_rate": 0.001}, windows=5000))
    []
    >>> [note] = advice("lstm", {"sequence_length": 20, "learning_rate": 0.5}, windows=5000)
    >>> note
    'learning_rate=0.5: networks learn best between 0.0001 and 0.01; find_learning_rate tries it out.'
    """
    if windows < FEW_WINDOWS and model not in LINEAR:
        yield (
            f"{windows:,} windows to learn from: with fewer than about {FEW_WINDOWS:,} a linear map is hard "
            "to beat. Compare with the model nlinear."
        )
    steps = settings["sequence_length"]
    if steps < SHORT_WINDOW and model in RECURRENT:
        yield (
            f"A window of {_counted(steps, 'step')} leaves a recurrent network nothing to remember: the "
            "model mlp is as good, and faster."
        )
    rate = settings["learning_rate"]
    if not RATES[0] <= rate <= RATES[1]:
        yield (
            f"learning_rate={rate:g}: networks learn best between {RATES[0]:g} and {RATES[1]:g}; "
            "find_learning_rate tries it out."
        )
    layers = settings.get("num_layers", 1)
    if model in RECURRENT and layers > DEEP:
        yield f"{layers} recurrent layers: more than {DEEP} seldom pay for their time."


def trend_note(values: npt.NDArray[np.floating[Any]], offsets: Ints) -> str | None:
    """Return a sentence if straight lines explain nearly all that the series do.

    Parameters
    ----------
    values : array of shape (N,)
        All series after one another; NaN where a value is missing.
    offsets : array of shape (S+1,)
        Where each begins.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=100)
    >>> trend_note(np.arange(100) + noise, np.array([0, 100]))[:40]
    'A straight line explains 100 % of the va'
    >>> trend_note(noise, np.array([0, 100])) is None
    True
    """
    chosen = np.unique(np.linspace(0, len(offsets) - 2, LOOKED_AT).astype(int))  # (<=LOOKED_AT,)
    shares = [_explained_by_line(values[offsets[s] : offsets[s + 1]]) for s in chosen]
    middle = float(np.median(shares))
    if middle < STRAIGHT:
        return None
    return (
        f"A straight line explains {100 * middle:.0f} % of the values: drift and nlinear go on along it, a "
        "recurrent network has to learn to. target_transform='detrend' takes it out."
    )


def _explained_by_line(values: npt.NDArray[np.floating[Any]]) -> float:
    """Return the share of the variance of values (N,) that a straight line explains."""
    present = np.isfinite(values)
    time, known = np.flatnonzero(present), values[present].astype(np.float64)  # (n,) each
    if len(known) < 3:
        return 0.0
    time = time - time.mean()  # (n,)
    known = (known - known.mean()) / (np.abs(known).max() or 1.0)  # (n,); squares of huge values stay finite
    spread = float(known @ known)
    return 0.0 if spread == 0 else float((time @ known) ** 2 / (time @ time) / spread)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
