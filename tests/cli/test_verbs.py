"""What every verb prints, writes and draws; Python's answers are the reference."""

import gzip
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from timeseries.cli.fit import _how_often
from timeseries.cli.inspect import _intervals
from timeseries.cli.options import make_forecaster
from timeseries.datasets import DATASETS, load_airpassengers
from timeseries.deeplearning.artifact import read
from timeseries.deeplearning.checkpoint import RunKeeper
from timeseries.deeplearning.models import MODELS
from timeseries.ensemble import Ensemble
from timeseries.forecaster import Forecaster
from timeseries.recipes import NAMES

SMALL = ["--model", "nlinear", "--horizon", "3", "--context-length", "6", "--set", "max_steps=2"]


def test_help_names_the_models_that_there_are(run):
    assert set(MODELS) < set(NAMES)
    assert "|".join(NAMES) in run("fit", "--help").stdout


def test_a_misspelt_model_and_every_misspelt_setting_are_told_with_what_was_meant(run, data):
    told = run("fit", data, "-o", "m", "--horizon", "3", "--model", "LSTN", code=2).stderr
    assert "Unknown model 'LSTN'. Did you mean 'lstm'?" in " ".join(told.split())
    misspelt = ["--set", "hiden_size=3", "--set", "max_step=2"]
    told = run("fit", data, "-o", "m", "--horizon", "3", *misspelt, code=2).stderr
    assert "Did you mean 'hidden_size'?" in told
    assert "Did you mean 'max_steps'?" in told
    assert told.count("Known:") == 1


def test_standard_input_is_the_file(run, holds, data, model):
    expected = run("forecast", model, data).stdout
    holds(expected, Forecaster.load(model).predict(data))
    assert run("forecast", model, "-", input=data.read_bytes()).stdout == expected
    assert run("forecast", model, "-", input=gzip.compress(data.read_bytes())).stdout == expected
    saved = run("fit", "-", "-o", "-", *SMALL, input=data.read_bytes()).stdout_bytes
    model.write_bytes(saved)
    assert run("forecast", model, data).stdout == expected


def test_two_tables_cannot_both_be_standard_input(run, model):
    assert "cannot both" in run("forecast", model, "-", "--future", "-", code=2).stderr


def test_a_forecast_goes_to_a_file_to_standard_output_or_into_a_document(
    run, document, holds, model, forecaster
):
    expected = forecaster.predict()
    holds(run("forecast", model, "-o", "-").stdout, expected)
    assert run("forecast", model, "-o", "f.csv").stdout == ""
    holds(Path("f.csv").read_text(), expected)
    answer = document("forecast", model)
    assert answer["table"] == [
        {"ds": f"2024-02-{day:02d}T00:00:00"} | row
        for day, row in zip((10, 11, 12), expected.drop(columns="ds").to_dict("records"), strict=True)
    ]
    assert (answer["model"], answer["horizon"]) == ("nlinear", 3)
    written = document("forecast", model, "-o", "g.csv")
    assert (written["output"], written["rows"]) == ("g.csv", 3)
    assert "table" not in written


def test_a_document_and_data_do_not_share_standard_output(run, model):
    done = run("forecast", model, "-o", "-", "--json", code=2)
    assert "give --output a file" in json.loads(done.stdout)["error"]["message"]


def test_fit_says_what_it_fitted(document, data):
    answer = document("fit", data, "-o", "m", *SMALL)
    assert answer | {"history": None} == {
        "model": "nlinear",
        "horizon": 3,
        "context_length": 6,
        "series": 1,
        "frequency": "D",
        "history": None,
        "output": "m",
        "interrupted": False,
    }
    assert sum(record["steps"] for record in answer["history"]) == 2


def test_quiet_says_nothing_but_errors(run, data):
    done = run("fit", data, "-o", "m", *SMALL, "--quiet")
    assert done.output == ""
    assert "Saved to m" in run("fit", data, "-o", "m", *SMALL).stderr


def test_an_interrupted_training_is_saved_and_said(run, data, monkeypatch):
    real = Forecaster.fit

    def stopped(self, *arguments, **options):
        real(self, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Forecaster, "fit", stopped)
    done = run("fit", data, "-o", "m", *SMALL, "--json", code=130)
    assert json.loads(done.stdout)["interrupted"] is True
    assert done.stderr.endswith("The best model so far is in m.\nInterrupted.\n")
    assert run("forecast", "m").stdout.startswith("ds,y,y_q0.025,")


