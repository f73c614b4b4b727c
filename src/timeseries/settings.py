"""Settings: declared once, with their sentence and their bounds; checked together; unpacked from a config."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple, Self, TypeVar, dataclass_transform

import numpy as np

from timeseries.errors import LARGEST_WHOLE, SettingError, shown, unknown_name

Class = TypeVar("Class", bound=type)
TINY = 1e-12  # the smallest positive number that makes sense for a rate or a norm
EXPECTED: dict[Any, str] = {
    Integral: "a whole number",
    Real: "a number",
    str: "a name",
    tuple: "a sequence of numbers",
    bool: "True or False",
    Callable: "a class or function",
    Mapping: "a dictionary",
    (Real, str): "a number or a text",
    (Integral, str): "a whole number or 'auto'",
}


@dataclass(frozen=True)
class Span:
    """A range of numbers that a search draws from: whole ones, if both ends are.

    Parameters
    ----------
    low, high : int or float
        The smallest and the largest number.
    log : bool
        As many draws between 1 and 10 as between 10 and 100.

    Raises
    ------
    SettingError
        If these are no numbers, or span nothing.

    Examples
    --------
    >>> span = Span(16, 256, log=True)
    >>> 64 in span, 64.5 in span, 512 in span
    (True, False, False)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        ends: tuple[Any, Any] = (self.low, self.high)
        if any(isinstance(end, bool) or not isinstance(end, Real) for end in ends):
            raise SettingError(f"A Span goes from one number to another, got {shown(ends)}.")
        if not (np.isfinite(ends).all() and self.low < self.high and (self.low > 0 or not self.log)):
            raise SettingError(
                f"A Span needs a low below its high, and above 0 for draws by ratio, got {self!r}."
            )

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        ends: tuple[Any, Any] = (self.low, self.high)
        return all(isinstance(end, Integral) for end in ends)

    def __contains__(self, value: object) -> bool:
        kind = Integral if self.whole else Real
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high  # type: ignore[operator]

    def rvs(self, random_state: Any = None) -> float:
        """Draw one number, as distributions of scipy do: ``RandomizedSearchCV`` asks so.

        Parameters
        ----------
        random_state : numpy Generator or RandomState, optional
            What to draw with.
        """
        draw = np.random.default_rng() if random_state is None else random_state
        half = 0.5 if self.whole else 0.0  # the outermost whole numbers are as likely as others
        low, high = self.low - half, self.high + half
        number = float(
            np.exp(draw.uniform(np.log(low), np.log(high))) if self.log else draw.uniform(low, high)
        )
        return min(max(round(number) if self.whole else number, self.low), self.high)


class Rule(NamedTuple):
    """What values a setting may take, and the sentence that explains it."""

    help: str
    kind: Any
    low: float | None
    high: float | None
    choices: tuple[Any, ...]
    optional: bool
    several: bool = False
    callables: bool = False
    constant: bool = False
    search: Span | tuple[Any, ...] | None = None

    def problem(self, name: str, value: object) -> str | None:
        """Say what is wrong with ``value``, or None."""
        value = _own_number(value)
        if value is None and self.optional:
            return None
        if self.several and isinstance(value, (tuple, list)) and value:
            each = self._replace(several=False, optional=False)
            return next(filter(None, (each.problem(f"every {name}", part) for part in value)), None)
        if self.callables and callable(value):
            return None
        right_kind = isinstance(value, (tuple, list) if self.kind is tuple else self.kind)
        if self.kind == (Integral, str) and isinstance(value, str):
            right_kind = value in self.choices
        if not right_kind or (isinstance(value, bool) and self.kind is not bool):
            several = ", or several of them" if self.several else ""
            return f"{name} must be {EXPECTED[self.kind]}{several}, got {shown(value)}"
        if self.constant:
            only = self.choices[0]
            return None if value == only else f"{name} must be {only!r}, got {value!r}: {self.help}"
        if self.choices and isinstance(value, str) and value not in self.choices:
            return str(unknown_name(name.removeprefix("every "), value, known=self.choices)).rstrip(".")
        if self.kind in (Integral, Real, (Integral, str)) and not isinstance(value, str):
            return self._out_of_range(name, value)  # type: ignore[arg-type]
        return None

    def _out_of_range(self, name: str, value: float) -> str | None:
        largest = sys.float_info.max if self.kind is Real else LARGEST_WHOLE
        low = -largest if self.low is None else self.low
        high = largest if self.high is None else self.high
        if low <= value <= high:
            return None
        bounds = f"at least {low:g}" if self.high is None else f"between {low:g} and {high:g}"
        return f"{name} must be {bounds}, got {shown(value)}"


