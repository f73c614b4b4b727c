"""Several forecasters that answer as one: numpy on the members' own answers is the reference."""

import warnings

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.artifact import read
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.ensemble import Ensemble, load_forecaster
from timeseries.errors import (
    ArtifactError,
    DataError,
    NotFittedError,
    SettingError,
    TimeSeriesError,
)
from timeseries.forecaster import Forecaster

SMALL = {"horizon": 4, "context_length": 8, "max_steps": 10}


def table(rows=60):
    t = np.arange(rows)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"ds": stamps, "north": np.sin(t / 3) + 5, "south": np.cos(t / 4) * 100})


def make(**settings):
    return Ensemble.of_seeds("lstm", seeds=3, **(SMALL | {"hidden_size": 4} | settings))


def points(forecasters, **given):
    return np.stack([f.predict(**given)[["north", "south"]].to_numpy() for f in forecasters])  # (K, H, 2)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def scaled_errors(ensemble, frame, val_size):
    """Return the mean squared errors of the members on held-out rows by hand, relative to all, (K,)."""
    shares = []
    for name in ("north", "south"):
        squares = []
        for member in ensemble.members:
            model = member.estimator.name
            settings = {"seed": member.estimator.seed, "hidden_size": 4} if model == "lstm" else {}
            alone = Forecaster(model, coverage=(), **SMALL, **settings)
            alone.fit(frame, val_size=val_size, keep_validation=True)
            errors = []
            for origin in range(len(frame) - val_size, len(frame) - 4 + 1):
                said = alone.predict(frame.iloc[:origin])[name].to_numpy()
                errors.append(said - frame[name].iloc[origin : origin + 4].to_numpy())
            squares.append(np.mean(np.square(errors)))
        shares.append(np.array(squares) / np.mean(squares))
    return np.mean(shares, axis=0)


# ------------------------------------------------------------------------------------------- combining


@pytest.mark.parametrize("how", ["mean", "median"])
def test_the_point_is_that_of_numpy_over_the_members_own_forecasts(how):
    ensemble = make(combine=how, max_steps=5).fit(table())
    answer = ensemble.predict()[["north", "south"]].to_numpy()
    np.testing.assert_allclose(answer, getattr(np, how)(points(ensemble.members_), axis=0), rtol=1e-14)


def test_a_member_is_what_a_forecaster_of_its_seed_becomes_alone():
    ensemble = make().fit(table())
    for seed, member in enumerate(ensemble.members_):
        alone = Forecaster("lstm", **SMALL, hidden_size=4, seed=seed).fit(table())
        assert_same(member.predict(), alone.predict())
        losses, own = (
            [r["train_loss"] for r in h] for h in (alone.train_history, ensemble.train_history[seed])
        )
        assert losses == own


def test_without_calibration_every_quantile_is_the_mean_of_the_members():
    settings = SMALL | {"loss": "pinball", "quantiles": (0.1, 0.5, 0.9), "coverage": ()}
    ensemble = Ensemble(["nlinear", "dlinear"], **settings).fit(table())
    answers = [member.predict().drop(columns="ds").to_numpy() for member in ensemble.members_]
    np.testing.assert_allclose(
        ensemble.predict().drop(columns="ds").to_numpy(), np.mean(answers, axis=0), rtol=1e-14
    )
    assert ensemble.calibration_notes == ()


def test_weights_are_inverse_to_the_errors_on_rows_that_no_member_learned_from():
    frame = table()
    members = [
        Forecaster("nlinear", coverage=(), **SMALL),
        Forecaster("lstm", coverage=(), hidden_size=4, seed=1, **SMALL),
    ]
    ensemble = Ensemble(members, combine="weighted").fit(frame, val_size=12, keep_validation=True)
    by_hand = 1 / scaled_errors(ensemble, frame, 12)
    np.testing.assert_allclose(ensemble.weights_, by_hand / by_hand.sum(), rtol=1e-4)
    expected = np.average(points(ensemble.members_), axis=0, weights=ensemble.weights_)
    np.testing.assert_allclose(ensemble.predict()[["north", "south"]], expected, rtol=1e-12)
    assert abs(ensemble.weights_[0] - 0.5) > 0.01  # or the test would show nothing


@pytest.mark.slow
def test_weights_see_the_first_run_and_not_the_fit_on_all_rows():
    frame = table()
    one = make(combine="weighted").fit(frame, keep_validation=True)
    other = make(combine="weighted").fit(frame)
    np.testing.assert_array_equal(one.weights_, other.weights_)


def test_the_mean_and_the_median_weigh_all_alike():
    assert make(max_steps=1).fit(table()).weights_.tolist() == [1 / 3] * 3


