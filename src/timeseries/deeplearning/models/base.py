"""What all array estimators share: rows in, rows out, the scikit-learn way."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from timeseries.deeplearning import artifact
from timeseries.deeplearning.checkpoint import (
    CheckpointFile,
    Checkpoints,
    fingerprint,
    sole_writer,
    wanted_checkpoints,
)
from timeseries.deeplearning.engine import Floats, fit_network, fit_scaling, forecast, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.history import EpochRecord
from timeseries.deeplearning.inventory import check_inventory, check_numbers
from timeseries.deeplearning.loading import LoadEitherWay
from timeseries.deeplearning.losses import loss_name, loss_named
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.packing import pack_network, unpack_network
from timeseries.deeplearning.progress import progress_line
from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.deeplearning.window import Sizes
from timeseries.errors import (
    ArtifactError,
    DataError,
    SettingError,
    require_path,
    require_switch,
    require_whole,
    shown,
)
from timeseries.normalization import as_data_error
from timeseries.settings import settings_class
from timeseries.windows import Ints, index_windows


@settings_class
class WindowRegressor(TrainingSettings, RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Predict y[i] from the ``sequence_length`` rows of X that end at row i.

    Rows are in the order of time; X[i] holds what is known at i. The first windows are short: they are
    padded on the left and masked. Inputs and targets are scaled inside, on the training rows.
    Losses in ``train_history`` are in scaled units, all scores in the user's.
    """

    name: ClassVar[str]
    """The model's name in tables, files and on the command line."""

    load = LoadEitherWay()
    """``LSTMModel.load(path)`` makes a model from a file; ``model.load(path)`` turns ``model`` into it."""

    @abstractmethod
    def build_network(self, sizes: Sizes) -> ForecastNetwork:
        """Return this model's network with fresh weights."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @property
    def title(self) -> str:
        """The name that tables and pictures show."""
        return self.name

    @property
    def train_history(self) -> list[EpochRecord]:
        """One record per epoch: its number, steps, train_loss, val_loss and seconds."""
        check_is_fitted(self)
        return self.history_

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        validation_split: float = 0.0,
        checkpoint: Checkpoints | str | PathLike[str] | None = None,
        resume: str | PathLike[str] | None = None,
        verbose: bool = False,
    ) -> Self:
        """Fit the network to every window of X.

        Parameters
        ----------
        X : array of shape (n, F)
            Rows in the order of time.
        y : array of shape (n,) or (n, D)
            The targets of these rows.
        validation_split : float
            The share of the last rows that only watch: the weights of the epoch that does best on them stay.
        checkpoint : path or Checkpoints, optional
            A file that keeps the training while it lasts, every minute or as often as Checkpoints says.
        resume : path, optional
            The checkpoint to go on from: the weights become those of an uninterrupted fit, bit for bit (on
            the CPU, with the same versions and number of threads).
        verbose : bool
            Show on one line how far training is, if the standard error stream is a terminal.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            When settings make no sense; all problems at once.
        DataError
            When X or y holds something a network cannot be trained on.
        ArtifactError
            When the checkpoint to go on from is damaged or of another fit; it names the differences.
        BusyError
            When another fit keeps its training in the same file.
        """
        self.check_settings()
        require_switch(verbose=verbose)
        number_check = {"dtype": np.float64, "ensure_all_finite": False}
        with as_data_error():
            _refuse_no_numbers("X", X)
            _refuse_no_numbers("y", y)
            rows, y = validate_data(
                self, X, y, validate_separately=(number_check, number_check | {"ensure_2d": False})
            )
            check_consistent_length(rows, y)
        targets = np.asarray(y, dtype=np.float64).reshape(len(rows), -1)  # (n, D)
        _check_finite("X", rows)
        _check_finite("y", targets)
        self._check_sizes(rows.shape[1], targets.shape[1])
        train_rows = _train_rows(len(rows), validation_split, self.horizon)
        table = _table(rows, targets)
        scaling = fit_scaling(table, np.array([train_rows]))
        gather = self._gather(table, scaling)
        wanted = wanted_checkpoints(checkpoint, resume)
        keeper = None
        if wanted is not None:
            data = fingerprint(X=rows, y=targets)
            how = {"fit": {"validation_split": validation_split}, "data": data}
            settings = self.stored_settings()
            keeper = CheckpointFile(wanted, {"model": self.name, "settings": settings, **how}).run("fit")
        with sole_writer(wanted):
            self.network_, self.history_, interrupted = fit_network(
                self,
                gather,
                train=_windows(0, train_rows, self.horizon),
                validation=_windows(train_rows, len(rows), self.horizon) if train_rows < len(rows) else None,
                callback=progress_line() if verbose else None,
                keeper=keeper,
            )
        self.sizes_ = sizes_for(self, table)
        self.center_, self.scale_ = scaling.values.center, scaling.values.scale  # (1, F+D) each
        self.one_target_ = np.ndim(y) == 1
        if interrupted:
            raise KeyboardInterrupt
        return self

    def predict(self, X: npt.ArrayLike, *, steps: int | None = None) -> Floats:
        """Predict the target of every row of X, or of it and the rows that follow.

        Parameters
        ----------
        X : array of shape (n, F)
            Rows in the order of time; each sees only itself and the rows before it.
        steps : int, optional
            How many values from each row on, at most ``horizon``. 1 is the same as none.

        Returns
        -------
        array of shape (n,) or (n, D); with ``steps`` above 1 (n, steps) or (n, steps, D)
            The median of a quantile model, else the mean.
        """
        if steps is not None:
            require_whole(steps=(steps, 1))
        quantiles = self._quantiles(X)  # (n, H, D, P)
        if steps is not None and not 1 <= steps <= self.sizes_.horizon:
            raise SettingError(
                f"predict(steps={steps}) needs a model trained for that many steps: this one has "
                f"horizon={self.sizes_.horizon}. Fit {type(self).__name__}(horizon={steps}) instead."
            )
        middle = 0 if self.quantiles is None else list(self.quantiles).index(0.5)
        point = quantiles[:, : steps or 1, :, middle]  # (n, k, D)
        point = point[..., 0] if self.one_target_ else point
        return point[:, 0] if steps in (None, 1) else point

    def predict_quantiles(self, X: npt.ArrayLike) -> Floats:
        """Predict every quantile of the target of every row.

        Parameters
        ----------
        X : array of shape (n, F)
            Rows in the order of time.

        Returns
        -------
        array of shape (n, P) or (n, D, P)
            In the order of ``quantiles``; they never cross.
        """
        if self.quantiles is None:
            raise SettingError(
                f"{type(self).__name__} forecasts a point. Fit it with loss='pinball' and, for example, "
                "quantiles=(0.1, 0.5, 0.9)."
            )
        quantiles = self._quantiles(X)[:, 0]  # (n, D, P)
        return quantiles[:, 0] if self.one_target_ else quantiles

    def evaluate(self, X: npt.ArrayLike, y: npt.ArrayLike) -> dict[str, float]:
        """Score the predictions for X against y, in the units of y.

        Returns
        -------
        dict
            ``mse``, ``rmse``, ``mae`` and ``r2`` over all rows and targets.
        """
        predicted = self.predict(X)
        with as_data_error():
            _refuse_no_numbers("y", y)
            truth = np.asarray(y, dtype=np.float64)
        if truth.shape != predicted.shape:
            raise DataError(f"evaluate: y has shape {truth.shape}, but X gives {predicted.shape}.")
        _check_finite("y", truth.reshape(len(truth), -1))
        error = truth - predicted
        mse = float(np.mean(error**2))
        return {
            "mse": mse,
            "rmse": float(np.sqrt(mse)),
            "mae": float(np.mean(np.abs(error))),
            "r2": float(r2_score(truth, predicted)),
        }

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to one file, in our safe format whatever the suffix."""
        check_is_fitted(self)
        require_path(path)
        manifest: dict[str, Any] = {
            "kind": "estimator",
            "model": self.name,
            "settings": self.stored_settings(),
            "sizes": asdict(self.sizes_),
            "history": self.history_,
            "one_target": self.one_target_,
            "feature_names": list(getattr(self, "feature_names_in_", [])),
        }
        arrays = pack_network(self.network_, self.sizes_)
        arrays |= {"scaling.center": self.center_, "scaling.scale": self.scale_}
        artifact.write(path, artifact.Artifact(manifest, arrays))

    def stored_settings(self) -> dict[str, Any]:
        """Return every setting as a file can hold it: a loss of the caller's own by its name."""
        return self.settings() | {"loss": loss_name(self.loss)}

    @classmethod
    def restored_settings(cls, stored: dict[str, Any], networks: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that ``stored_settings`` gave; ``networks`` holds the caller's own by name."""
        return stored | {"loss": loss_named(stored.get("loss", cls.loss))}

    def _load(self, path: str | PathLike[str], networks: Mapping[str, Any]) -> Self:
        cls: Any = type(self)
        loaded = cls.__new__(cls)
        loaded._unpack(path, networks)  # a refusal half-way leaves this object as it was
        self.__dict__ = loaded.__dict__
        return self

    def _unpack(self, path: str | PathLike[str], networks: Mapping[str, Any]) -> None:
        stored = artifact.read(path)
        manifest: Any = stored.manifest
        arrays = stored.tensors
        if manifest.get("kind") != "estimator" or manifest.get("model") != self.name:
            raise ArtifactError(
                f"{path} holds: {manifest.get('kind')} {manifest.get('model')!r}, "
                f"but {type(self).__name__}.load reads an estimator {self.name!r}."
            )
        try:
            check_inventory(manifest, arrays)
            check_numbers(manifest, arrays)
            self.__init__(**self.restored_settings(manifest["settings"], networks))  # type: ignore[misc]
            self.check_settings()
            self.sizes_ = Sizes(**manifest["sizes"])
            self.network_ = unpack_network(self, self.sizes_, arrays)
            self.center_, self.scale_ = arrays["scaling.center"], arrays["scaling.scale"]
            self.history_, self.one_target_ = manifest["history"], bool(manifest["one_target"])
            self.n_features_in_ = self.sizes_.past
            if manifest["feature_names"]:
                self.feature_names_in_ = np.array(manifest["feature_names"], dtype=object)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ArtifactError(
                f"{path} lacks a part of a {self.name} model or holds a wrong one: {error}."
            ) from error

    def _check_sizes(self, features: int, targets: int) -> None:
        for name, found in (("input_size", features), ("output_size", targets)):
            declared = getattr(self, name)
            if declared is not None and declared != found:
                raise SettingError(
                    f"{name}={declared}, but the data has {found}. "
                    f"Leave {name} out: it is taken from the data."
                )

    def _gather(self, table: SeriesTable, scaling: Scaling) -> ResidentGather:
        buffers = Buffers(table, context=self.sequence_length, device=self.device)
        return ResidentGather(buffers, scaling, horizon=self.horizon)

    def _windows_of(self, X: npt.ArrayLike) -> tuple[ResidentGather, Ints, Ints]:
        """Read X; return the door to its windows, and the series and last row of every one, (n,) each."""
        check_is_fitted(self)
        with as_data_error():
            _refuse_no_numbers("X", X)
            rows = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite=False)
        _check_finite("X", rows)
        table = _table(rows, np.zeros((len(rows), self.sizes_.targets)))  # no target ever reaches a window
        gather = self._gather(table, Scaling(Affine(self.center_, self.scale_)))
        origins = np.arange(len(rows))
        return gather, np.zeros_like(origins), origins

    def _quantiles(self, X: npt.ArrayLike) -> Floats:
        """Forecast from every row of X: (n, H, D, P)."""
        gather, series, origins = self._windows_of(X)
        targets = gather.table.targets
        scale = Affine(self.center_[:, targets], self.scale_[:, targets])
        return forecast(self.network_, gather, scale, series, origins)


