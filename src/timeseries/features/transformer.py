"""What all feature transformers share: their columns in, the names of their columns out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_array, validate_data

from timeseries.errors import DataError
from timeseries.normalization import UnfittedEstimatorError, as_data_error
from timeseries.settings import Settings, settings_class
from timeseries.tables.frames import as_source
from timeseries.tables.layout import TableLayout

Floats = NDArray[np.float64]


@settings_class
class FeatureTransformer(Settings, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the transformers that make columns of columns."""

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the columns, and what is kept of the rows.

        Parameters
        ----------
        X : frame or array of shape (N, C)
            The training rows.
        y : ignored
            Present so that the class fits into a pipeline.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            If a setting makes no sense; all problems at once.
        DataError
            If a column is not what the features are made of.
        """
        self.check_settings()
        self._learn(self._read(X, reset=True))
        return self

    def transform(self, X: Any) -> Floats:
        """Make the features of some rows.

        Parameters
        ----------
        X : frame or array of shape (N, C)
            With the columns of ``fit``.

        Returns
        -------
        ndarray of shape (N, number of features)
            Float64; a frame instead after ``set_output``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        DataError
            If the columns are not those of ``fit``, or hold something else.
        """
        self._require_fitted()
        return self._features(self._read(X, reset=False))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features: that of their column, and what was made of it.

        Parameters
        ----------
        input_features : sequence of str, optional
            Names of the columns of ``X``, where ``fit`` saw none.
        """
        self._require_fitted()
        columns = _check_feature_names_in(self, input_features)
        endings = self._endings()
        names = [f"{column}_{ending}" for column in self._sources(columns) for ending in endings]
        return np.array(names, dtype=object)

    @abstractmethod
    def _endings(self) -> list[str]:
        """Return what the names of the features of one column end in."""

    @abstractmethod
    def _read(self, X: Any, *, reset: bool) -> Any:
        """Read the columns of ``X``; with ``reset``, learn which they are."""

    @abstractmethod
    def _learn(self, rows: Any) -> None:
        """Keep what ``transform`` needs of the rows of ``fit``."""

    @abstractmethod
    def _features(self, rows: Any) -> Floats:
        """Return the features of what was read, column by column."""

    def _sources(self, columns: Any) -> list[Any]:
        """Return the columns that features are made of."""
        return list(columns)

    def _values_of(self, name: str) -> tuple[Any, ...]:
        """Return a setting that takes one value or several, as several."""
        value = getattr(self, name)
        return tuple(value) if isinstance(value, (tuple, list)) else (value,)

    def _require_fitted(self) -> None:
        if not hasattr(self, "n_features_in_"):
            name = type(self).__name__
            raise UnfittedEstimatorError(f"This {name} is not fitted yet. Call fit(training_rows) first.")

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Return ``X`` as a frame of pandas, whatever its cells hold."""
        if isinstance(X, (pd.DataFrame, Mapping)) or hasattr(X, "__dataframe__") or hasattr(X, "lazy"):
            frame = as_source(X, TableLayout()).frame
        else:
            with as_data_error():
                frame = pd.DataFrame(X if isinstance(X, pd.Series) else np.asarray(X))
        with as_data_error():
            validate_data(self, frame, reset=reset, skip_check_array=True)
        return frame

    def _numbers(self, X: Any, *, reset: bool) -> Floats:
        """Return ``X`` as finite numbers or NaN, (N, C)."""
        with as_data_error():
            rows = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite=False)
        return self._finite(rows)

    def _as_numbers(self, cells: pd.DataFrame) -> Floats:
        """Return columns of a frame as finite numbers or NaN, (N, C)."""
        with as_data_error():
            rows = check_array(cells, dtype=np.float64, ensure_all_finite=False)
        return self._finite(rows)

    def _finite(self, rows: Floats) -> Floats:
        """Return the numbers, or raise where they are infinite."""
        bad = np.argwhere(np.isinf(rows))
        if len(bad):
            row, column = bad[0].tolist()
            raise DataError(
                f"{type(self).__name__} needs finite values or NaN, but {len(bad)} value(s) are infinity; "
                f"the first is in row {row} of column {column} of the numbers. Replace them with NaN.",
                row=row,
            )
        return rows
