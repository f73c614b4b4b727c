"""Every public call leaves the process as it found it, however it ends, and in whatever process or thread."""

import json
import locale
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from torch import nn

import timeseries
from timeseries.cli import main
from timeseries.deeplearning.models.custom import CustomModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.errors import TimeSeriesError
from timeseries.forecaster import Forecaster
from timeseries.normalization import DataNormalizer
from timeseries.plotting import save_picture
from timeseries.process import Turns, warnings_as

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or forks")
SETTINGS = {"horizon": 3, "context_length": 6, "max_steps": 3, "coverage": (0.8,)}
SMALL = {"sequence_length": 6, "hidden_size": 8, "num_layers": 2, "dropout": 0.2, "epochs": 2}
X = np.random.default_rng(0).normal(size=(60, 2))  # (n, F)
Y = X[:, 0] + 0.5 * X[:, 1]  # (n,)


def process_state():
    """Return all that the calls of a library could change for those that come after them."""
    generator, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global stream is what is watched
    state = {
        "random": random.getstate(),
        "numpy.random": (generator, keys.tobytes(), *rest),
        "torch.random": torch.get_rng_state().numpy().tobytes(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch default dtype": torch.get_default_dtype(),
        "torch default device": torch.get_default_device(),
        "torch grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "torch deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
        ),
        "denormals": torch.tensor(1e-40, dtype=torch.float32, device="cpu").mul(1).item() > 0,
        "torch precision": (torch.get_float32_matmul_precision(), torch.is_anomaly_enabled()),
        "numpy errors": (np.geterr(), np.get_printoptions()),
        "pandas": {name: pd.get_option(name) for name in ("compute.use_numexpr", "display.max_rows")},
        "sklearn": sklearn.get_config(),
        "matplotlib": dict(mpl.rcParams),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "cwd": Path.cwd(),
        "umask": umask(),
        "locale": locale.setlocale(locale.LC_ALL),
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.excepthook),
        "path": list(sys.path),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "threads": threading.enumerate(),
        "children": multiprocessing.active_children(),
    }
    return state | (open_files_and_children() if sys.platform == "linux" else {})


def umask():
    """Return the mask; the system tells it only in exchange for another."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def open_files_and_children():
    """Return what every open descriptor points to, and the processes that threads of this one started."""
    files = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            files[descriptor.name] = str(descriptor.readlink())
        except FileNotFoundError:  # that of the listing itself
            continue
    children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return {"descriptors": files, "child processes": sorted(filter(None, children))}


def differences(before, after):
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


class Net(nn.Module):
    """A network of the user's own; ``fault`` is raised in its third forward pass."""

    fault: BaseException | None = None

    def __init__(self, sizes):
        super().__init__()
        self.shape, self.passes = (sizes.horizon, sizes.targets, sizes.outputs), 0
        self.map = nn.Linear(sizes.context * sizes.past, int(np.prod(self.shape)))
        self.drop = nn.Dropout(0.2)

    def forward(self, window):
        self.passes += 1
        if self.fault is not None and self.passes == 3:
            raise self.fault
        return self.map(self.drop(window.past.flatten(1))).unflatten(1, self.shape)  # (B, H, D, P)


class WithFault(Net):
    fault = ZeroDivisionError("in the user's network")


class Pressed(Net):
    fault = KeyboardInterrupt()


