"""Put every column on one scale, and bring forecasts back to the original units."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import check_array, validate_data

from timeseries.errors import DataError, NotFittedError, SettingError, shown, unknown_name
from timeseries.segments import Piece, pieces, whole_series
from timeseries.settings import Settings, setting, settings_class

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def segment_statistics(
    values: Floats, offsets: Integers, stops: Integers | None = None
) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of every column of every series.

    The deviation is the population one (divided by n). A column that is constant up to rounding gets scale 1,
    so that it maps to 0; one without any observed value gets center 0 and scale 1.

    Parameters
    ----------
    values : ndarray of shape (N, C)
        All series in one buffer; finite, or NaN where nothing was observed.
    offsets : ndarray of shape (S + 1,)
        The rows of series s are ``offsets[s]:offsets[s + 1]``; a series may be empty.
    stops : ndarray of shape (S,), optional
        How many leading rows of each series to use; all when absent.

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
    lengths = np.diff(offsets) if stops is None else np.minimum(stops, np.diff(offsets))  # (S,)
    center, scale, peak = (np.full((len(lengths), values.shape[1]), x) for x in (0.0, 1.0, 0.0))
    for piece in pieces(offsets[:-1], lengths):
        largest = piece.reduced(np.fmax, np.abs(values[piece.rows]))  # (P, C)
        peak[piece.series] = np.fmax(peak[piece.series], largest)
    _refuse_infinite_peak(peak)
    for piece in whole_series(offsets[:-1], lengths):
        moments = _moments(values[piece.rows], piece, peak[piece.series])
        center[piece.series], scale[piece.series] = moments  # (P, C) each
    return center, scale


def _moments(rows: Floats, piece: Piece, peak: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of each series of a piece, (n, C) to (P, C); ``peak`` (P, C) bounds it."""
    absent = np.isnan(rows)  # (n, C)
    count = piece.reduced(np.add, ~absent).astype(np.float64)  # (P, C)
    # A power of two is exact; with it neither sums nor squares can overflow or vanish.
    unit = np.ldexp(1.0, -np.clip(np.frexp(peak)[1], -1000, 1000))  # (P, C)
    divisor = np.maximum(count, 1.0)

    rest = np.where(absent, 0.0, rows)  # (n, C), from here on changed in place: a series may be long
    rest *= piece.spread(unit)
    mean = piece.reduced(np.add, rest) / divisor  # (P, C)
    rest -= piece.spread(mean)
    rest[absent] = 0.0
    drift = piece.reduced(np.add, rest) / divisor  # (P, C) by how much rounding has missed the mean
    np.square(rest, out=rest)
    variance = np.maximum(piece.reduced(np.add, rest) / divisor - drift * drift, 0.0)  # (P, C)

    deviation = np.sqrt(variance) / unit
    rounding = 10.0 * np.finfo(np.float64).eps * np.sqrt(count) * peak
    return (mean + drift) / unit, np.where(deviation > rounding, deviation, 1.0)


def _refuse_infinite_peak(peak: Floats) -> None:
    """Raise when the largest magnitude of a series and column, (S, C), is infinite."""
    bad = np.argwhere(np.isinf(peak))
    if len(bad):
        places = ", ".join(f"series {series} column {column}" for series, column in bad[:5].tolist())
        raise DataError(
            f"Statistics need finite values or NaN, but infinity stands in {len(bad)} column(s) "
            f"(positions: {places}). Replace infinite values with NaN."
        )


def _zscore(rows: Floats, span: tuple[float, float]) -> tuple[Floats, Floats]:
    """Mean and population standard deviation."""
    center, scale = segment_statistics(rows, np.array([0, len(rows)]))
    return center[0], scale[0]


