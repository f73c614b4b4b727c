"""Transforms of the targets in every verb: learned from training rows, undone in forecasts, kept in files."""

import json

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.artifact import Artifact, read, write
from timeseries.deeplearning.checkpoint import Checkpoints
from timeseries.errors import ArtifactError, DataError, SettingError, TrainingError
from timeseries.forecaster import Forecaster
from timeseries.intervals import calibrate
from timeseries.panel import Panel
from timeseries.splits import Origins
from timeseries.target_transforms import TRANSFORMS
from timeseries.transformed import rows_lost

HORIZON, CONTEXT, SEASON = 4, 8, 6
CHAINS = [
    ("log",),
    ("box_cox",),
    ("detrend",),
    ("deseasonalize",),
    ("deseasonalize_multiplicative",),
    ("difference",),
    ("seasonal_difference",),
    ("log", "detrend", "deseasonalize"),
    ("box_cox", "seasonal_difference", "difference"),
]
every_chain = pytest.mark.parametrize("names", CHAINS, ids="-".join)


def make(names=(), **settings):
    given = {"horizon": HORIZON, "context_length": CONTEXT, "max_steps": 8, "seed": 1, "season": SEASON}
    return Forecaster("nlinear", target_transform=list(names), **(given | settings))


def table(rows=80, seed=0, columns=("north", "south"), noise=0.3):
    t, draw = np.arange(rows), np.random.default_rng(seed)
    values = {
        name: 10.0**i
        * np.exp(0.01 * t + 0.2 * np.sin(2 * np.pi * t / SEASON) + noise * draw.normal(size=rows))
        for i, name in enumerate(columns)
    }
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=rows, freq="h"), **values})


def same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def states(forecaster):
    return [part for state in forecaster.fitted_.transforms.states for part in state.values()]


def weights(forecaster):
    return [part.numpy() for part in forecaster.fitted_.network.state_dict().values()]


def all_equal(one, other):
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


# ------------------------------------------------------------------------------------------ every verb


def test_every_transform_is_tried_here():
    assert {name for names in CHAINS for name in names} == set(TRANSFORMS)


@every_chain
def test_forecasts_are_in_the_units_of_the_table_and_their_quantiles_in_order(names):
    frame = table(noise=0.02)
    answer = make(names, max_steps=60).fit(frame).predict()
    levels = ("0.025", "0.1", "0.5", "0.9", "0.975")
    for name in ("north", "south"):
        last = frame[name][-24:]
        assert answer[name].between(0.3 * last.min(), 3 * last.max()).all()
        quantiles = answer[[f"{name}_q{level}" for level in levels]].to_numpy()  # (H, Q)
        assert (np.diff(quantiles, axis=1) > 0).all()
        np.testing.assert_array_equal(quantiles[:, 2], answer[name])


@every_chain
def test_a_saved_forecaster_forecasts_bit_for_bit_what_it_did(names, tmp_path):
    frame = table()
    made = make(names).fit(frame[:70])
    made.save(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m")
    assert loaded.target_transform == names
    same(loaded.predict(), made.predict())
    same(loaded.predict(frame), made.predict(frame))
    same(loaded.evaluate(frame).frame(), made.evaluate(frame).frame())
    assert all_equal(states(loaded), states(made))
    made.save(tmp_path / "bare", history=False)
    same(Forecaster.load(tmp_path / "bare").predict(frame[:70]), made.predict(frame[:70]))


@every_chain
@pytest.mark.parametrize("missing", ["error", "mask"])
def test_the_kept_rows_are_enough_to_forecast_from(names, missing):
    frame = table()
    if missing == "mask":
        frame.loc[[5, 50, 68, 69, 72, 78, 79], "north"] = np.nan
    made = make(names, missing=missing).fit(frame)
    same(made.predict(), made.predict(frame))


@every_chain
@pytest.mark.parametrize("fine_tune", [0, 3])
def test_an_updated_forecaster_goes_on_from_the_new_rows_with_what_was_learned(names, fine_tune):
    frame = table()
    made = make(names).fit(frame[:70])
    learned, ahead = states(made), made.predict(frame)
    made.update(frame[70:], fine_tune=fine_tune)
    assert all_equal(states(made), learned)
    if not fine_tune:
        same(made.predict(), ahead)
    assert np.isfinite(made.predict().drop(columns="ds").to_numpy()).all()


def test_fine_tuning_learns_from_new_targets_alone():
    frame = table()
    made = make(("seasonal_difference",)).fit(frame[:70])
    with pytest.raises(DataError, match="fine_tune needs horizon = 4 new rows"):
        made.update(frame[70:73], fine_tune=2)
    made.update(frame[70:74], fine_tune=2)


def test_a_rehearsal_is_of_the_training_on_transformed_targets():
    frame = table()
    logs = frame.assign(north=np.log(frame["north"]), south=np.log(frame["south"]))
    found = make(("log",)).find_learning_rate(frame, steps=10)
    expected = make().find_learning_rate(logs, steps=10)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)


