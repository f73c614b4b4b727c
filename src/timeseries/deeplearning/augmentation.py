"""Augmentation: training windows that might have been, made of those that were.

Each function takes the windows of one optimiser step and gives as many back. A strength of 0 changes nothing.
Numbers are in scaled units, in which a column has mean 0 and standard deviation 1 over its training rows.

What is said of the past of the targets goes for its first D columns, D being the number of targets. Where
the window does not hold the targets (``autoregressive`` is False, see `Sizes`), it goes for all columns of
the past instead, and the targets stay as they are. No function makes a number observed that was not.

All numbers are drawn on the CPU and sent to the windows, so that they are the same on every device and
nothing waits for one; `generator_of` names the generator of a step, so that a training that goes on from a
checkpoint draws what it would have drawn.

docs/augmentation.md shows what each does to a window.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Generator, Tensor

from timeseries.deeplearning.gather import Batch
from timeseries.deeplearning.window import Window
from timeseries.errors import SettingError, UnsupportedError, shown, unknown_name

KNOTS = 4  # of the smooth random curves, after Um et al.
LARGEST_SHARE = 0.9  # of a window that can be cut away or hidden
STREAM = 0xA06  # apart from what else is drawn from the seed of a training


class Augmentation(Protocol):
    """What every entry of AUGMENTATIONS is."""

    def __call__(
        self, batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True
    ) -> Batch:
        """Return other windows of the same shapes.

        Parameters
        ----------
        batch : Batch
            Windows (B, T, F) and their targets (B, H, D), in scaled units.
        strength : float
            Above 0; what it measures, each function says.
        generator : Generator
            On the CPU; decides everything that is drawn.
        autoregressive : bool
            Whether the first D columns of the past are those of the targets.

        Returns
        -------
        Batch
        """


def generator_of(seed: int, epoch: int, step: int) -> Generator:
    """Return the generator of one optimiser step: it depends on these three numbers alone.

    Parameters
    ----------
    seed : int
        That of the training, not negative.
    epoch, step : int
        Where the training is, counted from 0; steps of each epoch anew.

    Returns
    -------
    Generator
        On the CPU.

    Examples
    --------
    >>> one, other = (torch.rand(2, generator=generator_of(7, epoch=1, step=3)) for _ in range(2))
    >>> torch.equal(one, other)
    True
    """
    state = np.random.SeedSequence([seed, epoch, step, STREAM]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def augment(
    batch: Batch, strengths: Mapping[str, float], generator: Generator, *, autoregressive: bool = True
) -> Batch:
    """Change the windows of one training step by every augmentation that is asked for.

    Parameters
    ----------
    batch : Batch
        Windows of training, their targets and weights. It stays as it is.
    strengths : mapping of str to float
        Names of AUGMENTATIONS with their strengths; they are applied in the order of that table. Strength 0
        leaves one out.
    generator : Generator
        On the CPU, such as `generator_of` returns.
    autoregressive : bool
        Whether the first D columns of the past are those of the targets, as ``Sizes`` says.

    Returns
    -------
    Batch
        Of the same shapes. It has a mask of observed numbers if the one given had one or "masking" made one.

    Raises
    ------
    SettingError
        If a name is unknown or a strength makes no sense.
    UnsupportedError
        If every position of the window is trained on, and an augmentation would move the positions.

    Examples
    --------
    >>> batch = Batch(Window(torch.ones(2, 3, 1)), torch.ones(2, 1, 1), None)
    >>> changed = augment(batch, {"scaling": 0.1}, generator_of(0, 0, 0))
    >>> torch.equal(changed.window.past[:, -1], changed.target[:, 0]), bool((changed.target != 1).all())
    (True, True)
    """
    check_strengths(strengths)
    for name, change in AUGMENTATIONS.items():
        strength = strengths.get(name, 0.0)
        if strength > 0:
            if batch.every_position and name in WARPS:
                raise UnsupportedError(
                    f"{name} moves the steps of a window, so that the targets of its positions would no "
                    "longer follow them. Leave it out, or set every_position=False."
                )
            batch = change(batch, float(strength), generator, autoregressive=autoregressive)
    return batch


def check_strengths(strengths: Mapping[str, float]) -> None:
    """Refuse names that are no augmentation, and strengths that make no sense.

    >>> check_strengths({"jitter": 0.03, "mixup": 0.2})
    """
    told = []
    if unknown := [name for name in strengths if name not in AUGMENTATIONS]:
        told.append(str(unknown_name("augmentation", *unknown, known=AUGMENTATIONS)))
    for name, strength in strengths.items():
        if name in unknown:
            continue
        most = LARGEST_SHARE if name in SHARES else np.inf
        number = isinstance(strength, (int, float)) and not isinstance(strength, bool)
        if not (number and 0 <= strength <= most and strength < np.inf):
            bound = f"between 0 and {most:g}" if name in SHARES else "0 or more"
            told.append(f"The strength of {name} must be {bound}, got {shown(strength)}.")
    if told:
        raise SettingError(" ".join(told))


def jitter(batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True) -> Batch:
    """Add independent normal noise to the past of the targets; the targets stay.

    ``strength`` is the standard deviation of the noise. T. T. Um et al., "Data augmentation of wearable
    sensor data for Parkinson's disease monitoring using convolutional neural networks", ICMI 2017.

    Examples
    --------
    >>> batch = Batch(Window(torch.arange(4.0).reshape(1, 4, 1)), torch.full((1, 1, 1), 4.0), None)
    >>> changed = jitter(batch, 0.1, generator_of(0, 0, 0))
    >>> torch.equal(changed.window.past, batch.window.past), torch.equal(changed.target, batch.target)
    (False, True)
    """
    past = batch.window.past  # (B, T, F)
    width = _width(batch, autoregressive=autoregressive)
    noise = _normal((*past.shape[:2], width), generator, past)  # (B, T, width)
    return _with_past(batch, past[..., :width] + strength * noise)


def scaling(batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True) -> Batch:
    """Multiply each window and target column by a random factor, the future like the past.

    The factor is exp(strength z) with a standard normal z: never negative, and as often below 1 as above. Um
    et al. (2017) draw it from a normal distribution around 1.

    Examples
    --------
    >>> batch = Batch(Window(torch.ones(1, 4, 1)), torch.ones(1, 1, 1), None)
    >>> changed = scaling(batch, 0.1, generator_of(0, 0, 0))
    >>> factors = {*changed.window.past.flatten().tolist(), changed.target.item()}
    >>> len(factors), factors == {1.0}
    (1, False)
    """
    past, target = batch.window.past, batch.target  # (B, T, F), (B, [T',] H, D)
    width = _width(batch, autoregressive=autoregressive)
    factor = torch.exp(strength * _normal((len(past), 1, width), generator, past))  # (B, 1, width)
    changed = _with_past(batch, past[..., :width] * factor)
    if not autoregressive:
        return changed
    return changed._replace(target=target * (factor if target.dim() == 3 else factor.unsqueeze(1)))


def magnitude_warp(
    batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True
) -> Batch:
    """Multiply each window and target column by a smooth random curve that runs on through the future.

    The curve is a cubic spline through knots that are normal around 1 with standard deviation ``strength``
    (Um et al. 2017).

    Examples
    --------
    >>> batch = Batch(Window(torch.ones(1, 4, 1)), torch.ones(1, 1, 1), None)
    >>> changed = magnitude_warp(batch, 0.2, generator_of(0, 0, 0))
    >>> len({*changed.window.past.flatten().tolist(), changed.target.item()})
    5
    """
    past, target = batch.window.past, batch.target  # (B, T, F), (B, H, D)
    context, width = past.shape[1], _width(batch, autoregressive=autoregressive)
    length = context + (target.shape[1] if autoregressive else 0)
    curve = 1 + strength * _smooth((len(past), length, width), generator, past)  # (B, T[+H], width)
    changed = _with_past(batch, past[..., :width] * curve[:, :context])
    return changed._replace(target=target * curve[:, context:]) if autoregressive else changed


def time_warp(batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True) -> Batch:
    """Let time run faster and slower within the window; its ends, and the targets, stay where they are.

    The speed is the exponential of ``strength`` times a smooth random curve, the same for all columns;
    between steps the past is interpolated (Um et al. 2017).

    Examples
    --------
    >>> batch = Batch(Window(torch.arange(4.0).reshape(1, 4, 1)), torch.full((1, 1, 1), 4.0), None)
    >>> past = time_warp(batch, 0.5, generator_of(0, 0, 0)).window.past
    >>> past[0, 0].item(), past[0, -1].item(), bool((past.diff(dim=1) > 0).all())
    (0.0, 3.0, True)
    """
    past = batch.window.past  # (B, T, F)
    if past.shape[1] < 2:
        return batch
    speed = torch.exp(strength * _smooth((len(past), past.shape[1], 1), generator, past)[..., 0])  # (B, T)
    passed = torch.cumsum((speed[:, 1:] + speed[:, :-1]) / 2, dim=1)  # (B, T-1)
    places = passed / passed[:, -1:] * (past.shape[1] - 1)  # (B, T-1) from the second step to the last
    return _resampled(batch, torch.cat([torch.zeros_like(places[:, :1]), places], dim=1))


def window_slice(
    batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True
) -> Batch:
    """Cut away a random share of the oldest steps, and stretch the rest over the window; the targets stay.

    The share is uniform between 0 and ``strength``. After A. Le Guennec, S. Malinowski, R. Tavenard, "Data
    augmentation for time series classification using convolutional neural networks" (2016), where both ends
    may be cut; here the newest step stays, since the targets follow it.

    Examples
    --------
    >>> batch = Batch(Window(torch.arange(4.0).reshape(1, 4, 1)), torch.full((1, 1, 1), 4.0), None)
    >>> past = window_slice(batch, 0.5, generator_of(0, 0, 0)).window.past
    >>> 0 < past[0, 0].item() < 1.5, past[0, -1].item()
    (True, 3.0)
    """
    past = batch.window.past  # (B, T, F)
    cut = strength * _uniform((len(past), 1), generator, past)  # (B, 1)
    steps = torch.linspace(0, 1, past.shape[1], dtype=past.dtype, device=past.device)  # (T,)
    if past.shape[1] == 1:
        return batch
    return _resampled(batch, (past.shape[1] - 1) * (cut + (1 - cut) * steps))


def masking(batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True) -> Batch:
    """Hide steps of the past of the targets, as if they had not been observed; the newest one stays.

    Each step is hidden with probability ``strength``; the targets stay. Where the windows have no mask they
    get one. N. Srivastava et al., "Dropout", JMLR 15 (2014), applied to the steps of the input.

    Examples
    --------
    >>> batch = Batch(Window(torch.ones(1, 4, 1)), torch.ones(1, 1, 1), None)
    >>> masking(batch, 0.9, generator_of(0, 0, 0)).window.observed.flatten().tolist()
    [False, False, False, True]
    """
    window = batch.window
    past, width = window.past, _width(batch, autoregressive=autoregressive)  # (B, T, F)
    seen = _uniform((*past.shape[:2], 1), generator, past) >= strength  # (B, T, 1)
    seen[:, -1] = True
    observed = torch.ones_like(past, dtype=torch.bool) if window.observed is None else window.observed.clone()
    observed[..., :width] &= seen  # (B, T, F)
    return batch._replace(window=_masked(window, past, observed))


def mixup(batch: Batch, strength: float, generator: Generator, *, autoregressive: bool = True) -> Batch:
    """Blend each window and its targets with another window of the batch and the targets of that.

    The share of the window itself is drawn from a beta distribution with both parameters ``strength``. A
    number is observed, and a target counts, where it does in both. A window stays as it is if no target
    of its partner counts, as of one that only fills the batch. H. Zhang et al., "mixup: Beyond empirical risk
    minimization", ICLR 2018.

    Examples
    --------
    >>> past = torch.tensor([0.0, 1.0]).reshape(2, 1, 1)
    >>> changed = mixup(Batch(Window(past), past, None), 0.2, generator_of(0, 0, 0))
    >>> torch.equal(changed.window.past, changed.target)
    True
    """
    window, target, weight = batch.window, batch.target, batch.weight
    other = torch.randperm(len(target), generator=generator).to(target.device)  # (B,)
    share = _beta(strength, len(target), generator).to(target)  # (B,)
    if weight is not None:
        counts = weight[other] > 0  # (B, [T',] H, D)
        share = torch.where(counts.flatten(1).any(1), share, torch.ones_like(share))  # (B,)
        weight = weight * (counts | _like(share == 1, counts))  # (B, [T',] H, D)
    observed = window.observed
    if observed is not None:
        observed = observed & (observed[other] | _like(share == 1, observed))  # (B, T, F)
    parts = {name: _blend(getattr(window, name), other, share) for name in ("past", "future", "static")}
    mixed = _masked(window._replace(**parts), parts["past"], observed)
    target, level = (_blend(part, other, share) for part in (target, batch.level))
    return batch._replace(window=mixed, target=target, weight=weight, level=level)


AUGMENTATIONS: dict[str, Augmentation] = {
    "jitter": jitter,
    "scaling": scaling,
    "magnitude_warp": magnitude_warp,
    "time_warp": time_warp,
    "window_slice": window_slice,
    "masking": masking,
    "mixup": mixup,
}
"""Name -> function, in the order in which `augment` applies them."""

WARPS = ("magnitude_warp", "time_warp", "window_slice")
"""Those that cannot be told to the targets of positions inside the window."""

SHARES = ("window_slice", "masking")
"""Those whose strength is a share of the window."""


def _width(batch: Batch, *, autoregressive: bool) -> int:
    """Return how many leading columns of the past are those of the targets, or may change as such."""
    return batch.target.shape[-1] if autoregressive else batch.window.past.shape[-1]


def _normal(shape: tuple[int, ...], generator: Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(like)


def _uniform(shape: tuple[int, ...], generator: Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float32).to(like)


def _beta(strength: float, count: int, generator: Generator) -> Tensor:
    """Draw from a beta distribution with two equal parameters, (count,); torch would take no generator."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(strength, strength, count))


