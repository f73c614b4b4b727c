"""Anybody's own network as an estimator."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from torch import nn

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.networks.custom import CustomNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.errors import ArtifactError, SettingError
from timeseries.settings import setting, settings_class


@settings_class
class CustomModel(WindowRegressor):
    """Predict with a network that you bring.

    ``network`` is called with the `Sizes` of the data and returns an ``nn.Module`` that maps a `Window` to a
    forecast of shape (B, H, D, P). A model file names it; ``load(path, networks={name: network})`` supplies
    it, because nothing is ever imported on the word of a file.

    Examples
    --------
    >>> import numpy as np
    >>> class Linear(nn.Module):
    ...     def __init__(self, sizes):
    ...         super().__init__()
    ...         self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
    ...         self.map = nn.Linear(sizes.context * sizes.past, int(np.prod(self.shape)))
    ...
    ...     def forward(self, window):
    ...         return self.map(window.past.flatten(1)).unflatten(1, self.shape)  # (B, H, D, P)
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> CustomModel(network=Linear, sequence_length=8, epochs=3).fit(X, X[:, 0] ** 2).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "custom"

    network: Any = setting(None, "Makes the network: a class or function that takes the Sizes.", Callable)

    @property
    def title(self) -> str:
        """The network's own name."""
        return str(getattr(self.network, "__name__", type(self.network).__name__))

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        yield from super().problems()
        if self.network is None:
            yield "network must be a class or function that takes Sizes and returns an nn.Module"

    def stored_settings(self) -> dict[str, Any]:
        """Return every setting as a file can hold it: the network by its name."""
        return super().stored_settings() | {"network": self.title}

    @classmethod
    def restored_settings(cls, stored: dict[str, Any], networks: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a file with the caller's network in place of its name."""
        title = stored["network"]
        if title not in networks:
            raise ArtifactError(
                f"The file holds the weights of a network of your own, {title!r}. "
                f"Supply it: load(path, networks={{{title!r}: {title}}})."
            )
        return super().restored_settings(stored, networks) | {"network": networks[title]}

    def build_network(self, sizes: Sizes) -> ForecastNetwork:
        """Return this model's network with fresh weights."""
        try:
            module = self.network(sizes)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise SettingError(
                f"{self.title} could not make a network for {sizes}: {type(error).__name__}: {error}."
            ) from error
        if not isinstance(module, nn.Module) or not any(True for _ in module.parameters()):
            raise SettingError(
                f"{self.title} should make an nn.Module with parameters to train, but made {module!r:.200}."
            )
        return module if isinstance(module, ForecastNetwork) else CustomNetwork(module, sizes)
