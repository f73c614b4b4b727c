"""How near the recurrent layers come to the matrix products that they consist of.

    python benchmarks/efficiency.py

For every size: the measured forward and backward pass of the layers as our networks run them (PyTorch's own;
for GRU and RNN with the backward pass written out), their floating-point operations per second, and the
floor: the time of the same products alone, measured one shape at a time, and of the activations alone.
Efficiency is floor / measured; what is left is memory traffic, calls and bookkeeping.

Per layer with B windows, T steps, I inputs, H units and G gates: one product (B T, I) x (I, G H) before the
steps, T products (B, H) x (H, G H) forward, T products (B, G H) x (G H, H) backward, one
(G H, B T) x (B T, I + H) for the weights, and above the lowest layer one (B T, G H) x (G H, I).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from machine import describe
from timeseries.deeplearning.layers.unrolled import run
from timeseries.deeplearning.runtime import kept_memory

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {"LSTM": 5, "GRU": 3, "RNN": 1}  # sigmoids and tanhs of one unit in one step
SIZES = ((64, 2, 20, 32), (64, 2, 20, 256), (64, 2, 96, 32), (64, 2, 96, 256), (128, 2, 96, 256))
COLUMNS = (
    "cell, units, layers, context, batch",
    "forward ms",
    "forward and backward ms",
    "GFLOP/s",
    "of peak",
    "products ms",
    "activations ms",
    "efficiency",
)
PEAK = 2048  # rows and columns of the product that shows what the machine can do


def seconds(job: Callable[[], object], rounds: int) -> float:
    """Return the median time of a call."""
    job()
    taken = []
    for _ in range(rounds):
        began, calls = time.perf_counter(), 0
        while time.perf_counter() - began < 0.1 or not calls:
            job()
            calls += 1
        taken.append((time.perf_counter() - began) / calls)
    return statistics.median(taken)


def product(m: int, k: int, n: int, rounds: int) -> float:
    """Return the time of one product (m, k) x (k, n)."""
    a, b = torch.randn(m, k), torch.randn(k, n)  # (m, k), (k, n)
    out = torch.empty(m, n)  # (m, n)
    return seconds(lambda: torch.mm(a, b, out=out), rounds)


def operations(cell: str, hidden: int, layers: int, context: int, batch: int) -> float:
    """Return the floating-point operations of the products of a training step, one feature in."""
    gates, total = GATES[cell], 0.0
    for layer in range(layers):
        width = hidden if layer else 1
        total += 6.0 * gates * batch * context * hidden * (width + hidden)
        total -= 0.0 if layer else 2.0 * gates * batch * context * hidden * width
    return total


def floor(cell: str, hidden: int, layers: int, context: int, batch: int, rounds: int) -> tuple[float, float]:
    """Return the time of all products of a training step, and that of its activations."""
    wide, flat = GATES[cell] * hidden, batch * context
    one, back = product(batch, hidden, wide, rounds), product(batch, wide, hidden, rounds)
    products = layers * context * (one + back)
    for layer in range(layers):
        width = hidden if layer else 1
        products += product(flat, width, wide, rounds) + product(wide, flat, width + hidden, rounds)
        products += product(flat, wide, width, rounds) if layer else 0.0
    x = torch.randn(batch, hidden)  # (B, H)
    out = torch.empty_like(x)
    pair = seconds(lambda: torch.tanh(x, out=out), rounds), seconds(lambda: torch.sigmoid(x, out=out), rounds)
    return products, layers * context * ACTIVATIONS[cell] * statistics.fmean(pair)


def passes(cell: str, hidden: int, layers: int, context: int, batch: int) -> tuple[Callable[[], object], ...]:
    """Return the forward pass and the training pass of a layer."""
    network: nn.RNNBase = getattr(nn, cell)(1, hidden, layers, batch_first=True)
    x = torch.randn(batch, context, 1)  # (B, T, 1)

    def forward() -> Tensor:
        with torch.inference_mode():
            return cast("Tensor", run(network, x)[0])  # (B, T, H)

    def train() -> None:
        network.zero_grad()
        cast("Tensor", run(network, x)[0])[:, -1].sum().backward()  # as a head on the last state does

    return forward, train


def main() -> None:
    """Print one row per cell and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", nargs="+", choices=GATES, default=list(GATES))
    options = parser.parse_args()
    print(describe())
    peak = 2 * PEAK**3 / product(PEAK, PEAK, PEAK, options.rounds) / 1e9
    print(f"product of {PEAK} x {PEAK} matrices, float32: {peak:.0f} GFLOP/s\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---|---|---|---|---|---|---|---|")
    for cell in options.cells:
        for size in SIZES:
            with kept_memory():  # as our training has it
                forward, train = (seconds(job, options.rounds) for job in passes(cell, *size))
            products, activations = floor(cell, *size, options.rounds)
            rate = operations(cell, *size) / train / 1e9
            numbers = (
                f"{forward * 1e3:.2f}",
                f"{train * 1e3:.2f}",
                f"{rate:.0f}",
                f"{rate / peak:.0%}",
                f"{products * 1e3:.2f}",
                f"{activations * 1e3:.2f}",
                f"{(products + activations) / train:.0%}",
            )
            print(f"| {cell} {', '.join(map(str, size))} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main()
