"""X and y as people hold them: rows in the order of time, or many sequences of equal or different length.

Letters: S sequences (rows are one), N rows of all sequences together, F features, D targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from timeseries.deeplearning.engine import fit_scaling
from timeseries.deeplearning.gather import Affine, SeriesTable
from timeseries.errors import DataError
from timeseries.normalization import as_data_error
from timeseries.windows import Ints, WindowIndex, index_windows

Floats = npt.NDArray[np.float64]
NUMBERS = {"dtype": np.float64, "ensure_all_finite": False}  # what is not finite is refused with its place


@dataclass(frozen=True, eq=False)
class Rows:
    """X as one buffer.

    Parameters
    ----------
    values : array of shape (N, F)
        All sequences, one after another.
    offsets : array of shape (S + 1,)
        Sequence s owns the rows offsets[s] to offsets[s + 1].
    form : {"rows", "stacked", "listed"}
        How X came: (n, F), (S, T, F), or a list of (T_i, F).
    names : sequence
        What to call the columns: their names, or their positions.
    """

    values: Floats
    offsets: Ints
    form: Literal["rows", "stacked", "listed"]
    names: Sequence[Any]

    @property
    def lengths(self) -> Ints:
        """Steps of every sequence, (S,)."""
        return np.diff(self.offsets)

    def shaped(self, answer: Floats) -> Any:
        """Bring an answer for every row, (N, ...), into the shape of X."""
        if self.form == "rows":
            return answer
        parts = np.split(answer, self.offsets[1:-1])
        return np.stack(parts) if self.form == "stacked" else parts

    def place(self, row: int) -> tuple[str, dict[str, Any]]:
        """Say where a row of the buffer stands, in words and as the fields of a `DataError`."""
        if self.form == "rows":
            return f"row {row}", {"row": row}
        sequence = int(np.searchsorted(self.offsets, row, side="right")) - 1
        step = row - int(self.offsets[sequence])
        return f"sequence {sequence}, row {step}", {"series": sequence, "row": step}


class Targets(NamedTuple):
    """y as one buffer."""

    values: Floats  # (N, D), or (S, D) where there is one per sequence
    one_per_sequence: bool
    one_target: bool
    """Whether y came without an axis for its targets."""


def read_rows(estimator: BaseEstimator, X: Any, *, reset: bool) -> Rows:
    """Read X, of any allowed shape.

    Parameters
    ----------
    estimator : estimator
        Remembers the columns (``reset``), or compares them with those of its fit.
    X : array of shape (n, F) or (S, T, F), frame, or list of arrays or frames of shape (T_i, F)
        The rows.
    reset : bool
        Whether this is the X of a fit.

    Raises
    ------
    DataError
        If X has another shape, or holds what is no finite number; it names sequence, row and column.
    """
    with as_data_error():
        if getattr(X, "ndim", None) == 3:
            rows = _stacked(estimator, X, reset)
        elif _is_list_of_sequences(X):
            rows = _listed(estimator, list(X), reset)
        else:
            _refuse_no_numbers("X", X)
            values = validate_data(estimator, X, reset=reset, **NUMBERS)  # (n, F)
            rows = Rows(values, np.array([0, len(values)]), "rows", _names(estimator, values))
    _refuse_not_finite("X", rows.values, rows, rows.names)
    return rows


def _names(estimator: BaseEstimator, values: Floats) -> Sequence[Any]:
    return list(getattr(estimator, "feature_names_in_", range(values.shape[1])))


def _is_list_of_sequences(X: Any) -> bool:
    holds_objects = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object
    return (holds_objects or isinstance(X, (list, tuple))) and len(X) > 0 and np.ndim(X[0]) == 2


def _stacked(estimator: BaseEstimator, X: Any, reset: bool) -> Rows:
    array = np.asarray(X)  # (S, T, F)
    _refuse_no_numbers("X", array)
    sequences, steps, features = array.shape
    values = validate_data(estimator, array.reshape(sequences * steps, features), reset=reset, **NUMBERS)
    return Rows(values, np.arange(sequences + 1) * steps, "stacked", _names(estimator, values))


def _listed(estimator: BaseEstimator, X: list[Any], reset: bool) -> Rows:
    _refuse_no_numbers("X", X[0])
    validate_data(estimator, X[0], reset=reset, skip_check_array=True)  # names and number of columns
    parts = [np.asarray(part) for part in X]
    for number, (part, array) in enumerate(zip(X, parts, strict=True)):
        _refuse_no_numbers(f"sequence {number} of X", part)
        if array.ndim != 2 or not len(array) or array.shape[1] != parts[0].shape[1]:
            raise DataError(
                f"Sequence {number} of X has shape {array.shape}, but each should be (steps, features) with "
                f"at least one step and {parts[0].shape[1]} features, as the first.",
                series=number,
            )
        if list(getattr(part, "columns", ())) != list(getattr(X[0], "columns", ())):
            raise DataError(f"Sequence {number} of X has other columns than the first.", series=number)
    values = check_array(np.concatenate(parts), input_name="X", **NUMBERS)  # (N, F)
    offsets = np.cumsum([0, *map(len, parts)])  # (S+1,)
    return Rows(values, offsets, "listed", _names(estimator, values))


def read_targets(y: Any, rows: Rows, output_size: int | None = None) -> Targets:
    """Read the y that goes with some rows.

    For rows it is (n,) or (n, D). For sequences it holds one target each, (S,) or (S, D), or one per step:
    (S, T), (S, T, D) or a list of (T_i,) or (T_i, D). What could be read either way is one per step, unless
    ``output_size`` says that it is D targets.

    Raises
    ------
    DataError
        If y has another shape, or holds what is no finite number; it names sequence, row and column.
    """
    if y is None:
        raise DataError(
            "fit requires y to be passed, but the target y is None: give one target per row of X."
        )
    with as_data_error():
        targets = _row_targets(y, rows) if rows.form == "rows" else _sequence_targets(y, rows, output_size)
    numbers = list(range(targets.values.shape[1]))
    if targets.one_per_sequence:
        rows = Rows(targets.values, np.array([0, len(targets.values)]), "rows", numbers)
    _refuse_not_finite("y", targets.values, rows, numbers)
    return targets


def read_weights(window_weight: Any, rows: Rows, targets: Targets) -> Floats:
    """Read how much windows count, in the shape of the y of one target, and make them 1 on average.

    Returns
    -------
    array of shape (N,)
        By the row at which a window ends.

    Raises
    ------
    DataError
        If there are not as many as windows, or one is negative or no number, or all are 0.
    """
    try:
        weights = read_targets(window_weight, rows).values  # (N, 1), or (S, 1)
    except DataError as error:
        raise DataError(f"window_weight, read as a y of one target: {error}", row=error.row) from error
    expected = len(rows.lengths) if targets.one_per_sequence else len(rows.values)
    if weights.shape != (expected, 1):
        raise DataError(
            f"window_weight should hold one number for each of the {expected} windows of X, got "
            f"{' x '.join(map(str, weights.shape))}."
        )
    if weights.min() < 0 or not weights.any():
        at = int(weights.argmin())
        raise DataError(
            f"window_weight must be 0 or more, and not 0 everywhere, but number {at} is {weights[at, 0]:g}."
        )
    weights = weights[:, 0] / weights.mean()
    return np.repeat(weights, rows.lengths) if targets.one_per_sequence else weights


def _row_targets(y: Any, rows: Rows) -> Targets:
    _refuse_no_numbers("y", y)
    array = check_array(y, ensure_2d=False, input_name="y", **NUMBERS)  # (n,) or (n, D)
    if len(array) != len(rows.values):
        raise DataError(
            f"X has {len(rows.values)} rows, but y {len(array)}: inconsistent numbers of samples. Row i of X "
            "belongs to y[i]."
        )
    return Targets(array.reshape(len(array), -1), one_per_sequence=False, one_target=array.ndim == 1)


def _sequence_targets(y: Any, rows: Rows, output_size: int | None) -> Targets:
    parts = [np.asarray(part) for part in (y if isinstance(y, (list, tuple)) else np.asarray(y))]
    if len(parts) != len(rows.lengths):
        raise DataError(f"X holds {len(rows.lengths)} sequences, but y {len(parts)}: give as many to each.")
    axes = {part.ndim for part in parts}
    if axes == {0}:
        return Targets(_numbers(np.stack(parts))[:, None], one_per_sequence=True, one_target=True)
    shapes = {part.shape[1:] for part in parts}
    if axes not in ({1}, {2}) or len(shapes) > 1:
        raise DataError(
            "The parts of y differ in their number of axes or targets, or have too many: give one target per "
            "sequence, (S,) or (S, D), or one per step, (T_i,) or (T_i, D) for each sequence."
        )
    lengths = np.array([len(part) for part in parts])  # (S,)
    fits = lengths == rows.lengths  # (S,)
    alike = axes == {1} and len(set(lengths)) == 1
    if fits.all() and not (alike and isinstance(output_size, int) and output_size == lengths[0]):
        values = _numbers(np.concatenate(parts)).reshape(len(rows.values), -1)  # (N, D)
        return Targets(values, one_per_sequence=False, one_target=axes == {1})
    if alike:
        return Targets(_numbers(np.stack(parts)), one_per_sequence=True, one_target=False)  # (S, D)
    at = int(np.argmin(fits))
    raise DataError(
        f"y of sequence {at} has {lengths[at]} steps, but X of sequence {at} has {rows.lengths[at]}: give a "
        "target for every step of every sequence, or one for every sequence.",
        series=at,
    )


def _numbers(array: npt.NDArray[Any]) -> Floats:
    _refuse_no_numbers("y", array)
    return check_array(array, ensure_2d=False, input_name="y", **NUMBERS)  # type: ignore[no-any-return]


def series_table(rows: Rows, targets: Floats, weights: Floats | None = None) -> SeriesTable:
    """Put rows and their targets, (N, D) or (S, D), into the table that windows are cut from.

    A window ends at the row of its target. One target per sequence stands at all rows of it; windows end at
    the last one alone.
    """
    features, count = rows.values.shape[1], targets.shape[1]
    if len(targets) != len(rows.values):
        targets = np.repeat(targets, rows.lengths, axis=0)  # (N, D)
    return SeriesTable(
        names=("X",) if rows.form == "rows" else tuple(range(len(rows.lengths))),
        offsets=rows.offsets,
        values=np.concatenate([rows.values, targets], axis=1),  # (N, F+D)
        inputs=slice(0, features),
        targets=slice(features, features + count),
        lead=0,  # the window's last row belongs to the first target
        weights=weights,
    )


class Part(NamedTuple):
    """The rows of each sequence, from start to before stop, in which the targets of some windows lie."""

    start: Ints  # (S,)
    stop: Ints  # (S,)

    def windows(self, rows: Rows, horizon: int, step: int = 1) -> WindowIndex:
        """Return the windows whose targets lie in this part, ``step`` rows apart."""
        return index_windows(rows.offsets, self.start, self.stop, horizon=horizon, lead=0, step=step)


class Split(NamedTuple):
    """What is trained on, and what only watches: the last steps, or where each has one target sequences."""

    train: Part
    validation: Part


def held_out(rows: Rows, targets: Targets, share: float) -> Ints:
    """Return how many last steps of each sequence a share is, or how many sequences with one target each."""
    units = np.array([len(rows.lengths)]) if targets.one_per_sequence else rows.lengths  # (S,)
    return np.round(units * share).astype(np.int64)


def split(rows: Rows, targets: Targets, *, share: float, horizon: int) -> Split:
    """Hold the last ``share`` out: of the steps of each sequence, or of sequences with one target each.

    Raises
    ------
    DataError
        If a part is left without any window.
    """
    lengths, share_of_each = rows.lengths, held_out(rows, targets, share)  # (S,) each
    one_per_sequence = targets.one_per_sequence
    if one_per_sequence:
        held = np.arange(len(lengths)) >= len(lengths) - share_of_each  # (S,)
        last, none = lengths - 1, np.zeros_like(lengths)
        parts = Split(Part(last, np.where(held, none, lengths)), Part(last, np.where(held, lengths, none)))
    else:
        stop = lengths - share_of_each  # (S,)
        parts = Split(Part(np.zeros_like(lengths), stop), Part(stop, lengths))
    trained, watching = (int(np.maximum(part.stop - part.start, 0).sum()) for part in parts)
    for part, count in zip(parts, (trained, watching), strict=True):
        if not len(part.windows(rows, horizon)) and (count or part is parts.train):
            kind = "sequences" if one_per_sequence else "rows"
            each = f"{kind} of each sequence" if rows.form != "rows" and not one_per_sequence else kind
            raise DataError(
                f"{trained + watching} {kind} leave {trained} for training and {watching} for validation, "
                f"but each part needs at least horizon = {horizon} {each}."
            )
    return parts


def shared_scaling(table: SeriesTable, train: Part, *, one_per_sequence: bool) -> Affine:
    """Learn one scaling for all sequences, samples of one process, from the rows that are trained on."""
    lengths = np.diff(table.offsets)  # (S,)
    step = np.arange(len(table.values)) - np.repeat(table.offsets[:-1], lengths)  # (N,)
    values = table.values[step < np.repeat(train.stop, lengths)]
    if one_per_sequence:  # so that a target counts once, however long its sequence
        ends = np.cumsum(train.stop[train.stop > 0]) - 1
        inside = np.ones(len(values), dtype=bool)
        inside[ends] = False
        values[inside, table.targets] = np.nan
    pooled = replace(table, names=("X",), offsets=np.array([0, len(values)]), values=values)
    return fit_scaling(pooled, np.array([len(values)])).values  # (1, F+D)


def repeated(scaling: Affine, table: SeriesTable) -> Affine:
    """Give the one scaling (1, C) to every sequence of a table: (S, C)."""
    return Affine(*(np.repeat(part, len(table.names), axis=0) for part in scaling))


def _refuse_no_numbers(what: str, values: Any) -> None:
    """Refuse dates, durations and truth values, which numpy would turn into numbers without a word."""
    kinds = {"M": "dates", "m": "durations", "b": "true and false"}
    own: Any = values.dtypes if hasattr(values, "dtypes") else np.asarray(values).dtype
    dtypes = np.ravel(own)  # one per column of a frame
    for column, dtype in enumerate(dtypes):
        if hasattr(values, "columns") and getattr(dtype, "kind", "") == "O" and hasattr(values, "iloc"):
            _refuse_text(what, values.iloc[:, column])
        if getattr(dtype, "kind", "") in kinds:
            name = f"{what}, column {column}," if len(dtypes) > 1 else what
            raise DataError(
                f"{name} holds {kinds[dtype.kind]} ({dtype}); expected numbers. Convert them: durations and "
                "dates to the number of steps or to calendar features, true and false with .astype(float).",
                column=column if len(dtypes) > 1 else None,
            )


def _refuse_text(what: str, column: Any) -> None:
    """Refuse a column of a frame by its name, where it holds what is no number."""
    try:
        np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what}, column {column.name!r}, holds what is no number: {error}. Leave it out, or encode it, "
            "for example with scikit-learn's OrdinalEncoder.",
            column=column.name,
        ) from error


def _refuse_not_finite(what: str, values: Floats, rows: Rows, names: Sequence[Any]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        kind = "NaN" if np.isnan(values[row, column]) else "inf"
        words, fields = rows.place(row)
        raise DataError(
            f"{what} contains NaN or infinity: {len(bad)} values, the first is {kind} in {words}, "
            f"column {names[column]!r}. Fill or drop these rows first, in a pipeline "
            "with SimpleImputer().",
            column=names[column],
            value=float(values[row, column]),
            **fields,
        )
