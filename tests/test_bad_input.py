"""Inputs that a careful user worries about, by number: refused with the place, or handled with a note.

Each goes through Python and, where a text file can hold it, through the command line, which must agree.
"""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from timeseries.cli import main
from timeseries.deeplearning.models import NLinearModel
from timeseries.errors import DataError
from timeseries.forecaster import Forecaster

ROWS = 30
DAYS = pd.date_range("2024-01-01", periods=ROWS)
WAVE = np.sin(np.arange(ROWS)) + 2  # (ROWS,)
QUICK = {"max_steps": 1, "context_length": 6, "coverage": ()}


def table(y=WAVE, ds=DAYS, **columns):
    return pd.DataFrame({"ds": ds, "y": y, **columns})


def changed(column, row, value):
    frame = table().astype({column: object})
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
    "35 UTC": (table(ds=DAYS.tz_localize("UTC")), {}, None),
    "40 the year 9000": (
        table(ds=np.datetime64("9000-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "D")),
        {},
        "rows lie in the future",
    ),
    "43 stamps to come": (table(ds=DAYS + pd.Timedelta(days=365 * 900)), {}, "30 rows lie in the future"),
    "48 odd names": (table().rename(columns={"y": "__proto__ 'é\U0001f600"}), {}, None),
}


def options(settings):
    return [part for name, value in settings.items() for part in (f"--{name}", str(value))]


def command(tmp_path, frame, settings):
    frame.to_csv(tmp_path / "data.csv", index=False)
    quick = ["--model", "nlinear", "--set", "max_steps=1", "--context-length", "6"]
    arguments = ["fit", str(tmp_path / "data.csv"), "-o", str(tmp_path / "m"), "--json", *quick]
    return CliRunner().invoke(main, arguments + options({"horizon": 3} | settings))


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
        model.fit(wrong[:, None], WAVE)
    with pytest.raises(DataError, match=f"X, column 1, holds {told}"):
        model.fit(pd.DataFrame({"a": WAVE, "b": wrong}), WAVE)
    with pytest.raises(DataError, match=f"y holds {told}"):
        model.fit(X, wrong)
    model.fit(X, WAVE)
    with pytest.raises(DataError, match=f"X holds {told}"):
        model.predict(wrong[:, None])
    with pytest.raises(DataError, match=f"y holds {told}"):
        model.evaluate(X, wrong)