def test_an_interruption_before_there_is_a_model_saves_nothing(run, data, tmp_path, monkeypatch):
    def stopped(self, *arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Forecaster, "fit", stopped)
    assert run("fit", data, "-o", "m", *SMALL, code=130).stderr == "Interrupted.\n"
    assert not (tmp_path / "m").exists()


def is_picture(path):
    if path.suffix == ".png":
        return path.read_bytes().startswith(b"\x89PNG")
    return ElementTree.parse(path).getroot().tag.endswith("svg")


def test_pictures_are_drawn_by_suffix(run, data, model, tmp_path):
    run("fit", data, "-o", "m", *SMALL, "--plot", "losses.svg")
    run("forecast", model, "--plot", "own.png")
    run("forecast", model, data, "--plot", "given.svg")
    run("backtest", data, *SMALL, "--windows", 2, "--plot", "b.svg", "--plot-errors", "e.png")
    assert all(
        is_picture(tmp_path / name) for name in ("losses.svg", "own.png", "given.svg", "b.svg", "e.png")
    )


@pytest.mark.parametrize("verb", [["fit", "x.csv", "-o", "m", *SMALL], ["forecast", "m"]])
def test_a_picture_that_cannot_be_is_refused_before_the_work(run, verb):
    assert "written as .png or .svg" in run(*verb, "--plot", "x.gif", code=2).stderr
    assert "no folder 'nowhere'" in run(*verb, "--plot", "nowhere/x.png", code=2).stderr


