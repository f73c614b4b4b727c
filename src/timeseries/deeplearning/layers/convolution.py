"""Convolutions over time, (B, W, T), in which absent steps are zero and leave no trace."""

import torch
from torch import Tensor, nn

from timeseries.deeplearning.layers.activations import ACTIVATIONS


def only_present(x: Tensor, present: Tensor | None) -> Tensor:
    """Set the absent steps of x (B, W, T) to zero; present is (B, T), or None when all steps are."""
    return x if present is None else x.masked_fill(~present.unsqueeze(1), 0.0)  # (B, W, T)


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) whose statistics are those of the present steps alone.

    In training the statistics are those of the batch, so that windows of a batch do influence each other;
    how much padding stands beside them does not. Afterwards the running statistics hold, whatever the batch.
    A batch with fewer than two present steps has no spread: it is scaled by the running statistics too.
    """

    mean: Tensor  # (W,)
    variance: Tensor  # (W,)

    def __init__(self, width: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Scale x (B, W, T) per channel."""
        mean, variance = self._of_batch(x, present) if self.training else (self.mean, self.variance)
        slope = self.weight * (variance + self.epsilon).rsqrt()  # (W,)
        return (x - mean.unsqueeze(-1)) * slope.unsqueeze(-1) + self.bias.unsqueeze(-1)  # (B, W, T)

    def _of_batch(self, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the present steps, (W,) each, and let the running ones follow."""
        seen = torch.ones_like(x[:, :1]) if present is None else present.unsqueeze(1).to(x)  # (B, 1, T)
        count = seen.sum().clamp(min=1)  # ()
        mean = (x * seen).sum(dim=(0, 2)) / count  # (W,)
        variance = (((x - mean.unsqueeze(-1)) * seen) ** 2).sum(dim=(0, 2)) / count  # (W,)
        several = count > 1  # ()
        with torch.no_grad():
            share = self.momentum * several  # ()
            self.mean.lerp_(mean, share)
            self.variance.lerp_(variance * count / (count - 1).clamp(min=1), share)
        return torch.where(several, mean, self.mean), torch.where(several, variance, self.variance)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation (Ba et al. 2016) of every step by itself."""

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Scale x (B, W, T) per step."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)  # (B, W, T)


NORMALIZATIONS = {"batch": BatchNorm, "layer": LayerNorm}


class ConvolutionLayer(nn.Module):
    """One convolution that keeps the length, then a normalisation, an activation and dropout.

    The window is continued by zeros at both ends; an even kernel reaches one step further back than ahead.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        *,
        kernel_size: int,
        normalization: str,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        before, after = kernel_size // 2, kernel_size - 1 - kernel_size // 2
        self.reach = (before, after)
        self.conv = nn.Conv1d(width, channels, kernel_size)
        self.norm = NORMALIZATIONS[normalization](channels) if normalization != "none" else None
        self.after = nn.Sequential(ACTIVATIONS[activation](), nn.Dropout(dropout))

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Map x (B, W, T), zero at absent steps, to (B, C, T), zero there too."""
        x = self.conv(nn.functional.pad(x, self.reach))  # (B, C, T)
        if self.norm is not None:
            x = self.norm(x, present)  # (B, C, T)
        return only_present(self.after(x), present)  # (B, C, T)


class CausalConvolution(nn.Module):
    """A dilated convolution in which step t sees t, t-d, ..., t-(k-1)d, with weight normalisation.

    Every filter is a direction and a length (Salimans & Kingma 2016). PyTorch's own parametrization of this
    kind cannot be pickled, which scikit-learn asks of an estimator.

    Parameters
    ----------
    width, channels : int
        Features in and out (W, C).
    kernel_size : int
        Steps that a filter reads (k).
    dilation : int
        Steps from one to the next (d).
    """

    def __init__(self, width: int, channels: int, *, kernel_size: int, dilation: int) -> None:
        super().__init__()
        start = nn.Conv1d(width, channels, kernel_size)
        self.direction = nn.Parameter(start.weight.detach().clone())  # (C, W, k)
        self.length = nn.Parameter(_lengths(self.direction).detach().clone())  # (C, 1, 1)
        self.bias = nn.Parameter(start.bias.detach().clone())  # type: ignore[union-attr]  # (C,)
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, W, T) to (B, C, T)."""
        weight = self.direction * (self.length / _lengths(self.direction))  # (C, W, k)
        reach = min(weight.shape[-1] - 1, (x.shape[-1] - 1) // self.dilation)  # further back all is zero
        padded = nn.functional.pad(x, (reach * self.dilation, 0))  # (B, W, reach*d+T)
        weight = weight[..., -1 - reach :]  # (C, W, reach+1)
        return nn.functional.conv1d(padded, weight, self.bias, dilation=self.dilation)  # (B, C, T)


def _lengths(filters: Tensor) -> Tensor:
    """Return the Euclidean norm of each filter, (C, W, k) -> (C, 1, 1)."""
    lengths: Tensor = torch.linalg.vector_norm(filters, dim=(1, 2), keepdim=True)  # (C, 1, 1)
    return lengths


class ResidualBlock(nn.Module):
    """Two causal convolutions beside a way around them (Bai et al. 2018, section 3.3).

    Where the width changes, the way around is a convolution of one step.
    """

    def __init__(
        self, width: int, channels: int, *, kernel_size: int, dilation: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        widths = (width, channels)
        self.convolutions = nn.ModuleList(
            CausalConvolution(before, channels, kernel_size=kernel_size, dilation=dilation)
            for before in widths
        )
        self.activation, self.dropout = ACTIVATIONS[activation](), nn.Dropout(dropout)
        self.around = nn.Conv1d(width, channels, 1) if width != channels else nn.Identity()

    def forward(self, x: Tensor, present: Tensor | None) -> Tensor:
        """Map x (B, W, T), zero at absent steps, to (B, C, T), zero there too."""
        inner = x  # (B, W, T)
        for convolution in self.convolutions:
            inner = only_present(self.dropout(self.activation(convolution(inner))), present)  # (B, C, T)
        return only_present(self.activation(self.around(x) + inner), present)  # (B, C, T)