@every_chain
def test_a_backtest_is_that_of_fits_by_hand(names):
    frame = table()
    result = make(names).backtest(frame, windows=2, refit=True)
    for cut in (72, 76):
        answer = make(names).fit(frame[:cut]).predict()
        found = result.frame()
        for series in ("north", "south"):
            rows = found[(found["unique_id"] == series) & (found["cutoff"] == frame["ds"][cut - 1])]
            np.testing.assert_array_equal(rows[result.model], answer[series])


@every_chain
def test_a_series_never_seen_is_transformed_by_its_own_rows(names):
    frame = table().melt("ds", var_name="unique_id", value_name="y")
    made = make(names).fit(frame)
    new = frame[frame["unique_id"] == "south"].assign(unique_id="west")
    both = pd.concat([frame, new])
    answer = made.predict(both).set_index("unique_id").drop(columns="ds")
    np.testing.assert_allclose(answer.loc["west"], answer.loc["south"], rtol=1e-4)
    same(
        made.predict(both.assign(y=both["y"].where(both["unique_id"] != "west", 99.0)))
        .query("unique_id != 'west'")
        .reset_index(drop=True),
        made.predict(frame),
    )


@every_chain
def test_a_fit_that_is_resumed_is_the_one_that_was_not_interrupted(names, tmp_path):
    frame, kept = table(), tmp_path / "kept"
    whole = make(names).fit(frame)
    make(names).fit(frame, checkpoint=Checkpoints(path=kept, steps=5))
    resumed = make(names).fit(frame, resume=kept)
    same(resumed.predict(), whole.predict())
    with pytest.raises(ArtifactError, match="target_transform"):
        make().fit(frame, resume=kept)


def test_several_targets_and_covariates_are_taken():
    frame = table().assign(load=np.arange(80.0) - 40, hour=np.arange(80) % 24)
    made = make(("log", "difference"), target=["north", "south"], past=["load"], future=["hour"])
    made.fit(frame[:70])
    answer = made.predict(future=frame[70:74])
    assert (answer[["north", "south"]] > 0).all(axis=None)
    again = make(("log", "difference"), target=["north", "south"], past=["load"], future=["hour"])
    frame["load"] = frame["load"] * 1000  # covariates are not transformed
    np.testing.assert_allclose(
        again.fit(frame[:70]).predict(future=frame[70:74])["north"], answer["north"], rtol=1e-3
    )


# ------------------------------------------------------------------------------------------ the numbers


@pytest.mark.parametrize("quantiles", [None, (0.1, 0.5, 0.9)])
def test_a_logarithm_is_that_of_a_table_of_logarithms_intervals_too(quantiles):
    frame = table()
    network = {} if quantiles is None else {"loss": "pinball", "quantiles": quantiles}
    logs = frame.assign(north=np.log(frame["north"]), south=np.log(frame["south"]))
    answer = make(("log",), **network).fit(frame).predict().drop(columns="ds")
    expected = make(**network).fit(logs).predict().drop(columns="ds")
    np.testing.assert_allclose(answer, np.exp(expected), rtol=1e-12)


