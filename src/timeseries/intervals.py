"""Intervals that cover what they promise: split conformal calibration of any forecast.

A forecaster is asked about origins that it was not fitted on. What it missed there, its scores, tells how far
each quantile must be moved. If those origins and the coming one are exchangeable, the moved quantiles cover
at least as often as their levels say, whatever the network and the data are.

Shapes: M calibration origins, H steps, D targets, P numbers per target of the network, Q wanted levels. All
numbers are in scaled units: each series divided by its scale, so that the scores of many series compare.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timeseries.errors import DataError, SettingError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MEDIAN = 0.5
TOO_FEW = "which is less than"  # in the notes of intervals that may not cover what they say
LARGEST_INTEGER = 2.0**53  # up to here float64 holds every whole number
ROUNDING = 1e-9  # 100 * 0.55 is a little more than 55: ranks are not raised for that


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """How far each quantile of a forecast is moved.

    Examples
    --------
    >>> errors = np.arange(-9.0, 10.0).reshape(19, 1, 1)
    >>> made = calibrate(errors, np.zeros((19, 1, 1, 1)), None, (0.1, 0.5, 0.9))
    >>> made.apply(np.full((1, 1, 1, 1), 100.0)).tolist()
    [[[[92.0, 100.0, 108.0]]]]
    >>> made.notes
    ('80 % intervals rest on 19 origins per step.',)
    """

    levels: Floats  # (Q,) rising; one of them is the median
    source: Integers  # (Q,) which of the network's P numbers each level starts from
    shifts: Floats  # (H, D, Q) what is added to it, in scaled units; 0 at the median
    notes: tuple[str, ...]  # what each interval rests on, one sentence each

    @cached_property
    def middle(self) -> int:
        """The place of the median among the levels."""
        return int(np.searchsorted(self.levels, MEDIAN))

    @cached_property
    def numbers(self) -> int:
        """How many numbers per target the network has to give, P or fewer."""
        return int(self.source.max()) + 1

    def apply(self, forecast: ArrayLike) -> Floats:
        """Return the calibrated quantiles of a forecast.

        The median is the network's own. A level that would cross one nearer to the median is moved out to it:
        that keeps them in order, and no coverage is lost.

        Parameters
        ----------
        forecast : array-like of shape (M, H, D, P)
            What the network said, in scaled units.

        Returns
        -------
        ndarray of shape (M, H, D, Q)
            One number per level, none below the one before it.

        Raises
        ------
        DataError
            If the forecast has other steps, targets or numbers per target than the calibrated ones.
        """
        forecast = np.asarray(forecast, dtype=np.float64)
        if forecast.shape[1:-1] != self.shifts.shape[:2] or forecast.shape[-1] < self.numbers:
            raise DataError(
                f"The intervals were calibrated for forecasts of shape (M, H, D, P) with (H, D) = "
                f"{self.shifts.shape[:2]} and P >= {self.numbers}, got {forecast.shape}. "
                "Calibrate again for this forecast."
            )
        answer: Floats = forecast[..., self.source] + self.shifts  # (M, H, D, Q)
        upper, lower = answer[..., self.middle :], answer[..., self.middle :: -1]  # from the median outwards
        np.maximum.accumulate(upper, axis=-1, out=upper)
        np.minimum.accumulate(lower, axis=-1, out=lower)
        return answer


class Shift(NamedTuple):
    """The shift of one level, and what it rests on."""

    value: Floats  # (H, D)
    pooled: bool  # some step had too few scores, and took those of all steps
    extreme: bool  # even those were too few


def calibrate(
    truth: ArrayLike, forecast: ArrayLike, levels: Sequence[float] | None, wanted_levels: Sequence[float]
) -> Calibration:
    """Learn from held-out origins how far each quantile must be moved to cover what its level says.

    Each wanted level starts from the network's own quantile of that level, else from its median or point. It
    is moved by the k-th smallest of the n scores ``truth - forecast`` of its step and target: k is
    ceil((n + 1) level) above the median and floor((n + 1) level) below it. Where a step has too few scores
    for that (no rank k), those of all steps of the target stand in, each divided by the size of the other
    scores of its step; where even these are too few, the most extreme of them does.

    Parameters
    ----------
    truth : array-like of shape (M, H, D)
        What happened after origins that the forecaster was not fitted on, in scaled units; NaN where it was
        not observed.
    forecast : array-like of shape (M, H, D, P)
        What the forecaster said at these origins, in scaled units.
    levels : sequence of P floats, or None
        The quantile levels of the forecast, .5 among them; None for a point forecast (P = 1).
    wanted_levels : sequence of Q floats
        The levels to calibrate, rising, between 0 and 1, .5 among them.

    Returns
    -------
    Calibration

    Raises
    ------
    SettingError
        If levels do not rise from above 0 to below 1, or lack the median.
    DataError
        If shapes disagree, a forecast is not finite, a truth is infinite, or a target was never observed.

    Notes
    -----
    One-sided split conformal prediction: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random
    World" (2005), chapter 4; with quantiles as the start, Y. Romano, E. Patterson, E. Candès, "Conformalized
    Quantile Regression", NeurIPS 2019, theorem 2. A pooled shift has no such guarantee: it takes the errors
    of all steps to be alike up to their size.

    Examples
    --------
    >>> made = calibrate([[[1.0]], [[-2.0]], [[3.0]]], np.zeros((3, 1, 1, 1)), None, (0.25, 0.5, 0.75))
    >>> made.shifts.tolist()
    [[[-2.0, 0.0, 3.0]]]
    """
    own = (MEDIAN,) if levels is None else tuple(levels)
    wanted = tuple(wanted_levels)
    _check_levels("levels", own)
    _check_levels("wanted_levels", wanted)
    truth, forecast = _checked(truth, forecast, own)
    source = np.array([own.index(level if level in own else MEDIAN) for level in wanted])  # (Q,)
    found = [_shift(truth - forecast[..., start], level) for level, start in zip(wanted, source, strict=True)]
    return Calibration(
        levels=np.array(wanted),
        source=source,
        shifts=np.stack([shift.value for shift in found], axis=-1),
        notes=_notes(dict(zip(wanted, found, strict=True)), np.isfinite(truth).sum(axis=0)),
    )


def restrict(
    forecast: ArrayLike,
    levels: Sequence[float] | None,
    *,
    lower: float | None = None,
    upper: float | None = None,
    integer: bool = False,
) -> Floats:
    """Keep a forecast within bounds, and make whole numbers of it, so that its intervals still cover.

    Parameters
    ----------
    forecast : array-like of shape (..., Q)
        One number per level, none below the one before it, in the user's units.
    levels : sequence of Q floats, or None
        The quantile levels; None for a point forecast (Q = 1).
    lower, upper : float, optional
        The smallest and the largest value there can be.
    integer : bool
        Round levels below the median down, those above it up, and the median to the nearest whole number.

    Returns
    -------
    ndarray of shape (..., Q)
        None below the one before it.

    Raises
    ------
    SettingError
        If no allowed value lies between the bounds.

    Examples
    --------
    >>> restrict([[-1.5, 0.4, 2.2]], (0.1, 0.5, 0.9), lower=0, integer=True).tolist()
    [[0.0, 0.0, 3.0]]
    """
    answer = np.array(forecast, dtype=np.float64)  # (..., Q), a copy
    least = -math.inf if lower is None else lower
    most = math.inf if upper is None else upper
    if integer:
        side = np.array([MEDIAN] if levels is None else levels) - MEDIAN  # (Q,)
        answer = np.select([side < 0, side > 0], [np.floor(answer), np.ceil(answer)], np.rint(answer))
        least, most = np.ceil(least), np.floor(most)
    if not least <= most:
        raise SettingError(
            f"No {'whole number' if integer else 'value'} lies between lower={lower} and upper={upper}. "
            "Widen the bounds."
        )
    clipped: Floats = np.clip(answer, least, most) + 0.0  # no negative zeros
    return clipped


def whole(numbers: Floats, *, integer: bool) -> Floats | Integers:
    """Return whole numbers as integers where they were asked for, unless one is too large or absent.

    Examples
    --------
    >>> whole(np.array([3.0, -1.0]), integer=True).tolist(), whole(np.array([3.0]), integer=False).tolist()
    ([3, -1], [3.0])
    """
    fits = integer and bool((np.abs(numbers) < LARGEST_INTEGER).all())  # False for NaN
    return numbers.astype(np.int64) if fits else numbers


def _shift(scores: Floats, level: float) -> Shift:
    """Return how far a level is moved at each step and target; scores are (M, H, D), NaN where unobserved."""
    if level == MEDIAN:
        return Shift(np.zeros(scores.shape[1:]), pooled=False, extreme=False)
    count = np.isfinite(scores).sum(axis=0)  # (H, D)
    rank = _rank(count, level)  # (H, D)
    enough = (rank >= 1) & (rank <= count)  # (H, D)
    place = np.clip(rank - 1, 0, len(scores) - 1)[None]  # (1, H, D)
    value = np.take_along_axis(np.sort(scores, axis=0), place, axis=0)[0]  # (H, D), NaN sorts last
    extreme = False
    for target in np.flatnonzero(~enough.all(axis=0)):
        step = ~enough[:, target]  # (H,)
        pooled, few = _pooled_shift(scores[:, :, target], level)  # (H,)
        value[step, target] = pooled[step]
        extreme |= few
    return Shift(value, pooled=not enough.all(), extreme=extreme)


def _pooled_shift(scores: Floats, level: float) -> tuple[Floats, bool]:
    """Return the shift of each step, (H,), from the scores (M, H) of all, and whether those are too few.

    A score is divided by the size of the other scores of its step, as the coming one will be. The mean square
    over all steps counts as one further score of each, so that a step with few or none has a size too.
    """
    exponent = np.frexp(np.abs(scores[np.isfinite(scores)]).max(initial=0.0))[1]
    scores = np.ldexp(scores, -exponent)  # (M, H) exactly, since squares of large ones would overflow
    square = np.nan_to_num(scores**2)  # (M, H)
    count = np.isfinite(scores).sum(axis=0)  # (H,)
    prior = square.sum() / count.sum()
    total = square.sum(axis=0) + prior  # (H,)
    others = np.sqrt((total - square) / np.maximum(count, 1))  # (M, H)
    pool = np.sort(
        np.divide(scores, others, out=np.zeros_like(scores), where=others > 0)[np.isfinite(scores)]
    )
    rank = int(_rank(np.array(len(pool)), level))
    kept = min(max(rank, 1), len(pool))
    with np.errstate(over="ignore"):  # what is infinite then is refused with the forecast
        shift: Floats = np.ldexp(pool[kept - 1] * np.sqrt(total / (count + 1)), exponent)  # (H,)
    return shift, kept != rank


def _rank(count: Integers, level: float) -> Integers:
    """Return which of ``count`` sorted scores, counted from 1, moves a level; there may be none such."""
    place = (count + 1) * level
    rank: Floats = np.ceil(place - ROUNDING) if level > MEDIAN else np.floor(place + ROUNDING)
    return rank.astype(np.int64)


def _notes(shifts: dict[float, Shift], count: Integers) -> tuple[str, ...]:
    """Say what each interval rests on, the widest first; a level without a partner stands for itself."""
    sentences = []
    for level, shift in shifts.items():
        other = next((high for high in shifts if abs(high - (1 - level)) < ROUNDING), None)
        if level == MEDIAN or (other is not None and level > MEDIAN):
            continue
        both = [shift] if other is None else [shift, shifts[other]]
        name = (
            f"The {level:g} quantile rests"
            if other is None
            else f"{100 * (1 - 2 * level):g} % intervals rest"
        )
        sentences.append(f"{name} on {_basis(both, level, count)}.")
    return tuple(sentences)


def _basis(shifts: list[Shift], level: float, count: Integers) -> str:
    """Say how many origins there were, and whether that was enough."""
    steps, fewest = len(count), int(count.min())
    if not any(shift.pooled for shift in shifts):
        return f"{fewest} origins per step"
    needed = math.ceil(1 / min(level, 1 - level) - 1 - ROUNDING)
    basis = f"{fewest} origins, pooled over the {steps} steps"
    if any(shift.extreme for shift in shifts):
        basis += f", {TOO_FEW} the {needed} scores they need: they end at the largest errors seen"
    return basis


def _check_levels(name: str, levels: tuple[float, ...]) -> None:
    rising = all(low < high for low, high in zip((0.0, *levels), (*levels, 1.0), strict=True))
    if not rising or MEDIAN not in levels:
        raise SettingError(f"{name} must rise from above 0 to below 1 and include 0.5, got {list(levels)}.")


def _checked(truth: ArrayLike, forecast: ArrayLike, levels: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return both as float64 arrays, (M, H, D) and (M, H, D, P)."""
    truth, forecast = np.asarray(truth, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if truth.ndim != 3 or forecast.shape != (*truth.shape, len(levels)):
        raise DataError(
            "Calibrating needs truth (M, H, D) and forecast (M, H, D, P) with P = "
            f"{len(levels)} for levels {list(levels)}, got {truth.shape} and {forecast.shape}."
        )
    if not np.isfinite(forecast).all() or np.isinf(truth).any():
        raise DataError(
            "Calibrating needs finite forecasts, and truths that are finite or NaN where unobserved. "
            "Look for the series that the network cannot forecast."
        )
    unseen = np.flatnonzero(~np.isfinite(truth).any(axis=(0, 1)))
    if len(unseen):
        raise DataError(
            f"Calibrating needs observed values after the held-out origins; target {unseen[0]} has none in "
            f"{len(truth)} origins of {truth.shape[1]} steps. Hold out more rows, or fill the gaps."
        )
    return truth, forecast
