"""The exception tree: complete, and each class is also the builtin that callers expect."""

import inspect

import pytest

from timeseries import errors


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
