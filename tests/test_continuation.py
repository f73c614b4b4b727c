"""New rows after the fitted ones: update and evaluate are held against the whole table."""

import numpy as np
import pandas as pd
import pytest

from timeseries.deeplearning.history import Callback
from timeseries.deeplearning.trainer import Trainer
from timeseries.errors import DataError, SettingError
from timeseries.forecaster import Forecaster

CUT, ROWS = 50, 60  # rows that are fitted, rows that there are


def make(name="nlinear", **settings):
    return Forecaster(name, **({"horizon": 4, "context_length": 8, "max_steps": 20, "seed": 3} | settings))


def wide(zone=None):
    t = np.arange(ROWS)
    stamps = pd.date_range("2024-10-25", periods=ROWS, freq="h", tz=zone)  # the clock changes on the 27th
    return pd.DataFrame({"ds": stamps, "north": np.sin(t / 3) + 5, "south": np.cos(t / 4) * 100})


def long():
    return wide().melt("ds", var_name="unique_id", value_name="y")


def known_ahead(rows=ROWS):
    t = np.arange(rows)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"ds": stamps, "a": np.sin(t / 3), "b": np.cos(t / 5), "x": np.sin(t), "z": t % 7.0})


def gaps():
    frame = wide().drop(index=[47, 52])
    frame.loc[[46, 49, 55], "north"] = np.nan
    return frame


def parts(frame):
    """Cut a table of pandas into the rows before and from the stamp of row CUT."""
    stamps = frame.get("ds", frame.index)
    start = stamps[0] + pd.Timedelta(CUT, "h")
    return frame[stamps < start], frame[stamps >= start]


def assert_same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# ------------------------------------------------------------------------------------------ update


@pytest.mark.parametrize(
    ("frame", "settings"),
    [
        (wide(), {}),
        (wide().set_index("ds"), {}),
        (wide("Europe/Berlin"), {}),
        (wide().set_axis(["ds", 1, 2], axis=1), {}),
        (long(), {}),
        (long().sample(frac=1, random_state=0), {}),
        (long().replace({"north": 7, "south": "x"}), {}),  # names of several types
        (known_ahead(), {"target": ["a", "b"], "past": ["z"]}),
        (gaps(), {"missing": "mask"}),
    ],
    ids=["wide", "index", "zone", "numbers", "long", "shuffled", "mixed", "joint", "gaps"],
)
def test_an_updated_forecaster_forecasts_what_it_would_from_the_whole_table(frame, settings, tmp_path):
    before, after = parts(frame)
    forecaster = make(**settings).fit(before)
    whole = forecaster.predict(frame)
    assert_same(forecaster.update(after).predict(), whole)
    forecaster.save(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m")
    pd.testing.assert_frame_equal(
        loaded.predict().reset_index(), whole.reset_index(), check_exact=True, check_dtype=False
    )


def test_the_answer_after_an_update_is_in_the_library_of_the_table():
    polars = pytest.importorskip("polars")
    before, after = (polars.from_pandas(part) for part in parts(long()))
    forecaster = make().fit(before)
    whole = forecaster.predict(polars.concat([before, after]))
    answer = forecaster.update(after).predict()
    assert isinstance(answer, polars.DataFrame)
    assert answer.equals(whole)


def test_covariates_known_ahead_follow_an_update():
    frame = known_ahead(ROWS + 4)
    before, after = parts(frame[:ROWS])
    ahead = frame.loc[ROWS:, ["ds", "x"]]
    forecaster = make(target="a", future=["x"]).fit(before)
    whole = forecaster.predict(frame.loc[: ROWS - 1, ["ds", "a", "x"]], future=ahead)
    assert_same(forecaster.update(after).predict(future=ahead), whole)


def test_series_may_be_updated_one_after_the_other_and_in_many_steps():
    frame = long()
    before, after = parts(frame)
    forecaster = make().fit(before)
    whole = forecaster.predict(frame)
    for _, hour in after[after["unique_id"] == "south"].groupby("ds"):
        forecaster.update(hour)
    middle = forecaster.predict()
    assert middle.groupby("unique_id")["ds"].min().tolist() == [frame["ds"][CUT], whole["ds"][0]]
    assert_same(middle.query("unique_id == 'south'"), whole.query("unique_id == 'south'"))
    assert_same(forecaster.update(after[after["unique_id"] == "north"]).predict(), whole)


def test_a_new_series_joins_with_an_update():
    before, after = parts(long())
    new = pd.DataFrame({"unique_id": "east", "ds": after["ds"][:10], "y": np.arange(10.0) ** 2})
    forecaster = make().fit(before)
    alone = forecaster.predict(new)
    answer = forecaster.update(pd.concat([after, new])).predict()
    assert answer["unique_id"].unique().tolist() == ["east", "north", "south"]
    east = answer.query("unique_id == 'east'")
    np.testing.assert_allclose(east.iloc[:, 2:].to_numpy(), alone.iloc[:, 2:].to_numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda before, after: before, "'north': the new rows begin at 2024-10-25 .*seen the rows up to"),
        (lambda before, after: pd.concat([before[-1:], after]), "2 series overlap"),
        (lambda before, after: after.assign(ds=after["ds"] + pd.Timedelta(1, "h")), "2024-10-27 02:00"),
        (lambda before, after: after.drop(index=CUT + 3), "2024-10-27 05:00"),
        (lambda before, after: after[["ds", "north"]], "'south' is in one of them only"),
        (lambda before, after: after.rename(columns={"south": "east"}), "'east' is in one of them only"),
        (lambda before, after: after.assign(south=np.nan), "'south'"),
        (lambda before, after: after.melt("ds", var_name="unique_id", value_name="y"), "this one is long"),
        (lambda before, after: after.assign(ds=after["ds"].dt.tz_localize("UTC")), "in the same zone|in UTC"),
        (lambda before, after: after[:0], "no rows"),
        (lambda before, after: after[:3], "fine_tune needs horizon = 4 new rows"),
    ],
    ids=["seen", "overlap", "gap", "hole", "fewer", "other", "empty column", "long", "zone", "none", "few"],
)
def test_an_update_that_is_refused_leaves_the_forecaster_as_it_was(rows, message):
    before, after = parts(wide())
    forecaster = make().fit(before)
    fitted, answer = forecaster.fitted_, forecaster.predict()
    with pytest.raises(DataError, match=message):
        forecaster.update(rows(before, after), fine_tune=2)
    assert forecaster.fitted_ is fitted
    assert_same(forecaster.predict(), answer)


