"""Every model of the library, by name. Add yours here: this table is the registry.

`CustomModel` is not in it: it is a model only together with the network that its caller brings.
"""

from timeseries.deeplearning.models.attention_lstm import AttentionLSTMModel
from timeseries.deeplearning.models.base import WindowRegressor
from timeseries.deeplearning.models.bigru import BiGRUModel
from timeseries.deeplearning.models.bilstm import BiLSTMModel
from timeseries.deeplearning.models.cnn import CNN1DModel
from timeseries.deeplearning.models.custom import CustomModel
from timeseries.deeplearning.models.dlinear import DLinearModel
from timeseries.deeplearning.models.gru import GRUModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.mlp import MLPModel
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.models.patchtst import PatchTSTModel
from timeseries.deeplearning.models.reformer import ReformerModel
from timeseries.deeplearning.models.rnn import RNNModel
from timeseries.deeplearning.models.tcn import TCNModel
from timeseries.deeplearning.models.transformer import TransformerModel
from timeseries.deeplearning.models.transformer_xl import TransformerXLModel
from timeseries.errors import unknown_name

__all__ = ["MODELS", "CustomModel", "WindowRegressor", "model_class"]

MODELS: dict[str, type[WindowRegressor]] = {
    "attention_lstm": AttentionLSTMModel,
    "bigru": BiGRUModel,
    "bilstm": BiLSTMModel,
    "cnn": CNN1DModel,
    "dlinear": DLinearModel,
    "gru": GRUModel,
    "lstm": LSTMModel,
    "mlp": MLPModel,
    "nlinear": NLinearModel,
    "patchtst": PatchTSTModel,
    "reformer": ReformerModel,
    "rnn": RNNModel,
    "tcn": TCNModel,
    "transformer": TransformerModel,
    "transformer_xl": TransformerXLModel,
}


def model_class(name: str) -> type[WindowRegressor]:
    """Return the model of that name, or say which names there are."""
    if name == CustomModel.name:
        return CustomModel
    if name not in MODELS:
        raise unknown_name("model", name, known=MODELS)
    return MODELS[name]
