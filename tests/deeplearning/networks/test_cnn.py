"""The convolutional network: its layers in PyTorch's own words, its pooling, its normalisation."""

import pytest
import torch
from torch import nn

from timeseries.deeplearning.layers.heads import HeadShape
from timeseries.deeplearning.models.cnn import CNN1DModel
from timeseries.deeplearning.networks.cnn import CNNNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=12, horizon=5, past=3, targets=2)


def make(sizes=SIZES, **settings):
    torch.manual_seed(0)
    return CNNNetwork(sizes, **({"channels": (8, 6), "kernel_size": 3} | settings)).eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pool_size", [1, 4, 5])
def test_a_full_window_is_read_as_pytorchs_layers_in_a_row_would_and_learns_as_they_do(pool_size):
    network = make(pool_size=pool_size)
    theirs = nn.Sequential(
        nn.Conv1d(3, 8, 3, padding="same"),
        nn.ReLU(),
        nn.Conv1d(8, 6, 3, padding="same"),
        nn.ReLU(),
        nn.AdaptiveMaxPool1d(pool_size),
        nn.Flatten(),
        nn.Linear(6 * pool_size, 10),
    )
    copied = zip(theirs.parameters(), network.parameters(), strict=True)
    theirs.load_state_dict(
        dict(zip(theirs.state_dict(), [ours.detach().clone() for _, ours in copied], strict=True))
    )
    past, target = draw(4, 12, 3), draw(4, 5, 2, 1, seed=2)
    losses = []
    for module, answer in (
        (network, lambda: network(Window(past))),
        (theirs, lambda: theirs(past.transpose(1, 2)).reshape(4, 5, 2, 1)),
    ):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            loss = (answer() - target).pow(2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-6)
    for ours, other in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, other)


@torch.no_grad()
def test_with_one_part_it_does_not_matter_when_something_was_found():
    network, past = make(pool_size=1), torch.zeros(1, 12, 3)
    past[0, 5] = 3.0
    torch.testing.assert_close(network(Window(past)), network(Window(past.roll(2, dims=1))))
    parts = make(pool_size=3)
    assert not torch.allclose(parts(Window(past)), parts(Window(past.roll(4, dims=1))))


@torch.no_grad()
def test_a_part_without_a_present_step_says_zero_and_padding_is_never_the_largest():
    network = make(pool_size=3, activation="identity")
    features = draw(2, 6, 12) - 10  # all far below zero
    present = torch.ones(2, 12, dtype=torch.bool)
    present[:, :6] = False
    largest = network._largest(features, present).reshape(2, 6, 3)
    assert (largest[..., 0] == 0).all()
    torch.testing.assert_close(largest[..., 1], features[..., 6:8].amax(-1))
    torch.testing.assert_close(largest[..., 2], features[..., 8:].amax(-1))


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 30])
def test_a_window_of_any_length_is_read(length):
    network = make(pool_size=4)
    assert network(Window(draw(2, length, 3))).isfinite().all()


def test_more_parts_than_steps_are_as_many_as_steps():
    one, other = (make(Sizes(context=3, horizon=1, past=1), pool_size=n) for n in (3, 50))
    assert one.head.project.weight.shape == other.head.project.weight.shape


def test_in_training_batch_norm_lets_windows_of_a_batch_influence_each_other_but_not_their_padding():
    past = draw(4, 12, 3)
    observed = torch.ones(4, 12, 3, dtype=torch.bool)
    observed[:, :5] = False
    full, padded = (make(pool_size=2, normalization="batch").train() for _ in range(2))
    short = full(Window(past[:, 5:]))
    torch.testing.assert_close(padded(Window(past, observed)), short)
    for name, buffer in full.named_buffers():
        torch.testing.assert_close(padded.get_buffer(name), buffer)
    alone = torch.cat([full(Window(past[i : i + 1, 5:])) for i in range(4)])
    assert not torch.allclose(alone, short, atol=1e-3)


def test_the_head_has_the_hidden_layers_that_it_was_told():
    network = make(head=HeadShape(hidden_sizes=(7,), activation="tanh"))
    assert [type(layer).__name__ for layer in network.head.hidden] == ["Dropout", "Linear", "Tanh", "Dropout"]


def test_settings_reach_the_network():
    model = CNN1DModel(
        channels=(4, 5, 6),
        kernel_size=4,
        pool_size=2,
        normalization="layer",
        activation="elu",
        dropout=0.3,
        head_sizes=9,
    )
    network = model.build_network(SIZES)
    assert [layer.conv.out_channels for layer in network.layers] == [4, 5, 6]
    assert {layer.conv.kernel_size for layer in network.layers} == {(4,)}
    assert [type(part).__name__ for part in network.layers[0].after] == ["ELU", "Dropout"]
    assert network.layers[0].after[1].p == 0.3
    assert network.head.hidden[1].weight.shape == (9, 12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": (8,) * 65}, "channels must name at most 64 layers, got 65"),
        ({"channels": (8, 0)}, "every channels must be between 1 and 16384, got 0"),
        ({"kernel_size": 0}, "kernel_size must be between 1 and 1024, got 0"),
        ({"normalization": "bach"}, "Did you mean 'batch'"),
        ({"activation": "rely"}, "Did you mean 'relu'"),
        ({"pool_size": 0}, "pool_size must be between 1 and 16384, got 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        CNN1DModel(**settings).check_settings()
