"""The decomposing linear forecaster as an estimator."""

from collections.abc import Iterator
from numbers import Integral
from typing import ClassVar

from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.networks.dlinear import DLinearNetwork
from timeseries.deeplearning.window import Sizes
from timeseries.settings import Span, setting, settings_class


@settings_class
class DLinearModel(WindowRegressor):
    """Predict with two linear maps, of the window's trend and of the rest (Zeng et al. 2023).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.sin(np.arange(60.0))[:, None]
    >>> y = np.cos(np.arange(60.0))
    >>> DLinearModel(sequence_length=8, kernel_size=3, epochs=3).fit(X, y).predict(X).shape
    (60,)
    """

    name: ClassVar[str] = "dlinear"

    kernel_size: int = setting(
        25, "Steps of the moving average that is the trend.", Integral, low=1, search=Span(3, 25)
    )

    def problems(self) -> Iterator[str]:
        """Yield one sentence per setting that makes no sense, alone or beside the others."""
        found = list(super().problems())
        yield from found
        if not found and self.kernel_size > max(25, 4 * self.sequence_length):
            yield (
                f"kernel_size must be at most 25, or 4 times sequence_length={self.sequence_length}: more "
                f"repeats the ends of the window only, got {self.kernel_size}"
            )

    def build_network(self, sizes: Sizes) -> DLinearNetwork:
        """Return this model's network with fresh weights."""
        return DLinearNetwork(sizes, kernel_size=self.kernel_size)
