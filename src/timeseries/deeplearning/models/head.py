"""Settings of the layers between what a network has read and its forecast."""

from numbers import Integral, Real

from timeseries.deeplearning.layers.activations import ACTIVATIONS
from timeseries.deeplearning.layers.heads import HeadShape
from timeseries.settings import setting, settings_class


@settings_class
class HeadSettings:
    """For models whose network ends in a head; they derive from it, beside `WindowRegressor`."""

    head_sizes: tuple[int, ...] | int | None = setting(
        None,
        "Width of the hidden layer between what was read and the forecast; several numbers are one each.",
        Integral,
        low=1,
        high=16_384,
        several=True,
    )
    head_activation: str = setting(
        "relu", "Of the hidden layers of the head.", str, choices=tuple(ACTIVATIONS)
    )
    head_dropout: float = setting(
        0.0, "Share dropped of what was read, and of the head's hidden layers.", Real, low=0, high=0.99
    )

    def head_shape(self) -> HeadShape:
        """Return the head that these settings describe."""
        sizes = self.head_sizes
        hidden = () if sizes is None else (sizes,) if isinstance(sizes, int) else tuple(sizes)
        return HeadShape(hidden_sizes=hidden, activation=self.head_activation, dropout=self.head_dropout)
