"""What single means of making training faster gain: each as a pair, without and with it, in turn.

    python benchmarks/levers.py
    python benchmarks/levers.py --only denormals models

LSTM 2x64 (unless a row says otherwise), Adam, made-up windows of one column that stand in memory. A round
times both jobs of a pair, in the reverse order of the round before, and gives a ratio: above 1 the lever
gains. What this machine has no instructions for is left out and named.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from machine import describe
from timeseries.deeplearning import gather as gather_module
from timeseries.deeplearning import runtime
from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.layers.unrolled import run
from timeseries.deeplearning.runtime import has_bfloat16, kept_memory, mixed
from timeseries.windows import index_windows

HIDDEN, LAYERS, CONTEXT, HORIZON, BATCH = 64, 2, 96, 24, 32
MODELS = 4  # of those that are trained at once
STEPS = 8  # of a job
CUT_STEPS = 48  # of one whose batches are cut together
GOOD = 0.1  # of squared error, where noise is .04 of it
Job = Callable[[], object]


class Pair(NamedTuple):
    """What is compared: a title, the job without the lever, that with it, and the steps of a job."""

    title: str
    without: Job
    having: Job
    steps: int = STEPS


def windows(count: int = 4000, context: int = CONTEXT) -> Tensor:
    """Return windows of noise, (W, T + H)."""
    return torch.randn(count, context + HORIZON, generator=torch.Generator().manual_seed(0))


class Loop:
    """A network, its optimiser, and steps on windows (W, T + H)."""

    def __init__(
        self, cells: nn.Module, data: Tensor, *, batch: int = BATCH, hidden: int = HIDDEN, fused: bool = True
    ) -> None:
        self.cells, self.head, self.batch = cells, nn.Linear(hidden, HORIZON), batch
        self.data = data
        weights = [*cells.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(weights, lr=1e-3, fused=fused)

    def steps(self) -> None:
        """Take some."""
        for rows in torch.randint(len(self.data), (STEPS, self.batch)):
            self.step(self.data[rows])

    def step(self, spans: Tensor) -> None:
        """Take one, on windows (B, T + H)."""
        states = self.cells(spans[:, :-HORIZON, None])[0]  # (B, T, hidden)
        loss = nn.functional.mse_loss(self.head(states[:, -1]), spans[:, -HORIZON:])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def lstm(hidden: int = HIDDEN) -> nn.Module:
    """Return the usual layers."""
    torch.manual_seed(0)
    return nn.LSTM(1, hidden, LAYERS, batch_first=True)


def gather() -> Iterator[Pair]:
    """Yield how batches come about: window by window through a loader, or all at once by index."""
    data, loop = windows(), Loop(lstm(), windows())
    loader = DataLoader(TensorDataset(data), batch_size=BATCH, shuffle=True)

    def load() -> None:
        batches = iter(loader)
        for _ in range(STEPS):
            loop.step(next(batches)[0])

    yield Pair("windows gathered by index, not by a DataLoader", load, loop.steps)


def cut() -> Iterator[Pair]:
    """Yield batches that our gather cuts one by one, or several small ones in one go."""
    rows = 8640
    for context in (20, CONTEXT):
        loop, values = Loop(lstm(), windows(context=context)), torch.randn(rows, 1).double().numpy()  # (N, 1)
        table = SeriesTable(
            names=("y",),
            offsets=np.array([0, rows]),
            values=values,
            inputs=slice(1),
            targets=slice(1),
            lead=1,
        )
        scaling = Scaling(Affine(np.zeros((1, 1)), np.ones((1, 1))))
        resident = ResidentGather(Buffers(table, context=context), scaling, horizon=HORIZON)
        index = index_windows(
            table.offsets, np.array([0]), table.offsets[1:], horizon=HORIZON, min_context=context
        )
        batches = Batches(resident, index, BATCH, seed=0)
        jobs = [partial(steps_of, loop, batches, numbers) for numbers in (1, gather_module.CUT_AT_ONCE)]
        yield Pair(f"small batches cut together, context {context}", *jobs, steps=CUT_STEPS)


def steps_of(loop: Loop, batches: Batches, cut_at_once: int) -> None:
    """Take steps on batches that are cut so many numbers at once."""
    usual, gather_module.CUT_AT_ONCE = gather_module.CUT_AT_ONCE, cut_at_once
    for batch in islice(batches.epoch(0), CUT_STEPS):
        loop.step(torch.cat([batch.window.past, batch.target], dim=1)[..., 0])  # (B, T + H)
    gather_module.CUT_AT_ONCE = usual


def fused() -> Iterator[Pair]:
    """Yield the optimiser: one call for all weights, or several for each."""
    for batch in (BATCH, 256):
        one, other = (Loop(lstm(), windows(), batch=batch, fused=fused) for fused in (False, True))
        yield Pair(f"fused Adam, batch {batch}", one.steps, other.steps)


def memory() -> Iterator[Pair]:
    """Yield memory that is kept between steps, or given back, in a process that has imported pandas.

    In others glibc happens to give less back. It comes last, since it changes the process.
    """
    importlib.import_module("pandas")
    for batch in (BATCH, 256):
        loop = Loop(lstm(), windows(), batch=batch)
        yield Pair(f"freed memory kept, batch {batch}", loop.steps, within(kept_memory, loop.steps))


def threads() -> Iterator[Pair]:
    """Yield one thread, or two."""
    for context, batch in ((20, BATCH), (CONTEXT, BATCH), (CONTEXT, 256)):
        loop = Loop(lstm(), windows(context=context), batch=batch)
        jobs = [within(partial(runtime.threads, number), loop.steps) for number in (1, 2)]
        yield Pair(f"two threads, context {context}, batch {batch}", *jobs)


def denormals() -> Iterator[Pair]:
    """Yield numbers below 1e-38: computed, or flushed to zero."""
    kinds = {
        f"noise, context {CONTEXT}": windows(),
        f"noise, context {4 * CONTEXT}": windows(context=4 * CONTEXT),
        f"zeros, context {CONTEXT}": torch.zeros(4000, CONTEXT + HORIZON),
    }
    for name, data in kinds.items():
        loop = Loop(lstm(), data)
        flushed = within(partial(runtime.without_denormals, "cpu"), loop.steps)
        yield Pair(f"denormals flushed, windows of {name}", loop.steps, flushed)


def models() -> Iterator[Pair]:
    """Yield several networks one after another, or in one batched computation."""
    loops = [Loop(lstm(), windows()) for _ in range(MODELS)]

    def in_turn() -> None:
        for loop in loops:
            loop.steps()

    together = Loop(ManyLSTMs(), windows())
    together.head = ManyHeads()
    together.optimizer = torch.optim.Adam(
        [*together.cells.parameters(), *together.head.parameters()], fused=True
    )

    def at_once() -> None:
        for rows in torch.randint(4000, (STEPS, MODELS, BATCH)):
            spans = together.data[rows]  # (M, B, T + H)
            states = together.cells(spans[..., :-HORIZON, None])  # (M, B, hidden)
            loss = nn.functional.mse_loss(together.head(states), spans[..., -HORIZON:])
            together.optimizer.zero_grad()
            loss.backward()
            together.optimizer.step()

    yield Pair(f"{MODELS} LSTMs in one batched computation", in_turn, at_once)


class ManyLSTMs(nn.Module):
    """M stacks of LSTM layers at once; every product is a batched one."""

    def __init__(self) -> None:
        super().__init__()
        bound = HIDDEN**-0.5
        self.given, self.recurrent, self.bias = (
            nn.ParameterList(
                nn.Parameter(torch.empty(MODELS, rows(layer), 4 * HIDDEN).uniform_(-bound, bound))
                for layer in range(LAYERS)
            )
            for rows in (lambda layer: HIDDEN if layer else 1, lambda _: HIDDEN, lambda _: 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x (M, B, T, F) to the last state (M, B, hidden)."""
        models, batch, steps, _ = x.shape
        for given, recurrent, bias in zip(self.given, self.recurrent, self.bias, strict=True):
            sums = torch.baddbmm(bias, x.flatten(1, 2), given).unflatten(1, (batch, steps))  # (M, B, T, 4*W)
            hidden = cell = x.new_zeros(models, batch, HIDDEN)  # (M, B, W)
            states = []
            for z in sums.unbind(2):  # (M, B, 4*W)
                i, f, g, o = torch.baddbmm(z, hidden, recurrent).chunk(4, dim=-1)  # (M, B, W) each
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                hidden = o.sigmoid() * cell.tanh()
                states.append(hidden)
            x = torch.stack(states, dim=2)  # (M, B, T, W)
        return x[:, :, -1]


