"""What the library advises in Python is advised here as options of the verb that runs."""

import ast
import re
from pathlib import Path

import pytest

import timeseries
from timeseries.cli import main
from timeseries.cli.advice import as_options
from timeseries.errors import IN_PYTHON
from timeseries.forecaster import Forecaster

SOURCE = Path(timeseries.__file__).parent
HEARD = (  # the files whose messages reach the command line
    *sorted((SOURCE / "tables").glob("*.py")),
    *(
        SOURCE / f"{name}.py"
        for name in ("answers", "backtesting", "continuation", "fitted", "fitting", "guidance")
    ),
    *(
        SOURCE / f"{name}.py"
        for name in ("forecaster", "frequency", "intervals", "memory", "panel", "splits")
    ),
    *(SOURCE / f"{name}.py" for name in ("settings", "storage", "comparison", "study", "tuning", "choosing")),
    *(SOURCE / "deeplearning" / f"{name}.py" for name in ("checkpoint", "engine", "gather", "trainer")),
    SOURCE / "recipes.py",
    *(SOURCE / "deeplearning" / f"{name}.py" for name in ("runtime", "training_settings")),
)
UNHEARD = (  # what only Python can do wrong
    "layout must be a TableLayout",
    "This forecaster is not fitted yet.",
    "but the windows of X do not",
    "Forecaster(",
    "is not possible in a forked process",
)
CODE = ("frame", "pd.")  # what stands on a line of its own, after IN_PYTHON
PYTHON = re.compile(
    r"\b[a-z_]+=['\"(\[.\w]|\bTableLayout\b|\bframe(?:\[|\.\w)|\b(?:pd|np)\.|\(df\)|\(path\)|\.\.\.\)|\btz_\w+"
)


def told(message, verb="fit"):
    return as_options(message, main.commands, verb)


