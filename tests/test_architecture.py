"""Rules about the code itself, so that they are kept without anybody remembering them."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import timeseries
from timeseries.deeplearning.models import MODELS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
LAYERS = [  # a module may import from the lines above its own, and from its own package
    ["timeseries", "timeseries.errors"],
    ["timeseries.memory", "timeseries.process", "timeseries.notes", "timeseries.segments"],
    ["timeseries.settings", "timeseries.windows", "timeseries.splits", "timeseries.leakage"],
    ["timeseries.guidance", "timeseries.recipes"],
    ["timeseries.normalization", "timeseries.metrics", "timeseries.baselines", "timeseries.intervals"],
    ["timeseries.in_sample", "timeseries.combination", "timeseries.units"],
    ["timeseries.steps"],
    ["timeseries.frequency"],
    ["timeseries.tables"],
    ["timeseries.features", "timeseries.target_transforms"],
    ["timeseries.panel"],
    ["timeseries.answers", "timeseries.backtesting", "timeseries.transformed"],
    ["timeseries.deeplearning"],
    ["timeseries.deeplearning.window", "timeseries.deeplearning.runtime", "timeseries.deeplearning.plan"],
    ["timeseries.deeplearning.history"],
    [
        "timeseries.deeplearning.progress",
        "timeseries.deeplearning.callbacks",
        "timeseries.deeplearning.snapshots",
    ],
    [
        "timeseries.deeplearning.losses",
        "timeseries.deeplearning.optimizers",
        "timeseries.deeplearning.loading",
    ],
    ["timeseries.deeplearning.strict_json", "timeseries.deeplearning.atomic_file"],
    ["timeseries.deeplearning.artifact_format"],
    ["timeseries.deeplearning.artifact_file"],
    ["timeseries.datasets", "timeseries.deeplearning.artifact"],
    ["timeseries.deeplearning.layers"],
    ["timeseries.deeplearning.inventory"],
    ["timeseries.deeplearning.gather", "timeseries.deeplearning.checkpoint"],
    [
        "timeseries.deeplearning.augmentation",
        "timeseries.deeplearning.crowding",
        "timeseries.deeplearning.loss_record",
        "timeseries.deeplearning.networks",
    ],
    [
        "timeseries.deeplearning.one_step",
        "timeseries.deeplearning.trainer",
        "timeseries.deeplearning.training_settings",
    ],
    ["timeseries.deeplearning.compiled_step", "timeseries.deeplearning.engine"],
    ["timeseries.deeplearning.stepper"],
    ["timeseries.deeplearning.packing", "timeseries.deeplearning.rehearsal"],
    ["timeseries.deeplearning.models"],
    ["timeseries.fitted"],
    ["timeseries.continuation", "timeseries.storage", "timeseries.configuration"],
    ["timeseries.fitting", "timeseries.fitted_ensemble", "timeseries.streaming"],
    ["timeseries.ensemble_fitting", "timeseries.ensemble_storage", "timeseries.table_forecaster"],
    ["timeseries.forecaster", "timeseries.study"],
    ["timeseries.named_forecasters"],
    ["timeseries.ensemble", "timeseries.comparison"],
    ["timeseries.tuning", "timeseries.choosing"],
    ["timeseries.plotting"],
    ["timeseries.cli"],
    ["timeseries.__main__"],
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def place(module):
    """Return the entry of LAYERS that a module belongs to: itself, or its nearest package."""
    while module not in RANK:
        module = module.rpartition(".")[0]
    return module


@cache
def modules():
    """Return name and syntax tree of every module."""
    paths = sorted(SOURCE.rglob("*.py"))
    names = [".".join(p.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for p in paths]
    return [(name, ast.parse(path.read_text())) for name, path in zip(names, paths, strict=True)]


def imports(name, tree):
    """Yield every module of ours that a module imports, inside functions too."""
    known = {other for other, _ in modules()}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("timeseries"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("timeseries"))


def test_imports_point_one_way():
    wrong = [
        f"{name} imports {other}"
        for name, tree in modules()
        if name != "timeseries"  # it names the public parts, and imports them when they are asked for
        for other in imports(name, tree)
        if RANK[place(other)] >= RANK[place(name)] and place(other) != place(name)
    ]
    assert wrong == []


def test_every_module_has_a_place_in_the_layers():
    packages = {"timeseries", "timeseries.deeplearning"}
    assert [name for name, _ in modules() if place(name) in packages and name not in packages] == []


def test_networks_and_trainer_never_meet():
    for name, tree in modules():
        others = set(imports(name, tree))
        if name.startswith("timeseries.deeplearning.networks"):
            assert not any(other.endswith(("trainer", "gather", "losses", "optimizers")) for other in others)
        if name == "timeseries.deeplearning.trainer":
            assert not any(".networks" in other or ".models" in other for other in others)


def test_only_the_trainer_calls_backward():
    callers = [name for name, tree in modules() if ".backward(" in ast.unparse(tree)]
    assert callers == ["timeseries.deeplearning.trainer"]


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("torch", ("timeseries.deeplearning",)),
        ("click", ("timeseries.cli",)),
        ("rich", ("timeseries.deeplearning.progress",)),
        ("matplotlib", ("timeseries.plotting",)),
        ("numba", ("timeseries.deeplearning.compiled_step",)),
        ("optuna", ("timeseries.study",)),
        ("safetensors", ("timeseries.deeplearning.artifact",)),
    ],
)
def test_a_package_is_imported_in_its_home_alone(package, homes):
    for name, tree in modules():
        found = {
            alias
            for node in ast.walk(tree)
            for alias in (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if alias.split(".")[0] == package
        }
        assert not found or name.startswith(homes), f"{name} imports {package}"


def test_nothing_can_run_code_from_a_file():
    forbidden = {"pickle", "joblib", "marshal", "eval", "exec", "__import__"}
    forbidden |= {"torch.load", "torch.export", "torch.jit", "torch.package"}  # docs/audit.md
    for name, tree in modules():
        used = {ast.unparse(n) for n in ast.walk(tree) if isinstance(n, (ast.Name, ast.Attribute))}
        used |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        used |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not used & forbidden, name
        assert "import_module" not in used or name == "timeseries"  # which imports from its own table alone


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_library_imports_nothing_that_takes_time():
    slow = ("torch", "pandas", "sklearn", "rich")
    code = f"import sys, timeseries; print([m for m in {slow} if m in sys.modules])"
    assert python(code).strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["tune", "--help"], ["--version"]])
def test_help_needs_neither_torch_nor_pandas(arguments):
    code = f"""
