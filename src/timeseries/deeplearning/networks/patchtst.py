"""Patches of every channel as the tokens of a Transformer encoder (PatchTST, Nie et al. 2023)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.attention import attention_mask, encoder
from timeseries.deeplearning.layers.heads import BARE, HeadShape, forecast_head
from timeseries.deeplearning.layers.inputs import WindowInputs, of_length
from timeseries.deeplearning.layers.patches import patch_count
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.window import Sizes, Window


class PatchTSTNetwork(ForecastNetwork):
    """Encode overlapping patches of every channel, all with the same weights; forecast from all of a channel.

    A target is forecast from its own past, from the other features of the past that are no targets, and from
    what is known of the future and of the series; never from the past of another target. Where the window
    holds no past of the targets, all channels forecast all targets together.

    Patches are counted back from the newest step; the oldest is filled up with zeros. A patch without any
    observed value is seen by no other. Unlike the paper, the encoder has layer norm in place of batch norm,
    so that windows of a batch leave each other alone, and normalises before it computes.

    Parameters
    ----------
    sizes : Sizes
        The data.
    patch_length, stride : int
        Steps of a patch (L); steps from one patch to the next.
    d_model, nhead, num_layers, dim_feedforward : int
        Width of a patch; attention heads; encoder layers; width of their hidden layers.
    dropout : float
        Share dropped in every layer.
    activation : str
        Of the hidden layers of the encoder: a name of ``ACTIVATIONS``.
    head : HeadShape
        What stands before the last linear layer.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int,
        stride: int,
        d_model: int,
        nhead: int,
        num_layers: int,
        dim_feedforward: int,
        dropout: float,
        activation: str = "gelu",
        head: HeadShape = BARE,
    ) -> None:
        super().__init__()
        self.inputs, self.sizes = WindowInputs(sizes), sizes
        self.patch_length, self.stride = patch_length, stride
        patches = patch_count(sizes.context, patch_length, stride)
        self.length = patch_length + (patches - 1) * stride  # steps in all patches
        self.embed = nn.Linear(patch_length * (3 if sizes.masked else 1), d_model)
        self.positions = nn.Parameter(0.02 * torch.randn(patches, d_model))
        self.encoder = encoder(
            d_model,
            num_heads=nhead,
            num_layers=num_layers,
            feedforward=dim_feedforward,
            activation=activation,
            dropout=dropout,
        )
        self.num_heads, self.own = nhead, sizes.targets if sizes.autoregressive else 0
        width = patches * d_model
        if self.own:
            shared = replace(sizes, targets=1)
            self.head = forecast_head(width * (1 + sizes.past - self.own), shared, head)
        else:
            self.head = forecast_head(width * sizes.past, sizes, head)

    def forward(self, window: Window) -> Tensor:
        """Map a window to a forecast (B, H, D, P)."""
        patches, present = self._patches(window)  # (B*F, N, K*L), (B*F, N)
        mask = attention_mask(patches.shape[1], present, self.num_heads, patches.device, causal=False)
        embedded = self.embed(patches) + self.positions  # (B*F, N, d_model)
        states = self.encoder(embedded, mask=mask, is_causal=False)  # (B*F, N, d_model)
        if present is not None:
            states = states.masked_fill(~present.unsqueeze(-1), 0.0)  # (B*F, N, d_model)
        return self._decode(states.flatten(1).unflatten(0, (-1, self.sizes.past)), window)  # (B, H, D, P)

    def _patches(self, window: Window) -> tuple[Tensor, Tensor | None]:
        """Return the patches of every channel (B*F, N, K*L) and which hold something (B*F, N), None for all.

        Of a step a patch holds the value and, where values may be missing, whether it was observed and the
        time gap: K numbers.
        """
        x, steps = self.inputs(window)  # (B, T, W), (B, T)
        x = of_length(x, steps, self.length)  # (B, T', W)
        values, *more = torch.split(x, self._widths(), dim=-1)  # (B, T', F), (B, T', F), (B, T', 1)
        channels = torch.stack([values, *(part.expand_as(values) for part in more)], dim=-1)  # (B, T', F, K)
        patches = channels.unfold(1, self.patch_length, self.stride)  # (B, N, F, K, L)
        present = None
        if window.observed is not None or window.past.shape[1] < self.length:
            observed = window.observed  # (B, T, F)
            seen = torch.ones_like(window.past) if observed is None else observed.to(x)  # (B, T, F)
            seen = of_length(seen, None, self.length)  # (B, T', F)
            present = seen.unfold(1, self.patch_length, self.stride).amax(-1) > 0  # (B, N, F)
            present = present.transpose(1, 2).flatten(0, 1)  # (B*F, N)
        return patches.transpose(1, 2).flatten(0, 1).flatten(2), present

    def _widths(self) -> list[int]:
        """Return how many columns of the inputs are values, masks and time gaps."""
        return [self.sizes.past, self.sizes.past, 1] if self.sizes.masked else [self.sizes.past]

    def _decode(self, channels: Tensor, window: Window) -> Tensor:
        """Map what every channel says (B, F, N*d_model) to a forecast (B, H, D, P)."""
        if not self.own:
            return self.head(channels.flatten(1), window)  # type: ignore[no-any-return]  # (B, H, D, P)
        own, others = channels[:, : self.own], channels[:, self.own :].flatten(1)  # (B, D, W), (B, (F-D)*W)
        each = torch.cat([own, others.unsqueeze(1).expand(-1, self.own, -1)], dim=-1)  # (B, D, W')
        future, static = (
            None if part is None else part.repeat_interleave(self.own, dim=0)
            for part in (window.future, window.static)
        )  # (B*D, H, K), (B*D, S)
        repeated = window._replace(future=future, static=static)
        forecast: Tensor = self.head(each.flatten(0, 1), repeated).squeeze(2)  # (B*D, H, P)
        return forecast.reshape(len(own), self.own, *forecast.shape[1:]).transpose(1, 2)  # (B, H, D, P)
