"""What a file of a fitted forecaster keeps."""

import json

import numpy as np
import pandas as pd
import pytest
from torch import nn

from timeseries.deeplearning.artifact import Artifact, read, write
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.errors import ArtifactError, DataError, NotFittedError, SettingError
from timeseries.forecaster import Forecaster
from timeseries.frequency import Frequency


def make(name="nlinear", **settings):
    return Forecaster(name, **({"horizon": 4, "context_length": 8, "max_steps": 20} | settings))


def table(rows=60, zone=None):
    t = np.arange(rows)
    stamps = pd.date_range("2024-10-25", periods=rows, freq="h", tz=zone)  # the clock changes on the 27th
    return pd.DataFrame({"ds": stamps, "north": np.sin(t / 3) + 5, "south": np.cos(t / 4) * 100})


def through_a_file(forecaster, folder, **options):
    forecaster.save(folder / "m", **{name: options.pop(name) for name in ("history",) if name in options})
    return Forecaster.load(folder / "m", **options)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True)


class Linear(nn.Module):
    """Somebody's own network."""

    def __init__(self, sizes):
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        self.map = nn.Linear(sizes.context * sizes.past, int(np.prod(self.shape)))

    def forward(self, window):
        return self.map(window.past.flatten(1)).unflatten(1, self.shape)  # (B, H, D, P)


@pytest.mark.parametrize(
    ("settings", "zone"),
    [
        ({}, None),
        ({}, "Europe/Berlin"),
        ({"coverage": ()}, None),
        ({"coverage": (0.5,), "lower": -101.0, "upper": 101}, None),
        ({"lower": np.int64(-100), "upper": np.float32(100), "season": np.int64(6)}, None),
        ({"horizon": np.int64(4), "context_length": np.int64(8)}, None),
        ({"loss": "pinball", "quantiles": (0.2, 0.5), "coverage": (0.8,)}, None),
        ({"loss": "pinball", "quantiles": (0.2, 0.5), "coverage": ()}, None),
    ],
    ids=repr,
)
def test_intervals_bounds_zone_and_season_come_back_from_a_file(settings, zone, tmp_path):
    frame = table(zone=zone)
    frame["south"] = frame["south"].round()
    forecaster = make(**settings).fit(frame)
    loaded = through_a_file(forecaster, tmp_path)
    answer = forecaster.predict()
    assert_same(loaded.predict(), answer)
    assert_same(loaded.predict(frame), answer)
    assert loaded.answers == forecaster.answers
    assert loaded.fitted_.levels == forecaster.fitted_.levels
    assert loaded.fitted_.tail.zone == zone
    assert answer["ds"].dt.tz == frame["ds"].dt.tz
    assert loaded.fitted_.tail.season_length == settings.get("season", 24)
    np.testing.assert_array_equal(loaded.fitted_.ends, forecaster.fitted_.ends)
    if forecaster.fitted_.calibration is not None:
        assert loaded.fitted_.calibration.notes == forecaster.fitted_.calibration.notes


def test_whole_numbers_stay_whole_after_a_file(tmp_path):
    frame = table().assign(north=lambda t: t["north"].round(), south=lambda t: t["south"].round())
    loaded = through_a_file(make(integer=True).fit(frame), tmp_path)
    assert (loaded.predict().drop(columns="ds") % 1 == 0).all(axis=None)


@pytest.mark.parametrize("history", [True, False])
def test_a_loaded_forecaster_can_be_fitted_again_like_the_first(history, tmp_path):
    forecaster = make("lstm", hidden_size=4, lower=0.0, season=6).fit(table()[["ds", "north"]])
    loaded = through_a_file(forecaster, tmp_path, history=history)
    other = table(80)[["ds", "north"]].rename(columns={"north": "west"}).assign(west=lambda t: t["west"] ** 2)
    assert_same(loaded.fit(other).predict(), forecaster.fit(other).predict())


def test_a_loaded_forecaster_can_be_updated_evaluated_and_backtested(tmp_path):
    frame = table()
    forecaster = make().fit(frame[:50])
    loaded = through_a_file(forecaster, tmp_path)
    np.testing.assert_array_equal(loaded.evaluate(frame).forecast, forecaster.evaluate(frame).forecast)
    one, other = (f.backtest(frame, windows=2).forecast for f in (loaded, forecaster))
    np.testing.assert_array_equal(one, other)
    for fitted in (loaded, forecaster):
        fitted.update(frame[50:], fine_tune=3)
    assert_same(loaded.predict(), forecaster.predict())


def test_a_patch_of_one_season_is_a_number_in_the_file_and_stays_that(tmp_path):
    forecaster = make("gru", hidden_size=4, context_length=12, patch_length="season", season=6).fit(table())
    assert forecaster.estimator.patch_length != 6
    loaded = through_a_file(forecaster, tmp_path)
    assert loaded.fitted_.model.patch_length == loaded.estimator.patch_length == 6
    assert_same(loaded.predict(), forecaster.predict())
    assert loaded.fit(table()).fitted_.model.patch_length == 6


