"""Several forecasts of the same values made one: combined, weighted, and their disagreement.

Shapes: K members, M origins, H steps, D targets, Q numbers per target (1, or one per quantile level).
"""

import numpy as np
from numpy.typing import NDArray

from timeseries.errors import DataError, require_known
from timeseries.intervals import MEDIAN, Calibration, calibrate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
COMBINATIONS = ("mean", "median", "weighted")
SMALLEST_ERROR = 1e-12  # of the mean squared error of all members: below that, members weigh the same


def combine(forecasts: Floats, how: str, weights: Floats | None = None) -> Floats:
    """Return one forecast for those of several members.

    Quantiles are combined level by level (S. B. Vincent, "The functions of the vibrissae in the behavior of
    the white rat", 1912): they stay in order, and unlike a mixture of distributions they grow no wider where
    members disagree.

    Parameters
    ----------
    forecasts : array of shape (K, ...)
        What each member says.
    how : str
        ``mean``, ``median``, or ``weighted``: the mean with weights.
    weights : array of shape (K,), optional
        Positive, with the sum 1.

    Returns
    -------
    array of shape (...)

    Examples
    --------
    >>> said = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 8.0]])
    >>> combine(said, "mean").tolist(), combine(said, "median").tolist()
    ([3.0, 6.0], [2.0, 5.0])
    >>> combine(said, "weighted", np.array([0.5, 0.5, 0.0])).tolist()
    [1.5, 5.0]
    """
    require_known("combination", how, COMBINATIONS)
    if how == "median":
        middle: Floats = np.median(forecasts, axis=0)  # (...)
        return middle
    if weights is None or how == "mean":
        mean: Floats = forecasts.mean(axis=0)  # (...)
        return mean
    shares: Floats = np.stack([weight * part for weight, part in zip(weights, forecasts, strict=True)])
    total: Floats = shares.sum(axis=0)  # (...)
    return total


def inverse_error_weights(truth: Floats, points: Floats, series: Integers) -> Floats:
    """Weigh members by how well they forecast values that none of them learned from.

    Weights are inversely proportional to the mean squared error. So that large series do not decide alone,
    the errors of each series and target count relative to those of all members.

    Parameters
    ----------
    truth : array of shape (M, H, D)
        What happened, NaN where it was not observed.
    points : array of shape (K, M, H, D)
        What each member said.
    series : array of shape (M,)
        Which series each origin belongs to.

    Returns
    -------
    array of shape (K,)
        Positive, with the sum 1.

    Notes
    -----
    J. M. Bates, C. W. J. Granger, "The Combination of Forecasts", Operational Research Quarterly 20 (1969),
    with errors taken as uncorrelated: estimated correlations weigh worse on few rows.

    Raises
    ------
    DataError
        If nothing was observed.

    Examples
    --------
    >>> truth, points = np.zeros((1, 1, 1)), np.array([1.0, 2.0]).reshape(2, 1, 1, 1)
    >>> inverse_error_weights(truth, points, np.array([0])).tolist()
    [0.8, 0.2]
    """
    if not np.isfinite(truth).any():
        raise DataError(
            "Members are weighed by how well they forecast held-out rows, but no value was observed there. "
            "Hold out more rows (val_size), or fill the gaps."
        )
    error = np.nan_to_num(np.abs(points - truth))  # (K, M, H, D), 0 where unobserved
    _, group = np.unique(series, return_inverse=True)  # (M,) of G series
    largest = np.zeros((group.max() + 1, truth.shape[2]))  # (G, D)
    np.maximum.at(largest, group, error.max(axis=(0, 2)))
    relative = error / np.where(largest > 0, largest, 1.0)[group][:, None]  # (K, M, H, D), whose squares fit
    sums = np.zeros((len(largest), len(points), truth.shape[2]))  # (G, K, D)
    np.add.at(sums, group, (relative**2).sum(axis=2).swapaxes(0, 1))
    mean = sums.mean(axis=1, keepdims=True)  # (G, 1, D)
    shares = np.divide(sums, mean, out=np.ones_like(sums), where=mean > 0)  # (G, K, D)
    weights = 1 / np.maximum(shares.mean(axis=(0, 2)), SMALLEST_ERROR)  # (K,)
    normal: Floats = weights / weights.sum()
    return normal


def calibrate_combined(truth: Floats, combined: Floats, levels: tuple[float, ...]) -> Calibration:
    """Learn from held-out origins how far the quantiles of a combination must be moved to cover.

    Errors of members cancel in part, so that their combined intervals tend to be too wide, unless all err
    alike. The shifts are in widths of the widest combined interval at each origin.

    Parameters
    ----------
    truth : array of shape (M, H, D)
        What happened after origins that no member learned from, NaN where it was not observed.
    combined : array of shape (M, H, D, Q)
        What the combination said, in the same units.
    levels : tuple of Q floats
        The levels, rising, .5 among them.

    Returns
    -------
    Calibration
        For `move_combined`.

    Raises
    ------
    DataError
        If a target was never observed.
    """
    middle, unit, _ = _middle_and_unit(combined, levels)  # (M, H, D, 1), (M, 1, D, 1)
    return calibrate((truth - middle[..., 0]) / unit[..., 0], (combined - middle) / unit, levels, levels)


def move_combined(combined: Floats, calibration: Calibration) -> Floats:
    """Return the calibrated quantiles of a combination, (M, H, D, Q); its median stays.

    Examples
    --------
    >>> levels, truth = (0.25, 0.5, 0.75), np.array([-3.0, 0.0, 3.0]).reshape(3, 1, 1)
    >>> said = np.tile([-1.0, 0.0, 1.0], (3, 1, 1, 1))
    >>> move_combined(said, calibrate_combined(truth, said, levels))[0, 0, 0].tolist()
    [-3.0, 0.0, 3.0]
    """
    levels = tuple(calibration.levels.tolist())
    middle, unit, moves = _middle_and_unit(combined, levels)  # (M, H, D, 1), (M, 1, D, 1), (M, 1, D, 1)
    moved = calibration.apply((combined - middle) / unit) * unit + middle  # (M, H, D, Q)
    answer: Floats = np.where(moves, moved, combined)
    return answer


def _middle_and_unit(combined: Floats, levels: tuple[float, ...]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the medians, (M, H, D, 1), the mean width at each origin, (M, 1, D, 1), and where there is any.

    A series that never moved has no width; 1 stands in.
    """
    middle = combined[..., levels.index(MEDIAN)][..., None]  # (M, H, D, 1)
    width = (combined[..., -1:] - combined[..., :1]).mean(axis=1, keepdims=True)  # (M, 1, D, 1)
    return middle, np.where(width > 0, width, 1.0), width > 0