class ManyHeads(nn.Module):
    """M linear maps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(MODELS, HIDDEN, HORIZON) * HIDDEN**-0.5)

    def forward(self, states: Tensor) -> Tensor:
        """Map states (M, B, W) to forecasts (M, B, H)."""
        return states @ self.weight


def scans() -> Iterator[Pair]:
    """Yield recurrences step by step, or all steps at once by a scan (minGRU)."""
    for context in (CONTEXT, 4 * CONTEXT):
        step_by_step, at_once = (
            Loop(cells, windows(1000, context))
            for cells in (lstm(), nn.Sequential(MinGRU(1), MinGRU(HIDDEN), First()))
        )
        yield Pair(f"minGRU in place of the LSTM, context {context}", step_by_step.steps, at_once.steps)


class MinGRU(nn.Module):
    """Feng and others 2024 (arXiv 2410.01201), section 3.1 and appendix B: logarithms, cumulative sums."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, 2 * HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, F) to states (B, T, W)."""
        z, candidate = self.project(x).chunk(2, dim=-1)  # (B, T, W) each
        positive = torch.where(
            candidate >= 0, (candidate.relu() + 0.5).log(), -nn.functional.softplus(-candidate)
        )
        decay = -nn.functional.softplus(z).cumsum(dim=1)  # (B, T, W), the logarithm of what is left of step 0
        values = positive - nn.functional.softplus(-z) - decay  # (B, T, W)
        return (decay + values.logcumsumexp(dim=1)).exp()