def test_without_matplotlib_the_install_command_is_told_before_the_work(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert "timeseries-deeplearning[plot]" in run("forecast", "m", "--plot", "x.png", code=2).stderr


@pytest.fixture
def given(monkeypatch):
    """Return what a Forecaster would be told, without making one."""
    told = {}
    monkeypatch.setattr("timeseries.forecaster.Forecaster", lambda model, **keywords: told.update(keywords))
    return told


def test_options_reach_the_forecaster_only_when_given(run, given):
    make_forecaster(model="lstm", horizon=2, context_length=None, assignments=(), lower=None, integer=False)
    assert given == {"horizon": 2, "context_length": None}


def test_bounds_coverage_and_file_options_reach_the_forecaster(run, data, given):
    options = ["--coverage", "50,99.9", "--lower", "0", "--upper", "-1.5", "--integer", "--decimal", ","]
    options += [
        "--separator",
        ";",
        "--thousands",
        ".",
        "--encoding",
        "cp1252",
        "--date-format",
        "%d.%m.%Y",
        "--duplicates",
        "mean",
    ]
    with pytest.raises(AssertionError, match="AttributeError"):  # what was made is no forecaster
        run("fit", data, "-o", "m", "--horizon", 2, *options)
    assert given == {
        "horizon": 2,
        "context_length": None,
        "coverage": pytest.approx((0.5, 0.999)),
        "lower": 0.0,
        "upper": -1.5,
        "integer": True,
        "decimal": ",",
        "thousands": ".",
        "separator": ";",
        "encoding": "cp1252",
        "date_format": "%d.%m.%Y",
        "duplicates": "mean",
    }


def test_grouped_thousands_are_read_once_named_and_the_model_remembers_them(run, data, table):
    grouped = table.assign(y=[f"{1e4 * y:,.2f}".translate({44: ".", 46: ","}) for y in table["y"]])
    grouped.to_csv(data, index=False, sep=";")
    told = run("fit", data, "-o", "m", *SMALL, "--decimal", ",", code=3).stderr
    assert told.endswith("\nTo fix this: give --thousands . for groups of three digits.\n")
    run("fit", data, "-o", "m", *SMALL, "--thousands", ".")
    assert Forecaster.load("m").layout.thousands == "."
    answer = run("forecast", "m", data).stdout
    plain = Forecaster("nlinear", horizon=3, context_length=6, max_steps=2).fit(
        table.assign(y=(1e4 * table["y"]).round(2))
    )
    found = pd.read_csv(io.StringIO(answer), parse_dates=["ds"])
    pd.testing.assert_frame_equal(found, plain.predict(), rtol=1e-6, check_dtype=False)


@pytest.mark.parametrize("text", ["0.8", "100", "a", "", "80;95", "nan"])
def test_coverage_is_given_in_percent(run, text):
    done = run("fit", "x.csv", "-o", "m", "--horizon", 2, "--coverage", text, code=2)
    assert "should be percentages from 1 to 100" in done.stderr


@pytest.mark.parametrize("assignment", ["coverage=80", "val-size=10", "lower=0", "integer=true"])
def test_what_has_an_option_is_not_set_otherwise(run, assignment):
    told = run("fit", "x.csv", "-o", "m", "--horizon", 2, "--set", assignment, code=2).stderr
    assert f"this has an option, --{assignment.split('=')[0]}" in told


def small(table):
    return Forecaster("nlinear", horizon=3, context_length=6, max_steps=2).backtest(table, windows=2)


def test_backtest_prints_its_own_document(document, data, table):
    expected = json.loads(json.dumps(small(table).to_dict()))
    assert document("backtest", data, *SMALL, "--windows", 2) == expected
    assert [row["interval"] for row in expected["intervals"]] == ["80 %", "95 %"]


def test_the_intervals_of_a_backtest_are_printed_below_the_scores(run, data, table):
    printed = run("backtest", data, *SMALL, "--windows", 2, "-q").stdout
    observed = small(table).coverage()["observed"]
    for name, share in observed.items():
        assert printed.index("skill") < printed.index("nominal") < printed.index(name)
        line = next(line for line in printed.splitlines() if line.strip().startswith(name))
        assert float(line.split()[3]) == pytest.approx(share, rel=1e-3)


def test_every_forecast_of_a_backtest_can_be_had(run, holds, table, data):
    printed = run("backtest", data, *SMALL, "--windows", 2, "-o", "-", "-q").stdout
    read = holds(printed, small(table).frame())
    np.testing.assert_array_equal(read["truth"], small(table).frame()["truth"])  # the user's own, to the bit


def test_files_of_answers_have_the_names_of_the_table_and_whole_numbers_where_asked(run, document):
    days = pd.date_range("2024-01-01", periods=40)
    parts = [pd.DataFrame({"shop": shop, "day": days, "sold": np.arange(40) % 7}) for shop in "ab"]
    pd.concat(parts).to_csv("sold.csv", index=False)
    options = ["--id", "shop", "--time", "day", "--target", "sold", "--integer", *SMALL]
    run("backtest", "sold.csv", *options, "--windows", 2, "-o", "b.csv")
    run("fit", "sold.csv", *options, "-o", "m")
    run("forecast", "m", "-o", "f.csv")
    pd.concat([part[-3:].assign(day=part["day"][-3:] + pd.Timedelta(3, "D")) for part in parts]).to_csv(
        "new.csv", index=False
    )
    run("evaluate", "m", "new.csv", "-o", "e.csv")
    for name in ("b.csv", "e.csv"):
        assert pd.read_csv(name, nrows=1).columns[:5].tolist() == ["shop", "cutoff", "day", "target", "truth"]
    for name in ("b.csv", "e.csv", "f.csv"):
        cells = pd.read_csv(name, dtype=str)
        for column in cells.filter(regex="^(nlinear|sold|truth)"):
            assert cells[column].str.fullmatch(r"-?\d+").all(), (name, column)
    rows = document("forecast", "m")["table"]
    assert all(type(row[name]) is int for row in rows for name in row if name.startswith("sold"))


@pytest.fixture
def later(table, tmp_path):
    """Return a file of the nine days that follow the fitted table."""
    t = np.arange(40, 49)
    frame = pd.DataFrame({"ds": pd.date_range("2024-02-10", periods=9), "y": np.cos(t / 3) + t / 10})
    frame.to_csv(tmp_path / "later.csv", index=False)
    return tmp_path / "later.csv"


def test_evaluate_scores_the_saved_model_on_the_rows_that_follow(
    run, document, model, forecaster, later, tmp_path
):
    result = forecaster.evaluate(later, step=2)
    printed = run("evaluate", model, later, "--step", 2).stdout
    assert f"{result.table().loc['nlinear', 'mae']:.4g}" in printed
    whole = forecaster.evaluate(later)
    assert document("evaluate", model, later) == json.loads(json.dumps(whole.to_dict()))
    run("evaluate", model, later, "-o", "f.csv", "--plot", "p.svg")
    assert len(pd.read_csv("f.csv")) == 9
    assert is_picture(tmp_path / "p.svg")


def test_evaluate_has_nothing_to_score_in_rows_that_were_seen(run, model, data):
    assert "has 0 rows after 2024-02-09" in run("evaluate", model, data, code=3).stderr


def test_an_update_replaces_the_model_and_keeps_what_it_was(
    run, document, holds, model, data, table, later, forecaster
):
    before = model.read_bytes()
    model.chmod(0o640)
    answer = document("update", model, later, "--fine-tune", 7)
    previous = model.with_name("a.model.previous")
    assert answer["previous"] == str(previous)
    assert answer["output"] == str(model)
    assert answer["last"].startswith("2024-02-18")
    assert previous.read_bytes() == before
    assert previous.stat().st_mode & 0o777 == 0o640
    told = run("forecast", model).stdout
    holds(told, forecaster.update(later, fine_tune=7).predict())
    assert told.splitlines()[1].startswith("2024-02-19,")
    middle = model.read_bytes()
    later.write_text("ds,y\n2024-02-19,5\n")
    run("update", model, later)
    assert previous.read_bytes() == middle
    assert "2024-02-20" in run("forecast", model).stdout
    names = ["a.model", "a.model.previous", "data.csv", "later.csv"]
    assert sorted(path.name for path in model.parent.iterdir()) == names


def test_an_update_to_another_file_leaves_the_model_alone(run, document, model, later):
    before = model.read_bytes()
    assert document("update", model, later, "-o", "b.model")["previous"] is None
    assert model.read_bytes() == before
    assert not model.with_name("a.model.previous").exists()
    assert "2024-02-19" in run("forecast", "b.model").stdout


def test_an_update_that_fails_leaves_everything_as_it_was(run, model, data):
    before = model.read_bytes()
    assert "Pass only the rows that follow" in run("update", model, data, code=3).stderr
    assert model.read_bytes() == before
    assert sorted(path.name for path in model.parent.iterdir()) == ["a.model", "data.csv"]


def test_an_update_that_is_interrupted_leaves_everything_as_it_was(run, model, later, monkeypatch):
    def press(self):
        raise KeyboardInterrupt

    monkeypatch.setattr("timeseries.deeplearning.history.Callback.step", press)
    before = model.read_bytes()
    assert run("update", model, later, "--fine-tune", 9, code=130).stderr.endswith("\nInterrupted.\n")
    assert model.read_bytes() == before
    assert not model.with_name("a.model.previous").exists()


def test_inspect_prints_lines_or_the_whole_manifest(run, document, model):
    assert "forecaster nlinear" in run("inspect", model).stdout
    answer = document("inspect", model)
    assert answer["settings"]["horizon"] == 3
    assert all(set(tensor) == {"name", "dtype", "shape"} for tensor in answer["tensors"])


@pytest.fixture
def ensemble(table, tmp_path):
    settings = {"horizon": 3, "context_length": 6, "max_steps": 2}
    made = Ensemble(["nlinear", "dlinear"], combine="weighted", **settings).fit(table)
    made.save(tmp_path / "e.model")
    return tmp_path / "e.model"


def test_an_ensemble_is_a_model_file_like_others(run, document, holds, data, table, ensemble):
    loaded = Ensemble.load(ensemble)
    holds(run("forecast", ensemble).stdout, loaded.predict())
    assert document("forecast", ensemble)["model"] == "ensemble"
    holds(run("forecast", ensemble, data, "--plot", "e.png").stdout, loaded.predict(table))
    later = pd.DataFrame({"ds": pd.date_range("2024-02-10", periods=4), "y": 1.0})
    later.to_csv("later.csv", index=False)
    assert "Evaluation of ensemble, 1 forecasts" in run("evaluate", ensemble, "later.csv").stdout
    assert document("update", ensemble, "later.csv")["last"] == "2024-02-13T00:00:00"
    holds(run("forecast", ensemble).stdout, loaded.update(later).predict())


def test_inspect_says_what_members_share_and_what_each_of_them_is(run, document, ensemble):
    lines = dict(line.strip().split("  ", 1) for line in run("inspect", ensemble).stdout.splitlines())
    assert lines["kind"] == "ensemble of 2, combined by a weighted mean"
    assert lines["horizon"] == "3"
    assert lines["member 0"].startswith("nlinear: context 6, 2 epochs run, ")
    assert lines["member 1"].startswith("dlinear: ")
    assert "calibrated on held-out rows. 95 % intervals rest on" in lines["intervals"]
    assert lines["weights"] == "63 numbers in 6 tensors"  # 6 * 3 + 3, and twice that
    assert [member["model"] for member in document("inspect", ensemble)["members"]] == ["nlinear", "dlinear"]


def inspected(run, **settings):
    """Return what inspect says of a forecaster with these settings, by what stands before it."""
    stamps = pd.date_range("2024-01-01", periods=60, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"ds": stamps, "y": np.arange(60.0) % 6})
    made = Forecaster("nlinear", horizon=3, context_length=6, max_steps=2, **settings)
    made.fit(table).save("i.model")
    lines = run("inspect", "i.model").stdout.splitlines()
    return dict(line.strip().split("  ", 1) for line in lines), made


