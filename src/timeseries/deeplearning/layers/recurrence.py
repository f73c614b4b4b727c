"""Run a recurrent layer over the steps that are present, and leave its state untouched at the others."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

State = tuple[Tensor, Tensor]  # hidden and cell state, each (layers, B, W)


def states_over_present(lstm: nn.LSTM, x: Tensor, present: Tensor | None) -> Tensor:
    """Return the hidden state after every step, (B, T, W), zero before the first present one.

    Skipping a step and deleting it are the same thing to a recurrence. So the present steps are moved
    to the front, the layer runs once over all of them (on its fast kernel, which packed sequences would
    leave), and each step is given the state of the last present one.
    """
    if present is None:
        return lstm(x)[0]  # type: ignore[no-any-return]  # (B, T, W)
    states, _ = lstm(present_first(x, present))  # (B, T, W)
    seen = present.cumsum(dim=1)  # (B, T) present steps so far
    source = (seen - 1).clamp(min=0).unsqueeze(-1).expand(-1, -1, states.shape[-1])  # (B, T, W)
    return states.gather(1, source) * (seen > 0).unsqueeze(-1)  # type: ignore[no-any-return]  # (B, T, W)


def state_after_present(lstm: nn.LSTM, x: Tensor, present: Tensor | None) -> State:
    """Return hidden and cell state after the last present step of each row."""
    if present is None:
        return lstm(x)[1]  # type: ignore[no-any-return]
    counts = present.sum(dim=1)  # (B,)
    packed = pack_padded_sequence(
        present_first(x, present), counts.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
    )
    hidden, cell = lstm(packed)[1]  # (layers, B, W) each
    started = (counts > 0)[None, :, None]  # (1, B, 1) a row with no step at all keeps the zero state
    return hidden * started, cell * started


def steps_since_present(present: Tensor | None, x: Tensor) -> Tensor:
    """Return how many steps lie after the last present one of each row, (B,); T where there is none."""
    batch, length = x.shape[:2]
    if present is None:
        return x.new_zeros(batch)
    steps = torch.arange(1, length + 1, device=x.device)  # (T,)
    return (length - (present * steps).amax(dim=1)).to(x.dtype)  # (B,)


def present_first(x: Tensor, present: Tensor) -> Tensor:
    """Move the present steps of each row to its front, in their order; x is (B, T, W)."""
    order = torch.argsort(present.to(torch.uint8), dim=1, descending=True, stable=True)  # (B, T)
    return x.gather(1, order.unsqueeze(-1).expand_as(x))  # (B, T, W)
