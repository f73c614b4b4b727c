"""From a panel to a fitted forecaster: hold rows out, train, calibrate, train again on everything."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, cast

import numpy as np
from sklearn.base import clone

from timeseries.continuation import in_sample_with, rows_seen
from timeseries.deeplearning.checkpoint import CheckpointFile, Checkpoints, RunKeeper, fingerprint
from timeseries.deeplearning.engine import fit_network, fit_scaling, forecast, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather
from timeseries.deeplearning.history import Callback, best_epoch
from timeseries.deeplearning.models import WindowRegressor
from timeseries.deeplearning.rehearsal import Rehearsal, placed
from timeseries.errors import DataError, SettingError, require_whole
from timeseries.fitted import Answers, FittedForecaster, memory_of, series_table
from timeseries.in_sample import measure
from timeseries.intervals import Calibration, calibrate
from timeseries.memory import refuse_beyond_memory
from timeseries.normalization import segment_statistics
from timeseries.panel import Panel
from timeseries.segments import pieces
from timeseries.splits import Origins
from timeseries.transformed import TransformedPanel, fit_transforms, rows_lost
from timeseries.windows import Ints, WindowIndex, index_windows

VALIDATION_SHARE = 0.1  # of each series, when early stopping needs a held-out tail and none is named
CALIBRATION_SHARE = 0.2  # of each series, when intervals need one; docs/decisions/0006-held-out-rows.md
LARGEST_SHARE = 0.4  # where that leaves too few origins for the outermost level
MOST_ORIGINS = 500  # of a series; more rows than these take are not held out
FINE_TUNING_RATE = 0.1  # of the learning rate
CALIBRATION_WINDOWS = 2048  # forecasts that a calibration rests on, at most
BYTES_PER_CELL = 24  # of a panel, at the peak of fitting it; benchmarks/panel_memory.py


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C ended training; ``fitted`` is the best there was."""

    def __init__(self, fitted: FittedForecaster) -> None:
        super().__init__("Training was interrupted.")
        self.fitted = fitted


def fine_tune_model(fitted: FittedForecaster, panel: Panel, steps: int) -> FittedForecaster:
    """Let the next forecast start from the end of a panel, after some steps on its new targets.

    Parameters
    ----------
    fitted : FittedForecaster
        What was fitted; it stays as it is.
    panel : Panel
        The rows it keeps, and those that follow them.
    steps : int
        Optimiser steps on windows whose targets are new, at a tenth of the learning rate; 0 learns nothing.

    Returns
    -------
    FittedForecaster
    """
    require_whole(fine_tune=(steps, 0))
    seen, model = fitted.as_seen(panel, panel.lengths), fitted.model
    table = series_table(seen.panel, fitted.static_scaling)
    scaling, network = fitted.scaling_of(seen.panel, table, seen.panel.lengths), fitted.network
    if steps:
        buffers = Buffers(table, context=model.sequence_length, device=model.device, anchors=scaling)
        gather = ResidentGather(buffers, scaling, horizon=model.horizon)
        first = np.maximum(rows_seen(fitted, panel) - seen.lost, 1)  # (S,)
        new = index_windows(seen.panel.offsets, first, seen.panel.lengths, horizon=model.horizon)
        if not len(new):
            raise DataError(
                f"fine_tune needs horizon = {model.horizon} new rows of a series, and there are fewer. "
                "Wait for more rows, or leave fine_tune out."
            )
        gentle = {
            "epochs": steps,
            "max_steps": steps,
            "learning_rate": model.learning_rate * FINE_TUNING_RATE,
            "schedule": "constant",
            "max_seconds": None,
        }
        trained = fit_network(clone(model).set_params(**gentle), gather, new, start=network)
        if trained.interrupted:
            raise KeyboardInterrupt("Fine-tuning was interrupted; nothing was changed.")
        network = trained.network
    return replace(
        fitted,
        network=network,
        scaling=scaling,
        tail=panel.tail(fitted.memory),
        ends=panel.time[panel.offsets[1:] - 1],
        in_sample=in_sample_with(fitted, panel),
        transforms=seen.transforms,
    )


class HeldOut(NamedTuple):
    """The last rows of each series that the first network never learns from, and what they are for."""

    rows: Ints  # (S,)
    choose: bool  # they choose the number of epochs
    calibrate: bool  # they tell how wide intervals must be