class Place:
    """A folder with a table, a fitted forecaster and a fitted estimator, in memory and saved."""

    def __init__(self, folder):
        t = np.arange(48)
        stamps = pd.date_range("2024-01-01", periods=48)
        self.table = pd.DataFrame({"ds": stamps, "y": np.sin(t / 3) + t / 10})
        self.rows, self.later = self.table.iloc[:36], self.table.iloc[36:]
        self.csv, self.later_csv = folder / "data.csv", folder / "later.csv"
        self.model_file, self.estimator_file, self.out = (
            folder / "a.model",
            folder / "b.model",
            folder / "out",
        )
        self.bad_csv = folder / "bad.csv"
        self.rows.to_csv(self.csv, index=False)
        self.later.to_csv(self.later_csv, index=False)
        self.csv.with_name("broken.model").write_bytes(b"no model")
        self.bad_csv.write_text("ds,y\n2024-01-01,1\n2024-01-02,\n2024-01-03,2\n")
        self.fitted = Forecaster("lstm", hidden_size=8, **SETTINGS).fit(self.rows)
        self.estimator = LSTMModel(**SMALL).fit(X, Y)
        self.fitted.save(self.model_file)
        self.estimator.save(self.estimator_file)
        self.scores = self.fitted.evaluate(self.later)
        self.forecast = self.fitted.predict()

    def fresh(self):
        return Forecaster.load(self.model_file)

    def command(self, *arguments, code=0):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert (ended.value.code or 0) == code, arguments

    def broken(self):
        return self.csv.with_name("broken.model")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("place"))
    draw(place)  # what is imported when it is first needed, is imported here
    place.command("inspect", place.model_file, "--json")
    return place


def draw(place):
    timeseries.plot_losses(place.fitted.train_history)
    timeseries.plot_backtest(place.scores)
    timeseries.plot_error_by_step(place.scores)
    figure = timeseries.plot_forecast(place.rows, place.forecast, truth=place.later)
    save_picture(figure, place.out.with_suffix(".png"))
    save_picture(figure, place.out.with_suffix(".svg"))


def fit_command(place, *more, code=0):
    options = ["--horizon", 3, "--model", "nlinear", "--set", "max_steps=3", "-o", place.out, *more]
    place.command("fit", place.csv, *options, code=code)


