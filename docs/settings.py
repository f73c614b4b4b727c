"""Write docs/settings.md: every setting of every model, from the declarations themselves.

python docs/settings.py
"""

from dataclasses import fields
from pathlib import Path

from timeseries.deeplearning.models import MODELS, WindowRegressor
from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.recipes import RECIPES
from timeseries.settings import Span

PAGE = Path(__file__).parent / "settings.md"
HEAD = """# Settings

Every setting is a keyword of an estimator (`LSTMModel(hidden_size=128)`), an entry of its `config`, a keyword
of `Forecaster("lstm", ...)`, and `--set hidden_size=128` on the command line. Defaults are those of the
estimators; `Forecaster` starts from the recipe of the name, listed at the end; it calls `sequence_length`
`context_length`, and finds `input_size` and `output_size` in the table. This page is written by
`make docs` from the declarations in the code. What `tune` tries where it is not told otherwise is said too
([tuning.md](tuning.md)).
"""


def searched(tried: Span | tuple | None) -> str:
    """Return the sentence that says what a search tries."""
    if tried is None:
        return ""
    if isinstance(tried, Span):
        return f" Searched from {tried.low:g} to {tried.high:g}{', by ratio' if tried.log else ''}."
    return f" Searched among {', '.join(map(str, tried))}."


def table(cls: type, skipped: frozenset[str] = frozenset()) -> str:
    """Return the settings that a class declares, as a table."""
    rows = ["| setting | default | |", "|---|---|---|"]
    for field in fields(cls):
        rule = field.metadata.get("rule")
        if rule is None or field.name in skipped:
            continue
        named = ", ".join(f"`{choice}`" for choice in rule.choices)
        choices = f" One of {named}." if len(rule.choices) > 1 else ""
        rows.append(f"| `{field.name}` | `{field.default!r}` | {rule.help}{choices}{searched(rule.search)} |")
    return "\n".join(rows)


def page() -> str:
    """Return the whole page."""
    shared = frozenset(field.name for field in fields(WindowRegressor))
    parts = [HEAD, "## Of every model\n", table(TrainingSettings), ""]
    for name, cls in MODELS.items():
        parts += [f"## `{name}`: {cls.__name__}\n", table(cls, shared), ""]
    parts += ["## Recipes\n", "| name | model | settings | |", "|---|---|---|---|"]
    for name, recipe in RECIPES.items():
        chosen = ", ".join(f"`{key}={value!r}`" for key, value in recipe.settings.items())
        parts.append(f"| `{name}` | `{recipe.model}` | {chosen} | {recipe.purpose} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