def fit_model(
    model: WindowRegressor,
    panel: Panel,
    val_size: int | None = None,
    *,
    keep_validation: bool = False,
    callback: Callback | None = None,
    answers: Answers | None = None,
    checkpoints: Checkpoints | None = None,
    target_transform: Sequence[str] = (),
    on_first: Callable[[FittedForecaster], None] | None = None,
) -> FittedForecaster:
    """Fit a model to every window of a panel.

    The last ``val_size`` rows of each series choose the number of epochs, and intervals are calibrated on
    them; unless ``keep_validation``, the network is then fitted again on all rows for that number, since the
    newest rows matter most. A one-cycle schedule is planned anew for these steps, so that the refit ends at
    its smallest rate although the first run may have stopped far from its own; ``max_seconds`` bounds the
    first run alone. Without ``val_size``, rows are held out where ``patience`` or intervals need them.

    ``target_transform`` names transforms of the targets, learned from the rows that a network is trained on,
    like its scaling: those of the first run know nothing of the rows that are held out.

    ``checkpoints`` keep both runs in a file, from which the same fit goes on exactly. ``on_first`` is handed
    what the first run left, which never learned from the held-out rows, calibrated on them.

    Raises
    ------
    ArtifactError
        If the checkpoint to go on from is damaged, or belongs to another fit.
    TrainingInterrupted
        After Ctrl-C, with the best network so far: that of the first run, until the refit is complete.
    """
    answers = Answers() if answers is None else answers
    lengths = panel.lengths  # (S,)
    _refuse_large(panel)
    lost = rows_lost(target_transform, panel.season_length)
    _refuse_short(panel, model.horizon, lost)
    _refuse_impossible(panel, answers)
    held = _held_out(model, panel, val_size, answers.levels, lost)
    train_rows = lengths - held.rows  # (S,)
    kept = None
    if checkpoints is not None:
        how: dict[str, Any] = {
            "val_size": val_size,
            "keep_validation": keep_validation,
            "answers": asdict(answers),
        }
        how |= {"target_transform": list(target_transform)} if target_transform else {}
        kept = CheckpointFile(checkpoints, identity(model, panel, how))
    in_sample = measure(panel.values[:, : len(panel.targets)], panel.offsets, panel.season_length)
    static = Affine(*segment_statistics(panel.static, np.array([0, len(panel.ids)])))  # (1, Q) each
    seen = _as_seen(model, panel, target_transform, train_rows)
    _refuse_uncalibrated(seen, model, answers)
    table = series_table(seen.panel, static)
    scaling = fit_scaling(table, train_rows - lost)
    later = index_windows(seen.panel.offsets, train_rows - lost, seen.panel.lengths, horizon=model.horizon)
    train = training_windows(seen.panel, train_rows - lost, model)
    model, gather = placed(clone(model), table, scaling, train, kept)
    keeper = None if kept is None else kept.run("first")
    trained = fit_network(model, gather, train, later if held.choose else None, callback, keeper=keeper)
    fitted = FittedForecaster(
        model=model,
        network=trained.network,
        sizes=sizes_for(model, table),
        scaling=scaling,
        static_scaling=static,
        tail=panel.tail(seen.memory),
        ends=panel.time[panel.offsets[1:] - 1],
        history=trained.history,
        answers=answers,
        in_sample=in_sample,
        transforms=seen.transforms,
    )
    try:
        if answers.levels is not None:
            fitted = replace(fitted, calibration=_calibrated(fitted, gather, seen, later, answers.levels))
        if on_first is not None:
            on_first(fitted)
        if trained.interrupted:
            raise KeyboardInterrupt
        if keep_validation or not held.rows.any():
            return fitted
        keeper = None if kept is None else kept.run("refit")
        return _refitted(fitted, panel, gather.buffers, callback, keeper)
    except KeyboardInterrupt as pressed:
        raise TrainingInterrupted(fitted) from pressed


def held_out_rows(
    model: WindowRegressor,
    panel: Panel,
    val_size: int | None,
    answers: Answers,
    target_transform: Sequence[str] = (),
) -> Ints:
    """Return how many last rows of each series, (S,), the first run of such a fit never learns from.

    Raises
    ------
    SettingError, DataError
        Where `fit_model` would refuse the panel.
    """
    lost = rows_lost(target_transform, panel.season_length)
    _refuse_large(panel)
    _refuse_short(panel, model.horizon, lost)
    _refuse_impossible(panel, answers)
    return _held_out(model, panel, val_size, answers.levels, lost).rows


