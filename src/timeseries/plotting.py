"""Pictures of forecasts, backtests and training; the only file that needs matplotlib (extra ``plot``)."""

from collections.abc import Sequence
from itertools import cycle
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries.backtesting import REFERENCE, Backtest, Floats
from timeseries.errors import DataError, MissingExtraError, SettingError, require_path, shown
from timeseries.panel import TableLayout
from timeseries.tables.frames import as_source
from timeseries.tables.layout import require_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from timeseries.deeplearning.history import EpochRecord
    from timeseries.tuning import TuningResult

# Okabe & Ito (2008): told apart with any kind of colour vision, and in print by their lightness.
OBSERVED, MODEL, BEST = "#2b2d33", "#0072B2", "#D55E00"
OTHERS = ("#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#7a7f87")
SHOWN_HORIZONS = 5  # of history before a forecast
SHOWN_SERIES = 4  # in one picture
SHOWN_ORIGINS = 8  # of a backtest
PICTURES = (".png", ".svg")
WIDE_ERRORS = 10  # times the smallest: then the axis is logarithmic
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
        When there is no such series in both tables, or a table is none.
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
    figure, panels = _panels(names, len(known))
    for name, axes in zip(names, panels, strict=True):
        answer = ahead[name]
        recent = past[name].iloc[-SHOWN_HORIZONS * len(answer) :]
        axes.plot(recent.index, recent, color=OBSERVED, linewidth=1.3, label="observed")
        if name in later:
            after = pd.concat([recent.iloc[-1:], later[name].reindex(answer.index)])
            axes.plot(after.index, after, color=OBSERVED, linewidth=1.3, linestyle=":", label="what happened")
        axes.axvline(recent.index[-1], color=OTHERS[-1], linewidth=0.8, linestyle="--")
        bands = {level: ahead[f"{name}_q{level:g}"] for level in _levels(ahead, name)}
        _draw_forecast(axes, recent.iloc[-1:], answer, bands)
        axes.set_xlabel(layout.time if axes is panels[-1] else "")
    _dates(panels[-1])
    _legend(panels[0])
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
    figure, panels = _panels(names, len(found))
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
    _dates(panels[-1])
    _legend(panels[0])
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
    figure, (axes,) = _panels(["error by step"], 1)
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
    _whole_numbers(axes)
    _legend(axes)
    return figure


