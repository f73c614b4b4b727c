"""How long predict() of one fitted series takes, beside neuralforecast, Darts and Keras.

    python benchmarks/latency.py
    python benchmarks/latency.py --without-peers

Every contender is a process that has fitted the same kind of network (LSTM 2x64, context 96, horizon 24) to
a made-up series of hours and waits. They are called in rounds, each in the reverse order of the one before
(A B C D, D C B A, ...), one at a time. Ours is Forecaster.predict(), which answers with a table; how the
peers are called stands in peers/contenders/. Their environments come from peers/make_environments.py. What
libraries say goes to standard error.
"""

import argparse
import statistics
from typing import Any

import pandas as pd

from contender_process import OURS, ContenderProcess
from machine import describe
from peers.make_environments import PEERS

CONTEXT, HORIZON = 96, 24
SIZES = {"hidden": 64, "layers": 2, "context": CONTEXT, "horizon": HORIZON, "batch": 32}
TASK: dict[str, Any] = {"do": "predict", "network": {"cell": "LSTM", "intervals": True} | SIZES, "series": 1}


def milliseconds(contender: ContenderProcess, calls: int) -> float:
    """Return the median of so many calls of a contender."""
    answer = contender.ask(**TASK, calls=calls)
    if "not possible" in answer:
        raise SystemExit(f"{contender.name}: {answer['not possible']}")
    return 1e3 * statistics.median(answer["seconds"])


def measure(contenders: list[ContenderProcess], rounds: int, calls: int) -> pd.DataFrame:
    """Return the median milliseconds per call of every round, (rounds, contenders)."""
    for contender in contenders:
        milliseconds(contender, calls)  # warms up
    rows = []
    for number in range(rounds):
        order = contenders[::-1] if number % 2 else contenders
        rows.append({contender.name: milliseconds(contender, calls) for contender in order})
    return pd.DataFrame(rows)[[contender.name for contender in contenders]]


def show(contenders: list[ContenderProcess], taken: pd.DataFrame) -> None:
    """Print the table: milliseconds per call, and how many times ours that is, round by round."""
    ratios = taken.div(taken[OURS], axis=0)
    print(f"{'':20}{'version':>12}{'torch':>14}{'threads':>9}   ms a call             times ours")
    for contender in contenders:
        ready, name = contender.ask(do="describe"), contender.name
        numbers = "   ".join(f"{spread(frame[name]):20}" for frame in (taken, ratios))
        print(
            f"{name:20}{ready['version']:>12}{ready['torch']:>14}{ready['threads']:>9}   {numbers}".rstrip()
        )


def spread(values: pd.Series) -> str:
    """Return the median of the rounds with the smallest and the largest."""
    return f"{values.median():.2f} [{values.min():.2f}, {values.max():.2f}]"


def main() -> None:
    """Start every contender, call them in rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="calls of each contender in a round")
    options = parser.parse_args()
    print(describe())
    print(f"LSTM 2x64, context {CONTEXT}, horizon {HORIZON}, one series, one at a time")
    print(
        f"{options.rounds} rounds, of each the median of {options.calls} calls: median [smallest, largest]\n"
    )
    names = (OURS, *(() if options.without_peers else PEERS))
    contenders = [ContenderProcess(name) for name in names]
    show(contenders, measure(contenders, options.rounds, options.calls))
    for contender in contenders:
        contender.end()


if __name__ == "__main__":
    main()