def recalibrated(fitted: FittedForecaster, panel: Panel, rows: Ints) -> FittedForecaster:
    """Calibrate other weights of a first run on the last rows of each series, if intervals are wanted.

    Parameters
    ----------
    fitted : FittedForecaster
        What never learned from these rows.
    panel : Panel
        What it was fitted to.
    rows : array of shape (S,)
        As `held_out_rows` gives them.
    """
    levels, model = fitted.answers.levels, fitted.model
    if levels is None:
        return fitted
    seen = fitted.as_seen(panel, panel.lengths)
    buffers = Buffers(
        series_table(seen.panel, fitted.static_scaling), context=model.sequence_length, device=model.device
    )
    gather = ResidentGather(buffers, fitted.scaling, horizon=model.horizon)
    lengths = seen.panel.lengths  # (S,)
    later = index_windows(seen.panel.offsets, lengths - rows, lengths, horizon=model.horizon)
    return replace(fitted, calibration=_calibrated(fitted, gather, seen, later, levels))


def rehearse(model: WindowRegressor, panel: Panel, target_transform: Sequence[str] = ()) -> Rehearsal:
    """Return the training of a model on all rows of a panel, to be tried on a copy."""
    _refuse_large(panel)
    _refuse_short(panel, model.horizon, rows_lost(target_transform, panel.season_length))
    seen = _as_seen(model, panel, target_transform, panel.lengths).panel
    table = series_table(seen, Affine(*segment_statistics(seen.static, np.array([0, len(seen.ids)]))))
    scaling, train = fit_scaling(table, seen.lengths), training_windows(seen, seen.lengths, model)
    return Rehearsal(*placed(clone(model), table, scaling, train), train)


def _refitted(
    fitted: FittedForecaster,
    panel: Panel,
    buffers: Buffers,
    callback: Callback | None,
    keeper: RunKeeper | None,
) -> FittedForecaster:
    """Fit again on all rows, for the steps to the weights that stayed of the first run."""
    last = len(fitted.history)
    if fitted.model.restore_best_weights and fitted.history[-1]["val_loss"] is not None:
        last = 1 + best_epoch([cast("float", r["val_loss"]) for r in fitted.history], fitted.model.min_delta)
    steps = sum(record["steps"] for record in fitted.history[:last])
    chosen = {"epochs": steps, "max_steps": steps, "max_seconds": None, "patience": None}
    model = clone(fitted.model).set_params(**chosen)
    seen = _as_seen(model, panel, fitted.transforms.names, panel.lengths)
    if seen.transforms.names:  # which have learned from the rows that were held out, too
        table = series_table(seen.panel, fitted.static_scaling)
        buffers = Buffers(table, context=model.sequence_length, device=model.device)
    scaling = fit_scaling(buffers.table, seen.panel.lengths)
    gather = ResidentGather(buffers, scaling, horizon=model.horizon)
    train = training_windows(seen.panel, seen.panel.lengths, model)
    trained = fit_network(model, gather, train, None, callback, keeper=keeper)
    if trained.interrupted:
        raise KeyboardInterrupt
    return replace(fitted, network=trained.network, scaling=scaling, transforms=seen.transforms)


def _as_seen(
    model: WindowRegressor, panel: Panel, names: Sequence[str], train_rows: Ints
) -> TransformedPanel:
    """Return a panel with transforms that were learned from the first rows (S,) of each series."""
    return fit_transforms(names, panel, train_rows).apply(panel, memory_of(model, names, panel))


def identity(model: WindowRegressor, panel: Panel, how: dict[str, Any]) -> dict[str, Any]:
    """Return all that a fit depends on, as names and plain values."""
    names = np.frombuffer(repr(panel.ids).encode(), dtype=np.uint8)  # (bytes,)
    numbers = {"values": panel.values, "known": panel.known, "static": panel.static, "offsets": panel.offsets}
    columns = {"targets": panel.targets, "past": panel.past, "future": panel.future}
    return {
        "model": model.name,
        "settings": model.stored_settings(),
        "fit": how,
        "layout": asdict(panel.layout),
        "data": {
            "series": panel.num_series,
            "rows": len(panel.values),
            "frequency": panel.frequency.step,
            "zone": panel.zone,
            "static_names": panel.static_names,
            **columns,
            **fingerprint(time=panel.time, names=names, known_offsets=panel.known_offsets, **numbers),
        },
    }


