"""Every network, as textbooks have it and with its recipe, on three sets: the tables of docs/models.md.

    TIMESERIES_DATA=... python benchmarks/models.py                       # what is not yet in the results
    TIMESERIES_DATA=... python benchmarks/models.py --networks lstm gru   # some of it
    python benchmarks/models.py --tables                                  # the tables of what there is

The sets and how they are divided: sets.py; a run is fitted and scored on the test part, as accuracy.py does.
In its textbook form a network has the defaults of its estimator (20 rows of context, 100 epochs of batches of
32, Adam at .001, squared errors) and at most ``SECONDS`` of training; its recipe was chosen on validation.
Every run is one line of results/models.jsonl, with the machine, the versions and the date; a run that is in
the file is not repeated. Times are those of a machine with nothing else to do only where you ran it so.
"""

import argparse
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
SECONDS = 120.0  # of training in its textbook form: 100 epochs of 80 000 windows would take an hour
PREDICTIONS = 20  # timed
LINEAR = ("nlinear", "dlinear")  # also shown above the networks, as what they must beat


def forecaster(network: str, form: str, protocol: sets.Protocol, seed: int) -> Forecaster:
    """Return a network in one of its forms."""
    own = {"horizon": protocol.horizon, "season": protocol.season, "seed": seed, "coverage": ()}
    if form == "recipe":
        return Forecaster(network, context_length=protocol.context, **own)
    bare = MODELS[network]()
    return Forecaster(bare, context_length=bare.sequence_length, max_seconds=SECONDS, **own)


def measure(network: str, form: str, name: str, seed: int) -> dict[str, Any]:
    """Fit once and return what is known of it."""
    table, protocol = sets.SETS[name]()
    panel = Panel.from_frame(sets.up_to("test", table, protocol), TableLayout(season=protocol.season))
    scored = accuracy.prepare(panel, protocol, "test", protocol.step)
    made = forecaster(network, form, protocol, seed)
    seconds = accuracy.fit(made, table, protocol, "test")
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
        began = time.perf_counter()
        made.predict()
        yield time.perf_counter() - began


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
    for form in FORMS:
        mine = runs[runs["form"] == form]
        columns = {}
        for name in SETS:
            first = next(iter(accuracy.MEASURES[name]))
            columns[f"{name}, {first}"] = (
                mine[mine["set"] == name].groupby("network")[first].agg(accuracy.spread)
            )
        for cost in ("parameters", "fit s", "predict ms"):
            columns[cost] = (
                mine[mine["set"] == "etth1"].groupby("network")[cost].median().map("{:,.4g}".format)
            )
        print(f"\n{form}\n\n{pd.DataFrame(columns).to_markdown()}")


def main() -> None:
    """Run what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--networks", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    if options.tables:
        tables()
        return
    done = {(run["set"], run["network"], run["form"], run["seed"]) for run in results()}
    RESULTS.parent.mkdir(exist_ok=True)
    for seed in range(options.seeds):
        for form in options.forms:
            for name in options.sets:
                for network in options.networks:
                    if (name, network, form, seed) in done or (form == "recipe" and network not in RECIPES):
                        continue
                    run = measure(network, form, name, seed)
                    with RESULTS.open("a") as file:
                        file.write(json.dumps(run) + "\n")
                    print(f"{name}: {network}, {form}, seed {seed}, {run['fit s']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
