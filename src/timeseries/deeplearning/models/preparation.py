"""X and y on their way to a training: read, checked against the settings, and divided."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from timeseries.deeplearning.checkpoint import fingerprint
from timeseries.deeplearning.gather import Affine, SeriesTable
from timeseries.deeplearning.models.misfits import misfits, warn_of_data
from timeseries.deeplearning.models.rows import (
    Floats,
    Targets,
    read_rows,
    read_targets,
    read_weights,
    series_table,
    shared_scaling,
    split,
)
from timeseries.errors import DataError
from timeseries.windows import WindowIndex


class Prepared(NamedTuple):
    """X and y, ready to be trained on."""

    targets: Targets
    table: SeriesTable
    scaling: Affine  # of every sequence, (1, F+D)
    train: WindowIndex
    validation: WindowIndex

    def fingerprint(self) -> dict[str, str]:
        """Return a checksum per part of the data."""
        values, weights = self.table.values, self.table.weights
        parts = {"X": values[:, self.table.inputs], "y": values[:, self.table.targets]}
        parts |= {} if weights is None else {"window_weight": weights}
        return fingerprint(**parts, sequences=self.table.offsets)


def prepare(
    model: Any,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    validation_split: float = 0.0,
    window_weight: npt.ArrayLike | None = None,
    *,
    verbose: bool = False,
) -> Prepared:
    """Check X, y and all settings of an estimator, which remembers its columns; find windows and scaling.

    Raises
    ------
    SettingError
        When settings make no sense, alone or for this data; all problems at once.
    DataError
        When X or y holds something a network cannot be trained on.
    """
    rows = read_rows(model, X, reset=True)
    targets = read_targets(y, rows, model.output_size)
    weights = None if window_weight is None else read_weights(window_weight, rows, targets)
    against = misfits(model, rows, targets, validation_split=validation_split, verbose=verbose)
    model.check_settings(*against)
    warn_of_data(model, rows, targets)
    kind = {"one_per_sequence": targets.one_per_sequence}
    parts = split(rows, targets, share=validation_split, horizon=model.horizon)
    train = parts.train.windows(rows, model.horizon, model.window_step)
    validation = parts.validation.windows(rows, model.horizon)
    if weights is not None:
        _refuse_weightless("training", train, weights)
        _refuse_weightless("validation", validation, weights)
    table = series_table(rows, targets.values, weights)
    return Prepared(
        targets,
        table,
        shared_scaling(table, parts.train, **kind),
        train,
        validation,
    )


def _refuse_weightless(part: str, windows: WindowIndex, weights: Floats) -> None:
    """Refuse a part all of whose windows weigh nothing, by the weights (N,) of the rows that they end at."""
    if len(windows) and not weights[windows.locate(np.arange(len(windows)))[1]].any():
        raise DataError(
            f"window_weight is 0 for every window of the {part} part, whose mean loss is then no number: "
            "give some of them weight, or divide X and y otherwise."
        )