import sys
from timeseries.cli import main
try:
    main({arguments!r})
except SystemExit:
    print([m for m in ("torch", "pandas", "sklearn", "numpy") if m in sys.modules])
"""
    assert python(code).splitlines()[-1] == "[]"


def test_inspecting_a_file_needs_no_torch():
    code = (
        "import sys, timeseries.deeplearning.artifact; print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    assert python(code).strip() == "False False"


def test_the_public_names_are_these_and_all_can_be_had():
    others = [
        "Backtest",
        "Callback",
        "Checkpoints",
        "Choice",
        "DataNormalizer",
        "Ensemble",
        "Forecaster",
        "MLflowCallback",
        "Panel",
        "Span",
        "TableLayout",
        "TensorBoardCallback",
        "TuningResult",
        "choose_model",
        "create_sequences",
        "load_airpassengers",
        "load_dataset",
        "plot_attention",
        "plot_backtest",
        "plot_error_by_step",
        "plot_forecast",
        "plot_learning_rate",
        "plot_losses",
        "plot_predictions",
        "plot_residuals",
        "plot_tuning",
        "search_space",
        "train_model",
        "tune",
    ]
    assert timeseries.__all__ == sorted([*others, *(made.__name__ for made in MODELS.values())])
    for name in timeseries.__all__:
        assert getattr(timeseries, name).__name__ == name
    with pytest.raises(AttributeError, match="Did you mean 'Forecaster'"):
        timeseries.Forcaster  # noqa: B018


def test_the_default_install_brings_at_most_thirty_distributions():
    found, pending = set(), ["timeseries-deeplearning"]
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            if _applies(line):
                pending.append(re.match(r"[\w.-]+", line)[0])
    assert {"torch", "pandas"} < found
    assert len(found) <= 30, sorted(found)


def _applies(requirement):
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate({"extra": ""})


def test_the_code_names_the_licence_and_the_version_once():
    assert timeseries.__version__ == importlib.metadata.version("timeseries-deeplearning")
    assert "Apache License" in (ROOT / "LICENSE").read_text()
