"""What a training step takes while other work holds the cores: ours, a loop by hand, and the peers.

    python benchmarks/peers/make_environments.py
    python benchmarks/busy_cores.py --peers neuralforecast darts keras    # 17 minutes on 2 cores
    python benchmarks/busy_cores.py --peers                               # ours and the loop by hand

Other work is one process per core that is held, which counts. Every contender is a process of its own with
two threads, ours also with one, and with two that wait shortly for each other (GOMP_SPINCOUNT); they work in
turn (A B C, C B A, ...). A step is the time of many steps less that of a few.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from contender_process import OURS, SECONDS, ContenderProcess
from machine import describe
from peers.make_environments import PEERS
from speed import in_turn, network, positive, tell

FEW, MANY = 2, 24  # steps of a fit
BUSY = (0, 1, 2)  # cores that other work holds
COUNTING = "while True: sum(range(100_000))"


@contextmanager
def other_work(cores: int) -> Iterator[None]:
    """Hold so many cores."""
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def seconds_per_step(contender: ContenderProcess) -> float | None:
    """Return what a step takes; None where a contender does not answer in time."""
    ask = {"do": "train", "network": network(context=96, batch=32), "series": (1, 8640)}
    answers = [contender.ask(**ask, steps=steps) for steps in (FEW, MANY)]
    if any("not possible" in answer for answer in answers):
        return None
    few, many = (answer["seconds"] for answer in answers)
    return float(many - few) / (MANY - FEW)


def shown(found: Sequence[float | None]) -> str:
    """Return the milliseconds of all rounds: median [smallest, largest]."""
    told = [1e3 * seconds for seconds in found if seconds is not None]
    if len(told) < len(found):
        return f"no answer within {SECONDS:g} s"
    return f"{median(told):,.1f} [{min(told):,.1f}, {max(told):,.1f}]"


def row(*cells: str) -> str:
    """Return a row of the table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Time all contenders beside more and more other work, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--pairs", type=positive, default=5, help="rounds after the warm-up")
    options = parser.parse_args()
    contenders = {
        "ours": ContenderProcess(OURS, 2),
        "ours, one thread": ContenderProcess(OURS, 1),
        "ours, short waits": ContenderProcess(OURS, 2, GOMP_SPINCOUNT="2000"),
    }
    contenders |= {name: ContenderProcess(name, 2) for name in ("by hand", *options.peers)}
    for name, contender in contenders.items():
        tell(f"{name} warms up")
        seconds_per_step(contender)
    print(describe())
    print(f"\n{row('cores held', *contenders)}\n{row(*['---'] * (len(contenders) + 1))}")
    for cores in BUSY:
        found: dict[str, list[float | None]] = {name: [] for name in contenders}
        with other_work(cores):
            for number in range(options.pairs):
                for name in in_turn([name for name in contenders if None not in found[name]], number):
                    found[name].append(seconds_per_step(contenders[name]))
                    tell(f"{cores} held, round {number + 1}, {name}: {found[name][-1]}")
        print(row(str(cores), *map(shown, found.values())), flush=True)
    for contender in contenders.values():
        contender.end()


if __name__ == "__main__":
    main()
