"""What fitting a panel leaves behind: enough to forecast, and to be written to a file and read back."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import Any, cast

import numpy as np
from sklearn.base import clone

from timeseries.deeplearning.artifact import Artifact
from timeseries.deeplearning.engine import Floats, fit_network, fit_scaling, forecast, sizes_for
from timeseries.deeplearning.gather import Affine, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.history import EpochRecord, Reporter
from timeseries.deeplearning.models import WindowRegressor, model_class
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.packing import Arrays, pack_network, unpack_network
from timeseries.deeplearning.window import Sizes
from timeseries.errors import ArtifactError, DataError, SettingError, require_whole
from timeseries.frequency import Frequency
from timeseries.normalization import segment_statistics
from timeseries.panel import Panel, TableLayout
from timeseries.splits import Origins
from timeseries.tables.layout import plain
from timeseries.windows import Ints, WindowIndex, index_windows

COLUMN_ROLES = ("targets", "past", "future", "static_names")  # fields of a panel that name columns
TAIL_ARRAYS = ("offsets", "values", "known", "known_offsets", "static")  # fields of a panel that hold numbers
VALIDATION_SHARE = 0.1  # of each series, when early stopping needs a held-out tail and none is named


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedForecaster:
    """A fitted network with the scaling of every series and the rows that the next forecast starts from."""

    model: WindowRegressor
    network: ForecastNetwork
    sizes: Sizes
    scaling: Scaling
    static_scaling: Affine  # (1, Q)
    tail: Panel  # the last rows of every series, as many as the network sees
    history: list[EpochRecord]

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.title

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Return the quantile levels, None for a point forecast."""
        return None if self.model.quantiles is None else tuple(self.model.quantiles)

    @property
    def layout(self) -> TableLayout:
        """Return the layout that further tables must have: what was found at fit is now demanded."""
        layout = replace(self.tail.layout, freq=self.tail.frequency.step)
        return replace(layout, target=self.tail.targets) if self.tail.shape == "joint" else layout

    def warn_if_short(self, panel: Panel) -> None:
        """Say so when a history has fewer rows than any that the network was fitted to."""
        enough = int(self.tail.lengths.min(initial=self.model.sequence_length))
        short = np.flatnonzero(panel.lengths < enough)
        if len(short):
            warnings.warn(
                f"{len(short)} of {len(panel.ids)} histories have fewer rows than the network was fitted to "
                f"({enough}), the first is {panel.ids[short[0]]!r} with {panel.lengths[short[0]]}. They are "
                "padded; trust their forecasts less.",
                stacklevel=3,
            )

    def forecast(self, panel: Panel, origins: Origins) -> Floats:
        """Forecast from the given origins of a panel, each from the rows up to it alone.

        Returns
        -------
        array of shape (M, H, D, P)
            In the user's units.
        """
        _check_same_columns(self.tail, panel)
        _check_future(panel, origins, self.model.horizon)
        table = series_table(panel, self.static_scaling)
        scaling = self._scaling_of(panel, table)
        # Anchored at the centres: no row outside the windows can move a forecast, not even by rounding.
        context, device = self.model.sequence_length, self.model.device
        buffers = Buffers(table, context=context, device=device, anchors=scaling)
        gather = ResidentGather(buffers, scaling, horizon=self.model.horizon)
        targets = Affine(*(part[:, table.targets] for part in scaling.values))  # (S, D) each
        return forecast(self.network, gather, targets, origins.series, origins.row)

    def _scaling_of(self, panel: Panel, table: SeriesTable) -> Scaling:
        """Return the fitted scaling of each series of a panel; a new series is scaled by its own rows."""
        if panel.ids == self.tail.ids:
            return self.scaling
        place = {name: i for i, name in enumerate(self.tail.ids)}
        fitted = np.array([place.get(name, -1) for name in panel.ids])  # (S,)
        own = fit_scaling(table, panel.lengths)
        merged = [
            None if mine is None or theirs is None else Affine(*map(_choose(fitted), mine, theirs))
            for mine, theirs in zip(own, self.scaling, strict=True)
        ]
        return Scaling(cast("Affine", merged[0]), merged[1])


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C ended training; ``fitted`` is the best there was."""

    def __init__(self, fitted: FittedForecaster) -> None:
        super().__init__("Training was interrupted.")
        self.fitted = fitted


def _choose(fitted: Ints) -> Callable[[Floats, Floats], Floats]:
    """Return a function that takes rows of ``theirs`` where a series was fitted, else of ``mine``."""
    return lambda mine, theirs: np.where((fitted >= 0)[:, None], theirs[fitted], mine)


def fit_model(
    model: WindowRegressor,
    panel: Panel,
    val_size: int | None = None,
    *,
    keep_validation: bool = False,
    reporter: Reporter | None = None,
) -> FittedForecaster:
    """Fit a model to every window of a panel.

    The last ``val_size`` rows of each series choose the number of epochs; unless ``keep_validation``, the
    network is then fitted again on all rows for that number, since the newest rows matter most. A one-cycle
    schedule is planned anew for these steps, so that the refit ends at its smallest rate although the first
    run may have stopped far from its own; ``max_seconds`` bounds the first run alone.

    Raises
    ------
    TrainingInterrupted
        After Ctrl-C, with the best network so far: that of the first run, until the refit is complete.
    """
    lengths = panel.lengths  # (S,)
    _refuse_short(panel, model.horizon)
    train_rows = lengths - _validation_rows(model, panel, val_size)  # (S,)
    static = Affine(*segment_statistics(panel.static, np.array([0, len(panel.ids)])))  # (1, Q) each
    table = series_table(panel, static)
    buffers = Buffers(table, context=model.sequence_length, device=model.device)

    scaling = fit_scaling(table, train_rows)
    gather = ResidentGather(buffers, scaling, horizon=model.horizon)
    train = _training_windows(panel, train_rows, model)
    validation = None
    if (train_rows < lengths).any():
        validation = index_windows(panel.offsets, train_rows, lengths, horizon=model.horizon)
    network, history, interrupted = fit_network(model, gather, train, validation, reporter)
    fitted = FittedForecaster(
        model=model,
        network=network,
        sizes=sizes_for(model, table),
        scaling=scaling,
        static_scaling=static,
        tail=panel.tail(model.sequence_length),
        history=history,
    )
    if interrupted:
        raise TrainingInterrupted(fitted)
    if validation is None or keep_validation:
        return fitted
    scaling = fit_scaling(table, lengths)
    gather = ResidentGather(buffers, scaling, horizon=model.horizon)
    network = _refit(fitted, gather, _training_windows(panel, lengths, model), reporter)
    return replace(fitted, network=network, scaling=scaling)


def _refit(
    fitted: FittedForecaster, gather: ResidentGather, train: WindowIndex, reporter: Reporter | None
) -> ForecastNetwork:
    """Fit the model's network again, for the steps that led to the best epoch of the first run."""
    best = min(fitted.history, key=lambda record: cast("float", record["val_loss"]))
    steps = sum(record["steps"] for record in fitted.history[: best["epoch"] + 1])
    chosen = {"epochs": best["epoch"] + 1, "max_steps": steps, "max_seconds": None, "patience": None}
    try:
        network, _, interrupted = fit_network(
            clone(fitted.model).set_params(**chosen), gather, train, None, reporter
        )
    except KeyboardInterrupt:  # before its first step
        interrupted = True
    if interrupted:
        raise TrainingInterrupted(fitted)
    return network


