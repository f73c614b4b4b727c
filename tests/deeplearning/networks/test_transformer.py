"""The Transformer: PyTorch's own encoder, its positions, and who sees whom."""

import pytest
import torch
from torch import nn

from timeseries.deeplearning.layers.attention import attention_mask
from timeseries.deeplearning.layers.positional import sinusoidal_positions
from timeseries.deeplearning.models.transformer import TransformerModel
from timeseries.deeplearning.networks.transformer import TransformerNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=12, horizon=5, past=3, targets=2)


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    settings = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 32, "dropout": 0.1} | settings
    return TransformerNetwork(sizes, **settings).eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class ByHand(nn.Module):
    """The same network in PyTorch's own words."""

    def __init__(self, feedforward, activation, positional):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        layer = nn.TransformerEncoderLayer(
            8, 2, feedforward, 0.1, activation=activation, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)
        self.head = nn.Linear(8, 10)
        self.positions = sinusoidal_positions(12, 8)
        if positional == "learned":
            self.positions = nn.Parameter(0.02 * torch.randn(12, 8))

    def forward(self, past, causal):
        mask = torch.ones(12, 12, dtype=torch.bool).triu(1) if causal else None
        states = self.encoder(self.embed(past) + self.positions, mask=mask)
        return self.head(states[:, -1]).reshape(-1, 5, 2, 1)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    ("settings", "feedforward", "activation"),
    [
        ({}, 32, "gelu"),
        ({"causal": False}, 32, "gelu"),
        ({"dim_feedforward": 12, "activation": "relu"}, 12, "relu"),
        ({"positional": "learned"}, 32, "gelu"),
    ],
)
def test_it_computes_and_learns_bit_for_bit_what_pytorchs_encoder_does(
    settings, feedforward, activation, mode
):
    network = make(**settings)
    torch.manual_seed(0)
    theirs = ByHand(feedforward, activation, settings.get("positional", "sinusoidal"))
    past, target = draw(4, 12, 3), draw(4, 5, 2, 1, seed=2)
    answers = []
    for module, answer in (
        (network, lambda: network(Window(past))),
        (theirs, lambda: theirs(past, settings.get("causal", True))),
    ):
        module.train(mode == "train")
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        torch.manual_seed(3)  # dropout
        for _ in range(2):
            optimizer.zero_grad()
            forecast = answer()
            (forecast - target).pow(2).mean().backward()
            optimizer.step()
        answers.append(forecast)
    torch.testing.assert_close(*answers, rtol=0, atol=0)
    assert len(list(network.parameters())) == len(list(theirs.parameters()))


@torch.no_grad()
@pytest.mark.parametrize("causal", [True, False])
def test_only_a_causal_step_is_blind_to_those_after_it(causal):
    network, past = make(causal=causal), draw(1, 12, 3)
    seen = []
    network.encoder.register_forward_hook(lambda module, inputs, states: seen.append(states))
    network(Window(past))
    past[:, 7] += 1
    network(Window(past))
    moved = (seen[0] - seen[1]).abs().sum(dim=-1)[0] > 1e-6
    assert moved.tolist() == [not causal] * 7 + [True] * 5


def test_without_causality_every_present_step_sees_every_present_one():
    present = torch.tensor([[False, True, True, False], [True, True, True, True]])
    allowed = ~attention_mask(4, present, 2, torch.device("cpu"), causal=False)
    some = [[1, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    assert allowed.int().tolist() == [some, some, [[1] * 4] * 4, [[1] * 4] * 4]
    assert attention_mask(4, None, 2, torch.device("cpu"), causal=False) is None


@torch.no_grad()
def test_learned_positions_count_back_from_the_newest_step_and_end():
    network, past = make(positional="learned"), draw(2, 12, 3)
    short = network(Window(past[:, 4:]))
    network.positions[:4] = torch.nan
    torch.testing.assert_close(network(Window(past[:, 4:])), short)
    with pytest.raises(SettingError, match="learned 12 positions, but the window has 13 steps"):
        network(Window(draw(2, 13, 3)))
    assert make()(Window(draw(2, 30, 3))).isfinite().all()


def test_settings_reach_the_network():
    model = TransformerModel(
        d_model=12,
        nhead=3,
        num_layers=4,
        dropout=0.3,
        dim_feedforward=20,
        activation="silu",
        causal=False,
        positional="learned",
        head_sizes=7,
    )
    network = model.build_network(SIZES)
    layer = network.encoder.layers[0]
    assert (len(network.encoder.layers), layer.self_attn.num_heads, layer.dropout.p) == (4, 3, 0.3)
    assert (layer.linear1.out_features, type(layer.activation).__name__) == (20, "SiLU")
    assert (network.causal, network.positions.shape) == (False, (12, 12))
    assert network.head.hidden[1].weight.shape == (7, 12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 9, "nhead": 2}, "d_model must be a multiple of nhead, got 9 and 2"),
        ({"sequence_length": 4097}, "at most 4,096 for a transformer"),
        ({"positional": "learnt"}, "Did you mean 'learned'"),
        ({"dim_feedforward": 0}, "dim_feedforward must be between 1 and 65536, got 0"),
        ({"causal": 1}, "causal must be True or False, got 1"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        TransformerModel(**settings).check_settings()
