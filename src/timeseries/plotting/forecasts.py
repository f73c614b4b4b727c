"""Pictures of forecasts and backtests."""

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from timeseries.backtesting import REFERENCE, Backtest, Floats
from timeseries.errors import DataError, shown
from timeseries.panel import TableLayout
from timeseries.plotting.figures import (
    MODEL,
    OBSERVED,
    OTHERS,
    legend,
    new_figure,
    short_dates,
    whole_numbers,
)
from timeseries.tables.frames import as_source
from timeseries.tables.layout import require_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_HORIZONS = 5  # of history before a forecast
SHOWN_SERIES = 4  # in one picture
SHOWN_ORIGINS = 8  # of a backtest
UNITS = {"mae": "in the units of the data", "rmse": "in the units of the data", "mse": "in their square"}


def plot_forecast(
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    *,
    truth: pd.DataFrame | None = None,
    series: str | None = None,
    layout: TableLayout | None = None,
) -> "Figure":
    """Draw the end of a history and the forecast that follows it, with its intervals as bands.

    Parameters
    ----------
    history : DataFrame
        The table that was fitted or predicted from.
    forecast : DataFrame
        What ``Forecaster.predict`` answered.
    truth : DataFrame, optional
        What happened later, in the layout of the history.
    series : str, optional
        Which series or target to draw; the first four when absent.
    layout : TableLayout, optional
        Which column is what, where it is not the default.

    Returns
    -------
    Figure
        ``save_picture(figure, "forecast.png")`` writes it, as does ``figure.savefig``.

    Raises
    ------
    DataError
        When there is no such series in both tables, a table is none, or the forecast begins no later than the
        history, as where the two are swapped.
    MissingExtraError
        When matplotlib is not installed.

    Examples
    --------
    >>> from timeseries import Forecaster, load_airpassengers
    >>> table = load_airpassengers()
    >>> answer = Forecaster("nlinear", horizon=12, context_length=24, max_steps=2).fit(table).predict()
    >>> plot_forecast(table, answer).axes[0].get_title("left")
    'y'
    """
    layout = TableLayout() if layout is None else layout
    require_layout(layout)
    past, ahead = _lines(history, layout), _lines(forecast, layout)
    later = {} if truth is None else _lines(truth, layout)
    _require_one_time({"history": past, "forecast": ahead, "truth": later})
    known = [name for name in ahead if name in past]
    names = _chosen(series, known)
    figure, panels = new_figure(names, len(known))
    for name, axes in zip(names, panels, strict=True):
        answer = ahead[name]
        _require_order(name, past[name], answer)
        recent = past[name].iloc[-SHOWN_HORIZONS * len(answer) :]
        axes.plot(recent.index, recent, color=OBSERVED, linewidth=1.3, label="observed")
        if name in later:
            after = pd.concat([recent.iloc[-1:], later[name].reindex(answer.index)])
            axes.plot(after.index, after, color=OBSERVED, linewidth=1.3, linestyle=":", label="what happened")
        axes.axvline(recent.index[-1], color=OTHERS[-1], linewidth=0.8, linestyle="--")
        bands = {level: ahead[f"{name}_q{level:g}"] for level in _levels(ahead, name)}
        _draw_forecast(axes, recent.iloc[-1:], answer, bands)
        axes.set_xlabel(layout.time if axes is panels[-1] else "")
    short_dates(panels[-1])
    legend(panels[0])
    return figure


