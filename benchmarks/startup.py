"""What it takes until something happens: import, help, and the first forecast of a saved model.

    python benchmarks/startup.py
    python benchmarks/startup.py --without-peers

Each row is a fresh process, timed from outside; rounds go over all rows, each in the reverse order of the one
before. An empty Python process stands beside them. Peers are imported in their own environments, by the
import that their documentation begins with.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe
from peers.make_environments import python_of
from timeseries import Forecaster, load_airpassengers

Command = list[str | Path]
NO_BYTECODE = (
    "PYTHONDONTWRITEBYTECODE"  # with it, sources that no installer compiled are compiled at every start
)
IMPORTS = {
    "neuralforecast": "from neuralforecast import NeuralForecast",
    "darts": "from darts.models import BlockRNNModel",
    "gluonts": "from gluonts.torch import DeepAREstimator",
    "pytorch_forecasting": "import pytorch_forecasting",
    "keras": "import os; os.environ['KERAS_BACKEND'] = 'torch'; import keras",
}


def commands(model: Path, *, peers: bool) -> dict[str, Command]:
    """Return what is timed, by name."""
    ours = Path(sys.executable)
    rows: dict[str, Command] = {
        "python, nothing": [ours, "-c", "pass"],
        "import timeseries": [ours, "-c", "import timeseries"],
        "timeseries --help": [ours, "-m", "timeseries", "--help"],
        "import torch": [ours, "-c", "import torch"],
        "from timeseries import Forecaster": [ours, "-c", "from timeseries import Forecaster"],
        "timeseries forecast, one saved model": [ours, "-m", "timeseries", "forecast", model],
    }
    if peers:
        rows |= {f"{name}: {line}": [python_of(name), "-c", line] for name, line in IMPORTS.items()}
    return rows


def main() -> None:
    """Time every row in rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "air.model"
        Forecaster("lstm", horizon=12, max_steps=5).fit(load_airpassengers()).save(model)
        rows = commands(model, peers=not options.without_peers)
        environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
        taken: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(options.rounds + 1):  # the first warms up the files
            for name in list(rows)[:: -1 if number % 2 else 1]:
                began = time.perf_counter()
                subprocess.run(rows[name], check=True, capture_output=True, env=environment)
                if number:
                    taken[name].append((time.perf_counter() - began) * 1e3)
    print(describe())
    print("\n| | ms, median [smallest, largest] |\n|---|---|")
    for name, times in taken.items():
        print(f"| `{name}` | {statistics.median(times):,.0f} [{min(times):,.0f}, {max(times):,.0f}] |")


if __name__ == "__main__":
    main()
