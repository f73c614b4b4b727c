"""Darts: BlockRNNModel on float32 series, which its documentation advises for speed.

It decodes as ours, all steps from one state, and leaves the series as they are: those given here are scaled.
"""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models import BlockRNNModel

from contenders.protocol import FORECAST_BATCH, LEARNING_RATE, LIGHTNING_PRECISION, QUIET, Floats, Network
from contenders.series import FREQ, START

EPOCHS = 1_000_000  # so that the number of steps decides


class DartsBlockRNN:
    """Forecasts are made in large batches."""

    distribution: ClassVar[str] = "darts"

    def data(self, network: Network, values: Floats) -> list[TimeSeries]:
        stamps = pd.date_range(START, periods=values.shape[1], freq=FREQ)
        return [TimeSeries.from_times_and_values(stamps, row) for row in values.astype(np.float32)]

    def fit(self, network: Network, data: list[TimeSeries], steps: int, seed: int) -> BlockRNNModel:
        trainer = QUIET | {"precision": LIGHTNING_PRECISION[network.precision], "max_steps": steps}
        model = BlockRNNModel(
            input_chunk_length=network.context,
            output_chunk_length=network.horizon,
            model=network.cell,
            hidden_dim=network.hidden,
            n_rnn_layers=network.layers,
            dropout=0.0,
            batch_size=network.batch,
            n_epochs=EPOCHS,
            optimizer_kwargs={"lr": LEARNING_RATE},
            random_state=seed,
            pl_trainer_kwargs=trainer,
        )
        model.fit(data, verbose=False)
        return model

    def predict(self, fitted: BlockRNNModel, data: list[TimeSeries]) -> Any:
        horizon = fitted.output_chunk_length
        quiet = {"verbose": False, "show_warnings": False}
        return fitted.predict(horizon, series=data, batch_size=FORECAST_BATCH, **quiet)

    def roll(self, fitted: BlockRNNModel, data: list[TimeSeries], windows: int) -> Any:
        horizon = fitted.output_chunk_length
        return fitted.historical_forecasts(
            data,
            forecast_horizon=horizon,
            start=len(data[0]) - windows - horizon + 1,
            start_format="position",
            retrain=False,
            last_points_only=False,
            show_warnings=False,
            predict_kwargs={"batch_size": FORECAST_BATCH},
        )

    def forecasts(self, rolled: list[list[TimeSeries]]) -> Floats:
        return np.stack([[forecast.values()[:, 0] for forecast in row] for row in rolled])  # (S, W, H)