@pytest.mark.parametrize(
    ("context", "season", "patch"), [(12, 6, 6), (11, 6, 1), (16, 1, 2), (16, 24, 2), (13, 6, 6), (5, 1, 1)]
)
def test_patches_are_a_season_if_the_window_holds_two_else_an_eighth_of_it(context, season, patch):
    settings = {"hidden_size": 4, "context_length": context, "season": season, "patch_length": "season"}
    forecaster = make("lstm", **settings).fit(table())
    assert forecaster.fitted_.model.patch_length == patch
    assert np.isfinite(forecaster.predict()["north"]).all()


def test_a_network_of_ones_own_comes_back_with_the_class_that_the_caller_supplies(tmp_path):
    forecaster = make(Linear).fit(table())
    forecaster.save(tmp_path / "m")
    with pytest.raises(ArtifactError, match=r"'Linear'. Supply it: load\(path, networks="):
        Forecaster.load(tmp_path / "m")
    loaded = Forecaster.load(tmp_path / "m", networks={"Linear": Linear})
    assert_same(loaded.predict(), forecaster.predict())
    assert loaded.fitted_.name == "Linear"
    assert_same(loaded.fit(table(80)).predict(), forecaster.fit(table(80)).predict())


def test_without_history_a_file_holds_no_value_of_the_table(tmp_path):
    frame = table().assign(north=lambda t: t["north"] + 123_456.0)
    make().fit(frame).save(tmp_path / "m", history=False)
    stored = read(tmp_path / "m")
    held = np.concatenate([np.ravel(x) for x in stored.tensors.values()])
    assert not np.isin(frame[["north", "south"]].to_numpy(), held).any()
    loaded = Forecaster.load(tmp_path / "m")
    with pytest.raises(DataError, match="saved without its last rows"):
        loaded.predict()
    assert_same(loaded.predict(frame), make().fit(frame).predict())


def test_names_that_a_file_cannot_hold_are_refused(tmp_path):
    stamp = pd.Timestamp("2024-01-01")
    frame = table().melt("ds", var_name="unique_id", value_name="y").assign(unique_id=stamp)[:60]
    with pytest.raises(SettingError, match="named by text or whole numbers"):
        make().fit(frame).save(tmp_path / "m")
    with pytest.raises(NotFittedError):
        make().save(tmp_path / "m")


def test_whole_numbers_as_names_and_stamps_come_back_as_such(tmp_path):
    frame = pd.DataFrame({"unique_id": np.repeat([3, 1], 40), "ds": np.tile(np.arange(0, 80, 2), 2)})
    frame["y"] = np.sin(np.arange(80.0))
    forecaster = make().fit(frame)
    loaded = through_a_file(forecaster, tmp_path)
    assert_same(loaded.predict(), forecaster.predict())
    assert loaded.predict()["ds"].tolist() == [80, 82, 84, 86] * 2


def test_the_manifest_is_plain_json_that_names_what_is_answered(tmp_path):
    make(coverage=(0.8,), lower=-200).fit(table()).save(tmp_path / "m")
    manifest = json.loads(json.dumps(read(tmp_path / "m").manifest))
    assert manifest["answers"] == {"levels": [0.1, 0.5, 0.9], "lower": -200, "upper": None, "integer": False}
    assert manifest["calibration"] == ["80 % intervals rest on 18 origins per step."]
    assert manifest["frequency"] == Frequency("h").step


@pytest.mark.parametrize(
    "spoil",
    [
        lambda manifest, arrays: manifest.pop("answers"),
        lambda manifest, arrays: manifest.pop("calibration"),
        lambda manifest, arrays: manifest.pop("zone"),
        lambda manifest, arrays: manifest["answers"].update(lowest=3),
        lambda manifest, arrays: arrays.pop("calibration.shifts"),
        lambda manifest, arrays: arrays.pop("ends"),
        lambda manifest, arrays: manifest.pop("history"),
        lambda manifest, arrays: arrays.pop("scaling.values.center"),
    ],
)
def test_a_file_that_lacks_a_part_is_refused_by_name(spoil, tmp_path):
    make().fit(table()).save(tmp_path / "m")
    stored = read(tmp_path / "m")
    manifest, arrays = dict(stored.manifest), dict(stored.tensors)
    spoil(manifest, arrays)
    write(tmp_path / "m", Artifact(manifest, arrays))
    with pytest.raises(ArtifactError, match="m lacks a part of a forecaster or holds a wrong one"):
        Forecaster.load(tmp_path / "m")


def test_loading_on_an_object_replaces_all_that_it_was(tmp_path):
    make(lower=-200.0, coverage=(0.5,)).fit(table()).save(tmp_path / "m")
    other = Forecaster(LSTMModel(), horizon=9, patch_length="season", integer=True, upper=5)
    assert other.load(tmp_path / "m") is other
    expected = Forecaster.load(tmp_path / "m")
    assert (other.horizon, other.context_length) == (4, 8)
    assert other.answers == expected.answers
    assert_same(other.fit(table()).predict(), expected.fit(table()).predict())
