"""Our training loop against one written by hand: the same weights bit for bit, and what it costs in time.

    python benchmarks/training_step.py            # LSTM 2x64, batch 128, context 96

Both train the same network from the same weights on the same windows in the same order; the hand-written
loop has all windows stacked in memory. They run in pairs (A B, B A, ...); each pair gives a ratio.
"""

import argparse
import copy
import statistics
import time

import numpy as np
import torch
from torch import nn

from machine import describe
from timeseries.deeplearning.gather import Affine, Batches, Buffers, ResidentGather, Scaling, SeriesTable
from timeseries.deeplearning.losses import make_loss
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.trainer import Trainer
from timeseries.deeplearning.window import Sizes
from timeseries.windows import Permutation, index_windows

HORIZON = 24


def make_batches(series: np.ndarray, model: LSTMModel) -> Batches:
    """Return our batches of every window of one series."""
    table = SeriesTable(
        names=("y",),
        offsets=np.array([0, len(series)]),
        values=series[:, None],
        inputs=slice(0, 1),
        targets=slice(0, 1),
        lead=1,
    )
    unit = Affine(np.zeros((1, 1)), np.ones((1, 1)))
    gather = ResidentGather(Buffers(table, context=model.sequence_length), Scaling(unit), horizon=HORIZON)
    rows = np.array([len(series)])
    index = index_windows(
        table.offsets, np.zeros_like(rows), rows, horizon=HORIZON, min_context=model.sequence_length
    )
    return Batches(gather, index, model.batch_size, seed=0)


def train_by_hand(network: nn.Module, past: torch.Tensor, target: torch.Tensor, order: torch.Tensor) -> None:
    """Train as a textbook would; ``order`` is (steps, batch)."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    network.train()
    for rows in order:
        states, _ = network.recurrence.blocks[0](past[rows])
        forecast = network.head.project(states[:, -1]).view(-1, HORIZON, 1)
        loss = nn.functional.mse_loss(forecast, target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main() -> None:
    """Run the pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--context", type=int, default=96)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=31)
    options = parser.parse_args()

    model = LSTMModel(
        hidden_size=options.hidden,
        num_layers=options.layers,
        sequence_length=options.context,
        batch_size=options.batch,
        max_steps=options.steps,
    )
    windows = options.batch * options.steps  # one epoch of full batches
    series = np.random.default_rng(0).normal(size=windows + options.context + HORIZON - 1)
    batches = make_batches(series, model)
    # Both see the same float32 numbers: the change since the first value, and that value added back.
    rows = torch.from_numpy((series - series[0]).astype(np.float32)) + np.float32(series[0])
    spans = rows.unfold(0, options.context + HORIZON, 1)
    past, target = (
        spans[:, : options.context, None].contiguous(),
        spans[:, options.context :, None].contiguous(),
    )
    order = torch.from_numpy(Permutation(windows, 0, 0)(np.arange(windows))).view(
        options.steps, options.batch
    )

    torch.manual_seed(0)
    start = model.build_network(Sizes(context=options.context, horizon=HORIZON, past=1))
    ratios, ours_ms, theirs_ms = [], [], []
    for pair in range(options.pairs + 1):  # the first warms up
        networks = {"ours": copy.deepcopy(start), "by hand": copy.deepcopy(start)}
        run = {
            "ours": lambda network: Trainer(model, make_loss("mse", None)).fit(network, batches),
            "by hand": lambda network: train_by_hand(network, past, target, order),
        }
        taken = {}
        for name in sorted(run, reverse=bool(pair % 2)):  # A B, B A, A B ...: neither is always first
            torch.manual_seed(1)  # dropout draws from the global stream in both
            began = time.perf_counter()
            run[name](networks[name])
            taken[name] = (time.perf_counter() - began) / options.steps * 1e3
        weights = [network.state_dict() for network in networks.values()]
        for name in weights[0]:
            assert torch.equal(weights[0][name], weights[1][name]), f"{name} differs"
        if pair:
            ours_ms.append(taken["ours"])
            theirs_ms.append(taken["by hand"])
            ratios.append(taken["ours"] / taken["by hand"])
    print(describe())
    print(
        f"LSTM {options.layers}x{options.hidden}, batch {options.batch}, context {options.context}, "
        f"{options.steps} steps a run, {options.pairs} pairs: weights equal bit for bit in every pair"
    )
    print(f"ours {statistics.median(ours_ms):.2f} ms a step, by hand {statistics.median(theirs_ms):.2f} ms")
    print(
        f"ratio, median of pairs {statistics.median(ratios):.3f} (smallest {min(ratios):.3f}, "
        f"largest {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
