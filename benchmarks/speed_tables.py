"""The tables of speed.py, from the lines of its file."""

from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

from contender_process import OURS

TARGETS = (0.36, 0.32, 0.30)  # errors to reach
WHOLE = 300  # steps of a fit whose whole time is shown
Line = dict[str, Any]


def print_tables(lines: list[Line], tasks: Iterable[str]) -> None:
    """Print the newest run of every case of each task, a table for each run, with what it ran on."""
    for task in tasks:
        for run in newest_runs(lines, task):
            print(f"\n## {task}\n")
            print("\n".join(table(task, [line for line in run if "case" in line])))
            print("\n" + "\n".join(head(next(line for line in run if "versions" in line))) + "\n")


def newest_runs(lines: list[Line], task: str) -> list[list[Line]]:
    """Return the lines of the runs that have the newest measurements of a case; of each run, these cases."""
    mine = [line for line in lines if line["task"] == task]
    newest = {line["case"]: line["run"] for line in mine if "case" in line}
    runs = [
        [line for line in mine if line["run"] == run and newest.get(line.get("case"), run) == run]
        for run in dict.fromkeys(newest.values())
    ]
    return sorted(runs, key=lambda run: str(run[0]["run"]))


def head(started: Line) -> Iterator[str]:
    """Yield on what a task ran."""
    yield f"{started['machine']}. Run of {started['run']}, {started['threads']} threads each:"
    told = (
        f"{name} ({answer.get('version')}, torch {answer.get('torch')}, {answer.get('threads')} threads)"
        for name, answer in started["versions"].items()
    )
    yield ", ".join(told) + "."


def table(task: str, lines: list[Line]) -> list[str]:
    """Return the lines of a task's tables in Markdown, with their footnotes."""
    notes: dict[str, int] = {}
    if task == "reach":
        tables = [list(reach_rows(lines, notes))]
    else:
        tables = [list(timed_rows(lines, notes, *measure)) for measure in MEASURES[task].items()]
    printed = [part for rows in tables for part in (*markdown(rows), "")]
    return [*printed, *(f"[{number}] {note}" for note, number in notes.items())]


def timed_rows(
    lines: list[Line], notes: dict[str, int], title: str, measure: Callable[[Line], float]
) -> Iterator[list[str]]:
    """Yield the titles, and a row for every case: our time, and how many times ours the others took."""
    others = [name for name in dict.fromkeys(line["contender"] for line in lines) if name != OURS]
    yield ["", f"ours, {title}", *others]
    for case, contenders in grouped(lines).items():
        ours = {line["round"]: line for line in possible(contenders.get(OURS, []))}
        cells = []
        for name in others:
            lines_of_name = contenders.get(name, [])
            mark = footnotes(name, lines_of_name, notes)
            cells.append(spread(ratios(possible(lines_of_name), ours, measure)) + mark)
        yield [case, shown([measure(line) for line in ours.values()]), *cells]


def reach_rows(lines: list[Line], notes: dict[str, int]) -> Iterator[list[str]]:
    """Yield the titles, and a row for every contender: when it reached each error, and its lowest."""
    yield ["contender", *(f"s to {target}" for target in TARGETS), "lowest error", "after s"]
    for contenders in grouped(lines).values():
        for name, lines_of_name in contenders.items():
            rounds = by_round(possible(lines_of_name))
            best = [min((mse(line), seconds(line)) for line in fits) for fits in rounds]
            reached = (reaching([first_below(fits, target) for fits in rounds]) for target in TARGETS)
            mark = footnotes(name, lines_of_name, notes)
            lowest = [spread([pair[part] for pair in best]) for part in (0, 1)]
            yield [name + mark, *reached, *lowest]


def by_round(lines: list[Line]) -> list[list[Line]]:
    """Return the fits of each round."""
    rounds: dict[int, list[Line]] = {}
    for line in lines:
        rounds.setdefault(line["round"], []).append(line)
    return [*rounds.values()]


def first_below(fits: list[Line], target: float) -> float | None:
    """Return the seconds of the fit with the fewest steps whose error is below a target."""
    ordered = sorted(fits, key=lambda line: int(line["asked"][0]["steps"]))
    return next((seconds(line) for line in ordered if mse(line) < target), None)


def reaching(times: list[float | None]) -> str:
    """Return the spread of the rounds that got there, and how many these are if not all."""
    got = [time for time in times if time is not None]
    return spread(got) if len(got) == len(times) else f"{spread(got)} in {len(got)} of {len(times)}"


def possible(lines: list[Line]) -> list[Line]:
    """Return the lines that hold measurements."""
    return [line for line in lines if not any("not possible" in answer for answer in line["answers"])]


def footnotes(name: str, lines: list[Line], notes: dict[str, int]) -> str:
    """Return the marks of what a contender could not do, which are noted."""
    reasons = (answer.get("not possible") for line in lines for answer in line["answers"])
    said = dict.fromkeys(f"{name}: {reason}" for reason in reasons if reason)
    return "".join(f" [{notes.setdefault(note, len(notes) + 1)}]" for note in said)


def markdown(rows: list[list[str]]) -> list[str]:
    """Return a table; the first row heads it."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def grouped(lines: list[Line]) -> dict[str, dict[str, list[Line]]]:
    """Return the rounds of every contender of every case, in the order of the file."""
    found: dict[str, dict[str, list[Line]]] = {}
    for line in lines:
        found.setdefault(line["case"], {}).setdefault(line["contender"], []).append(line)
    return found


def ratios(rounds: list[Line], ours: dict[int, Line], measure: Any) -> list[float]:
    """Return how many times ours each round took, over the rounds in which ours ran too."""
    return [measure(line) / measure(ours[line["round"]]) for line in rounds if line["round"] in ours]


def shown(values: list[float]) -> str:
    """Return the median of the rounds."""
    return f"{median(values):.4g}" if values else "-"


def spread(values: list[float]) -> str:
    """Return the median with the smallest and the largest; of a single round, its only value."""
    if len(values) < 2:
        return f"{values[0]:.3g} (one round)" if values else "-"
    return f"{median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"


def step_milliseconds(line: Line) -> float:
    """Return the time of one step, in which nothing counts that a fit does once."""
    (few, many), (short, long) = line["asked"], line["answers"]
    return 1e3 * (long["seconds"] - short["seconds"]) / (many["steps"] - few["steps"])


def whole_seconds(line: Line) -> float:
    """Return the time of a whole fit; fits of fewer steps go on at their pace."""
    missing = WHOLE - line["asked"][1]["steps"]
    return line["answers"][1]["seconds"] + missing * step_milliseconds(line) / 1e3


def call_milliseconds(line: Line) -> float:
    """Return the time of one forecast, the median of the calls of a round."""
    return 1e3 * median(line["answers"][0]["seconds"])


def seconds(line: Line) -> float:
    """Return the time of the only answer."""
    return float(line["answers"][0]["seconds"])


def mse(line: Line) -> float:
    """Return the error of the only answer."""
    return float(line["answers"][0]["mse"])


MEASURES: dict[str, dict[str, Callable[[Line], float]]] = {
    "train": {"ms a step": step_milliseconds, f"s for {WHOLE} steps": whole_seconds},
    "predict": {"ms": call_milliseconds},
    "backtest": {"s": seconds},
}
