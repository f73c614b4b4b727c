"""Pictures of forecasts and of backtests; the only file that needs matplotlib (extra ``plot``)."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from timeseries.backtesting import REFERENCE, Backtest
from timeseries.errors import DataError, MissingExtraError
from timeseries.panel import TableLayout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HISTORY, MODEL, QUIET = (
    "#30343f",
    "#c4432b",
    "#8d99ae",
)  # what was, what is forecast, what it is compared with
SHOWN_HORIZONS = 6  # of history before a forecast


def plot_forecast(
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    *,
    series: str | None = None,
    layout: TableLayout | None = None,
) -> "Figure":
    """Draw the end of a history and the forecast that follows it, with its quantiles as bands.

    Parameters
    ----------
    history : DataFrame
        The table that was fitted or predicted from.
    forecast : DataFrame
        What ``Forecaster.predict`` answered.
    series : str, optional
        Which series or target to draw; the first when absent.
    layout : TableLayout, optional
        Which column is what, where it is not the default.

    Returns
    -------
    Figure
        Save it with ``figure.savefig("forecast.png")`` or ``".svg"``.

    Examples
    --------
    >>> from timeseries import Forecaster, load_airpassengers
    >>> table = load_airpassengers()
    >>> answer = Forecaster("nlinear", horizon=12, context_length=24, max_steps=2).fit(table).predict()
    >>> plot_forecast(table, answer).axes[0].get_title()
    'y'
    """
    layout = layout or TableLayout()
    past, ahead = _lines(history, layout), _lines(forecast, layout)
    names = [name for name in ahead if name in past]
    series = names[0] if series is None and names else str(series)
    if series not in names:
        raise DataError(f"There is no series {series!r} to draw. There are: {', '.join(names[:20])}.")
    figure, axes = _axes(series)
    line, answer = past[series], ahead[series]
    recent = line.iloc[-SHOWN_HORIZONS * len(answer) :]
    axes.plot(recent.index, recent, color=HISTORY, label="history")
    joined = pd.concat([recent.iloc[-1:], answer])
    axes.plot(joined.index, joined, color=MODEL, label="forecast")
    levels = _levels(ahead, series)
    for low, high in zip(levels, reversed(levels), strict=True):
        if low < 0.5:
            band = [ahead[f"{series}_q{level:g}"] for level in (low, high)]
            label = f"quantiles {low:g} to {high:g}"
            alpha = min(0.12 + 2.0 * low, 0.6)  # the narrower, the darker
            axes.fill_between(answer.index, *band, color=MODEL, alpha=alpha, linewidth=0, label=label)
    axes.legend(frameon=False)
    return figure


def plot_backtest(result: Backtest, *, metric: str = "mae") -> "Figure":
    """Draw the error of every contender at each step of the horizon.

    Parameters
    ----------
    result : Backtest
        What ``Forecaster.backtest`` returned.
    metric : str
        "mae", "mse" or "rmse".

    Returns
    -------
    Figure
    """
    table = result.by_step(metric)
    figure, axes = _axes(f"{metric.upper()} by step")
    for name in table:
        color = MODEL if name == result.model else QUIET
        style = "-" if name in (result.model, REFERENCE) else ":"
        axes.plot(table.index, table[name], style, color=color, label=str(name).replace("_", " "))
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("error, in the units of the data" if metric != "mse" else "squared error")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def _axes(title: str) -> tuple["Figure", Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    return figure, axes


def _lines(table: pd.DataFrame, layout: TableLayout) -> dict[str, pd.Series]:
    """Return one line per series, target or quantile of a table, over its stamps."""
    if layout.time not in table.columns:
        named = layout.time in table.index.names
        table = table.reset_index() if named else table.reset_index(names=layout.time)
    if not pd.api.types.is_numeric_dtype(table[layout.time]):
        table = table.assign(**{layout.time: pd.to_datetime(table[layout.time])})
    table = table.set_index(layout.time).sort_index()
    if layout.id not in table.columns:
        return {str(name): line for name, line in table.items() if pd.api.types.is_numeric_dtype(line)}
    target = layout.named_targets[0] if layout.target else "y"
    lines = {}
    for series, rows in table.groupby(layout.id, sort=False):
        for column in rows.columns.drop(layout.id):
            lines[f"{series}{str(column).removeprefix(target)}"] = rows[column]
    return lines


def _levels(lines: dict[str, pd.Series], series: str) -> list[float]:
    """Return the quantile levels of which a series has a line."""
    prefix = f"{series}_q"
    return sorted(float(name.removeprefix(prefix)) for name in lines if name.startswith(prefix))
