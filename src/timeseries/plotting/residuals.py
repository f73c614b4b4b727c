"""Pictures of predictions beside what happened, and of what is left between the two."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from timeseries.errors import DataError, require_whole, shown
from timeseries.metrics import score
from timeseries.plotting.figures import (
    MODEL,
    OBSERVED,
    OTHERS,
    dress,
    empty_figure,
    short_dates,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
SHOWN_ROWS = 300  # as lines; more would be a solid block
SHOWN_LAGS = 48
SURE = 1.96  # deviations of a normal distribution within which 95 % of it lie
MANY = 500  # dots, from which on they are drawn small


def plot_predictions(
    y: npt.ArrayLike, predicted: npt.ArrayLike, baseline: npt.ArrayLike | None = None
) -> "Figure":
    """Draw predictions over what happened: the newest rows as lines, all of them against the truth.

    Parameters
    ----------
    y : array or Series of shape (n,)
        What happened, in the order of time; NaN where nothing was observed. Dates or numbers in the index of
        a Series are the time.
    predicted : array or Series of shape (n,)
        What was predicted for these rows, in the same units.
    baseline : array or Series of shape (n,), optional
        What a simple forecast says of them; a Series is called by its name.

    Returns
    -------
    Figure
        The legend tells RMSE and R2 over all observed rows. The lines show 300 rows at most.

    Raises
    ------
    DataError
        When these are not numbers of the same rows.

    Examples
    --------
    >>> figure = plot_predictions([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], baseline=[0.0, 1.0, 2.0])
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['observed', 'predicted: RMSE 0.5774, R2 0.7857', 'baseline: RMSE 1.414, R2 -0.2857']
    """
    given = {"y": y, "predicted": predicted} | ({} if baseline is None else {"baseline": baseline})
    time, columns = _same_rows(given)
    truth = columns.pop("y")  # (n,)
    figure = empty_figure(11, 4.6)
    lines, dots = figure.subplots(1, 2, width_ratios=(2, 1))
    dress(lines, "over time")
    dress(dots, "predicted against observed")
    newest = slice(-SHOWN_ROWS, None)
    lines.plot(time[newest], truth[newest], color=OBSERVED, linewidth=1.3, label="observed")
    size = 4 if len(truth) > MANY else 14
    called = {"predicted": "predicted", "baseline": str(getattr(baseline, "name", None) or "baseline")}
    looks = {"predicted": (MODEL, 1.5, 3), "baseline": (OTHERS[0], 1.0, 1)}  # colour, width, order
    for name, values in columns.items():
        color, width, order = looks[name]
        label = f"{called[name]}: {_scores(truth, values)}"
        lines.plot(time[newest], values[newest], color=color, linewidth=width, zorder=order, label=label)
        dots.scatter(truth, values, s=size, color=color, alpha=0.5, linewidth=0, zorder=order)
    if len(truth) > SHOWN_ROWS:
        lines.set_title(f"the newest {SHOWN_ROWS} of {len(truth)} rows", loc="right", fontsize=10)
    _diagonal(dots)
    short_dates(lines)
    figure.legend(*lines.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False)
    return figure


def plot_residuals(y: npt.ArrayLike, predicted: npt.ArrayLike, *, lags: int | None = None) -> "Figure":
    """Draw what predictions left over: over time, as a histogram, and how it resembles itself later.

    Residuals without a pattern leave about 95 of 100 autocorrelations within the band. One far outside says
    that something predictable is left, at lag 24 of hourly rows a rhythm of the day.

    Parameters
    ----------
    y : array or Series of shape (n,)
        What happened, in the order of time; NaN where nothing was observed. Dates or numbers in the index of
        a Series are the time.
    predicted : array or Series of shape (n,)
        What was predicted for these rows, in the same units.
    lags : int, optional
        How many autocorrelations; 48, or n / 4 if that is less, when absent.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        When these are not numbers of the same rows.
    SettingError
        When ``lags`` is no whole number.

    Examples
    --------
    >>> figure = plot_residuals([1.0, 2.0, 4.0, 3.0], [1.5, 2.0, 3.0, 3.5])
    >>> [axes.get_title("left") for axes in figure.axes]
    ['residuals: observed - predicted', 'how large', 'autocorrelation']
    """
    time, columns = _same_rows({"y": y, "predicted": predicted})
    residuals = columns["y"] - columns["predicted"]  # (n,)
    seen = residuals[~np.isnan(residuals)]  # (m,)
    lags = max(1, min(SHOWN_LAGS, len(seen) // 4)) if lags is None else lags
    correlations = autocorrelation(residuals, lags)  # (K,)
    figure = empty_figure(11, 6)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 2))
    over_time, sizes, later = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
    dress(over_time, "residuals: observed - predicted")
    over_time.set_title(f"mean {seen.mean():.4g}, deviation {seen.std():.4g}", loc="right", fontsize=10)
    over_time.plot(time, residuals, color=MODEL, linewidth=0.9)
    over_time.axhline(0, color=OBSERVED, linewidth=0.8)
    short_dates(over_time)
    dress(sizes, "how large")
    sizes.hist(seen, bins=int(np.ceil(2 * len(seen) ** (1 / 3))), color=MODEL)  # the rule of Rice
    sizes.axvline(0, color=OBSERVED, linewidth=0.8)
    sizes.set_xlabel("in the units of the data")
    sizes.set_ylabel("rows")
    _draw_autocorrelation(later, correlations, len(seen))
    return figure


def autocorrelation(values: npt.ArrayLike, lags: int) -> Floats:
    """Return how values resemble themselves 1, 2, ... rows later (Box & Jenkins 1976, section 2.1.5).

    With the mean m of all values, r_k is the sum over t of (v_t - m)(v_{t+k} - m), divided by that for k = 0;
    pairs of which one value is NaN are left out of the sum.

    Parameters
    ----------
    values : array of shape (n,)
        In the order of time, evenly spaced; NaN where nothing was observed.
    lags : int
        How many, at most n - 1.

    Returns
    -------
    ndarray of shape (K,)
        K is the smaller of lags and n - 1; between -1 and 1, NaN where the values are all the same.

    Raises
    ------
    DataError
        When these are not numbers.
    SettingError
        When ``lags`` is no whole number above 0.

    Examples
    --------
    >>> autocorrelation([1.0, 2.0, 3.0], lags=2).tolist()
    [0.0, -0.5]
    """
    require_whole(lags=(lags, 1))
    _, columns = _same_rows({"values": values})
    numbers = columns["values"]
    deviations = np.nan_to_num(numbers - np.nanmean(numbers))  # (n,)
    rows = len(deviations)
    sums = np.array(
        [deviations[k:] @ deviations[: rows - k] for k in range(min(lags, rows - 1) + 1)]
    )  # (K+1,)
    rough = np.finfo(float).eps * np.nanmax(np.abs(numbers))  # of equal values, whose mean is rounded
    return sums[1:] / (sums[0] if deviations.std() > rough else np.nan)  # (K,)


def _draw_autocorrelation(axes: "Axes", correlations: Floats, observed: int) -> None:
    """Draw a bar for each lag, and the band in which those of pure noise lie."""
    dress(axes, "autocorrelation")
    band = SURE / np.sqrt(observed)
    outside = int((np.abs(correlations) > band).sum())
    told = f"{outside} of {len(correlations)} outside the 95 % band of noise, ±{band:.2g}"
    axes.set_title(
        "none: all residuals are the same" if np.isnan(correlations).all() else told,
        loc="right",
        fontsize=10,
    )
    axes.bar(np.arange(1, len(correlations) + 1), correlations, color=MODEL, width=0.6)
    axes.axhspan(-band, band, color=OTHERS[0], alpha=0.25, linewidth=0, zorder=0)
    axes.axhline(0, color=OBSERVED, linewidth=0.8)
    axes.set_xlabel("rows later")
    whole_numbers(axes)


def _diagonal(axes: "Axes") -> None:
    """Draw where predictions equal the truth, on axes of the same units."""
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], color=OBSERVED, linewidth=0.8, zorder=4)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="observed", ylabel="predicted")


def _scores(truth: Floats, predicted: Floats) -> str:
    """Return RMSE and R2 as text, without what is undefined."""
    shape = (-1, 1, 1)  # one step ahead, one target
    values = {
        name.upper(): score(name, truth.reshape(shape), predicted.reshape(shape)).value
        for name in ("rmse", "r2")
    }
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items() if value is not None)


def _same_rows(given: dict[str, npt.ArrayLike]) -> tuple["pd.Index[Any]", dict[str, Floats]]:
    """Return the time of all rows, and every column as numbers, (n,) each; refuse what does not fit."""
    columns = {name: _column(name, values) for name, values in given.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"One picture needs the same rows of everything, but {told}.")
    times = {name: values.index for name, values in given.items() if isinstance(values, pd.Series)}
    first = next(iter(times.values()), pd.RangeIndex(max(lengths.values())))
    if not all(index.equals(first) for index in times.values()):
        raise DataError(
            f"{' and '.join(times)} are Series of different rows: their indexes differ. Align them first, or "
            "give arrays."
        )
    return _drawable(first), columns


def _drawable(index: "pd.Index[Any]") -> "pd.Index[Any]":
    """Return dates or numbers as they are, periods by their beginning, and else the numbers of the rows."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex) or pd.api.types.is_numeric_dtype(index):
        return index
    return pd.RangeIndex(len(index))


def _column(name: str, values: npt.ArrayLike) -> Floats:
    """Return numbers of shape (n,), or refuse what is none; the truth alone may have holes."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        numbers = numbers[:, 0]  # (n,)
    bad = ~np.isfinite(numbers) if name in ("predicted", "baseline") else np.isinf(numbers)
    if numbers.ndim != 1 or np.isnan(numbers).all() or bad.any():
        holes = "" if name in ("predicted", "baseline") else ", NaN where nothing was observed"
        raise DataError(
            f"{name} must be finite numbers of shape (n,), in the order of time{holes}, got {shown(values)}."
        )
    return numbers
