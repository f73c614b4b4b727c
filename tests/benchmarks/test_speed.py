"""The tables of the race say what was measured: by hand, from lines as the script writes them."""

import argparse

import pytest

import speed
import speed_tables


def line(contender, number, *answers, steps=(10, 110), task="train", case="LSTM"):
    asked = [{"steps": count} for count in steps]
    return {
        "run": "2026-01-01T00:00:00",
        "task": task,
        "case": case,
        "contender": contender,
        "round": number,
        "asked": asked,
        "answers": list(answers),
    }


def took(*seconds):
    return [{"seconds": one} for one in seconds]


def fit(number, steps, seconds, mse):
    return line("darts", number, {"seconds": seconds, "mse": mse}, steps=(steps,), task="reach")


def test_each_round_is_in_the_reverse_order_of_the_one_before():
    orders = ["".join(speed.in_turn(list("ABC"), number)) for number in range(3)]
    assert orders == ["ABC", "CBA", "ABC"]


def test_what_a_fit_does_once_is_no_part_of_the_time_of_a_step():
    once, each = 5.0, 0.02
    measured = line("timeseries", 0, *took(once + 10 * each, once + 110 * each))
    assert round(speed_tables.step_milliseconds(measured), 9) == 20
    assert round(speed_tables.whole_seconds(measured), 9) == once + 300 * each


def test_ratios_are_taken_round_by_round_and_their_spread_is_shown():
    ours = [line("timeseries", number, *took(0, seconds)) for number, seconds in enumerate([1, 2, 4])]
    theirs = [line("darts", number, *took(0, seconds)) for number, seconds in enumerate([3, 4, 20])]
    table = speed_tables.table("train", [*ours, *theirs])
    assert table[0] == "|  | ours, ms a step | darts |"
    assert table[2] == "| LSTM | 20 | 3 [2, 5] |"
    assert table[6] == "| LSTM | 5.8 | 3 [2, 5] |"  # 300 steps: all rounds are as many times longer


def test_a_title_that_no_row_has_is_refused_with_those_there_are():
    cases = speed.predict_cases("small")
    assert [case.label for case in speed.titled("1 series", cases)] == ["1 series"]
    with pytest.raises(SystemExit, match=r"--case 'two' is in no title.*\n    1 series\n    1000 series$"):
        speed.titled("two", cases)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two"])
def test_a_number_of_rounds_that_is_none_is_refused(text):
    with pytest.raises((argparse.ArgumentTypeError, ValueError), match=text):
        speed.positive(text)


def test_the_newest_measurement_of_every_case_counts_whatever_else_its_run_had():
    def measured(run, *cases):
        told = [{"run": run, "task": "train", "versions": {}}]
        return told + [line("timeseries", 0, *took(0, 1), case=case) | {"run": run} for case in cases]

    old, new, other = measured("1", "LSTM", "GRU"), measured("2", "LSTM"), measured("3", "RNN")
    runs = speed_tables.newest_runs([*old, *new, *other], "train")
    cases = [[part["case"] for part in run if "case" in part] for run in runs]
    assert cases == [["GRU"], ["LSTM"], ["RNN"]]
    assert all("versions" in run[0] for run in runs)


def test_a_contender_that_cannot_has_a_dash_and_its_reason_below_the_table():
    cannot = line("gluonts", 0, {"not possible": "no such cell"})
    table = speed_tables.table("train", [line("timeseries", 0, *took(0, 1)), cannot])
    assert table[2] == "| LSTM | 10 | - [1] |"
    assert table[-1] == "[1] gluonts: no such cell"


def test_an_error_is_reached_by_the_smallest_budget_below_it():
    fits = [fit(0, 100, 4.0, 0.31), fit(0, 50, 2.0, 0.35), fit(0, 25, 1.0, 0.40)]
    assert [speed_tables.first_below(fits, target) for target in (0.36, 0.32, 0.30)] == [2.0, 4.0, None]


def test_a_single_round_has_no_spread():
    table = speed_tables.table("backtest", [line("timeseries", 0, *took(2)), line("darts", 0, *took(5))])
    assert table[2] == "| LSTM | 2 | 2.5 (one round) |"


def test_rounds_that_did_not_get_there_are_counted():
    fits = [fit(0, 25, 1.0, 0.35), fit(1, 25, 1.5, 0.37), fit(1, 50, 3.0, 0.33)]
    row = speed_tables.table("reach", fits)[2]
    assert row == "| darts | 2 [1, 3] | - in 0 of 2 | - in 0 of 2 | 0.34 [0.33, 0.35] | 2 [1, 3] |"


def test_a_contender_that_cannot_be_fitted_has_a_row_of_dashes():
    table = speed_tables.table("reach", [line("keras", 0, {"not possible": "no"}, steps=(25,), task="reach")])
    assert table[2] == "| keras [1] | - | - | - | - | - |"


def test_budgets_grow_until_the_lowest_error_is_reached_or_the_next_would_take_too_long():
    def asked(seconds_a_step, error):
        def answer(steps):
            return {"seconds": steps * seconds_a_step, "mse": error(steps)}

        return [question["steps"] for question, _ in speed.growing_budgets({}, answer)]

    assert asked(0.001, lambda steps: 10 / steps) == [25, 50]
    assert asked(0.1, lambda steps: 1.0) == [25, 50, 100, 200]
    assert asked(0.001, lambda steps: 1.0) == list(speed.BUDGETS)