def _calibrated(
    fitted: FittedForecaster,
    gather: ResidentGather,
    seen: TransformedPanel,
    later: WindowIndex,
    levels: tuple[float, ...],
) -> Calibration:
    """Calibrate on windows that the network never learned from, spread evenly over all there are.

    Forecasts of differences are added up before that, and counted in units of their spread.
    """
    model = fitted.model
    table = gather.table
    series, origins = spread_evenly(later)  # (M,) each
    center, scale = (part[:, table.targets][series][:, None] for part in fitted.scaling.values)  # (M, 1, D)
    steps = origins[:, None] + np.arange(1, model.horizon + 1)  # (M, H)
    if seen.transforms.adds_up:
        lost = seen.lost * (series + 1)  # (M,) rows of the original that the transformed panel lacks before
        units = Affine(*(part[:, table.targets] for part in fitted.scaling.values))  # (S, D) each
        changes = forecast(fitted.network, gather, units, series, origins)  # (M, H, D, P)
        sums = seen.added_up(changes, Origins(series, origins + lost, np.zeros_like(series)))  # (M, H, D, P)
        truth = seen.calibrated[steps + lost[:, None]] / scale  # (M, H, D)
        return calibrate(truth, sums / scale[..., None], model.quantiles, levels)
    with np.errstate(over="ignore"):  # calibrate refuses what is infinite
        truth = (table.values[:, table.targets][steps] - center) / scale  # (M, H, D)
    as_scaled = Affine(*(np.full((len(table.names), truth.shape[2]), x) for x in (0.0, 1.0)))  # (S, D) each
    forecasts = forecast(fitted.network, gather, as_scaled, series, origins)  # (M, H, D, P)
    return calibrate(truth, forecasts, model.quantiles, levels)


def spread_evenly(windows: WindowIndex) -> tuple[Ints, Ints]:
    """Return series and origin, (M,) each, of as many windows as a calibration rests on at most."""
    count = min(len(windows), CALIBRATION_WINDOWS)
    positions = np.linspace(0, len(windows) - 1, count).round().astype(np.int64)  # (M,)
    return windows.locate(np.unique(positions))


def training_windows(panel: Panel, rows: Ints, model: WindowRegressor) -> WindowIndex:
    """Index the windows within the first ``rows`` (S,) of each series.

    A series that is long enough gives complete windows only, ``window_step`` rows apart; a shorter one gives
    padded ones.
    """
    enough = rows >= model.sequence_length + model.horizon  # (S,)
    min_context = np.where(enough, model.sequence_length, 1)  # (S,)
    return index_windows(
        panel.offsets,
        np.zeros_like(rows),
        rows,
        horizon=model.horizon,
        min_context=min_context,
        step=model.window_step,
    )


def _observed_rows(panel: Panel, rows: Ints) -> Ints:
    """Count the observed values of the emptiest target in the first ``rows`` (S,) of each series, (S,)."""
    targets = panel.values[:, : len(panel.targets)]  # (N, D)
    counts = np.zeros((panel.num_series, targets.shape[1]), dtype=np.int64)  # (S, D)
    for piece in pieces(panel.offsets[:-1], np.minimum(rows, panel.lengths)):
        counts[piece.series] += piece.reduced(np.add, np.isfinite(targets[piece.rows]))  # (P, D)
    emptiest: Ints = counts.min(axis=1)  # (S,)
    return emptiest


def _held_out(
    model: WindowRegressor,
    panel: Panel,
    val_size: int | None,
    levels: tuple[float, ...] | None,
    lost: int,
) -> HeldOut:
    """Decide how many last rows of each series are held out; none where a series can spare none.

    Transforms take the first ``lost`` rows of those that remain.
    """
    lengths, horizon, calibrate = panel.lengths, model.horizon, levels is not None
    if val_size is not None:
        require_whole(val_size=(val_size, 0))
    choose = model.patience is not None if val_size is None else val_size > 0
    if val_size is not None:
        wanted = _named_rows(panel, val_size, horizon, calibrate=calibrate)
    else:
        wanted = np.zeros_like(lengths)
        if choose:
            wanted = np.maximum(horizon, np.round(VALIDATION_SHARE * lengths).astype(np.int64))
        if levels is not None:
            wanted = np.maximum(wanted, _calibration_rows(lengths, horizon, levels))
    spare = _observed_rows(panel, lengths - wanted) >= horizon + 1 + lost
    if wanted.any() and not spare.any():
        purpose = "to calibrate intervals" if calibrate else "for validation"
        instead = "ask for no intervals (coverage=())" if calibrate else "set patience=None"
        raise DataError(
            f"No series can spare {int(wanted.max())} rows {purpose} and keep {_needed(horizon, lost)} "
            f"for training: the longest has {int(lengths.max())}. Lower "
            f"{'the horizon' if val_size is None else 'val_size or the horizon'}, or {instead}."
        )
    return HeldOut(np.where(spare, wanted, 0), choose, calibrate)