@pytest.mark.parametrize("steps", [-1, 1.5, True])
def test_fine_tuning_takes_a_whole_number_of_steps(steps):
    before, after = parts(wide())
    with pytest.raises(SettingError, match="fine_tune must be a whole number >= 0"):
        make().fit(before).update(after, fine_tune=steps)


def test_the_layout_of_the_first_table_survives_an_update_and_a_file(tmp_path):
    before, after = parts(wide())
    make(season=6).fit(before).update(after).save(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m")
    daily = wide().assign(ds=pd.date_range("2024-01-01", periods=ROWS))
    assert loaded.fit(daily).predict()["ds"][0] == pd.Timestamp("2024-03-01")
    assert loaded.fitted_.tail.season_length == 6


# ------------------------------------------------------------------------------------------ fine-tuning


def weights(forecaster):
    return {name: part.numpy().copy() for name, part in forecaster.fitted_.network.state_dict().items()}


def test_fine_tuning_moves_the_weights_alike_every_time_and_not_those_of_the_first_fit():
    before, after = parts(wide())
    tuned = []
    for _ in range(2):
        forecaster = make().fit(before)
        first, old = forecaster.fitted_, weights(forecaster)
        forecaster.update(after, fine_tune=5)
        for name, part in first.network.state_dict().items():
            np.testing.assert_array_equal(part.numpy(), old[name])
        tuned.append(weights(forecaster))
    for name, part in tuned[0].items():
        np.testing.assert_array_equal(part, tuned[1][name])
        assert not np.array_equal(part, old[name])


def test_fine_tuning_learns_from_new_targets_alone_and_gently():
    """Adam moves a weight by at most about the learning rate in its first step, whatever the gradient."""
    before, after = parts(wide())
    moved = []
    for factor in (1, 50):
        forecaster = make(learning_rate=0.02, optimizer="adam").fit(before)
        old = weights(forecaster)
        forecaster.update(after.assign(north=after["north"] * factor), fine_tune=1)
        moved.append(max(np.abs(part - old[name]).max() for name, part in weights(forecaster).items()))
    np.testing.assert_allclose(moved, 0.002, rtol=0.01)


def test_fine_tuning_sees_every_new_target_and_no_old_one(monkeypatch):
    frame = known_ahead()[["ds", "a"]].assign(a=np.arange(float(ROWS)))
    before, after = parts(frame)
    forecaster = make(target="a", batch_size=64).fit(before)
    taken = []
    real = Trainer._step

    def spy(self, network, batch, learner):
        taken.append((batch.target.numpy(), None if batch.weight is None else batch.weight.numpy()))
        return real(self, network, batch, learner)

    monkeypatch.setattr(Trainer, "_step", spy)
    forecaster.update(after, fine_tune=1)
    center, scale = (part[0, 0] for part in forecaster.fitted_.scaling.values)
    target, weight = taken[0]  # (B, H, D) each
    kept = target if weight is None else target[weight.any(axis=(1, 2))]
    values = np.rint(np.asarray(kept, dtype=float)[:, :, 0] * scale + center)
    assert sorted(values[:, 0].tolist()) == list(range(CUT, ROWS - 3))
    np.testing.assert_array_equal(values - values[:, :1], np.tile(np.arange(4.0), (len(values), 1)))


def test_ctrl_c_during_fine_tuning_is_heard_and_changes_nothing(monkeypatch):
    before, after = parts(wide())
    forecaster = make().fit(before)
    fitted, old = forecaster.fitted_, weights(forecaster)
    steps = []

    def press(self):
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Callback, "step", press)
    with pytest.raises(KeyboardInterrupt):
        forecaster.update(after, fine_tune=9)
    assert forecaster.fitted_ is fitted
    for name, part in weights(forecaster).items():
        np.testing.assert_array_equal(part, old[name])