def test_whole_numbers_are_rounded_once_and_bounds_hold():
    frame = table().round({"north": 0, "south": 0})
    ensemble = make(integer=True, lower=-100, upper=100).fit(frame)
    answer = ensemble.predict().drop(columns="ds")
    assert (answer.dtypes == np.int64).all()
    assert answer.to_numpy().min() >= -100
    assert answer.to_numpy().max() <= 100
    plain = make(lower=-100, upper=100).fit(frame)
    unrounded = plain.predict().drop(columns="ds")
    for name in answer:
        level = float(name.partition("_q")[2] or 0.5)
        rounded = np.rint if level == 0.5 else np.floor if level < 0.5 else np.ceil
        np.testing.assert_array_equal(answer[name], rounded(unrounded[name]))


def test_covariates_and_long_tables_go_through(tmp_path):
    t = np.arange(60)
    stamps = pd.date_range("2024-01-01", periods=60, freq="h")
    rows = {"ds": stamps, "y": np.sin(t / 3), "hour": t % 24.0}
    frame = pd.concat([pd.DataFrame(rows | {"unique_id": name}) for name in "ab"])
    ensemble = Ensemble(["nlinear", "lstm"], future=["hour"], **SMALL).fit(frame)
    ahead = pd.concat(
        [
            pd.DataFrame(
                {"unique_id": n, "ds": stamps[-1] + pd.Timedelta("1h") * np.arange(1, 5), "hour": 1.0}
            )
            for n in "ab"
        ]
    )
    answer = ensemble.predict(future=ahead)
    assert answer["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    ensemble.save(tmp_path / "m")
    assert_same(Ensemble.load(tmp_path / "m").predict(future=ahead), answer)


# ------------------------------------------------------------------------------------------- spread


def test_the_spread_is_that_of_the_members_points():
    ensemble = make().fit(table())
    said = points(ensemble.members_)  # (K, H, 2)
    spread = ensemble.spread()
    assert spread.columns.tolist() == [
        "ds",
        *(f"{n}_{p}" for n in ("north", "south") for p in ("std", "min", "max")),
    ]
    np.testing.assert_allclose(spread["north_std"], said[..., 0].std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(spread["south_min"], said[..., 1].min(axis=0))
    np.testing.assert_array_equal(spread["south_max"], said[..., 1].max(axis=0))
    assert spread["ds"].tolist() == ensemble.predict()["ds"].tolist()


def test_the_spread_follows_another_history():
    ensemble = make().fit(table())
    history = table(50)
    said = points(ensemble.members_, df=history)
    np.testing.assert_allclose(ensemble.spread(history)["north_std"], said[..., 0].std(axis=0), rtol=1e-9)


def test_a_spread_never_overwrites_a_column_of_the_table():
    frame = table().rename(columns={"ds": "north_std"})
    with pytest.raises(SettingError, match="overwrite the column 'north_std'"):
        make(max_steps=1, time="north_std").fit(frame).spread()


# ------------------------------------------------------------------------------------------- honesty


@pytest.mark.parametrize("how", ["mean", "median", "weighted"])
def test_nothing_after_the_origin_moves_a_forecast_by_one_bit(how):
    frame, poisoned = table(), table()
    poisoned.loc[52:, ["north", "south"]] = 1e6
    ensemble = Ensemble(["nlinear", "dlinear"], combine=how, **SMALL)
    one, other = (ensemble.backtest(f, windows=2, step=4) for f in (frame, poisoned))
    first = one.cutoff == one.cutoff[0]
    np.testing.assert_array_equal(one.forecast[first], other.forecast[first])


def test_nothing_after_the_origin_moves_a_forecast_of_transformed_members():
    frame, poisoned = table(), table()
    poisoned.loc[52:, ["north", "south"]] = 1e6
    members = [forecaster(target_transform="seasonal_difference", season=6), forecaster(season=6)]
    one, other = (
        Ensemble(members, combine="weighted").backtest(f, windows=2, step=4) for f in (frame, poisoned)
    )
    first = one.cutoff == one.cutoff[0]
    np.testing.assert_array_equal(one.forecast[first], other.forecast[first])


def test_members_that_hold_out_different_rows_are_compared_on_those_that_all_hold_out():
    frame = table(100)
    members = [forecaster(coverage=(), patience=3), forecaster(coverage=(), seed=1)]  # 10 rows, and none
    with pytest.raises(SettingError, match="no row is held out"):
        Ensemble(members, combine="weighted").fit(frame)
    ensemble = Ensemble(members, combine="weighted").fit(frame, val_size=8)
    assert ensemble.weights_.sum() == pytest.approx(1)


def test_a_backtest_forecasts_what_fit_and_predict_would_and_leaves_the_ensemble():
    frame = table()
    ensemble = Ensemble(["nlinear", "dlinear"], combine="weighted", **SMALL).fit(frame)
    before = ensemble.predict()
    result = ensemble.backtest(frame, windows=2, step=4)
    assert_same(ensemble.predict(), before)
    fitted = Ensemble(["nlinear", "dlinear"], combine="weighted", **SMALL).fit(frame.iloc[:52])
    for window, rows in enumerate((52, 56)):
        answer = fitted.predict(frame.iloc[:rows])
        np.testing.assert_allclose(result.point[window, :, 0], answer["north"], rtol=1e-4)
        np.testing.assert_allclose(result.forecast[window, :, 0, -1], answer["north_q0.975"], rtol=1e-4)
    assert list(result.forecasts) == ["ensemble", "seasonal_naive", "last_value", "drift", "mean"]


def test_intervals_of_noise_cover_about_as_often_as_they_say():
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=1200, freq="h")
    frame = pd.DataFrame({"ds": stamps, "y": draw.normal(size=1200)})
    ensemble = Ensemble(["nlinear", "dlinear"], horizon=4, context_length=8, max_steps=20)
    covered = ensemble.backtest(frame, windows=100).coverage()
    assert abs(covered.loc["80 %", "observed"] - 0.8) < 0.08  # 400 truths: 2 standard errors each way, twice
    assert abs(covered.loc["95 %", "observed"] - 0.95) < 0.05


def test_an_evaluation_scores_the_rows_that_follow():
    frame = table()
    ensemble = Ensemble(["nlinear", "dlinear"], **SMALL).fit(frame[:48])
    result = ensemble.evaluate(frame)
    assert result.what == "Evaluation"
    assert len(result.truth) == 2 * 3
    by_hand = ensemble.predict(frame[:48])["north"]
    np.testing.assert_allclose(result.point[0, :, 0], by_hand, rtol=1e-6)


def test_an_update_gives_every_member_the_new_rows():
    frame = table()
    members = [Forecaster("nlinear", **SMALL), Forecaster("dlinear", **(SMALL | {"context_length": 12}))]
    ensemble = Ensemble(members).fit(frame[:50])
    alone = [member.update(frame[50:], fine_tune=2) for member in ensemble.members_]
    ensemble.update(frame[50:], fine_tune=2)
    np.testing.assert_allclose(ensemble.predict()[["north", "south"]], points(alone).mean(axis=0), rtol=1e-14)
    assert ensemble.predict()["ds"].iloc[0] == frame["ds"].iloc[-1] + pd.Timedelta("1h")


# ------------------------------------------------------------------------------------------- snapshots


def test_the_schedule_of_snapshots_may_be_given_as_it_is():
    given = {"schedule": "cosine_restarts", "cycles": 3, "patience": None}
    made = Ensemble(["nlinear"], snapshots=3, **given, **SMALL)
    assert Ensemble(made.members, snapshots=3).snapshots == 3
    assert Ensemble(["nlinear"], schedule="cosine", **SMALL).members[0].estimator.schedule == "cosine"


def test_one_training_gives_a_member_for_every_cycle():
    frame = table()
    ensemble = Ensemble(["lstm"], snapshots=3, hidden_size=4, **(SMALL | {"max_steps": 12})).fit(frame)
    said = points(ensemble.members_)
    assert len(said) == 3
    assert not np.allclose(said[0], said[2])
    np.testing.assert_allclose(ensemble.predict()[["north", "south"]], said.mean(axis=0), rtol=1e-14)
    chosen = {"schedule": "cosine_restarts", "cycles": 3, "restore_best_weights": False}
    alone = Forecaster("lstm", hidden_size=4, **(SMALL | {"max_steps": 12}), **chosen).fit(frame)
    np.testing.assert_array_equal(said[2], points([alone])[0])  # the last snapshot is the training's end
    assert_same(ensemble.members_[2].predict(), alone.predict())  # its intervals too


def test_a_snapshot_has_intervals_of_its_own():
    ensemble = Ensemble(["nlinear"], snapshots=2, **SMALL).fit(table())
    first, last = (member.fitted_.calibration.shifts for member in ensemble.members_)
    assert not np.allclose(first, last)


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "made",
    [
        lambda: make(),
        lambda: make(combine="median", coverage=()),
        lambda: Ensemble(["nlinear", "dlinear"], combine="weighted", season=6, **SMALL),
        lambda: Ensemble(["nlinear", "lstm"], snapshots=2, integer=False, lower=-200.0, **SMALL),
        lambda: Ensemble(
            [Forecaster("nlinear", **SMALL), Forecaster("dlinear", **(SMALL | {"context_length": 16}))]
        ),
        lambda: Ensemble(
            [
                Forecaster("nlinear", target_transform=["detrend", "difference"], **SMALL),
                Forecaster("dlinear", **(SMALL | {"context_length": 9})),
            ],
            combine="weighted",
        ),
        lambda: Ensemble(["dlinear"], loss="pinball", quantiles=(0.2, 0.5), coverage=(), **SMALL),
    ],
)
def test_a_file_brings_back_every_answer_bit_by_bit(made, tmp_path):
    ensemble = made().fit(table())
    ensemble.save(tmp_path / "m")
    loaded = Ensemble.load(tmp_path / "m")
    assert_same(loaded.predict(), ensemble.predict())
    assert_same(loaded.predict(table(40)), ensemble.predict(table(40)))
    assert_same(loaded.spread(), ensemble.spread())
    np.testing.assert_array_equal(loaded.weights_, ensemble.weights_)
    assert loaded.train_history == ensemble.train_history
    assert loaded.calibration_notes == ensemble.calibration_notes
    for one, other in zip(loaded.members_, ensemble.members_, strict=True):
        assert_same(one.predict(), other.predict())
        np.testing.assert_array_equal(one.fitted_.in_sample.mean, other.fitted_.in_sample.mean)
        np.testing.assert_array_equal(one.fitted_.tail.values, other.fitted_.tail.values)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    assert_same(loaded.fit(table(70)).predict(), made().fit(table(70)).predict())


