"""A sine with noise: the smallest example of rows in, rows out, and of an error that nothing can go below.

python examples/noisy_sine.py
python examples/noisy_sine.py --epochs 100
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from timeseries import DataNormalizer, LSTMModel, plot_losses, plot_predictions

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
chosen = parser.parse_args()

NOISE = 0.2  # the standard deviation of what cannot be known
wave = np.sin(2 * np.pi * np.arange(2001) / 50)
values = wave + np.random.default_rng(0).normal(scale=NOISE, size=len(wave))  # (2001,)
X, y = values[:-1, None], values[1:]  # (n, 1), (n,): row i holds what is known at i, y the value after it
train, test = slice(0, 1600), slice(1600, None)

normalizer = DataNormalizer({"strategy": "zscore"})
X_train, X_test = normalizer.fit_transform(X[train]), normalizer.transform(X[test])
model = LSTMModel(config={"sequence_length": 20, "hidden_size": 32, "num_layers": 1, "epochs": chosen.epochs})
model.fit(X_train, y[train], validation_split=0.1, verbose=True)
predicted = model.predict(X_test)

errors = {
    "last value": y[test] - X[test, 0],
    "LSTM": y[test] - predicted,
    "the noise alone": y[test] - wave[1:][test],  # as if the sine were known
}
table = pd.DataFrame({"RMSE": {name: np.sqrt(np.mean(error**2)) for name, error in errors.items()}})
print(table.to_string(float_format="{:.4f}".format))
print("Look at: how near the LSTM comes to the noise. Below it is luck, or a leak of the future.")

folder = Path("demo")
folder.mkdir(exist_ok=True)
last = pd.Series(X[test, 0], name="last value")
plot_predictions(y[test], predicted, last).savefig(folder / "sine.png")
plot_losses(model.train_history).savefig(folder / "sine_losses.png")
print(f"Written to {folder}: sine.png, sine_losses.png")
