"""What fitting an ensemble leaves behind: fitted members, and how their forecasts become one."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from timeseries.combination import combine, move_combined
from timeseries.fitted import Answers, FittedForecaster
from timeseries.intervals import MEDIAN, Calibration, restrict
from timeseries.panel import Panel, TableLayout
from timeseries.splits import Origins

Floats = npt.NDArray[np.float64]
NAME = "ensemble"  # in tables, beside the baselines


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedEnsemble:
    """Fitted members that answer as one.

    They were fitted to the same panel, forecast the same steps and have the same levels and bounds.
    """

    members: tuple[FittedForecaster, ...]  # K
    combine: str
    snapshots: int = 1  # of the members, so many in a row are networks of one training
    weights: Floats | None = None  # (K,) of a weighted combination
    calibration: Calibration | None = None  # of the combination, in widths of its widest interval

    @property
    def reference(self) -> FittedForecaster:
        """Return the member that keeps the most rows."""
        return max(self.members, key=lambda member: member.memory)

    @property
    def name(self) -> str:
        """Return its name in tables."""
        return NAME

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Return the quantile levels, None for a point forecast."""
        return self.members[0].levels

    @property
    def answers(self) -> Answers:
        """Return what is asked of every forecast."""
        return self.members[0].answers

    @property
    def layout(self) -> TableLayout:
        """Return the layout that further tables must have."""
        return self.reference.layout

    @property
    def tail(self) -> Panel:
        """Return the last rows of every series, as many as any member sees."""
        return self.reference.tail

    def member_forecasts(self, panel: Panel, origins: Origins) -> Floats:
        """Return what each member says from the given origins, (K, M, H, D, Q), not yet as whole numbers."""
        return np.stack([unrounded(member).forecast(panel, origins) for member in self.members])

    def member_points(self, panel: Panel, origins: Origins) -> Floats:
        """Return the point forecast of each member, (K, M, H, D)."""
        middle = 0 if self.levels is None else self.levels.index(MEDIAN)
        return self.member_forecasts(panel, origins)[..., middle]

    def forecast(self, panel: Panel, origins: Origins) -> Floats:
        """Forecast from the given origins of a panel, each from the rows up to it alone.

        Returns
        -------
        array of shape (M, H, D, Q)
            In the user's units; one number per level, in increasing order.
        """
        answer = combine(self.member_forecasts(panel, origins), self.combine, self.weights)  # (M, H, D, Q)
        if self.calibration is not None:
            answer = move_combined(answer, self.calibration)
        asked = self.answers
        return restrict(answer, self.levels, lower=asked.lower, upper=asked.upper, integer=asked.integer)


def unrounded(member: FittedForecaster) -> FittedForecaster:
    """Leave rounding to the combination: a mean of rounded numbers is rounded twice."""
    return replace(member, answers=replace(member.answers, integer=False))