def test_without_history_a_file_holds_no_value_of_the_table(tmp_path):
    frame = table().assign(north=lambda t: t["north"] + 123_456.0)
    make().fit(frame).save(tmp_path / "m", history=False)
    held = np.concatenate([np.ravel(x) for x in read(tmp_path / "m").tensors.values()])
    assert not np.isin(frame[["north", "south"]].to_numpy(), held).any()
    loaded = Ensemble.load(tmp_path / "m")
    with pytest.raises(DataError, match="saved without its last rows"):
        loaded.predict()
    assert_same(loaded.predict(frame), make().fit(frame).predict())


def test_the_last_rows_are_in_a_file_once(tmp_path):
    make().fit(table()).save(tmp_path / "m")
    names = sorted(read(tmp_path / "m").tensors)
    assert len([name for name in names if "tail.values" in name]) == 1
    assert "member.2.scaling.values.center" in names


def test_each_kind_of_file_is_loaded_by_its_own_class_or_by_the_one_function(tmp_path):
    make(max_steps=1).fit(table()).save(tmp_path / "several")
    Forecaster("nlinear", **SMALL).fit(table()).save(tmp_path / "one")
    LSTMModel(epochs=1).fit(np.ones((30, 1)), np.arange(30.0)).save(tmp_path / "rows")
    assert type(load_forecaster(tmp_path / "several")) is Ensemble
    assert type(load_forecaster(tmp_path / "one")) is Forecaster
    with pytest.raises(ArtifactError, match=r"several is the file of an ensemble.*\n.*Ensemble.load"):
        Forecaster.load(tmp_path / "several")
    with pytest.raises(ArtifactError, match=r"one is the file of one forecaster.*\n.*Forecaster.load"):
        Ensemble.load(tmp_path / "one")
    for load in (Ensemble.load, load_forecaster):
        with pytest.raises(ArtifactError, match="rows is the file of"):
            load(tmp_path / "rows")