def _smooth(shape: tuple[int, int, int], generator: Generator, like: Tensor) -> Tensor:
    """Return curves (B, L, W): cubic splines through knots that are standard normal."""
    batch, length, width = shape
    spline = CubicSpline(np.linspace(0, 1, KNOTS), np.eye(KNOTS))
    basis = torch.from_numpy(spline(np.linspace(0, 1, length))).to(like)  # (L, KNOTS)
    return basis @ _normal((batch, KNOTS, width), generator, like)  # (B, L, W)


def _with_past(batch: Batch, columns: Tensor) -> Batch:
    """Put numbers (B, T, C) in place of the first columns of the past where these are observed."""
    window, width = batch.window, columns.shape[-1]
    if window.observed is not None:
        columns = torch.where(window.observed[..., :width], columns, window.past[..., :width])
    past = torch.cat([columns, window.past[..., width:]], dim=-1)  # (B, T, F)
    return batch._replace(window=window._replace(past=past))


def _resampled(batch: Batch, places: Tensor) -> Batch:
    """Show at each step what stood at ``places`` (B, T) of the window, between two steps in proportion.

    A number is observed where both steps are, and where it was before.
    """
    window = batch.window
    low = places.floor().long().clamp(0, window.past.shape[1] - 1)  # (B, T)
    high = (low + 1).clamp(max=window.past.shape[1] - 1)  # (B, T)
    share = (places - low).unsqueeze(-1)  # (B, T, 1)
    ends = [_at(window.past, steps) for steps in (low, high)]  # (B, T, F) each
    past, observed = torch.lerp(ends[0], ends[1], share), window.observed
    if observed is not None:
        observed = observed & _at(observed, low) & (_at(observed, high) | (share == 0))  # (B, T, F)
        past = torch.where(observed, past, window.past)
    return batch._replace(window=_masked(window, past, observed))


