"""The exception tree: complete, and each class is also the builtin that callers expect."""

import inspect
import pickle

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
