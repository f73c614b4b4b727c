"""What a network knows at a step that is absent: the state of the last present one, and its age."""

import torch
from torch import Tensor

from timeseries.deeplearning.layers.inputs import held
from timeseries.deeplearning.layers.recurrence import steps_since_present


def known_states(states: Tensor, present: Tensor | None, *, aged: bool) -> Tensor:
    """Return the state of the last present step at every step, zero before the first.

    Parameters
    ----------
    states : Tensor of shape (B, T, W)
        Of every step.
    present : Tensor of shape (B, T), or None when all are
        Which steps are there.
    aged : bool
        Append the logarithm of 1 + the steps since the last present one.

    Returns
    -------
    Tensor of shape (B, T, W), or (B, T, W+1) with ages
    """
    if present is not None:
        states = held(states, present.unsqueeze(-1).expand_as(states))  # (B, T, W)
    if not aged:
        return states
    age = steps_since_present(present, states).log1p().unsqueeze(-1)  # (B, T, 1)
    return torch.cat([states, age], dim=-1)  # (B, T, W+1)
