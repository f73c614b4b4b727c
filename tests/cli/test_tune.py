"""``timeseries tune`` and ``fit --model auto``: Python's answers are the reference."""

import json
import shlex
from xml.etree import ElementTree

import pandas as pd
import pytest

from timeseries import Forecaster, choose_model, search_space, tune
from timeseries.cli.tune import _as_options
from timeseries.errors import MissingExtraError

SMALL = ["--horizon", "3", "--context-length", "6", "--set", "max_steps=2"]
SETTINGS = {"horizon": 3, "context_length": 6, "max_steps": 2}


@pytest.fixture
def expected(table):
    return tune("nlinear", table, trials=2, **SETTINGS)


def test_tune_saves_the_best_and_says_what_it_found(run, data, expected):
    done = run("tune", data, "--model", "nlinear", "--trials", 2, *SMALL, "-o", "m")
    lines, found = repr(expected).splitlines(), done.stdout.splitlines()
    assert found[:2] + found[3:] == lines[:2] + lines[3:]  # the settings are options here
    assert "Trial 2 of 2: mae " in done.stderr
    assert done.stderr.endswith("Saved to m. Next: timeseries forecast m\n")
    saved = Forecaster.load("m").predict()
    pd.testing.assert_frame_equal(saved, expected.forecaster.predict(), check_exact=True)
    assert run("tune", data, "--model", "nlinear", "--trials", 1, *SMALL, "-o", "m", "-q").stderr == ""


def test_settings_are_told_as_options_that_other_verbs_take(run, data):
    done = run("tune", data, "--model", "lstm", "--trials", 2, *SMALL[:2], "--set", "max_steps=2", "-o", "m")
    best = Forecaster.load("m").estimator
    (summary,) = (line for line in done.stdout.splitlines() if line.startswith("  --"))
    told = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert len(told) == 2
    assert summary in told
    for line in told:
        run(
            "fit",
            data,
            "--model",
            "lstm",
            "--horizon",
            3,
            "--set",
            "max_steps=1",
            *shlex.split(line),
            "-o",
            "n",
        )
    run(
        "fit",
        data,
        "--model",
        "lstm",
        "--horizon",
        3,
        "--set",
        "max_steps=1",
        *shlex.split(summary),
        "-o",
        "n",
    )
    again = Forecaster.load("n").estimator
    for name in search_space("lstm") | {"sequence_length": None}:
        assert getattr(again, name) == (
            pytest.approx(getattr(best, name), rel=1e-3)
            if isinstance(getattr(best, name), float)
            else getattr(best, name)
        )


def test_words_and_lists_are_told_as_set_reads_them():
    told = _as_options(
        {"activation": "relu", "hidden_size": (8, 4), "clip_norm": None, "bidirectional": True}
    )
    assert shlex.split(told) == [
        *("--set", "activation=relu", "--set", "hidden_size=[8, 4]"),
        *("--set", "clip_norm=null", "--set", "bidirectional=true"),
    ]


def test_the_document_holds_every_trial(document, data, expected):
    found = document("tune", data, "--model", "nlinear", "--trials", 2, *SMALL, "-o", "m")
    assert {n: found[n] for n in ("model", "metric", "settings", "importance", "output", "interrupted")} == {
        "model": "nlinear",
        "metric": "mae",
        "settings": expected.settings,
        "importance": expected.importance,
        "output": "m",
        "interrupted": False,
    }
    errors = [trial["error"] for trial in found["trials"]]
    assert errors == pytest.approx(expected.trials["error"].tolist())
    assert found["error"] == min(errors)


def test_options_reach_the_search(run, data, monkeypatch):
    told = {}

    def search(model, df, **how):
        told.update(how, model=model)
        raise MissingExtraError("optuna", "tune")

    monkeypatch.setattr("timeseries.tuning.tune", search)
    options = ["--seconds", 5, "--windows", 2, "--step", 1, "--gap", 4, "--test-size", 3, "--metric", "mse"]
    options += ["--storage", "s", "--val-size", 6, "--set", "hidden_size=8", "--lower", 0, "--target", "y"]
    done = run("tune", data, *SMALL, *options, "-o", "m", "-q", code=2)
    assert "pip install 'timeseries-deeplearning[tune]'" in done.stderr
    assert told.pop("storage").name == "s"
    assert told == SETTINGS | {
        "model": "lstm",
        "trials": 50,
        "seconds": 5.0,
        "windows": 2,
        "step": 1,
        "gap": 4,
        "test_size": 3,
        "metric": "mse",
        "val_size": 6,
        "hidden_size": 8,
        "lower": 0.0,
        "target": "y",
        "verbose": False,
    }


def test_a_search_goes_on_with_the_same_command_and_is_drawn(run, data, tmp_path):
    command = ["tune", data, "--model", "nlinear", *SMALL, "-o", "m", "--storage", "s"]
    run(*command, "--trials", 1)
    done = run(*command, "--trials", 3, "--plot", "p.svg")
    assert "Trial 1 of 3" not in done.stderr
    assert "Trial 3 of 3" in done.stderr
    assert ElementTree.parse(tmp_path / "p.svg").getroot().tag.endswith("svg")
    assert "written by another search" in run(*command, "--trials", 3, "--gap", 1, code=4).stderr


def test_an_interrupted_search_is_saved_and_ends_with_130(run, data, expected, monkeypatch):
    interrupted = type(expected)(**vars(expected) | {"interrupted": True})
    monkeypatch.setattr("timeseries.tuning.tune", lambda *a, **k: interrupted)
    done = run("tune", data, *SMALL, "-o", "m", "--json", code=130)
    assert json.loads(done.stdout)["interrupted"] is True
    assert len(Forecaster.load("m").predict()) == 3


def test_fit_auto_saves_the_choice_and_says_why(run, document, data, table):
    choice = choose_model(table, **SETTINGS)
    done = run("fit", data, "--model", "auto", *SMALL, "-o", "m")
    assert choice.reason in done.stderr
    saved = Forecaster.load("m").predict()
    pd.testing.assert_frame_equal(saved, choice.forecaster.predict(), check_exact=True)
    found = document("fit", data, "--model", "auto", *SMALL, "-o", "m")
    assert found["model"] == choice.model
    assert found["choice"]["reason"] == choice.reason
    assert found["choice"]["baseline_wins"] == choice.baseline_wins
    assert [row["model"] for row in found["choice"]["table"]] == choice.table.index.tolist()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "auto", "--checkpoint", "c"], "--checkpoint and --resume need one model"),
        (["--model", "lstm", "--seconds", "5"], "--seconds belongs to --model auto"),
        (["--model", "auto", "--set", "hidden_size=8"], "Unknown setting for --set 'hidden_size'"),
        (["--model", "auto", "--seconds", "0"], "seconds must be a number above 0"),
    ],
)
def test_what_does_not_go_with_auto_is_refused(run, data, options, told):
    assert told in run("fit", data, *SMALL, *options, "-o", "m", code=2).stderr


def test_other_verbs_do_not_know_auto(run, data):
    assert "Unknown model 'auto'" in run("backtest", data, "--model", "auto", *SMALL, code=2).stderr