@pytest.mark.parametrize("names", [("difference",), ("log", "difference"), ("log", "seasonal_difference")])
def test_differences_are_those_of_a_table_of_differences(names):
    frame = table()
    lag = 1 if names[-1] == "difference" else SEASON
    logs = np.log(frame.drop(columns="ds")) if "log" in names else frame.drop(columns="ds")
    changes = logs.diff(lag)[lag:].assign(ds=frame["ds"][lag:])
    answer = make(names, coverage=()).fit(frame).predict().drop(columns="ds")
    expected = make(coverage=()).fit(changes).predict().drop(columns="ds").to_numpy()  # (H, 2)
    sums = np.cumsum(expected, axis=0) + logs.iloc[-1].to_numpy()
    if lag > 1:  # the horizon is shorter than the season
        sums = expected + logs.iloc[-SEASON : -SEASON + HORIZON].to_numpy()
    np.testing.assert_allclose(answer, np.exp(sums) if "log" in names else sums, rtol=1e-9)


def test_intervals_of_differences_are_calibrated_after_they_are_added_up():
    frame = table(90)[["ds", "north"]]
    options = {"val_size": 20, "keep_validation": True}
    made = make(("log", "difference"), coverage=(0.8,)).fit(frame, **options)
    plain = make(("log", "difference"), coverage=()).fit(frame, **options)
    logs = np.log(frame["north"].to_numpy())
    unit = np.diff(logs[:70]).std()
    truth, said = [], []
    for cut in range(70, 87):
        said.append(np.log(plain.predict(frame[:cut])["north"].to_numpy())[:, None, None] / unit)
        truth.append(logs[cut : cut + HORIZON][:, None] / unit)
    expected = calibrate(np.array(truth), np.array(said), None, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(made.fitted_.calibration.shifts, expected.shifts, rtol=1e-4, atol=1e-6)
    answer = made.predict()
    point = np.log(answer["north"].to_numpy())
    for i, level in enumerate(("0.1", "0.5", "0.9")):
        moved = np.exp(point + expected.shifts[:, 0, i] * unit)
        np.testing.assert_allclose(answer[f"north_q{level}"], moved, rtol=1e-4)


@pytest.mark.parametrize(
    "network", [{}, {"loss": "pinball", "quantiles": (0.1, 0.5, 0.9)}], ids=["point", "own"]
)
def test_intervals_of_random_walks_cover_what_they_promise(network):
    columns = tuple("abcde")
    steps = np.random.default_rng(3).normal(size=(2400, 5))
    frame = pd.DataFrame(np.cumsum(steps, axis=0), columns=list(columns))
    frame.insert(0, "ds", pd.date_range("2024-01-01", periods=2400, freq="h"))
    made = make(("difference",), coverage=(0.8,), max_steps=60, **network).fit(frame[:1400])
    result = made.evaluate(frame).coverage()
    assert result["observed"]["80 %"] == pytest.approx(0.8, abs=0.05)


def test_what_is_all_trend_and_season_is_forecast_exactly_without_an_interval():
    t = np.arange(84)
    y = 5 + 0.5 * t + np.array([0, 3, -2, 1, -4, 2])[t % SEASON]
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=84, freq="h"), "y": y})
    answer = make(("seasonal_difference",)).fit(frame[:72]).predict(frame[:78])
    expected = y[78 : 78 + HORIZON]
    for column in answer.columns[1:]:
        np.testing.assert_allclose(answer[column], expected, rtol=1e-12)
    line = pd.DataFrame({"ds": frame["ds"], "y": 5 + 0.5 * t})
    answer = make(("detrend",)).fit(line[:72]).predict()
    for column in answer.columns[1:]:
        np.testing.assert_allclose(answer[column], 5 + 0.5 * np.arange(72, 76), rtol=1e-9)


