"""The Transformer with a memory: what a segment knows of those before it, and how it learns."""

import pytest
import torch

from timeseries.deeplearning.models.transformer_xl import TransformerXLModel
from timeseries.deeplearning.networks.transformer_xl import TransformerXLNetwork, segments
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=11, horizon=3, past=2)


def make(segment_length, memory_length, **settings):
    torch.manual_seed(0)
    shape = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 16, "dropout": 0.0} | settings
    lengths = {"segment_length": segment_length, "memory_length": memory_length}
    return TransformerXLNetwork(SIZES, **lengths, **shape).eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
@pytest.mark.parametrize("segment_length", [1, 3, 4, 10])
@pytest.mark.parametrize("masked", [False, True])
def test_a_memory_of_the_whole_window_makes_segments_invisible(segment_length, masked):
    past, observed = draw(2, 11, 2), None
    if masked:
        observed = draw(2, 11, 2, seed=2) > -0.5
    window = Window(past, observed)
    whole = make(11, 0)(window)
    torch.testing.assert_close(make(segment_length, 11)(window), whole)


@torch.no_grad()
@pytest.mark.parametrize(
    ("segment_length", "memory_length", "layers", "reach"),
    [(4, 0, 2, 4), (4, 2, 1, 6), (2, 2, 2, 6), (3, 3, 2, 9)],
)
def test_the_forecast_knows_as_many_steps_as_segment_and_memories_hold(
    segment_length, memory_length, layers, reach
):
    network, past = make(segment_length, memory_length, num_layers=layers), draw(1, 11, 2)
    forecast, seen = network(Window(past)), []
    for step in range(11):
        changed = past.clone()
        changed[:, step] += 1
        seen.append(bool((network(Window(changed)) - forecast).abs().max() > 1e-6))
    assert seen == [False] * (11 - reach) + [True] * reach


@torch.no_grad()
@pytest.mark.parametrize(("segment_length", "memory_length"), [(4, 2), (2, 3), (3, 0)])
def test_absent_steps_are_remembered_as_absent(segment_length, memory_length):
    network, past = make(segment_length, memory_length), draw(2, 11, 2)
    observed = torch.ones(2, 11, 2, dtype=torch.bool)
    observed[:, :6] = False
    torch.testing.assert_close(network(Window(past, observed)), network(Window(past[:, 6:])))


def test_no_gradient_flows_into_the_memory_but_its_reading_is_learned():
    network, past = make(4, 4).train(), draw(1, 11, 2).requires_grad_()
    network(Window(past)).sum().backward()
    assert (past.grad[0].abs().sum(-1) > 0).tolist() == [False] * 7 + [True] * 4
    keys = network.layers[0].attention.key.weight
    full = keys.grad.clone()
    network.zero_grad()
    forgetful = make(4, 0).train()
    forgetful(Window(past)).sum().backward()
    assert not torch.allclose(forgetful.layers[0].attention.key.weight.grad, full)


def test_segments_are_counted_back_from_the_newest_step():
    assert segments(1, 5) == [range(1)]
    assert segments(10, 5) == [range(5), range(5, 10)]
    assert [len(segment) for segment in segments(11, 4)] == [3, 4, 4]


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 4, 5, 40])
def test_a_window_of_any_length_is_read(length):
    assert make(4, 3)(Window(draw(2, length, 2))).isfinite().all()


def test_settings_reach_the_network():
    model = TransformerXLModel(
        segment_length=5,
        memory_length=3,
        d_model=12,
        nhead=3,
        num_layers=4,
        dim_feedforward=20,
        activation="tanh",
        dropout=0.3,
        head_sizes=7,
    )
    network = model.build_network(SIZES)
    layer = network.layers[0]
    assert (network.segment_length, network.memory_length, len(network.layers)) == (5, 3, 4)
    assert (layer.attention.heads, layer.dropout.p, layer.feedforward[2].p) == ((3, 4), 0.3, 0.3)
    assert (layer.feedforward[0].weight.shape, type(layer.feedforward[1]).__name__) == ((20, 12), "Tanh")
    assert network.head.hidden[1].weight.shape == (7, 12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 9, "nhead": 2}, "d_model must be a multiple of nhead, got 9 and 2"),
        ({"memory_length": -1}, "memory_length must be at least 0, got -1"),
        (
            {"sequence_length": 9000, "segment_length": 4000, "memory_length": 1000},
            "segment_length=4000 and memory_length=1000 let a step look at 5,000 steps.*at most 4,096",
        ),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        TransformerXLModel(**settings).check_settings()
