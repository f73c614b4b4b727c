"""Put every column on one scale, and bring forecasts back to the original units."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import check_array, validate_data

from timeseries.errors import DataError, NotFittedError
from timeseries.settings import Settings, setting, settings_class

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def segment_statistics(values: Floats, offsets: Integers) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of every column of every series.

    The deviation is the population one (divided by n). A column that is constant up to rounding gets scale 1,
    so that it maps to 0; one without any observed value gets center 0 and scale 1.

    Parameters
    ----------
    values : ndarray of shape (N, C)
        All series in one buffer; finite, or NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        The rows of series s are ``offsets[s]:offsets[s + 1]``; a series may be empty.

    Returns
    -------
    center, scale : ndarray of shape (S, C)
        Mean and standard deviation, in the units of ``values``; always finite, ``scale`` always positive.

    Raises
    ------
    DataError
        If a value is infinite.

    Notes
    -----
    Corrected two-pass algorithm: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample
    variance", The American Statistician 37 (1983), eq. 1.7: the sum of the deviations, which exact arithmetic
    would make zero, corrects the variance, so that it stays exact however far the values lie from 0.

    Examples
    --------
    >>> center, scale = segment_statistics(np.array([[1.0], [3.0], [7.0]]), np.array([0, 2, 3]))
    >>> center.tolist(), scale.tolist()
    ([[2.0], [7.0]], [[1.0], [1.0]])
    """
    lengths = np.diff(offsets)
    observed = ~np.isnan(values)
    count = _reduce(np.add, observed, offsets)  # (S, C)
    peak = _reduce(np.maximum, np.where(observed, np.abs(values), 0.0), offsets)  # (S, C)
    _refuse_infinite_peak(peak)

    # A power of two is exact; with it neither sums nor squares can overflow or vanish.
    unit = np.ldexp(1.0, -np.clip(np.frexp(peak)[1], -1000, 1000))  # (S, C)
    scaled = np.where(observed, values, 0.0) * np.repeat(unit, lengths, axis=0)
    divisor = np.maximum(count, 1.0)
    mean = _reduce(np.add, scaled, offsets) / divisor
    rest = np.where(observed, scaled - np.repeat(mean, lengths, axis=0), 0.0)
    drift = _reduce(np.add, rest, offsets) / divisor  # by how much rounding has missed the mean
    variance = np.maximum(_reduce(np.add, rest * rest, offsets) / divisor - drift * drift, 0.0)

    deviation = np.sqrt(variance) / unit
    rounding = 10.0 * np.finfo(np.float64).eps * np.sqrt(count) * peak
    return mean / unit, np.where(deviation > rounding, deviation, 1.0)


def _reduce(operation: np.ufunc, rows: NDArray[Any], offsets: Integers) -> Floats:
    """Reduce the rows of every series to one, (N, C) -> (S, C); an empty series gives 0.

    ``reduceat`` answers for an empty series with the first row of the next one, and fails when the last
    series is empty, so it is shown only the others.
    """
    filled = np.flatnonzero(np.diff(offsets))
    reduced = np.zeros((len(offsets) - 1, rows.shape[1]))
    if len(filled):
        reduced[filled] = operation.reduceat(rows, offsets[filled], axis=0)
    return reduced


def _refuse_infinite_peak(peak: Floats) -> None:
    """Raise when the largest magnitude of a series and column, (S, C), is infinite."""
    bad = np.argwhere(np.isinf(peak))
    if len(bad):
        places = ", ".join(f"series {series} column {column}" for series, column in bad[:5].tolist())
        raise DataError(
            f"Statistics need finite values or NaN, but infinity stands in {len(bad)} column(s) "
            f"(positions: {places}). Replace infinite values with NaN."
        )


STRATEGIES: dict[str, Callable[[Floats, Integers], tuple[Floats, Floats]]] = {
    "zscore": segment_statistics,
}
"""Name of a strategy -> function from (values, offsets) to (center, scale)."""


class _NotFittedError(NotFittedError, SklearnNotFittedError):  # type: ignore[misc]
    """What both this library and scikit-learn promise to raise before fit()."""


