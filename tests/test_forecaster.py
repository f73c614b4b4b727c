"""From a table to a forecast and back: layouts, honesty, files."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timeseries import fitting
from timeseries.cli import main
from timeseries.datasets import load_airpassengers
from timeseries.deeplearning.artifact import Artifact, read, write
from timeseries.deeplearning.models import MODELS
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.errors import (
    ArtifactError,
    DataError,
    NotFittedError,
    SettingError,
    TimeSeriesError,
    TrainingError,
)
from timeseries.forecaster import Forecaster

SMALL = {
    "attention_lstm": {"hidden_size": 8, "num_layers": 1},
    "bigru": {"hidden_size": 8, "num_layers": 1},
    "bilstm": {"hidden_size": (8, 4), "patch_length": 2},
    "cnn": {"channels": (8, 4)},
    "dlinear": {"kernel_size": 3},
    "gru": {"hidden_size": (8, 4), "patch_length": 2},
    "lstm": {"hidden_size": 8, "num_layers": 1},
    "mlp": {"hidden_size": 8},
    "nlinear": {},
    "patchtst": {"patch_length": 4, "d_model": 8, "nhead": 2, "num_layers": 1},
    "reformer": {"chunk_length": 3, "d_model": 8, "nhead": 2, "num_layers": 1},
    "rnn": {"hidden_size": 8, "num_layers": 1, "bidirectional": True},
    "tcn": {"channels": 8, "num_layers": 2},
    "transformer": {"d_model": 8, "nhead": 2, "num_layers": 1},
    "transformer_xl": {"segment_length": 3, "memory_length": 3, "d_model": 8, "nhead": 2, "num_layers": 1},
}
every_model = pytest.mark.parametrize("name", sorted(MODELS))


EMPTY_END = np.where(np.arange(60) < 30, 1.0, np.nan)


def make(name="nlinear", horizon=4, context_length=8, **kw):
    settings = SMALL[name] | {"max_steps": 20, "coverage": ()} | kw
    return Forecaster(name, horizon=horizon, context_length=context_length, **settings)


def hours(rows):
    return pd.date_range("2024-01-01", periods=rows, freq="h")


def wide_frame(rows=60):
    t = np.arange(rows)
    return pd.DataFrame({"ds": hours(rows), "north": np.sin(t / 3) + 5, "south": np.cos(t / 4) * 100})


def long_frame(rows=60):
    return wide_frame(rows).melt("ds", var_name="unique_id", value_name="y")[["unique_id", "ds", "y"]]


def covariate_frame(rows=280):
    """Two targets that follow a covariate known ahead: a = 3 x, b = -x + 10."""
    x = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"ds": hours(rows), "a": 3 * x, "b": 10 - x, "x": x})


# ------------------------------------------------------------------------------------------ layouts


def test_a_long_table_gets_a_long_answer_with_the_next_stamps():
    answer = make().fit(long_frame()).predict()
    assert answer.columns.tolist() == ["unique_id", "ds", "y"]
    assert answer["unique_id"].tolist() == ["north"] * 4 + ["south"] * 4
    assert answer["ds"].iloc[:4].tolist() == pd.date_range("2024-01-03 12:00", periods=4, freq="h").tolist()
    assert answer["y"].notna().all()


def test_a_wide_table_gets_a_wide_answer_of_the_same_numbers():
    wide = make().fit(wide_frame()).predict()
    assert wide.columns.tolist() == ["ds", "north", "south"]
    long = make().fit(long_frame()).predict()
    np.testing.assert_allclose(wide["south"], long["y"].iloc[4:], rtol=1e-5)


def test_stamps_in_the_index_stay_in_the_index():
    answer = make().fit(wide_frame().set_index("ds")).predict()
    assert answer.index.name == "ds"
    assert answer.columns.tolist() == ["north", "south"]


def test_named_targets_are_forecast_jointly_with_a_covariate_known_ahead():
    frame = covariate_frame()
    past, ahead = frame.iloc[:276], frame.iloc[276:][["ds", "x"]]
    forecaster = make(target=["a", "b"], future=["x"], epochs=500, max_steps=600, learning_rate=0.01).fit(
        past
    )
    assert forecaster.fitted_.sizes.targets == 2
    answer = forecaster.predict(future=ahead)
    assert answer.columns.tolist() == ["ds", "a", "b"]
    truth = frame.iloc[276:][["a", "b"]].to_numpy()
    assert np.abs(answer[["a", "b"]].to_numpy() - truth).mean() < 0.5 * np.abs(truth - truth.mean(0)).mean()


def test_quantiles_are_further_columns_and_the_point_is_the_median():
    answer = make("lstm", loss="pinball", quantiles=(0.1, 0.5, 0.9)).fit(wide_frame()).predict()
    assert answer.columns.tolist()[:4] == ["ds", "north", "south", "north_q0.1"]
    assert answer["north"].equals(answer["north_q0.5"].rename("north"))
    assert (answer["south_q0.1"] <= answer["south_q0.9"]).all()


def test_integer_time_goes_on_by_its_step():
    frame = pd.DataFrame({"ds": np.arange(0, 120, 2), "y": np.sin(np.arange(60.0))})
    assert make().fit(frame).predict()["ds"].tolist() == [120, 122, 124, 126]


# ------------------------------------------------------------------------------------------ honesty


@every_model
def test_nothing_after_the_origin_moves_a_forecast_by_one_bit(name):
    frame, poisoned = wide_frame(), wide_frame()
    poisoned.loc[52:, ["north", "south"]] = 1e6
    one, other = (make(name).backtest(f, windows=2, step=4) for f in (frame, poisoned))

    first = one.cutoff == one.cutoff[0]
    np.testing.assert_array_equal(one.forecast[first], other.forecast[first])


@every_model
def test_a_backtest_leaves_the_fitted_forecaster_as_it_was(name):
    forecaster = make(name).fit(wide_frame())
    before = forecaster.predict()
    forecaster.backtest(wide_frame(), windows=2)
    pd.testing.assert_frame_equal(forecaster.predict(), before)


def test_a_backtest_without_refit_forecasts_what_fit_and_predict_would():
    frame = wide_frame()
    result = make().backtest(frame, windows=3, step=4)
    fitted = make().fit(frame.iloc[:48])
    for window, rows in enumerate((48, 52, 56)):
        by_hand = fitted.predict(frame.iloc[:rows])
        np.testing.assert_allclose(result.point[window, :, 0], by_hand["north"], rtol=1e-4)
        np.testing.assert_allclose(result.truth[window, :, 0], frame["north"].iloc[rows : rows + 4])


def test_a_backtest_with_refit_forecasts_what_fitting_each_time_would():
    frame = wide_frame()
    result = make().backtest(frame, windows=2, refit=True)
    for window, rows in enumerate((52, 56)):
        by_hand = make().fit(frame.iloc[:rows]).predict()
        np.testing.assert_allclose(result.point[window, :, 0], by_hand["north"], rtol=1e-4)


def test_a_gap_keeps_rows_from_fitting_but_not_from_the_context():
    frame = wide_frame()
    result = make().backtest(frame, windows=1, gap=6)
    by_hand = make().fit(frame.iloc[:50]).predict(frame.iloc[:56])
    np.testing.assert_allclose(result.point[0, :, 0], by_hand["north"], rtol=1e-4)


def test_scores_are_those_worked_by_hand():
    frame = wide_frame()[["ds", "north"]]
    result = make().backtest(frame, windows=2, step=4)
    error = np.abs(result.frame()["truth"] - result.frame()["nlinear"])
    table = result.table()
    assert table.loc["nlinear", "mae"] == pytest.approx(error.mean())
    assert table.loc["nlinear", "skill"] == pytest.approx(
        1 - error.mean() / table.loc["seasonal_naive", "mae"]
    )
    y = frame["north"].to_numpy()
    naive = np.concatenate([y[52:56] - y[28:32], y[56:60] - y[32:36]])  # the same hours of the day before
    assert table.loc["seasonal_naive", "mae"] == pytest.approx(np.abs(naive).mean())
    scale = np.abs(y[24:52] - y[:28]).mean()
    assert table.loc["nlinear", "mase"] == pytest.approx(error.mean() / scale)
    steps = result.by_step("mse")
    assert steps["nlinear"].mean() == pytest.approx(table.loc["nlinear", "mse"])


def test_the_last_step_of_the_window_moves_the_first_step_of_the_forecast():
    frame = wide_frame()
    forecaster = make("lstm").fit(frame)
    moved = frame.copy()
    moved.loc[59, "north"] += 1
    assert forecaster.predict(moved)["north"].iloc[0] != forecaster.predict(frame)["north"].iloc[0]


def test_validation_chooses_the_epochs_and_the_final_network_has_seen_the_newest_rows():
    frame = wide_frame(100)
    newest = frame.copy()
    newest.loc[95:, "north"] += 50
    options = {"max_steps": None, "epochs": 4, "patience": 2}
    fits = [make(**options).fit(f, val_size=12) for f in (frame, newest)]
    assert [len(f.train_history) for f in fits] == [4, 4]
    weights = [f.fitted_.network.state_dict()["past.weight"].numpy() for f in fits]
    assert not np.array_equal(*weights)
    kept = [make(**options).fit(f, val_size=12, keep_validation=True) for f in (frame, newest)]
    assert len({f.train_history[0]["train_loss"] for f in kept}) == 1


def test_the_same_seed_gives_the_same_forecast():
    one, same, other = (make("lstm", seed=s).fit(wide_frame()).predict() for s in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("scale", "level"), [(1e-9, 0.0), (1.0, 1e8), (1e30, 0.0), (1e200, 0.0), (1e-200, 0.0)]
)
def test_forecasts_follow_the_scale_and_the_level_of_the_table(scale, level):
    frame = wide_frame()
    plain = make().fit(frame).predict()["north"]
    frame["north"] = frame["north"] * scale + level
    np.testing.assert_allclose((make().fit(frame).predict()["north"] - level) / scale, plain, rtol=1e-3)


def test_the_users_table_is_never_changed():
    frame = long_frame().sample(frac=1, random_state=0)
    before = frame.copy()
    forecaster = make().fit(frame)
    forecaster.predict(frame)
    forecaster.backtest(frame, windows=1)
    pd.testing.assert_frame_equal(frame, before)


# ------------------------------------------------------------------------------------------ missing values


def test_masked_values_and_gaps_are_learned_around():
    frame = long_frame().drop(index=[10, 11, 70])
    frame.loc[[20, 90], "y"] = np.nan
    forecaster = make("lstm", missing="mask").fit(frame)
    assert forecaster.fitted_.sizes.masked
    assert forecaster.predict()["y"].notna().all()
    assert forecaster.backtest(frame, windows=2).table().notna().all(axis=None)


def test_a_short_series_joins_a_long_one_and_is_padded():
    short = pd.DataFrame({"unique_id": "new", "ds": hours(7), "y": np.arange(7.0)})
    answer = make("lstm").fit(pd.concat([long_frame(), short])).predict()
    assert answer.groupby("unique_id")["y"].count().to_dict() == {"new": 4, "north": 4, "south": 4}


def test_series_never_seen_are_forecast_on_their_own_scale():
    forecaster = make("lstm").fit(wide_frame()[["ds", "north"]])
    other = wide_frame()[["ds", "north"]].rename(columns={"north": "east"})
    other["east"] = other["east"] * 1000
    expected = forecaster.predict()["north"] * 1000
    np.testing.assert_allclose(forecaster.predict(other)["east"], expected, rtol=1e-3)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make(hiden_size=3), SettingError, r"'hiden_size'\. Did you mean"),
        (lambda: make(sequence_length=3), SettingError, "Unknown Forecaster setting 'sequence_length'"),
        (lambda: Forecaster("lsmt", horizon=3), SettingError, "Did you mean 'lstm'"),
        (
            lambda: make(horizon=0).fit(wide_frame()),
            SettingError,
            "horizon must be at least 1, got 0",
        ),
        (
            lambda: make(horizon=2.5).fit(wide_frame()),
            SettingError,
            "horizon must be a whole number, got 2.5",
        ),
        (lambda: make().predict(), NotFittedError, r"Call fit\(df\) or load\(path\) first"),
        (lambda: make().fit("nowhere.csv"), DataError, "Cannot read the file nowhere.csv"),
        (lambda: make().fit(wide_frame(4)), DataError, "at least horizon . 1 = 5 rows .* 'north' has 4"),
        (lambda: make().backtest(wide_frame(20), windows=9), DataError, "needs at least .* = 37 rows"),
        (lambda: make().fit(wide_frame(), val_size=2), SettingError, "at least the horizon, 4, got 2"),
        (lambda: make().fit(wide_frame(), val_size=58), DataError, "No series can spare 58 rows"),
        (lambda: make().fit(long_frame().drop(columns="y")), DataError, "no column 'y'"),
        (lambda: make().fit(long_frame().drop(index=5)), DataError, "2024-01-01 05:00"),
        (lambda: Forecaster(LSTMModel, horizon=3), SettingError, "model must be a name"),
        (lambda: make().fit(object()), DataError, "must be a frame .* got builtins.object"),
        (lambda: make().backtest(wide_frame(), step=0), SettingError, "step must be a whole number >= 1"),
        (
            lambda: make(missing="mask").backtest(wide_frame().iloc[:, :2].assign(north=EMPTY_END)),
            DataError,
            "nothing to score",
        ),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_nan_is_named_by_series_column_row_and_time():
    frame = long_frame()
    frame.loc[63, "y"] = np.nan
    with pytest.raises(DataError) as caught:
        make().fit(frame)
    for part in ("'south'", "'y'", "row 63", "2024-01-01 03:00", 'missing="mask"'):
        assert part in str(caught.value).replace("missing='mask'", 'missing="mask"')


def test_a_covariate_that_ends_too_early_is_named_with_the_stamp_it_must_reach():
    frame = covariate_frame()
    forecaster = make(target=["a"], future=["x"]).fit(frame)
    with pytest.raises(DataError, match=r"covariates x end 4 steps too early.*2024-01-12 19:00"):
        forecaster.predict()
    ahead = pd.DataFrame({"ds": pd.date_range("2024-01-12 16:00", periods=3, freq="h"), "x": 0.0})
    with pytest.raises(DataError, match="end 1 steps too early"):
        forecaster.predict(future=ahead)


def test_predict_wants_the_columns_of_fit_and_lets_others_be():
    frame = wide_frame()[["ds", "north"]].rename(columns={"north": "y"})
    forecaster = make().fit(frame)
    with pytest.raises(DataError, match="no column 'y'"):
        forecaster.predict(frame.rename(columns={"y": "z"}))
    with_more = forecaster.predict(frame.assign(temperature=99.0))
    pd.testing.assert_frame_equal(with_more, forecaster.predict(frame))


def test_a_table_of_another_shape_is_refused_at_predict():
    with pytest.raises(DataError, match="fitted to a long table, but this one is wide"):
        make().fit(long_frame()).predict(wide_frame())


def test_a_history_shorter_than_the_context_is_forecast_with_a_warning():
    forecaster = make().fit(wide_frame())
    with pytest.warns(UserWarning, match=r"2 of 2 histories have fewer rows .* 'north' with 3"):
        forecaster.predict(wide_frame(3))


def test_quantiles_that_would_overwrite_a_column_are_refused():
    frame = covariate_frame()[["ds", "a", "b"]].rename(columns={"b": "a_q0.5"})
    roles = {"target": ["a", "a_q0.5"], "loss": "pinball", "quantiles": (0.5,)}
    with pytest.raises(SettingError, match=r"overwrite the column 'a_q0\.5'"):
        make(**roles).fit(frame).predict()


def test_a_backtest_prints_as_its_table():
    assert "seasonal_naive" in repr(make().backtest(wide_frame()))


def test_a_table_of_other_columns_is_refused_at_predict():
    forecaster = make(target=["a", "b"]).fit(covariate_frame())
    with pytest.raises(DataError, match="no column 'b'"):
        forecaster.predict(covariate_frame().drop(columns="b"))


COLUMNS = {
    "any": lambda draw, rows: draw.choice([0.0, -1.5, 1e-300, 1e308, -1e308, 1e16, 3.0, 2.5], rows),
    "normal": lambda draw, rows: draw.normal(size=rows),
    "absent": lambda draw, rows: np.where(draw.random(rows) < 0.2, np.nan, draw.normal(size=rows)),
    "infinite": lambda draw, rows: np.where(draw.random(rows) < 0.05, np.inf, 1.0),
    "constant": lambda draw, rows: np.full(rows, 1e9 / 3),
    "huge": lambda draw, rows: draw.normal(size=rows) * 1e307,
    "jump": lambda draw, rows: np.where(np.arange(rows) < 0.8 * rows, 1e-300 * draw.normal(size=rows), 1e300),
    "whole": lambda draw, rows: draw.integers(-(2**62), 2**62, rows),
    "small": lambda draw, rows: draw.integers(0, 255, rows).astype("uint8"),
    "half": lambda draw, rows: draw.normal(size=rows).astype("float16"),
    "truth": lambda draw, rows: draw.random(rows) < 0.5,
    "nullable": lambda draw, rows: pd.array(np.where(draw.random(rows) < 0.1, None, 7), dtype="Int64"),
    "text": lambda draw, rows: draw.choice(["a", "1", ""], rows),
    "number text": lambda draw, rows: draw.integers(0, 9, rows).astype(str).astype(object),
    "nothing": lambda draw, rows: np.full(rows, None),
}


@st.composite
def frames(draw):
    """Draw a long or wide frame with any columns, order, gaps and lengths; often one that can be forecast."""
    rows, seed = draw(st.integers(0, 60)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3))
    stamps = {"ds": pd.date_range("2024-01-01", periods=rows, freq=draw(st.sampled_from(["h", "D", "MS"])))}
    frame = pd.DataFrame(stamps | {f"c{i}": COLUMNS[kind](seed, rows) for i, kind in enumerate(kinds)})
    if draw(st.booleans()):
        frame = frame.melt("ds", var_name="unique_id", value_name="y")
    if draw(st.booleans()):
        frame = frame.sample(frac=draw(st.sampled_from([1, 1, 0.9])), random_state=seed.integers(99))
    return frame


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    frame=frames(),
    name=st.sampled_from(["nlinear", "lstm"]),
    horizon=st.integers(1, 6),
    context=st.one_of(st.none(), st.integers(1, 12)),
    missing=st.sampled_from(["error", "mask"]),
    coverage=st.sampled_from([(), None]),
    integer=st.booleans(),
)
def test_any_table_gives_a_finite_forecast_or_an_error_of_ours(frame, name, horizon, context, **options):
    before = frame.copy(deep=True)
    try:
        answer = make(name, horizon, context, max_steps=2, **options).fit(frame).predict()
    except TimeSeriesError:
        return
    finally:
        pd.testing.assert_frame_equal(frame, before, check_exact=True)
    levels = 0 if options["coverage"] == () else 5
    if "unique_id" in frame:
        assert answer.shape == (horizon * frame["unique_id"].nunique(), 3 + levels)
    else:
        assert len(answer) == horizon
        assert (answer.shape[1] - 1) % (1 + levels) == 0
    numbers = answer.drop(columns=["unique_id", "ds"], errors="ignore")
    assert np.isfinite(numbers.to_numpy()).all()
    for low, high in [("_q0.025", "_q0.1"), ("_q0.1", "_q0.5"), ("_q0.5", "_q0.9"), ("_q0.9", "_q0.975")]:
        for column in [c for c in numbers if c.endswith(low)]:
            assert (numbers[column] <= numbers[column.removesuffix(low) + high]).all()


@pytest.mark.parametrize("coverage", [(), None])
def test_held_out_rows_of_another_order_of_magnitude_are_an_error_of_ours(coverage):
    frame = pd.DataFrame({"ds": hours(60), "y": np.sin(np.arange(60)) * 1e-301})
    frame.loc[55:, "y"] = 1e300
    with pytest.raises(TimeSeriesError):
        make(coverage=coverage).fit(frame, val_size=12)


# ------------------------------------------------------------------------------------------ files


@every_model
def test_the_rows_kept_from_fitting_forecast_what_the_whole_table_does(name):
    frame = wide_frame()
    frame.loc[46:52, "north"] = np.nan  # a gap across the start of the window
    forecaster = make(name, missing="mask").fit(frame)
    pd.testing.assert_frame_equal(forecaster.predict(), forecaster.predict(frame), check_exact=True)
    frame.loc[0, "north"] = 1e9  # outside the window
    pd.testing.assert_frame_equal(forecaster.predict(), forecaster.predict(frame), check_exact=True)


def test_a_step_that_diverges_at_the_very_end_is_reported():
    with pytest.raises(TrainingError, match=r"beyond 1e\+08: it diverged"):
        make(max_steps=1, learning_rate=1e38, clip_norm=None, schedule="constant", loss="mse").fit(
            wide_frame()
        )


def test_a_series_that_begins_in_the_validation_rows_does_not_take_part_in_validation():
    frame = wide_frame(100)
    frame.loc[:89, "south"] = np.nan
    options = {"missing": "mask", "max_steps": None, "epochs": 3, "keep_validation": True}
    keep = options.pop("keep_validation")
    history = make(**options).fit(frame, val_size=12, keep_validation=keep).train_history
    assert all(record["val_loss"] < 100 for record in history)


def test_the_final_fit_takes_the_steps_that_validation_chose():
    taken = []
    forecaster = make(epochs=6, max_steps=17, batch_size=32)
    real = fitting.fit_network
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit_network", lambda *a, **kw: (r := real(*a, **kw), taken.append(r[1]))[0])
        forecaster.fit(wide_frame(100), val_size=50)
    best = int(np.argmin([record["val_loss"] for record in taken[0]]))
    assert sum(r["steps"] for r in taken[1]) == sum(r["steps"] for r in taken[0][: best + 1])


@every_model
def test_a_saved_forecaster_forecasts_the_same_after_loading(name, tmp_path):
    forecaster = make(name).fit(wide_frame())
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), forecaster.predict(), check_exact=True)
    pd.testing.assert_frame_equal(
        loaded.predict(wide_frame()), forecaster.predict(wide_frame()), check_exact=True
    )
    assert loaded.train_history == forecaster.train_history
    again = make("nlinear")
    assert again.load(tmp_path / "model") is again
    pd.testing.assert_frame_equal(again.predict(), forecaster.predict())


def test_a_table_with_covariates_and_masks_survives_the_file(tmp_path):
    frame = covariate_frame().assign(size=2.0)
    frame.loc[5, "a"] = np.nan
    forecaster = make("lstm", target=["a", "b"], future=["x"], static=["size"], missing="mask").fit(
        frame[:276]
    )
    forecaster.save(tmp_path / "model")
    ahead = frame.iloc[276:][["ds", "x"]]
    answers = [f.predict(future=ahead) for f in (forecaster, Forecaster.load(tmp_path / "model"))]
    pd.testing.assert_frame_equal(*answers, check_exact=True)


def test_a_file_without_history_holds_no_row_and_asks_for_one(tmp_path):
    make().fit(wide_frame()).save(tmp_path / "model", history=False)
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.fitted_.tail.values.size == 0
    with pytest.raises(DataError, match=r"predict\(df\)"):
        loaded.predict()
    assert loaded.predict(wide_frame())["north"].notna().all()


def test_a_changed_byte_is_refused_by_name(tmp_path):
    path = tmp_path / "model"
    make().fit(wide_frame()).save(path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"model.*damaged"):
        Forecaster.load(path)


def test_the_command_line_advises_options_and_reads_lists(tmp_path):
    frame = wide_frame()[["ds", "north"]].rename(columns={"north": "y"})
    frame.to_csv(tmp_path / "full.csv", index=False)
    frame.drop(index=5).to_csv(tmp_path / "gap.csv", index=False)
    options = ["--model", "nlinear", "--horizon", 2, "-o", tmp_path / "m", "--set", "max_steps=2"]
    refused = run("fit", tmp_path / "gap.csv", *options, check=False)
    assert refused.returncode == 3
    assert "--missing mask" in refused.stderr
    quantiles = ["--set", "loss=pinball", "--set", "quantiles=0.1,0.5,0.9"]
    run("fit", tmp_path / "full.csv", *options, *quantiles)
    assert run("forecast", tmp_path / "m").stdout.startswith("ds,y,y_q0.1,y_q0.5,y_q0.9\n")


def test_an_estimator_file_is_no_forecaster_file(tmp_path):
    LSTMModel(epochs=1, sequence_length=5).fit(np.zeros((5, 1)), np.arange(5.0)).save(tmp_path / "m")
    with pytest.raises(ArtifactError, match="is the file of an estimator"):
        Forecaster.load(tmp_path / "m")


def test_weights_that_do_not_fit_the_settings_are_refused_before_any_is_allocated(tmp_path):
    make("lstm").fit(wide_frame()).save(tmp_path / "m")
    stored = read(tmp_path / "m")
    stored.manifest["settings"]["hidden_size"] = 16_384
    write(tmp_path / "m", Artifact(stored.manifest, stored.tensors))
    with pytest.raises(ArtifactError, match="do not fit the stored settings"):
        Forecaster.load(tmp_path / "m")


# ------------------------------------------------------------------------------------------ command line


def run(*arguments, check=True):
    done = subprocess.run(
        [sys.executable, "-m", "timeseries", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def test_the_command_line_says_what_python_says(tmp_path):
    load_airpassengers().to_csv(tmp_path / "air.csv", index=False)
    options = ["--model", "nlinear", "--horizon", 12, "--context-length", 24, "--set", "max_steps=5"]
    run("fit", tmp_path / "air.csv", "-o", tmp_path / "m", *options)
    printed = run("forecast", tmp_path / "m").stdout
    forecaster = Forecaster("nlinear", horizon=12, context_length=24, max_steps=5).fit(load_airpassengers())
    numbers = pd.read_csv(io.StringIO(printed)).drop(columns="ds")
    np.testing.assert_allclose(numbers, forecaster.predict().drop(columns="ds"), rtol=1e-8)
    assert run("forecast", tmp_path / "m", tmp_path / "air.csv").stdout.count("\n") == 13
    table = run("backtest", tmp_path / "air.csv", *options, "--windows", 2, "-o", tmp_path / "b.csv").stdout
    expected = Forecaster("nlinear", horizon=12, context_length=24, max_steps=5).backtest(
        load_airpassengers(), windows=2
    )
    assert f"{expected.table().loc['nlinear', 'mae']:.4g}" in table
    assert len(pd.read_csv(tmp_path / "b.csv")) == 24
    assert "nlinear" in run("inspect", tmp_path / "m").stdout
    document = json.loads(run("inspect", tmp_path / "m", "--json").stdout)
    assert document["settings"]["horizon"] == 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fit", "nowhere.csv", "--horizon", "3", "-o", "x"], 3, "Cannot read the file nowhere.csv"),
        (["fit", "nowhere.csv", "--horizon", "3", "-o", "x", "--set", "hiden_size=3"], 2, "Did you mean"),
        (["fit", "nowhere.csv", "-o", "x"], 2, "--horizon"),
        (["inspect", __file__], 4, "does not begin like a model file"),
        (["inspect", "nowhere"], 2, "There is no file 'nowhere'"),
        (["fit", "x.csv", "--horizon", "3", "-o", "nowhere/x"], 2, "There is no folder 'nowhere'"),
        (["fit", "x.csv", "--horizon", "3", "-o", "x", "--set", "horizon=4"], 2, "an option, --horizon"),
    ],
)
def test_the_command_line_ends_with_one_sentence_and_the_documented_code(arguments, code, message):
    done = run(*arguments, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_ctrl_c_ends_a_verb_with_the_exit_code_of_shells(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("timeseries.ensemble.load_forecaster", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["forecast", "some.model"])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_series_that_are_too_short_are_dropped_on_request_and_named(capsys):
    frame = wide_frame().melt("ds", var_name="unique_id", value_name="y")
    frame = pd.concat([frame, frame[:4].assign(unique_id="young")])
    with pytest.raises(DataError, match=r"'young' has 4.*bad_series='drop'"):
        make().fit(frame)
    forecaster = make(bad_series="drop").fit(frame, verbose=True)
    assert "1 series with fewer than 5 rows were dropped: 'young'." in capsys.readouterr().err
    whole = make().fit(frame[frame["unique_id"] != "young"])
    pd.testing.assert_frame_equal(forecaster.predict(), whole.predict())


def test_a_backtest_leaves_out_series_that_are_too_short_for_it_on_request():
    frame = wide_frame().melt("ds", var_name="unique_id", value_name="y")
    frame = pd.concat([frame, frame[:14].assign(unique_id="young")])
    with pytest.raises(DataError, match="young"):
        make().backtest(frame, windows=3)
    result = make(bad_series="drop").backtest(frame, windows=3)
    assert set(result.ids) == {"north", "south"}


def test_an_augmented_model_forecasts_the_same_from_its_file(tmp_path):
    made = make(augmentation={"jitter": 0.1, "scaling": 0.2}).fit(long_frame())
    made.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.estimator.augmentation == {"jitter": 0.1, "scaling": 0.2}
    pd.testing.assert_frame_equal(loaded.predict(), made.predict())


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ({"jiter": 0.1}, "Did you mean 'jitter'"),
        ({"jitter": -1}, "strength of jitter must be 0 or more"),
        ({"masking": 2.0}, "between 0 and 0.9"),
        ("jitter", "augmentation must be a dictionary, got 'jitter'"),
    ],
)
def test_an_augmentation_that_makes_no_sense_is_refused(augmentation, message):
    with pytest.raises(SettingError, match=message):
        make(augmentation=augmentation).fit(long_frame())


def quartic(forecast, target):
    return (forecast - target) ** 4


def test_a_model_with_a_loss_of_ones_own_forecasts_from_its_file_and_learns_when_it_is_given_again(tmp_path):
    made = make(loss=quartic).fit(long_frame(60))
    made.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), made.predict())
    later = long_frame(70).groupby("unique_id").tail(10)
    with pytest.raises(SettingError, match="'quartic', which no file holds"):
        loaded.update(later, fine_tune=2)
    pd.testing.assert_frame_equal(loaded.update(later).predict(), made.update(later).predict())
