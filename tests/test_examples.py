"""Every example runs as a newcomer would run it, only shorter, and the notebook is as it was when it ran."""

import json
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORTER = {  # and what the first row of its table is: the simplest forecast
    "airpassengers": ((), "mae"),
    "energy_demand": (("--epochs", "1"), "the hour before"),
    "many_series": (("--steps", "10"), "last value"),
    "noisy_sine": (("--epochs", "1"), "last value"),
    "stock_prices": (("--epochs", "1"), "last price"),
}
NOTEBOOK = EXAMPLES / "forecasting.ipynb"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script in an empty folder, with data of that folder; return the lines that it prints."""

    def run_there(name, data):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TIMESERIES_DATA", str(data))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nowhere"))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *SHORTER[name][0]])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_there


def test_every_script_is_tested():
    assert sorted(SHORTER) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "airpassengers" else ()) for name in SHORTER],
)
def test_an_example_runs_without_data_and_leaves_what_it_promises(name, run, tmp_path):
    lines = run(name, data=tmp_path / "nowhere")
    table = next(
        number for number, line in enumerate(lines) if line.lstrip().startswith(("rmse", "RMSE", "mae"))
    )
    rows = lines[table:] if name == "airpassengers" else lines[table + 1 :]
    assert rows[0].startswith(SHORTER[name][1])
    if name in ("energy_demand", "stock_prices"):
        assert lines[0].startswith("Made-up")
    told = [line for line in lines if line.startswith("Written to")]
    assert len(told) == (name != "stock_prices")
    for line in told:
        folder, names = line.removeprefix("Written to ").split(": ")
        assert all((tmp_path / folder / file).stat().st_size > 100 for file in names.split(", "))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["energy_demand", "stock_prices"])
def test_an_example_takes_the_real_data_where_it_is(name, run, data_folder):
    lines = run(name, data=data_folder)
    assert lines[0].startswith(("Hourly demand of PJM East", "Daily prices in dollars of MMM, AXP"))


def cells(kind):
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == kind]


def test_the_cells_of_the_notebook_run_one_after_the_other():
    namespace, code = {}, ["".join(cell["source"]) for cell in cells("code")]
    for setting, shorter in {"max_steps=300": "max_steps=5", '"epochs": 10': '"epochs": 1'}.items():
        assert sum(setting in source for source in code) == 1
        code = [source.replace(setting, shorter) for source in code]
    for source in code:
        exec(source, namespace)  # in one namespace, as a kernel does
    assert namespace["again"].equals(namespace["answer"])


def test_the_notebook_is_stored_as_it_ran_and_small():
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.stat().st_size < 300_000
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = cells("code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert [output["output_type"] for output in cell["outputs"]] == [
            "execute_result"
        ]  # no error, no noise
        drawn = "".join(cell["source"]).splitlines()[-1].startswith("plot_")
        assert drawn == ("image/png" in cell["outputs"][0]["data"])