@settings_class
class DataNormalizer(Settings, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Shift and scale every column by statistics learned from the training rows.

    **Fit it on the training rows only.** Statistics taken from later rows tell the network about the future
    that it will be tested on: split first, ``fit`` on the first part, then ``transform`` both.

    Unobserved values (NaN) are left out of the statistics and stay NaN.

    Parameters
    ----------
    config : mapping, optional
        The settings below as one dict: ``DataNormalizer({"strategy": "zscore"})``.
    strategy : {"zscore"}, default "zscore"
        "zscore" subtracts the mean and divides by the population standard deviation. A constant column is
        divided by 1, so it becomes 0.

    Attributes
    ----------
    center_ : ndarray of shape (F,)
        What is subtracted, in the units of each column.
    scale_ : ndarray of shape (F,)
        What is divided by, in the units of each column.
    n_features_in_ : int
        Number of columns (F) seen by ``fit``.
    feature_names_in_ : ndarray of shape (F,)
        Their names, when ``fit`` saw a frame.

    Raises
    ------
    SettingError
        If a setting is unknown.

    Examples
    --------
    >>> rows = np.array([[0.0, 5.0], [2.0, 5.0]])
    >>> normalizer = DataNormalizer({"strategy": "zscore"}).fit(rows)
    >>> normalizer.transform(rows).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    >>> normalizer.inverse_transform([[-1.0, 0.0]]).tolist()
    [[0.0, 5.0]]
    """

    strategy: str = setting("zscore", "How a column is shifted and scaled.", str, choices=tuple(STRATEGIES))

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn one center and one scale per column.

        Parameters
        ----------
        X : array-like of shape (N, F)
            The training rows; NaN where nothing was observed.
        y : ignored
            Present so that the class fits into a pipeline.

        Returns
        -------
        DataNormalizer
            This object.

        Raises
        ------
        SettingError
            If the strategy is unknown.
        DataError
            If ``X`` is not a table of finite numbers or NaN.
        """
        self.check_settings()
        rows = self._table(X, reset=True)
        center, scale = STRATEGIES[self.strategy](rows, np.array([0, len(rows)]))
        self.center_, self.scale_ = center[0], scale[0]
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Scale rows with the statistics learned by ``fit``.

        Parameters
        ----------
        X : array-like of shape (N, F)
            Rows in the original units; NaN stays NaN.

        Returns
        -------
        ndarray of shape (N, F)
            The scaled rows, float64; a frame instead after ``set_output``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        DataError
            If the columns are not those of ``fit``, or a value is infinite.
        """
        self._require_fitted()
        scaled: Floats = (self._table(X, reset=False) - self.center_) / self.scale_
        return scaled

    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Bring scaled values back to the original units.

        Parameters
        ----------
        X : array-like of shape (..., F)
            Scaled values, for example forecasts of shape (M, H, F); NaN stays NaN.

        Returns
        -------
        ndarray of shape (..., F)
            The values in the original units, float64.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        DataError
            If the columns are not those of ``fit``, or a value is infinite.
        """
        self._require_fitted()
        scaled = self._table(X, reset=False) if hasattr(X, "columns") else self._array(X)
        values: Floats = scaled * self.scale_ + self.center_
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _require_fitted(self) -> None:
        """Raise unless ``fit`` has been called."""
        if not hasattr(self, "scale_"):
            raise _NotFittedError("This DataNormalizer is not fitted yet. Call fit(training_rows) first.")

    def _table(self, X: Any, *, reset: bool) -> Floats:
        """Return X as (N, F), after scikit-learn has learned its columns (``reset``) or compared them."""
        try:
            rows = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite=False)
        except ValueError as error:
            raise DataError(str(error)) from error
        return self._finite(rows)

    def _array(self, X: Any) -> Floats:
        """Return X as (..., F), where F is the number of columns seen by ``fit``."""
        try:
            array = check_array(
                X,
                dtype=np.float64,
                ensure_all_finite=False,
                ensure_2d=False,
                allow_nd=True,
                ensure_min_samples=0,
            )
        except ValueError as error:
            raise DataError(str(error)) from error
        if array.ndim == 0 or array.shape[-1] != self.n_features_in_:
            raise DataError(
                f"DataNormalizer was fitted on {self.n_features_in_} columns, so it expects shape "
                f"(..., {self.n_features_in_}), but these values have shape {array.shape}. "
                "Pass the same columns as to fit()."
            )
        return self._finite(array)

    def _finite(self, array: Floats) -> Floats:
        """Return the array, or raise where it is infinite."""
        bad = np.argwhere(np.isinf(array))
        if len(bad):
            names = getattr(self, "feature_names_in_", range(array.shape[-1]))
            places = [f"row {', '.join(map(str, row))} column {names[at]!r}" for *row, at in bad[:5].tolist()]
            raise DataError(
                f"DataNormalizer needs finite values or NaN, but {len(bad)} value(s) are infinity "
                f"({'; '.join(places)}). Replace them with NaN, or leave those rows out."
            )
        return array