def _refuse_no_numbers(what: str, values: Any) -> None:
    """Refuse dates, durations and truth values, which numpy would turn into numbers without a word."""
    kinds = {"M": "dates", "m": "durations", "b": "true and false"}
    own: Any = values.dtypes if hasattr(values, "dtypes") else np.asarray(values).dtype
    dtypes = np.ravel(own)  # one per column of a frame
    for column, dtype in enumerate(dtypes):
        if getattr(dtype, "kind", "") in kinds:
            name = f"{what}, column {column}," if len(dtypes) > 1 else what
            raise DataError(
                f"{name} holds {kinds[dtype.kind]} ({dtype}); expected numbers. Convert them: durations and "
                "dates to the number of steps or to calendar features, true and false with .astype(float).",
                column=column if len(dtypes) > 1 else None,
            )


def _table(rows: Floats, targets: Floats) -> SeriesTable:
    features = rows.shape[1]
    return SeriesTable(
        names=("X",),
        offsets=np.array([0, len(rows)]),
        values=np.concatenate([rows, targets], axis=1),  # (n, F+D)
        inputs=slice(0, features),
        targets=slice(features, features + targets.shape[1]),
        lead=0,  # the window's last row belongs to the first target
    )


def _windows(start: int, stop: int, horizon: int) -> Any:
    offsets: Ints = np.array([0, stop])
    return index_windows(offsets, np.array([start]), np.array([stop]), horizon=horizon, lead=0)


def _train_rows(rows: int, validation_split: Any, horizon: int) -> int:
    """Return how many leading rows are trained on; refuse parts without a single window."""
    if not (isinstance(validation_split, (int, float)) and 0 <= validation_split < 1):
        raise SettingError(f"validation_split must be at least 0 and below 1, got {shown(validation_split)}.")
    validation = round(rows * validation_split)
    if rows - validation < horizon or 0 < validation < horizon:
        raise DataError(
            f"{rows} rows leave {rows - validation} for training and {validation} for validation, "
            f"but each part needs at least horizon = {horizon} rows."
        )
    return rows - validation


def _check_finite(what: str, values: Floats) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        kind = "NaN" if np.isnan(values[row, column]) else "inf"
        raise DataError(
            f"{what} contains NaN or infinity: {len(bad)} values, the first is {kind} in row {row}, "
            f"column {column}. Fill or drop these rows first.",
            column=column,
            row=row,
            value=float(values[row, column]),
        )
