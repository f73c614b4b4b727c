"""What augmentation may do to a training window, and what it must leave alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from timeseries.deeplearning.augmentation import (
    AUGMENTATIONS,
    KNOTS,
    WARPS,
    augment,
    generator_of,
    mixup,
)
from timeseries.deeplearning.gather import Batch
from timeseries.deeplearning.window import Window
from timeseries.errors import SettingError, UnsupportedError

B, T, F, H, D, K, S = 6, 12, 4, 3, 2, 1, 2
SOME = {"masking": 0.4, "window_slice": 0.5}
every_one = pytest.mark.parametrize("name", sorted(AUGMENTATIONS))


def make(*, masked=False, weighted=False, every_position=False, seed=0):
    """Return a batch whose past holds two targets, a past covariate and a known one."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw)

    observed = gap = None
    if masked:
        observed = torch.rand(B, T, F, generator=draw) > 0.4
        observed[0, :5] = False  # padding
        gap = gap_of(observed)
    target = normal(B, *([T] if every_position else []), H, D)
    weight = (torch.rand(target.shape, generator=draw) > 0.2).float() if weighted else None
    window = Window(normal(B, T, F), observed, gap, normal(B, H, K), normal(B, S))
    return Batch(window, target, weight, every_position)


def gap_of(observed):
    """Return the steps since the last step before with any observed number, by a plain loop."""
    gap = torch.empty(B, T)
    for b in range(B):
        last = -1
        for t in range(T):
            gap[b, t] = t - last
            last = t if observed[b, t].any() else last
    return gap


def parts(batch):
    return [*batch.window, batch.target, batch.weight]


def same(one, other):
    pairs = zip(parts(one), parts(other), strict=True)
    return all(a is b or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


def changed(name, batch, strength=None, seed=1, **how):
    return augment(
        batch, {name: SOME.get(name, 0.5) if strength is None else strength}, generator_of(0, 0, seed), **how
    )


# ------------------------------------------------------------------------------------------ all of them


@every_one
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_shapes_stay_numbers_stay_finite_and_the_batch_given_stays_as_it_is(name, masked, weighted):
    batch, kept = (make(masked=masked, weighted=weighted) for _ in range(2))
    made = changed(name, batch)
    assert same(batch, kept)
    assert not same(made, batch)
    for before, after in zip(parts(batch), parts(made), strict=True):
        if before is not None:
            assert (after.shape, after.dtype) == (before.shape, before.dtype)
            assert torch.isfinite(after).all()


@every_one
@pytest.mark.parametrize("masked", [False, True])
def test_strength_zero_and_no_name_at_all_change_nothing(name, masked):
    batch = make(masked=masked, weighted=True)
    assert same(changed(name, batch, strength=0.0), batch)
    assert same(augment(batch, {}, generator_of(0, 0, 0)), batch)


@every_one
def test_a_tiny_strength_changes_little(name):
    if name in ("masking", "mixup"):
        return  # hides a step or does not; hardly blends, but takes the one window or the other
    batch = make()
    made = changed(name, batch, strength=1e-6)
    torch.testing.assert_close(made.window.past, batch.window.past, atol=1e-3, rtol=0)
    torch.testing.assert_close(made.target, batch.target, atol=1e-3, rtol=0)


@every_one
def test_what_is_drawn_depends_on_seed_epoch_and_step_alone(name):
    batch = make(masked=True)
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    strength = {name: SOME.get(name, 0.5)}
    made = [augment(batch, strength, generator_of(*place)) for place in places]
    torch.manual_seed(5)  # the global stream decides nothing, and is left as it is
    state = torch.get_rng_state()
    again = augment(batch, strength, generator_of(0, 0, 0))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(again, made[0])
    assert all(not same(made[0], other) for other in made[1:])


@every_one
def test_no_number_becomes_observed_and_the_mask_and_its_gap_stay_of_one_mind(name):
    batch = make(masked=True)
    made = changed(name, batch)
    before, after = batch.window.observed, made.window.observed
    assert not (after & ~before).any()
    assert torch.equal(made.window.time_gap, gap_of(after))
    if name != "mixup":  # which blends what no network sees
        torch.testing.assert_close(made.window.past[~after], batch.window.past[~after], rtol=0, atol=0)


@every_one
def test_what_is_not_observed_moves_nothing_that_is(name):
    batch = make(masked=True)
    hidden = batch.window.past.masked_fill(~batch.window.observed, 77.0)
    other = batch._replace(window=batch.window._replace(past=hidden))
    one, two = changed(name, batch), changed(name, other)
    seen = one.window.observed
    assert torch.equal(one.window.observed, two.window.observed)
    assert torch.equal(one.window.past[seen], two.window.past[seen])
    assert torch.equal(one.target, two.target)


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"mixup"}))
def test_windows_of_a_batch_do_not_influence_each_other(name):
    batch = make(masked=True)
    past, target = batch.window.past.clone(), batch.target.clone()
    past[1:], target[1:] = 50.0, 50.0
    other = batch._replace(window=batch.window._replace(past=past), target=target)
    one, two = changed(name, batch), changed(name, other)
    assert torch.equal(one.window.past[0], two.window.past[0])
    assert torch.equal(one.target[0], two.target[0])


