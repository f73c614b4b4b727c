"""A search: its errors are those of a backtest, its rows end before the test rows, and it survives a kill."""

import inspect
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TimeSeriesSplit

from timeseries import Forecaster, LSTMModel, NLinearModel, Span, search_space, tune
from timeseries.comparison import TimeBudget
from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.models import MODELS
from timeseries.errors import (
    ArtifactError,
    BusyError,
    DataError,
    MissingExtraError,
    SettingError,
    TrainingError,
)
from timeseries.recipes import NAMES
from timeseries.study import COMPLETE, FAILED, PRUNED, Study, opened

QUICK = {"horizon": 4, "context_length": 8, "max_steps": 6}


def table(rows=90, names=("y",)):
    """Return series that move, and a little noise; the last rows are free for poison."""
    t, noise = np.arange(rows), np.random.default_rng(0).normal(scale=0.2, size=(rows, len(names)))
    columns = {name: np.sin(t / 3 + i) + t / 20 + noise[:, i] for i, name in enumerate(names)}
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=rows)} | columns)


def weights(forecaster):
    return {name: t.numpy() for name, t in forecaster.fitted_.network.state_dict().items()}


def same(one, other):
    """Tell whether two searches found the same, but for the seconds it took them."""
    pd.testing.assert_frame_equal(one.trials.drop(columns="seconds"), other.trials.drop(columns="seconds"))
    assert (one.settings, one.error, one.importance) == (other.settings, other.error, other.importance)
    for name, part in weights(one.forecaster).items():
        np.testing.assert_array_equal(part, weights(other.forecaster)[name])


@pytest.fixture(scope="module")
def found():
    return tune("nlinear", table(), trials=9, **QUICK)


def test_the_best_settings_have_the_lowest_mean_error_of_backtests_by_hand(found):
    rows = found.trials[found.trials["outcome"] == COMPLETE]
    assert len(rows) >= 5
    errors = {}
    for number, row in rows.iterrows():
        settings = {"learning_rate": row["learning_rate"], "batch_size": int(row["batch_size"])}
        folds = []
        for end in (82, 86, 90):  # the last of them ends with the table
            model = Forecaster("nlinear", coverage=(), **QUICK | settings).fit(table().head(end - 4))
            truth = table()["y"].to_numpy()[end - 4 : end]
            folds.append(float(np.mean(np.abs(model.predict()["y"].to_numpy() - truth))))
        np.testing.assert_allclose(row[["fold_1", "fold_2", "fold_3"]].astype(float), folds, rtol=1e-6)
        errors[number] = float(np.mean(folds))
        assert row["error"] == pytest.approx(errors[number])
    best = min(errors, key=errors.get)
    assert found.error == pytest.approx(errors[best])
    assert found.settings == {
        "batch_size": rows.loc[best, "batch_size"],
        "learning_rate": rows.loc[best, "learning_rate"],
    }


def test_settings_are_told_as_keywords_of_a_call(capsys):
    result = tune("nlinear", table(), trials=2, horizon=4, max_steps=1, verbose=True)
    lines = capsys.readouterr().err.splitlines()
    told = [eval(f"dict({line})") for line in lines if line.startswith("  batch_size=")]
    for settings, (_, row) in zip(told, result.trials.iterrows(), strict=True):
        assert list(settings) == ["batch_size", "learning_rate", "context_length"]
        assert settings == pytest.approx(row[list(settings)].to_dict(), rel=1e-3)
    best = next(line for line in repr(result).splitlines() if line.startswith("  "))
    assert eval(f"dict({best})") == pytest.approx(result.settings, rel=1e-3)


def test_the_best_is_fitted_to_all_rows_with_intervals(found):
    expected = Forecaster("nlinear", **QUICK, **found.settings).fit(table())
    pd.testing.assert_frame_equal(found.forecaster.predict(), expected.predict(), check_exact=True)


def test_the_first_trial_has_the_settings_of_the_recipe(found):
    recipe = Forecaster("nlinear", horizon=4).estimator
    assert found.trials.loc[1, "batch_size"] == recipe.batch_size
    assert found.trials.loc[1, "learning_rate"] == recipe.learning_rate
    assert found.error <= found.trials.loc[1, "error"]


