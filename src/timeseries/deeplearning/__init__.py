"""Everything that needs PyTorch: networks, windows on a device, the training loop, estimators."""

from timeseries.deeplearning.openmp import load_with_short_waits

load_with_short_waits()  # before any module here imports PyTorch