def test_inspect_says_what_forecasts_keep_to_and_what_intervals_rest_on(run):
    zone = "America/New_York"
    said, made = inspected(
        run, lower=0, upper=5.5, integer=True, coverage=(0.5, 0.8), season=6, season_zone=zone
    )
    assert said["forecasts"] == "whole numbers, not below 0 (lower), not above 5.5 (upper)"
    assert said["intervals"].startswith("50 %, 80 % (quantiles 0.1, 0.25, 0.5, 0.75, 0.9); calibrated on")
    assert said["intervals"].endswith(" ".join(made.calibration_notes))
    assert "origins per step" in said["intervals"]
    assert said["time zone"] == "Europe/Berlin"
    assert said["season"] == "6 rows"
    assert said["season clock"].startswith(zone)


def test_inspect_says_what_a_forecast_has_not(run):
    said, _ = inspected(run, coverage=())
    assert said["forecasts"] == "any number: no bounds"
    assert said["intervals"] == "none: a point forecast"
    assert "season clock" not in said
    own, _ = inspected(run, coverage=(), loss="pinball", quantiles=(0.1, 0.5, 0.9))
    assert own["intervals"] == "80 % (quantiles 0.1, 0.5, 0.9); not calibrated: the network's own"


@pytest.mark.parametrize("quantiles", [["a"], "0.5", [0.5] * 10_000, [None], 3])
def test_inspect_describes_a_file_whose_quantiles_are_none(run, model, quantiles):
    held = read(model)
    held.manifest["answers"]["levels"] = held.manifest["calibration"] = None
    held.manifest["settings"]["quantiles"] = quantiles
    assert _intervals(held.manifest) == "quantiles that no model has; see --json"