def plot_backtest(result: Backtest, *, series: str | None = None) -> "Figure":
    """Draw the newest forecasts of a backtest, those that do not overlap, over what happened.

    At most eight of a series are drawn; the title says so where there are more.

    Parameters
    ----------
    result : Backtest
        What ``Forecaster.backtest`` or ``Forecaster.evaluate`` returned.
    series : str, optional
        Which series, or target of a joint model, to draw; the first four when absent.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When there is no such series, or the result is none of a backtest.
    """
    _require_backtest(result)
    found = _contenders(result)
    names = _chosen(series, list(found))
    figure, panels = new_figure(names, len(found))
    for name, axes in zip(names, panels, strict=True):
        pairs, target = found[name]
        newest = _apart(result.time, pairs)
        happened = pd.Series(
            result.truth[newest, :, target].ravel(), index=pd.Index(result.time[newest].ravel())
        ).sort_index()
        axes.plot(happened.index, happened, color=OBSERVED, linewidth=1.3, label="observed")
        for pair in newest:
            axes.axvline(result.cutoff[pair], color=OTHERS[-1], linewidth=0.8, linestyle="--")
            _draw_forecast(axes, None, *_answers(result, pair, target))
        axes.set_xlabel("dashed: where a forecast began" if axes is panels[-1] else "")
        title = [result.model] if axes is panels[0] else []
        if len(newest) < len(pairs):
            title.append(f"the newest {len(newest)} of {len(pairs)} windows")
        axes.set_title(", ".join(title), loc="right", fontsize=10)
    short_dates(panels[-1])
    legend(panels[0])
    return figure


def plot_error_by_step(result: Backtest, *, metric: str = "mae") -> "Figure":
    """Draw the error of the model and of every baseline at each step of the horizon.

    Parameters
    ----------
    result : Backtest
        What ``Forecaster.backtest`` or ``Forecaster.evaluate`` returned.
    metric : str
        A metric of ``Backtest.by_step``, such as "mae".

    Returns
    -------
    Figure
    """
    _require_backtest(result)
    table = result.by_step(metric)
    figure, (axes,) = new_figure(["error by step"], 1)
    marker = "o" if len(table) <= 30 else ""
    others = zip(cycle(OTHERS), cycle(("--", ":", "-.")), strict=False)
    for name in table:
        look: dict[str, Any] = {"color": MODEL, "linewidth": 2.2, "zorder": 3}
        if name != result.model:
            color, style = next(others)
            look = {"color": color, "linestyle": style, "linewidth": 2.0 if name == REFERENCE else 1.4}
        label = str(name).replace("_", " ")
        axes.plot(table.index, table[name], marker=marker, markersize=3.5, label=label, **look)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel(", ".join(filter(None, [metric.upper(), UNITS.get(metric)])))
    axes.set_ylim(bottom=min(0, float(np.nanmin(table.to_numpy()))))
    whole_numbers(axes)
    legend(axes)
    return figure


def _draw_forecast(
    axes: "Axes", last: "pd.Series[float] | None", answer: "pd.Series[float]", bands: dict[float, Any]
) -> None:
    """Draw one forecast with its quantiles, from the last observed value on where there is one."""
    start = [] if last is None else [last]
    line = pd.concat([*start, answer])
    axes.plot(line.index, line, color=MODEL, linewidth=1.8, label="forecast")
    levels = sorted(level for level in bands if level < 0.5)
    for rank, low in enumerate(levels):
        high = sorted(bands)[-1 - rank]
        central = abs(low + high - 1) < 1e-9
        label = f"{100 * (high - low):g} % interval" if central else f"quantiles {low:g} to {high:g}"
        edges = [pd.concat([*start, bands[level]]) for level in (low, high)]
        axes.fill_between(line.index, *edges, color=_tint(rank), linewidth=0, zorder=1, label=label)


def _tint(rank: int) -> tuple[float, ...]:
    """Return the colour of a band, darker the further inside: opaque, so that the legend shows the same."""
    from matplotlib.colors import to_rgb

    weight = min(0.2 + 0.2 * rank, 0.7)
    return tuple(1 - weight * (1 - part) for part in to_rgb(MODEL))


def _chosen(series: str | None, known: list[str]) -> list[str]:
    """Return the series to draw."""
    if known and series is None:
        return known[:SHOWN_SERIES]
    if not isinstance(series, str) or series not in known:
        raise DataError(f"There is no series {shown(series)} to draw. There are: {', '.join(known[:20])}.")
    return [str(series)]


def _require_backtest(result: object) -> None:
    """Refuse what is no result of a backtest or an evaluation."""
    if not isinstance(result, Backtest):
        raise DataError(
            f"What is drawn must be the Backtest that backtest() or evaluate() returned, got {shown(result)}."
        )


