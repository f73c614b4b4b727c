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
from timeseries import Forecaster, LSTMModel, Panel, TableLayout
from timeseries.deeplearning.models import MODELS

RESULTS = Path(__file__).parent / "results" / "models.jsonl"
SETS = ("etth1", "etth2", "pjm")
FORMS = ("textbook", "recipe")
STEPS = 3000  # in its textbook form: of seven series, 100 epochs would be 190 000 steps, most of an hour
PREDICTIONS = 20  # timed
PRESET = "lstm_keras"  # the network of the Keras textbooks as it stands there: it has no other form
GOOD_FOR = {
    "last value": "what does not move",
    "seasonal naive": "what repeats",
    "rnn": "short memories; the smallest state",
    "lstm": "long memory in one state: the first to try",
    "gru": "as lstm, with three quarters of the weights",
    "bilstm": "windows whose beginning explains their end; labels rather than forecasts",
    "bigru": "as bilstm, with three quarters of the weights",
    "attention_lstm": "windows in which few steps decide; its weights can be drawn",
    "cnn": "shapes, wherever in the window they stand",
    "tcn": "long windows in few layers; every position trained at once",
    "transformer": "steps that refer to distant ones; much data",
    "patchtst": "long windows and many series, channel by channel",
    "mlp": "the plain network that others must beat",
    "nlinear": "little data, little time: the map that others must beat",
    "dlinear": "the same, trend and rest apart",
    "transformer_xl": "windows too long to attend to in one piece",
    "reformer": "windows of thousands of steps in little memory",
    PRESET: "comparing with the textbooks",
}
NETWORKS = [name for name in GOOD_FOR if name in MODELS or name == PRESET]
COSTS = {"parameters": ",.0f", "fit s": ".0f", "predict ms": ".1f"}  # medians over the seeds
COSTED = "etth1"  # the set whose costs are shown


def forecaster(network: str, form: str, protocol: sets.Protocol, seed: int, steps: int) -> Forecaster:
    """Return a network in one of its forms; ``steps`` are those of its textbook form."""
    own = {"horizon": protocol.horizon, "season": protocol.season, "seed": seed, "coverage": ()}
    if network == PRESET:
        return Forecaster(network, context_length=LSTMModel().sequence_length, max_steps=steps, **own)
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
        heads = ["", *(f"{name}, {first[name]}" for name in SETS), *COSTS, "good for"]
        print(f"\n{form}\n\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
        for title, rows in [*plain.groupby("network", sort=False), *in_order(mine)]:
            errors = [rows[rows["set"] == name].get(first[name], pd.Series()) for name in SETS]
            costs = ["" for _ in COSTS]
            if "fit s" in rows:
                costs = [
                    f"{rows.loc[rows['set'] == COSTED, c].median():{style}}" for c, style in COSTS.items()
                ]
            print(f"| {' | '.join([title, *map(cell, errors), *costs, GOOD_FOR[title]])} |")


def in_order(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the runs of each network, in the order of `NETWORKS`."""
    groups = dict(list(runs.groupby("network")))
    return [(network, groups[network]) for network in NETWORKS if network in groups]


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
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
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
        if (name, network, title, seed) in done or (form == "recipe" and network == PRESET):
            continue
        run = measure(network, form, name, seed, options.steps) | {"form": title}
        with RESULTS.open("a") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{name}: {network}, {title}, seed {seed}, {run['fit s']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
