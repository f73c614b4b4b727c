"""What a person should know of numbers that are accepted as they are: constants, outliers, stamps to come."""

from collections.abc import Hashable, Sequence

import numpy as np

from timeseries.tables.alignment import Timeline
from timeseries.tables.layout import SHOWN, plain

DATES_OF_NUMBERS = "convert them to dates if they are (day 0 is 1899-12-30)"
_EXCEL = np.datetime64("1899-12-30")  # its day 0, for days from March 1900 on
_FIRST_DAY, _LAST_DAY = 20_000, 60_000  # 1954 to 2064
_FAR = 1000.0  # standard deviations of all other values of a series, from their mean, make an outlier
_ROUNDING = 16 * np.finfo(np.float64).eps  # a range of so little of the largest value is none


def remarks(timeline: Timeline, values: np.ndarray) -> list[str]:
    """Return a sentence on each kind of oddity, the values (N, C) in order of the timeline.

    Parameters
    ----------
    timeline
        The rows, by which series, row and time of an oddity are named.
    values
        Targets first; NaN where nothing was observed.

    Returns
    -------
    list of str
        Empty for ordinary numbers.
    """
    table = timeline.table
    found = _stamps_to_come(timeline) + _day_numbers(timeline)
    constant: list[Hashable] = []
    outliers: list[tuple[int, Hashable]] = []
    for number, column in enumerate(table.targets):
        cells = values[:, number]  # (N,)
        low, high = (_place(timeline, cells, sign) for sign in (-1.0, 1.0))  # (S,) each
        with np.errstate(over="ignore"):  # an infinite range is no small one
            flat = cells[high] - cells[low] <= _ROUNDING * np.abs(cells[[low, high]]).max(axis=0)  # (S,)
        constant += _names(timeline, column, np.flatnonzero(flat))
        far = _outliers(timeline, cells, low, high)
        outliers += [(int(position), column) for position in far]
    if constant:
        more = f", ... ({len(constant)} in all)" if len(constant) > SHOWN else ""
        shown = ", ".join(repr(plain(name)) for name in constant[:SHOWN])
        found.append(f"Constant, or constant up to rounding: {shown}{more}.")
    found += _told(timeline, outliers)
    return found


def day_numbers(time: np.ndarray) -> str | None:
    """Say that whole numbers look like the days of a spreadsheet; None if they do not.

    Parameters
    ----------
    time
        Stamps, shape (N,).

    Examples
    --------
    >>> day_numbers(np.array([45000, 45001]))
    "look like Excel's day numbers (45000 is 2023-03-15)"
    >>> day_numbers(np.array([0, 1, 2]))
    """
    if time.dtype.kind != "i" or time.min() < _FIRST_DAY or time.max() > _LAST_DAY:
        return None
    return f"look like Excel's day numbers ({time[0]} is {_EXCEL + time[0]})"


def _day_numbers(timeline: Timeline) -> list[str]:
    """Tell of stamps that look like days of a spreadsheet, whose seasons are not known as numbers."""
    looks = day_numbers(timeline.time)
    name = timeline.table.layout.time
    return [f"Numbers in column {name!r} {looks}: {DATES_OF_NUMBERS}."] if looks else []


def _names(timeline: Timeline, column: Hashable, series: np.ndarray) -> Sequence[Hashable]:
    """Name series by what their user knows them by: a wide table has a column for each."""
    return [column if timeline.table.shape == "wide" else timeline.ids[s] for s in series]


def _place(timeline: Timeline, cells: np.ndarray, sign: float) -> np.ndarray:
    """Find a largest (or with -1 smallest) observed value of every series, its first row if it has none."""
    signed = np.where(np.isnan(cells), -np.inf, sign * cells)  # (N,)
    peak = np.maximum.reduceat(signed, timeline.firsts)  # (S,)
    at_peak = signed == np.repeat(peak, np.diff(timeline.offsets))  # (N,)
    rows = np.where(at_peak, np.arange(len(cells)), len(cells))  # (N,)
    return np.asarray(np.minimum.reduceat(rows, timeline.firsts))


def _outliers(timeline: Timeline, cells: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Find the smallest and largest values, at (S,) each, that lie far from the rest of their series."""
    ends = np.unique(np.concatenate([low, high]))
    others = ~np.isnan(cells)  # (N,)
    others[ends] = False
    lengths = np.diff(timeline.offsets)
    count = np.maximum(np.add.reduceat(others, timeline.firsts, dtype=np.int64), 1)  # (S,)
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float: then nothing is told
        mean = np.add.reduceat(np.where(others, cells, 0.0), timeline.firsts) / count  # (S,)
        rest = np.where(others, cells - np.repeat(mean, lengths), 0.0)  # (N,)
        spread = np.sqrt(np.add.reduceat(rest**2, timeline.firsts) / count)  # (S,)
        series = np.searchsorted(timeline.offsets, ends, side="right") - 1
        far = np.abs(cells[ends] - mean[series]) > _FAR * spread[series]
    return np.asarray(ends[far & (spread[series] > 0)])


def _told(timeline: Timeline, outliers: Sequence[tuple[int, Hashable]]) -> list[str]:
    """Name the first outlier and count them."""
    if not outliers:
        return []
    position, column = outliers[0]
    row = timeline.row(position)
    value = plain(timeline.table.frame[column].iloc[row])
    more = f" ({len(outliers)} such values in all)" if len(outliers) > 1 else ""
    place = timeline.table.place(row, column)
    return [f"An outlier lies over {_FAR:g} standard deviations off: {place}: {value!r}{more}."]


def _stamps_to_come(timeline: Timeline) -> list[str]:
    """Tell of history that has not happened yet by this computer's clock, in UTC."""
    if timeline.time.dtype.kind != "M":
        return []
    tomorrow = np.datetime64("now") + np.timedelta64(1, "D")  # stamps without zone may be ahead of UTC
    ahead = np.flatnonzero(timeline.time > tomorrow)
    if not len(ahead):
        return []
    first = timeline.table.place(timeline.row(int(ahead[0])))
    return [f"{len(ahead)} rows lie in the future by this computer's clock, the first: {first}."]
