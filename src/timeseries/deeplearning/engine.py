"""The one path from settings and windows to a fitted network, and from it to forecasts."""

import copy
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from timeseries.deeplearning.checkpoint import RunKeeper
from timeseries.deeplearning.gather import Affine, Batches, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.history import Callback, EpochRecord
from timeseries.deeplearning.losses import Loss, Pointwise, make_loss
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized
from timeseries.deeplearning.networks.last_value import AroundLastValue
from timeseries.deeplearning.networks.linear_skip import LinearSkip
from timeseries.deeplearning.runtime import (
    as_written,
    check_precision,
    kept_memory,
    seeded,
    threads,
    told_of_memory,
    without_denormals,
)
from timeseries.deeplearning.trainer import LoopSettings, Trainer
from timeseries.deeplearning.window import Sizes
from timeseries.errors import SettingError, TrainingError
from timeseries.intervals import Calibration
from timeseries.memory import refuse_beyond_memory
from timeseries.normalization import segment_statistics
from timeseries.windows import Ints, WindowIndex

Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.float32]
ROUNDING = 1e-14  # of a level: a mean of equal values differs from them by less
COPIES = 5  # of all weights while training: their gradients, two moments, and the best so far beside them
SMALLER = "take a shorter context, a smaller network or a larger machine."
ADVICE = SMALLER.capitalize()
BEYOND = (
    "It is beyond the largest number that float64 holds: divide the series by a power of ten, and fit again."
)
OUTSIDE = "Its history is far outside what the network was trained on: check those rows, or fit again."
FORECAST_BATCH = 1024  # windows of one forward pass when nothing is learned


class Model(LoopSettings, Protocol):
    """What the engine reads of an estimator."""

    sequence_length: int
    horizon: int
    batch_size: int
    loss: str | Pointwise
    quantiles: tuple[float, ...] | None
    instance_norm: bool
    linear_skip: bool
    last_value_residual: bool
    every_position: bool
    device: str
    threads: int | str | None
    seed: int

    def build_network(self, sizes: Sizes) -> ForecastNetwork:
        """Return the network with fresh weights."""


def sizes_for(model: Model, table: SeriesTable) -> Sizes:
    """Return the sizes of the network that fits the model's settings and the table's columns."""
    columns = np.arange(table.values.shape[1])
    inputs, targets = columns[table.inputs], columns[table.targets]
    known = 0 if table.known is None else table.known.shape[1]
    return Sizes(
        context=model.sequence_length,
        horizon=model.horizon,
        past=len(inputs) + known,
        targets=len(targets),
        outputs=make_loss(model.loss, model.quantiles).outputs,
        future=known,
        static=0 if table.static is None else table.static.shape[1],
        masked=table.time_gap is not None,
        autoregressive=table.autoregressive,
    )


def build(model: Model, sizes: Sizes) -> ForecastNetwork:
    """Return the model's network with what its settings put around it."""
    network = model.build_network(sizes)
    _refuse_options(model, sizes)
    if model.linear_skip:
        network = LinearSkip(network, sizes)
    if model.last_value_residual:
        network = AroundLastValue(network, sizes.targets)
    return InstanceNormalized(network, sizes.targets) if model.instance_norm else network


def refuse_large(model: Model, sizes: Sizes) -> None:
    """Refuse a network whose training needs more memory than there is; it is counted without any."""
    try:
        with torch.device("meta"):
            weights = build(model, sizes).state_dict().values()
    except (NotImplementedError, RuntimeError):
        return  # a network of the caller's own may compute with its weights while it is made
    needed = COPIES * sum(tensor.nbytes for tensor in weights)
    if model.device == "cpu":
        refuse_beyond_memory(
            needed, f"Training a network of {needed / COPIES / 1e6:,.0f} MB", "Choose a smaller one."
        )


