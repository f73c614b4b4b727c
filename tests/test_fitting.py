"""What is held out, calibrated, trained again, and refused when a panel is fitted."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries import metrics
from timeseries.deeplearning.history import Callback
from timeseries.errors import DataError, SettingError
from timeseries.fitting import TrainingInterrupted, fit_model
from timeseries.forecaster import Forecaster
from timeseries.intervals import calibrate
from timeseries.panel import Panel, TableLayout

HORIZON, CONTEXT = 4, 8
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def make(name="nlinear", **settings):
    given = {"horizon": HORIZON, "context_length": CONTEXT, "max_steps": 20, "seed": 1}
    return Forecaster(name, **(given | settings))


def table(rows=60, seed=0, columns=("north", "south")):
    draw = np.random.default_rng(seed)
    values = {name: 10.0**i * draw.normal(size=rows) + 3 for i, name in enumerate(columns)}
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=rows, freq="h"), **values})


def weights(forecaster):
    return [part.numpy() for part in forecaster.fitted_.network.state_dict().values()]


def same_weights(one, other):
    return all(np.array_equal(*pair) for pair in zip(weights(one), weights(other), strict=True))


def changed(frame, first, last=None):
    """Return the table with other values in some rows."""
    frame = frame.copy()
    frame.loc[first:last, ["north", "south"]] *= -7
    return frame


# ------------------------------------------------------------------------------------------ held-out rows


def test_the_calibrating_network_never_learned_from_the_rows_it_is_calibrated_on():
    frame = table()
    kept = {"keep_validation": True}
    fitted = make().fit(frame, **kept)
    poisoned = make().fit(changed(frame, 37), **kept)  # 23 of 60 rows are held out: 20 origins a series
    assert same_weights(fitted, poisoned)
    assert (poisoned.fitted_.calibration.shifts != fitted.fitted_.calibration.shifts).any()
    assert not same_weights(fitted, make().fit(changed(frame, 36, 36), **kept))


def test_the_network_that_is_kept_has_learned_from_all_rows_and_keeps_the_calibration():
    frame = table()
    held, whole = make().fit(frame, keep_validation=True), make().fit(frame)
    assert not same_weights(held, whole)
    assert same_weights(
        whole, make(coverage=()).fit(frame)
    )  # which holds nothing out, and takes as many steps
    np.testing.assert_array_equal(held.fitted_.calibration.shifts, whole.fitted_.calibration.shifts)
    for forecaster, rows in ((held, 37), (whole, 60)):
        center, scale = (part[:, 0] for part in forecaster.fitted_.scaling.values)
        values = frame[["north", "south"]][:rows]
        np.testing.assert_allclose(center, values.mean(), rtol=1e-12)
        np.testing.assert_allclose(scale, values.std(ddof=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("rows", "options", "val_size", "held"),
    [
        (400, {}, None, 80),  # a fifth
        (150, {}, None, 42),  # 39 origins, for the outermost level
        (150, {"coverage": (0.8,)}, None, 30),  # of which this level needs 9
        (60, {}, None, 24),  # two fifths at most
        (9, {}, None, 4),  # the horizon
        (4000, {}, None, 503),  # 500 origins
        (60, {}, 20, 20),
        (60, {"coverage": ()}, None, 0),
        (60, {"coverage": ()}, 0, 0),
        (60, {"coverage": (), "patience": 3}, None, 6),  # a tenth
        (60, {"patience": 3}, None, 24),
        (60, {"coverage": (), "patience": 3}, 0, 0),
    ],
)
def test_as_many_rows_are_held_out_as_is_promised(rows, options, val_size, held):
    frame = table(rows)[["ds", "north"]]
    fitted = make(**options).fit(frame, val_size=val_size, keep_validation=True).fitted_
    assert fitted.scaling.values.center.item() == pytest.approx(
        frame["north"][: rows - held].mean(), rel=1e-12
    )
    assert (fitted.calibration is None) == (options.get("coverage") == ())
    chooses = val_size not in (None, 0) or ("patience" in options and val_size is None)
    assert all((record["val_loss"] is not None) == chooses for record in fitted.history)


def test_a_series_that_can_spare_no_rows_is_trained_on_as_a_whole():
    frame = table().melt("ds", var_name="unique_id", value_name="y")
    frame = frame.drop(index=range(68, 120))  # eight rows of the south stay
    fitted = make().fit(frame, keep_validation=True).fitted_
    center = fitted.scaling.values.center[:, 0]
    np.testing.assert_allclose(center, [frame["y"][:37].mean(), frame["y"][60:].mean()], rtol=1e-12)
    assert fitted.calibration.notes[0].endswith("20 origins, pooled over the 4 steps.")


# ------------------------------------------------------------------------------------------ calibration


@pytest.mark.parametrize("quantiles", [None, (0.1, 0.5, 0.9)])
def test_the_calibration_is_that_of_forecasts_made_by_hand(quantiles):
    frame = table(80)
    network = {} if quantiles is None else {"loss": "pinball", "quantiles": quantiles}
    options = {"val_size": 20, "keep_validation": True}
    found = make(coverage=(0.8, 0.95), **network).fit(frame, **options).fitted_.calibration
    plain = make(coverage=(), **network).fit(frame, **options)
    truth, forecasts = [], []
    for name in ("north", "south"):
        values = frame[name].to_numpy()
        center, scale = values[:60].mean(), values[:60].std()
        columns = [name] if quantiles is None else [f"{name}_q{level:g}" for level in quantiles]
        for cut in range(60, 77):
            answer = plain.predict(frame[:cut])[columns].to_numpy()  # (H, P)
            forecasts.append(((answer - center) / scale)[:, None])
            truth.append(((values[cut : cut + 4] - center) / scale)[:, None])
    expected = calibrate(np.array(truth), np.array(forecasts), quantiles, LEVELS)
    np.testing.assert_allclose(found.shifts, expected.shifts, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.source, expected.source)
    assert found.notes == expected.notes


def test_a_calibration_rests_on_at_most_so_many_forecasts_from_all_series():
    columns = tuple("abcde")
    frame = table(3000, columns=columns)
    notes = make(coverage=(0.8,)).fit(frame, keep_validation=True).fitted_.calibration.notes
    assert notes == ("80 % intervals rest on 2048 origins per step.",)  # of 5 * 500


def test_intervals_cover_what_they_promise_on_stationary_series():
    """20 % of 1500 rows of 5 series calibrate, 1500 later rows test: a standard error of about 0.01."""
    columns = tuple("abcde")
    frame = table(3000, seed=5, columns=columns)
    result = make(max_steps=100).fit(frame[:1500]).evaluate(frame).coverage()
    assert result["observed"]["80 %"] == pytest.approx(0.8, abs=0.04)
    assert result["observed"]["95 %"] == pytest.approx(0.95, abs=0.02)


def test_the_point_is_the_same_with_and_without_intervals():
    frame = table()
    options = {"val_size": 12}
    plain = make(coverage=()).fit(frame, **options).predict()
    assert plain.columns.tolist() == ["ds", "north", "south"]
    answer = make().fit(frame, **options).predict()
    pd.testing.assert_frame_equal(answer[["ds", "north", "south"]], plain, check_exact=True)


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({}, (0.025, 0.1, 0.5, 0.9, 0.975)),
        ({"coverage": (0.5,)}, (0.25, 0.5, 0.75)),
        ({"coverage": 0.5}, (0.25, 0.5, 0.75)),
        ({"coverage": [0.9, 0.5]}, (0.05, 0.25, 0.5, 0.75, 0.95)),
        ({"coverage": np.array([0.5])}, (0.25, 0.5, 0.75)),
        ({"coverage": ()}, ()),
        ({"coverage": (), "loss": "pinball", "quantiles": (0.3, 0.5)}, (0.3, 0.5)),
        ({"loss": "pinball", "quantiles": (0.3, 0.5)}, (0.3, 0.5)),
        ({"loss": "pinball", "quantiles": (0.3, 0.5), "coverage": (0.8,)}, (0.1, 0.3, 0.5, 0.9)),
        ({"loss": "pinball", "coverage": (0.8,)}, (0.1, 0.5, 0.9)),
    ],
)
def test_coverage_and_quantiles_say_which_levels_are_answered(options, levels):
    forecaster = make(**options).fit(table()[["ds", "north"]])
    expected = ["ds", "north", *(f"north_q{level:g}" for level in levels)]
    assert forecaster.predict().columns.tolist() == expected
    asked = forecaster.answers.levels is not None
    assert asked == (forecaster.fitted_.calibration is not None) == (np.size(options.get("coverage", 1)) > 0)


@pytest.mark.parametrize(
    "coverage", [80, (0.8, 95), 0.0, 1.0, -0.5, "80", ("80",), (0.8, None), float("nan")]
)
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(SettingError, match="coverage must hold shares between 0 and 1"):
        make(coverage=coverage)


@pytest.mark.parametrize("quantiles", [0.5, "0.5", np.array([0.5])])
def test_quantiles_that_are_no_sequence_are_refused_by_the_model(quantiles):
    with pytest.raises(SettingError, match="quantiles must be"):
        make(loss="pinball", quantiles=quantiles).fit(table())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    lower=st.one_of(st.none(), st.integers(-20, 0), st.floats(-20, 0)),
    upper=st.one_of(st.none(), st.integers(9, 30), st.floats(9, 30)),
    integer=st.booleans(),
    coverage=st.lists(st.floats(0.01, 0.99), max_size=3),
    name=st.sampled_from(["nlinear", "dlinear"]),
)
def test_answers_never_cross_and_keep_to_bounds_and_whole_numbers(
    seed, lower, upper, integer, coverage, name
):
    frame = table()
    frame["north"] = np.random.default_rng(seed).poisson(2, 60).clip(0, 9)
    frame["south"] = 9 - frame["north"]
    bounds = {"lower": lower, "upper": upper, "integer": integer}
    answer = make(name, coverage=coverage, max_steps=3, **bounds).fit(frame).predict()
    for column in ("north", "south"):
        quantiles = answer[[c for c in answer if c.startswith(f"{column}_q")]].to_numpy()  # (H, Q)
        assert (np.diff(quantiles, axis=1) >= 0).all()
        if coverage:
            np.testing.assert_array_equal(quantiles[:, quantiles.shape[1] // 2], answer[column])
        numbers = np.column_stack([answer[column], quantiles])
        assert np.isfinite(numbers).all()
        assert lower is None or (numbers >= lower).all()
        assert upper is None or (numbers <= upper).all()
        assert not integer or (numbers % 1 == 0).all()


# ------------------------------------------------------------------------------------------ Ctrl-C, refit


class Press(Callback):
    """Presses Ctrl-C after some steps."""

    def __init__(self, left):
        self.left = left

    def step(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_fit_leaves_a_calibrated_forecaster():
    panel = Panel.from_frame(table())

    def fit(steps, **options):
        forecaster = make(max_steps=steps, schedule="constant")
        return fit_model(forecaster._model_for(panel), panel, answers=forecaster.answers, **options)

    with pytest.raises(TrainingInterrupted) as caught:
        fit(20, callback=Press(7))
    expected = fit(7, keep_validation=True)
    np.testing.assert_array_equal(caught.value.fitted.calibration.shifts, expected.calibration.shifts)
    with pytest.raises(TrainingInterrupted) as caught:
        fit(20, callback=Press(23))  # in the refit
    expected = fit(20, keep_validation=True)
    np.testing.assert_array_equal(caught.value.fitted.calibration.shifts, expected.calibration.shifts)


def test_a_backtest_with_refit_gives_the_intervals_of_fitting_each_time():
    frame = table()
    result = make().backtest(frame, windows=2, refit=True)
    assert result.levels == LEVELS
    for window, rows in enumerate((52, 56)):
        by_hand = make().fit(frame[:rows]).predict()
        expected = by_hand[[f"south_q{level:g}" for level in LEVELS]]
        np.testing.assert_allclose(result.forecast[2 + window, :, 0], expected, rtol=1e-5)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "fit", "error", "message"),
    [
        (
            {"lower": 0},
            {},
            DataError,
            r"values of the history are below lower=0; the first is -1.36435: series 'south'",
        ),
        ({"upper": 4}, {}, DataError, r"above upper=4; the first is .*target 'y', at 2024-01-01 0"),
        (
            {"integer": True},
            {},
            DataError,
            r"120 values of the history are no whole numbers \(integer=True\)",
        ),
        ({}, {"val_size": 0}, SettingError, r"val_size=0 holds no rows out, .* coverage=\(\)"),
        ({}, {"val_size": 3}, SettingError, "at least the horizon, 4, got 3"),
        ({}, {"val_size": 1.5}, SettingError, "val_size must be a whole number >= 0, got 1.5"),
        ({}, {"val_size": 56}, DataError, r"spare 56 rows to calibrate intervals.*coverage=\(\)"),
        ({"coverage": ()}, {"val_size": 56}, DataError, "spare 56 rows for validation.*patience=None"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason_and_the_fix(options, fit, error, message):
    with pytest.raises(error, match=message):
        make(**options).fit(table(), **fit)


@pytest.mark.parametrize("bounds", [{"lower": 2, "upper": 1}, {"lower": 0.1, "upper": 0.9, "integer": True}])
def test_bounds_that_nothing_lies_between_are_refused_at_once(bounds):
    with pytest.raises(SettingError, match="Widen the bounds"):
        make(**bounds)


def test_values_on_the_bounds_and_absent_ones_are_allowed():
    frame = table()
    frame["north"] = np.arange(60.0) % 10
    frame["south"] = 9 - frame["north"]
    frame.loc[5, "north"] = np.nan
    answer = make(lower=0, upper=9, integer=True, missing="mask").fit(frame).predict()
    assert answer.notna().all(axis=None)
    assert answer.drop(columns="ds").dtypes.eq(np.int64).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lower": "a"}, "lower must be a number"),
        ({"upper": [1]}, "upper must be a number"),
        ({"coverage": 0.99999999999}, "coverage must hold shares"),
        ({"coverage": [0.5, [0.8]]}, "coverage must hold shares"),
        ({"horizon": "6"}, "horizon must be"),
        ({"quantiles": ("a", 0.5), "loss": "pinball"}, "quantiles"),
    ],
)
def test_an_odd_argument_is_named(settings, message):
    with pytest.raises(SettingError, match=message):
        make(**settings).fit(table())


def test_rows_to_hold_out_are_a_whole_number():
    with pytest.raises(SettingError, match="val_size"):
        make().fit(table(), val_size="12")


def test_the_refit_takes_the_steps_of_the_first_run_though_its_windows_are_others():
    frame = table(30)[["ds", "north"]]
    steps = []

    class Count(Callback):
        def begin(self, plan, before=0):
            steps.append(plan.steps)

    model = make(horizon=5, context_length=20, batch_size=4, epochs=6, max_steps=None, coverage=())
    panel = Panel.from_frame(frame)
    fitted = fit_model(model._model_for(panel), panel, val_size=6, callback=Count())
    taken = [record["steps"] for record in fitted.history]
    best = int(np.argmin([record["val_loss"] for record in fitted.history]))
    assert steps[1] == sum(taken[: best + 1])


def test_ctrl_c_between_the_runs_keeps_the_first_network(monkeypatch):
    import timeseries.fitting as fitting

    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "calibrate", press)
    forecaster = make()
    with pytest.raises(KeyboardInterrupt):
        forecaster.fit(table())
    assert len(forecaster.predict()) == HORIZON


# ------------------------------------------------------------------------------------------ memory


def panel_of(series, rows, *, missing):
    """Return a panel that no table was read for."""
    small = Panel.from_frame(pd.DataFrame({"ds": [0, 1], "y": [1.0, 2.0]}), TableLayout(missing="mask"))
    values, offsets = np.random.default_rng(0).normal(size=(series * rows, 1)), np.arange(series + 1) * rows
    values[5::100] = np.nan if missing else 0.0
    return replace(
        small,
        ids=tuple(range(series)),
        offsets=offsets,
        values=values,
        time=np.tile(np.arange(rows), series),
        known=np.empty((len(values), 0)),
        known_offsets=offsets,
        static=np.empty((series, 0)),
    )


@pytest.mark.parametrize(("series", "rows"), [(1, 1_000_000), (5_000, 200)])
@pytest.mark.parametrize("missing", [False, True])
def test_a_fit_adds_at_most_one_and_a_half_times_the_bytes_of_its_panel(series, rows, missing, monkeypatch):
    monkeypatch.setattr(metrics, "ROWS_AT_ONCE", 1 << 16)  # a constant that would dwarf so small a panel
    panel = panel_of(series, rows, missing=missing)
    size = panel.values.nbytes + panel.time.nbytes + 2 * panel.offsets.nbytes
    forecaster = make(max_steps=2)
    forecaster.fit(panel_of(2, 200, missing=missing))  # what is loaded once is no copy
    tracemalloc.start()  # which sees numpy, and the tensors that share its memory
    try:
        forecaster.fit(panel)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * size