def test_the_same_seed_finds_the_same_and_another_seed_tries_others(found):
    same(found, tune("nlinear", table(), trials=9, **QUICK))
    other = tune("nlinear", table(), trials=2, seed=1, **QUICK)
    assert other.trials["learning_rate"][1] == found.trials["learning_rate"][1]
    assert other.trials["learning_rate"][2] != found.trials["learning_rate"][2]


@pytest.mark.parametrize("how", [{}, {"val_size": 4}, {"missing": "mask"}])
@pytest.mark.parametrize("poison", [1e9, np.nan])
def test_no_row_that_is_held_out_for_a_test_is_read(poison, how):
    if "missing" not in how and np.isnan(poison):
        pytest.skip("an absent value is refused when the table is read")
    poisoned = table(names=("a", "b"))
    poisoned.loc[80:88, ["a", "b"]] = poison  # the last one stays: rows without values end a series
    before, after = (
        tune("nlinear", t, trials=3, test_size=10, **QUICK, **how)
        for t in (table(names=("a", "b")), poisoned)
    )
    same(before, after)
    assert before.forecaster.fitted_.ends[0] == np.datetime64("2024-03-20")  # row 79
    scored = before.forecaster.evaluate(table(names=("a", "b")), step=1).cutoff
    assert scored.min() == np.datetime64("2024-03-20")  # the rows of the test are new to it


def test_a_fold_is_handed_no_row_after_its_targets_and_the_gap_is_left_out():
    fitted, real = [], Forecaster._model_for

    def spy(self, panel):
        fitted.append(int(panel.lengths[0]))
        return real(self, panel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Forecaster, "_model_for", spy)
        tune("nlinear", table(), trials=1, windows=2, step=3, gap=2, test_size=5, **QUICK)
    assert fitted == [85, 76, 79, 85]  # to find the context; 85 - 4 - 3 - 2 and 85 - 4 - 2; the final fit


def test_hopeless_trials_are_pruned_and_recorded():
    space = {"learning_rate": [3e-3, 1e-9]}  # one that learns, one that does not
    result = tune("nlinear", table(), trials=14, space=space, **QUICK)
    pruned = result.trials[result.trials["outcome"] == PRUNED]
    assert len(pruned)
    assert (pruned["learning_rate"] == 1e-9).all()
    assert pruned["error"].isna().all()
    assert pruned["fold_1"].notna().all()
    assert pruned["fold_3"].isna().all()
    assert result.settings == {"learning_rate": 3e-3}
    medians = result.trials["fold_1"].median()
    assert (pruned["fold_1"] >= medians).all()


def test_a_setting_that_does_all_is_the_important_one():
    space = {"learning_rate": Span(1e-9, 1e-2, log=True), "min_delta": (0.0, 0.1)}
    result = tune("nlinear", table(), trials=12, space=space, **QUICK)
    assert next(iter(result.importance)) == "learning_rate"
    assert sum(result.importance.values()) == pytest.approx(1)
    assert tune("nlinear", table(), trials=1, **QUICK).importance == {}


def test_a_trial_that_cannot_be_is_recorded_and_the_search_goes_on():
    space = {"d_model": (8, 9), "nhead": (2,)}
    quick = QUICK | {"max_steps": 1, "num_layers": 1, "dim_feedforward": 8}
    result = tune("transformer", table(60), trials=6, space=space, **quick)
    failed = result.trials[result.trials["outcome"] == FAILED]
    assert (failed["d_model"] == 9).all()
    assert failed["reason"].str.contains("d_model must be a multiple of nhead").all()
    assert len(failed)
    later = result.trials[result.trials["outcome"] != FAILED].iloc[1:]  # the first has those of the recipe
    assert (later["d_model"] == 8).all()


