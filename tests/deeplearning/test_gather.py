"""Batches hold exactly the numbers that plain slicing gives, scaled; nothing else, and nothing later."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.windows import index_windows

T, H, LENGTHS = 5, 3, (20, 4, 13)
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])


def make_values(columns=2, level=0.0):
    return level + np.random.default_rng(1).normal(size=(OFFSETS[-1], columns))


def make_table(values, **parts):
    settings = {"inputs": slice(0, 2), "targets": slice(0, 1), "lead": 1} | parts
    return SeriesTable(names=("a", "b", "c"), offsets=OFFSETS, values=values, **settings)


def make_gather(table, scaling):
    return ResidentGather(Buffers(table, context=T), scaling, horizon=H)


def make_affine(columns=2):
    draw = np.random.default_rng(2)
    return Affine(draw.normal(size=(3, columns)), draw.uniform(0.5, 2, size=(3, columns)))


def all_origins():
    series = np.repeat(np.arange(3), np.array(LENGTHS) - H)
    origin = np.concatenate([OFFSETS[s] + np.arange(LENGTHS[s] - H) for s in range(3)])
    return series, origin


@pytest.mark.parametrize("level", [0.0, 1e9])
def test_windows_and_targets_equal_plain_slices_in_float64(level):
    values, affine = make_values(level=level), make_affine()
    affine = Affine(affine.center + level, affine.scale)
    gather = make_gather(make_table(values), Scaling(affine))
    series, origin = all_origins()
    window, (target, observed) = gather.window(series, origin), gather.target(series, origin)
    assert observed is None
    for i, (s, o) in enumerate(zip(series, origin, strict=True)):
        rows = np.arange(max(OFFSETS[s], o - T + 1), o + 1)
        past = (values[rows] - affine.center[s]) / affine.scale[s]
        np.testing.assert_allclose(window.past[i, -len(rows) :], past, atol=2e-6)
        future = (values[o + 1 : o + 1 + H, :1] - affine.center[s, :1]) / affine.scale[s, :1]
        np.testing.assert_allclose(target[i], future, atol=2e-6)
        np.testing.assert_array_equal(window.observed[i].all(dim=1).sum(), len(rows))


def test_complete_windows_carry_no_mask():
    gather = make_gather(make_table(make_values()), Scaling(make_affine()))
    assert gather.window(np.array([0]), np.array([T - 1])).observed is None


def test_missing_values_are_masked_in_windows_and_targets():
    values = make_values()
    values[7, 0] = np.nan
    gather = make_gather(make_table(values), Scaling(make_affine()))
    window = gather.window(np.array([0]), np.array([8]))
    assert window.observed[0].tolist() == [[True, True]] * 3 + [[False, True]] + [[True, True]]
    target, observed = gather.target(np.array([0]), np.array([5]))
    assert observed[0, :, 0].tolist() == [True, False, True]
    assert target[0, 1, 0] == 0


def test_a_lead_of_zero_starts_the_target_at_the_origin():
    values = make_values()
    table = make_table(values, inputs=slice(0, 1), targets=slice(1, 2), lead=0)
    gather = make_gather(table, Scaling(Affine(np.zeros((3, 2)), np.ones((3, 2)))))
    target, _ = gather.target(np.array([0]), np.array([6]))
    np.testing.assert_allclose(target[0, :, 0], values[6:9, 1], atol=1e-6)
    assert gather.window(np.array([0]), np.array([6])).past.shape == (1, T, 1)


def test_known_covariates_stand_in_the_past_and_in_the_future():
    known_offsets = OFFSETS + np.arange(4) * H  # every series' covariates run H rows past its end
    known = np.arange(known_offsets[-1], dtype=float)[:, None]
    table = make_table(make_values(), known=known, known_offsets=known_offsets)
    unit = Affine(np.zeros((3, 1)), np.ones((3, 1)))
    gather = make_gather(table, Scaling(make_affine(), unit))
    window = gather.window(np.array([2]), np.array([OFFSETS[3] - 1]))  # the last row of the last series
    np.testing.assert_allclose(window.past[0, :, 2], known[-H - T : -H, 0])
    np.testing.assert_allclose(window.future[0, :, 0], known[-H:, 0])


def test_static_features_and_time_gaps_reach_the_window():
    table = make_table(
        make_values(), static=np.array([[1.0], [2.0], [3.0]]), time_gap=np.full(OFFSETS[-1], 3.0)
    )
    gather = make_gather(table, Scaling(make_affine()))
    window = gather.window(np.array([2]), np.array([OFFSETS[2] + T]))
    assert window.static.tolist() == [[3.0]]
    assert window.time_gap[0].tolist() == [1, 2, 3, 3, 3]  # what lies before the window is unknown


def test_nothing_after_the_origin_reaches_the_window():
    values = make_values()
    poisoned = values.copy()
    poisoned[9:] = 1e30
    windows = [
        make_gather(make_table(v), Scaling(make_affine())).window(np.array([0]), np.array([8]))
        for v in (values, poisoned)
    ]
    assert torch.equal(windows[0].past, windows[1].past)


def test_the_last_batch_is_filled_with_windows_that_do_not_count():
    gather = make_gather(make_table(make_values()), Scaling(make_affine()))
    index = index_windows(OFFSETS, np.zeros(3, int), np.array(LENGTHS), horizon=H, min_context=T)
    batches = list(Batches(gather, index, batch_size=8, seed=0).epoch(0))
    assert {batch.target.shape for batch in batches} == {(8, H, 1)}
    assert [b.weight is None for b in batches] == [True] * (len(batches) - 1) + [len(index) % 8 == 0]
    counted = sum(8 * H if b.weight is None else b.weight.sum() for b in batches)
    assert counted == len(index) * H


def test_a_shuffled_epoch_sees_every_window_once_and_chunks_change_nothing(monkeypatch):
    gather = make_gather(make_table(make_values()), Scaling(make_affine()))
    index = index_windows(OFFSETS, np.zeros(3, int), np.array(LENGTHS), horizon=H)
    batches = Batches(gather, index, batch_size=4, seed=5)
    whole = [b.target for b in batches.epoch(2)]
    monkeypatch.setattr("timeseries.deeplearning.gather.CHUNK", 4)
    for one, other in zip(whole, batches.epoch(2), strict=True):
        assert torch.equal(one, other.target)
    series, origin = batches.locate(2, 0, len(batches))
    assert len(set(zip(series, origin, strict=True))) == len(index)


@pytest.mark.parametrize("stride", [1, 3])
def test_the_targets_of_every_position_are_slices_and_count_only_within_their_series(stride):
    values, affine = make_values(), make_affine()
    values[[4, 13], 0] = np.nan
    gather = make_gather(make_table(values), Scaling(affine))
    series, origins = all_origins()
    target, counts = gather.targets_of_positions(series, origins, stride)
    back = list(range(0, T, stride))[::-1]
    assert target.shape == counts.shape == (len(origins), len(back), H, 1)
    for b, (s, origin) in enumerate(zip(series, origins, strict=True)):
        for j, steps in enumerate(back):
            rows = np.arange(origin - steps + 1, origin - steps + 1 + H)
            scaled = (values[np.maximum(rows, 0), :1] - affine.center[s, :1]) / affine.scale[s, :1]  # (H, 1)
            seen = np.isfinite(scaled) & (origin - steps >= OFFSETS[s])
            np.testing.assert_array_equal(counts[b, j], seen)
            np.testing.assert_allclose(target[b, j], np.where(seen, scaled, 0.0), atol=2e-6)


@pytest.mark.parametrize("stride", [None, 1, 2])
@pytest.mark.parametrize("min_context", [1, T])
@pytest.mark.parametrize("missing", [False, True])
def test_batches_that_are_cut_together_are_those_that_are_cut_alone(
    monkeypatch, stride, min_context, missing
):
    values = make_values()
    if missing:
        values[7, 0] = np.nan
    weights, static = np.linspace(0.5, 1.5, OFFSETS[-1]), np.arange(6.0).reshape(3, 2)
    gather = make_gather(make_table(values, weights=weights, static=static), Scaling(make_affine()))
    index = index_windows(OFFSETS, np.zeros(3, int), np.array(LENGTHS), horizon=H, min_context=min_context)
    batches = Batches(gather, index, batch_size=4, seed=5, position_stride=stride, levels=True)
    cuts, cut = [], Batches._cut
    monkeypatch.setattr(Batches, "_cut", lambda self, s, o: cuts.append(len(s)) or cut(self, s, o))
    together = [_flat(batch) for batch in batches.epoch(2, start=1)]
    assert (max(cuts) > 4) is (min_context == T and not missing)
    cuts.clear()
    monkeypatch.setattr("timeseries.deeplearning.gather.CUT_AT_ONCE", 1)
    alone = [_flat(batch) for batch in batches.epoch(2, start=1)]
    assert cuts == [4] * (len(batches) - 1)
    assert len(together) == len(alone) == len(batches) - 1
    for one, other in zip(together, alone, strict=True):
        for part, same in zip(one, other, strict=True):
            assert torch.equal(part, same) if isinstance(part, torch.Tensor) else part == same


def _flat(batch):
    return [*batch.window, *batch[1:]]