CALLS = {
    "Forecaster": lambda p: Forecaster("lstm", **SETTINGS),
    "Forecaster.fit": lambda p: Forecaster("lstm", hidden_size=8, **SETTINGS).fit(p.rows, verbose=True),
    "Forecaster.fit with validation and patience": lambda p: Forecaster(
        "gru", hidden_size=8, patience=1, **SETTINGS
    ).fit(p.rows, val_size=8),
    "Forecaster.fit of a file": lambda p: Forecaster("nlinear", **SETTINGS).fit(p.csv),
    "Forecaster.fit within seconds": lambda p: Forecaster("nlinear", max_seconds=0.05, **SETTINGS).fit(
        p.rows
    ),
    "Forecaster.predict": lambda p: p.fitted.predict(),
    "Forecaster.predict of a table": lambda p: p.fitted.predict(p.table, verbose=True),
    "Forecaster.update": lambda p: p.fresh().update(p.later),
    "Forecaster.update with fine-tuning": lambda p: p.fresh().update(p.later, fine_tune=2),
    "Forecaster.evaluate": lambda p: p.fitted.evaluate(p.later).table(),
    "Forecaster.backtest": lambda p: Forecaster("rnn", hidden_size=8, **SETTINGS).backtest(p.rows, windows=2),
    "Forecaster.save": lambda p: p.fitted.save(p.out),
    "Forecaster.load": lambda p: Forecaster.load(p.model_file),
    "estimator.fit": lambda p: LSTMModel(**SMALL).fit(X, Y, validation_split=0.2, verbose=True),
    "CustomModel.fit": lambda p: CustomModel(network=Net, sequence_length=6, epochs=2).fit(X, Y),
    "estimator.predict": lambda p: p.estimator.predict(X),
    "estimator.evaluate": lambda p: p.estimator.evaluate(X, Y),
    "estimator.save": lambda p: p.estimator.save(p.out),
    "estimator.load": lambda p: LSTMModel.load(p.estimator_file),
    "DataNormalizer": lambda p: DataNormalizer({"strategy": "zscore"}).fit_transform(X),
    "create_sequences": lambda p: timeseries.create_sequences(X, 6),
    "plots": draw,
    "Panel.from_file": lambda p: timeseries.Panel.from_file(p.csv, timeseries.TableLayout()),
    "Panel.from_frame": lambda p: timeseries.Panel.from_frame(p.table, timeseries.TableLayout()),
    "load_dataset": lambda p: timeseries.load_dataset("airpassengers"),
    "timeseries --help": lambda p: p.command("--help"),
    "timeseries fit": fit_command,
    "timeseries forecast": lambda p: p.command("forecast", p.model_file, "--plot", p.out.with_suffix(".svg")),
    "timeseries backtest": lambda p: p.command(
        "backtest", p.csv, "--horizon", 3, "--model", "nlinear", "--set", "max_steps=3", "--windows", 2
    ),
    "timeseries evaluate": lambda p: p.command("evaluate", p.model_file, p.later_csv, "--json"),
    "timeseries update": lambda p: p.command("update", p.model_file, p.later_csv, "--output", p.out),
    "timeseries inspect": lambda p: p.command("inspect", p.model_file),
    "timeseries datasets": lambda p: p.command("datasets", "list"),
}
FAULTS = {  # the error that each ends with
    "a setting": (TimeSeriesError, lambda p: Forecaster("lsmt", **SETTINGS)),
    "a table": (TimeSeriesError, lambda p: Forecaster("nlinear", **SETTINGS).fit(p.bad_csv)),
    "no history": (TimeSeriesError, lambda p: p.fitted.update(p.rows)),
    "a short table": (TimeSeriesError, lambda p: p.fitted.evaluate(p.later[:1])),
    "too many windows": (
        TimeSeriesError,
        lambda p: Forecaster("rnn", **SETTINGS).backtest(p.rows, windows=99),
    ),
    "no folder": (OSError, lambda p: p.fitted.save(p.out / "absent" / "model")),
    "a broken file": (TimeSeriesError, lambda p: Forecaster.load(p.broken())),
    "a file of another kind": (TimeSeriesError, lambda p: Forecaster.load(p.estimator_file)),
    "divergence": (
        TimeSeriesError,
        lambda p: Forecaster("transformer", horizon=3, learning_rate=1e30, epochs=9).fit(p.rows),
    ),
    "rows of another width": (TimeSeriesError, lambda p: p.estimator.predict(X[:, :1])),
    "the user's network": (
        ZeroDivisionError,
        lambda p: CustomModel(network=WithFault, sequence_length=6, epochs=3).fit(X, Y),
    ),
    "the user's network in a forecaster": (
        ZeroDivisionError,
        lambda p: Forecaster(WithFault, **SETTINGS).fit(p.rows),
    ),
    "Ctrl-C": (KeyboardInterrupt, lambda p: CustomModel(network=Pressed, sequence_length=6).fit(X, Y)),
    "Ctrl-C in a forecaster": (KeyboardInterrupt, lambda p: Forecaster(Pressed, **SETTINGS).fit(p.rows)),
    "a picture of nothing": (TimeSeriesError, lambda p: timeseries.plot_backtest(p.scores, series="none")),
    "a data set": (TimeSeriesError, lambda p: timeseries.load_dataset("eth1")),
    "usage of the command": (None, lambda p: p.command("forecats", code=2)),
    "data of the command": (
        None,
        lambda p: p.command("fit", p.bad_csv, "--horizon", 1, "-o", p.out, code=3),
    ),
    "file of the command": (None, lambda p: p.command("forecast", p.broken(), code=4)),
}


@pytest.fixture
def unusual():
    """Leave every setting of the process at something that no library would set it to by chance."""
    found = (torch.get_default_dtype(), np.geterr(), torch.get_rng_state())
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_default_device("meta")
    np.seterr(under="warn")
    try:
        with torch.no_grad(), torch.autocast("cpu"):
            yield
    finally:
        torch.set_default_device(None)
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(found[0])
        np.seterr(**found[1])
        torch.set_rng_state(found[2])


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_the_process_as_it_was(name, place):
    before = process_state()
    CALLS[name](place)
    assert differences(before, process_state()) == {}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_works_in_an_unusual_process_and_leaves_it_so(name, place, unusual):
    before = process_state()
    CALLS[name](place)
    assert differences(before, process_state()) == {}