def test_inspect_needs_no_torch(model):
    code = f"""
import sys
from timeseries.cli import main
try:
    main(["inspect", {str(model)!r}])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert "80 %, 95 %" in done.stdout


def test_data_sets_are_listed_with_their_licences_and_without_network(run, document, monkeypatch):
    monkeypatch.setattr("timeseries.datasets.urlopen", lambda *a, **k: pytest.fail("went to the network"))
    monkeypatch.delenv("TIMESERIES_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    printed = run("datasets", "list").stdout
    assert all(dataset.licence in printed for dataset in DATASETS.values())
    assert "To fetch, 2.6 MB" in printed
    listed = {entry["name"]: entry for entry in document("datasets", "list")["datasets"]}
    assert list(listed) == list(DATASETS)
    assert listed["airpassengers"]["here"]
    assert not listed["etth1"]["here"]
    assert listed["etth1"]["files"][0]["bytes"] == 2_589_657


def test_a_data_set_is_written_as_a_table_that_fit_reads(run, document):
    done = run("datasets", "get", "airpassengers")
    got = pd.read_csv(io.StringIO(done.stdout), parse_dates=["ds"])
    np.testing.assert_array_equal(got["y"], load_airpassengers()["y"])
    assert "Licence" in done.stderr
    answer = document("datasets", "get", "airpassengers", "-o", "air.csv", "-q")
    assert (answer["output"], answer["rows"], answer["name"]) == ("air.csv", 144, "airpassengers")
    run("fit", "air.csv", "-o", "m", *SMALL)


def test_a_fit_is_kept_and_gone_on_with(run, data, tmp_path, monkeypatch):
    run("fit", data, "-o", "whole.model", *SMALL)
    expected = run("forecast", "whole.model").stdout
    step = RunKeeper.step

    def step_and_press(keeper, state):
        step(keeper, state)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunKeeper, "step", step_and_press)
    told = run("fit", data, "-o", "half.model", "--checkpoint", "run", *SMALL, code=130).stderr
    assert "The same command with --resume run goes on from here." in told
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    run("fit", data, "-o", "end.model", "--resume", "run", "--checkpoint-every", "1epoch", *SMALL)
    assert run("forecast", "end.model").stdout == expected
    other = ["--set", "max_steps=3"]
    assert (
        "settings.max_steps was 2, is 3"
        in run("fit", data, "-o", "m", "--resume", "run", *SMALL, *other, code=4).stderr
    )
    assert "no file" in run("fit", data, "-o", "m", "--resume", "none", *SMALL, code=2).stderr


@pytest.mark.parametrize(
    ("text", "kept"), [("500steps", {"steps": 500}), ("1 epoch", {"epochs": 1}), ("0.5s", {"seconds": 0.5})]
)
def test_how_often_is_a_number_with_its_unit(text, kept):
    assert _how_often(None, None, text) == kept


@pytest.mark.parametrize("text", ["5", "0s", "1.5epochs", "-3steps", "soon"])
def test_other_cadences_are_refused(run, data, text):
    told = run(
        "fit", data, "-o", "m", "--checkpoint", "run", f"--checkpoint-every={text}", *SMALL, code=2
    ).stderr
    assert "should be a" in told
    assert (
        "needs --checkpoint" in run("fit", data, "-o", "m", "--checkpoint-every", "1s", *SMALL, code=2).stderr
    )


def test_without_intervals_a_handful_of_rows_is_enough_and_the_advice_says_so(run, table, data):
    table.head(11).to_csv(data, index=False)
    told = run("backtest", data, "--horizon", 3, "--windows", 2, *SMALL[:2], code=3).stderr
    assert "Lower the horizon, or ask for no intervals (--coverage none)." in told
    run("backtest", data, "--windows", 2, *SMALL, "--coverage", "none")
    answer = run("fit", data, "-o", "m", *SMALL, "--coverage", "none", "--val-size", 0)
    assert Forecaster.load("m").fitted_.levels is None, answer


def test_rows_that_an_update_took_are_not_scored_again_and_the_reason_is_told(run, data, model, table):
    later = table.assign(ds=table["ds"] + pd.Timedelta(days=40))
    later.to_csv("later.csv", index=False)
    run("update", model, "later.csv")
    told = run("evaluate", model, "later.csv", code=3).stderr
    assert "Series 'y' has 0 rows after 2024-03-20 00:00:00, the last that the model has seen" in told
    assert run("evaluate", f"{model}.previous", "later.csv").stdout.startswith("Evaluation of nlinear, ")


def test_intervals_of_too_few_rows_are_told_where_they_are_made_and_used(run, table, data):
    table.head(20).to_csv(data, index=False)
    told = "which is less than the 39 scores they need"
    assert told in run("fit", data, "-o", "m", *SMALL).stderr
    assert told in run("forecast", "m").stderr
    assert told not in run("forecast", "m", "--quiet").stderr


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("hiden_size=3", "Unknown setting for --set 'hiden_size'. Did you mean 'hidden_size'?"),
        ("missing=mask", "this has an option, --missing"),
        ("sequence_length=3", "Unknown setting for --set 'sequence_length'."),
    ],
)
def test_only_settings_of_the_model_are_set(run, assignment, told):
    said = run(
        "fit", "x.csv", "-o", "m", "--model", "lstm", "--horizon", 2, "--set", assignment, code=2
    ).stderr
    assert told in said
    assert "Forecaster" not in said
    assert "date" not in said


def test_a_checkpoint_without_a_folder_is_refused_before_anything_is_read(run):
    told = run("fit", "x.csv", "-o", "m", "--horizon", 2, "--checkpoint", "nowhere/c", code=2).stderr
    assert "There is no folder 'nowhere' to write 'c' to." in told


def test_stamps_of_documents_carry_their_zone(document, run, table, tmp_path):
    zoned = table.assign(ds=table["ds"].dt.tz_localize("UTC"))
    zoned[:30].to_csv("z.csv", index=False)
    zoned[30:].to_csv("new.csv", index=False)
    run("fit", "z.csv", "-o", "m", *SMALL)
    assert document("evaluate", "m", "new.csv")["first_cutoff"] == "2024-01-30T00:00:00+00:00"
    assert document("update", "m", "new.csv")["last"] == "2024-02-09T00:00:00+00:00"