def series_table(panel: Panel, static_scaling: Affine) -> SeriesTable:
    """Return a panel's numbers as the gather wants them; static features are scaled here."""
    static = (panel.static - static_scaling.center) / static_scaling.scale  # (S, Q)
    return SeriesTable(
        names=panel.ids,
        offsets=panel.offsets,
        values=panel.values,
        inputs=slice(0, panel.values.shape[1]),
        targets=slice(0, len(panel.targets)),
        lead=1,  # the forecast begins one step after the origin
        time_gap=_time_gap(panel) if panel.has_missing else None,
        known=panel.known if panel.future else None,
        known_offsets=panel.known_offsets if panel.future else None,
        static=static if panel.static_names else None,
    )


def _time_gap(panel: Panel) -> Floats:
    """Return the rows since the last row before with any observed value, (N,); 1 on a complete grid."""
    rows = np.arange(len(panel.values))
    first = np.repeat(panel.offsets[:-1], panel.lengths)  # (N,) the first row of its series
    seen = np.where(np.isfinite(panel.values).any(axis=1), rows, -1)  # (N,)
    last = np.maximum.accumulate(seen)  # (N,) the last observed row up to this one
    before = np.concatenate([[-1], last[:-1]])  # (N,)
    gap: Floats = (rows - np.maximum(before, first - 1)).astype(np.float64)
    return gap