def _minmax(rows: Floats, span: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return what maps the smallest value to the start of ``span`` and the largest to its end."""
    low, high = _observed(np.min, rows), _observed(np.max, rows)
    scale = _positive(high / 2 - low / 2, rows) * (
        2 / (span[1] - span[0])
    )  # halves: the difference may overflow
    return low - span[0] * scale, scale


def _robust(rows: Floats, span: tuple[float, float]) -> tuple[Floats, Floats]:
    """Median and interquartile range."""
    low, middle, high = _observed(lambda x: np.quantile(x, [0.25, 0.5, 0.75]), rows).reshape(-1, 3).T
    return middle, 2 * _positive(high / 2 - low / 2, rows)


def _maxabs(rows: Floats, span: tuple[float, float]) -> tuple[Floats, Floats]:
    """Nothing, and the largest magnitude."""
    largest = _observed(lambda x: np.abs(x).max(), rows)
    return np.zeros_like(largest), np.where(largest > 0, largest, 1.0)


def _nothing(rows: Floats, span: tuple[float, float]) -> tuple[Floats, Floats]:
    """Nothing and 1: the values stay as they are."""
    return np.zeros(rows.shape[1]), np.ones(rows.shape[1])


STRATEGIES: dict[str, Callable[[Floats, tuple[float, float]], tuple[Floats, Floats]]] = {
    "zscore": _zscore,
    "minmax": _minmax,
    "robust": _robust,
    "maxabs": _maxabs,
    "log1p": _nothing,  # after the logarithm there is nothing left to shift or scale
    "none": _nothing,
}
"""Name of a strategy -> function from rows (N, F) and the range of minmax to center and scale, (F,) each."""


def _rises(span: Sequence[Any]) -> bool:
    """Tell whether something is two finite numbers, the smaller first."""
    numbers = len(span) == 2 and all(isinstance(end, Real) for end in span)
    return numbers and bool(-np.inf < span[0] < span[1] < np.inf)


def _observed(statistic: Callable[[Floats], Any], rows: Floats) -> Floats:
    """Apply a statistic to the observed values of each column, (F,); 0 where there is none."""
    columns = [column[~np.isnan(column)] for column in rows.T]
    return np.array([statistic(column if len(column) else np.zeros(1)) for column in columns])


def _positive(half: Floats, rows: Floats) -> Floats:
    """Return half a spread, or a half where the column is constant up to rounding."""
    rounding = 10.0 * np.finfo(np.float64).eps * _observed(lambda x: np.abs(x).max(), rows)
    return np.where(half > rounding, half, 0.5)


class UnfittedEstimatorError(NotFittedError, SklearnNotFittedError):  # type: ignore[misc]
    """What both this library and scikit-learn promise to raise before fit()."""


class _NoNumbersError(DataError, TypeError):
    """What both this library and scikit-learn promise to raise for cells that are no numbers."""


@contextmanager
def as_data_error() -> Iterator[None]:
    """Raise what scikit-learn and numpy say of an array as an error of ours, in their words."""
    try:
        yield
    except TypeError as error:
        raise _NoNumbersError(str(error)) from error
    except (ValueError, OverflowError, RecursionError) as error:
        whole_array = re.compile(r":\s*array=.*\]\.", re.DOTALL)  # which scikit-learn writes out
        raise DataError(whole_array.sub(".", str(error))) from error


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
    strategy : {"zscore", "minmax", "robust", "maxabs", "log1p", "none"}, default "zscore"
        "zscore" subtracts the mean and divides by the population standard deviation; "minmax" maps smallest
        and largest value to ``range``; "robust" subtracts the median and divides by the interquartile
        range; "maxabs" divides by the largest magnitude; "log1p" takes log(1 + x), for values above -1;
        "none" changes nothing. A constant column is divided by 1.
    range : pair of float, default (0, 1)
        Where "minmax" puts the training values; later ones may fall outside.

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
    range: tuple[float, float] = setting((0.0, 1.0), "Where minmax puts the training values.", tuple)

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense."""
        found = list(super().problems())
        yield from found
        if not found and not _rises(self.range):
            yield f"range must be two numbers, the smaller first, got {shown(self.range)}"

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
        rows = self._forward(self._table(X, reset=True))
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            center, scale = STRATEGIES[self.strategy](rows, self.range)  # (F,) each
            first, last = ((_observed(end, rows) - center) / scale for end in (np.min, np.max))  # (F,) each
        beyond = np.flatnonzero(~np.isfinite(first) | ~np.isfinite(last))
        if len(beyond):
            raise DataError(
                f"Column {self._name(int(beyond[0]))!r} spans more than float64 can hold in one difference "
                f"({len(beyond)} such columns). Divide it by ten, or use strategy='zscore'."
            )
        self.center_, self.scale_ = center, scale
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
        rows = self._forward(self._table(X, reset=False))
        scaled: Floats = (rows - self.center_) / self.scale_
        return scaled

    def inverse_transform(self, X: ArrayLike, columns: Sequence[int | str] | None = None) -> Floats:
        """Bring scaled values back to the original units.

        Parameters
        ----------
        X : array-like of shape (..., F)
            Scaled values, for example forecasts of shape (M, H, F); NaN stays NaN.
        columns : sequence of int or str, optional
            Which columns of ``fit`` these are, by position or by name, when they are not all: then F counts
            them.

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
        chosen = np.arange(self.n_features_in_) if columns is None else self._positions(columns)
        if columns is None and hasattr(X, "columns"):
            scaled = self._table(X, reset=False)
        else:
            scaled = self._array(X, len(chosen))
        values: Floats = scaled * self.scale_[chosen] + self.center_[chosen]
        return np.expm1(values) if self.strategy == "log1p" else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _require_fitted(self) -> None:
        """Raise unless ``fit`` has been called."""
        if not hasattr(self, "scale_"):
            raise UnfittedEstimatorError(
                "This DataNormalizer is not fitted yet. Call fit(training_rows) first."
            )

    def _table(self, X: Any, *, reset: bool) -> Floats:
        """Return X as (N, F), after scikit-learn has learned its columns (``reset``) or compared them."""
        with as_data_error():
            rows = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite=False)
        return self._finite(rows)

    def _forward(self, rows: Floats) -> Floats:
        """Take the logarithm where the strategy wants it."""
        if self.strategy != "log1p":
            return rows
        bad = np.argwhere(rows <= -1)
        if len(bad):
            places = [f"row {row} column {self._name(at)!r}: {rows[row, at]}" for row, at in bad[:5].tolist()]
            raise DataError(
                f"log1p needs values above -1, but {len(bad)} value(s) are not ({'; '.join(places)}). "
                "Use another strategy, or add a constant first."
            )
        return np.log1p(rows)

    def _name(self, column: int) -> object:
        """Return the name of a column, or its position where ``fit`` saw no names."""
        return getattr(self, "feature_names_in_", range(self.n_features_in_))[column]

    def _positions(self, columns: Sequence[int | str]) -> Integers:
        """Return the positions of some columns of ``fit``."""
        names = list(getattr(self, "feature_names_in_", []))
        known = {name: at for at, name in enumerate(names)} | {at: at for at in range(self.n_features_in_)}
        several = isinstance(columns, (Sequence, np.ndarray)) and getattr(columns, "ndim", 1) == 1
        if isinstance(columns, str) or not several:
            raise SettingError(f"columns must be a list of names or positions, got {shown(columns)}.")
        for column in columns:
            if not isinstance(column, (str, Integral)) or column not in known:
                raise unknown_name("column", column, known=map(str, names or known))
        return np.array([known[column] for column in columns], dtype=np.int64)

    def _array(self, X: Any, width: int) -> Floats:
        """Return X as (..., ``width``)."""
        with as_data_error():
            array = check_array(
                X,
                dtype=np.float64,
                ensure_all_finite=False,
                ensure_2d=False,
                allow_nd=True,
                ensure_min_samples=0,
            )
        if array.ndim == 0 or array.shape[-1] != width:
            raise DataError(
                f"DataNormalizer was fitted on {self.n_features_in_} columns, so it expects shape "
                f"(..., {width}), but these values have shape {array.shape}. Pass the same columns as to "
                "fit(), or name those that you pass: columns=[...]."
            )
        return self._finite(array)

    def _finite(self, array: Floats) -> Floats:
        """Return the array, or raise where it is infinite."""
        bad = np.argwhere(np.isinf(array))
        if len(bad):
            places = [
                f"row {', '.join(map(str, row))} column {self._name(at)!r}" for *row, at in bad[:5].tolist()
            ]
            raise DataError(
                f"DataNormalizer needs finite values or NaN, but {len(bad)} value(s) are infinity "
                f"({'; '.join(places)}). Replace them with NaN, or leave those rows out."
            )
        return array
