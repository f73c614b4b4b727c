"""PyTorch Forecasting: RecurrentNetwork, an encoder whose state a second pass decodes step by step.

A training step reads the horizon too, fed with the truth; forecasts feed back what they said, one call of the
cells for each step.
"""

import warnings
from typing import Any, ClassVar, NamedTuple

import lightning
import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import RecurrentNetwork, TimeSeriesDataSet

from contenders.protocol import (
    FORECAST_BATCH,
    LEARNING_RATE,
    LIGHTNING_PRECISION,
    QUIET,
    Floats,
    Network,
    NotPossibleError,
)

CELLS = ("LSTM", "GRU")


class Series(NamedTuple):
    """A table and its windows."""

    table: pd.DataFrame
    windows: TimeSeriesDataSet


class PyTorchForecastingNetwork:
    """Data sets are made before the clock starts, except that of a backtest; loaders stay in the process."""

    distribution: ClassVar[str] = "pytorch-forecasting"

    def data(self, network: Network, values: Floats) -> Series:
        series, rows = values.shape
        names = [f"series {s:05}" for s in range(series)]
        columns = {"series": np.repeat(names, rows), "row": np.tile(np.arange(rows), series)}
        table = pd.DataFrame(columns | {"y": values.ravel().astype(np.float32)})
        windows = TimeSeriesDataSet(
            table,
            time_idx="row",
            target="y",
            group_ids=["series"],
            max_encoder_length=network.context,
            max_prediction_length=network.horizon,
            time_varying_unknown_reals=["y"],
        )
        return Series(table, windows)

    def fit(self, network: Network, data: Series, steps: int, seed: int) -> RecurrentNetwork:
        if network.cell not in CELLS:
            raise NotPossibleError("RecurrentNetwork of PyTorch Forecasting has LSTM and GRU cells only")
        warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`.*")
        torch.manual_seed(seed)
        model = RecurrentNetwork.from_dataset(
            data.windows,
            cell_type=network.cell,
            hidden_size=network.hidden,
            rnn_layers=network.layers,
            dropout=0.0,
            learning_rate=LEARNING_RATE,
            optimizer="adam",
        )
        precision = LIGHTNING_PRECISION[network.precision]
        trainer = lightning.Trainer(max_epochs=-1, max_steps=steps, precision=precision, **QUIET)
        trainer.fit(model, data.windows.to_dataloader(train=True, batch_size=network.batch, num_workers=0))
        return model

    def predict(self, fitted: RecurrentNetwork, data: Series) -> Any:
        """Forecast the last rows, since the rows of a forecast must stand in the table here."""
        last = TimeSeriesDataSet.from_dataset(data.windows, data.table, predict=True)
        return self._forecast(fitted, last)

    def roll(self, fitted: RecurrentNetwork, data: Series, windows: int) -> Any:
        horizon = data.windows.max_prediction_length
        first = int(data.table["row"].max()) + 1 - (windows + horizon - 1)
        later = TimeSeriesDataSet.from_dataset(
            data.windows, data.table, min_prediction_idx=first, stop_randomization=True
        )
        return self._forecast(fitted, later), data.table["series"].nunique()

    def forecasts(self, rolled: tuple[torch.Tensor, int]) -> Floats:
        forecast, series = rolled
        return forecast.numpy().reshape(series, -1, forecast.shape[1])  # (S, W, H)

    def _forecast(self, fitted: RecurrentNetwork, windows: TimeSeriesDataSet) -> torch.Tensor:
        loader = windows.to_dataloader(train=False, batch_size=FORECAST_BATCH, num_workers=0)
        return fitted.predict(loader, trainer_kwargs=dict(QUIET))  # (M, H); it adds its callbacks to them
