"""What becomes of a saved model and of a bad table in three libraries: the same faults, side by side.

    python benchmarks/peers/make_environments.py darts neuralforecast
    python benchmarks/faults.py

A small LSTM of each is fitted to 200 hours. Models: single bits of the saved files are flipped, the process
that saves is killed, and files cannot grow beyond a share of their size (as on a full disk); then the model
is loaded and forecasts. Tables: one fault each, passed to fit as a user would who has not seen it; of
warnings, those are shown that the same table without its fault does not bring.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from machine import describe
from peers.make_environments import python_of

WORKER = Path(__file__).parent / "peers" / "fault_worker.py"
CONTENDERS = ("timeseries", "neuralforecast", "darts")
TABLES = ("NaN", "duplicate stamp", "gap", "wrong frequency")


class Worker:
    """A contender in a process of its own, started again when a fault ends it."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        python = sys.executable if self.name == "timeseries" else python_of(self.name)
        command = [python, WORKER, self.name]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def ask(self, **task: Any) -> Any:
        """Return the answer to a task, or "crashed"."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(task), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.end()
        self.process = self._start()
        if task["do"] != "table":
            self.ask(do="save", path=str(self.path))
        return "crashed"

    def end(self) -> None:
        """Stop the process."""
        self.process.kill()
        self.process.communicate()


def model_faults(worker: Worker, times: int, seed: int) -> dict[str, Counter[str]]:
    """Return how often each fault of a saved model ended how."""
    draw = np.random.default_rng(seed)
    worker.ask(do="save", path=str(worker.path))
    faults = {
        "flip": draw.integers(0, 2**40, size=times).tolist(),
        "kill": draw.uniform(0.0, 0.2, size=times // 4).tolist(),
        "full": np.linspace(0.0, 0.95, 10).tolist(),
    }
    return {
        do: Counter(worker.ask(do=do, **{"with": value}) for value in values) for do, values in faults.items()
    }


def outcome(answers: dict[str, Any], usual: list[str]) -> str:
    """Say in a few words what came of a bad table."""
    if "error" in answers:
        return f"refused: {' '.join(answers['error'].split())[:300]}"
    new = [warning for warning in answers["warnings"] if warning not in usual]
    told = f", warned: {new[0][:100]}" if new else ", without a word"
    return f"{'finite' if answers['finite'] else 'NaN'} forecast{told}"


def main() -> None:
    """Run all experiments and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--times", type=int, default=200, help="bits that are flipped; a quarter as many kills"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe(), f"seed {options.seed}", sep="; ")
    for name in CONTENDERS:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "saved" / "model"
            path.parent.mkdir()
            worker = Worker(name, path)
            for fault, counts in model_faults(worker, options.times, options.seed).items():
                told = ", ".join(f"{count} {how}" for how, count in counts.most_common())
                print(f"{name:>15}  {fault:>15}  {told}", flush=True)
            usual = worker.ask(do="table", fault=None)["warnings"]
            for fault in TABLES:
                told = outcome(worker.ask(do="table", fault=fault), usual)
                print(f"{name:>15}  {fault:>15}  {told}", flush=True)
            worker.end()


if __name__ == "__main__":
    main()