def test_a_search_whose_trials_all_fail_tells_the_last_reason():
    given = {"optimizer": "sgd", "learning_rate": 1e12, "space": {"batch_size": (32, 64)}}
    with pytest.raises(TrainingError, match=r"None of the 2 trials .*The last one: .*learning_rate"):
        tune("nlinear", table(60), trials=2, **given, **QUICK)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"model": "lsmt"}, "Unknown model 'lsmt'. Did you mean 'lstm'"),
        ({"trials": 0}, "trials must be a whole number >= 1, got 0"),
        ({"seconds": 0}, "seconds must be a number above 0, or None for no limit, got 0"),
        ({"seconds": float("nan")}, "seconds must be a number above 0"),
        ({"windows": 0}, "windows must be a whole number >= 1"),
        ({"gap": -1}, "gap must be a whole number >= 0"),
        ({"test_size": 1.5}, "test_size must be a whole number >= 0"),
        ({"metric": "r2"}, "Unknown metric 'r2'.*Known: mae, "),
        ({"horizon": 0}, "horizon must be a whole number >= 1"),
        ({"hiden_size": 8}, "Unknown Forecaster setting 'hiden_size'"),
        ({"space": {"hiden_size": (8,)}}, "Unknown setting to search 'hiden_size'"),
        ({"space": {"sequence_length": (8,)}}, "Unknown setting to search 'sequence_length'"),
        ({"space": {"learning_rate": Span(-1, 1)}}, "learning_rate must be .*got -1"),
        ({"space": {"batch_size": (8, "a")}}, "batch_size must be a whole number, got 'a'"),
        (
            {"space": {"batch_size": ()}},
            r"batch_size must be searched in a Span or a list of values, got \(\)",
        ),
        ({"space": {"max_steps": (1, 2)}}, "max_steps is given as 6 and searched too"),
        ({"space": ["batch_size"]}, "space must be a dictionary"),
        ({"learning_rate": 1e-3, "batch_size": 32}, "nothing to search: every setting is given"),
        ({"storage": "a\0b"}, "A path of a file is text"),
        ({"verbose": "yes"}, "verbose must be True or False"),
        ({"loss": "squared"}, "loss"),
    ],
)
def test_what_makes_no_sense_is_told_before_the_first_trial(arguments, told):
    given = {"model": "nlinear", "trials": 1} | QUICK | arguments
    with pytest.raises(SettingError, match=told):
        tune(given.pop("model"), table(), **given)


def test_a_table_that_is_too_short_is_told_with_the_arithmetic():
    with pytest.raises(DataError, match=r"1 \+ 0 \+ 2 \* 4 \+ 4 = 13 rows.*'y' has 12"):
        tune("nlinear", table(12), **QUICK)
    with pytest.raises(DataError, match="test_size=12 leaves nothing of the shortest series, which has 12"):
        tune("nlinear", table(12), test_size=12, **QUICK)


def test_a_metric_that_is_undefined_says_why():
    with pytest.raises(DataError, match="mape of nlinear is undefined: an observed truth is 0"):
        tune("nlinear", table().assign(y=0.0), metric="mape", trials=1, **QUICK)


def test_without_optuna_the_install_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'timeseries-deeplearning\[tune\]'"):
        tune("nlinear", table(), trials=1, **QUICK)


def test_windows_of_several_lengths_are_tried_unless_one_is_given():
    quick = {"horizon": 4, "max_steps": 1, "trials": 1}
    whole = tune("nlinear", table(), **quick)
    assert whole.trials["context_length"].tolist() == [14]  # a week twice, which a Forecaster takes by itself
    given = tune("nlinear", table(), context_length=5, **quick)
    assert "context_length" not in given.trials
    assert given.forecaster.context_length == 5


def test_an_estimator_of_ones_own_is_searched_from_its_own_settings():
    model = LSTMModel(hidden_size=20, num_layers=1, batch_size=48, max_steps=1, seed=3)
    result = tune(model, table(), horizon=4, trials=2, context_length=8)
    first = result.trials.iloc[0]
    assert (first["hidden_size"], first["num_layers"]) == (20, 1)
    assert first["batch_size"] == 48  # which is none of those that are tried
    assert result.trials["batch_size"][2] in (32, 64, 128, 256)
    assert result.forecaster.estimator.seed == 3
    assert model.hidden_size == 20


def by_hand(model):
    """Return the mean error of a model over the three folds of a search."""
    folds = []
    for end in (82, 86, 90):
        fitted = Forecaster(model, coverage=(), **QUICK).fit(table().head(end - 4))
        folds.append(np.mean(np.abs(fitted.predict()["y"] - table()["y"].to_numpy()[end - 4 : end])))
    return float(np.mean(folds))


