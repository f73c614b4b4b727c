"""Runs the main calls and verbs in a folder and reports what they opened for writing, changed or contacted.

A program of its own, since what listens to every open of a process cannot be taken away again.
"""

import json
import os
import pwd
import sys
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
)
OUTSIDE = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request")
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
seen = {"written": set(), "network": set(), "programs": set()}


def listen(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & WRITES:
        seen["written"].add(os.fspath(Path(os.fsdecode(arguments[0])).absolute()))
    elif event in CHANGES:
        paths = [part for part in arguments if isinstance(part, (str, bytes, os.PathLike))]
        seen["written"].update(os.fspath(Path(os.fsdecode(path)).absolute()) for path in paths)
    elif event in OUTSIDE:
        seen["network"].add(f"{event} {arguments}")
    elif event in STARTS:
        seen["programs"].add(f"{event} {arguments}")


def command(*arguments):
    try:
        main([str(part) for part in arguments])
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(arguments, ended.code) from ended


def nobody(*_):
    raise KeyError("getpwuid(): uid not found")


if sys.argv[1:] == ["unknown"]:  # as in a container that runs under a number nobody was given
    pwd.getpwuid = nobody
sys.addaudithook(listen)

import numpy as np  # noqa: E402 - the imports are watched too
import pandas as pd  # noqa: E402

from timeseries import Forecaster, LSTMModel, Panel, TableLayout, load_airpassengers  # noqa: E402
from timeseries.cli import main  # noqa: E402
from timeseries.datasets import DATASETS, load_dataset  # noqa: E402
from timeseries.errors import DataError  # noqa: E402

table = load_airpassengers()
settings = {"horizon": 3, "context_length": 6, "max_steps": 2}
forecaster = Forecaster("lstm", hidden_size=4, **settings).fit(table.iloc[:100])
forecaster.save("library.model")
Forecaster.load("library.model").update(table.iloc[100:120]).predict()
forecaster.evaluate(table.iloc[100:]).table()
forecaster.backtest(table, windows=2)
Panel.from_frame(table, TableLayout())
X = np.arange(40.0)[:, None]  # (n, F)
LSTMModel(sequence_length=4, hidden_size=4, epochs=1).fit(X, X[:, 0] ** 2).save("estimator.model")
LSTMModel.load("estimator.model").predict(X)
assert not DATASETS["etth1"].is_here
if sys.argv[1:] == ["unknown"]:
    try:
        load_dataset("etth1")
    except DataError as error:
        if "XDG_CACHE_HOME" not in str(error):
            raise

table.iloc[:100].to_csv("data.csv", index=False)
table.iloc[100:].to_csv("later.csv", index=False)
command(
    "fit", "data.csv", "--horizon", 3, "--model", "nlinear", "--set", "max_steps=2", "-o", "a.model", "-q"
)
command("forecast", "a.model", "--output", "forecast.csv")
command("evaluate", "a.model", "later.csv", "--output", "scores.csv")
command("backtest", "data.csv", "--horizon", 3, "--model", "nlinear", "--set", "max_steps=2", "-o", "b.csv")
command("update", "a.model", "later.csv")
command("inspect", "a.model")
command("datasets", "list")
assert pd.read_csv("forecast.csv").shape[0] == 3
found = {name: sorted(paths) for name, paths in seen.items()}
print(json.dumps(found))