def setting(
    default: Any,
    help: str,
    kind: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    several: bool = False,
    callables: bool = False,
    search: Span | tuple[Any, ...] | None = None,
) -> Any:
    """Declare one setting: default, sentence, what it may be, and what a search tries.

    None is allowed if that is the default; with ``several``, a sequence of such values is allowed too, with
    ``callables`` any function. ``search`` is a range or a few values; without it no search varies the setting
    unless it is told to.
    """
    rule = Rule(
        help,
        kind,
        low,
        high,
        choices,
        optional=default is None,
        several=several,
        callables=callables,
        search=search,
    )
    return field(default=default, metadata={"rule": rule})


def constant(value: Any, why: str) -> Any:
    """Declare what is a choice in other libraries and none here: accepted by its name, stored nowhere."""
    rule = Rule(why, type(value), None, None, choices=(value,), optional=False, constant=True)
    return field(default=value, metadata={"rule": rule})


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(setting, constant))
def settings_class(cls: Class) -> Class:
    """Make a class of settings: keywords, or one ``config`` in the first place.

    ``config`` is taken out of the signature that scikit-learn reads to find an estimator's parameters.
    """
    made: Any = dataclass(kw_only=True, eq=False, repr=False)(cls)
    init = made.__init__
    signature = inspect.signature(init)
    kept = [parameter for name, parameter in signature.parameters.items() if name != "config"]
    init.__signature__ = signature.replace(parameters=kept)
    return made  # type: ignore[no-any-return]


@settings_class
class Settings:
    """Base of everything that is configured: a misspelt name is refused at once, the rest by one check."""

    config: InitVar[Any] = field(default=None, kw_only=False)

    def __new__(cls, config: Any = None, *more: Any, **settings: Any) -> Self:
        """Refuse a misspelt keyword with a hint, before Python refuses it without one.

        What else is wrong is told with it; alone it waits for the use: scikit-learn wants no error here.
        """
        if more or not (config is None or isinstance(config, Mapping)):
            told = ", ".join(map(shown, (config, *more)))
            raise SettingError(f"{cls.__name__} takes one dictionary of settings, or keywords, got {told}.")
        named: Mapping[str, Any] = config or {}
        if twice := [name for name in settings if name in named]:
            raise SettingError(
                f"{cls.__name__} was given {', '.join(twice)} twice: in config, and by keyword."
            )
        known = [f.name for f in fields(cls)]
        given = settings | dict(named)
        unknown = [name for name in given if name not in known]
        if unknown:
            refusal = unknown_name(f"{cls.__name__} setting", *unknown, known=known)
            made: Any = cls
            rest = made(**{name: given[name] for name in known if name in given})
            others = "; ".join(rest.problems())
            raise SettingError(str(refusal) + (f" Besides: {others}." if others else ""))
        return super().__new__(cls)

    def __post_init__(self, config: Any) -> None:
        for name, value in (config or {}).items():
            setattr(self, name, value)

    def settings(self) -> dict[str, Any]:
        """Return every setting by name."""
        return {name: getattr(self, name) for name in setting_names(type(self))}

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        for f in fields(self):
            problem = f.metadata["rule"].problem(f.name, getattr(self, f.name))
            if problem:
                yield problem

    def check_settings(self, *more: str) -> None:
        """Raise one SettingError that lists every problem, or return; numpy's numbers become Python's.

        Parameters
        ----------
        *more : str
            Problems that the settings have with what they are to be used on.

        Raises
        ------
        SettingError
            If there is any problem.
        """
        problems = [*self.problems(), *more]
        if problems:
            raise SettingError(f"{type(self).__name__}: {'; '.join(problems)}.")
        for name, value in self.settings().items():
            setattr(self, name, _own_number(value))  # torch and model files take no others


def setting_names(cls: type[Settings]) -> list[str]:
    """Return the names of all settings of a class, in the order of declaration; a constant is none."""
    return [f.name for f in fields(cls) if not f.metadata["rule"].constant]


def _own_number(value: Any) -> Any:
    """Return a setting with Python's numbers in place of numpy's."""
    if isinstance(value, (tuple, list)) and any(isinstance(part, np.generic) for part in value):
        return type(value)(map(_own_number, value))
    return value.item() if isinstance(value, np.generic) else value
