"""How fast training, forecasts and backtests are, beside the peers: all contenders alternately, in one run.

    python benchmarks/peers/make_environments.py
    TIMESERIES_DATA=... python benchmarks/speed.py                  # about three hours on 2 quiet cores
    python benchmarks/speed.py --peers --tasks train predict   # a few minutes, without data
    python benchmarks/speed.py --tables                             # those of the last run of each task

Every contender is a process of its own, in the environment of its library. One works at a time, in rounds,
each in the reverse order of the one before (A B C, C B A, ...), after each has warmed up.

train     One optimiser step: the time of many steps less that of a few, by the difference of their numbers,
          so that what a fit does once is no part of it; and a fit of 300 steps.
reach     Seconds of fitting until the error on the test part of ETTh1 (horizon 24, context 96) is low enough.
          Every budget of steps is a fit of its own, from fresh weights; each round has another seed. Nothing
          is chosen by that error: the time shown is that of the smallest of the BUDGETS that gets there.
predict   What follows each of 1, 1000 and 10,000 fitted series.
backtest  Every origin of the test part of ETTh1, 2857 x 7 windows, by a network that is fitted before.

Every measurement is a line of results/speed.jsonl, or of --results. Progress goes to standard error.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import sets
from contender_process import OURS, ContenderProcess
from machine import describe
from peers.make_environments import PEERS
from speed_tables import TARGETS, print_tables
from timeseries.deeplearning.runtime import has_bfloat16

RESULTS = Path(__file__).parent / "results" / "speed.jsonl"
RECIPES = ("recipe lstm", "recipe lstm_stacked", "recipe nlinear")
RECURRENT_PEERS = ("neuralforecast", "darts", "keras")  # whose training is like ours: errors compare
CELLS = ("LSTM", "GRU", "RNN")
PRECISIONS = ("float32", "bfloat16") if has_bfloat16("cpu") else ("float32",)
HORIZON = 24
BUDGETS = (25, 50, 100, 200, 400, 800, 1600, 3200)  # optimiser steps
LONGEST_FIT = 30.0  # seconds; a budget that would take longer by the pace of the one before is not tried
SLOW = 20.0  # seconds; what takes longer when warming up is measured in the first round only
FEW = 10  # steps of a fit that warms up
Question = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A row of a table for every contender: what all are asked in each round."""

    task: str
    label: str
    questions: tuple[Question, ...]


def network(
    cell: str = "LSTM",
    hidden: int = 64,
    layers: int = 2,
    context: int = 96,
    batch: int = 128,
    precision: str = "float32",
) -> Question:
    """Return a network as contenders are told of it."""
    sizes = {"hidden": hidden, "layers": layers, "context": context, "batch": batch}
    return {"cell": cell, "horizon": HORIZON, "precision": precision} | sizes


def training_cases(sizes: str, cells: Sequence[str], precisions: Sequence[str]) -> list[Case]:
    """Return the networks and series that steps are timed on, with steps for 1 to 4 seconds.

    In bfloat16 only the LSTM is, for whose layers PyTorch has such kernels.
    """
    one, many = (1, 8640), (1000, 1000)
    short = {(64, 20, 32): 300, (64, 96, 32): 100}  # steps by hidden size, context and batch
    wide = {(64, 20, 256): 60, (64, 96, 256): 20, (128, 96, 256): 20}
    long = {(64, 384, 32): 20}
    every = [(one, short | wide | long), (many, short | wide)] if sizes == "all" else [(one, short)]
    kinds = [(cell, "float32") for cell in cells if "float32" in precisions]
    kinds += [("LSTM", "bfloat16")] if "bfloat16" in precisions and "LSTM" in cells else []
    return [
        training_case(network(cell, hidden, context=context, batch=batch, precision=kind), series, number)
        for cell, kind in kinds
        for series, steps in (every if kind == "float32" else every[:1])
        for (hidden, context, batch), number in steps.items()
    ]