def plot_losses(history: "Sequence[EpochRecord]") -> "Figure":
    """Draw training and validation loss by epoch, and mark the epoch that was chosen.

    Parameters
    ----------
    history : list of EpochRecord
        ``train_history`` of a forecaster or an estimator; losses in scaled units.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When no epoch was completed.

    Examples
    --------
    >>> record = {"epoch": 0, "steps": 10, "train_loss": 0.5, "val_loss": 0.6, "seconds": 1.0}
    >>> [line.get_label() for line in plot_losses([record]).axes[0].lines]
    ['training', 'validation', 'best: epoch 1, 0.6']
    """
    if not isinstance(history, Sequence) or not all(isinstance(record, dict) for record in history):
        raise DataError(f"plot_losses draws train_history, a list of records, got {shown(history)}.")
    if not history:
        raise DataError("There is no loss to draw: the history holds no epoch.")
    figure, (axes,) = _panels(["loss by epoch"], 1)
    epochs = [record["epoch"] + 1 for record in history]
    marker = "o" if len(epochs) <= 30 else ""
    training = [record["train_loss"] for record in history]
    axes.plot(epochs, training, color=OBSERVED, marker=marker, markersize=3.5, label="training")
    watched = {record["epoch"] + 1: loss for record in history if (loss := record["val_loss"]) is not None}
    if watched:
        losses = list(watched.values())
        axes.plot(list(watched), losses, color=MODEL, marker=marker, markersize=3.5, label="validation")
        best = min(watched, key=watched.__getitem__)
        label = f"best: epoch {best}, {watched[best]:.4g}"
        axes.plot([best], [watched[best]], "D", color=BEST, markersize=7, linestyle="", label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss, in scaled units")
    _whole_numbers(axes)
    _legend(axes)
    return figure


def plot_attention(weights: npt.ArrayLike) -> "Figure":
    """Draw how much each step of a window counts: bars for one row of weights, a map for several.

    Parameters
    ----------
    weights : array of shape (T,) or (n, T)
        What ``AttentionLSTMModel.attention`` returned, or rows of it; with ``patch_length`` its steps are
        patches.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When these are no weights.

    Examples
    --------
    >>> figure = plot_attention([[0.1, 0.2, 0.7], [0.0, 0.5, 0.5]])
    >>> figure.axes[0].get_xlabel()
    'steps before the row that is predicted'
    """
    rows = _attention_rows(weights)  # (n, T)
    back = np.arange(rows.shape[1] - 1, -1, -1)  # (T,) steps from each to the newest
    figure, (axes,) = _panels(["attention"], 1)
    if len(rows) == 1:
        axes.bar(back, rows[0], color=MODEL, width=0.8)
        axes.set_ylabel("weight")
    else:
        axes.grid(visible=False)
        edges = np.arange(rows.shape[1], -1, -1) - 0.5  # (T+1,)
        drawn = axes.pcolormesh(edges, np.arange(len(rows) + 1) - 0.5, rows, cmap="Blues", vmin=0)
        axes.set_ylabel("row")
        axes.invert_yaxis()
        figure.colorbar(drawn, ax=axes, label="weight")
    axes.invert_xaxis()  # time runs to the right
    axes.set_xlabel("steps before the row that is predicted")
    _whole_numbers(axes)
    return figure


def plot_tuning(result: "TuningResult") -> "Figure":
    """Draw the error of every trial with the best so far, and how much each setting matters.

    Parameters
    ----------
    result : TuningResult
        What ``tune`` returned.

    Returns
    -------
    Figure
        The second panel is left out where the importance is unknown.

    Raises
    ------
    DataError
        When the result is none of a search.
    """
    from timeseries.tuning import TuningResult  # which brings torch

    if not isinstance(result, TuningResult):
        raise DataError(f"plot_tuning draws the TuningResult that tune() returned, got {shown(result)}.")
    titles = ["error by trial", *(["importance"] if result.importance else [])]
    figure, panels = _panels(titles, len(titles), one_axis=False)
    _draw_trials(panels[0], result)
    if result.importance:
        names = list(result.importance)[::-1]  # the largest on top
        panels[1].barh(names, [result.importance[name] for name in names], color=MODEL)
        panels[1].set_xlabel("share, of 1")
    return figure


def _draw_trials(axes: "Axes", result: "TuningResult") -> None:
    """Draw complete trials by their error, the others at the foot."""
    errors = result.trials["error"]
    axes.plot(errors.index, errors.cummin(), color=BEST, linewidth=1.6, drawstyle="steps-post", label="best")
    axes.plot(errors.index, errors, "o", color=MODEL, markersize=4.5, label="trial")
    others = errors.index[errors.isna()]
    if len(others):
        foot = np.full(len(others), errors.min())  # (trials,)
        axes.plot(others, foot, "x", color=OTHERS[-1], markersize=5, label="pruned or failed")
    if errors.min() > 0 and errors.max() > WIDE_ERRORS * errors.min():
        axes.set_yscale("log")
    axes.set_xlabel("trial")
    axes.set_ylabel(", ".join(filter(None, [result.metric.upper(), UNITS.get(result.metric)])))
    _whole_numbers(axes)
    _legend(axes)


def check_picture(path: str | PathLike[str]) -> None:
    """Refuse a picture that could not be written: its suffix is no picture's, or matplotlib is absent."""
    require_path(path)
    if Path(path).suffix.lower() not in PICTURES:
        raise SettingError(f"A picture is written as .png or .svg, but {Path(path).name!r} ends otherwise.")
    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None


def save_picture(figure: "Figure", path: str | PathLike[str]) -> None:
    """Write a figure as PNG or SVG, by the suffix of the path; no display is needed."""
    check_picture(path)
    if not hasattr(figure, "savefig"):
        raise SettingError(
            f"save_picture writes the figure that a plot_ function returned, got {shown(figure)}."
        )
    figure.savefig(path, dpi=150)


def _panels(titles: Sequence[str], total: int, *, one_axis: bool = True) -> tuple["Figure", "list[Axes]"]:
    """Make a figure with one panel above the other for each title, out of ``total`` there could be."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None
    figure = Figure(figsize=(9, 4.5 if len(titles) == 1 else 2.4 * len(titles)), layout="constrained")
    panels: list[Axes] = list(
        figure.subplots(len(titles), squeeze=False, sharex=one_axis and len(titles) > 1)[:, 0]
    )
    for title, axes in zip(titles, panels, strict=True):
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.margins(x=0.01)
    if total > len(titles) > 1:
        figure.supxlabel(f"{len(titles)} of {total} series", fontsize=9)
    return figure, panels


def _whole_numbers(axes: "Axes") -> None:
    """Label the axis of steps or epochs with whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend(axes: "Axes") -> None:
    """Explain every look once, beside the panel so that it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    axes.legend(
        known.values(), known.keys(), frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )


def _dates(axes: "Axes") -> None:
    """Label stamps as briefly as their span allows: the year or day once, not at every mark."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, AutoDateLocator):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


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


def _attention_rows(weights: npt.ArrayLike) -> Floats:
    """Return weights as rows (n, T), or refuse what is none."""
    try:
        rows = np.atleast_2d(np.asarray(weights, dtype=np.float64))  # (n, T)
    except (TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or not rows.size or not (rows >= 0).all() or not np.isfinite(rows).all():
        raise DataError(
            "plot_attention draws what attention(X) returned, rows (n, T) of weights that are 0 or more, got "
            f"{shown(weights)}."
        )
    return rows


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


def _levels(lines: dict[str, pd.Series], series: str) -> list[float]:
    """Return the quantile levels of which a series has a line."""
    prefix = f"{series}_q"
    return sorted(float(name.removeprefix(prefix)) for name in lines if name.startswith(prefix))