@pytest.mark.parametrize("name", FAULTS)
def test_a_call_that_fails_leaves_the_process_as_it_was(name, place):
    error, call = FAULTS[name]
    before = process_state()
    if error is None:
        call(place)
    else:
        with pytest.raises(error):
            call(place)
    assert differences(before, process_state()) == {}


def weights(model):
    return [tensor.numpy().tobytes() for tensor in model.network_.state_dict().values()]


def fitted(seed):
    return weights(LSTMModel(seed=seed, **SMALL).fit(X, Y))


def at_once(function, arguments):
    """Call a function in one thread per argument, all begun together."""
    ready = threading.Barrier(len(arguments))

    def begin(argument):
        ready.wait()
        return function(argument)

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(begin, arguments))


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    expected = fitted(seed=3)
    state = torch.get_rng_state()
    for draw in (lambda: torch.rand(5), lambda: torch.manual_seed(99), lambda: np.random.rand(5)):  # noqa: NPY002
        draw()
        assert fitted(seed=3) == expected
    torch.set_rng_state(state)
    assert fitted(seed=4) != expected


def test_fits_in_threads_give_the_weights_of_one_after_the_other(place):
    expected = [fitted(seed) for seed in range(4)]
    before, there = process_state(), threading.enumerate()  # also those of a pool that another test left
    assert at_once(fitted, range(4)) == expected
    state, now = differences(before, process_state()), threading.enumerate()
    assert state == {}
    assert now == there


def test_loading_and_forecasting_in_threads_do_not_disturb_a_fit(place):
    expected, forecast = fitted(0), place.fitted.predict()
    found = at_once(lambda task: task(), [lambda: fitted(0), *[lambda: place.fresh().predict()] * 3])
    assert found[0] == expected
    assert all(forecast.equals(answer) for answer in found[1:])


def test_a_fit_of_a_network_that_fails_lets_the_next_thread_have_its_turn(place):
    def fails(_):
        with pytest.raises(ZeroDivisionError):
            CustomModel(network=WithFault, sequence_length=6, epochs=3).fit(X, Y)

    fails(None)
    at_once(fails, range(2))
    assert at_once(fitted, [1]) == [fitted(1)]


def test_threads_that_change_the_warning_filters_put_back_what_the_first_found():
    """The second would otherwise find the filters of the first, and put these back after it."""
    before, entered, left = list(warnings.filters), threading.Event(), threading.Event()

    def first():
        with warnings_as("ignore", UserWarning):
            entered.set()
            left.wait(0.1)

    def second():
        entered.wait()
        with warnings_as("error", DeprecationWarning):
            left.set()
            thread.join(0.2)

    thread, other = threading.Thread(target=first), threading.Thread(target=second)
    for started in (thread, other):
        started.start()
    for started in (thread, other):
        started.join()
    assert list(warnings.filters) == before


@LINUX
def test_a_fork_does_not_wait_for_the_turn_of_a_thread_that_it_left_behind():
    turns, taken, done = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns.take():
            taken.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)  # ends the child if it waits
        with turns.take():
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    done.set()
    holder.join()
    assert code == 0