# ------------------------------------------------------------------------------------------ evaluate


@pytest.mark.parametrize("start", [0, 44, CUT], ids=["whole", "overlapping", "new rows alone"])
@pytest.mark.parametrize("step", [None, 1, 5])
def test_an_evaluation_is_a_loop_of_predictions(start, step):
    frame = wide()
    forecaster = make().fit(frame[:CUT])
    result = forecaster.evaluate(frame[start:], step=step)
    cuts = range(CUT, ROWS - 3, step or 4)
    by_hand = [forecaster.predict(frame[:cut]) for cut in cuts]
    expected = np.concatenate([[part[name] for part in by_hand] for name in ("north", "south")])  # (M, H)
    assert result.ids == ("north",) * len(cuts) + ("south",) * len(cuts)
    np.testing.assert_allclose(result.point[:, :, 0], expected, rtol=1e-5)
    low = np.concatenate([[part[f"{name}_q0.1"] for part in by_hand] for name in ("north", "south")])
    np.testing.assert_allclose(result.forecast[:, :, 0, result.levels.index(0.1)], low, rtol=1e-5)
    truth = np.concatenate(
        [[frame[name][cut : cut + 4] for cut in cuts] for name in ("north", "south")]
    )  # (M, H)
    np.testing.assert_array_equal(result.truth[:, :, 0], truth)


def test_an_evaluation_scores_no_row_that_was_seen():
    frame = wide()
    forecaster = make().fit(frame[:CUT])
    poisoned = frame.copy()
    poisoned.loc[: CUT - 9, ["north", "south"]] = 1e9  # before the windows
    one, other = (forecaster.evaluate(table) for table in (frame, poisoned))
    np.testing.assert_array_equal(one.truth, other.truth)
    np.testing.assert_array_equal(one.forecast, other.forecast)
    assert (one.time >= frame["ds"][CUT].to_datetime64()).all()
    with pytest.raises(DataError, match=r"has 3 rows after .*, the last that the model has seen"):
        forecaster.evaluate(frame[: CUT + 3])
    end = frame["ds"][CUT - 1]
    with pytest.raises(DataError, match=f"has 0 rows after {end}, the last that the model has seen"):
        forecaster.evaluate(frame[: CUT - 5])


