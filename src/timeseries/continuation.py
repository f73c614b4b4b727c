"""New rows that follow those that a forecaster was fitted to."""

from dataclasses import replace

import numpy as np
import pandas as pd

from timeseries.errors import DataError
from timeseries.fitted import FittedForecaster, check_same_columns
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


def _shown(panel: Panel, stamp: np.generic) -> object:
    """Write a stamp as the table does, in its time zone."""
    return plain(panel.written(np.array([stamp]))[0])
