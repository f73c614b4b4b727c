"""Positions for networks that would otherwise not know the order of their steps."""

import math

import torch
from torch import Tensor


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Return the sines and cosines of Vaswani et al. (2017, section 3.5), shape (length, width).

    Positions count backwards from the origin: the last row is always position 0, so a short history that
    is padded on the left is at the same positions as the same history without padding.
    """
    position = torch.arange(length - 1, -1, -1, dtype=torch.float32).unsqueeze(1)  # (T, 1)
    rates = torch.exp(
        torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width)
    )  # (W/2,)
    angles = position * rates  # (T, W/2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]  # (T, W)