@pytest.mark.parametrize(
    "space",
    [
        None,
        {"hidden_size": Span(2, 3), "learning_rate": Span(1e-4, 1e-3, log=True)},
        {"batch_size": (32, 64), "clip_norm": (0.5, 1.0), "weight_decay": Span(1e-6, 1e-2, log=True)},
        {"clip_norm": Span(0.5, 1.0), "bidirectional": (True,)},
    ],
)
def test_the_first_trial_is_exactly_what_was_given_also_outside_of_what_is_tried(space, tmp_path):
    """Also what no range holds: 0 in one by ratio, None in any."""
    given = {"hidden_size": 4, "batch_size": 16, "learning_rate": 0.05, "num_layers": 1}
    how = {"trials": 4, "space": space, **QUICK}
    result = tune(LSTMModel(**given), table(), **how)
    model = LSTMModel(**given)
    first, later = result.trials.iloc[0], result.trials.iloc[1:]
    tried = search_space(model) if space is None else space
    for name, values in tried.items():
        assert first[name] == getattr(model, name) or (pd.isna(first[name]) and model.clip_norm is None)
        assert all(value in values for value in later[name])
    assert first["error"] == pytest.approx(by_hand(model), rel=1e-6)
    assert result.error <= first["error"]
    tune(LSTMModel(**given), table(), storage=tmp_path / "s", **how | {"trials": 1})
    same(tune(LSTMModel(**given), table(), storage=tmp_path / "s", **how), result)


def test_the_importance_is_of_trials_that_lie_in_the_space():
    space = {"learning_rate": Span(1e-9, 1e-3, log=True), "min_delta": (0.0, 0.1)}
    result = tune(NLinearModel(learning_rate=0.1), table(), trials=12, space=space, **QUICK)
    assert result.trials["learning_rate"][1] == 0.1
    assert set(result.importance) == set(space)
    assert next(iter(result.importance)) == "learning_rate"


def test_settings_that_are_given_are_not_searched():
    result = tune("lstm", table(60), trials=2, hidden_size=8, **QUICK)
    assert "hidden_size" not in result.trials
    assert result.forecaster.estimator.hidden_size == 8


# --------------------------------------------------------------------------------------- budgets and Ctrl-C


@pytest.fixture
def limited(monkeypatch):
    """Return a function that lets a budget of seconds be over after it was asked so many times."""

    def limited(times):
        asked = iter(range(1, 10**6))
        over = property(lambda self: self.seconds is not None and next(asked) > times)
        monkeypatch.setattr(TimeBudget, "is_over", over)

    return limited


def test_the_time_ends_trials_but_the_first(limited):
    limited(0)
    assert len(tune("nlinear", table(), trials=50, seconds=60, **QUICK).trials) == 1
    limited(1 + 18 + 1 + 18)  # before each trial, and at the six steps of its three fits
    assert len(tune("nlinear", table(), trials=50, seconds=60, **QUICK).trials) == 3


def test_a_trial_under_way_when_the_time_is_over_leaves_no_trace(tmp_path, found, limited, monkeypatch):
    limited(1 + 18 + 1 + 5)
    short = tune("nlinear", table(), trials=9, seconds=60, storage=tmp_path / "s", **QUICK)
    assert len(short.trials) == 2
    monkeypatch.undo()
    assert [trial.state.name for trial in study_of(tmp_path / "s").trials][2:] == ["RUNNING"]
    same(tune("nlinear", table(), trials=9, storage=tmp_path / "s", **QUICK), found)


