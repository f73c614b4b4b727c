"""The exception tree: complete, and each class is also the builtin that callers expect."""

import inspect
import pickle
import re
from pathlib import Path

import pytest

from timeseries import errors
from timeseries.forecaster import Forecaster


def classes():
    return [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.TimeSeriesError)
    ]


@pytest.mark.parametrize("cls", classes(), ids=lambda c: c.__name__)
def test_every_exception_is_drawn_in_the_tree_with_its_builtin(cls):
    line = next(line for line in errors.__doc__.splitlines() if cls.__name__ in line)
    builtins = [base.__name__ for base in cls.__bases__ if not issubclass(base, errors.TimeSeriesError)]
    assert cls is errors.TimeSeriesError or all(name in line for name in builtins)


def test_a_missing_extra_prints_the_install_command():
    with pytest.raises(ImportError, match=r"pip install 'timeseries-deeplearning\[plot\]'"):
        raise errors.MissingExtraError("matplotlib", "plot")


def test_an_error_about_data_survives_pickling_with_its_place():
    place = {"file": "a.csv", "series": "a", "column": "y", "row": 0, "line": 2, "time": 5, "value": "x"}
    error = pickle.loads(pickle.dumps(errors.DataError("bad", **place)))
    assert (str(error), error.where) == ("bad", place)
    assert (error.column, error.line) == ("y", 2)
    assert errors.DataError("bad").where == {}


def test_a_model_file_that_is_not_there_is_refused_in_both_families(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*nowhere'") as caught:
        Forecaster.load(tmp_path / "nowhere")
    assert isinstance(caught.value, errors.ArtifactError)
    assert caught.value.filename == str(tmp_path / "nowhere")


def test_the_documented_table_lists_every_exception_with_its_code_exit_code_and_example():
    document = (Path(__file__).parents[1] / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(TS-\w+)` \| `(\w+)` \| (\d+) \| .+ \|$", document, flags=re.MULTILINE)
    assert sorted(rows) == sorted((c.code, c.__name__, str(c.exit_code)) for c in classes())
    examples = re.findall(r"^### (TS-\w+)$", document, flags=re.MULTILINE)
    assert sorted(examples) == sorted(c.code for c in classes())


def test_the_command_lines_own_codes_are_documented():
    root = Path(__file__).parents[1]
    used = re.findall(r"\"(TS-\w+)\"", (root / "src/timeseries/cli/endings.py").read_text(encoding="utf-8"))
    document = (root / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [code for code in used if f"`{code}`" not in document] == []


@pytest.mark.parametrize(
    "value",
    [10**5000, "x" * 10**6, [[[]]], object(), "two\nlines"],
    ids=["digits", "long", "nested", "object", "lines"],
)
def test_any_value_can_be_written_into_a_message_on_one_line(value):
    text = errors.shown(value)
    assert 0 < len(text) < 300
    assert "\n" not in text
