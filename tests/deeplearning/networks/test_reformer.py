"""The Reformer: deterministic forecasts, the newest present step, settings."""

import pytest
import torch

from timeseries.deeplearning.models.reformer import ReformerModel
from timeseries.deeplearning.networks.reformer import ReformerNetwork, bucket_count
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=12, horizon=3, past=2)


def make(sizes=SIZES, seed=0, **settings):
    torch.manual_seed(seed)
    shape = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 16, "dropout": 0.3}
    return ReformerNetwork(sizes, **({"chunk_length": 3, "num_hashes": 2} | shape | settings)).eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_a_forecast_draws_nothing_and_is_the_same_after_loading_the_weights():
    network, window = make(), Window(draw(3, 12, 2))
    torch.manual_seed(7)
    forecast, after = network(window), torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(1), after)
    other = make(seed=1)
    assert not torch.allclose(other(window), forecast)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(window), forecast)


@torch.no_grad()
def test_it_knows_the_order_of_its_steps():
    network, past = make(chunk_length=12, num_layers=1), draw(2, 12, 2)
    swapped = past[:, [1, 0, *range(2, 12)]]
    assert ((network(Window(swapped)) - network(Window(past))).abs() > 1e-5).any()


@torch.no_grad()
def test_the_last_present_step_forecasts_where_newer_ones_are_absent_and_its_age_may_be_told():
    network, past = make(), draw(2, 12, 2)
    observed = torch.ones(2, 12, 2, dtype=torch.bool)
    observed[:, 10:] = False
    forecast = network(Window(past, observed))
    past[:, 9] += 1
    assert ((network(Window(past, observed)) - forecast).abs() > 1e-4).any()
    masked = make(Sizes(context=12, horizon=3, past=2, masked=True))
    assert masked.head.project.weight.shape == (3, 17)


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_a_window_of_any_length_is_read(length):
    assert make()(Window(draw(2, length, 2))).isfinite().all()


@pytest.mark.parametrize(
    ("context", "chunk", "buckets"), [(1, 4, 1), (4, 4, 1), (5, 4, 4), (64, 4, 32), (65, 4, 34)]
)
def test_a_bucket_holds_half_a_chunk_on_average(context, chunk, buckets):
    assert bucket_count(context, chunk) == buckets


def test_settings_reach_the_network():
    model = ReformerModel(
        chunk_length=5,
        num_hashes=3,
        num_buckets=6,
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
    assert (len(network.layers), layer.dropout, layer.attention.chunk_length) == (4, 0.3, 5)
    assert layer.attention.rotations.shape == (3, 3, 4, 3)
    assert (layer.feedforward[0].weight.shape, type(layer.feedforward[1]).__name__) == ((20, 12), "Tanh")
    assert network.head.hidden[1].weight.shape == (7, 24)
    assert make().layers[0].attention.num_buckets == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 9, "nhead": 2}, "d_model must be a multiple of nhead, got 9 and 2"),
        ({"num_buckets": 5}, "num_buckets must be even, .*, or 1, got 5"),
        ({"num_hashes": 0}, "num_hashes must be between 1 and 64, got 0"),
        ({"chunk_length": 5000}, "chunk_length must be between 1 and 4096, got 5000"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        ReformerModel(**settings).check_settings()


@pytest.mark.parametrize("num_buckets", [None, 1, 4])
def test_one_bucket_or_an_even_number_of_them_is_taken(num_buckets):
    ReformerModel(num_buckets=num_buckets).check_settings()