def test_seasons_follow_the_clock_that_the_layout_names():
    utc = pd.date_range("2024-03-01", periods=24 * 29 + 1, freq="h", tz="UTC")
    local = utc.tz_convert("Europe/Berlin")  # whose clock is changed on the last day
    by_hour = np.random.default_rng(0).normal(size=24)
    frame = pd.DataFrame({"ds": utc, "y": by_hour[local.hour]})
    made = make(
        ("deseasonalize",), horizon=48, coverage=(), season=None, season_zone="Europe/Berlin", max_steps=2
    )
    answer = made.fit(frame).predict()
    expected = by_hour[pd.DatetimeIndex(answer["ds"]).tz_convert("Europe/Berlin").hour]
    np.testing.assert_allclose(answer["y"], expected, atol=1e-9)


@pytest.mark.parametrize("freq", ["B", "MS", "W-WED", "QS", "5min", "2D"])
def test_seasons_go_on_in_step_at_any_frequency(freq):
    stamps = pd.date_range("2020-01-01", periods=60, freq=freq)
    t = np.arange(60)
    frame = pd.DataFrame({"ds": stamps, "y": np.array([0.0, 3, -2, 1, -4, 2])[t % SEASON]})
    made = make(("deseasonalize",), coverage=(), max_steps=2).fit(frame[:50])
    np.testing.assert_allclose(made.predict()["y"], frame["y"][50:54], atol=1e-12)
    np.testing.assert_allclose(made.predict(frame[:53])["y"], frame["y"][53:57], atol=1e-12)


# ------------------------------------------------------------------------------------------ no look ahead


def poisoned(frame, first):
    changed = frame.copy()
    changed.loc[first:, ["north", "south"]] = changed.loc[first:, ["north", "south"]] * 7 + 1
    return changed


@every_chain
def test_what_calibrates_knows_nothing_of_the_rows_it_is_held_against(names):
    frame = table()
    kept = {"keep_validation": True}  # 23 of 80 rows are held out, for 20 origins of each series
    fitted, other = (make(names).fit(rows, **kept) for rows in (frame, poisoned(frame, 57)))
    assert all_equal(states(fitted), states(other))
    assert all_equal(weights(fitted), weights(other))
    assert not np.array_equal(fitted.fitted_.calibration.shifts, other.fitted_.calibration.shifts)
    earlier = make(names).fit(poisoned(frame, 56), **kept)
    assert not all_equal([*states(fitted), *weights(fitted)], [*states(earlier), *weights(earlier)])


@every_chain
def test_the_model_that_is_kept_has_learned_its_transforms_from_all_rows(names):
    frame = table()
    whole, short = make(names).fit(frame), make(names, coverage=()).fit(frame)
    assert all_equal(states(whole), states(short))  # which holds nothing out
    held = make(names).fit(frame, keep_validation=True)
    assert all_equal(states(held), states(whole)) == (not states(whole))


@every_chain
def test_nothing_after_an_origin_moves_its_forecast_bit_for_bit(names):
    frame = table()
    fitted = make(names).fit(frame[:60]).fitted_
    answers = []
    for rows in (frame, poisoned(frame, 66), frame[:66]):
        panel = Panel.from_frame(rows, fitted.layout)
        series = np.arange(2)
        answers.append(
            fitted.forecast(panel, Origins(series, panel.offsets[:-1] + 65, np.zeros_like(series)))
        )
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


# ------------------------------------------------------------------------------------------ the file


def stored(folder, names=("deseasonalize_multiplicative", "box_cox", "difference")):
    make(names).fit(table()).save(folder / "m")
    return read(folder / "m")


def test_a_file_without_transforms_is_what_it_always_was(tmp_path):
    kept = stored(tmp_path, names=())
    assert "target_transform" not in kept.manifest
    assert not any(name.startswith("target_transform") for name in kept.tensors)


