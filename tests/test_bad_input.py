"""Inputs that a careful user worries about, by number: refused with the place, or handled with a note.

Each goes through Python and, where a text file can hold it, through the command line, which must agree.
"""

import io
import json
import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from timeseries import memory
from timeseries.cli import main
from timeseries.deeplearning.models import NLinearModel
from timeseries.errors import DataError, MemoryLimitError, SettingError
from timeseries.forecaster import Forecaster
from timeseries.normalization import DataNormalizer

ROWS = 30
DAYS = pd.date_range("2024-01-01", periods=ROWS)
WAVE = np.sin(np.arange(ROWS)) + 2  # (ROWS,)
QUICK = {"max_steps": 1, "context_length": 6, "coverage": ()}


def table(y=WAVE, ds=DAYS, **columns):
    return pd.DataFrame({"ds": ds, "y": y, **columns})


def changed(column, row, value):
    frame = table(k=WAVE).astype({column: object}) if column == "k" else table().astype({column: object})
    frame.loc[row, column] = value
    return frame


def long(**series):
    parts = [table().head(rows).assign(unique_id=name) for name, rows in series.items()]
    return pd.concat(parts, ignore_index=True)


REFUSED = {
    "1 a single NaN": (changed("y", 5, None), {}, "absent values"),
    "2 a series of NaN": (table(np.nan), {}, "single observed value|must hold numbers"),
    "4 trailing NaN": (changed("y", ROWS - 1, None), {}, "absent values"),
    "16 text for absent": (changed("y", 5, "-"), {}, "'-'"),
    "17 a decimal comma": (changed("y", 5, "1,5"), {}, "1,5"),
    "18 thousands": (changed("y", 5, "1,234"), {}, "1,234|comma"),
    "21 classes": (table("low"), {}, "must hold numbers"),
    "21 classes beside numbers": (table("low", temperature=WAVE), {}, "Column 'y' .* must hold numbers"),
    "24 a stamp twice": (pd.concat([table(), table().tail(1)]), {}, "their values agree"),
    "25 a stamp twice, other value": (
        pd.concat([table(), table().tail(1).assign(y=9.0)]),
        {},
        "their values differ",
    ),
    "26 no regular step": (
        table(ds=DAYS + pd.to_timedelta(np.arange(ROWS) ** 2, "min")),
        {},
        "no regular step",
    ),
    "27 two steps in one series": (
        table(ds=[*DAYS[:20], *pd.date_range("2024-01-21", periods=10, freq="h")]),
        {},
        "whole steps",
    ),
    "28 a step per series": (
        pd.concat([long(a=30), long(b=15).assign(ds=DAYS[::2])]),
        {},
        "differ in frequency",
    ),
    "31 no stamp": (changed("ds", 5, None), {}, "must hold a stamp"),
    "33 day or month": (
        table(ds=[f"0{1 + i // 6}/0{1 + i % 6}/2024" for i in range(ROWS)]),
        {},
        "the day and",
    ),
    "34 two formats": (
        table(ds=[*DAYS.astype(str)[:5], "6 January 2024", *DAYS.astype(str)[6:]]),
        {},
        "6 January 2024",
    ),
    "37 mixed offsets": (
        table(ds=[f"{day.date()}T00:00:00+0{1 + (i > 9)}:00" for i, day in enumerate(DAYS)]),
        {},
        "mixes time zones or offsets",
    ),
    "42 holes in integers": (table(ds=[*range(10), *range(12, 32)]), {}, "Stamps are absent"),
    "44 no rows": (table().head(0), {}, "no rows"),
    "45 too few rows": (table().head(3), {}, r"horizon \+ 1 = 4 rows"),
    "46 many short series": (long(a=30, b=3, c=2), {}, "'b' has 3, 'c' has 2 .2 of 3"),
    "47 a missing column": (table(), {"target": "Y"}, "Did you mean 'y'"),
    "52 no name of a series": (long(a=30).assign(unique_id=None), {}, "must name the series"),
    "57 a static feature that varies": (
        table(s=np.arange(ROWS)),
        {"target": "y", "static": ["s"]},
        "varies within a series",
    ),
    "58 no static feature of one series": (
        long(a=30, b=30).assign(s=[1.0] * 30 + [None] * 30),
        {"static": ["s"]},
        "Column 's' .*absent values.*series 'b'",
    ),
    "56 an absent covariate": (changed("k", 5, None), {"target": "y", "future": ["k"]}, "Column 'k'.*row 5"),
    "54 a horizon of a billion": (table(), {"horizon": 10**9}, r"horizon \+ 1"),
}