class Interrupt(Callback):
    """Presses Ctrl-C at a step, counted over all trials."""

    def __init__(self, at):
        self.left = at

    def step(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_what_there_is(monkeypatch, found):
    def press(at):
        callback = Interrupt(at)
        monkeypatch.setattr("timeseries.tuning.TimeBudget.step", lambda self: callback.step())

    press(at=3 * 6 * 2 + 4)  # three fits of six steps a trial: in the third
    result = tune("nlinear", table(), trials=9, **QUICK)
    assert result.interrupted
    assert len(result.trials) == 2
    assert len(result.forecaster.predict()) == 4
    press(at=2)
    with pytest.raises(KeyboardInterrupt):
        tune("nlinear", table(), trials=9, **QUICK)
    assert not found.interrupted


# ------------------------------------------------------------------------------------------- storage


def study_of(path):
    """Read a journal with Optuna alone."""
    backend = optuna.storages.journal
    storage = backend.JournalStorage(backend.JournalFileBackend(str(path)))
    return optuna.load_study(study_name="tuning", storage=storage)


def test_a_search_goes_on_from_its_file_as_if_it_had_never_ended(tmp_path, found):
    for trials in (1, 4, 9):
        result = tune("nlinear", table(), trials=trials, storage=tmp_path / "s", **QUICK)
        assert len(result.trials) == trials
    same(result, found)
    before = (tmp_path / "s").read_bytes()
    again = tune("nlinear", table(), trials=5, storage=tmp_path / "s", **QUICK)  # nothing is left to do
    assert len(again.trials) == 9
    assert (tmp_path / "s").read_bytes() == before
    kept = study_of(tmp_path / "s")
    assert kept.best_value == pytest.approx(found.error)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"df": table().assign(y=lambda t: t["y"] + 1)}, "data.values differs"),
        ({"horizon": 5}, "settings.horizon was 4, is 5"),
        ({"max_steps": 7}, "settings.max_steps was 6, is 7"),
        ({"context_length": 9}, "settings.sequence_length was 8, is 9"),
        ({"gap": 1}, "fit.gap was 0, is 1"),
        ({"windows": 2}, "fit.windows was 3, is 2"),
        ({"metric": "mse"}, "fit.metric was 'mae', is 'mse'"),
        ({"lower": 0.0}, "fit.lower was None, is 0.0"),
        ({"target_transform": "difference"}, "fit.target_transform was"),
        ({"space": {"batch_size": (32,)}}, "fit.space.batch_size was"),
        ({"model": "dlinear"}, "model was 'nlinear', is 'dlinear'"),
    ],
)
def test_a_file_of_another_search_is_refused_with_the_difference(tmp_path, change, told):
    given = {"model": "nlinear", "df": table(), "trials": 1, "storage": tmp_path / "s"} | QUICK
    tune(given.pop("model"), given.pop("df"), **given)
    given = {"model": "nlinear", "df": table(), "trials": 1, "storage": tmp_path / "s"} | QUICK | change
    with pytest.raises(ArtifactError, match=f"written by another search.*{told}"):
        tune(given.pop("model"), given.pop("df"), **given)


@pytest.mark.parametrize(
    "content", [b"ds,y\n2024-01-01,1\n", b"a single line", b'{"op_code":0}\n{"op_', b"{}\n"]
)
def test_a_file_that_is_no_search_is_refused_and_left_alone(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(ArtifactError):
        tune("nlinear", table(), trials=1, storage=tmp_path / "s", **QUICK)
    if not content.startswith(b'{"op_code"'):
        assert (tmp_path / "s").read_bytes() == content


def test_a_file_cut_anywhere_goes_on_from_the_last_whole_line(tmp_path, found):
    path = tmp_path / "s"
    tune("nlinear", table(), trials=3, storage=path, **QUICK)
    whole = path.read_bytes()
    lines = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    for cut in [5, *np.random.default_rng(0).choice(np.arange(lines[2], len(whole)), 3).tolist()]:
        path.write_bytes(whole[:cut])
        result = tune("nlinear", table(), trials=3, storage=path, **QUICK)
        columns = ["outcome", "error", "batch_size", "learning_rate"]
        pd.testing.assert_frame_equal(result.trials[columns], found.trials[columns].head(3))


def test_what_a_kill_left_unfinished_is_given_up_or_brought_to_its_end(tmp_path):
    def study():
        return opened(tmp_path / "s", {"a": (1, 2)}, start={"a": 1}, seed=0, identity={})

    with study() as under_way:
        under_way.next()
    with study() as almost_over, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "_tell", lambda *arguments: None)
        trial = almost_over.next()
        trial.add(1.5)
        trial.end(COMPLETE, seconds=0.1)
    with study() as again:
        assert [(trial.errors, trial.outcome) for trial in again.trials] == [([1.5], COMPLETE)]
    assert [(trial.state.name, trial.value) for trial in study_of(tmp_path / "s").trials] == [
        ("FAIL", None),
        ("COMPLETE", 1.5),
    ]


def test_two_searches_do_not_write_one_file(tmp_path):
    def search():
        tune("nlinear", table(), trials=1, storage=tmp_path / "s", **QUICK)

    with (
        opened(tmp_path / "s", {"a": (1, 2)}, start={"a": 1}, seed=0, identity={}),
        ThreadPoolExecutor() as pool,
        pytest.raises(BusyError),
    ):
        pool.submit(search).result()