def texts(path):
    """Yield every text of a file that is no docstring, with a word for what is put into it."""
    tree = ast.parse(path.read_text())
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield node.lineno, "".join(map(filled, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def filled(part):
    if isinstance(part, ast.Constant):
        return part.value
    known = {"IN_PYTHON": IN_PYTHON, "role": "past", "name": "device"}
    return "'x'" if part.conversion == ord("r") else known.get(ast.unparse(part.value), "x")


def test_no_message_speaks_python_on_the_command_line():
    messages = [
        (f"{path.name}:{line}", text)
        for path in HEARD
        for line, text in texts(path)
        if " " in text and not text.startswith(CODE) and not any(part in text for part in UNHEARD)
    ]
    assert sum(told(text) != text for _, text in messages) > 40  # they are found
    named = [(place, re.sub(r"--set ('[^']*'|\S+)", "", told(text))) for place, text in messages]
    assert [entry for entry in named if PYTHON.search(entry[1])] == []


def test_every_option_that_a_message_names_is_one_of_its_verb():
    """An option of another verb is named with that verb."""
    known = {
        name: {flag for option in verb.params for flag in option.opts} for name, verb in main.commands.items()
    }
    for verb, path in [(verb, path) for verb in main.commands for path in HEARD]:
        for _, text in texts(path):
            said = told(text, verb).replace("forecast MODEL --future FILE", "")  # named with its verb
            for flag, rest in re.findall(r"(?<![\w-])(--[a-z-]+)(.*?)(?= --|$)", said):
                home = re.search(r"\(an option of (\w+)\)", rest)
                assert flag in known[home[1] if home else verb]


@pytest.mark.parametrize(
    ("message", "verb", "expected"),
    [
        ("give missing='mask'.", "fit", "give --missing mask."),
        ("give missing='mask'.", "forecast", "give --missing mask (an option of fit)."),
        ("Name it, id='...'.", "backtest", "Name it, --id COLUMN."),
        ("future=['...']", "fit", "--future COLUMN"),
        ("future=['k', 'a b']", "fit", "--future k --future 'a b'"),
        ("future=['...']", "forecast", "--future COLUMN (an option of fit)"),
        ("predict(future=...)", "forecast", "timeseries forecast MODEL --future FILE"),
        ("duplicates='first', 'last' or 'mean', or drop", "fit", "--duplicates first, last or mean, or drop"),
        ("separator=',' or separator=';'", "fit", "--separator , or --separator ';'"),
        ('thousands="\'" for', "fit", "--thousands ''\"'\"'' for"),
        ("thousands=' ' for", "fit", "--thousands ' ' for"),
        ("date_format='%d/%m/%Y' if", "fit", "--date-format %d/%m/%Y if"),
        ("correct freq, or Lower val_size.", "fit", "correct --freq, or Lower --val-size."),
        ("no whole numbers (integer=True)", "fit", "no whole numbers (--integer)"),
        ("no intervals: coverage=().", "fit", "no intervals: --coverage none."),
        ("set clip_norm=1.", "fit", "set --set clip_norm=1."),
        ("Step back.\nIn Python: frame['ds']\nThen go.", "fit", "Step back.\nThen go."),
        ("Series 'id=5' and\n  column 'x', row 1: missing='mask'", "fit", None),
        ("the time of the season and its past", "fit", None),
        ("rows=5 of frequency='h'", "fit", None),
    ],
)
def test_settings_become_options_and_all_else_stays(message, verb, expected):
    assert told(message, verb) == (message if expected is None else expected)


SMALL = ["--model", "nlinear", "--horizon", "3", "--context-length", "6", "--set", "max_steps=2"]


def test_errors_of_a_verb_without_table_options_name_the_verb_that_has_them(run, data, table):
    Forecaster("nlinear", horizon=3, context_length=6, max_steps=2).fit(table).save("m")
    table.drop(index=30).to_csv(data, index=False)
    assert "give --missing mask (an option of fit) to keep" in run("forecast", "m", data, code=3).stderr


def test_columns_that_became_series_are_named_in_a_note_with_the_options(run, data, table):
    table.assign(k=table["y"] ** 2).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL).stderr
    assert "Every column of numbers is a series of its own (2): 'y', 'k'." in said
    assert "--target COLUMN, --past COLUMN, --future COLUMN" in said
    assert "target=" not in said


def test_a_forgotten_series_column_is_named_as_an_option(run, data, table):
    stacked = "".join(
        [
            table.assign(filiale=shop, y=table["y"] + len(shop)).to_csv(index=False, header=not number)
            for number, shop in enumerate(("a", "bb"))
        ]
    )
    data.write_text(stacked)
    said = run("fit", data, "-o", "m", *SMALL, code=3).stderr
    assert said.index("--id filiale") < said.index("--duplicates first, last or mean")
    assert "frame" not in said
    run("fit", data, "-o", "m", *SMALL, "--id", "filiale")


def test_mixed_offsets_are_read_with_the_option_that_the_error_names(run, data, table):
    import pandas as pd

    stamps = pd.date_range("2024-03-30", periods=40, freq="h", tz="Europe/Berlin")
    table.assign(ds=[stamp.isoformat() for stamp in stamps]).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL, code=3).stderr
    assert "--season-zone Europe/Berlin" in said
    assert "pd." not in said
    said = run("fit", data, "-o", "m", *SMALL, "--season-zone", "Europe/Berlin").stderr
    assert "is written with offsets from UTC: read as UTC." in said
    summer = [line for line in data.read_text().splitlines() if "+02:00" in line or "ds" in line]
    data.write_text("\n".join(summer))
    answer = run("forecast", "m", data).stdout.splitlines()[1]
    assert answer.startswith("2024-03-31 15:00:00+00:00,")  # 40 hours after 2024-03-29 23:00 UTC