def _refuse_options(model: Model, sizes: Sizes) -> None:
    """Refuse what the windows of this data cannot give."""
    for name in ("instance_norm", "linear_skip", "last_value_residual"):
        if getattr(model, name) and not sizes.autoregressive:
            raise SettingError(
                f"{name}=True works on the past of the targets in a window, but the windows of X do not "
                f"hold the target. Set {name}=False, or take a Forecaster, whose windows do."
            )
    if model.every_position and not sizes.autoregressive:
        raise SettingError(
            "every_position=True needs windows that hold the past of the targets, as those of a Forecaster "
            "do; those of fit(X, y) hold X. Set every_position=False."
        )
    if model.every_position and sizes.future:
        raise SettingError(
            "every_position=True forecasts from positions inside the window, which is possible for tables "
            "without covariates of the future only. Set every_position=False."
        )


def fit_scaling(table: SeriesTable, stops: Ints) -> Scaling:
    """Learn centre and scale of every column from the first ``stops`` (S,) rows of each series."""
    values = _leading_rows(table.values, table.offsets, stops)
    known = None
    if table.known is not None and table.known_offsets is not None:
        known = Affine(*_leading_rows(table.known, table.known_offsets, stops))
    return Scaling(Affine(*values), known)


def _leading_rows(values: Floats, offsets: Ints, stops: Ints) -> tuple[Floats, Floats]:
    center, scale = segment_statistics(values, offsets, stops)  # (S, C) each
    return center, np.maximum(scale, ROUNDING * np.abs(center))  # a spread below rounding is none


def batches_of(
    model: Model, network: ForecastNetwork, loss: Loss, gather: ResidentGather, train: WindowIndex
) -> Batches:
    """Return the windows to learn from, as many in a step as the settings say."""
    stride = network.position_stride if model.every_position else None
    step_size = model.batch_size * model.accumulate_batches
    return Batches(gather, train, step_size, seed=model.seed, position_stride=stride, levels=loss.relative)


class Trained(NamedTuple):
    """A fitted network, what happened in each epoch, and whether Ctrl-C ended its training."""

    network: ForecastNetwork
    history: list[EpochRecord]
    interrupted: bool


@contextmanager
def learning(model: Model) -> Iterator[None]:
    """Draw and compute as a model does while it learns, in a fit and where one is tried."""
    with (
        seeded(model.seed, model.device),
        threads(model.threads),
        kept_memory(),
        without_denormals(model.device),
    ):
        yield


def fit_network(
    model: Model,
    gather: ResidentGather,
    train: WindowIndex,
    validation: WindowIndex | None = None,
    callback: Callback | None = None,
    start: ForecastNetwork | None = None,
    keeper: RunKeeper | None = None,
) -> Trained:
    """Train the model's network on the windows of ``train``: a fresh one, or a copy of ``start``.

    A keeper writes checkpoints; where it holds the state or the result of this run, that is taken up.
    """
    loss = make_loss(model.loss, model.quantiles)
    check_precision(model.precision, model.device)
    if start is None:
        refuse_large(model, sizes_for(model, gather.table))
    with learning(model):
        network = build(model, sizes_for(model, gather.table)) if start is None else copy.deepcopy(start)
        network = network.to(model.device)
        job = f"Training on batches of {model.batch_size} windows (validation: {FORECAST_BATCH})"
        with told_of_memory(job, f"Lower batch_size (now {model.batch_size}), or {SMALLER}"):
            training = Trainer(model, loss, callback, keeper).fit(
                network,
                batches_of(model, network, loss, gather, train),
                None
                if validation is None
                else Batches(gather, validation, FORECAST_BATCH, levels=loss.relative),
            )
    return Trained(network.eval(), *training)


class Encoded(NamedTuple):
    """What a recurrent network has made of M windows, as numpy arrays."""

    output: States
    """The state of the top layer after every step of every window, (M, T, W)."""
    hidden: States | tuple[States, ...]
    """The state of every layer after the last step, (layers, M, W); directions count as layers. Where layers
    differ in width, one part per layer."""
    cell: States | tuple[States, ...] | None
    """Of an LSTM, in the shape of ``hidden``."""