def test_a_file_names_its_transforms_and_holds_what_they_have_learned(tmp_path):
    kept = stored(tmp_path)
    assert kept.manifest["target_transform"] == ["deseasonalize_multiplicative", "box_cox", "difference"]
    shapes = {name: part.shape for name, part in kept.tensors.items() if name.startswith("target_transform")}
    assert shapes == {
        "target_transform.0.component": (2, SEASON, 1),
        "target_transform.1.power": (2, 1),
        "target_transform.2.level": (2, 1),
    }
    assert kept.tensors["tail.values"].shape == (2 * (CONTEXT + 1), 1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m, t: m.update(target_transform=["logg"]), "target_transform should be one or more of"),
        (lambda m, t: m.update(target_transform=[]), "target_transform should be one or more of"),
        (lambda m, t: m.update(target_transform="log"), "target_transform should be one or more of"),
        (lambda m, t: m.update(target_transform=["log"] * 101), "target_transform should be one or more of"),
        (lambda m, t: m.pop("target_transform"), "is no tensor of such a model"),
        (lambda m, t: m.update(target_transform=["box_cox"]), "is no tensor of such a model"),
        (lambda m, t: t.pop("target_transform.0.component"), "target_transform.0.component is missing"),
        (
            lambda m, t: t.update(
                {"target_transform.0.component": t["target_transform.0.component"][:, :-1]}
            ),
            r"target_transform.0.component should be float64 of shape \(2, 6, 1\)",
        ),
        (lambda m, t: t["target_transform.1.power"].fill(1.5), "does not lie between 0 and 1"),
        (lambda m, t: t["target_transform.0.component"].fill(0.0), "target_transform.0.component holds what"),
        (lambda m, t: t["target_transform.2.level"].fill(np.nan), "holds NaN or infinity"),
    ],
)
def test_a_file_with_other_parts_is_refused(change, problem, tmp_path):
    kept = stored(tmp_path)
    manifest = json.loads(json.dumps(kept.manifest))
    tensors = {name: part.copy() for name, part in kept.tensors.items()}
    change(manifest, tensors)
    tensors = {name: np.ascontiguousarray(part) for name, part in tensors.items()}
    manifest.pop("_artifact", None)
    write(tmp_path / "changed", Artifact(manifest, tensors))
    with pytest.raises(ArtifactError, match=problem):
        Forecaster.load(tmp_path / "changed")


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("logg", "Unknown target_transform 'logg'. Did you mean 'log'"),
        (["log", 3], "Unknown target_transform 3"),
        (3, "target_transform must be a name or a list of names, got 3"),
    ],
)
def test_a_name_that_is_no_transform_is_refused(given, problem):
    with pytest.raises(SettingError, match=problem):
        Forecaster("nlinear", horizon=2, target_transform=given)


def test_a_misspelt_setting_is_told_of_this_one():
    with pytest.raises(SettingError, match="Did you mean 'target_transform'"):
        Forecaster("nlinear", horizon=2, target_transfrom="log")


@pytest.mark.parametrize("name", ["log", "box_cox", "deseasonalize_multiplicative"])
def test_values_that_a_transform_cannot_take_are_named(name):
    frame = table()
    frame.loc[33, "south"] = 0.0
    with pytest.raises(DataError, match=rf"target_transform='{name}' needs values above 0") as caught:
        make((name,)).fit(frame)
    assert (caught.value.series, caught.value.time) == ("south", frame["ds"][33])
    made = make((name,)).fit(table())
    with pytest.raises(DataError, match="series 'south'"):
        made.predict(frame)


@pytest.mark.parametrize("name", ["deseasonalize", "seasonal_difference"])
def test_a_table_without_seasons_has_none_to_take_out(name):
    frame = table().assign(ds=range(80))
    with pytest.raises(SettingError, match=rf"target_transform='{name}' needs a season"):
        make((name,), season=None).fit(frame)