HANDLED = {
    "3 leading NaN": (changed("y", 0, None), {}, "1 rows before the first observed value"),
    "5 beyond float32": (table(WAVE * 1e39), {}, None),
    "6 near the largest float": (table(WAVE * 1e300), {}, None),
    "7 constant": (table(7.0), {}, "Constant, or constant up to rounding: 'y'."),
    "8 almost constant": (
        table(1e8 + np.tile([0, 1.5e-8], 15)),
        {},
        "Constant, or constant up to rounding: 'y'.",
    ),
    "9 an outlier": (
        changed("y", 5, 1e15),
        {},
        "standard deviations off: series 'y', column 'y', row 5",
    ),
    "13 small integers": (table(np.tile(np.uint8([250, 255, 253]), 10)), {}, None),
    "13 small negative integers": (table(np.tile(np.int8([-128, -127, -120]), 10)), {}, None),
    "14 true and false": (table(WAVE > 2), {}, "read as 1 and 0"),
    "19 float16": (table(WAVE.astype(np.float16)), {}, None),
    "20 nullable": (table(pd.array(np.arange(ROWS), dtype="Int64")), {}, None),
    "22 sparse": (table(pd.arrays.SparseArray(WAVE)), {}, None),
    "23 unsorted": (table().iloc[::-1], {}, "not in order"),
    "29 an old alias": (
        table(ds=pd.date_range("2024-01-01", periods=ROWS, freq="h")),
        {"freq": "H"},
        "'H' was",
    ),
    "30 lower case": (table(), {"freq": "d"}, "'d' was read as 'D'"),
    "32 dates as text": (table(ds=DAYS.astype(str)), {}, None),
    "35 UTC": (table(ds=DAYS.tz_localize("UTC")), {}, None),
    "40 the year 9000": (
        table(ds=np.datetime64("9000-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "D")),
        {},
        "rows lie in the future",
    ),
    "43 stamps to come": (table(ds=DAYS + pd.Timedelta(days=365 * 900)), {}, "30 rows lie in the future"),
    "48 odd names": (table().rename(columns={"y": "__proto__ 'é\U0001f600"}), {}, None),
    "48 a name of two lines": (table().rename(columns={"y": 'two\n"lines"'}), {}, None),
    "48 a name of 10 000 characters": (table().rename(columns={"y": "x" * 10_000}), {}, None),
    "59 a column named like a part of the program": (table().rename(columns={"y": "values"}), {}, None),
}


def options(settings):
    several = [(name, part) for name, value in settings.items() for part in np.atleast_1d(value).tolist()]
    return [part for name, value in several for part in (f"--{name}", str(value))]


QUICK_OPTIONS = ["--model", "nlinear", "--set", "max_steps=1", "--context-length", "6"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def command(tmp_path, frame, settings):
    frame.to_csv(tmp_path / "data.csv", index=False)
    arguments = ["fit", tmp_path / "data.csv", "-o", tmp_path / "m", "--json", *QUICK_OPTIONS]
    return run(*arguments, *options({"horizon": 3} | settings))


@pytest.mark.parametrize(("frame", "settings", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_learned_from_is_refused_and_the_table_stays(frame, settings, told, tmp_path):
    before = frame.copy(deep=True)
    with pytest.raises(DataError, match=f"(?s){told}"):
        Forecaster("nlinear", **({"horizon": 3} | settings | QUICK)).fit(frame)
    pd.testing.assert_frame_equal(frame, before)
    done = command(tmp_path, frame, settings)
    assert done.exit_code == 3, done.output
    assert json.loads(done.stdout)["error"]["code"] == "TS-D001"


@pytest.mark.parametrize(("frame", "settings", "told"), HANDLED.values(), ids=HANDLED)
def test_what_can_be_handled_gives_finite_forecasts_and_a_note(frame, settings, told, tmp_path, capsys):
    before = frame.copy(deep=True)
    fitted = Forecaster("nlinear", horizon=3, **settings, **QUICK).fit(frame, verbose=True)
    said = capsys.readouterr().err
    forecast = fitted.predict()
    pd.testing.assert_frame_equal(frame, before)
    assert len(forecast) == 3
    assert np.isfinite(forecast.select_dtypes("number").to_numpy()).all()
    assert told is None or told in said
    assert settings or "Frequency: " in said
    done = command(tmp_path, frame, settings)
    assert done.exit_code == 0, done.output
    assert told is None or told.replace("row 5", "row 5 (line 7 of the file)") in done.stderr


ONLY_IN_MEMORY = {
    "15 complex": (table(WAVE + 1j), "complex"),
    "31 NaT": (table(ds=[pd.NaT, *DAYS[1:]]), "must hold a stamp"),
    "37 mixed zones": (table(ds=[DAYS[0].tz_localize("UTC"), *DAYS[1:].tz_localize("Asia/Tokyo")]), "mixes"),
    "41 nanoseconds": (table(ds=DAYS.as_unit("ns") + pd.Timedelta(1, "ns")), "finer than a microsecond"),
    "51 levels of columns": (pd.concat({"a": table()}, axis=1), "2 levels"),
    "a decimal that signals": (table([*[Decimal(1)] * 29, Decimal("sNaN")]), "absent values"),
}


@pytest.mark.parametrize(("frame", "told"), ONLY_IN_MEMORY.values(), ids=ONLY_IN_MEMORY)
def test_what_no_file_holds_is_refused_too(frame, told):
    with pytest.raises(DataError, match=told):
        Forecaster("nlinear", horizon=3, **QUICK).fit(frame)


@pytest.mark.parametrize("extreme", [0, ROWS - 1, 12])
@pytest.mark.parametrize("value", [1e15, -1e15, 1e300])
def test_an_outlier_is_found_wherever_it_stands_and_ordinary_values_are_none(extreme, value, capsys):
    y = np.where(np.arange(ROWS) == extreme, value, WAVE)
    Forecaster("nlinear", horizon=3, **QUICK).fit(table(y), verbose=True)
    assert f"off: series 'y', column 'y', row {extreme}, " in capsys.readouterr().err
    Forecaster("nlinear", horizon=3, **QUICK).fit(table(), verbose=True)
    assert capsys.readouterr().err.splitlines() == [
        f"1 series, {ROWS} rows.",
        "Frequency: D, found in the stamps.",
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (DAYS.to_numpy(), "dates"),
        (DAYS.to_numpy() - DAYS[0].to_numpy(), "durations"),
        (WAVE > 2, "true and false"),
    ],
)
def test_estimators_take_numbers_alone(wrong, told):
    X, model = WAVE[:, None], NLinearModel(max_steps=1, sequence_length=3)
    with pytest.raises(DataError, match=f"X holds {told}"):
        model.fit(wrong[:, None], WAVE**2)
    with pytest.raises(DataError, match=f"X, column 1, holds {told}"):
        model.fit(pd.DataFrame({"a": WAVE, "b": wrong}), WAVE**2)
    with pytest.raises(DataError, match=f"y holds {told}"):
        model.fit(X, wrong)
    model.fit(X, WAVE**2)
    with pytest.raises(DataError, match=f"X holds {told}"):
        model.predict(wrong[:, None])
    with pytest.raises(DataError, match=f"y holds {told}"):
        model.evaluate(X, wrong)


IMPOSSIBLE = {
    "54 no horizon": ({"horizon": 0}, "horizon must be at least 1|horizon must be a whole number >= 1"),
    "54 a horizon before the present": (
        {"horizon": -1},
        "horizon must be at least 1|horizon must be a whole number >= 1",
    ),
    "54 half a horizon": ({"horizon": 1.5}, "horizon must be a whole number|not a valid integer"),
    "59 a covariate that is the target": ({"target": "y", "past": ["y"]}, "give it one role"),
    "59 a static feature that is the time": ({"static": ["ds"]}, "give it one role"),
    "a model by a path": ({"model": "../x"}, "'../x'"),
    "a misspelt setting": ({"hiden_size": 3, "model": "lstm"}, "Did you mean 'hidden_size'"),
    "a misspelt setting of the forecaster": ({"coverge": 0.8}, "Did you mean 'coverage'"),
    "a rate that is no number": ({"learning_rate": float("nan")}, "learning_rate must be at least"),
    "an infinite rate": ({"learning_rate": float("inf")}, "learning_rate must be at least"),
    "a bound that is no number": ({"lower": float("nan")}, "lower must be a number"),
    "an infinite width": ({"hidden_size": float("inf"), "model": "lstm"}, "hidden_size must be a whole"),
    "a number of too many digits": ({"seed": 10**4999}, "seed must be"),
}
NAMED_OPTIONS = ("horizon", "model", "target", "past", "static", "lower")


@pytest.mark.parametrize(("settings", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_settings_that_make_no_sense_are_refused_before_anything_is_learned(settings, told, tmp_path):
    chosen = {"model": "nlinear", "horizon": 3} | QUICK | settings
    with pytest.raises(SettingError, match=told):
        Forecaster(**chosen).fit(table())
    table().to_csv(tmp_path / "data.csv", index=False)
    named = {name: value for name, value in settings.items() if name in NAMED_OPTIONS}
    pairs = [f"{name}={as_text(value)}" for name, value in settings.items() if name not in NAMED_OPTIONS]
    sets = [part for pair in pairs for part in ("--set", pair)]
    given = [*QUICK_OPTIONS, *options({"horizon": 3} | named), *sets]
    done = run("fit", tmp_path / "data.csv", "-o", tmp_path / "m", "--json", *given)
    assert done.exit_code == 2, done.output
    fault = json.loads(done.stdout)["error"]
    assert fault["code"] in ("TS-S001", "TS-C001")
    assert re.search(told, fault["message"])
    assert not (tmp_path / "m").exists()


def as_text(value):
    return "1" + "0" * 4999 if value == 10**4999 else json.dumps(value)


def test_a_setting_of_a_hundred_thousand_levels_is_refused_too(tmp_path):
    table().to_csv(tmp_path / "data.csv", index=False)
    deep = f"epochs={'[' * 100_000}{']' * 100_000}"
    given = [*QUICK_OPTIONS, "--horizon", 3, "--set", deep]
    done = run("fit", tmp_path / "data.csv", "-o", tmp_path / "m", "--json", *given)
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (2, "TS-S001")


def test_10_metrics_that_zeros_leave_undefined_are_null_with_the_reason(tmp_path):
    zeros = table(0.0)
    result = Forecaster("nlinear", horizon=3, **QUICK).backtest(zeros, windows=2)
    zeros.to_csv(tmp_path / "data.csv", index=False)
    given = [*QUICK_OPTIONS, "--horizon", 3, "--windows", 2]
    done = run("backtest", tmp_path / "data.csv", "--json", *given)
    document = json.loads(done.stdout, parse_constant=pytest.fail)
    scores = next(row for row in document["scores"] if row["forecast"] == "nlinear")
    reasons = {row["metric"]: row["reason"] for row in document["undefined"] if row["forecast"] == "nlinear"}
    for metric in ("mape", "mase"):
        assert np.isnan(result.table().loc["nlinear", metric])
        assert len(result.reasons["nlinear", metric]) > 10
        assert scores[metric] is None
        assert reasons[metric] == result.reasons["nlinear", metric]


def test_11_and_12_a_logarithm_takes_zeros_and_names_the_first_value_that_it_cannot():
    rows = np.array([[0.0], [3.0], [-2.0], [-5.0]])
    assert DataNormalizer(strategy="log1p").fit_transform(rows[:2])[:, 0].tolist() == [0.0, np.log(4.0)]
    with pytest.raises(DataError, match=r"2 value\(s\) are not \(row 2 column 0: -2.0"):
        DataNormalizer(strategy="log1p").fit(rows)


NEXT = {
    "36 hours over the spring change": (
        pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="UTC"),
        "Europe/Berlin",
        "2024-03-31 08:00:00+02:00",
    ),
    "36 hours over the autumn change": (
        pd.date_range("2024-10-26", periods=ROWS, freq="h", tz="UTC"),
        "Europe/Berlin",
        "2024-10-27 07:00:00+01:00",
    ),
    "39 a leap day": (pd.date_range("2024-01-30", periods=ROWS), None, "2024-02-29"),
    "39 no leap day": (pd.date_range("2023-01-30", periods=ROWS), None, "2023-03-01"),
    "39 business days": (pd.bdate_range("2024-01-01", "2024-02-09"), None, "2024-02-12"),
    "39 ends of months": (pd.date_range("2021-08-31", periods=ROWS, freq="ME"), None, "2024-02-29"),
}


@pytest.mark.parametrize(("stamps", "zone", "expected"), NEXT.values(), ids=NEXT)
def test_the_forecast_begins_at_the_next_stamp_of_the_calendar(stamps, zone, expected, tmp_path):
    shown = stamps if zone is None else stamps.tz_convert(zone)
    frame = table(ds=shown)
    forecast = Forecaster("nlinear", horizon=3, **QUICK).fit(frame).predict()
    assert forecast["ds"].iloc[0] == pd.Timestamp(expected)
    assert command(tmp_path, frame.assign(ds=stamps), {}).exit_code == 0  # a file holds one offset: UTC
    document = json.loads(run("forecast", tmp_path / "m", "--json").stdout)
    told = pd.Timestamp(document["table"][0]["ds"])
    assert told == (pd.Timestamp(expected) if zone is None else pd.Timestamp(expected).tz_convert("UTC"))


def written(separator=",", decimal="."):
    return table(WAVE.round(3)).to_csv(index=False, sep=separator, decimal=decimal)


FILES = {
    "49 a byte order mark": b"\xef\xbb\xbf" + written().encode(),
    "49 semicolons and decimal commas": written(";", ",").encode(),
    "49 tabs": written("\t").encode(),
    "49 UTF-16": written().encode("utf-16"),
    "49 Latin-1": written().replace("y", "gr\xf6\xdfe", 1).encode("latin-1"),
    "plain": written().encode(),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_text_file_is_read_however_it_is_written(content, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    numbers = Forecaster("nlinear", horizon=3, **QUICK).fit(path).predict().select_dtypes("number")
    expected = Forecaster("nlinear", horizon=3, **QUICK).fit(table(WAVE.round(3))).predict()["y"]
    np.testing.assert_array_equal(numbers.to_numpy()[:, 0], expected)
    done = run("fit", path, "-o", tmp_path / "m", "--json", "--horizon", 3, *QUICK_OPTIONS)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"ds,y\n1,2\n\x00\x01,3\n", "50|is not text"),
        (bytes(range(256)) * 4, "not text"),
        (b"", "is empty"),
        (b"ds,y\n", "no rows"),
    ],
    ids=["50 NUL bytes", "50 binary", "44 an empty file", "44 only a header"],
)
def test_a_file_that_is_no_table_is_refused(content, told, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        Forecaster("nlinear", horizon=3, **QUICK).fit(path)
    done = run("fit", path, "-o", tmp_path / "m", "--json", "--horizon", 3, *QUICK_OPTIONS)
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (3, "TS-D001")


def test_50_a_table_opened_as_text_is_refused_with_the_way_out():
    with pytest.raises(DataError, match=r"opened for reading bytes: open\(path, 'rb'\)"):
        Forecaster("nlinear", horizon=3, **QUICK).fit(io.StringIO(written()))


@pytest.mark.parametrize("name", ["__proto__ 'é\U0001f600", 'two\n"lines"', " ", "x" * 10_000])
def test_48_odd_names_survive_saving(name, tmp_path):
    frame = table().rename(columns={"y": name})
    fitted = Forecaster("nlinear", horizon=3, **QUICK).fit(frame)
    fitted.save(tmp_path / "m")
    assert Forecaster.load(tmp_path / "m").predict().columns.tolist() == ["ds", name]


def test_51_columns_named_by_numbers_are_series_but_roles_are_named_by_text():
    frame = table(WAVE).rename(columns={"y": 5}).assign(**{"6": WAVE})
    answer = Forecaster("nlinear", horizon=3, **QUICK).fit(frame).predict()
    assert answer.columns.tolist() == ["ds", 5, "6"]
    with pytest.raises(SettingError, match=r"(?s)target must name columns by text.*map\(str\)"):
        Forecaster("nlinear", horizon=3, target=5, **QUICK)


def test_53_what_does_not_fit_into_memory_is_refused_before_it_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000)
    with pytest.raises(MemoryLimitError, match=r"Reading 30 rows of 100 columns needs about 0.0 GiB"):
        Forecaster("nlinear", horizon=3, **QUICK).fit(table(**{f"x{i}": WAVE for i in range(99)}))
    done = command(tmp_path, table(**{f"x{i}": WAVE for i in range(99)}), {})
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (5, "TS-R003")


AHEAD = pd.DataFrame({"ds": pd.date_range("2024-01-31", periods=3), "k": [1.0, 2.0, 3.0]})
WRONG_FUTURES = {
    "38 another zone": (AHEAD.assign(ds=AHEAD["ds"].dt.tz_localize("UTC")), "the time zone UTC"),
    "55 no such column": (AHEAD.drop(columns="k"), "no column 'k'"),
    "55 too few rows": (AHEAD.head(1), "k end 2 steps too early.*2024-02-02"),
    "55 none at all": (None, "k end 3 steps too early.*2024-02-02"),
    "56 an absent value": (AHEAD.assign(k=[1.0, None, 3.0]), "Column 'k' of the future table.*row 1"),
}


@pytest.mark.parametrize(("future", "told"), WRONG_FUTURES.values(), ids=WRONG_FUTURES)
def test_a_future_that_does_not_suit_the_history_is_refused(future, told, tmp_path):
    frame = table(k=WAVE)
    fitted = Forecaster("nlinear", horizon=3, target="y", future=["k"], **QUICK).fit(frame)
    with pytest.raises(DataError, match=f"(?s){told}"):
        fitted.predict(future=future)
    fitted.save(tmp_path / "m")
    given = []
    if future is not None:
        future.to_csv(tmp_path / "future.csv", index=False)
        given = ["--future", tmp_path / "future.csv"]
    done = run("forecast", tmp_path / "m", "--json", *given)
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (3, "TS-D001")


def test_59_quantiles_do_not_overwrite_a_column_of_their_name(tmp_path):
    frame = table(**{"y_q0.1": WAVE})
    fitted = Forecaster("nlinear", horizon=3, target=["y", "y_q0.1"], **QUICK | {"coverage": 0.8})
    with pytest.raises(SettingError, match=r"overwrite the column 'y_q0\.1'"):
        fitted.fit(frame, val_size=9)
    frame.to_csv(tmp_path / "data.csv", index=False)
    given = [*QUICK_OPTIONS, "--coverage", 80, *options({"target": ["y", "y_q0.1"], "val-size": 9})]
    assert run("fit", tmp_path / "data.csv", "-o", tmp_path / "m", "--horizon", 3, *given).exit_code == 2
    assert not (tmp_path / "m").exists()


def test_60_nothing_after_an_origin_reaches_its_forecast(tmp_path):
    poisoned = table(np.where(np.arange(ROWS) < ROWS - 3, WAVE, 1e6))
    asked = {"windows": 1, "val_size": 9}
    clean, changed = (
        Forecaster("nlinear", horizon=3, **QUICK).backtest(frame, **asked) for frame in (table(), poisoned)
    )
    np.testing.assert_array_equal(clean.forecast, changed.forecast)
    columns = []
    for frame in (table(), poisoned):
        frame.to_csv(tmp_path / "data.csv", index=False)
        given = [*QUICK_OPTIONS, "--horizon", 3, "--windows", 1, "-o", tmp_path / "out.csv"]
        assert run("backtest", tmp_path / "data.csv", *given).exit_code == 0
        columns.append(pd.read_csv(tmp_path / "out.csv")["nlinear"])
    pd.testing.assert_series_equal(*columns, check_exact=True)


def test_61_a_column_far_from_what_was_fitted_is_told(tmp_path):
    frame = long(a=30, b=30).assign(p=2.0 + np.tile(WAVE, 2))
    fitted = Forecaster("nlinear", horizon=3, past=["p"], **QUICK).fit(frame)
    fitted.predict(frame)  # as it was fitted: no warning
    other_unit = frame.assign(p=np.where(frame["unique_id"] == "b", 1000 * frame["p"], frame["p"]))
    deviations = abs(other_unit["p"].iloc[-6] - frame["p"][30:].mean()) / frame["p"][30:].std(ddof=0)
    far = re.escape(f"{deviations:.3g}")
    told = rf"'p' of series 'b' holds .*, {far} standard deviations off .* \(6 such values in all\)"
    with pytest.warns(UserWarning, match=told):
        fitted.predict(other_unit)
    fitted.save(tmp_path / "m")
    other_unit.to_csv(tmp_path / "data.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as it is outside of the tests
        done = run("forecast", tmp_path / "m", tmp_path / "data.csv")
    assert done.exit_code == 0, done.output
    assert re.search(f"Warning: Column {told}", done.stderr)


def test_61_a_covariate_known_ahead_is_told_and_a_new_series_is_not():
    frame = long(a=30).assign(k=np.cos(np.arange(ROWS)))
    fitted = Forecaster("nlinear", horizon=3, future=["k"], **QUICK).fit(frame)
    ahead = AHEAD.assign(unique_id="a", k=[0.5, 0.5, 500.0])
    deviations = (500 - frame["k"].mean()) / frame["k"].std(ddof=0)
    with pytest.warns(UserWarning, match=rf"'k' of series 'a' holds 500, {deviations:.3g} standard"):
        fitted.predict(future=ahead)
    new = frame.assign(unique_id="new", y=1e6 * frame["y"])
    fitted.predict(new, future=AHEAD.assign(unique_id="new", k=0.5))
