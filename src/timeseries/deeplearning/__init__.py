"""Everything that needs PyTorch: networks, windows on a device, the training loop, estimators."""