class First(nn.Module):
    """Puts states where PyTorch's layers have them."""

    def forward(self, states: Tensor) -> tuple[Tensor]:
        """Return them, (B, T, W), as the first of one."""
        return (states,)


def unrolled() -> Iterator[Pair]:
    """Yield GRU and plain RNN with PyTorch's backward pass, or with the one that is written out."""
    for make in (nn.GRU, nn.RNN):
        for context, batch in ((20, BATCH), (CONTEXT, BATCH), (CONTEXT, 256)):
            torch.manual_seed(0)
            layers = make(1, HIDDEN, LAYERS, batch_first=True)
            loops = [
                Loop(cells, windows(context=context), batch=batch) for cells in (layers, Unrolled(layers))
            ]
            title = f"{make.__name__} with its backward pass written out, context {context}, batch {batch}"
            yield Pair(title, *(within(kept_memory, loop.steps) for loop in loops))


def batches() -> Iterator[Pair]:
    """Yield small batches, or larger ones at a higher rate, until held-out windows are forecast."""
    for batch, rate in ((128, 2e-3), (128, 4e-3), (256, 2.8e-3)):
        small, large = (partial(train_until_good, *settings) for settings in ((BATCH, 1e-3), (batch, rate)))
        title = f"batches of {batch} at a rate of {rate:g}, not {BATCH} at 0.001, a whole training"
        yield Pair(title, small, large, steps=1)


def train_until_good(batch: int, rate: float) -> None:
    """Train on waves in noise until the error of windows held out is little more than that of the noise."""
    steps = torch.arange(CONTEXT + HORIZON) / 24  # (T + H,)
    draw = torch.Generator().manual_seed(1)
    phase, length = torch.rand(2, 4000, 1, generator=draw)  # (W, 1) each
    waves = torch.sin(2 * torch.pi * (steps * (0.5 + length) + phase))  # (W, T + H)
    data, held = (waves + 0.2 * torch.randn(waves.shape, generator=draw)).split([3500, 500])
    loop = Loop(lstm(), data, batch=batch)
    loop.optimizer.param_groups[0]["lr"] = rate
    while True:
        loop.steps()
        with torch.no_grad():
            states = loop.cells(held[:, :-HORIZON, None])[0]  # (W, T, hidden)
            if nn.functional.mse_loss(loop.head(states[:, -1]), held[:, -HORIZON:]) < GOOD:
                return


class Unrolled(nn.Module):
    """Layers as our networks run them."""

    def __init__(self, layers: nn.RNNBase) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> object:
        """Map x (B, T, F) to what the layers return."""
        return run(self.layers, x)


def bfloat16() -> Iterator[Pair]:
    """Yield sixteen bits instead of 32, where the machine has instructions for them."""
    if has_bfloat16("cpu"):
        for hidden in (HIDDEN, 128):
            for batch in (BATCH, 256):
                loop = Loop(lstm(hidden), windows(), hidden=hidden, batch=batch)
                half = within(partial(mixed, "bfloat16", "cpu", learning=True), loop.steps)
                jobs = [within(kept_memory, job) for job in (loop.steps, half)]
                yield Pair(f"bfloat16, LSTM 2x{hidden}, batch {batch}", *jobs)


def within(context: Callable[[], AbstractContextManager[object]], job: Job) -> Job:
    """Return a job that runs in a context of its own."""

    def run() -> None:
        with context():
            job()

    return run


def seconds(job: Job) -> float:
    """Return the time of a job."""
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


LEVERS = {
    make.__name__: make
    for make in (gather, cut, fused, threads, denormals, models, scans, unrolled, batches, bfloat16, memory)
}


def main() -> None:
    """Print one row for each pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=LEVERS, default=list(LEVERS))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(2)
    print(describe())
    print("\n| lever | without, ms a step | with | gain [smallest, largest] |\n|---|---|---|---|")
    for name in options.only:
        pairs = list(LEVERS[name]())
        if not pairs:
            print(f"| {name} | this machine has no instructions for it | | |")
        for title, without, having, steps in pairs:
            taken: dict[Job, list[float]] = {without: [], having: []}
            for number in range(options.rounds + 1):  # the first warms up
                for job in list(taken)[:: -1 if number % 2 else 1]:
                    taken[job].append(seconds(job))
            before, after = (times[1:] for times in taken.values())
            gains = [one / other for one, other in zip(before, after, strict=True)]
            cells = [f"{statistics.median(times) / steps * 1e3:.2f}" for times in (before, after)]
            gain = f"{statistics.median(gains):.2f} [{min(gains):.2f}, {max(gains):.2f}]"
            print(f"| {title} | {cells[0]} | {cells[1]} | {gain} |", flush=True)


if __name__ == "__main__":
    main()
