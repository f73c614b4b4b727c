"""A training loop as a textbook writes it, with all windows in memory and no DataLoader."""

from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from torch import nn

from contenders.protocol import LEARNING_RATE, Floats, Network, NotPossibleError

CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


class HandWrittenLoop:
    """All windows of all series stand in memory, scaled, before the clock starts; Adam is fused."""

    distribution: ClassVar[str] = "torch"

    def data(self, network: Network, values: Floats) -> torch.Tensor:
        scaled = ((values - values.mean()) / values.std()).astype(np.float32)  # (S, N)
        spans = torch.from_numpy(scaled).unfold(1, network.context + network.horizon, 1)  # (S, W, T + H)
        return spans.flatten(0, 1).contiguous()  # (S * W, T + H)

    def fit(self, network: Network, data: torch.Tensor, steps: int, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        sizes = (1, network.hidden, network.layers)
        cells = CELLS[network.cell](*sizes, batch_first=True)
        head = nn.Linear(network.hidden, network.horizon)
        both = nn.ModuleList([cells, head])
        optimizer = torch.optim.Adam(both.parameters(), lr=LEARNING_RATE, fused=True)
        half = torch.autocast("cpu", torch.bfloat16, enabled=network.precision == "bfloat16")
        past, target = data[:, : network.context, None], data[:, network.context :]  # (W, T, 1), (W, H)
        for rows in torch.randint(len(data), (steps, network.batch)):
            with half:
                states, _ = cells(past[rows])  # (B, T, hidden)
                loss = nn.functional.mse_loss(head(states[:, -1]).float(), target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return both

    def predict(self, *_: Any) -> NoReturn:
        raise NotPossibleError("the loop by hand only trains; the bare forward is its counterpart")

    roll = forecasts = predict
