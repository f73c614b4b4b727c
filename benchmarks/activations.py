"""What an activation without a fast kernel costs: a training step and a forecast against those with tanh.

    python benchmarks/activations.py              # 2 layers of 64, batch 32, windows of 20 and of 96 steps

Both networks have the same weights and windows. They run in pairs (A B, B A, ...), each pair gives a ratio,
and their median and quartiles are printed: a busy machine slows both sides of a pair.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch

from machine import describe
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.runtime import wait_for
from timeseries.deeplearning.window import Sizes, Window

WIDTH, LAYERS, BATCH = 64, 2, 32
CASES = [
    ("rnn", "relu"),
    *((cell, name) for cell in ("rnn", "lstm", "gru") for name in ("leaky_relu", "sigmoid")),
]
CASES += [("lstm", "relu"), ("gru", "relu")]


def make(cell: str, activation: str, context: int, device: torch.device) -> RecurrentNetwork:
    """Return a network with the same weights for every activation."""
    torch.manual_seed(0)
    sizes = Sizes(context=context, horizon=1, past=1)
    made = RecurrentNetwork(
        sizes, cell=cell, hidden_sizes=(WIDTH,) * LAYERS, dropout=0.2, activation=activation
    )
    return made.to(device)


def training(network: RecurrentNetwork, window: Window) -> Callable[[], None]:
    """Return one step of training."""
    network = copy.deepcopy(network).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        network(window).square().mean().backward()
        optimizer.step()

    return step


def forecasting(network: RecurrentNetwork, window: Window) -> Callable[[], None]:
    """Return one forecast of a batch."""
    network = copy.deepcopy(network).eval()

    def step() -> None:
        with torch.inference_mode():
            network(window)

    return step


def seconds(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Return the seconds of one step, over several."""
    wait_for(device)
    began = time.perf_counter()
    for _ in range(repeats):
        step()
    wait_for(device)
    return (time.perf_counter() - began) / repeats


def compare(
    ours: Callable[[], None], fast: Callable[[], None], pairs: int, repeats: int, device: torch.device
) -> str:
    """Return the median of the ratios of all pairs, and between which half of them lie."""
    ratios = []
    for pair in range(pairs + 1):  # the first warms up
        taken = {}
        for step in (ours, fast) if pair % 2 else (fast, ours):
            taken[step] = seconds(step, repeats, device)
        if pair:
            ratios.append(taken[ours] / taken[fast])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Print a row for every cell, activation and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contexts", type=int, nargs="+", default=[20, 96])
    parser.add_argument("--pairs", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    print(f"{describe()}, on {where}")
    print(f"{LAYERS} layers of {WIDTH}, batch {BATCH}; medians of {options.pairs} pairs, in times of tanh\n")
    print("| cell | activation | steps | training | forecast |")
    print("|---|---|---|---|---|")
    for context in options.contexts:
        window = Window(torch.randn(BATCH, context, 1).to(device))
        for cell, activation in sorted(CASES):
            networks = [make(cell, name, context, device) for name in (activation, "tanh")]
            row = [f"{cell} | {activation} | {context}"]
            for kind in (training, forecasting):
                steps = [kind(network, window) for network in networks]
                row.append(compare(*steps, options.pairs, options.repeats, device))
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
