"""Forecasts as a table, in the layout of the table that was asked about."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries.errors import SettingError
from timeseries.intervals import whole
from timeseries.panel import Panel

Floats = npt.NDArray[np.float64]


def refuse_taken_names(panel: Panel, levels: tuple[float, ...] | None) -> None:
    """Refuse a table with a column of the name that a quantile of the answer will have.

    Raises
    ------
    SettingError
        It names the column.
    """
    named = panel.ids if panel.shape == "wide" else panel.targets
    taken = {*named, panel.layout.time} | ({panel.layout.id} if panel.shape == "long" else set())
    twice = [name for each in named for level in levels or () if (name := f"{each}_q{level:g}") in taken]
    if twice:
        raise SettingError(f"The quantiles would overwrite the column {twice[0]!r}. Rename it in the table.")


def answer_frame(
    panel: Panel,
    forecast: Floats,
    levels: tuple[float, ...] | None,
    *,
    integer: bool = False,
    passed: int = 0,
) -> Any:
    """Write the forecasts that follow each series of a panel as a table.

    Parameters
    ----------
    panel : Panel
        The table that was asked about.
    forecast : array of shape (S, H, D, P)
        P is 1 for a point, else one per quantile level.
    levels : tuple of float or None
        The P quantile levels.
    integer : bool
        The forecasts are whole numbers, and so are the columns that hold them.
    passed : int
        Steps between the last row of the panel and the first that is forecast.

    Returns
    -------
    frame
        Long or wide as the question was, of the same library. A column of the target's name holds the point
        (the median of quantiles), columns such as ``y_q0.9`` the quantiles.
    """
    refuse_taken_names(panel, levels)  # a table to predict from may have other series than the fitted one
    columns, named = _places(panel, forecast.shape[1], passed), _by_name(panel, forecast)  # (rows, P) each
    middle = 0 if levels is None else levels.index(0.5)
    for name, numbers in named.items():
        columns[name] = whole(numbers[:, middle], integer=integer)
    for name, numbers in named.items():
        columns |= {
            f"{name}_q{level:g}": whole(numbers[:, i], integer=integer)
            for i, level in enumerate(levels or ())
        }
    return panel.as_read(pd.DataFrame(columns))


def spread_frame(panel: Panel, points: Floats) -> Any:
    """Write how far several forecasts of the same steps lie apart as a table.

    Parameters
    ----------
    panel : Panel
        The table that was asked about.
    points : array of shape (K, S, H, D)
        What each of K members says.

    Returns
    -------
    frame
        Long or wide as the question was; ``y_std``, ``y_min`` and ``y_max`` for a target y.

    Raises
    ------
    SettingError
        If such a name is taken by the table.
    """
    parts = {"std": points.std(axis=0), "min": points.min(axis=0), "max": points.max(axis=0)}  # (S, H, D)
    columns = _places(panel, points.shape[2])
    for name, numbers in _by_name(panel, np.stack(list(parts.values()), axis=-1)).items():  # (rows, 3)
        for i, part in enumerate(parts):
            column = f"{name}_{part}"
            if column in columns:
                raise SettingError(
                    f"The spread would overwrite the column {column!r}. Rename it in the table."
                )
            columns[column] = numbers[:, i]
    return panel.as_read(pd.DataFrame(columns))


def _places(panel: Panel, horizon: int, passed: int = 0) -> dict[Hashable, Any]:
    """Return the columns of series and stamps of the steps that follow each series, but for those passed."""
    times = panel.future_times(passed + horizon)[:, passed:]  # (S, H)
    columns: dict[Hashable, Any] = {}
    if panel.shape == "long":
        ids = [name for name in panel.ids for _ in range(horizon)]
        columns[panel.layout.id] = pd.array(ids, dtype=panel.id_kind)
    columns[panel.layout.time] = panel.written(times[0] if panel.shape == "wide" else times.ravel())
    return columns


def _by_name(panel: Panel, forecast: Floats) -> dict[Hashable, Floats]:
    """Return the numbers (rows, P) of each column that forecasts (S, H, D, P) fill."""
    if panel.shape == "wide":
        return {name: forecast[s, :, 0] for s, name in enumerate(panel.ids)}  # (H, P) each
    return {name: forecast[:, :, d].reshape(-1, forecast.shape[-1]) for d, name in enumerate(panel.targets)}
