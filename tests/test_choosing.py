"""A choice: the errors are those of backtests, the reason is what they say, and the time ends it."""

import numpy as np
import pandas as pd
import pytest

from timeseries import Forecaster, choose_model
from timeseries.comparison import TimeBudget
from timeseries.deeplearning.history import Callback
from timeseries.errors import DataError, SettingError, TrainingError

QUICK = {"horizon": 4, "context_length": 8, "max_steps": 20, "candidates": ("nlinear", "dlinear", "lstm")}
MODELS = list(QUICK["candidates"])


def table(rows=90):
    t = np.arange(rows)
    noise = np.random.default_rng(0).normal(scale=0.2, size=rows)
    return pd.DataFrame(
        {"ds": pd.date_range("2024-01-01", periods=rows), "y": np.sin(t / 3) + t / 20 + noise}
    )


def weekly(rows=90):
    """A rhythm that the seasonal naive forecast repeats without error."""
    return table(rows).assign(y=np.tile([5.0, 1, 4, 1, 3, 9, 2], rows)[:rows])


@pytest.fixture(scope="module")
def choice():
    return choose_model(table(), **QUICK)


def test_the_errors_are_those_of_backtests_and_the_lowest_is_chosen(choice):
    errors, how = {}, {"horizon": 4, "context_length": 8, "max_steps": 20, "coverage": ()}
    for name in MODELS:
        scores = Forecaster(name, **how).backtest(table(), windows=3).table()
        errors |= scores["mae"].to_dict()
    found = choice.table["error"]
    assert found.to_dict() == pytest.approx(errors)
    assert found.is_monotonic_increasing
    assert choice.model == min(MODELS, key=errors.get)
    naive = errors["seasonal_naive"]
    assert choice.table["skill"].to_dict() == pytest.approx({n: 1 - e / naive for n, e in errors.items()})
    assert set(choice.table["outcome"]) == {"compared", "baseline"}


def test_the_chosen_model_is_fitted_to_all_rows_with_its_intervals(choice):
    expected = Forecaster(choice.model, horizon=4, context_length=8, max_steps=20).fit(table())
    pd.testing.assert_frame_equal(choice.forecaster.predict(), expected.predict(), check_exact=True)


def test_the_reason_says_how_much_better_the_model_is_than_the_seasonal_naive_forecast(choice):
    error, naive = choice.table["error"][choice.model], choice.table["error"]["seasonal_naive"]
    assert not choice.baseline_wins
    assert choice.reason == (
        f"{choice.model} has the lowest error of all on 3 rolling origins: mae {error:.4g}, "
        f"{1 - error / naive:.0%} below the seasonal naive forecast's {naive:.4g}."
    )
    assert choice.reason in repr(choice)


def test_a_baseline_that_wins_is_named_and_the_best_model_fitted_all_the_same():
    choice = choose_model(weekly(), **QUICK)
    assert choice.baseline_wins
    assert choice.table.index[0] == "seasonal_naive"
    assert choice.table["error"].iloc[0] == 0
    assert choice.reason.startswith("No model beats the seasonal naive forecast (mae 0) on 3 rolling origins")
    assert f"{choice.model} comes nearest" in choice.reason
    assert choice.forecaster.estimator.name == choice.model
    assert choice.table["skill"].isna().all() or choice.table["skill"].max() <= 0


def test_no_row_after_the_last_origin_decides_who_is_compared_to_what(choice):
    """What is fitted before the origins does not see the rows that are forecast."""
    fitted, real = [], Forecaster._model_for

    def spy(self, panel):
        fitted.append(int(panel.lengths[0]))
        return real(self, panel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Forecaster, "_model_for", spy)
        choose_model(table(), gap=2, windows=2, step=3, **QUICK)
    assert fitted == [90, 81, 81, 81, 90]  # to check settings; 90 - 4 - 3 - 2 to compare; the final fit


def test_the_time_ends_the_comparison_but_for_the_first(monkeypatch):
    asked = iter(range(1, 10**6))
    over = property(lambda self: self.seconds is not None and next(asked) > 25)
    monkeypatch.setattr(TimeBudget, "is_over", over)
    choice = choose_model(table(), seconds=30, **QUICK)  # asked before each model and at its twenty steps
    outcomes = choice.table["outcome"]
    assert (outcomes["nlinear"], outcomes["dlinear"], outcomes["lstm"]) == (*["compared"] * 2, "out of time")
    assert choice.reason.endswith("Not compared within 30 seconds: lstm.")
    assert np.isnan(choice.table["error"]["lstm"])


def test_a_candidate_that_fails_is_left_out_with_the_reason(monkeypatch):
    real, broken = Forecaster.backtest, ["nlinear", "lstm"]

    def backtest(self, *arguments, **options):
        if self.estimator.name in broken:
            raise TrainingError("The loss is not finite.")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Forecaster, "backtest", backtest)
    choice = choose_model(table(), **QUICK)
    assert choice.model == "dlinear"
    assert choice.table["outcome"]["lstm"] == "failed: The loss is not finite."
    assert choice.reason.endswith("Failed: nlinear, lstm.")
    broken.append("dlinear")
    with pytest.raises(TrainingError, match=r"No candidate .*The last one failed: The loss is not finite\."):
        choose_model(table(), **QUICK)


def test_equal_seeds_choose_the_same(choice):
    again = choose_model(table(), **QUICK)
    pd.testing.assert_frame_equal(again.table.drop(columns="seconds"), choice.table.drop(columns="seconds"))
    assert again.reason == choice.reason


def test_ctrl_c_fits_the_best_so_far(monkeypatch):
    class Press(Callback):
        steps = 0

        def step(self):
            self.steps += 1
            if self.steps == 25:  # in the second that hears the budget: the first does not
                raise KeyboardInterrupt

    pressed = Press()
    monkeypatch.setattr("timeseries.choosing.TimeBudget.step", lambda self: pressed.step())
    choice = choose_model(table(), **QUICK)
    assert {"nlinear", "dlinear"} <= set(choice.table.index)
    assert "lstm" not in choice.table.index
    assert choice.interrupted
    assert choice.reason.endswith("Interrupted before: lstm.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"candidates": ()}, "candidates must be a list of names"),
        ({"candidates": "lstm"}, "candidates must be a list of names"),
        ({"candidates": ("lsmt",)}, "Unknown model 'lsmt'. Did you mean 'lstm'"),
        ({"seconds": 0}, "seconds must be a number above 0"),
        ({"metric": "r2"}, "Unknown metric 'r2'"),
        (
            {"hidden_size": 8},
            r"^nlinear: Unknown Forecaster setting 'hidden_size'.* goes to all of them, and suits lstm\.",
        ),
        ({"horizon": 0}, "horizon must be a whole number"),
        ({"windows": 0}, "windows must be a whole number"),
        ({"learning_rate": -1.0}, "NLinearModel: learning_rate must be at least"),
    ],
)
def test_what_makes_no_sense_is_told(change, told):
    with pytest.raises(SettingError, match=told):
        choose_model(table(), **QUICK | change)


def test_a_table_that_is_too_short_is_told():
    with pytest.raises(DataError, match="Each series needs at least"):
        choose_model(table(10), **QUICK)


def test_the_name_auto_tells_where_the_choice_is():
    with pytest.raises(SettingError, match="choose_model"):
        Forecaster("auto", horizon=4)
