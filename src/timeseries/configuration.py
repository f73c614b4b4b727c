"""What a forecaster is told before it sees a table: an estimator of its own, the levels of its answers."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import clone

from timeseries.deeplearning.losses import QUANTILE_LOSSES
from timeseries.deeplearning.models import CustomModel, WindowRegressor, model_class
from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.errors import SettingError, shown, unknown_name
from timeseries.panel import TableLayout
from timeseries.recipes import NAMES, OF_SEASON, RECIPES, Recipe
from timeseries.settings import Settings, setting_names

COVERAGE = (0.8, 0.95)  # intervals that every forecast carries unless told otherwise
WIDEST = 0.9999  # share that an interval can be asked to cover
OWN_SETTINGS = ("horizon", "context_length", "coverage", "lower", "upper", "integer", "target_transform")
WINDOW_SETTINGS = ("sequence_length", "horizon", "input_size", "output_size")  # the forecaster sets these
VERBS = ("fit", "backtest", "predict", "update", "evaluate", "save")


def settings_of(model: str) -> list[str]:
    """Return the names of the settings of a named model that a forecaster does not set itself."""
    return _settings(_named(model)[1])


def shared_settings() -> list[str]:
    """Return the names of the settings that every model has and a forecaster does not set itself."""
    return _settings(TrainingSettings)


def _named(model: str) -> tuple[Recipe, type[WindowRegressor]]:
    """Return the recipe of a name and its estimator."""
    if model not in NAMES:
        raise unknown_name("model", model, known=NAMES)
    recipe = RECIPES[model]
    return recipe, model_class(recipe.model)


def _settings(made: type[Settings]) -> list[str]:
    return [name for name in setting_names(made) if name not in WINDOW_SETTINGS]


def _refuse_unknown(names: Sequence[str], known: Sequence[str], forecaster: type[Any]) -> None:
    """Refuse names that are no setting: say which verb takes them, else what their nearest are."""
    verbs = {name: [verb for verb in VERBS if _takes(getattr(forecaster, verb), name)] for name in names}
    told = [_argument_of(name, takers) for name, takers in verbs.items() if takers]
    if strange := [name for name, takers in verbs.items() if not takers]:
        told.append(str(unknown_name("Forecaster setting", *strange, known=known)))
    if told:
        raise SettingError(" ".join(told))


def _argument_of(name: str, verbs: Sequence[str]) -> str:
    last = f"{verbs[-1]}()" if len(verbs) == 1 else f"{'(), '.join(verbs[:-1])}() and {verbs[-1]}()"
    return (
        f"{name} is no setting of a Forecaster, but an argument of {last}. "
        f"Give it there: forecaster.{verbs[0]}(..., {name}=...)."
    )


def _takes(verb: Callable[..., Any], name: str) -> bool:
    """Tell whether a verb has a keyword of that name."""
    parameter = signature(verb).parameters.get(name)
    return parameter is not None and parameter.kind is parameter.KEYWORD_ONLY


def make_estimator(
    model: Any, settings: dict[str, Any], forecaster: type[Any]
) -> tuple[WindowRegressor, bool]:
    """Return an unfitted estimator of its own, and whether its patches are to be one season long.

    Parameters
    ----------
    model : str, estimator or network class
        As `Forecaster` takes it.
    settings : dict
        Of the model, beside or in place of those of its recipe.
    forecaster : class
        Whose verbs are named where a setting is an argument of one of them.

    Raises
    ------
    SettingError
        If there is no such model or setting.
    """
    recipe = Recipe("", {}, "")
    if isinstance(model, str) and model == "auto":
        raise SettingError(
            "A Forecaster is one model. choose_model(df, horizon=...) tries several on your table and "
            "returns the best of them as a fitted Forecaster."
        )
    if isinstance(model, WindowRegressor):
        made: type[WindowRegressor] = type(model)
    elif isinstance(model, str):
        recipe, made = _named(model)
    elif callable(model) and not (isinstance(model, type) and issubclass(model, WindowRegressor)):
        recipe, made = RECIPES["custom"], CustomModel
        settings = settings | {"network": model}
    else:
        raise SettingError(
            f"model must be a name such as 'lstm', an estimator such as LSTMModel(), or a class that makes a "
            f"network, got {shown(model)}. Names: {', '.join(NAMES)}."
        )
    known = _settings(made)
    columns = [f.name for f in fields(TableLayout)]
    unknown = [name for name in settings if name not in known]
    _refuse_unknown(unknown, [*OWN_SETTINGS, *known, *columns], forecaster)
    chosen = recipe.settings | settings
    of_season = isinstance(patch := chosen.get("patch_length"), str) and patch == OF_SEASON
    if of_season:
        chosen = {name: value for name, value in chosen.items() if name != "patch_length"}
    if isinstance(model, WindowRegressor):
        return clone(model).set_params(**chosen), of_season
    return made(**chosen), of_season


def season_patch(context: int, season: int) -> int:
    """Return how many steps a recurrence reads at once: a season, if the window holds two of them.

    Else the window is read in eight patches.

    Examples
    --------
    >>> season_patch(168, season=24), season_patch(96, season=1), season_patch(6, season=12)
    (24, 12, 1)
    """
    return season if 1 < season <= context // 2 else max(1, context // 8)


def wanted_levels(
    coverage: float | Sequence[float] | None, quantiles: Sequence[float] | None
) -> tuple[float, ...] | None:
    """Return the levels of the intervals that are to cover these shares, and of the quantiles; None for none.

    Examples
    --------
    >>> wanted_levels(None, None)
    (0.025, 0.1, 0.5, 0.9, 0.975)
    """
    given: Any = coverage
    if given is None:
        shares: list[Any] = list(COVERAGE if quantiles is None else ())
    else:
        several = isinstance(given, (tuple, list, np.ndarray)) and getattr(given, "ndim", 1) > 0
        shares = list(given) if several else [given]
        if not shares:
            return None
    wrong = [share for share in shares if not (isinstance(share, float) and 0 < share <= WIDEST)]
    if wrong:
        raise SettingError(
            f"coverage must hold shares between 0 and 1, at most {WIDEST}, such as (0.8, 0.95), "
            f"got {shown(wrong[0])}."
        )
    ends = {round(end, 10) for share in shares for end in ((1 - share) / 2, (1 + share) / 2)}
    return tuple(sorted(ends | {0.5, *_floats(quantiles)}))


def choose_levels(
    coverage: float | Sequence[float] | None, estimator: WindowRegressor
) -> tuple[float, ...] | None:
    """Return the levels of the intervals, None for none; a pinball loss without quantiles learns them.

    Raises
    ------
    SettingError
        If a share makes no sense, or two levels would share a column.
    """
    levels = wanted_levels(coverage, estimator.quantiles)
    _refuse_levels_alike(_floats(estimator.quantiles) if levels is None else levels)
    is_pinball = isinstance(estimator.loss, str) and estimator.loss in QUANTILE_LOSSES
    if is_pinball and estimator.quantiles is None:
        estimator.set_params(quantiles=levels)
    return levels


def _floats(quantiles: object) -> tuple[float, ...]:
    """Return the levels among what was given as quantiles; what else is there, the model refuses at fit."""
    several = quantiles if isinstance(quantiles, (tuple, list)) else ()
    return tuple(level for level in several if isinstance(level, float))


def _refuse_levels_alike(levels: Sequence[float]) -> None:
    """Refuse levels that the columns of the answer would show as one."""
    for low, high in pairwise(levels):
        if f"{low:g}" == f"{high:g}":
            raise SettingError(
                f"The levels {low!r} and {high!r} would share the column of the {low:g} quantile: they agree "
                "to six digits. Ask for one of them in coverage and quantiles."
            )
