"""How long threads wait for each other, as the OpenMP of PyTorch itself says when it is loaded."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from timeseries.deeplearning.openmp import CHOSEN_BY, TURNS

OF_GCC = list(Path(torch.__file__).parent.glob("lib/libgomp*.so*"))
pytestmark = pytest.mark.skipif(not OF_GCC, reason="PyTorch comes with another OpenMP here")


def turns_said(imports, **variables):
    """Run imports in a fresh process; return the turns that each OpenMP loaded there says it takes."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY}
    code = f"""
import os
before = [os.environ.get(name) for name in {CHOSEN_BY}]
{imports}
assert [os.environ.get(name) for name in {CHOSEN_BY}] == before
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"OMP_DISPLAY_ENV": "verbose"} | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", told)


@pytest.mark.parametrize(
    "imports",
    [
        "import timeseries.deeplearning, torch",
        "import timeseries.deeplearning.engine",
        "import timeseries.fitted",
    ],
)
def test_threads_wait_shortly_for_each_other_and_the_environment_stays_as_it_was(imports):
    assert (
        turns_said(imports).count(TURNS) == 1
    )  # scikit-learn's own, where it is loaded too, waits as it always does


@pytest.mark.parametrize("variables", [{"GOMP_SPINCOUNT": "77"}, {"OMP_WAIT_POLICY": "active"}])
def test_what_a_caller_has_set_stays(variables):
    imports = "import timeseries.deeplearning, torch"
    assert turns_said(imports, **variables) == turns_said("import torch", **variables) != [TURNS]


def test_where_pytorch_is_loaded_already_nothing_is_done():
    assert turns_said("import torch, timeseries.deeplearning") == turns_said("import torch") != [TURNS]