def _contenders(result: Backtest) -> dict[str, tuple[list[int], int]]:
    """Return the pairs and the target of every line that a backtest can draw, by its name."""
    pairs: dict[Any, list[int]] = {}
    for pair, name in enumerate(result.ids):
        pairs.setdefault(name, []).append(pair)
    if len(result.targets) == 1:
        return {str(name): (own, 0) for name, own in pairs.items()}
    return {
        f"{name}, {target}": (own, d)
        for name, own in pairs.items()
        for d, target in enumerate(result.targets)
    }


def _apart(time: Any, pairs: list[int]) -> list[int]:
    """Return the newest pairs whose forecasts do not overlap, oldest first."""
    taken: list[int] = []
    for pair in sorted(pairs, key=lambda pair: time[pair, 0], reverse=True):
        if len(taken) < SHOWN_ORIGINS and (not taken or time[pair, -1] < time[taken[-1], 0]):
            taken.append(pair)
    return taken[::-1]


def _answers(result: Backtest, pair: int, target: int) -> "tuple[pd.Series[float], dict[float, Any]]":
    """Return the point forecast of a pair, and its quantiles by level."""
    stamps = pd.Index(result.time[pair])
    numbers: Floats = result.forecast[pair, :, target]  # (H, P)
    levels = result.levels or ()
    bands = {level: pd.Series(numbers[:, i], index=stamps) for i, level in enumerate(levels)}
    return pd.Series(result.point[pair, :, target], index=stamps), bands


def _lines(table: pd.DataFrame, layout: TableLayout) -> dict[str, pd.Series]:
    """Return one line per series, target or quantile of a table, over its stamps."""
    table = as_source(table, layout, "table to draw").frame
    if not len(table):
        raise DataError("The table to draw has no rows. Give it at least one.")
    if layout.time not in table.columns:
        named = layout.time in table.index.names
        table = table.reset_index() if named else table.reset_index(names=layout.time)
    if not pd.api.types.is_numeric_dtype(table[layout.time]):
        table = table.assign(**{layout.time: _stamps(table[layout.time])})
    table = table.set_index(layout.time)
    if layout.id not in table.columns:
        table = table.sort_index()
        return {str(name): line for name, line in table.items() if pd.api.types.is_numeric_dtype(line)}
    target = layout.named_targets[0] if layout.target else "y"
    lines = {}
    for series, rows in table.groupby(layout.id, sort=False):
        for column in rows.columns.drop(layout.id):
            lines[f"{series}{str(column).removeprefix(target)}"] = rows[column].sort_index()
    return lines


def _stamps(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Read a column of stamps."""
    try:
        return pd.to_datetime(column)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"Column {column.name!r} of the table to draw holds no stamps: {error}.") from error


def _require_one_time(tables: dict[str, dict[str, pd.Series]]) -> None:
    """Refuse tables of which some have dates and others numbers as time."""
    kinds = {
        name: "dates" if isinstance(line.index, pd.DatetimeIndex) else "numbers"
        for name, lines in tables.items()
        for line in lines.values()
    }
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} has {kind}" for name, kind in kinds.items())
        raise DataError(f"One picture needs one kind of stamps, but these differ: {told}.")


def _require_order(series: str, history: "pd.Series[float]", forecast: "pd.Series[float]") -> None:
    """Refuse a forecast that begins no later than its history."""
    first, then = (
        line.index.tz_localize(None) if isinstance(line.index, pd.DatetimeIndex) else line.index
        for line in (forecast, history)
    )
    if first[0] <= then[0]:
        raise DataError(
            f"The forecast of {series!r} begins at {forecast.index[0]}, and its history no earlier, at "
            f"{history.index[0]}. Give the history first: plot_forecast(history, forecast)."
        )


def _levels(lines: dict[str, pd.Series], series: str) -> list[float]:
    """Return the quantile levels of which a series has a line."""
    prefix = f"{series}_q"
    return sorted(float(name.removeprefix(prefix)) for name in lines if name.startswith(prefix))