def test_a_refused_file_leaves_the_ensemble_as_it_was(tmp_path):
    ensemble = make(max_steps=1).fit(table())
    before = ensemble.predict()
    Forecaster("nlinear", **SMALL).fit(table()).save(tmp_path / "one")
    with pytest.raises(ArtifactError):
        ensemble.load(tmp_path / "one")
    assert_same(ensemble.predict(), before)


# ------------------------------------------------------------------------------------------- bad input


class Strange:
    """No forecaster."""

    def __repr__(self):
        return "Strange()"


def forecaster(**settings):
    return Forecaster("nlinear", **(SMALL | settings))


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: Ensemble([]), r"at least one Forecaster.*got \[\]"),
        (lambda: Ensemble("lstm", horizon=3), "needs a list of at least one Forecaster.*got 'lstm'"),
        (lambda: Ensemble(None), "got None"),
        (lambda: Ensemble([Strange()]), r"got Strange\(\)"),
        (lambda: Ensemble(["lstn"], horizon=3), "Did you mean 'lstm'"),
        (lambda: Ensemble(["lstm"]), "'lstm', need horizon="),
        (lambda: Ensemble([forecaster()], horizon=4), "horizon: these settings make forecasters of names"),
        (lambda: Ensemble([forecaster()], combine="meen"), "'meen'.*Did you mean 'mean'"),
        (lambda: Ensemble([forecaster()], combine=None), "Unknown combination None"),
        (lambda: Ensemble([forecaster()], snapshots=0), "snapshots must be a whole number >= 1, got 0"),
        (lambda: Ensemble([forecaster()], snapshots=True), "snapshots must be a whole number"),
        (
            lambda: Ensemble(["lstm", "nlinear", "gru"], hidden_size=4, horizon=3),
            r"^nlinear: Unknown Forecaster setting 'hidden_size'.*goes to all of them, and suits lstm, gru\.",
        ),
        (lambda: Ensemble(["nlinear", "dlinear"], hiden=4, horizon=3), "^Unknown Forecaster setting 'hiden'"),
        (
            lambda: Ensemble(["nlinear"], snapshots=3, schedule="cosine", horizon=3),
            r"snapshots=3 sets schedule='cosine_restarts' and cycles=3.*: schedule='cosine' cannot be kept",
        ),
        (lambda: Ensemble(["nlinear"], snapshots=3, schedule="one_cycle", horizon=3), "'one_cycle' cannot"),
        (lambda: Ensemble(["nlinear"], snapshots=3, cycles=4, horizon=3), "cycles=4 cannot be kept"),
        (
            lambda: Ensemble([forecaster(schedule="step", patience=2)], snapshots=2),
            "'step', patience=2 cannot",
        ),
        (lambda: Ensemble([forecaster(max_seconds=9.0)], snapshots=2), r"max_seconds=9\.0 cannot be kept"),
        (
            lambda: Ensemble([forecaster(), forecaster(horizon=5)]),
            "horizon, but member 0 has 4 and member 1 5",
        ),
        (lambda: Ensemble([forecaster(), forecaster(time="when")]), "layout of tables"),
        (lambda: Ensemble([forecaster(), forecaster(coverage=(0.5,))]), "levels"),
        (lambda: Ensemble([forecaster(), forecaster(lower=0)]), "bounds"),
        (lambda: Ensemble.of_seeds("lstm", seeds=0, horizon=3), "seeds must be a whole number >= 1"),
        (lambda: Ensemble.of_seeds("lstm", seeds=[], horizon=3), "at least one Forecaster"),
        (lambda: Ensemble.of_seeds("lstm", seeds=[-1], **SMALL).fit(table()), "seed must be"),
        (lambda: make(coverage=(), combine="weighted").fit(table()), "no row is held out. Give val_size"),
        (lambda: make().fit(table(), processes=0), "processes must be a whole number >= 1"),
        (lambda: make().fit(table(), val_size=3), "val_size must be 0 or at least the horizon"),
        (lambda: make().fit(table(), keep_validation="yes"), "keep_validation must be True or False"),
        (lambda: make(hidden_size=-1).fit(table()), "hidden_size must be"),
        (lambda: Ensemble([forecaster()], snapshots=11).fit(table()), "10 steps cannot be divided into 11"),
        (lambda: make().fit(table().head(4)), r"at least horizon \+ 1 = 5 rows"),
        (lambda: make().fit(table().assign(north=np.inf)), "north"),
        (lambda: make().backtest(table(), windows=0), "windows must be a whole number >= 1"),
        (lambda: make(max_steps=1).fit(table()).update(table()), "has seen the rows up to"),
        (lambda: make().fit(table().rename(columns={"south": "north_q0.1"})), "overwrite the column"),
    ],
)
def test_bad_input_is_refused_by_name(made, match):
    with pytest.raises(TimeSeriesError, match=match):
        made()


@pytest.mark.parametrize(
    "verb", ["predict", "spread", "save", "evaluate", "update", "train_history", "members_", "weights_"]
)
def test_nothing_is_answered_before_fit(verb, tmp_path):
    arguments = {"save": [tmp_path / "m"], "evaluate": [table()], "update": [table()]}
    with pytest.raises(NotFittedError, match=r"Call fit\(df\)"):
        getattr(make(), verb)(*arguments.get(verb, []))


def test_a_fit_that_fails_leaves_the_ensemble_as_it_was():
    ensemble = make(max_steps=1).fit(table())
    before = ensemble.predict()
    with pytest.raises(DataError):
        ensemble.fit(table().head(4))
    assert_same(ensemble.predict(), before)


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(table()).predict()