KILLED = f"""
import sys, numpy as np, pandas as pd
from timeseries.tuning import tune
{inspect.getsource(table)}
tune("nlinear", table(), trials=9, storage=sys.argv[1], **{QUICK})
"""


@pytest.mark.parametrize("times", [1, pytest.param(6, marks=pytest.mark.faults)])
def test_a_search_killed_at_any_moment_goes_on_and_finds_the_same(tmp_path, found, times):
    path = tmp_path / "s"
    for kill in range(times):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(path)]) as process:
            while not path.exists() or path.read_bytes().count(b'"outcome"') <= kill:
                assert process.poll() is None
                time.sleep(0.002)
            time.sleep(0.01 * kill)  # somewhere within the next trial
            os.kill(process.pid, signal.SIGKILL)
    assert 0 < path.read_bytes().count(b'"outcome"') < 9
    same(tune("nlinear", table(), trials=9, storage=path, **QUICK), found)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s"]  # no lock and no temporary file is left


# ------------------------------------------------------------------------------------------- spaces


def test_every_model_declares_a_space_that_its_settings_allow():
    for name in NAMES:
        forecaster = Forecaster(name, horizon=4)
        space = search_space(name)
        assert {"learning_rate", "batch_size"} <= set(space)
        for setting, tried in space.items():
            values = (tried.low, tried.high) if isinstance(tried, Span) else tried
            for value in values:
                forecaster.estimator.set_params(**{setting: value})
                assert list(forecaster.estimator.problems()) == []
    assert {name for name in MODELS if len(search_space(name)) < 4} == {"nlinear", "dlinear"}
    assert search_space("lstm") == search_space(LSTMModel) == search_space(LSTMModel())


@given(
    low=st.integers(1, 50),
    width=st.integers(1, 300),
    log=st.booleans(),
    seed=st.integers(0, 100),
    scale=st.sampled_from([1, 0.37]),
)
def test_draws_stay_within_their_span_and_are_whole_where_its_ends_are(low, width, log, seed, scale):
    span = Span(low * scale, (low + width) * scale, log=log)
    for draw in (np.random.default_rng(seed), np.random.RandomState(seed)):
        values = [span.rvs(draw) for _ in range(20)]
        assert all(value in span for value in values)
        assert all(isinstance(value, int if scale == 1 else float) for value in values)


def test_draws_are_as_likely_as_declared():
    draw = np.random.default_rng(0)
    whole = np.bincount([Span(1, 3).rvs(draw) for _ in range(6000)]) / 6000
    np.testing.assert_allclose(whole, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.03)
    logarithmic = np.array([Span(1.0, 100.0, log=True).rvs(draw) for _ in range(6000)])
    assert np.mean(logarithmic < 10) == pytest.approx(0.5, abs=0.03)
    evenly = np.array([Span(0.0, 100.0).rvs(draw) for _ in range(6000)])
    assert np.mean(evenly < 10) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("ends", [(2, 1), (1, 1), ("a", 2), (True, 2), (0, float("inf")), (float("nan"), 1)])
def test_a_span_that_spans_nothing_is_refused(ends):
    with pytest.raises(SettingError, match="Span"):
        Span(*ends)
    with pytest.raises(SettingError, match="above 0 for draws by ratio"):
        Span(0, 1, log=True)


def test_scikit_learn_searches_the_same_space_without_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    X = np.random.default_rng(0).normal(size=(120, 1))
    y = np.r_[0, X[:-1, 0]] + X[:, 0]
    model = NLinearModel(sequence_length=8, max_steps=8)
    drawn = RandomizedSearchCV(
        model, search_space(model), n_iter=4, cv=TimeSeriesSplit(3), random_state=0, error_score="raise"
    ).fit(X, y)
    assert len({params["learning_rate"] for params in drawn.cv_results_["params"]}) == 4
    assert all(params["batch_size"] in (32, 64, 128, 256) for params in drawn.cv_results_["params"])
    grid = GridSearchCV(model, {"batch_size": search_space(model)["batch_size"]}, cv=TimeSeriesSplit(3))
    assert grid.fit(X, y).best_params_["batch_size"] in (32, 64, 128, 256)
    with pytest.raises(TypeError, match="needs to be a list"):  # a span is no list of its ends
        GridSearchCV(model, search_space(model), cv=TimeSeriesSplit(3)).fit(X, y)
