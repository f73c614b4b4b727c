"""Windows become batches here: indexing on the buffers' own device, O(batch) work per step.

All series stand one after another in one float32 buffer of (value - anchor), the anchor being the first
observed value of each series and column, in float64: a large level costs no precision. Scaling is one
multiply-add per batch, so folds and refits share the buffer and differ in the affine alone. The windows
themselves are overlapping views of the buffer; nothing is stored per window.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from timeseries.deeplearning.runtime import check_device
from timeseries.deeplearning.window import Window
from timeseries.segments import Piece, pieces
from timeseries.windows import Ints, Permutation, WindowIndex

Floats = npt.NDArray[np.float64]
LARGEST_EXPONENT = 100  # of two: numbers between 1e-30 and 1e30 are kept as they are
CHUNK = 1 << 16  # windows located at once: enough to amortise the search, small enough to stay in cache
CUT_AT_ONCE = 1 << 15  # numbers of the batches that are cut together: small ones cost more calls than copying


class Affine(NamedTuple):
    """Centre and scale of every column of every series; scaled = (value - center) / scale."""

    center: Floats  # (S, C)
    scale: Floats  # (S, C)


class Batch(NamedTuple):
    """One optimiser step: windows, their targets, and how much each target counts."""

    window: Window
    target: Tensor  # (B, H, D), or (B, T', H, D) when every position of the window is trained on
    weight: Tensor | None  # of the same shape; None when every target counts once
    every_position: bool = False
    level: Tensor | None = None  # (B, [1,] 1, D) what turns a scaled value into one in units of the target
    seen: Tensor | int | None = None  # targets that are there, where windows count differently

    def total(self) -> Tensor | int:
        """Return what the losses are divided by: the targets that are there."""
        if self.seen is not None:
            return self.seen
        return self.target.numel() if self.weight is None else self.weight.sum()

    def parts(self, count: int) -> Iterator["Batch"]:
        """Yield the batch in so many parts, as even as can be."""
        size = -(-len(self.target) // count)
        for first in range(0, len(self.target), size):
            yield self.windows(slice(first, first + size))

    def windows(self, rows: slice) -> "Batch":
        """Return some of its windows."""
        window: Any = (None if part is None else part[rows] for part in self.window)
        return self._replace(
            window=Window(*window),
            target=self.target[rows],
            weight=None if self.weight is None else self.weight[rows],
            level=None if self.level is None else self.level[rows],
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class SeriesTable:
    """All numbers of all series, as the gather wants them; NaN marks what was not observed."""

    names: tuple[Hashable, ...]  # S
    offsets: Ints  # (S+1,)
    values: Floats  # (N, C)
    inputs: slice  # the columns that a window shows
    targets: slice  # the columns to forecast
    lead: int  # rows from the origin to the first row of the target
    time_gap: npt.NDArray[np.floating[Any]] | None = None  # (N,) rows since the last observed one
    known: Floats | None = None  # (M, K) known into the future; runs past the end of the values
    known_offsets: Ints | None = None  # (S+1,)
    static: Floats | None = None  # (S, Q), scaled by the caller
    weights: Floats | None = None  # (N,) how much the window counts that ends at a row, 1 on average

    @property
    def autoregressive(self) -> bool:
        """Whether a window shows the past of the targets."""
        columns = np.arange(self.values.shape[1])
        return bool(np.isin(columns[self.targets], columns[self.inputs]).all())


class Scaling(NamedTuple):
    """How values and known covariates are scaled."""

    values: Affine
    known: Affine | None = None


class Block:
    """One block of columns of all series on the device: value - anchor, and what of it was observed.

    Values too large or too small for float32 are counted in a unit, a power of two: that is exact. The unit
    is that of the ``largest`` (S, C) of each series and column, which is taken from the values when absent.
    """

    def __init__(
        self,
        values: Floats,
        offsets: Ints,
        margin: int,
        device: torch.device,
        anchor: Floats | None = None,
        largest: Floats | None = None,
    ) -> None:
        self.source = values, offsets, margin, device
        walk, shape = list(pieces(offsets[:-1], np.diff(offsets))), (len(offsets) - 1, values.shape[1])
        anchor = _first_observed(values, walk, shape) if anchor is None else anchor  # (S, C)
        if largest is None:
            largest = np.maximum(_largest(values, walk, shape), np.abs(anchor))  # (S, C)
        exponent = np.frexp(largest)[1]  # (S, C)
        within = np.minimum(np.maximum(exponent, -LARGEST_EXPONENT), LARGEST_EXPONENT)  # (S, C)
        self.unit = np.ldexp(1.0, np.where(largest > 0, exponent - within, 0))  # (S, C)
        self.anchor = anchor / self.unit  # (S, C)
        self.rows, self.observed = self._filled(walk)  # (margin+N, C) each; None: all are observed

    def _filled(self, walk: Sequence[Piece]) -> tuple[Tensor, Tensor | None]:
        """Return (value - anchor) / unit of all rows, 0 where not observed, and which are."""
        values, _, margin, device = self.source
        shape = (margin + len(values), values.shape[1])
        rows, seen = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)  # (margin+N, C) each
        complete = True
        for piece in walk:
            part = values[piece.rows]  # (n, C)
            observed = np.isfinite(part)  # (n, C)
            unit, anchor = (piece.spread(x[piece.series]) for x in (self.unit, self.anchor))  # (n, C) each
            with np.errstate(over="ignore"):  # the loss or the forecast refuses what float32 cannot hold
                rows[margin:][piece.place] = np.where(observed, part / unit - anchor, 0.0)
            seen[margin:][piece.place] = observed
            complete = complete and bool(observed.all())
        return (
            torch.from_numpy(rows).to(device),
            None if complete else torch.from_numpy(seen).to(device),
        )

    def suited_to(self, affine: Affine) -> "Block":
        """Return this block, or one counted in units of the scale where this one's unit dwarfs it.

        A value of 1e200 after the rows that gave the scale would leave no digit of the others in float32.
        """
        if (affine.scale >= self.unit * 2.0**-LARGEST_EXPONENT).all():
            return self
        return Block(*self.source, affine.center, affine.scale)


class Buffers:
    """Everything that windows are cut from, on one device; made once, whatever the scaling.

    Parameters
    ----------
    table : SeriesTable
        The numbers.
    context : int
        Rows of the longest window to cut (T).
    device : str
        Where the numbers go.
    anchors : Scaling, optional
        Whose centres are the anchors; when absent, the first observed values.
    """

    def __init__(
        self, table: SeriesTable, *, context: int, device: str = "cpu", anchors: Scaling | None = None
    ) -> None:
        check_device(device)
        self.table, self.context, self.device = table, context, torch.device(device)
        margin = context - 1  # rows before the first series, so that no span starts outside the buffer
        anchor = None if anchors is None else anchors.values.center
        self.values = Block(table.values, table.offsets, margin, self.device, anchor)
        self.known, self.known_shift = None, np.zeros(len(table.names), dtype=np.int64)
        if table.known is not None and table.known_offsets is not None:
            anchor = None if anchors is None or anchors.known is None else anchors.known.center
            self.known = Block(table.known, table.known_offsets, margin, self.device, anchor)
            self.known_shift = table.known_offsets[:-1] - table.offsets[:-1]  # (S,)
        self.gap = None
        if table.time_gap is not None:
            gap = np.zeros((margin + len(table.time_gap), 1), dtype=np.float32)  # (margin+N, 1)
            gap[margin:, 0] = table.time_gap
            self.gap = torch.from_numpy(gap).to(self.device)
        self.weights = None
        if table.weights is not None:
            self.weights = torch.from_numpy(table.weights.astype(np.float32)).to(self.device)
        self.static = None
        if table.static is not None:
            self.static = torch.from_numpy(table.static.astype(np.float32)).to(self.device)


class _Scaled:
    """A block seen through an affine: scaled = (value - center) / scale, in one multiply-add."""

    def __init__(self, block: Block, affine: Affine) -> None:
        block = block.suited_to(affine)
        scale, center = affine.scale / block.unit, affine.center / block.unit  # (S, C) each
        with np.errstate(all="ignore"):  # what float32 cannot hold is refused by the loss or the forecast
            slope = (1.0 / scale).astype(np.float32)  # (S, C)
            shift = ((block.anchor - center) / scale).astype(np.float32)  # (S, C)
        self.slope = torch.from_numpy(slope).unsqueeze(1).to(block.rows.device)  # (S, 1, C)
        self.shift = torch.from_numpy(shift).unsqueeze(1).to(block.rows.device)  # (S, 1, C)
        self.rows, self._center, self._scale = block.rows, center, scale

    @cached_property
    def level(self) -> Tensor:
        """Return centre / scale, (S, 1, C); few losses ask for it."""
        return torch.from_numpy(self._center / self._scale).float().unsqueeze(1).to(self.rows.device)

    def spans(self, at: Tensor, starts: Tensor, length: int, columns: slice = slice(None)) -> Tensor:
        """Return scaled spans (B, length, C) of the series ``at`` from rows ``starts``."""
        slope, shift = (
            part if part.shape[0] == 1 else part.index_select(0, at) for part in (self.slope, self.shift)
        )  # (B, 1, C) each; one series needs no lookup
        spans = _spans(self.rows[:, columns], length, starts)  # (B, length, C)
        return torch.addcmul(shift[..., columns], spans, slope[..., columns])  # (B, length, C)


class ResidentGather:
    """Cut windows out of buffers that live on one device as a whole.

    Parameters
    ----------
    buffers : Buffers
        The numbers; they also fix the rows of a window (T).
    scaling : Scaling
        How they are scaled.
    horizon : int
        Rows of a target (H).
    """

    def __init__(self, buffers: Buffers, scaling: Scaling, *, horizon: int) -> None:
        self.buffers, self.table = buffers, buffers.table
        self.context, self.horizon, self.device = buffers.context, horizon, buffers.device
        self.values = _Scaled(buffers.values, scaling.values)
        self.known = None
        if buffers.known is not None and scaling.known is not None:
            self.known = _Scaled(buffers.known, scaling.known)

    def window(self, series: Ints, origin: Ints) -> Window:
        """Return the windows that end at the given origins, (B,) series and (B,) rows.

        This is the door of the past: no number after an origin passes it, except covariates that are
        known into the future.
        """
        at, rows = self._to_device(series), self._to_device(origin)  # (B,) each
        past = self.values.spans(at, rows, self.context, self.table.inputs)  # (B, T, C)
        future = None
        if self.known is not None:
            starts = self._to_device(origin + self.buffers.known_shift[series])  # (B,)
            covariates = self.known.spans(at, starts, self.context + self.horizon)  # (B, T+H, K)
            past = torch.cat([past, covariates[:, : self.context]], dim=-1)  # (B, T, C+K)
            future = covariates[:, self.context :]  # (B, H, K)
        gap, static = self.buffers.gap, self.buffers.static
        return Window(
            past,
            self._observed(series, origin, rows, past),
            None if gap is None else self._time_gap(gap, rows),
            future,
            None if static is None else static.index_select(0, at),  # (B, Q)
        )

    def target(self, series: Ints, origin: Ints) -> tuple[Tensor, Tensor | None]:
        """Return the scaled targets (B, H, D) of the given origins, and which are observed (None: all).

        This is the other door: what passes it is for losses and scores, never for a network.
        """
        starts = self._to_device(origin + self.context - 1 + self.table.lead)  # (B,)
        target = self.values.spans(self._to_device(series), starts, self.horizon, self.table.targets)
        if self.buffers.values.observed is None:
            return target, None
        observed = _spans(self.buffers.values.observed[:, self.table.targets], self.horizon, starts)
        return target.masked_fill(~observed, 0.0), observed  # (B, H, D) each

    def level(self, series: Ints) -> Tensor:
        """Return centre / scale of the targets, (B, 1, D): scaled value + level = value / scale."""
        return self.values.level[..., self.table.targets].index_select(0, self._to_device(series))

    def weights(self, origin: Ints) -> Tensor | None:
        """Return how much each window counts, (B,); None where all count the same."""
        weights = self.buffers.weights
        return None if weights is None else weights.index_select(0, self._to_device(origin))

    def targets_of_positions(self, series: Ints, origin: Ints, stride: int) -> tuple[Tensor, Tensor]:
        """Return the targets that follow every ``stride``-th position of the windows, and which count.

        Positions are counted back from the origin; one before the first row of its series does not count.

        Returns
        -------
        Tensor of shape (B, T', H, D), and Tensor of the same shape that is True where a target counts
        """
        back = np.arange(0, self.context, stride)[::-1].copy()  # (T',) rows from a position to the origin
        longest = back[0] + self.horizon
        starts = self._to_device(origin - back[0] + self.context - 1 + self.table.lead)  # (B,)
        at = self._to_device(series)  # (B,)
        span = self.values.spans(at, starts, longest, self.table.targets)  # (B, longest, D)
        started = self._to_device(back < self._available(series, origin)[:, None])  # (B, T')
        counts = started[:, :, None, None].expand(-1, -1, self.horizon, span.shape[-1])  # (B, T', H, D)
        target = span.unfold(1, self.horizon, stride).transpose(2, 3)  # (B, T', H, D)
        if self.buffers.values.observed is not None:
            seen = _spans(self.buffers.values.observed[:, self.table.targets], longest, starts)
            counts = counts & seen.unfold(1, self.horizon, stride).transpose(2, 3)  # (B, T', H, D)
        return target.masked_fill(~counts, 0.0), counts

    def complete(self, series: Ints, origin: Ints) -> bool:
        """Tell whether every number of these windows and their targets is there."""
        return self.buffers.values.observed is None and bool(
            (self._available(series, origin) >= self.context).all()
        )

    def _available(self, series: Ints, origin: Ints) -> Ints:
        """Return how many rows of its own series each window has up to its origin, (B,)."""
        return origin - self.table.offsets[series] + 1

    def _to_device(self, indices: npt.NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(indices)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()  # or the copy would wait for all that the device has to do before it
        return tensor.to(self.device, non_blocking=True)

    def _time_gap(self, gap: Tensor, rows: Tensor) -> Tensor:
        """Return the time since the last observed step, (B, T); what lies before the window is unknown."""
        since_start = torch.arange(1.0, self.context + 1, device=self.device)  # (T,)
        return torch.minimum(_spans(gap, self.context, rows).squeeze(-1), since_start)  # (B, T)

    def _observed(self, series: Ints, origin: Ints, rows: Tensor, past: Tensor) -> Tensor | None:
        """Return which numbers of ``past`` (B, T, F) are observed, None when all are."""
        available = self._available(series, origin)  # (B,)
        short = bool((available < self.context).any())
        mask = self.buffers.values.observed
        if mask is None and not short:
            return None
        observed = torch.ones_like(past, dtype=torch.bool)  # (B, T, F)
        if mask is not None:
            values = _spans(mask[:, self.table.inputs], self.context, rows)  # (B, T, C)
            observed[..., : values.shape[-1]] = values
        if short:
            start = self._to_device(self.context - available)  # (B,) the first step of its own series
            inside = torch.arange(self.context, device=self.device) >= start.unsqueeze(1)  # (B, T)
            observed &= inside.unsqueeze(-1)  # (B, T, F)
        return observed


class Batches:
    """The windows of an index, batch by batch; every batch has the same shape.

    Parameters
    ----------
    gather : ResidentGather
        Where the windows come from.
    index : WindowIndex
        Which windows.
    batch_size : int
        Windows of a batch (B). A last batch that is not full is filled up with windows of weight 0.
    seed : int, optional
        Shuffles each epoch; without it the windows come in their order.
    position_stride : int, optional
        The targets of every so many positions of a window; without it those of its end alone.
    levels : bool
        Batches tell the level of their targets, for losses that compare with it.
    """

    def __init__(
        self,
        gather: ResidentGather,
        index: WindowIndex,
        batch_size: int,
        seed: int | None = None,
        position_stride: int | None = None,
        levels: bool = False,
    ) -> None:
        self.gather, self.index, self.seed, self.position_stride = gather, index, seed, position_stride
        self.levels = levels
        self.batch_size = min(batch_size, len(index))

    def __len__(self) -> int:
        return -(-len(self.index) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, from step ``start`` on."""
        per_chunk = max(1, CHUNK // self.batch_size)
        for first in range(start, len(self), per_chunk):
            steps = range(first, min(first + per_chunk, len(self)))
            series, origin = self.locate(epoch, steps.start, steps.stop)
            together = self._cut_together(series, origin) * self.batch_size  # windows
            for cut in range(0, len(series), together):
                windows = slice(cut, cut + together)
                batches = self._cut(series[windows], origin[windows])
                for at in range(cut, min(cut + together, len(series)), self.batch_size):
                    batch = batches.windows(slice(at - cut, at - cut + self.batch_size))
                    step = first + at // self.batch_size
                    yield self._counted(step, batch, origin[at : at + self.batch_size])

    def locate(self, epoch: int, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return series and origins of the windows of steps [start, stop) of an epoch."""
        positions = np.arange(start * self.batch_size, stop * self.batch_size)
        positions[positions >= len(self.index)] = 0  # the filling of the last batch
        if self.seed is not None:
            positions = Permutation(len(self.index), self.seed, epoch)(positions)
        return self.index.locate(positions)

    def _cut_together(self, series: Ints, origin: Ints) -> int:
        """Return how many batches to cut in one go: some that are small, if none of them has gaps.

        A mask is there for all windows of a cut or for none, and whether a batch has one must not depend on
        its neighbours.
        """
        if not self.gather.complete(series, origin):
            return 1
        positions = 1 if self.position_stride is None else self.gather.context // self.position_stride
        rows = self.gather.context + positions * self.gather.horizon
        columns = int(self.gather.table.values.shape[1])
        return max(1, CUT_AT_ONCE // (self.batch_size * rows * columns))

    def _cut(self, series: Ints, origin: Ints) -> Batch:
        """Return windows and targets, of which all that are observed count once."""
        window = self.gather.window(series, origin)
        target, observed = self._targets(series, origin)
        weight = None if observed is None else observed.to(target.dtype)  # (B, [T',] H, D)
        every_position, level = self.position_stride is not None, None
        if self.levels:
            level = self.gather.level(series)  # (B, 1, D)
            level = level.unsqueeze(1) if every_position else level  # (B, [1,] 1, D)
        return Batch(window, target, weight, every_position, level)

    def _counted(self, step: int, batch: Batch, origin: Ints) -> Batch:
        """Return a batch in which the filling does not count, and windows as much as they are to."""
        target, weight = batch.target, batch.weight  # (B, [T',] H, D) each
        missing = (step + 1) * self.batch_size - len(self.index)
        if missing > 0:
            weight = torch.ones_like(target) if weight is None else weight
            weight[-missing:] = 0.0
            batch = batch._replace(weight=weight)
        counts = self.gather.weights(origin)
        if counts is None:
            return batch
        counts = counts.reshape(-1, *[1] * (target.dim() - 1)).expand_as(target)  # (B, [T',] H, D)
        return batch._replace(weight=counts if weight is None else counts * weight, seen=batch.total())

    def _targets(self, series: Ints, origin: Ints) -> tuple[Tensor, Tensor | None]:
        if self.position_stride is None:
            return self.gather.target(series, origin)  # (B, H, D)
        return self.gather.targets_of_positions(series, origin, self.position_stride)  # (B, T', H, D)


def _spans(rows: Tensor, length: int, starts: Tensor) -> Tensor:
    """Copy ``length`` rows from each start: (N, C), (B,) -> (B, length, C)."""
    step, column = rows.stride()
    count = rows.shape[0] - length + 1
    view = rows.as_strided((count, length, rows.shape[1]), (step, step, column), rows.storage_offset())
    return view.index_select(0, starts)  # (B, length, C)


def _largest(values: Floats, walk: Sequence[Piece], shape: tuple[int, int]) -> Floats:
    """Return the largest observed magnitude of each series and column, (S, C); 0 where there is none."""
    largest = np.zeros(shape)
    for piece in walk:
        rows = values[piece.rows]  # (n, C)
        rows = np.where(np.isfinite(rows), np.abs(rows), 0.0)  # (n, C)
        largest[piece.series] = np.maximum(largest[piece.series], piece.reduced(np.maximum, rows))  # (P, C)
    return largest


def _first_observed(values: Floats, walk: Sequence[Piece], shape: tuple[int, int]) -> Floats:
    """Return the first observed value of each series and column, (S, C); 0 where there is none."""
    first = np.full(shape, np.nan)
    for piece in walk:
        rows = values[piece.rows]  # (n, C)
        order = np.where(np.isfinite(rows), np.arange(len(rows))[:, None], len(rows))  # (n, C)
        place = piece.reduced(np.minimum, order)  # (P, C)
        padded = np.concatenate([rows, np.full_like(rows[:1], np.nan)])  # (n+1, C)
        earlier = first[piece.series]  # (P, C)
        first[piece.series] = np.where(np.isnan(earlier), np.take_along_axis(padded, place, axis=0), earlier)
    return np.where(np.isnan(first), 0.0, first)
