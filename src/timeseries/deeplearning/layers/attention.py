"""Attention of steps to each other: an encoder of PyTorch's layers, and which steps may look at which."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS


def encoder(
    width: int, *, num_heads: int, num_layers: int, feedforward: int, activation: str, dropout: float
) -> nn.TransformerEncoder:
    """Return encoder layers that normalise before they compute (pre-norm), and a last normalisation.

    Parameters
    ----------
    width : int
        Features of a step (W).
    num_heads, num_layers : int
        Attention heads of a layer; layers.
    feedforward : int
        Width of the hidden layer that every step passes by itself.
    activation : str
        Of that hidden layer: a name of ``ACTIVATIONS``.
    dropout : float
        Share dropped in every layer.
    """
    layer = nn.TransformerEncoderLayer(
        width,
        num_heads,
        feedforward,
        dropout,
        activation=ACTIVATIONS[activation](),
        batch_first=True,
        norm_first=True,
    )
    return nn.TransformerEncoder(layer, num_layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)


def attention_mask(
    length: int, present: Tensor | None, num_heads: int, device: torch.device, *, causal: bool
) -> Tensor | None:
    """Return True where attention is forbidden, as ``nn.MultiheadAttention`` wants it.

    A step sees itself and the other present steps, in a causal network those before it. It sees itself even
    when it is masked, because a softmax over nothing is NaN; nothing else ever sees a masked step.

    Parameters
    ----------
    length : int
        Steps of the window (T).
    present : Tensor of shape (B, T), or None when all steps are
        The steps that may be looked at.
    num_heads : int
        Attention heads (N).
    device : torch.device
        Where the mask is wanted.
    causal : bool
        Hide the later steps too.

    Returns
    -------
    Tensor or None
        Shape (T, T), or (B*N, T, T) when some steps are masked; None when nothing is forbidden.
    """
    later = torch.ones(length, length, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)
    if present is None:
        return later if causal else None
    others = ~torch.eye(length, dtype=torch.bool, device=device)  # (T, T)
    hidden = (~present).unsqueeze(1) & others  # (B, T, T)
    return (later | hidden if causal else hidden).repeat_interleave(num_heads, dim=0)  # (B*N, T, T)
