"""Backtests of fake forecasters: what they are handed, and scores worked by hand."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from timeseries.backtesting import backtest, evaluate_fitted
from timeseries.errors import DataError, SettingError
from timeseries.metrics import METRICS, Groups
from timeseries.panel import Panel, TableLayout

LEVELS = (0.1, 0.5, 0.9)
FIVE_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


class Flat:
    """Forecast the value at the origin plus fixed shifts, one per level; and remember what was seen."""

    name = "flat"

    def __init__(self, shifts=(0.0,), levels=None, horizon=2):
        self.shifts, self.levels, self.horizon, self.seen = np.array(shifts), levels, horizon, []

    def forecast(self, panel, origins):
        self.seen.append((panel.lengths.tolist(), (origins.row - panel.offsets[origins.series]).tolist()))
        targets = len(panel.targets)
        return (
            np.repeat(panel.values[origins.row, None, :targets, None], self.horizon, axis=1) + self.shifts
        )  # (M, H, D, P)


def long_panel(**series):
    tables = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(len(y)), "y": np.array(y, float)})
        for name, y in series.items()
    ]
    return Panel.from_frame(pd.concat(tables), TableLayout(missing="mask"))


def run(panel, forecaster=None, **settings):
    return backtest(lambda _: forecaster or Flat(), panel, horizon=2, **{"windows": 2, **settings})


SQUARES = np.arange(12.0) ** 2  # 0 1 4 9 16 25 36 49 64 81 100 121; the origins are rows 7 and 9


def test_the_table_by_hand():
    table = run(long_panel(a=SQUARES)).table()
    assert table.index.tolist() == ["flat", "seasonal_naive", "last_value", "drift", "mean"]
    assert table.columns.tolist() == [
        *("mae", "mse", "rmse", "mase", "rmsse", "mape", "smape", "wape", "r2", "skill")
    ]
    error, truth = np.array([15, 32, 19, 40.0]), np.array([64, 81, 100, 121.0])
    scale = np.diff(SQUARES[:8])  # numbers have no season: it is one row
    pairs = (error**2).reshape(2, 2).mean(axis=1)
    expected = {
        "mae": error.mean(),
        "mse": (error**2).mean(),
        "rmse": (error**2).mean() ** 0.5,
        "mase": error.mean() / scale.mean(),
        "rmsse": np.sqrt(pairs / (scale**2).mean()).mean(),
        "mape": 100 * (error / truth).mean(),
        "smape": 200 * (error / (2 * truth - error)).mean(),
        "wape": 100 * error.sum() / truth.sum(),
        "r2": 1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum(),
        "skill": 0.0,
    }
    assert table.loc["flat"].to_dict() == pytest.approx(expected)
    pd.testing.assert_series_equal(table.loc["last_value"], table.loc["flat"], check_names=False)
    slope = np.array([49 / 7, 49 / 7 * 2, 81 / 9, 81 / 9 * 2])
    assert table.loc["drift", "mae"] == pytest.approx(np.abs(error - slope).mean())
    assert table.loc["drift", "skill"] == pytest.approx(1 - np.abs(error - slope).mean() / error.mean())
    means = np.repeat([SQUARES[:8].mean(), SQUARES[:10].mean()], 2)
    assert table.loc["mean", "mae"] == pytest.approx(np.abs(truth - means).mean())


def test_by_step_and_by_series_by_hand():
    result = run(long_panel(b=SQUARES, a=np.arange(10.0)))
    assert result.by_step()["flat"].to_dict() == pytest.approx({1: (15 + 19 + 1 + 1) / 4, 2: 76 / 4})
    assert result.by_series()["flat"].to_dict() == pytest.approx({"a": 1.5, "b": 106 / 4})
    assert result.by_series("r2").loc["a", "drift"] == pytest.approx(1.0)
    assert list(result.by_step("rmsse")) == ["flat", "seasonal_naive", "last_value", "drift", "mean"]


def test_several_targets_are_told_apart_by_series():
    frame = pd.DataFrame({"ds": np.arange(12), "x": SQUARES, "z": np.arange(12.0)})
    result = run(Panel.from_frame(frame, TableLayout(target=["x", "z"])))
    assert result.by_series()["flat"].to_dict() == {("joint", "x"): 106 / 4, ("joint", "z"): 1.5}


def test_series_of_several_targets_each_have_rows_of_their_own():
    frame = pd.DataFrame({"ds": np.arange(12), "x": SQUARES, "z": np.arange(12.0)})
    both = pd.concat([frame.assign(unique_id="a"), frame.assign(unique_id="b", x=7.0)])
    result = run(Panel.from_frame(both, TableLayout(target=["x", "z"])))
    expected = {("a", "x"): 106 / 4, ("a", "z"): 1.5, ("b", "x"): 0.0, ("b", "z"): 1.5}
    assert result.by_series()["flat"].to_dict() == expected


def test_coverage_by_hand():
    result = run(long_panel(a=SQUARES), Flat((-10, 0, 20), LEVELS))  # the errors are 15, 32, 19, 40
    expected = {
        "nominal": 0.8,
        "observed": 0.5,
        "mean_width": 30.0,
        "interval_score": 30 + (12 + 20) * 10 / 4,  # each unit outside costs 2 / .2
    }
    assert result.coverage().to_dict("index") == {"80 %": pytest.approx(expected)}
    assert result.by_step("coverage_80").to_dict() == {"flat": {1: 1.0, 2: 0.0}}
    assert result.by_series("width_80").to_dict() == {"flat": {"a": 30.0}}
    table = result.table()
    assert table.columns[-3:].tolist() == ["pinball", "skill", "coverage_80"]
    assert table.loc["flat", "coverage_80"] == 0.5
    assert table["coverage_80"].isna().tolist() == [False, True, True, True, True]
    errors = np.array([15, 32, 19, 40.0])
    low, high = 0.1 * (errors + 10), np.maximum(0.9 * (errors - 20), 0.1 * (20 - errors))
    assert table.loc["flat", "pinball"] == pytest.approx((low + 0.5 * errors + high).mean() / 3)
    assert table["pinball"].isna().tolist() == [False, True, True, True, True]
    assert result.reasons == {}


def test_what_is_printed_has_every_number_of_the_table_and_fits_a_page():
    result = run(long_panel(a=SQUARES * 1e6, b=SQUARES * 1e6), Flat((-30, -10, 0, 10, 40), FIVE_LEVELS))
    lines = repr(result).splitlines()
    assert lines[0] == "Backtest of flat, 4 forecasts of 2 steps:"
    assert max(map(len, lines)) <= 100
    assert "..." not in repr(result)
    printed = {line.split()[0]: line.split()[1:] for line in lines if line[:1].strip()}
    for metric, column in result.table().items():
        shown = ["-" if np.isnan(x) else f"{x:.4g}" for x in column]
        assert printed[metric] == shown
    assert printed["coverage_95"][1:] == ["-"] * 4
    assert [line.split()[:2] for line in lines if line.split()[1:2] == ["%"]] == [["80", "%"], ["95", "%"]]


def test_a_point_forecast_has_no_interval_and_no_pinball_loss():
    result = run(long_panel(a=SQUARES))
    assert result.coverage().empty
    for name in ("pinball", "coverage_80"):
        with pytest.raises(SettingError, match=f"Unknown metric '{name}'"):
            result.by_step(name)


def test_what_is_undefined_is_nan_with_a_reason_that_is_shown():
    result = run(long_panel(a=[5.0] * 8 + [0.0, 5, 5, 5]))
    assert result.table().loc["flat", ["mase", "rmsse", "mape"]].isna().all()
    assert result.reasons["flat", "mape"] == "an observed truth is 0"
    assert "training rows never change" in result.reasons["mean", "mase"]
    assert repr(result).count("mape is undefined: an observed truth is 0.") == 1
    first, second = result.scores("mape", Groups(steps=True))["flat"]
    assert first == (None, "an observed truth is 0")
    assert second == (0.0, None)
    perfect = run(long_panel(a=[5.0] * 12))
    assert perfect.reasons["flat", "skill"] == "the reference makes no error"


def test_the_document_is_json_with_null_for_what_is_undefined():
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60, freq="h"), "y": np.arange(60.0)})
    frame.loc[58, "y"] = 0.0
    panel = Panel.from_frame(frame)
    result = run(panel, Flat((-1, 0, 1), LEVELS))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["model"] == "flat"
    assert (document["forecasts"], document["horizon"], document["targets"]) == (2, 2, ["y"])
    assert document["first_cutoff"] == "2024-01-03T07:00:00"
    assert document["last_cutoff"] == "2024-01-03T09:00:00"
    first = document["scores"][0]
    assert first["forecast"] == "flat"
    assert set(METRICS) < set(first)
    assert first["mape"] is None
    assert first["mae"] == pytest.approx(result.table().loc["flat", "mae"])
    assert {"forecast": "flat", "metric": "mape", "reason": "an observed truth is 0"} in document["undefined"]
    assert [row["step"] for row in document["by_step"]] == [1, 2]
    assert document["by_series"][0]["unique_id"] == "y"
    assert document["intervals"][0]["nominal"] == 0.8


def test_each_round_of_fitting_is_announced():
    rounds = []
    run(long_panel(a=SQUARES), windows=3, refit=True, on_round=lambda *which: rounds.append(which))
    assert rounds == [(1, 3), (2, 3), (3, 3)]
    rounds.clear()
    run(long_panel(a=SQUARES), windows=3, on_round=lambda *which: rounds.append(which))
    assert rounds == [(1, 1)]


def test_the_frame_has_the_names_of_the_table_unless_they_are_taken():
    table = pd.DataFrame({"shop": "a", "day": np.arange(12), "y": SQUARES})
    for names, expected in (
        ({}, ["shop", "cutoff", "day"]),
        ({"shop": "truth", "day": "mean"}, ["unique_id", "cutoff", "ds"]),
    ):
        frame = table.rename(columns=names)
        layout = TableLayout(id=names.get("shop", "shop"), time=names.get("day", "day"))
        assert run(Panel.from_frame(frame, layout)).frame().columns[:3].tolist() == expected


def test_whole_forecasts_are_integers_in_the_frame_and_an_absent_truth_is_not():
    result = run(long_panel(a=SQUARES), Flat((-1, 0, 1), LEVELS))
    assert replace(result, integer=True).frame().dtypes[["truth", "flat", "flat_q0.9"]].eq(np.int64).all()
    assert result.frame().dtypes[["truth", "flat", "flat_q0.9"]].eq(np.float64).all()
    holed = replace(run(long_panel(a=[*SQUARES[:-1], np.nan, 5])), integer=True).frame()
    assert holed.dtypes[["truth", "flat"]].tolist() == [np.float64, np.int64]


# ------------------------------------------------------------------------------------------ already fitted


def test_a_fitted_forecaster_is_scored_on_all_origins_from_a_row_on():
    fitted = Flat()
    panel = long_panel(a=SQUARES, b=np.arange(6.0), short=np.arange(4.0))
    result = evaluate_fitted(fitted, panel, [5, 3, 3], horizon=2, step=2)
    assert fitted.seen == [([10, 4, 1], [5, 7, 9, 3])]  # the last rows are kept from it, and all of "short"
    assert result.ids == ("a", "a", "a", "b")
    assert result.cutoff.tolist() == [5, 7, 9, 3]
    assert result.truth[..., 0].tolist() == [[36, 49], [64, 81], [100, 121], [4, 5]]
    np.testing.assert_allclose(result.scale[:, 0], [5, 5, 5, 1])  # rows 0 to 5 differ by 1, 3, 5, 7, 9
    assert result.by_series()["flat"].to_dict() == pytest.approx({"a": (11 + 24 + 106) / 6, "b": 1.5})


def test_a_fitted_forecaster_is_scored_as_a_backtest_would():
    panel = long_panel(a=SQUARES, b=SQUARES[::-1])
    one, other = run(panel), evaluate_fitted(Flat(), panel, [7, 7], horizon=2)
    pd.testing.assert_frame_equal(one.frame(), other.frame())
    pd.testing.assert_frame_equal(one.table(), other.table())


def test_no_row_after_the_origin_moves_a_forecast_or_a_baseline():
    poisoned = SQUARES.copy()
    poisoned[8:] = 1e9
    one, other = (run(long_panel(a=y), Flat((-1, 0, 1), LEVELS)) for y in (SQUARES, poisoned))
    for name, forecast in one.forecasts.items():
        np.testing.assert_array_equal(forecast[0], other.forecasts[name][0])
    np.testing.assert_array_equal(one.forecast[0], other.forecast[0])
    np.testing.assert_array_equal(one.scale, other.scale)
    np.testing.assert_array_equal(one.square_scale, other.square_scale)


@pytest.mark.parametrize("first", [[12, 0], [-1, 0], [3], 3])
def test_a_first_origin_outside_its_series_is_refused(first):
    with pytest.raises(DataError, match="a row of each of the 2 series"):
        evaluate_fitted(Flat(), long_panel(a=SQUARES, b=SQUARES), first, horizon=2)


def test_nothing_left_to_score_is_refused():
    with pytest.raises(DataError, match="No series has horizon = 2 rows after its first origin"):
        evaluate_fitted(Flat(), long_panel(a=SQUARES), [10], horizon=2)
    with pytest.raises(SettingError, match="step must be a whole number >= 1, got 0"):
        evaluate_fitted(Flat(), long_panel(a=SQUARES), [5], horizon=2, step=0)


def test_the_seasonal_baseline_follows_the_clock_where_a_zone_is_named():
    hours = pd.date_range("2024-03-29", periods=96, freq="h", tz="UTC")
    frame = pd.DataFrame({"ds": hours, "y": hours.tz_convert("Europe/Berlin").hour.astype(float)})
    mae = {
        zone: backtest(
            lambda _: Flat(horizon=6),
            Panel.from_frame(frame, TableLayout(season_zone=zone)),
            horizon=6,
            windows=6,
        ).table()["mae"]["seasonal_naive"]
        for zone in (None, "Europe/Berlin")
    }
    assert mae["Europe/Berlin"] < 0.2 * mae[None]