@pytest.mark.parametrize("start", ["2024-03-30", "2024-10-26"])
def test_a_clock_without_offsets_is_read_with_the_option_that_the_error_leads_with(run, data, table, start):
    import pandas as pd

    stamps = pd.date_range(start, periods=60, freq="h", tz="Europe/Berlin")
    numbers = pd.DataFrame({"ds": stamps.tz_localize(None), "y": [float(t % 7) for t in range(60)]})
    numbers[:40].to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL, code=3).stderr
    assert "To fix this: if a clock was changed at that hour, name its zone, --season-zone ZONE" in said
    zone = ["--season-zone", "Europe/Berlin"]
    said = run("fit", data, "-o", "m", *SMALL, *zone).stderr
    assert "Stamps of the table without an offset were read as the clock of Europe/Berlin" in said
    assert run("forecast", "m").stdout.splitlines()[1].startswith(f"{stamps[40]},")
    assert run("forecast", "m", data).stdout.splitlines()[1].startswith(f"{stamps[40]},")
    numbers.to_csv(data, index=False)
    run("evaluate", "m", data)
    run("backtest", data, *SMALL, *zone)
    numbers[40:].to_csv(data, index=False)
    run("update", "m", data)
    assert run("forecast", "m").stdout.splitlines()[1].startswith(str(stamps[59] + pd.Timedelta(hours=1)))


def test_an_hour_that_no_row_tells_from_the_other_is_refused_with_line_and_option(run, data):
    hours = ["00:00", "01:00", "02:00", "03:00", "04:00", "05:00"]
    rows = [f"2024-10-27 {hour},{number}" for number, hour in enumerate(hours)]
    data.write_text("\n".join(["ds,y", *rows]))
    said = run("fit", data, "-o", "m", *SMALL, "--season-zone", "Europe/Berlin", code=3).stderr
    assert "row 2 (line 4 of the file): '2024-10-27 02:00'" in said
    assert "add the rows of the other hour" in said
    data.write_text("\n".join(["ds,y", *(row.replace("10-27", "03-31") for row in rows)]))
    said = run("fit", data, "-o", "m", *SMALL, "--season-zone", "Europe/Berlin", code=3).stderr
    assert "row 2 (line 4 of the file): '2024-03-31 02:00'" in said
    assert "leave --season-zone out" in said


def test_indian_groups_and_signs_of_currencies_are_told_their_options(run, data, table):
    table.assign(y=[f"1,{t + 10},106.88" for t in range(40)]).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL, code=3).stderr
    assert said.endswith("To fix this: give --thousands , for groups of two and three digits.\n")
    run("fit", data, "-o", "m", *SMALL, "--thousands", ",")
    table.assign(y=[f"\u20ac {t}.13" for t in range(40)]).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL, code=3).stderr
    assert said.endswith("To fix this: remove the sign \u20ac from the cells.\n")


def test_quarters_and_day_numbers_are_noted(run, data, table):
    quarters = [f"{2000 + t // 4}Q{t % 4 + 1}" for t in range(40)]
    table.assign(ds=quarters).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL).stderr
    assert "Column 'ds' of the table holds quarters: read as the stamps of their first days." in said
    assert run("forecast", "m", data).stdout.splitlines()[1].startswith("2010-01-01,")
    table.assign(ds=range(45000, 45040)).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL).stderr
    assert "look like Excel's day numbers (45000 is 2023-03-15): convert them to dates" in said
    assert run("forecast", "m").stdout.splitlines()[1].startswith("45040,")


def test_roles_that_were_given_are_not_advised_as_options(run, data, table):
    table.assign(k=table["y"] ** 2, z=1.0).to_csv(data, index=False)
    said = run("fit", data, "-o", "m", *SMALL, "--past", "z").stderr
    assert "name what is what: --target COLUMN, --future COLUMN." in said


def test_a_gap_under_covariates_known_ahead_is_mended_as_the_first_message_says(run, data, table):
    table.assign(k=1.0 * table.index).drop(index=20).to_csv(data, index=False)
    options = ["-o", "m", *SMALL, "--target", "y", "--future", "k"]
    said = run("fit", data, *options, code=3).stderr
    assert "add a row for each absent stamp" in said
    assert "and give --missing mask" in said
    table.assign(k=1.0 * table.index, y=table["y"].mask(table.index == 20)).to_csv(data, index=False)
    run("fit", data, *options, "--missing", "mask")
