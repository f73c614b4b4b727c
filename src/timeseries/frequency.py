"""The regular step between the stamps of a series: read it, infer it, continue it.

A step is written as a pandas alias (``"h"``, ``"15min"``, ``"MS"``) or, for integer time, as an integer.
Understood are ``us ms s min h D W-SUN B MS ME QS-JAN QE-DEC YS-JAN YE-DEC`` and the business variants
``BMS BME BQS BQE BYS BYE``, each with an optional whole multiple in front (``4h``, ``2W-MON``). Older
aliases (``H T S L U M Q Y A AS BM BQ BY BA BAS``, lower-case ``d`` and ``w``) are translated. One grid has
one name: ``60min`` is ``h``, ``24h`` is ``D`` and ``QS-OCT`` is ``QS-JAN``.

The season that goes with a step, counted in steps:

=======================  ===================  =========================================================
step                     one season is        examples
=======================  ===================  =========================================================
below a second           one second           100ms: 10
below a minute           one hour             s: 3600, 10s: 360
below a day              one day              min: 1440, 10min: 144, 15min: 96, h: 24, 4h: 6
days                     one week             D: 7
business days            one business week    B: 5
weeks                    one year             W: 52, 4W: 13
months, quarters, years  one year             MS: 12, 2MS: 6, QS: 4, YS: 1
integer time             unknown              1
=======================  ===================  =========================================================

Where a step does not divide its season (``5h`` and a day), the season is the smallest number of steps that
makes whole seasons (``5h``: 24 steps, five days).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timeseries.errors import DataError
from timeseries.steps import MONTHS, STAMP, WEEKDAYS, canonical, fixed_alias, rule, weekday


@dataclass(frozen=True)
class Frequency:
    """The regular step between the stamps of a series.

    Parameters
    ----------
    step
        A canonical alias such as ``"h"`` or ``"MS"``, or an integer for integer time. :meth:`parse` also
        takes older and longer spellings.

    Examples
    --------
    >>> monthly = Frequency.parse("MS")
    >>> monthly.season_length
    12
    >>> monthly.after(np.array(["2024-11-01"], dtype="datetime64[us]"), 2).astype("datetime64[D]").tolist()
    [[datetime.date(2024, 12, 1), datetime.date(2025, 1, 1)]]
    """

    step: str | int

    def __post_init__(self) -> None:
        rule(self.step)

    def __str__(self) -> str:
        return str(self.step)

    @classmethod
    def parse(cls, freq: str | int) -> "Frequency":
        """Read a frequency as a person writes it.

        Parameters
        ----------
        freq
            A pandas alias, new or old (``"15min"``, ``"15T"``, ``"M"``), or a positive integer.

        Returns
        -------
        Frequency
            With the canonical spelling as its ``step``.

        Raises
        ------
        SettingError
            If the text names no step this library knows.

        Examples
        --------
        >>> [Frequency.parse(alias).step for alias in ("H", "15T", "60min", "M", "W", 2)]
        ['h', '15min', 'h', 'ME', 'W-SUN', 2]
        """
        return cls(canonical(freq))

    @classmethod
    def infer(cls, time: np.ndarray) -> "Frequency | None":
        """Find the step of one series from its stamps, of which some may be absent.

        Stamps that keep to month starts, month ends or working days give a calendar step; otherwise the most
        common difference decides, if most differences are whole multiples of it.

        Parameters
        ----------
        time
            Sorted stamps without duplicates, shape (N,), dates or integers.

        Returns
        -------
        Frequency or None
            None for a single stamp, or where no step explains most of the differences.

        Examples
        --------
        >>> Frequency.infer(np.array(["2024-01-31", "2024-02-29", "2024-04-30"], dtype="datetime64[us]"))
        Frequency(step='ME')
        """
        if len(time) < 2:
            return None
        if time.dtype.kind != "M":
            step = _usual_step(np.diff(time.astype(np.int64)))
            return None if step is None else cls(int(step))
        time = time.astype(STAMP)
        alias = _infer_months(time) or _infer_business(time) or _infer_fixed(time)
        return None if alias is None else cls(alias)

    def after(self, time: np.ndarray, count: int) -> np.ndarray:
        """Continue each stamp by the next ``count`` stamps.

        Parameters
        ----------
        time
            The last stamp of each series, shape (S,).
        count
            How many stamps to make for each.

        Returns
        -------
        ndarray
            The stamps that follow, shape (S, count).

        Raises
        ------
        DataError
            If a stamp cannot belong to this frequency, e.g. a 15th to month starts.

        Examples
        --------
        >>> friday = np.array(["2024-03-01"], dtype="datetime64[us]")
        >>> Frequency.parse("B").after(friday, 2).astype("datetime64[D]").astype(str).tolist()
        [['2024-03-04', '2024-03-05']]
        """
        last = self._stamps(time)
        return self.shift(last[:, None], np.arange(1, count + 1))

    def grid(self, first: object, last: object) -> np.ndarray:
        """Make all stamps from ``first`` to ``last``, both inclusive.

        Parameters
        ----------
        first, last
            Stamps: numbers for an integer step, else anything NumPy reads as a date.

        Returns
        -------
        ndarray
            Shape (N,); empty if ``last`` comes before ``first``.

        Raises
        ------
        DataError
            If ``first`` cannot belong to this frequency.

        Examples
        --------
        >>> Frequency(5).grid(10, 22).tolist()
        [10, 15, 20]
        """
        start, end = self._stamps([first])[0], self._stamps([last], checked=False)[0]
        if end < start:
            return np.empty(0, dtype=start.dtype)
        stamps = self.shift(start, np.arange(int(rule(self.step).span(start, end)) + 2))
        return np.asarray(stamps[stamps <= end])

    def shift(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Move stamps that lie on the grid by whole numbers of steps, with NumPy's broadcasting."""
        return rule(self.step).shift(time, steps)

    def count(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Count the steps from each ``start`` to its ``end``; -1 where that is not a whole number."""
        steps = self.span(start, end)
        return np.where(self.shift(start, steps) == end, steps, -1)

    def span(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Count the steps from each ``start`` to its ``end``, rounded down unless the end is on the grid."""
        return rule(self.step).span(start, end)

    def fits(self, time: np.ndarray) -> np.ndarray:
        """Tell for each stamp whether it can lie on a grid of this frequency."""
        return rule(self.step).fits(time)

    @property
    def below_a_day(self) -> bool:
        """Whether a step of dates is shorter than a day, so that the hour of the day changes.

        >>> [Frequency.parse(alias).below_a_day for alias in ("15min", "h", "D", "MS", 1)]
        [True, True, False, False, False]
        """
        if not isinstance(self.step, str):
            return False
        midnight = np.array("1970-01-01", dtype=STAMP)
        return bool(self.shift(midnight, np.array(1)) - midnight < np.timedelta64(1, "D"))

    @property
    def season_length(self) -> int:
        """Steps in one season, by the table at the top of this file.

        >>> [Frequency.parse(alias).season_length for alias in ("15min", "h", "D", "W", "MS", "QS")]
        [96, 24, 7, 52, 12, 4]
        """
        return rule(self.step).season

    def _stamps(self, time: Any, *, checked: bool = True) -> np.ndarray:
        """Bring stamps to the type this frequency works on, and refuse those that are not its own."""
        stamps = np.asarray(time, dtype=np.int64 if isinstance(self.step, int) else STAMP)
        if checked and not self.fits(stamps).all():
            wrong = stamps[~self.fits(stamps)][0]
            raise DataError(f"The stamp {wrong} does not belong to the frequency {self.step!r}.")
        return stamps


def _usual_step(steps: np.ndarray) -> Any:
    """Return the most common step (the smallest of several), or None if it does not explain most steps."""
    sizes, counts = np.unique(steps, return_counts=True)
    usual = sizes[counts.argmax()]
    whole = steps // usual * usual == steps
    return usual if usual > usual - usual and whole.mean() > 0.5 else None


def _infer_fixed(time: np.ndarray) -> str | None:
    """Infer a step of constant duration, days and weeks included."""
    steps = np.diff(time)
    usual = _usual_step(steps)
    if usual is None:
        return None
    # Most months have 31 days, so that 31 days would explain any monthly data: such a step must always hold.
    if usual >= np.timedelta64(28, "D") and (steps // usual * usual != steps).any():
        return None
    weeks, rest = divmod(usual, np.timedelta64(7, "D"))
    if rest != np.timedelta64(0):
        return fixed_alias(usual)
    return str(canonical(f"{weeks}W-{WEEKDAYS[_most_common(weekday(time))]}"))


def _infer_months(time: np.ndarray) -> str | None:
    """Infer a step of whole months from stamps of which most are starts or ends of months."""
    if (np.diff(time) >= np.timedelta64(28, "D")).mean() <= 0.5:
        return None
    fitting = {name: rule(name).fits(time).mean() for name in ("MS", "ME", "BMS", "BME")}
    kind = max(fitting, key=fitting.__getitem__)
    month = time.astype("datetime64[M]").astype(np.int64)
    usual = _usual_step(np.diff(month))
    if fitting[kind] <= 0.5 or usual is None:
        return None
    letter, cycle = ("Y", 12) if usual % 12 == 0 else ("Q", 3) if usual % 3 == 0 else ("M", 1)
    anchor = f"-{MONTHS[_most_common(month % cycle)]}" if cycle > 1 else ""
    return str(canonical(f"{usual // cycle}{kind.replace('M', letter)}{anchor}"))


def _infer_business(time: np.ndarray) -> str | None:
    """Infer working days: no stamp on a weekend, though a weekend lies between some."""
    days = time.astype("datetime64[D]")
    clocks = time - days
    if len(time) < 3 or (clocks != clocks[0]).any() or not np.is_busday(days).all():
        return None
    steps = np.busday_count(days[:-1], days[1:])
    weekends = np.diff(days).astype(np.int64) > steps
    return "B" if weekends.any() and (steps == 1).mean() > 0.5 else None


def _most_common(numbers: np.ndarray) -> int:
    """Return the number that occurs most often."""
    values, counts = np.unique(numbers, return_counts=True)
    return int(values[counts.argmax()])
