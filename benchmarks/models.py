"""Every network, as textbooks have it and with its recipe, on three sets: the tables of docs/models.md.

    TIMESERIES_DATA=... python benchmarks/models.py                       # what is not yet in the results
    TIMESERIES_DATA=... python benchmarks/models.py --networks lstm gru   # some of it
    python benchmarks/models.py --tables                                  # the tables of what there is

The sets and how they are divided: sets.py; a run is fitted and scored on the test part, as accuracy.py does.
In its textbook form a network has the defaults of its estimator (20 rows of context, batches of 32, Adam at
.001, squared errors) and ``STEPS`` steps of training, unless ``--steps`` says otherwise; its recipe was
chosen on validation. Every run is one line of results/models.jsonl, with the machine, the versions and the
date; a run that is in the file is not repeated. Times are seconds of the processor, so that several of these
commands can run side by side, one thread each.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import accuracy
import sets
from machine import describe
from timeseries import Forecaster, Panel, TableLayout
from timeseries.deeplearning.models import MODELS
from timeseries.deeplearning.recipes import RECIPES

RESULTS = Path(__file__).parent / "results" / "models.jsonl"
SETS = ("etth1", "etth2", "pjm")
FORMS = ("textbook", "recipe")
STEPS = 3000  # in its textbook form: of seven series, 100 epochs would be 190 000 steps, most of an hour
PREDICTIONS = 20  # timed
COSTS = ("parameters", "fit s", "predict ms")  # medians over the seeds
COSTED = "etth1"  # the set whose costs are shown


def forecaster(network: str, form: str, protocol: sets.Protocol, seed: int, steps: int) -> Forecaster:
    """Return a network in one of its forms; ``steps`` are those of its textbook form."""
    own = {"horizon": protocol.horizon, "season": protocol.season, "seed": seed, "coverage": ()}
    if form == "recipe":
        return Forecaster(network, context_length=protocol.context, **own)
    bare = MODELS[network]()
    return Forecaster(bare, context_length=bare.sequence_length, max_steps=steps, **own)


def measure(network: str, form: str, name: str, seed: int, steps: int) -> dict[str, Any]:
    """Fit once and return what is known of it."""
    table, protocol = sets.SETS[name]()
    panel = Panel.from_frame(sets.up_to("test", table, protocol), TableLayout(season=protocol.season))
    scored = accuracy.prepare(panel, protocol, "test", protocol.step)
    made = forecaster(network, form, protocol, seed, steps)
    began = time.process_time()
    accuracy.fit(made, table, protocol, "test")
    seconds = time.process_time() - began
    result = accuracy.forecasts(made, scored)
    return {
        "set": name,
        "network": network,
        "form": form,
        "seed": seed,
        **accuracy.score(name, scored, result.point[..., 0]),
        "epochs": len(made.train_history),
        "steps": sum(record["steps"] for record in made.train_history),
        "parameters": sum(p.numel() for p in made.fitted_.network.parameters()),
        "fit s": seconds,
        "predict ms": 1000 * statistics.median(_predictions(made)),
        "measured": describe(),
    }


def _predictions(made: Forecaster) -> Iterator[float]:
    for _ in range(PREDICTIONS):
        began = time.process_time()
        made.predict()
        yield time.process_time() - began


def simple(name: str) -> list[dict[str, Any]]:
    """Return the scores of the simplest forecasts of a set."""
    table, protocol = sets.SETS[name]()
    panel = Panel.from_frame(sets.up_to("test", table, protocol), TableLayout(season=protocol.season))
    scored = accuracy.prepare(panel, protocol, "test", protocol.step)
    return [
        {"set": name, "network": title} | accuracy.score(name, scored, forecast)
        for title, forecast in scored.rivals.items()
    ]


def results() -> list[dict[str, Any]]:
    """Return every run so far."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def tables() -> None:
    """Print a table per form in Markdown: the first measure of each set over its seeds, and what it costs."""
    runs = pd.DataFrame(results())
    first = {name: next(iter(accuracy.MEASURES[name])) for name in SETS}
    plain = pd.DataFrame([row for name in SETS for row in simple(name)])
    for form, mine in runs.groupby("form", sort=False):
        print(
            f"\n{form}\n\n| | {' | '.join(f'{name}, {first[name]}' for name in SETS)} | {' | '.join(COSTS)} |"
        )
        print("|---" * (1 + len(SETS) + len(COSTS)) + "|")
        for title, rows in [*plain.groupby("network", sort=False), *mine.groupby("network")]:
            cells = [cell(rows.loc[rows["set"] == name, first[name]]) for name in SETS]
            costs = ["" for _ in COSTS]
            if "fit s" in rows:
                costs = [f"{rows.loc[rows['set'] == COSTED, cost].median():,.4g}" for cost in COSTS]
            print(f"| {title} | {' | '.join(cells + costs)} |")


def cell(errors: "pd.Series[float]") -> str:
    """Return the mean of a few runs with the smallest and the largest."""
    if not len(errors):
        return ""
    mean = f"{errors.mean():.3f}"
    return mean if len(errors) == 1 else f"{mean} [{errors.min():.3f}, {errors.max():.3f}]"


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--networks", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the textbook form")
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    if options.tables:
        tables()
        return
    done = {(run["set"], run["network"], run["form"], run["seed"]) for run in results()}
    RESULTS.parent.mkdir(exist_ok=True)
    chosen = itertools.product(range(options.seeds), options.forms, options.sets, options.networks)
    for seed, form, name, network in chosen:
        title = form if form == "recipe" or options.steps == STEPS else f"{form}, {options.steps:,} steps"
        if (name, network, title, seed) in done or (form == "recipe" and network not in RECIPES):
            continue
        run = measure(network, form, name, seed, options.steps) | {"form": title}
        with RESULTS.open("a") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{name}: {network}, {title}, seed {seed}, {run['fit s']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
