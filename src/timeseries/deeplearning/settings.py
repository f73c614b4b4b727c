"""Settings: declared once, with their sentence and their bounds; checked together; unpacked from a config."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import InitVar, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

from timeseries.errors import SettingError, unknown_name

EXPECTED: dict[type, str] = {
    Integral: "a whole number",
    Real: "a number",
    str: "a name",
    tuple: "a sequence of numbers",
}


class Rule(NamedTuple):
    """What values a setting may take, and the sentence that explains it."""

    help: str
    kind: type
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    optional: bool

    def problem(self, name: str, value: object) -> str | None:
        """Say what is wrong with ``value``, or None."""
        if value is None and self.optional:
            return None
        right_kind = isinstance(value, (tuple, list)) if self.kind is tuple else isinstance(value, self.kind)
        if self.kind is bool:
            return None if right_kind else f"{name} must be True or False, got {value!r}"
        if not right_kind or isinstance(value, bool):
            return f"{name} must be {EXPECTED[self.kind]}, got {value!r}"
        if self.choices and value not in self.choices:
            return str(unknown_name(name, value, self.choices)).rstrip(".")
        if self.kind in (Integral, Real):
            return self._out_of_range(name, value)  # type: ignore[arg-type]
        return None

    def _out_of_range(self, name: str, value: float) -> str | None:
        low, high = self.low, self.high
        if math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high):
            return None
        bounds = f"between {low:g} and {high:g}" if high is not None else f"at least {low:g}"
        return f"{name} must be {bounds}, got {value!r}"


def setting(
    default: Any,
    help: str,
    kind: type,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one setting: default, sentence, and what it may be (None too, if that is the default)."""
    rule = Rule(help, kind, low, high, choices, optional=default is None)
    return field(default=default, metadata={"rule": rule})


TINY = 1e-12  # the smallest positive number that makes sense for a rate or a norm


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingSettings:
    """What every model can be told about its windows and its training, whatever its network.

    ``config`` may hold any of the settings by name and wins over the keywords.
    """

    config: InitVar[Any] = field(default=None, kw_only=False)
    input_size: int | None = setting(
        None, "Features of one row; taken from the data when absent.", Integral, low=1
    )
    output_size: int | None = setting(None, "Targets; taken from the data when absent.", Integral, low=1)
    sequence_length: int = setting(20, "Rows of one window (the context).", Integral, low=1)
    horizon: int = setting(1, "Steps to forecast.", Integral, low=1)
    epochs: int = setting(100, "Passes over all training windows, at most.", Integral, low=1)
    batch_size: int = setting(32, "Windows of one optimiser step.", Integral, low=1)
    learning_rate: float = setting(1e-3, "Step size of the optimiser.", Real, low=TINY)
    optimizer: str = setting("adam", "How gradients become steps.", str, choices=("adam",))
    loss: str = setting("mse", "What training makes small.", str, choices=("mse", "pinball"))
    quantiles: tuple[float, ...] | None = setting(
        None, "Levels forecast with loss='pinball', 0.5 among them.", tuple
    )
    clip_norm: float | None = setting(
        None, "Largest gradient norm of one step; None: no limit.", Real, low=TINY
    )
    patience: int | None = setting(
        None, "Epochs without a better validation loss before training stops; None: never.", Integral, low=1
    )
    instance_norm: bool = setting(
        False, "Give each window zero mean and unit deviation, and undo it in the forecast.", bool
    )
    device: str = setting("cpu", "Where the network runs.", str, choices=("cpu", "cuda", "mps"))
    seed: int = setting(0, "Decides the initial weights, the order of windows and dropout.", Integral, low=0)

    def __new__(cls, config: Any = None, **settings: Any) -> Self:
        """Refuse a misspelt keyword with a hint, before Python refuses it without one."""
        known = setting_names(cls)
        for name in [*settings, *(config if isinstance(config, Mapping) else {})]:
            if name not in known:
                raise unknown_name(f"{cls.__name__} setting", name, known)
        return super().__new__(cls)

    def __post_init__(self, config: Any) -> None:
        if config is not None and not isinstance(config, Mapping):
            self.unusable_config = config  # problems() reports it: scikit-learn wants no error here
            return
        for name, value in (config or {}).items():
            setattr(self, name, value)

    def settings(self) -> dict[str, Any]:
        """Return every setting by name."""
        return {name: getattr(self, name) for name in setting_names(type(self))}

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        if hasattr(self, "unusable_config"):
            yield f"config must be a dictionary of settings, got {self.unusable_config!r}"
        for f in fields(self):
            problem = f.metadata["rule"].problem(f.name, getattr(self, f.name))
            if problem:
                yield problem
        levels = self.quantiles
        if self.loss == "pinball":
            if not levels or 0.5 not in levels:
                yield f"quantiles must name the levels to forecast, 0.5 among them, got {levels!r}"
            elif list(levels) != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1:
                yield f"quantiles must increase strictly between 0 and 1, got {levels!r}"
        elif levels is not None:
            yield f"quantiles need loss='pinball', but loss is {self.loss!r}"

    def check_settings(self) -> None:
        """Raise one SettingError that lists every problem, or return."""
        problems = list(self.problems())
        if problems:
            raise SettingError(f"{type(self).__name__}: {'; '.join(problems)}.")


def setting_names(cls: type[TrainingSettings]) -> list[str]:
    """Return the names of all settings of a model class, in the order of declaration."""
    return [f.name for f in fields(cls)]