@pytest.mark.parametrize("name", ["jitter", "scaling", "magnitude_warp"])
def test_covariates_stay_where_the_window_holds_the_targets_and_targets_where_it_does_not(name):
    batch = make()
    own = changed(name, batch)
    assert torch.equal(own.window.past[..., D:], batch.window.past[..., D:])
    assert (own.window.past[..., :D] != batch.window.past[..., :D]).any(1).all()
    apart = changed(name, batch, autoregressive=False)
    assert torch.equal(apart.target, batch.target)
    assert (apart.window.past != batch.window.past).any(1).all()


@pytest.mark.parametrize("name", ["jitter", "time_warp", "window_slice", "masking"])
def test_targets_stay_as_they_are(name):
    batch = make(weighted=True)
    made = changed(name, batch)
    assert torch.equal(made.target, batch.target)
    assert torch.equal(made.weight, batch.weight)


@every_one
def test_every_position_is_trained_on_where_the_positions_stay(name):
    batch = make(every_position=True)
    if name in WARPS:
        with pytest.raises(UnsupportedError, match="set every_position=False"):
            changed(name, batch)
    else:
        assert changed(name, batch).target.shape == (B, T, H, D)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_windows_of_one_step_are_taken(name):
    batch = make()
    short = batch._replace(window=batch.window._replace(past=batch.window.past[:, :1]))
    assert changed(name, short).window.past.shape == (B, 1, F)


def test_augmentations_follow_one_another_in_the_order_of_the_table():
    batch = make()
    both = augment(batch, {"mixup": 0.5, "jitter": 0.1}, generator_of(0, 0, 0))
    generator = generator_of(0, 0, 0)
    one = AUGMENTATIONS["jitter"](batch, 0.1, generator)
    assert same(both, mixup(one, 0.5, generator))


# ------------------------------------------------------------------------------------------ one by one


def many(columns=1, count=4000, steps=5):
    return Batch(Window(torch.ones(count, steps, columns)), torch.ones(count, 2, columns), None)


def test_jitter_is_noise_of_mean_zero_and_the_strength_as_its_deviation():
    noise = changed("jitter", many(), 0.3).window.past - 1
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 1, 0])[0, 1]) < 0.05


def test_scaling_is_one_lognormal_factor_for_past_and_future_of_each_target():
    batch = make()
    made = changed("scaling", batch, 0.3)
    factor = made.window.past[..., :D] / batch.window.past[..., :D]  # (B, T, D)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    torch.testing.assert_close(made.target, batch.target * factor[:, :1])
    assert factor[:, 0].unique().numel() == B * D
    logs = changed("scaling", many(), 0.3).target[:, 0, 0].log()
    assert logs.mean().item() == pytest.approx(0, abs=0.02)
    assert logs.std().item() == pytest.approx(0.3, rel=0.04)


def test_scaling_multiplies_the_targets_of_every_position_alike():
    batch = make(every_position=True)
    made = changed("scaling", batch, 0.3)
    factor = (made.window.past[..., :D] / batch.window.past[..., :D])[:, :1]  # (B, 1, D)
    torch.testing.assert_close(made.target, batch.target * factor[:, None])


def test_a_magnitude_warp_is_one_spline_through_past_and_future():
    made = changed("magnitude_warp", many(count=20, steps=10), 0.2)
    curve = torch.cat([made.window.past, made.target], dim=1)[..., 0].double().numpy()  # (20, 12)
    at, knots = np.linspace(0, 1, 12), np.linspace(0, 1, KNOTS)
    basis = CubicSpline(knots, np.eye(KNOTS))(at)
    weights = np.linalg.lstsq(basis, curve.T, rcond=None)[0]  # (KNOTS, 20) what stands at the knots
    np.testing.assert_allclose(basis @ weights, curve.T, atol=1e-5)
    assert np.std(weights - 1) == pytest.approx(0.2, rel=0.3)
    assert np.mean(weights) == pytest.approx(1, abs=0.1)


def test_a_time_warp_keeps_the_ends_and_the_order_of_a_rising_window():
    ramp = torch.arange(T, dtype=torch.float32)[None, :, None].expand(B, T, F).contiguous()
    batch = make()._replace(window=Window(ramp))
    warped = changed("time_warp", batch, 0.8).window.past  # of a ramp: the places themselves
    assert torch.equal(warped[:, 0], ramp[:, 0])
    torch.testing.assert_close(warped[:, -1], ramp[:, -1])
    assert (warped.diff(dim=1) > 0).all()
    assert (warped - ramp).abs().max() > 0.3
    torch.testing.assert_close(warped, warped[..., :1].expand_as(warped))  # all columns alike