def encode(network: ForecastNetwork, gather: ResidentGather, series: Ints, origins: Ints) -> Encoded:
    """Return the states that a network walks through while it reads the windows of some origins.

    Parameters
    ----------
    network : ForecastNetwork
        A fitted recurrent network.
    gather : ResidentGather
        Where the windows come from.
    series, origins : arrays of shape (M,)
        Series and global row of each origin.

    Raises
    ------
    UnsupportedError
        When the network has no such states.
    """
    parts = []
    job = f"Reading {min(len(origins), FORECAST_BATCH)} windows at once"
    with torch.inference_mode(), as_written(gather.device.type), told_of_memory(job, ADVICE):
        for first in range(0, len(origins), FORECAST_BATCH):
            part = slice(first, first + FORECAST_BATCH)
            parts.append(network.encode(gather.window(series[part], origins[part])))
        output, hidden, cell = zip(*parts, strict=True)
        return Encoded(_joined(output, 0), _joined(hidden, -2), _joined(cell, -2))


def _joined(parts: Sequence[Any], batch_axis: int) -> Any:
    """Join the states that batches gave, each a tensor, None, or a tuple with one part per layer."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(layer, batch_axis) for layer in zip(*parts, strict=True))
    return None if parts[0] is None else torch.cat(list(parts), batch_axis).cpu().numpy()


def forecast(
    network: ForecastNetwork,
    gather: ResidentGather,
    scale: Affine,
    series: Ints,
    origins: Ints,
    calibration: Calibration | None = None,
) -> Floats:
    """Forecast from the given origins, in the user's units.

    Parameters
    ----------
    network : ForecastNetwork
        A fitted network.
    gather : ResidentGather
        Where the windows come from; only its door of the past is opened.
    scale : Affine
        Centre and scale of the targets of each series, (S, D).
    series, origins : arrays of shape (M,)
        Series and global row of each origin.
    calibration : Calibration, optional
        Makes quantiles of what the network says.

    Returns
    -------
    array of shape (M, H, D, P)
        Numbers of one target in increasing order, so that quantiles never cross; one per level of the
        calibration, if there is one.

    Raises
    ------
    TrainingError
        When a forecast is not finite, naming series and row.
    """
    parts = []
    job = f"Forecasting from {min(len(origins), FORECAST_BATCH)} windows at once"
    with torch.inference_mode(), as_written(gather.device.type), told_of_memory(job, ADVICE):
        for first in range(0, len(origins), FORECAST_BATCH):
            part = slice(first, first + FORECAST_BATCH)
            said = network(gather.window(series[part], origins[part]))  # (B, H, D, P)
            parts.append(said.double().cpu().numpy())
    scaled: Floats = np.concatenate(parts)  # (M, H, D, P)
    scaled.sort(axis=-1)
    if calibration is not None:
        scaled = calibration.apply(scaled)  # (M, H, D, Q)
    center, spread = (part[series][:, None, :, None] for part in scale)  # (M, 1, D, 1) each
    with np.errstate(over="ignore", invalid="ignore"):  # what is no longer finite is refused below
        answer: Floats = scaled * spread + center  # (M, H, D, P)
    table = gather.table
    refuse_not_finite(answer, scaled, table.names, series, origins - table.offsets[series])
    return answer


def refuse_not_finite(
    answer: Floats, before: Floats, names: Sequence[Hashable], series: Ints, rows: Ints
) -> None:
    """Refuse forecasts (M, H, D, P) that are not finite, and say whether they were ``before`` the last step.

    ``series`` and ``rows`` (M,) are those of their origins, rows counted from the start of the series.
    """
    finite = np.isfinite(answer)  # (M, H, D, P)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=(1, 2, 3)))
        within = bool(np.isfinite(before[bad[0]]).all())
        raise TrainingError(
            f"{len(bad)} of {len(answer)} forecasts are not finite, the first of series "
            f"{names[series[bad[0]]]!r} after row {rows[bad[0]]}. {BEYOND if within else OUTSIDE}"
        )
