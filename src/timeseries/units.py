"""Between the user's units and those of a network, for one row of every series."""

from typing import Any

import numpy as np
import numpy.typing as npt

from timeseries.intervals import Calibration

Floats = npt.NDArray[np.float64]


class Units:
    """How S series are scaled, with C columns and D targets.

    Parameters
    ----------
    center, scale : arrays of shape (S, C)
        Of the columns.
    level, spread : arrays of shape (S, D)
        Of the targets.
    calibration : Calibration, optional
        Makes Q quantiles of the P numbers that a network gives per target; without it Q = P.
    """

    def __init__(
        self, center: Floats, scale: Floats, level: Floats, spread: Floats, calibration: Calibration | None
    ) -> None:
        self.center, self.scale, self.calibration = center, scale, calibration
        self.level, self.spread = level[:, None, :, None], spread[:, None, :, None]  # (S, 1, D, 1) each

    def scaled(self, observation: Floats) -> tuple[npt.NDArray[np.float32], bool]:
        """Return an observation (S, C) as the network sees it, and whether all of it is finite."""
        with np.errstate(over="ignore"):  # the caller refuses it
            scaled = ((observation - self.center) / self.scale).astype(np.float32)  # (S, C)
        return scaled, bool(np.isfinite(scaled).all())

    def answer(self, forecast: npt.NDArray[Any]) -> tuple[Floats, bool]:
        """Return a forecast (S, H, D, P) in the user's units (S, H, D, Q), and whether it is finite."""
        scaled = forecast.astype(np.float64)  # (S, H, D, P)
        if scaled.shape[-1] > 1:
            scaled.sort(axis=-1)
        if self.calibration is not None:
            scaled = self.calibration.apply(scaled)  # (S, H, D, Q)
        answer = scaled * self.spread  # (S, H, D, Q)
        answer += self.level
        return answer, bool(np.isfinite(answer).all())