def _calibration_rows(lengths: Ints, horizon: int, levels: tuple[float, ...]) -> Ints:
    """Return the last rows of each series that intervals are calibrated on, (S,).

    A fifth of each series, or more where all series together would give a level too few origins: one of
    the upper or lower 2.5 % needs 39.
    """
    outermost = min(levels[0], 1 - levels[-1])
    origins = math.ceil((1 / outermost - 1) / len(lengths))  # that each series needs
    enough = np.minimum(np.round(LARGEST_SHARE * lengths), horizon - 1 + origins)  # (S,)
    rows = np.maximum(np.round(CALIBRATION_SHARE * lengths), enough)  # (S,)
    return np.clip(rows, horizon, horizon - 1 + MOST_ORIGINS).astype(np.int64)


def _named_rows(panel: Panel, val_size: int, horizon: int, *, calibrate: bool) -> Ints:
    """Return the rows that the caller holds out, (S,)."""
    if 0 < val_size < horizon:
        raise SettingError(f"val_size must be 0 or at least the horizon, {horizon}, got {val_size}.")
    if calibrate and not val_size:
        raise SettingError(
            "val_size=0 holds no rows out, but intervals are calibrated on such rows. Give val_size, leave "
            "it out, or ask for no intervals: coverage=()."
        )
    return np.full_like(panel.lengths, val_size)


def _refuse_large(panel: Panel) -> None:
    rows, columns = len(panel.values), panel.values.shape[1] + panel.known.shape[1]
    refuse_beyond_memory(
        BYTES_PER_CELL * rows * columns,
        f"Fitting {panel.num_series:,} series of {rows:,} rows in all ({columns:,} columns)",
        "Fit a part of the series or of their history, or use a larger machine.",
    )


def _needed(horizon: int, lost: int) -> str:
    """Say how many rows of a series training needs."""
    taken = f" + {lost} for target_transform" if lost else ""
    return f"horizon + 1{taken} = {horizon + 1 + lost}"


def _refuse_uncalibrated(seen: TransformedPanel, model: WindowRegressor, answers: Answers) -> None:
    """Refuse a network's own quantiles of differences where no calibration makes quantiles of their sums."""
    if seen.transforms.adds_up and model.quantiles is not None and answers.levels is None:
        raise SettingError(
            f"target_transform={list(seen.transforms.names)} lets the network forecast differences, and the "
            "sum of quantiles is not the quantile of the sum. Ask for intervals that are calibrated, "
            "coverage=..., or leave quantiles out."
        )


def _refuse_short(panel: Panel, horizon: int, lost: int) -> None:
    short = np.flatnonzero(panel.lengths < horizon + 1 + lost)
    if len(short):
        named = ", ".join(f"{panel.ids[s]!r} has {panel.lengths[s]}" for s in short[:5])
        raise DataError(
            f"Fitting needs at least {_needed(horizon, lost)} rows per series, but {named}"
            f"{' ...' if len(short) > 5 else ''} ({len(short)} of {len(panel.ids)} series are too short). "
            "Lower the horizon, or leave these series out (bad_series='drop').",
            series=panel.ids[short[0]],
        )


def _refuse_impossible(panel: Panel, answers: Answers) -> None:
    """Refuse bounds, or whole numbers, that the history itself does not keep to."""
    targets = panel.values[:, : len(panel.targets)]  # (N, D)
    rules = {
        f"below lower={answers.lower}": answers.lower is not None and targets < answers.lower,
        f"above upper={answers.upper}": answers.upper is not None and targets > answers.upper,
        "no whole numbers (integer=True)": answers.integer and targets % 1 > 0,
    }
    for rule, broken in rules.items():
        places = np.argwhere(np.broadcast_to(broken, targets.shape))
        if len(places):
            row, target = places[0]
            where, fields = panel.place(row, target)
            raise DataError(
                f"{len(places)} values of the history are {rule}; the first is {targets[row, target]:g}: "
                f"{where}. Correct these values, or drop that rule.",
                **fields,
                value=float(targets[row, target]),
            )