def _at(rows: Tensor, steps: Tensor) -> Tensor:
    """Return the steps (B, T) of rows (B, T, F)."""
    return rows.gather(1, steps.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def _masked(window: Window, past: Tensor, observed: Tensor | None) -> Window:
    """Return a window with another past and mask, and the time gap that goes with the mask."""
    gap = window.time_gap
    if gap is not None and observed is not None:
        steps = torch.arange(past.shape[1], device=past.device)  # (T,)
        last = torch.where(observed.any(-1), steps, -1).cummax(1).values  # (B, T) up to each step
        before = torch.cat([torch.full_like(last[:, :1], -1), last[:, :-1]], dim=1)  # (B, T)
        gap = (steps - before).to(gap)  # (B, T)
    return window._replace(past=past, observed=observed, time_gap=gap)


def _blend(one: Any, other: Tensor, share: Tensor) -> Any:
    """Blend windows (B, ...) with those at positions ``other`` (B,); None stays None."""
    if one is None:
        return None
    return torch.lerp(one[other], one, _like(share.to(one.dtype), one))


def _like(each: Tensor, windows: Tensor) -> Tensor:
    """Return one number of each window (B,) so that it goes with tensors (B, ...)."""
    return each.view(-1, *[1] * (windows.dim() - 1))