def test_an_evaluation_of_a_long_table_takes_rows_of_the_fit_or_leaves_them_out():
    frame = long()
    before, after = parts(frame)
    forecaster = make().fit(before)
    expected = forecaster.evaluate(frame)
    for rows in (after, pd.concat([before[-3:], after]), frame[frame["ds"] >= frame["ds"][CUT - 2]]):
        result = forecaster.evaluate(rows)
        np.testing.assert_array_equal(result.forecast, expected.forecast)
        np.testing.assert_array_equal(result.truth, expected.truth)


def test_rows_of_an_update_count_as_seen():
    frame = wide()
    forecaster = make().fit(frame[:CUT]).update(frame[CUT : CUT + 5])
    result = forecaster.evaluate(frame)
    assert (result.cutoff == frame["ds"][CUT + 4].to_datetime64()).all()


def test_a_series_never_seen_is_scored_from_its_first_complete_window_on_and_without_a_look_ahead():
    frame = long()
    forecaster = make().fit(frame[frame["unique_id"] == "north"])
    new = frame[frame["unique_id"] == "south"].reset_index(drop=True)
    poisoned = new.copy()
    poisoned.loc[40:, "y"] = 1e6
    one, other = (forecaster.evaluate(table) for table in (new, poisoned))
    assert one.cutoff[0] == new["ds"][7].to_datetime64()
    earlier = one.time[:, 0] <= new["ds"][40].to_datetime64()  # what is forecast before the change is seen
    assert earlier.sum() == 9
    np.testing.assert_array_equal(one.forecast[earlier], other.forecast[earlier])
    np.testing.assert_allclose(one.point[0, :, 0], forecaster.predict(new[:8])["y"], rtol=1e-5)


def scores(result):
    """Return every score of a result in one table."""
    steps = [result.by_step(metric).add_prefix(metric) for metric in ("mae", "mase", "rmsse")]
    return pd.concat([result.table(), *steps])


@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize(
    ("frame", "settings"),
    [
        (wide(), {"season": 6}),
        (long(), {"season": 6}),
        (known_ahead(), {"target": ["a", "b"], "past": ["z"], "season": 6}),
        (gaps(), {"missing": "mask", "season": 1}),
    ],
    ids=["wide", "long", "joint", "gaps"],
)
def test_new_rows_alone_are_scored_as_with_the_whole_history(frame, settings, kept, tmp_path):
    before, after = parts(frame)
    forecaster = make(**settings).fit(before)
    if kept:
        forecaster.save(tmp_path / "m")
        forecaster = Forecaster.load(tmp_path / "m")
    whole = forecaster.evaluate(frame, step=1)
    for rows in (after, frame[frame["ds"] >= after["ds"].min() - pd.Timedelta(3, "h")]):
        alone = forecaster.evaluate(rows, step=1)
        pd.testing.assert_frame_equal(scores(alone), scores(whole))
        assert alone.notes == whole.notes == ()


def test_scales_and_baselines_of_new_rows_are_those_of_the_fit_by_hand():
    frame = wide()
    result = make(season=6).fit(frame[:CUT]).evaluate(frame[CUT:], step=1)
    y = frame["south"].to_numpy()
    change = y[6:CUT] - y[: CUT - 6]
    own = [i for i, name in enumerate(result.ids) if name == "south"]
    np.testing.assert_allclose(result.scale[own, 0], np.abs(change).mean())
    np.testing.assert_allclose(result.square_scale[own, 0], (change**2).mean())
    for pair, cut in zip(own, range(CUT, ROWS - 3), strict=True):
        ahead = np.arange(1, 5)
        np.testing.assert_allclose(result.baselines["mean"][pair, :, 0], np.full(4, y[:cut].mean()))
        slope = (y[cut - 1] - y[0]) / (cut - 1)
        np.testing.assert_allclose(result.baselines["drift"][pair, :, 0], y[cut - 1] + ahead * slope)


