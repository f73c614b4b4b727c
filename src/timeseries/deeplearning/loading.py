"""``load`` under one name in two ways: on a class it makes a new object, on an object it replaces it."""

from collections.abc import Callable
from os import PathLike
from typing import Any


class LoadEitherWay:
    """Call ``_load(path)`` on the object, or on a new object of the class, and return that object."""

    def __get__(self, instance: Any, owner: type[Any]) -> Callable[[str | PathLike[str]], Any]:
        cls: Any = owner

        def load(path: str | PathLike[str]) -> Any:
            target = cls.__new__(cls) if instance is None else instance
            return target._load(path)

        return load
