"""neuralforecast: LSTM, GRU and RNN, whose trainer samples its windows from a batch of series.

Its step decodes with a linear layer from the last H states instead of from the last one alone, H * hidden
products a window beside the recurrence, which is why its steps still compare.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import GRU, LSTM, RNN

from contenders.protocol import FORECAST_BATCH, LEARNING_RATE, LIGHTNING_PRECISION, QUIET, Floats, Network
from contenders.series import FREQ, long_table

if TYPE_CHECKING:
    import pandas as pd

MODELS = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}


class NeuralForecastModels:
    """Windows are drawn by ``windows_batch_size``; nothing is held out, so nothing is validated."""

    distribution: ClassVar[str] = "neuralforecast"

    def data(self, network: Network, values: Floats) -> "pd.DataFrame":
        return long_table(values)

    def fit(self, network: Network, data: "pd.DataFrame", steps: int, seed: int) -> NeuralForecast:
        model = MODELS[network.cell](
            h=network.horizon,
            input_size=network.context,
            encoder_hidden_size=network.hidden,
            encoder_n_layers=network.layers,
            encoder_dropout=0.0,
            decoder_hidden_size=network.hidden,
            decoder_layers=1,
            loss=MSE(),
            scaler_type="standard",
            learning_rate=LEARNING_RATE,
            windows_batch_size=network.batch,
            inference_windows_batch_size=FORECAST_BATCH,
            max_steps=steps,
            random_seed=seed,
            precision=LIGHTNING_PRECISION[network.precision],
            **QUIET,
        )
        fitted = NeuralForecast([model], freq=FREQ)
        fitted.fit(data)
        return fitted

    def predict(self, fitted: NeuralForecast, data: "pd.DataFrame") -> Any:
        return fitted.predict()

    def roll(self, fitted: NeuralForecast, data: "pd.DataFrame", windows: int) -> Any:
        rows = windows + fitted.h - 1
        return fitted.cross_validation(data, n_windows=None, test_size=rows, step_size=1, use_fitted=True)

    def forecasts(self, rolled: Any) -> Floats:
        ordered = rolled.sort_values(["unique_id", "cutoff", "ds"])
        model = next(name for name in MODELS if name in rolled)
        series, windows = ordered["unique_id"].nunique(), ordered["cutoff"].nunique()
        return ordered[model].to_numpy().reshape(series, windows, -1)  # (S, W, H)