def _training_windows(panel: Panel, rows: Ints, model: WindowRegressor) -> WindowIndex:
    """Index the windows within the first ``rows`` (S,) of each series.

    A series that is long enough gives complete windows only; a shorter one gives padded ones.
    """
    enough = rows >= model.sequence_length + model.horizon  # (S,)
    min_context = np.where(enough, model.sequence_length, 1)  # (S,)
    return index_windows(
        panel.offsets, np.zeros_like(rows), rows, horizon=model.horizon, min_context=min_context
    )


def _observed_rows(panel: Panel, rows: Ints) -> Ints:
    """Count the observed values of the emptiest target in the first ``rows`` (S,) of each series, (S,)."""
    within = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)  # (N,)
    targets = panel.values[:, : len(panel.targets)]  # (N, D)
    seen = np.isfinite(targets) & (within < np.repeat(rows, panel.lengths))[:, None]  # (N, D)
    total = np.concatenate([np.zeros_like(seen[:1], dtype=np.int64), np.cumsum(seen, axis=0)])  # (N+1, D)
    counts: Ints = np.diff(total[panel.offsets], axis=0).min(axis=1)  # (S,)
    return counts


def _validation_rows(model: WindowRegressor, panel: Panel, val_size: int | None) -> Ints:
    """Return how many last rows of each series only watch, (S,); none where a series can spare none."""
    lengths = panel.lengths
    if val_size is None and model.patience is None:
        return np.zeros_like(lengths)
    if val_size is None:
        wanted = np.maximum(model.horizon, np.round(VALIDATION_SHARE * lengths)).astype(np.int64)
    else:
        require_whole(val_size=(val_size, 0))
        wanted = np.full_like(lengths, val_size)
        if 0 < val_size < model.horizon:
            raise SettingError(
                f"val_size must be 0 or at least the horizon, {model.horizon}, got {val_size}."
            )
    spare = _observed_rows(panel, lengths - wanted) >= model.horizon + 1
    if wanted.any() and not spare.any():
        raise DataError(
            f"No series can spare {int(wanted.max())} rows for validation and keep horizon + 1 = "
            f"{model.horizon + 1} for training: the longest has {int(lengths.max())}. Lower val_size or the "
            "horizon, or set patience=None."
        )
    return np.where(spare, wanted, 0)


def _refuse_short(panel: Panel, horizon: int) -> None:
    short = np.flatnonzero(panel.lengths < horizon + 1)
    if len(short):
        named = ", ".join(f"{panel.ids[s]!r} has {panel.lengths[s]}" for s in short[:5])
        raise DataError(
            f"Fitting needs at least horizon + 1 = {horizon + 1} rows per series, but {named}"
            f"{' ...' if len(short) > 5 else ''} ({len(short)} of {len(panel.ids)} series are too short). "
            "Lower the horizon, or leave these series out."
        )


def _check_same_columns(fitted: Panel, panel: Panel) -> None:
    if fitted.shape != panel.shape:
        raise DataError(
            f"The model was fitted to a {fitted.shape} table, but this one is {panel.shape} (long: a column "
            f"{fitted.layout.id!r} names the series; wide: a column per series; joint: one series). "
            "Bring it into the shape of the fitted table."
        )
    for role, known, given in (
        ("targets", fitted.targets, panel.targets),
        ("past covariates", fitted.past, panel.past),
        ("future covariates", fitted.future, panel.future),
        ("static features", fitted.static_names, panel.static_names),
    ):
        if known != given:
            raise DataError(f"The model was fitted with the {role} {list(known)}, but got {list(given)}.")


def _check_future(panel: Panel, origins: Origins, horizon: int) -> None:
    """Refuse origins whose future covariates end before their horizon does."""
    if not panel.future:
        return
    needed = origins.row - panel.offsets[origins.series] + 1 + horizon  # (M,) rows from the series' start
    given = np.diff(panel.known_offsets)[origins.series]  # (M,)
    short = np.flatnonzero(given < needed)
    if len(short):
        s = int(origins.series[short[0]])
        raise DataError(
            f"Series {panel.ids[s]!r}: the covariates {', '.join(panel.future)} end "
            f"{int(needed[short[0]] - given[short[0]])} steps too early. A forecast of {horizon} steps needs "
            f"them up to {plain(panel.future_times(horizon)[s, -1])}: pass these rows as future=."
        )


