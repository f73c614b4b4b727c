"""What columns become, and how a table says so."""

import numpy as np
import pandas as pd
import pytest

from timeseries.panel import Panel, TableLayout

FRAME = pd.DataFrame({"ds": range(4), **{name: np.arange(4.0) ** 2 for name in "abcd"}})


@pytest.mark.parametrize(
    ("layout", "advice"),
    [
        ({}, "If some are covariates, name what is what: target='...', past=['...'], future=['...']."),
        ({"past": "d"}, "If some are more covariates, name what is what: target='...', future=['...']."),
        ({"future": ["d"]}, "If some are more covariates, name what is what: target='...', past=['...']."),
        ({"past": "c", "future": "d"}, "If some are more covariates, name what is what: target='...'."),
    ],
)
def test_roles_that_were_given_are_not_asked_for(layout, advice):
    notes = " ".join(Panel.from_frame(FRAME, TableLayout(**layout)).notes)
    assert "Every column of numbers is a series of its own" in notes
    assert advice in notes


@pytest.mark.parametrize("layout", [{"target": "a"}, {"past": ["b", "c", "d"]}])
def test_a_single_target_needs_no_word_about_roles(layout):
    assert "name what is what" not in " ".join(Panel.from_frame(FRAME, TableLayout(**layout)).notes)