def test_after_updates_the_baselines_know_their_rows_and_the_scale_stays_that_of_the_fit():
    frame = wide()
    fitted = make(season=6).fit(frame[:CUT])
    one = fitted.evaluate(frame[CUT:])
    fitted.update(frame[CUT : CUT + 2]).update(frame[CUT + 2 : CUT + 3])
    alone, whole = fitted.evaluate(frame[CUT + 3 :]), fitted.evaluate(frame)
    pd.testing.assert_frame_equal(scores(alone), scores(whole))
    y = frame["south"].to_numpy()[: CUT + 3]
    np.testing.assert_allclose(alone.baselines["mean"][1, :, 0], np.full(4, y.mean()))
    np.testing.assert_allclose(alone.baselines["drift"][1, 0, 0], y[-1] + (y[-1] - y[0]) / (CUT + 2))
    assert alone.scale[0] == one.scale[0]


def test_a_series_that_joined_with_an_update_is_scaled_by_the_rows_it_joined_with():
    before, after = parts(long())
    joined = make(season=6).fit(before[before["unique_id"] == "north"])
    joined.update(before[before["unique_id"] == "south"])
    result = joined.evaluate(after[after["unique_id"] == "south"])
    y = wide()["south"].to_numpy()[:CUT]
    np.testing.assert_allclose(result.scale, np.abs(y[6:] - y[:-6]).mean())
    np.testing.assert_allclose(result.baselines["mean"][0, :, 0], np.full(4, y.mean()))
    assert result.notes == ()


def test_what_scores_of_a_new_series_rest_on_is_said():
    frame = long()
    fitted = make(season=6).fit(frame[frame["unique_id"] == "north"])
    result = fitted.evaluate(frame[frame["unique_id"] == "south"])
    assert [note.split(" are ")[0] for note in result.notes] == ["Series that were not fitted"]
    assert "(8 rows of 'south')" in result.notes[0]
    assert result.table().attrs["notes"] == result.to_dict()["notes"] == list(result.notes)
    assert result.notes[0] in repr(result)


def test_a_season_beyond_the_rows_at_hand_is_said_with_the_fix():
    frame = wide()
    fitted = make(season=24).fit(frame[:CUT])
    (note,) = fitted.evaluate(frame[CUT:]).notes
    assert "24 rows back" in note
    assert "(8 rows of 'north', and 1 more series)" in note
    assert fitted.evaluate(frame).notes == ()


# ------------------------------------------------------------------------------------------ without history


def test_a_model_without_history_says_which_rows_give_the_scale(tmp_path):
    frame = wide()
    forecaster = make(season=6).fit(frame[:CUT])
    forecaster.save(tmp_path / "m", history=False)
    loaded = Forecaster.load(tmp_path / "m")
    result = loaded.evaluate(frame[CUT - 9 :])
    assert "keeps no scale of the fitted rows" in result.notes[0]
    assert "(9 rows of 'north', and 1 more series)" in result.notes[0]
    y = frame["north"].to_numpy()[CUT - 9 : CUT]
    np.testing.assert_allclose(result.scale[0, 0], np.abs(y[6:] - y[:-6]).mean())
    np.testing.assert_allclose(loaded.evaluate(frame).scale, forecaster.evaluate(frame).scale)


def test_a_model_without_history_is_evaluated_on_the_rows_it_has_not_seen(tmp_path):
    frame = wide()
    forecaster = make().fit(frame[:CUT])
    forecaster.save(tmp_path / "m", history=False)
    loaded = Forecaster.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.evaluate(frame).forecast, forecaster.evaluate(frame).forecast)
    more = frame[CUT - 5 :].assign(ds=frame["ds"][CUT - 5 :] + pd.Timedelta(5, "h"))  # 15 rows, none seen
    alone = loaded.evaluate(more, step=1)  # eight rows are the first window
    assert alone.cutoff[0] == frame["ds"][CUT + 7].to_datetime64()


def test_a_model_without_history_has_nothing_to_update(tmp_path):
    before, after = parts(long())
    make().fit(before).save(tmp_path / "m", history=False)
    loaded = Forecaster.load(tmp_path / "m")
    with pytest.raises(DataError, match="saved without its last rows"):
        loaded.update(after[after["unique_id"] == "north"])
