"""A panel as the network sees it, its targets transformed, and forecasts back in the user's units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from timeseries.errors import DataError, SettingError, require_known, shown
from timeseries.panel import Panel, in_zone
from timeseries.splits import Origins
from timeseries.steps import STAMP
from timeseries.tables.alignment import numbered_within
from timeseries.target_transforms import TRANSFORMS, Ahead, Floats, Ints, Rows, State, TargetTransform


def transform_names(given: object) -> tuple[str, ...]:
    """Return the names of transforms, of which one, several or none (None) are given.

    Examples
    --------
    >>> transform_names("log"), transform_names(None)
    (('log',), ())
    """
    names = () if given is None else (given,) if isinstance(given, str) else given
    if not isinstance(names, (tuple, list)):
        raise SettingError(
            f"target_transform must be a name or a list of names, got {shown(given)}. "
            f"Known: {', '.join(TRANSFORMS)}."
        )
    for name in names:
        require_known("target_transform", name, TRANSFORMS)
    return tuple(names)


@dataclass(frozen=True, eq=False)
class FittedTransforms:
    """The transforms of the targets in the order in which they are applied, and what they have learned."""

    names: tuple[str, ...] = ()
    states: tuple[State, ...] = ()

    @property
    def steps(self) -> list[TargetTransform]:
        """Return the transforms."""
        return [TRANSFORMS[name] for name in self.names]

    @property
    def cumulative(self) -> int:
        """Return the place of the first transform whose inverse adds up steps; their number if none does."""
        return next((i for i, step in enumerate(self.steps) if step.cumulative), len(self.names))

    @property
    def adds_up(self) -> bool:
        """Whether the inverse adds up steps, so that intervals are calibrated after that."""
        return self.cumulative < len(self.names)

    def merged(self, place: Ints, own: "FittedTransforms") -> "FittedTransforms":
        """Return what was learned of the series ``place`` (S',), and of ``own`` where it is -1."""
        states = []
        for mine, theirs in zip(own.states, self.states, strict=True):
            known = {name: _rows_like(place >= 0, part) for name, part in mine.items()}
            states.append({name: np.where(known[name], theirs[name][place], mine[name]) for name in mine})
        return FittedTransforms(self.names, tuple(states))

    def apply(self, panel: Panel, memory: int) -> "TransformedPanel":
        """Return a panel as the network sees it, which looks back on ``memory`` of its rows.

        Raises
        ------
        DataError
            If a value cannot be transformed, or differences take all rows of a series.
        """
        stages = [panel.values[:, : len(panel.targets)]]  # (N, D)
        if not self.names:
            return TransformedPanel(self, panel, None, tuple(stages), memory)
        rows = rows_of(panel)
        for step, state in zip(self.steps, self.states, strict=True):
            _refuse_outside(self.names, len(stages) - 1, stages[-1], panel)
            stages.append(step.transform(stages[-1], rows, state))
        return TransformedPanel(self, panel, rows, tuple(stages), memory)


NO_TRANSFORMS = FittedTransforms()
"""Leaves the targets as they are."""


def rows_lost(names: Sequence[str], season: int) -> int:
    """Return how many first rows of each series transforms leave without a value.

    Examples
    --------
    >>> rows_lost(["log", "seasonal_difference", "difference"], season=12)
    13
    """
    return sum(TRANSFORMS[name].reach(season) for name in names)


def fit_transforms(names: Sequence[str], panel: Panel, train_rows: Ints) -> FittedTransforms:
    """Learn transforms of the targets from the first rows of each series.

    Parameters
    ----------
    names : sequence of str
        Of TRANSFORMS, in the order in which they are applied.
    panel : Panel
        All rows.
    train_rows : array of shape (S,)
        How many of them, from the first one on, may be learned from.

    Raises
    ------
    SettingError
        If a transform needs a season, and the panel has none.
    DataError
        If a value of these rows cannot be transformed.
    """
    if not names:
        return NO_TRANSFORMS
    rows = rows_of(panel)
    states: list[State] = []
    values = panel.values[:, : len(panel.targets)].copy()  # (N, D)
    values[numbered_within(panel.offsets) >= np.repeat(train_rows, panel.lengths)] = np.nan
    for name in names:
        step = TRANSFORMS[name]
        if step.seasonal and rows.season < 2:
            raise SettingError(
                f"target_transform={name!r} needs a season, but the frequency {panel.frequency.step!r} has "
                "none. Say how many rows it has, season=..., or leave the transform out."
            )
        _refuse_outside(names, len(states), values, panel)
        states.append(step.fit(values, rows))
        values = step.transform(values, rows, states[-1])
    return FittedTransforms(tuple(names), tuple(states))


@dataclass(frozen=True, eq=False)
class TransformedPanel:
    """A panel with transformed targets, and what it takes to undo that."""

    transforms: FittedTransforms
    original: Panel
    rows: Rows | None  # of the original; None without transforms, which alone want to know
    stages: tuple[Floats, ...]  # (N, D) each: the targets, and what each transform made of those before
    memory: int  # rows up to an origin that its forecast is made from

    @property
    def lost(self) -> int:
        """Return how many first rows of each series have no transformed value."""
        return rows_lost(self.transforms.names, self.original.season_length)

    @cached_property
    def panel(self) -> Panel:
        """The panel as the network sees it: without the rows that have no transformed value."""
        original = self.original
        if not self.transforms.names:
            return original
        short = np.flatnonzero(original.lengths <= self.lost)
        if len(short):
            s = int(short[0])
            raise DataError(
                f"Series {original.ids[s]!r} has {original.lengths[s]} rows, and the differences of "
                f"target_transform take the first {self.lost} ({len(short)} series are too short). Pass more "
                "rows, or leave these series out.",
                series=original.ids[s],
            )
        values = np.column_stack([self.stages[-1], original.values[:, len(original.targets) :]])  # (N, C)
        return replace(original, values=values).after(np.full_like(original.lengths, self.lost))

    def places(self, series: Ints, row: Ints) -> Ints:
        """Return the rows of the transformed panel that stand for rows (M,) of the original.

        Raises
        ------
        DataError
            If one of them has no transformed value.
        """
        if not self.lost:
            return row
        within = row - self.original.offsets[series]  # (M,)
        early = np.flatnonzero(within < self.lost)
        if len(early):
            raise DataError(
                f"A forecast of series {self.original.ids[series[early[0]]]!r} from its row "
                f"{within[early[0]]} is not possible: the differences of target_transform need "
                f"{self.lost} rows before it. Forecast from later rows."
            )
        return row - self.lost * (series + 1)  # every series up to its own has lost as many

    def added_up(self, forecast: Floats, origins: Origins) -> Floats:
        """Undo the transforms back to the first whose inverse adds up steps, (M, H, D, P); no others."""
        return self._undone(forecast, origins, len(self.stages) - 1, self.transforms.cumulative)

    def restored(self, forecast: Floats, origins: Origins) -> Floats:
        """Undo the transforms that `added_up` leaves, (M, H, D, P): the forecast in the user's units."""
        return self._undone(forecast, origins, self.transforms.cumulative, 0)

    @property
    def calibrated(self) -> Floats:
        """The targets in the units of `added_up`, (N, D): those in which intervals are calibrated."""
        return self.stages[self.transforms.cumulative]

    def _undone(self, forecast: Floats, origins: Origins, last: int, first: int) -> Floats:
        """Undo the transforms from ``last``, counted from 1, back to but without ``first``."""
        if last == first:
            return forecast
        ahead, rows = self._ahead(origins, forecast.shape[1]), cast("Rows", self.rows)
        transforms = self.transforms
        for i in reversed(range(first, last)):
            step, state = transforms.steps[i], transforms.states[i]
            with np.errstate(over="ignore", invalid="ignore"):  # what is no longer finite, the caller refuses
                forecast = step.inverse(forecast, self.stages[i], rows, ahead, state)
        return forecast

    def _ahead(self, origins: Origins, horizon: int) -> Ahead:
        """Return where the steps after some origins of the original stand."""
        panel = self.original
        time = panel.frequency.shift(panel.time[origins.row][:, None], np.arange(1, horizon + 1))  # (M, H)
        step, phase = _stand(panel, time)
        return Ahead(origins.series, origins.row, step, phase, self.memory)


def rows_of(panel: Panel) -> Rows:
    """Return where the rows of a panel stand in time."""
    step, phase = _stand(panel, panel.time)
    return Rows(panel.offsets, step, phase, panel.season_length)


def _stand(panel: Panel, time: NDArray[Any]) -> tuple[Floats, Ints]:
    """Return the steps of stamps since the first of 1970 or 0, and their rows of the season, in any shape.

    The season follows the clock of ``season_zone`` where the layout names one.
    """
    zone, local = panel.layout.season_zone, time
    if zone is not None:
        local = in_zone(time.ravel(), zone).tz_localize(None).to_numpy().astype(STAMP).reshape(time.shape)
    start = np.zeros(1, dtype=time.dtype)
    step, clock = (panel.frequency.span(start, part) for part in (time, local))
    return step.astype(np.float64), clock % panel.season_length


def _refuse_outside(names: Sequence[str], place: int, values: Floats, panel: Panel) -> None:
    """Refuse values (N, D) that a transform cannot take; those before it made them."""
    name = names[place]
    if not TRANSFORMS[name].positive:
        return
    bad = np.argwhere(values <= 0)
    if len(bad):
        row, target = bad[0].tolist()
        where, fields = panel.place(row, target)
        raise DataError(
            f"target_transform={name!r} needs values above 0, but {len(bad)} are not"
            f"{f' after {names[place - 1]!r}' if place else ''}; the first is {values[row, target]:g}: "
            f"{where}. Leave the transform out, or forecast something that stays above 0.",
            **fields,
            value=float(values[row, target]),
        )


def _rows_like(known: NDArray[np.bool_], part: Floats) -> NDArray[np.bool_]:
    """Return what is said of each series (S,) so that it goes with arrays (S, ...)."""
    return known.reshape(-1, *[1] * (part.ndim - 1))
