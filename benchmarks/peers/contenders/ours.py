"""The library of this project: a network whose settings are given, recipes, and the network alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from contenders.protocol import LEARNING_RATE, Floats, Network
from contenders.series import long_table
from timeseries import Backtest, Forecaster, GRUModel, LSTMModel, Panel, RNNModel, TableLayout
from timeseries.backtesting import backtest
from timeseries.deeplearning.window import Window

if TYPE_CHECKING:
    import pandas as pd

MODELS = {"LSTM": LSTMModel, "GRU": GRUModel, "RNN": RNNModel}
EPOCHS = 1_000_000  # so that the number of steps decides


class PlainNetwork:
    """Forecaster with an estimator. Without intervals it fits once, as the others do."""

    distribution: ClassVar[str] = "timeseries-deeplearning"

    def data(self, network: Network, values: Floats) -> "pd.DataFrame":
        return long_table(values)

    def forecaster(self, network: Network, steps: int, seed: int) -> Forecaster:
        """Return what is fitted."""
        model = MODELS[network.cell](
            hidden_size=network.hidden,
            num_layers=network.layers,
            dropout=0.0,
            batch_size=network.batch,
            learning_rate=LEARNING_RATE,
            epochs=EPOCHS,
            max_steps=steps,
            seed=seed,
            precision=network.precision,
        )
        return Forecaster(model, **self.answers(network))

    def answers(self, network: Network) -> dict[str, Any]:
        """Return what the forecaster is asked for."""
        asked = {"horizon": network.horizon, "context_length": network.context}
        return asked if network.intervals else asked | {"coverage": ()}

    def fit(self, network: Network, data: "pd.DataFrame", steps: int, seed: int) -> Forecaster:
        return self.forecaster(network, steps, seed).fit(data)

    def predict(self, fitted: Forecaster, data: "pd.DataFrame") -> Any:
        return fitted.predict()

    def roll(self, fitted: Forecaster, data: "pd.DataFrame", windows: int) -> Any:
        """Do the whole job of a backtest: read the table, forecast, score model and baselines."""
        panel = Panel.from_frame(data, TableLayout())
        result = backtest(lambda _: fitted.fitted_, panel, horizon=fitted.horizon, windows=windows, step=1)
        result.table()
        return result

    def forecasts(self, rolled: Backtest) -> Floats:
        point = rolled.point[..., 0]  # (S * W, H), series by series, the earliest origin first
        return point.reshape(len(set(rolled.ids)), -1, point.shape[1])  # (S, W, H)


class Recipe(PlainNetwork):
    """Forecaster with a recipe, whose network is its own; only the number of steps is told."""

    recipe: ClassVar[str]

    def forecaster(self, network: Network, steps: int, seed: int) -> Forecaster:
        settings = {"max_steps": steps, "epochs": EPOCHS, "seed": seed}
        return Forecaster(self.recipe, **self.answers(network), **settings)


class LSTMRecipe(Recipe):
    """The default."""

    recipe = "lstm"


class StackedRecipe(Recipe):
    """Two layers of 64 that read step by step."""

    recipe = "lstm_stacked"


class NLinearRecipe(Recipe):
    """One linear map."""

    recipe = "nlinear"


class BareForward(PlainNetwork):
    """The network of `PlainNetwork` alone, over the windows that it is given there; they stand in memory."""

    def __init__(self) -> None:
        self.recorded: dict[str, list[Window]] = {}

    def fit(self, network: Network, data: "pd.DataFrame", steps: int, seed: int) -> Forecaster:
        self.recorded = {}
        return super().fit(network, data, steps, seed)

    def predict(self, fitted: Forecaster, data: "pd.DataFrame") -> Any:
        return self.forward(fitted, "predict", lambda: super(BareForward, self).predict(fitted, data))

    def roll(self, fitted: Forecaster, data: "pd.DataFrame", windows: int) -> Any:
        return self.forward(fitted, "roll", lambda: super(BareForward, self).roll(fitted, data, windows))

    def forward(self, fitted: Forecaster, name: str, job: Callable[[], Any]) -> Any:
        """Run the network as a job does; the first time, which warms up, by running the job."""
        network = fitted.fitted_.network
        if name not in self.recorded:
            self.recorded[name] = recorded_windows(network, job)
        with torch.inference_mode():
            return [network(window) for window in self.recorded[name]]  # (B, H, D, P) each


def recorded_windows(network: torch.nn.Module, job: Callable[[], Any]) -> list[Window]:
    """Return copies of all windows that a network is given by a job, batch by batch."""
    windows: list[Window] = []

    def record(_: torch.nn.Module, given: tuple[Window]) -> None:
        windows.append(Window(*(None if part is None else part.clone() for part in given[0])))

    handle = network.register_forward_pre_hook(record)
    job()
    handle.remove()
    return windows
