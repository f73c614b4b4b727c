"""New rows that follow those that a forecaster was fitted to."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries.backtesting import Background
from timeseries.errors import DataError
from timeseries.fitted import FittedForecaster, check_same_columns
from timeseries.in_sample import InSample
from timeseries.panel import Panel
from timeseries.tables.layout import plain
from timeseries.windows import Ints


def continued(fitted: FittedForecaster, panel: Panel) -> Panel:
    """Put the kept rows of every series before the rows of a panel that follow them.

    Parameters
    ----------
    fitted : FittedForecaster
        Whose kept rows; without any (a file saved without history) the panel stays as it is.
    panel : Panel
        Newer rows, of the same shape and columns. Kept rows that it holds itself are not used.

    Returns
    -------
    Panel
        All series that are kept or in ``panel``.

    Raises
    ------
    DataError
        When the columns differ, or the rows do not follow each other without a gap.
    """
    check_same_columns(fitted.tail, panel)
    if panel.shape == "wide" and set(panel.ids) != set(fitted.tail.ids):
        missing = sorted(set(fitted.tail.ids) ^ set(panel.ids), key=str)
        raise DataError(
            f"A wide table that continues another one needs the same columns; {missing[0]!r} is in one of "
            "them only. Bring the same series, or write the table in long layout."
        )
    if not len(fitted.tail.values):
        return panel
    old, new = (replace(part, index=(), library="pandas").to_frame() for part in (fitted.tail, panel))
    time, names = panel.layout.time, panel.layout.id
    if panel.shape == "long":
        starts = old[names].map(new.groupby(names)[time].min())  # NaN, NaT where no new row comes
        old = old[starts.isna() | (old[time] < starts)]
    else:
        old = old[old[time] < new[time].min()]
    joined = Panel.from_frame(pd.concat([old, new], ignore_index=True), fitted.layout)
    return replace(joined, layout=fitted.tail.layout, index=panel.index, library=panel.library)


def rows_seen(fitted: FittedForecaster, panel: Panel) -> Ints:
    """Count the rows of each series, (S,), that are not newer than what was fitted; 0 for a new series."""
    ends = dict(zip(fitted.tail.ids, fitted.ends, strict=True))
    counts = np.zeros(panel.num_series, dtype=np.int64)  # (S,)
    for s, name in enumerate(panel.ids):
        if name in ends:
            rows = panel.time[panel.offsets[s] : panel.offsets[s + 1]]
            counts[s] = np.searchsorted(rows, ends[name], side="right")
    return counts


def in_sample_with(fitted: FittedForecaster, panel: Panel) -> InSample | None:
    """Return what is kept of the rows seen so far and of those of a panel that follow them."""
    if fitted.in_sample is None:
        return None
    known, values = fitted.in_sample.of(fitted.place_of(panel)), panel.values[:, : len(panel.targets)]
    return known.continued(values, panel.offsets, rows_seen(fitted, panel), panel.season_length)


def background(fitted: FittedForecaster, panel: Panel, first: Ints) -> Background:
    """Return what the scores of a panel take from the fit, and say what they cannot take from there.

    Parameters
    ----------
    fitted : FittedForecaster
        What is scored.
    panel : Panel
        The rows that it keeps, and those that follow them.
    first : array of shape (S,)
        Row of the first origin of each series.
    """
    targets = panel.values[:, : len(panel.targets)]  # (N, D)
    place, seen = fitted.place_of(panel), rows_seen(fitted, panel)  # (S,) each
    scored = panel.lengths - first - 1 >= fitted.model.horizon  # (S,)
    notes = _notes(fitted, panel, first, place, scored)
    if fitted.in_sample is None:
        return Background(np.zeros_like(scored), notes=notes)
    kept = fitted.in_sample.of(place)
    before = kept.before(targets, panel.offsets, seen)
    return Background(place >= 0, kept.scale, kept.square_scale, before, notes)


def _notes(
    fitted: FittedForecaster, panel: Panel, first: Ints, place: Ints, scored: npt.NDArray[np.bool_]
) -> tuple[str, ...]:
    """Say of which rows scales and baselines are, where these are not those of the fit."""
    notes, rows = [], first + 1  # (S,) up to the first origin
    new, old = scored & (place < 0), scored & (place >= 0)  # (S,) each
    if fitted.in_sample is None and old.any():
        notes.append(
            "The model file keeps no scale of the fitted rows: MASE and RMSSE are scaled by the rows up to "
            "the first origin that were passed or kept, and drift and mean begin there "
            f"({_counted(panel, rows, old)}). Pass the whole history with the new rows."
        )
    if new.any():
        notes.append(
            "Series that were not fitted are scaled, in MASE and RMSSE, by their rows up to the first origin "
            f"({_counted(panel, rows, new)})."
        )
    clock = panel.season_clock
    reach = panel.season_length + (0 if clock is None else int(np.ptp(clock)))
    short = scored & (rows < reach)  # (S,)
    if short.any():
        notes.append(
            f"The seasonal naive forecast reaches {reach} rows back, and fewer are known before the first "
            f"origin ({_counted(panel, rows, short)}): the last value stands in, and skill is measured "
            "against that. Pass the history with the new rows."
        )
    return tuple(notes)


def _counted(panel: Panel, rows: Ints, which: npt.NDArray[np.bool_]) -> str:
    """Say how many rows the first of some series has, and how many series there are."""
    s = int(np.flatnonzero(which)[0])
    more = f", and {int(which.sum()) - 1} more series" if which.sum() > 1 else ""
    return f"{rows[s]} rows of {panel.ids[s]!r}{more}"


def refuse_unfit(fitted: FittedForecaster, panel: Panel) -> None:
    """Refuse rows that cannot be appended: nothing is there to follow, or they were seen before."""
    if not len(fitted.tail.values):
        raise DataError(
            "The model was saved without its last rows, so no rows can follow them. Pass the history and the "
            "new rows together: predict(df)."
        )
    seen = rows_seen(fitted, panel)
    if seen.any():
        s = int(np.flatnonzero(seen)[0])
        end = fitted.ends[fitted.tail.ids.index(panel.ids[s])]
        begin = _shown(panel, panel.time[panel.offsets[s]])
        raise DataError(
            f"Series {panel.ids[s]!r}: the new rows begin at {begin}, but the model has seen the rows up to "
            f"{_shown(panel, end)} ({int((seen > 0).sum())} series overlap). "
            "Pass only the rows that follow."
        )


def refuse_nothing_new(fitted: FittedForecaster, panel: Panel, seen: Ints) -> None:
    """Refuse to score a panel of which too little follows the rows that the model has seen, (S,)."""
    left = panel.lengths - seen  # (S,)
    if not seen.any() or (left >= fitted.model.horizon).any():
        return
    s = int(np.where(seen > 0, left, -1).argmax())
    end = _shown(panel, fitted.ends[fitted.tail.ids.index(panel.ids[s])])
    raise DataError(
        f"Series {panel.ids[s]!r} has {left[s]} rows after {end}, the last that the model has seen, and no "
        f"series has enough: scoring needs horizon = {fitted.model.horizon}. Pass rows that follow, or "
        "evaluate the model as it was before it was updated.",
        series=panel.ids[s],
        time=end,
    )


def _shown(panel: Panel, stamp: np.generic) -> object:
    """Write a stamp as the table does, in its time zone."""
    return plain(panel.written(np.array([stamp]))[0])