def pack(fitted: FittedForecaster, *, history: bool) -> Artifact:
    """Return everything a fitted forecaster knows as an artifact, with or without the last rows."""
    tail = fitted.tail if history else fitted.tail.tail(0)
    if not all(isinstance(name, (str, int)) for name in tail.ids):
        raise SettingError("Only forecasters whose series are named by text or whole numbers can be saved.")
    manifest = {
        "kind": "forecaster",
        "model": fitted.model.name,
        "settings": fitted.model.stored_settings(),
        "sizes": asdict(fitted.sizes),
        "layout": asdict(tail.layout),
        "frequency": tail.frequency.step,
        "series": tail.ids,
        "shape": tail.shape,
        "index": tail.index,
        "columns": {name: getattr(tail, name) for name in COLUMN_ROLES},
        "time": "stamps" if np.issubdtype(tail.time.dtype, np.datetime64) else "numbers",
        "history": fitted.history,
    }
    arrays: Arrays = pack_network(fitted.network, fitted.sizes)
    affines = {
        "values": fitted.scaling.values,
        "known": fitted.scaling.known,
        "static": fitted.static_scaling,
    }
    for name, affine in affines.items():
        if affine is not None:
            arrays |= {f"scaling.{name}.center": affine.center, f"scaling.{name}.scale": affine.scale}
    arrays |= {f"tail.{name}": getattr(tail, name) for name in TAIL_ARRAYS}
    arrays["tail.time"] = tail.time.astype(np.int64)
    return Artifact(_as_json(manifest), arrays)


def unpack(stored: Artifact, path: str | PathLike[str], networks: Mapping[str, Any]) -> FittedForecaster:
    """Rebuild a fitted forecaster from an artifact."""
    manifest: Any = stored.manifest
    if manifest.get("kind") != "forecaster":
        raise ArtifactError(
            f"{path} is the file of an estimator ({manifest.get('model')!r}), not of a forecaster. "
            "Load it with its own class, such as LSTMModel.load(path)."
        )
    try:
        made = model_class(manifest["model"])
        model = made(**made.restored_settings(manifest["settings"], networks))
        model.check_settings()
        sizes, layout = Sizes(**manifest["sizes"]), TableLayout(**manifest["layout"])
        network = unpack_network(model, sizes, stored.tensors)
        tail = _unpack_tail(manifest, stored.tensors, layout)
        affines = [_unpack_affine(stored.tensors, name) for name in ("values", "known", "static")]
    except (KeyError, TypeError, SettingError) as error:
        raise ArtifactError(f"{path} lacks a part of a forecaster or holds a wrong one: {error}.") from error
    return FittedForecaster(
        model=model,
        network=network,
        sizes=sizes,
        scaling=Scaling(cast("Affine", affines[0]), affines[1]),
        static_scaling=cast("Affine", affines[2]),
        tail=tail,
        history=manifest["history"],
    )


def _unpack_affine(arrays: Arrays, name: str) -> Affine | None:
    if name == "known" and "scaling.known.center" not in arrays:
        return None
    return Affine(arrays[f"scaling.{name}.center"], arrays[f"scaling.{name}.scale"])


def _unpack_tail(manifest: Any, arrays: Arrays, layout: TableLayout) -> Panel:
    time = arrays["tail.time"]
    roles: Any = {name: tuple(manifest["columns"][name]) for name in COLUMN_ROLES}
    numbers: Any = {name: arrays[f"tail.{name}"] for name in TAIL_ARRAYS}
    return Panel(
        ids=tuple(manifest["series"]),
        time=time.view("datetime64[us]") if manifest["time"] == "stamps" else time,
        frequency=Frequency(manifest["frequency"]),
        layout=layout,
        shape=manifest["shape"],
        index=tuple(manifest["index"]),
        notes=(),
        **roles,
        **numbers,
    )


def _as_json(value: Any) -> Any:
    """Return nested settings as JSON knows them: tuples become lists."""
    if isinstance(value, dict):
        return {key: _as_json(part) for key, part in value.items()}
    return [_as_json(part) for part in value] if isinstance(value, (list, tuple)) else value
