"""How long predict() of one fitted series takes, beside neuralforecast, Darts and Keras.

    TIMESERIES_DATA=... python benchmarks/latency.py
    TIMESERIES_DATA=... python benchmarks/latency.py --without-peers

Every contender is a process that has fitted the same kind of network (LSTM 2x64, context 96, horizon 24) to
the oil temperature of ETTh1 and waits. They are called in rounds, each in the reverse order of the one before
(A B C D, D C B A, ...), one at a time. Ours is Forecaster.load(file).predict(), which answers with a table;
neuralforecast and Darts are called by their predict(); Keras by model(x) on one window, scaled and back. The
environments of the peers come from peers/make_environments.py. What libraries say goes to standard error.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from machine import data_folder, describe
from peers.make_environments import PEERS, python_of

OURS = "timeseries"
WORKER = Path(__file__).parent / "peers" / "worker.py"
ROWS, CONTEXT, HORIZON = 2000, 96, 24


class Contender:
    """A process that forecasts when it is asked to."""

    def __init__(self, name: str, values: list[float]) -> None:
        python = sys.executable if name == OURS else python_of(name)
        self.name = name
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, WORKER, name], stdin=pipe, stdout=pipe, text=True)
        self.ready = self.ask({"values": values, "context": CONTEXT, "horizon": HORIZON})
        if self.ready["steps"] != HORIZON:
            raise SystemExit(f"{name} answered with {self.ready['steps']} steps instead of {HORIZON}.")

    def ask(self, question: Any) -> Any:
        """Send one line and return the answer to it."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended without an answer; its last words stand above.")
        return json.loads(answer)

    def end(self) -> None:
        """Close its input and wait for it to end."""
        self.process.communicate()


def measure(contenders: list[Contender], rounds: int, calls: int) -> pd.DataFrame:
    """Return the median milliseconds per call of every round, (rounds, contenders)."""
    for contender in contenders:
        contender.ask(calls)  # warms up
    rows = []
    for number in range(rounds):
        order = contenders[::-1] if number % 2 else contenders
        rows.append({contender.name: statistics.median(contender.ask(calls)) for contender in order})
    return pd.DataFrame(rows)[[contender.name for contender in contenders]]


def show(contenders: list[Contender], taken: pd.DataFrame) -> None:
    """Print the table: milliseconds per call, and how many times ours that is, round by round."""
    ratios = taken.div(taken[OURS], axis=0)
    print(f"{'':16}{'version':>12}{'torch':>14}{'threads':>9}   ms a call             times ours")
    for contender in contenders:
        ready, name = contender.ready, contender.name
        numbers = "   ".join(f"{spread(frame[name]):20}" for frame in (taken, ratios))
        print(
            f"{name:16}{ready['version']:>12}{ready['torch']:>14}{ready['threads']:>9}   {numbers}".rstrip()
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
    file = data_folder() / "ett" / "ETTh1.csv.gz"
    values = pd.read_csv(file, nrows=ROWS)["OT"].tolist()
    contenders = [Contender(name, values) for name in (OURS, *(() if options.without_peers else PEERS))]
    show(contenders, measure(contenders, options.rounds, options.calls))
    for contender in contenders:
        contender.end()


if __name__ == "__main__":
    main()