def training_case(told: Question, series: tuple[int, int], steps: int) -> Case:
    """Return the case of one network: a few steps, and all."""
    kind = "" if told["precision"] == "float32" else f" in {told['precision']}"
    name = f"{told['cell']} {told['layers']}x{told['hidden']}{kind}"
    label = f"{name}, context {told['context']}, batch {told['batch']}, {series[0]} x {series[1]}"
    fit = {"do": "train", "network": told, "series": series}
    return Case("train", label, (fit | {"steps": max(2, steps // 10)}, fit | {"steps": steps}))


def predict_cases(sizes: str) -> list[Case]:
    """Return the numbers of series; more calls where one is short."""
    counts = {1: 20, 1000: 3, 10_000: 1} if sizes == "all" else {1: 20, 1000: 3}
    ask = {"do": "predict", "network": network() | {"intervals": True}}
    return [
        Case("predict", f"{count} series", (ask | {"series": count, "calls": calls},))
        for count, calls in counts.items()
    ]


def backtest_cases(file: str) -> list[Case]:
    """Return the only backtest."""
    ask = {"do": "backtest", "network": network() | {"intervals": True}, "file": file}
    return [Case("backtest", "ETTh1, 2857 x 7 windows", (ask,))]


class Race:
    """The contenders of a run and the file that keeps what they say."""

    def __init__(self, threads: int, pairs: int, results: Path) -> None:
        self.threads, self.pairs, self.results = threads, pairs, results
        self.head = {"run": datetime.datetime.now().isoformat(timespec="seconds")}
        self.contenders: dict[str, ContenderProcess] = {}

    def run(self, case: Case, names: list[str]) -> None:
        """Ask all contenders in rounds."""
        contenders = [self.contender(name) for name in names]
        slow = {}
        for contender in contenders:
            tell(f"{case.task}, {case.label}: {contender.name} warms up")
            answer = contender.ask(**warming(case.questions[0]))
            if "not possible" in answer:
                self.keep(case, contender, 0, [answer])
            else:
                slow[contender] = max(np.ravel(answer["seconds"])) > SLOW
        for number in range(self.pairs):
            racing = [contender for contender, is_slow in slow.items() if number == 0 or not is_slow]
            for contender in in_turn(racing, number):
                tell(f"{case.task}, {case.label}: round {number + 1}, {contender.name}")
                self.keep(case, contender, number, [contender.ask(**ask) for ask in case.questions])

    def reach(self, names: list[str], file: str, seeds: int) -> None:
        """Fit with more and more steps until the lowest error is reached or a fit takes too long."""
        for seed in range(seeds):
            for contender in in_turn([self.contender(name) for name in names], seed):
                ask = {"do": "reach", "network": network(), "file": file, "seed": seed}
                contender.ask(**ask, steps=FEW)  # warms up
                for question, answer in growing_budgets(ask, contender.ask):
                    tell(f"reach, seed {seed}: {contender.name}, {question['steps']} steps: {answer}")
                    case = Case("reach", "ETTh1", (question,))
                    self.keep(case, contender, seed, [answer])

    def contender(self, name: str) -> ContenderProcess:
        """Return a contender, which stays for the whole run."""
        if name not in self.contenders:
            self.contenders[name] = ContenderProcess(name, self.threads)
        return self.contenders[name]

    def keep(self, case: Case, contender: ContenderProcess, number: int, answers: list[Any]) -> None:
        """Write what was measured to the file at once."""
        asked = [{key: part for key, part in ask.items() if key != "file"} for ask in case.questions]
        line = {"task": case.task, "case": case.label, "contender": contender.name, "round": number}
        line |= {"asked": asked, "answers": answers}
        self._write(line)

    def start(self, task: str, names: list[str]) -> None:
        """Write what runs in this task, of which the tables are headed."""
        versions = {name: self.contender(name).ask(do="describe") for name in names}
        self._write({"machine": describe(), "task": task, "versions": versions, "threads": self.threads})

    def end(self) -> None:
        """End all processes."""
        for contender in self.contenders.values():
            contender.end()
        self.contenders.clear()

    def _write(self, line: dict[str, Any]) -> None:
        with self.results.open("a") as file:
            print(json.dumps(self.head | line), file=file)


def in_turn(contenders: list[Any], number: int) -> list[Any]:
    """Return the order of a round: A B C, C B A, ..."""
    return contenders[::-1] if number % 2 else contenders


def warming(question: Question) -> Question:
    """Return a question with one call, whatever the number of calls is."""
    return question | {"calls": 1} if "calls" in question else question


def growing_budgets(
    ask: Question, answer_to: Callable[..., dict[str, Any]]
) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Yield each budget of steps and its answer, until the lowest target is reached or time is up."""
    for steps in BUDGETS:
        question = ask | {"steps": steps}
        answer = answer_to(**question)
        yield question, answer
        if "not possible" in answer or answer["mse"] < min(TARGETS) or 2 * answer["seconds"] > LONGEST_FIT:
            return


def names_of(task: str, peers: Sequence[str]) -> list[str]:
    """Return who takes part in a task."""
    mine = {
        "train": ["by hand"],
        "reach": [*RECIPES],
        "predict": ["bare forward"],
        "backtest": ["bare forward"],
    }
    able = RECURRENT_PEERS if task == "reach" else PEERS
    return [OURS, *mine[task], *(peer for peer in peers if peer in able)]


def tell(progress: str) -> None:
    """Say how far it is."""
    print(progress, file=sys.stderr, flush=True)


def run(options: argparse.Namespace) -> None:
    """Run the tasks one after another; processes of one task do not stay for the next."""
    race = Race(options.threads, options.pairs, options.results)
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "etth1.npy")
        if {"reach", "backtest"} & set(options.tasks):
            np.save(file, sets.etth1()[0].drop(columns="ds").to_numpy().T)  # (S, N)
        cases = {
            "train": lambda: training_cases(options.sizes, options.cells, options.precisions),
            "predict": lambda: predict_cases(options.sizes),
            "backtest": lambda: backtest_cases(file),
        }
        for task in options.tasks:
            names = names_of(task, options.peers)
            chosen = titled(options.case, cases[task]()) if task in cases else []
            race.start(task, names)
            if task == "reach":
                race.reach(names, file, options.seeds)
            for case in chosen:
                race.run(case, names)
            race.end()


def titled(text: str, cases: list[Case]) -> list[Case]:
    """Return the cases whose title holds a text; refuse one that none holds."""
    chosen = [case for case in cases if text in case.label]
    if not chosen:
        titles = "".join(f"\n    {case.label}" for case in cases)
        raise SystemExit(f"--case {text!r} is in no title. Take a part of one of these:{titles}")
    return chosen


def positive(text: str) -> int:
    """Read a whole number above 0, as argparse wants it told."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, got {text}")
    return number


def main() -> None:
    """Run what is wanted and print its tables."""
    tasks = ("train", "reach", "predict", "backtest")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peers", nargs="*", choices=PEERS, default=PEERS, help="all of them; or these, or none"
    )
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=list(tasks))
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the measurements")
    parser.add_argument("--pairs", type=positive, default=5, help="rounds after the warm-up")
    parser.add_argument("--seeds", type=positive, default=3, help="rounds of reach")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS, help="of the networks to train")
    parser.add_argument("--case", default="", help="only rows whose title holds this text")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--sizes", choices=("small", "all"), default="all")
    parser.add_argument("--threads", type=positive, default=2, help="of every contender")
    parser.add_argument("--tables", action="store_true", help="print those of the last runs; run nothing")
    options = parser.parse_args()
    if not options.tables:
        torch.set_num_threads(options.threads)  # which describe() shows
        run(options)
    elif not options.results.is_file():
        parser.error(f"--results: there is no file {options.results}")
    lines = [json.loads(line) for line in options.results.read_text().splitlines()]
    print_tables(lines, options.tasks)


if __name__ == "__main__":
    main()