def test_differences_need_their_rows_beside_those_of_training():
    names = ("seasonal_difference", "difference")
    assert rows_lost(names, SEASON) == 7
    with pytest.raises(DataError, match=r"at least horizon \+ 1 \+ 7 for target_transform = 12 rows"):
        make(names, coverage=()).fit(table(11))
    assert np.isfinite(make(names, coverage=()).fit(table(12)).predict()["north"]).all()
    with pytest.raises(DataError, match=r"keep horizon \+ 1 \+ 7 for target_transform = 12 for training"):
        make(names).fit(table(14))
    made = make(names).fit(table())
    with pytest.raises(DataError, match="take the first 7"):
        made.predict(table(7))


def test_series_too_short_for_differences_are_dropped_where_that_is_allowed():
    frame = (
        table().melt("ds", var_name="unique_id", value_name="y").drop(index=range(90, 160))
    )  # ten rows stay
    dropped = make(("seasonal_difference",), bad_series="drop", coverage=()).fit(frame)
    assert dropped.predict()["unique_id"].unique().tolist() == ["north"]
    kept = make(bad_series="drop", coverage=()).fit(frame)
    assert kept.predict()["unique_id"].unique().tolist() == ["north", "south"]


def test_a_forecaster_shows_its_transforms():
    assert "target_transform=['log', 'difference']" in repr(make(["log", "difference"]))
    assert "target_transform" not in repr(make())


@pytest.mark.parametrize("loss", ["mape", "smape"])
def test_a_share_of_a_transformed_target_is_no_loss(loss):
    with pytest.raises(SettingError, match=f"loss='{loss}' is a share of the target.*'log'.*loss='mae'"):
        make(["log"], loss=loss).fit(table())
    make(loss=loss).fit(table())
    make(["log"], loss="mae").fit(table())


def test_quantiles_of_differences_without_calibration_are_refused():
    own = {"loss": "pinball", "quantiles": (0.1, 0.5, 0.9), "coverage": ()}
    with pytest.raises(SettingError, match="the sum of quantiles is not the quantile of the sum"):
        make(("log", "difference"), **own).fit(table())
    answer = make(("log",), **own).fit(table()).predict()
    assert (answer["north_q0.1"] < answer["north_q0.9"]).all()


def test_a_forecast_beyond_the_largest_number_is_refused():
    t = np.arange(60)
    frame = pd.DataFrame({"ds": t, "y": np.exp(11.8 * t)})
    made = make(("log", "detrend"), coverage=()).fit(frame)
    with pytest.raises(TrainingError, match="beyond the largest number that float64 holds"):
        made.predict()


def test_a_value_far_from_those_fitted_is_told_of_in_its_own_units():
    frame = table()
    made = make(("log", "difference"), coverage=()).fit(frame)
    far = frame.copy()
    far.loc[79, "north"] = 123456.0
    with pytest.warns(UserWarning, match="'y' of series 'north' holds 123456,"):
        made.predict(far)


# ------------------------------------------------------------------------------------------ the command line


def test_the_command_line_transforms_targets_too(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from timeseries.cli import main

    monkeypatch.chdir(tmp_path)
    frame = table()
    frame.to_csv("data.csv", index=False)
    arguments = (
        "fit data.csv -o m --model nlinear --horizon 4 --context-length 8 --season 6 --set max_steps=8"
    )
    chain = ["--set", "seed=1", "--target-transform", "log", "--target-transform", "difference"]
    done = CliRunner().invoke(main, [*arguments.split(), *chain])
    assert done.exit_code == 0, done.output
    loaded = Forecaster.load("m")
    assert loaded.target_transform == ("log", "difference")
    same(loaded.predict(), make(("log", "difference")).fit("data.csv").predict())
    wrong = CliRunner().invoke(main, [*arguments.split(), "--target-transform", "logg"])
    assert wrong.exit_code == 2
    assert "Did you mean 'log'" in wrong.output


def test_the_help_of_the_command_line_names_every_transform():
    from click.testing import CliRunner

    from timeseries.cli import main

    text = CliRunner().invoke(main, ["fit", "--help"]).output
    assert all(name in text for name in TRANSFORMS)
