"""``load`` under one name in two ways: on a class it makes a new object, on an object it replaces it."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from timeseries.errors import SettingError, require_path, shown


class LoadEitherWay:
    """Call ``_load(path, networks)`` on the object, or on a new object of the class, and return it."""

    def __get__(self, instance: Any, owner: type[Any]) -> Callable[..., Any]:
        cls: Any = owner

        def load(path: str | PathLike[str], *, networks: Mapping[str, Any] | None = None) -> Any:
            """Read a model from its file; nothing is changed when the file is refused.

            Parameters
            ----------
            path : path
                The file that ``save`` wrote.
            networks : mapping of str to class or function, optional
                Networks of your own by the name that the file gives: a file can name one, never bring it.

            Returns
            -------
            The loaded object: a new one of the class, or the object itself, replaced.

            Raises
            ------
            SettingError
                When ``path`` is no path.
            ArtifactError
                When a byte of the file changed, a part is missing, or a network is not supplied.
            """
            require_path(path)
            if networks is not None and not isinstance(networks, Mapping):
                raise SettingError(f"networks must map names to networks, got {shown(networks)}.")
            target = cls.__new__(cls) if instance is None else instance
            return target._load(path, networks or {})

        return load