FORKS = """
import multiprocessing, sys, threading
sys.path.insert(0, {folder!r})
import torch
torch.set_num_threads(2)
from test_isolation import LSTMModel, SMALL, X, Y, fitted

def child(queue):
    queue.put((fitted(1), torch.get_num_threads()))

def answer(context):
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,), daemon=True)
    process.start()
    found = queue.get(timeout=40)
    process.join()
    return found

big = torch.rand(2000, 2000) @ torch.rand(2000, 2000)  # (2000, 2000): begins the threads of OpenMP
fitted(0)
big @ big  # (2000, 2000): again, since a fit ends them
context = multiprocessing.get_context("fork")
alone, threads = answer(context)
assert threads == 1, threads
assert torch.get_num_threads() == 2
busy = threading.Thread(target=lambda: LSTMModel(**(SMALL | {{"epochs": 60}})).fit(X, Y))
busy.start()
assert answer(context)[0] == alone  # while another thread has its turn
busy.join()
torch.set_num_threads(1)
assert fitted(1) == alone
print("right")
"""


@LINUX
@pytest.mark.slow
def test_a_forked_process_fits_on_one_thread_and_waits_for_nobody():
    code = FORKS.format(folder=str(Path(__file__).parent))
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.stdout == "right\n", done.stderr


SEARCH = """
import joblib, sys
import numpy as np
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from timeseries import LSTMModel

X = np.random.default_rng(0).normal(size=(60, 2))
small = {"sequence_length": 6, "hidden_size": 8, "num_layers": 2, "dropout": 0.2, "epochs": 2}

def search(backend, jobs):
    grid = GridSearchCV(
        LSTMModel(**small), {"seed": [0, 1]}, cv=TimeSeriesSplit(2), n_jobs=jobs, error_score="raise"
    )
    with joblib.parallel_config(backend):
        return grid.fit(X, X[:, 0] ** 2).cv_results_["mean_test_score"].tolist()

expected = search("sequential", 1)
nested = joblib.Parallel(n_jobs=2, backend="threading")(
    joblib.delayed(search)(backend, 2) for backend in sys.argv[1:]
)
assert nested == [expected] * len(nested), (expected, nested)
print("right")
"""


@pytest.mark.parametrize(
    "backends",
    [
        pytest.param(["threading", "threading"], marks=pytest.mark.slow),
        pytest.param(["loky", "threading"], marks=pytest.mark.slow),
    ],
    ids=" in ".join,
)
def test_a_search_under_joblib_gives_the_scores_of_one_after_the_other(backends):
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, *backends], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "right\n", done.stderr


NAMED = {
    *("library.model", "estimator.model", "data.csv", "later.csv", "a.model", "a.model.previous"),
    *("forecast.csv", "scores.csv", "b.csv"),
}


@LINUX
@pytest.mark.parametrize("user", ["known", pytest.param("unknown", marks=pytest.mark.slow)])
def test_nothing_is_written_beside_the_files_that_are_named_and_nobody_is_contacted(user, tmp_path):
    """With a home that cannot be written to, and under a user number without name and home.

    PyTorch tries out the folder for temporary files and makes an empty one in it when it is imported.
    """
    place, temporary = tmp_path / "place", tmp_path / "temporary"
    place.mkdir()
    temporary.mkdir()
    gone = (
        "HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "TIMESERIES_DATA",
        "USER",
        "LOGNAME",
        "LNAME",
        "USERNAME",
        "TORCHINDUCTOR_CACHE_DIR",
    )
    environment = {name: value for name, value in os.environ.items() if name not in gone}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    environment |= {"HOME": "/proc/no-home"} if user == "known" else {}
    script = Path(__file__).with_name("watched_calls.py")
    done = subprocess.run(
        [sys.executable, str(script), user], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["network"] == found["programs"] == []
    written = {Path(path) for path in found["written"]} - {Path("/dev/null")}
    assert {path.parent for path in written} == {place, temporary}
    passing = (".tmp", ".lock")  # of files being written; none stays
    kept = {path.name for path in written if path.parent == place and path.suffix not in passing}
    assert kept == NAMED == {path.name for path in place.iterdir()}
    assert all(path.name.startswith("torchinductor_") for path in temporary.iterdir())
    assert not any(temporary.glob("*/*"))