def test_a_slice_ends_where_the_window_does_and_is_stretched_evenly():
    ramp = torch.arange(T, dtype=torch.float32)[None, :, None].expand(400, T, 1).contiguous()
    batch = Batch(Window(ramp), torch.zeros(400, H, 1), None)
    places = changed("window_slice", batch, 0.5).window.past[..., 0]  # (400, T)
    torch.testing.assert_close(places[:, -1], ramp[:, -1, 0])
    steps = places.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-4, rtol=0)
    cut = places[:, 0] / (T - 1)
    assert 0 <= cut.min() < 0.02
    assert 0.48 < cut.max() <= 0.5
    assert cut.mean().item() == pytest.approx(0.25, abs=0.02)


def test_interpolated_numbers_are_observed_where_both_their_steps_are():
    batch = make(masked=True)
    observed = torch.ones(B, T, F, dtype=torch.bool)
    observed[:, 4, 0] = False
    past = batch.window.past.clone()
    past[:, 4, 0] = 1e9  # would show in any number that is made of it
    window = batch.window._replace(past=past, observed=observed, time_gap=gap_of(observed))
    made = changed("window_slice", batch._replace(window=window), 0.8).window
    assert made.past[made.observed].abs().max() < 1e3
    hidden = (~made.observed[..., 0]).sum(1)
    assert (hidden >= 2).any()
    assert made.observed[..., 1:].all()


def test_masking_hides_whole_steps_of_the_targets_but_never_the_newest():
    batch = make()
    made = changed("masking", batch, 0.4).window
    assert torch.equal(made.past, batch.window.past)
    assert torch.equal(made.observed[..., 0], made.observed[..., 1])
    assert made.observed[..., D:].all()
    assert made.observed[:, -1].all()
    hidden = ~changed("masking", many(steps=20), 0.4).window.observed[:, :-1]
    assert hidden.float().mean().item() == pytest.approx(0.4, abs=0.01)


def test_mixup_blends_everything_by_one_share_of_each_window():
    batch = make()
    batch = batch._replace(level=batch.target[:, :1])
    made = mixup(batch, 0.5, generator_of(0, 0, 3))
    torch.testing.assert_close(made.level, made.target[:, :1])
    generator = generator_of(0, 0, 3)
    other = torch.randperm(B, generator=generator)
    share = (made.target - batch.target[other]) / (batch.target - batch.target[other])  # (B, H, D)
    share = share.flatten(1).nanmedian(1).values  # NaN where a window is its own partner
    moved = other != torch.arange(B)
    assert moved.sum() >= 3
    assert ((share[moved] >= -1e-5) & (share[moved] <= 1 + 1e-5)).all()
    for name in ("past", "future", "static"):
        before, after = getattr(batch.window, name), getattr(made.window, name)
        weights = share.nan_to_num().view(-1, *[1] * (before.dim() - 1))
        torch.testing.assert_close(
            after[moved], (weights * before + (1 - weights) * before[other])[moved], atol=1e-4, rtol=1e-3
        )


def test_the_shares_of_mixup_follow_the_beta_distribution():
    count = 4000
    window = Window(torch.arange(count, dtype=torch.float32)[:, None, None])
    batch = Batch(window, torch.arange(count, dtype=torch.float64)[:, None, None], None)
    generator = generator_of(0, 0, 0)
    made = mixup(batch, 0.4, generator)
    other = torch.randperm(count, generator=generator_of(0, 0, 0))
    apart = (other - torch.arange(count)).abs() > 50
    share = ((made.target[:, 0, 0] - other) / (torch.arange(count) - other))[apart]
    assert share.mean().item() == pytest.approx(0.5, abs=0.03)
    assert share.var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.06)  # of Beta(a, a)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_mixup_never_uses_targets_that_do_not_count(seed):
    batch = make(weighted=True, seed=seed)
    filled = batch.weight.clone()
    filled[-1] = 0.0  # a window that fills the batch
    target = torch.where(filled > 0, batch.target, 1e9)
    made = mixup(batch._replace(target=target, weight=filled), 0.5, generator_of(seed, 0, 0))
    assert ((made.weight == filled) | (made.weight == 0)).all()
    assert made.target[made.weight > 0].abs().max() < 100
    other = torch.randperm(B, generator=generator_of(seed, 0, 0))
    alone = other == B - 1  # has no partner that counts
    assert torch.equal(made.target[alone], target[alone])
    assert torch.equal(made.weight[alone], filled[alone])
    assert torch.equal(made.window.past[alone], batch.window.past[alone])


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("strengths", "problem"),
    [
        ({"jiter": 0.1}, "Unknown augmentation 'jiter'. Did you mean 'jitter'"),
        ({"jitter": -0.1}, "strength of jitter must be 0 or more"),
        ({"jitter": float("nan")}, "strength of jitter must be 0 or more"),
        ({"mixup": float("inf")}, "strength of mixup must be 0 or more"),
        ({"scaling": True}, "strength of scaling must be 0 or more"),
        ({"masking": 0.95}, "strength of masking must be between 0 and 0.9"),
        ({"window_slice": "half"}, "strength of window_slice must be between 0 and 0.9"),
    ],
)
def test_names_and_strengths_that_make_no_sense_are_refused(strengths, problem):
    with pytest.raises(SettingError, match=problem):
        augment(make(), strengths, generator_of(0, 0, 0))
