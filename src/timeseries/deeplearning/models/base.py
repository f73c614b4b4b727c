"""What all array estimators share: rows in, rows out, the scikit-learn way."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.utils import Tags

from timeseries import metrics
from timeseries.deeplearning import artifact
from timeseries.deeplearning.checkpoint import (
    CheckpointFile,
    Checkpoints,
    sole_writer,
    wanted_checkpoints,
)
from timeseries.deeplearning.engine import Encoded, Floats, encode, fit_network, forecast, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling
from timeseries.deeplearning.history import Callback, EpochRecord
from timeseries.deeplearning.loading import LoadEitherWay
from timeseries.deeplearning.losses import kept_loss, loss_kept
from timeseries.deeplearning.models.preparation import Prepared, prepare
from timeseries.deeplearning.models.rows import (
    Rows,
    read_rows,
    read_targets,
    repeated,
    series_table,
)
from timeseries.deeplearning.models.stored import pack, unpack
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.progress import listeners
from timeseries.deeplearning.rehearsal import (
    BatchSizeCurve,
    LearningRateCurve,
    Rehearsal,
    find_batch_size,
    find_learning_rate,
    placed,
)
from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.deeplearning.window import Sizes
from timeseries.errors import (
    DataError,
    SettingError,
    require_path,
    require_whole,
)
from timeseries.guidance import advice
from timeseries.normalization import UnfittedEstimatorError
from timeseries.notes import tell
from timeseries.settings import constant, settings_class
from timeseries.windows import Ints


@settings_class
class WindowRegressor(TrainingSettings, RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Predict y[i] from the ``sequence_length`` rows of X that end at row i.

    Rows are in the order of time; X[i] holds what is known at i. The first windows are short: they are
    padded on the left and masked. Inputs and targets are scaled inside, on the training rows.
    Losses in ``train_history`` are in scaled units, all scores in the user's.

    X may also be many sequences, an array of shape (S, T, F) or a list of arrays (T_i, F). No window reaches
    from one into another, and all share one scaling: they are samples of one process. Their y holds

    - one target per step, (S, T), (S, T, D) or a list of (T_i,) or (T_i, D): each sequence is then as if it
      were alone, its step t predicted from the steps that end at t;
    - or one target per sequence, (S,) or (S, D): predicted from its last ``sequence_length`` steps.
      A y of shape (S, T) is read as one target per step, unless ``output_size=T`` says otherwise.
    """

    name: ClassVar[str]
    """The model's name in tables, files and on the command line."""

    load = LoadEitherWay()
    """``LSTMModel.load(path)`` makes a model from a file; ``model.load(path)`` turns ``model`` into it."""

    batch_first: bool = constant(
        True, "arrays hold the sequence first, then the step: (S, T, F). Give X.swapaxes(0, 1) instead"
    )

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
        self._refuse_unfitted()
        return self.history_

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        validation_split: float = 0.0,
        window_weight: npt.ArrayLike | None = None,
        checkpoint: Checkpoints | str | PathLike[str] | None = None,
        resume: str | PathLike[str] | None = None,
        callbacks: Iterable[Callback] = (),
        verbose: bool = False,
    ) -> Self:
        """Fit the network to every window of X.

        Parameters
        ----------
        X : array of shape (n, F) or (S, T, F), or list of arrays of shape (T_i, F)
            Rows in the order of time, of one sequence or of many.
        y : array of shape (n,) or (n, D)
            The targets of these rows. For many sequences (S,) or (S, D), one target each, or the shape of X
            without F or with D in its place, one target per step.
        validation_split : float
            The share that only watches: the weights of the epoch that does best on it stay. It is taken from
            the end: of the rows; of the steps of each sequence; of the sequences, where each has one target.
        window_weight : array of shape (n,), or of the shape of a y of one target, optional
            How much the window counts that ends at each row, or at the end of each sequence; the training and
            the validation loss are weighted means. (It is not scikit-learn's sample_weight: a row of weight 0
            still stands in the windows of the rows after it.)
        checkpoint : path or Checkpoints, optional
            A file that keeps the training while it lasts, every minute or as often as Checkpoints says.
        resume : path, optional
            The checkpoint to go on from: the weights become those of an uninterrupted fit, bit for bit (on
            the CPU, with the same versions and number of threads).
        callbacks : iterable of Callback
            Told of every step and every epoch; training ends when one of them wants it.
        verbose : bool
            Show on one line how far training is, if the standard error stream is a terminal.

        Returns
        -------
        self

        Raises
        ------
        SettingError
            When settings make no sense, alone or for this data; all problems at once.
        DataError
            When X or y holds something a network cannot be trained on.
        ArtifactError
            When the checkpoint to go on from is damaged or of another fit; it names the differences.
        BusyError
            When another fit keeps its training in the same file.

        Warns
        -----
        LeakageWarning
            When a column of X is y, of the same row or of one that comes after it within reach of a window.
        UnusedStepsWarning
            When sequences with one target each are longer than a window.
        """
        callback = listeners(callbacks, verbose=verbose is True)
        data = prepare(self, X, y, validation_split, window_weight, verbose=verbose)
        if verbose and (notes := [*advice(self.name, self.settings(), len(data.train))]):
            tell("\n".join(notes))
        wanted = wanted_checkpoints(checkpoint, resume)
        kept = None
        if wanted is not None:
            how = {"fit": {"validation_split": validation_split}, "data": data.fingerprint()}
            settings = self.stored_settings()
            kept = CheckpointFile(wanted, {"model": self.name, "settings": settings, **how})
        there, gather = self._placed(data, kept)
        with sole_writer(wanted):
            self.network_, self.history_, interrupted = fit_network(
                there,
                gather,
                train=data.train,
                validation=data.validation if len(data.validation) else None,
                callback=callback,
                keeper=None if kept is None else kept.run("fit"),
            )
        self.sizes_ = sizes_for(self, data.table)
        self.center_, self.scale_ = data.scaling.center, data.scaling.scale  # (1, F+D) each
        self.one_target_, self.one_per_sequence_ = data.targets.one_target, data.targets.one_per_sequence
        self.fitted_settings_ = there.settings()
        if interrupted:
            raise KeyboardInterrupt
        return self

    def find_learning_rate(
        self, X: npt.ArrayLike, y: npt.ArrayLike, *, steps: int = 100
    ) -> LearningRateCurve:
        """Try growing learning rates on a copy, and show how the loss answers.

        Parameters
        ----------
        X, y
            As for ``fit``.
        steps : int
            Optimiser steps.

        Returns
        -------
        LearningRateCurve
            With its ``suggestion``, the rate by which half of the fall is done: an upper end, of which a
            tenth is the cautious choice. Nothing is fitted or changed.
        """
        return find_learning_rate(self._rehearsal(X, y), steps)

    def find_batch_size(self, X: npt.ArrayLike, y: npt.ArrayLike) -> BatchSizeCurve:
        """Time a few steps on batches of every size, on a copy.

        Returns
        -------
        BatchSizeCurve
            With its ``suggestion``: the smallest batch that learns from nearly as many windows in a second as
            the fastest.
        """
        return find_batch_size(self._rehearsal(X, y))

    def predict(self, X: npt.ArrayLike, *, steps: int | None = None) -> Any:
        """Predict the targets that belong to X, or these and the ones that follow.

        Parameters
        ----------
        X : array of shape (n, F) or (S, T, F), or list of arrays of shape (T_i, F)
            Rows in the order of time; each sees only itself and the rows before it in its sequence.
        steps : int, optional
            How many values from each row on, at most ``horizon``. 1 is the same as none.

        Returns
        -------
        array or list of arrays
            In the shape of the y that belongs to X: (n,) or (n, D) for rows; for sequences (S,) or (S, D), or
            with a target per step (S, T), (S, T, D) or a list of (T_i,) or (T_i, D). With ``steps`` above 1
            there is an axis of that length before D. It is the median of a quantile model, else the mean.
        """
        if steps is not None:
            require_whole(steps=(steps, 1))
        rows, quantiles = self._quantiles(X)  # (M, H, D, P)
        if steps is not None and steps > self.sizes_.horizon:
            raise SettingError(
                f"predict(steps={steps}) needs a model trained for that many steps: this one has "
                f"horizon={self.sizes_.horizon}. Fit {type(self).__name__}(horizon={steps}) instead."
            )
        point = self._points(quantiles)[:, : steps or 1]  # (M, k, D)
        point = point[..., 0] if self.one_target_ else point
        return self._shaped(rows, point[:, 0] if steps in (None, 1) else point)

    def predict_quantiles(self, X: npt.ArrayLike) -> Any:
        """Predict every quantile of the targets that belong to X.

        Parameters
        ----------
        X : array of shape (n, F) or (S, T, F), or list of arrays of shape (T_i, F)
            Rows in the order of time.

        Returns
        -------
        array or list of arrays
            As ``predict`` gives it, with a last axis of length P: (n, P) or (n, D, P) for rows. Quantiles are
            in the order of ``quantiles`` and never cross.
        """
        if self._fitted_levels is None:
            raise SettingError(
                f"{type(self).__name__} forecasts a point. Fit it with loss='pinball' and, for example, "
                "quantiles=(0.1, 0.5, 0.9)."
            )
        rows, quantiles = self._quantiles(X)  # (M, H, D, P)
        first = quantiles[:, 0]  # (M, D, P)
        return self._shaped(rows, first[:, 0] if self.one_target_ else first)

    def encode(self, X: npt.ArrayLike) -> Encoded:
        """Return the states of a recurrent network after it has read X.

        Parameters
        ----------
        X : array of shape (n, F) or (S, T, F), or list of arrays of shape (T_i, F)
            Rows in the order of time.

        Returns
        -------
        Encoded
            ``output``, ``hidden`` and ``cell`` for the windows of all n rows, or for the last window of each
            of S sequences. Where a window begins before its sequence does, its first states are 0.

        Raises
        ------
        UnsupportedError
            When the network is not recurrent.
        """
        rows, gather, series, origins = self._windows_of(X)
        if rows.form != "rows":
            series, origins = np.arange(len(rows.lengths)), rows.offsets[1:] - 1  # (S,) each
        return encode(self.network_, gather, series, origins)

    def evaluate(self, X: npt.ArrayLike, y: npt.ArrayLike) -> dict[str, float]:
        """Score the predictions for X against y, in the units of y.

        With a ``horizon`` above 1 it is the first step that is scored, the one that belongs to the row: what
        ``predict(X)`` returns.

        Returns
        -------
        dict
            ``mse``, ``rmse``, ``mae``, ``r2``, and in percent ``mape`` and ``smape``, over all rows and
            targets. ``mape`` is NaN where y holds a 0, which no error is a share of.
        """
        truth, predicted = self._truth_and_prediction(X, y)  # (M, D) each
        error = truth - predicted  # (M, D)
        mse = float(np.mean(error**2))
        shares = {
            name: metrics.score(name, truth[:, None], predicted[:, None]).value for name in ("mape", "smape")
        }
        return {
            "mse": mse,
            "rmse": float(np.sqrt(mse)),
            "mae": float(np.mean(np.abs(error))),
            "r2": float(r2_score(truth, predicted)),
            **{name: np.nan if value is None else value for name, value in shares.items()},
        }

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Return the share of the variance of y that the predictions for X explain (R2).

        Parameters
        ----------
        X, y
            As for ``fit``.
        sample_weight : array of shape (M,), optional
            How much each row counts, or each sequence that has one target.
        """
        return float(r2_score(*self._truth_and_prediction(X, y), sample_weight=sample_weight))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to one file, in our safe format whatever the suffix."""
        self._refuse_unfitted()
        require_path(path)
        artifact.write(path, pack(self))

    def stored_settings(self) -> dict[str, Any]:
        """Return every setting as a file can hold it: a loss of the caller's own by its name."""
        return self.settings() | {"loss": kept_loss(self.loss)}

    @classmethod
    def restored_settings(cls, stored: dict[str, Any], networks: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that ``stored_settings`` gave; ``networks`` holds the caller's own by name."""
        return stored | {"loss": loss_kept(stored.get("loss", cls.loss))}

    def _load(self, path: str | PathLike[str], networks: Mapping[str, Any]) -> Self:
        cls: Any = type(self)
        loaded = cls.__new__(cls)
        unpack(loaded, artifact.read(path), path, networks)  # a refusal half-way leaves this object as it was
        self.__dict__ = loaded.__dict__
        return self

    def _rehearsal(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Rehearsal:
        tried = clone(self)
        data = prepare(tried, X, y)
        there, gather = tried._placed(data)
        return Rehearsal(there, gather, data.train)

    def _placed(self, data: Prepared, kept: CheckpointFile | None = None) -> tuple[Self, ResidentGather]:
        scaling = Scaling(repeated(data.scaling, data.table))
        return placed(self, data.table, scaling, data.train, kept)

    def _refuse_unfitted(self) -> None:
        if not hasattr(self, "network_"):
            name = type(self).__name__
            raise UnfittedEstimatorError(
                f"This {name} is not fitted yet. Call fit(X, y) or load(path) first."
            )

    @property
    def _fitted_levels(self) -> tuple[float, ...] | None:
        """The quantiles of the fit; settings that were changed since then wait for the next."""
        return self.fitted_settings_["quantiles"]  # type: ignore[no-any-return]

    def _windows_of(self, X: npt.ArrayLike) -> tuple[Rows, ResidentGather, Ints, Ints]:
        """Read X; return its rows, the door to its windows, and series and last row of those asked for."""
        self._refuse_unfitted()
        rows = read_rows(self, X, reset=False)
        table = series_table(rows, np.zeros((len(rows.values), self.sizes_.targets)))  # none reaches a window
        scaling = Scaling(repeated(Affine(self.center_, self.scale_), table))
        device = next(self.network_.parameters()).device.type
        # Anchored at what was learned: one huge value in the first row would cost all others their precision.
        buffers = Buffers(table, context=self.sizes_.context, device=device, anchors=scaling)
        gather = ResidentGather(buffers, scaling, horizon=self.sizes_.horizon)
        sequences = np.arange(len(rows.lengths))  # (S,)
        if not self.one_per_sequence_:
            return rows, gather, np.repeat(sequences, rows.lengths), np.arange(len(rows.values))  # (N,) each
        if rows.form == "rows":
            raise DataError(
                f"This {type(self).__name__} was fitted to sequences with one target each, but X holds rows, "
                f"of shape {rows.values.shape}. Give sequences, (S, T, F): one alone is X[None]."
            )
        return rows, gather, sequences, rows.offsets[1:] - 1  # (S,) each

    def _quantiles(self, X: npt.ArrayLike) -> tuple[Rows, Floats]:
        """Forecast from every row of X, or sequence that has one target: (M, H, D, P)."""
        rows, gather, series, origins = self._windows_of(X)
        targets = gather.table.targets
        scale = repeated(Affine(self.center_[:, targets], self.scale_[:, targets]), gather.table)
        return rows, forecast(self.network_, gather, scale, series, origins)

    def _points(self, quantiles: Floats) -> Floats:
        """Return the medians of (M, H, D, P), or what stands in their place: (M, H, D)."""
        levels = self._fitted_levels
        middle = 0 if levels is None else list(levels).index(0.5)
        return quantiles[..., middle]

    def _shaped(self, rows: Rows, answer: Floats) -> Any:
        return answer if self.one_per_sequence_ else rows.shaped(answer)

    def _truth_and_prediction(self, X: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return y and what is predicted for it, (M, D) each."""
        rows, quantiles = self._quantiles(X)  # (M, H, D, P)
        targets = read_targets(y, rows, self.sizes_.targets if self.one_per_sequence_ else None)
        predicted = self._points(quantiles)[:, 0]  # (M, D)
        if targets.values.shape != predicted.shape:
            raise DataError(
                f"y holds {targets.values.shape[0]} x {targets.values.shape[1]} targets, but X gives "
                f"{predicted.shape[0]} x {predicted.shape[1]}: give a y that belongs to X, as in fit."
            )
        return targets.values, predicted
