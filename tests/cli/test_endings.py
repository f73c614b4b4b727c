"""How commands end: exit codes that stay, errors in one sentence or one document."""

import errno
import json
import os
import subprocess
import sys
import warnings

import pytest

from timeseries import errors
from timeseries.cli import main
from timeseries.cli.endings import EXIT_CODES, end


def test_the_exit_codes_are_these_for_ever(run):
    assert sorted(EXIT_CODES) == [0, 1, 2, 3, 4, 5, 6, 75, 130, 141, 143]
    assert {cls.__name__: (cls.exit_code, cls.code) for cls in vars(errors).values() if is_ours(cls)} == {
        "TimeSeriesError": (1, "TS-E001"),
        "SettingError": (2, "TS-S001"),
        "DataError": (3, "TS-D001"),
        "NotFittedError": (2, "TS-N001"),
        "UnsupportedError": (2, "TS-U001"),
        "TrainingError": (6, "TS-T001"),
        "ArtifactError": (4, "TS-A001"),
        "MissingArtifactError": (2, "TS-C002"),
        "BusyError": (75, "TS-R075"),
        "DownloadError": (5, "TS-R002"),
        "MemoryLimitError": (5, "TS-R003"),
        "MissingExtraError": (2, "TS-X001"),
    }
    printed = " ".join(run("--help").stdout.split())
    assert all(f"{code} {meaning}" in printed for code, meaning in EXIT_CODES.items())


def is_ours(thing):
    return isinstance(thing, type) and issubclass(thing, errors.TimeSeriesError)


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (errors.SettingError("x"), 2, "TS-S001"),
        (errors.DataError("x"), 3, "TS-D001"),
        (errors.ArtifactError("x"), 4, "TS-A001"),
        (errors.DownloadError("x"), 5, "TS-R002"),
        (errors.TrainingError("x"), 6, "TS-T001"),
        (FileNotFoundError(errno.ENOENT, "gone", "x"), 2, "TS-C002"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "TS-R001"),
        (OSError(errno.EBUSY, "Device or resource busy"), 75, "TS-R075"),
        (MemoryError(), 5, "TS-R001"),
        (KeyboardInterrupt(), 130, "TS-C130"),
        (ZeroDivisionError("a bug"), 1, "TS-E001"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_kind_of_error_has_its_exit_code_and_a_sentence(error, code, name, as_json, capsys):
    assert end(error, as_json=as_json) == code
    out, err = capsys.readouterr()
    assert ("Traceback" in err or "ZeroDivisionError" in err) == (code == 1)
    if as_json:
        fault = json.loads(out)["error"]
        assert (fault["code"], fault["exit_code"]) == (name, code)
        assert len(fault["message"]) > 0
        assert set(fault) == {"code", "message", "exit_code"}
    else:
        assert out == ""
        assert len(err.splitlines()[-1]) > 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fit", "--json"], "TS-C001", "Missing argument 'DATA'"),
        (["forecast", "x", "--json", "--nonsense"], "TS-C001", "No such option"),
        (["--json"], "TS-C001", "No such option"),
        (["forecats", "--json"], "TS-C001", "No such command"),
        (["datasets", "get", "--json"], "TS-C001", "Missing argument 'NAME'"),
        (["fit", "x.csv", "-o", "m", "--horizon", "2", "--model", "lsmt", "--json"], "TS-C001", "'lsmt'"),
        (["inspect", "nowhere", "--json"], "TS-C002", "There is no file 'nowhere'"),
        (["datasets", "get", "eth1", "--json"], "TS-S001", "Did you mean 'etth1'"),
    ],
)
def test_wrong_usage_is_one_document_too(run, arguments, code, message):
    done = run(*arguments, code=2)
    fault = json.loads(done.stdout)["error"]
    assert fault["code"] == code
    assert message in fault["message"]
    assert done.stderr == ""


def test_bad_data_and_a_damaged_model_are_documents(run, data, model):
    data.write_text("ds,y\n2024-01-01,1\n2024-01-03,\n2024-01-04,2\n")
    done = run("fit", data, "-o", "m", "--horizon", 1, "--json", code=3)
    assert "--missing mask" in json.loads(done.stdout)["error"]["message"]
    model.write_bytes(model.read_bytes()[:-1])
    done = run("forecast", model, "--json", code=4)
    assert json.loads(done.stdout)["error"]["code"] == "TS-A001"


def test_a_fault_of_our_own_leaves_its_traceback_and_code_1(run, monkeypatch):
    monkeypatch.setattr("timeseries.ensemble.load_forecaster", lambda path: 1 / 0)
    with pytest.raises(AssertionError, match="Traceback"):
        run("forecast", "x", code=1)


def test_warnings_are_sentences_and_quiet_silences_them(run, model, data):
    data.write_text("\n".join(data.read_text().splitlines()[:4]) + "\n")  # fewer rows than were fitted to
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as it is outside of the tests
        done = run("forecast", model, data)
        assert run("forecast", model, data, "--quiet").stderr == ""
    assert "\nWarning: 1 of 1 histories have fewer rows" in done.stderr
    assert ".py" not in done.stderr
    assert done.stdout.count("\n") == 4


def test_a_reader_that_leaves_ends_the_command_quietly():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "timeseries", "datasets", "get", "airpassengers", "--quiet"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_no_escape_codes_are_sent_to_a_terminal_that_wants_none(model, data, monkeypatch):
    leader, follower = pytest.importorskip("pty").openpty()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    options = ["--model", "nlinear", "--set", "max_steps=3"]
    with open(follower, "w") as terminal:  # noqa: PTH123 - a descriptor has no path
        monkeypatch.setattr(sys, "stderr", terminal)
        with pytest.raises(SystemExit):
            main(["fit", str(data), "--horizon", "3", "-o", str(model), *options])
        terminal.flush()
        sent = b""
        while b"Saved to" not in sent:  # a terminal hands its text over in pieces
            sent += os.read(leader, 100_000)
    assert b"\x1b" not in sent


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_given_completion(shell):
    command = [sys.executable, "-m", "timeseries"]
    environment = os.environ | {"_TIMESERIES_COMPLETE": f"{shell}_source"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "_TIMESERIES_COMPLETE=" in done.stdout
    asked = os.environ | {
        "_TIMESERIES_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "timeseries fit --model n",
        "COMP_CWORD": "n" if shell == "fish" else "3",
    }
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    assert "nlinear" in done.stdout
    assert "lstm" not in done.stdout
