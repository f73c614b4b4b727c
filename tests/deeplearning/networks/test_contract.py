"""What every network promises, checked for every network in every shape of data."""

import math
from dataclasses import replace

import pytest
import torch

from timeseries.deeplearning.layers import instance_norm
from timeseries.deeplearning.layers.attention import attention_mask
from timeseries.deeplearning.layers.heads import HeadShape
from timeseries.deeplearning.layers.positional import sinusoidal_positions
from timeseries.deeplearning.networks.attention_lstm import AttentionLSTMNetwork
from timeseries.deeplearning.networks.cnn import CNNNetwork
from timeseries.deeplearning.networks.dlinear import DLinearNetwork
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized
from timeseries.deeplearning.networks.last_value import AroundLastValue
from timeseries.deeplearning.networks.linear_skip import LinearSkip
from timeseries.deeplearning.networks.mlp import MLPNetwork
from timeseries.deeplearning.networks.nlinear import NLinearNetwork
from timeseries.deeplearning.networks.patchtst import PatchTSTNetwork
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.networks.reformer import ReformerNetwork
from timeseries.deeplearning.networks.tcn import TCNNetwork
from timeseries.deeplearning.networks.transformer import TransformerNetwork
from timeseries.deeplearning.networks.transformer_xl import TransformerXLNetwork
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import UnsupportedError

B, T, H = 4, 12, 5
POINT = Sizes(context=T, horizon=H, past=1)
DATA = {
    "point": POINT,
    "quantiles": replace(POINT, outputs=3),
    "masked": replace(POINT, past=2, masked=True),
    "two targets, future covariate": replace(POINT, past=3, targets=2, future=1),
    "static": replace(POINT, static=2),
    "rows of X": replace(POINT, past=3, autoregressive=False),
}


def recurrent(cell, **settings):
    settings = {"hidden_sizes": (8, 8), "dropout": 0.2} | settings
    return lambda sizes: RecurrentNetwork(sizes, cell=cell, **settings)


lstm = recurrent("lstm")


def attentive(**settings):
    return lambda sizes: AttentionLSTMNetwork(sizes, **({"hidden_sizes": (8, 8), "dropout": 0.2} | settings))


ATTENTION_LAYERS = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 16, "dropout": 0.1}


def transformer(**settings):
    settings = ATTENTION_LAYERS | settings
    return lambda sizes: TransformerNetwork(sizes, **settings)


def transformer_xl(**settings):
    settings = ATTENTION_LAYERS | {"segment_length": 5, "memory_length": 4} | settings
    return lambda sizes: TransformerXLNetwork(sizes, **settings)


def reformer(**settings):
    settings = ATTENTION_LAYERS | {"chunk_length": 3, "num_hashes": 2} | settings
    return lambda sizes: ReformerNetwork(sizes, **settings)


def patchtst(sizes):
    return PatchTSTNetwork(sizes, patch_length=5, stride=3, **ATTENTION_LAYERS)


def mlp(sizes):
    return MLPNetwork(sizes, hidden_sizes=(16, 8), dropout=0.1)


def cnn(**settings):
    settings = {"channels": (8, 6), "kernel_size": 3, "pool_size": 4, "dropout": 0.1} | settings
    return lambda sizes: CNNNetwork(sizes, **settings)


def tcn(sizes):
    return TCNNetwork(sizes, channels=(8, 8, 6), kernel_size=2, dropout=0.1)


def dlinear(sizes):
    return DLinearNetwork(sizes, kernel_size=5)


def normalized(build):
    return lambda sizes: InstanceNormalized(build(sizes), sizes.targets)


def skipped(build):
    return lambda sizes: LinearSkip(build(sizes), sizes)


def around_last(build):
    return lambda sizes: AroundLastValue(build(sizes), sizes.targets)


NETWORKS = {
    "lstm": lstm,
    "gru": recurrent("gru"),
    "rnn": recurrent("rnn"),
    "lstm of two widths": recurrent("lstm", hidden_sizes=(6, 4)),
    "gru from both ends": recurrent("gru", bidirectional=True),
    "lstm of two widths from both ends": recurrent("lstm", hidden_sizes=(6, 4), bidirectional=True),
    "lstm of relu": recurrent("lstm", activation="relu"),
    "gru of sigmoid": recurrent("gru", activation="sigmoid"),
    "rnn of relu": recurrent("rnn", activation="relu"),
    "gru of leaky relu from both ends": recurrent("gru", activation="leaky_relu", bidirectional=True),
    "lstm with a deep head": recurrent(
        "lstm", head=HeadShape(hidden_sizes=(8,), activation="gelu", dropout=0.1)
    ),
    "lstm over patches": recurrent("lstm", patch_length=4),
    "gru over uneven patches": recurrent("gru", patch_length=5),
    "attention": attentive(),
    "attention, dot": attentive(attention="dot"),
    "attention, general, from both ends": attentive(attention="general", bidirectional=True),
    "attention over patches": attentive(patch_length=5),
    "cnn": cnn(),
    "cnn, batch norm, even kernel": cnn(kernel_size=4, pool_size=5, normalization="batch"),
    "tcn": tcn,
    "transformer": transformer(),
    "transformer of both directions": transformer(causal=False, positional="learned", dim_feedforward=12),
    "transformer over uneven patches": transformer(patch_length=5, positional="learned"),
    "transformer xl": transformer_xl(),
    "transformer xl over patches": transformer_xl(patch_length=2, segment_length=2, memory_length=2),
    "reformer": reformer(),
    "reformer over patches": reformer(patch_length=2),
    "patchtst": patchtst,
    "mlp": mlp,
    "nlinear": NLinearNetwork,
    "dlinear": dlinear,
    "lstm, instance norm": normalized(lstm),
    "lstm, linear skip": skipped(lstm),
    "attention, instance norm": normalized(attentive()),
    "gru, last value": around_last(recurrent("gru")),
    "lstm over patches, last value": around_last(recurrent("lstm", patch_length=4)),
    "gru, instance norm, last value, linear skip": normalized(around_last(skipped(recurrent("gru")))),
    "transformer, instance norm": normalized(transformer()),
}
STREAMING = [
    "lstm",
    "gru",
    "rnn",
    "lstm of two widths",
    "lstm with a deep head",
    "lstm of relu",
    "gru of sigmoid",
    "rnn of relu",
    "lstm, instance norm",
    "lstm, linear skip",
    "gru, last value",
    "gru, instance norm, last value, linear skip",
    "lstm over patches",
    "gru over uneven patches",
    "lstm over patches, last value",
]
EVERY_POSITION = [
    "lstm",
    "gru",
    "rnn",
    "lstm of two widths",
    "lstm with a deep head",
    "lstm of relu",
    "gru of sigmoid",
    "rnn of relu",
    "lstm over patches",
    "gru over uneven patches",
    "gru, last value",
    "lstm over patches, last value",
    "tcn",
]
CASES = [
    pytest.param(build, sizes, id=f"{name} | {data}")
    for name, build in NETWORKS.items()
    for data, sizes in DATA.items()
    if sizes.autoregressive or not any(option in name for option in ("instance", "skip", "last value"))
]
every_case = pytest.mark.parametrize(("build", "sizes"), CASES)
ANY_LENGTH = [case for case in CASES if not case.id.startswith(("nlinear", "dlinear"))]


def make(build, sizes, seed=0):
    torch.manual_seed(seed)
    return build(sizes).eval()


def make_window(sizes, batch=B, length=T, seed=1, masked=None):
    draw = torch.Generator().manual_seed(seed)
    observed = gap = None
    if sizes.masked if masked is None else masked:
        observed = torch.rand(batch, length, sizes.past, generator=draw) > 0.3
        observed[:, -1] = True
        gap = 1 + torch.rand(batch, length, generator=draw)
    return Window(
        torch.randn(batch, length, sizes.past, generator=draw),
        observed,
        gap,
        torch.randn(batch, sizes.horizon, sizes.future, generator=draw) if sizes.future else None,
        torch.randn(batch, sizes.static, generator=draw) if sizes.static else None,
    )


def part(window, rows):
    return Window(*(None if field is None else field[rows] for field in window))


def last_steps(window, steps):
    past, observed, gap = (None if f is None else f[:, steps] for f in window[:3])
    return window._replace(past=past, observed=observed, time_gap=gap)


@pytest.fixture(autouse=True)
def _no_gradients(request):
    with torch.set_grad_enabled("gradient" in request.node.name or "newest" in request.node.name):
        yield


@every_case
def test_the_forecast_has_the_promised_shape(build, sizes):
    forecast = make(build, sizes)(make_window(sizes))
    assert forecast.shape == (B, H, sizes.targets, sizes.outputs)
    assert forecast.isfinite().all()


@every_case
def test_every_parameter_gets_a_gradient(build, sizes):
    network = make(build, sizes)
    (network(make_window(sizes)) * torch.randn(B, H, sizes.targets, sizes.outputs)).sum().backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@every_case
def test_rows_of_a_batch_do_not_influence_each_other(build, sizes):
    network, window = make(build, sizes), make_window(sizes)
    alone = torch.cat([network(part(window, slice(i, i + 1))) for i in range(B)])
    torch.testing.assert_close(network(window), alone)


@every_case
def test_the_newest_observation_moves_the_first_step(build, sizes):
    window = make_window(sizes)
    window.past.requires_grad_()
    make(build, sizes)(window)[:, 0].sum().backward()
    assert (window.past.grad[:, -1].abs().sum(dim=1) > 0).all()


@every_case
def test_what_stands_in_a_masked_place_never_matters(build, sizes):
    network = make(build, sizes)
    window = make_window(sizes, masked=True)
    poisoned = window._replace(past=torch.where(window.observed, window.past, 1e6))
    torch.testing.assert_close(network(window), network(poisoned), rtol=0, atol=0)


@pytest.mark.parametrize(("build", "sizes"), ANY_LENGTH)
def test_padding_on_the_left_equals_the_shorter_window(build, sizes):
    network, window = make(build, sizes), make_window(sizes, masked=False)
    observed = torch.ones_like(window.past, dtype=torch.bool)
    observed[:, :5] = False
    gap = torch.ones(B, T)
    padded = network(window._replace(observed=observed, time_gap=gap))
    torch.testing.assert_close(padded, network(last_steps(window, slice(5, None))))


@pytest.mark.parametrize(
    "name",
    [
        "lstm",
        "gru",
        "rnn",
        "lstm of two widths",
        "lstm of two widths from both ends",
        "lstm of relu",
        "gru of sigmoid",
        "gru of leaky relu from both ends",
        "attention",
        "attention, general, from both ends",
    ],
)
@pytest.mark.parametrize("sizes", [DATA["point"], DATA["two targets, future covariate"]])
def test_a_masked_step_leaves_the_state_of_a_recurrent_network_untouched(name, sizes):
    network, window = make(NETWORKS[name], sizes), make_window(sizes, masked=False)
    observed = torch.ones_like(window.past, dtype=torch.bool)
    observed[:, [3, 4, 8]] = False
    kept = [t for t in range(T) if t not in (3, 4, 8)]
    masked = network(window._replace(observed=observed))
    torch.testing.assert_close(masked, network(last_steps(window, kept)))


@pytest.mark.parametrize("name", EVERY_POSITION)
@pytest.mark.parametrize("data", ["point", "quantiles", "masked", "static"])
def test_the_forecast_at_a_position_is_that_of_the_window_cut_there(name, data):
    sizes = DATA[data]
    network, window = make(NETWORKS[name], sizes), make_window(sizes)
    if window.observed is not None:
        window.observed[:, 0] = True  # so that something was observed at every position
    everywhere = network.at_every_position(window)
    ends = list(range(T, 0, -network.position_stride))[::-1]
    assert everywhere.shape == (B, len(ends), H, sizes.targets, sizes.outputs)
    for position, end in enumerate(ends):
        cut = network(last_steps(window, slice(0, end)))
        torch.testing.assert_close(everywhere[:, position], cut)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(EVERY_POSITION)))
def test_a_network_that_reads_its_whole_window_refuses_to_train_on_every_position(name):
    with pytest.raises(UnsupportedError, match="every_position=False"):
        make(NETWORKS[name], POINT).at_every_position(make_window(POINT))


def test_an_lstm_knows_how_old_its_state_is():
    sizes = replace(POINT, masked=True)
    network, window = make(lstm, sizes), make_window(sizes, masked=False)
    observed = torch.ones_like(window.past, dtype=torch.bool)
    observed[:, 8:] = False
    shifted = window._replace(past=window.past.roll(4, dims=1), observed=observed.roll(4, dims=1))
    fresh = network(shifted._replace(time_gap=torch.ones(B, T)))
    stale = network(window._replace(observed=observed, time_gap=torch.ones(B, T)))
    assert ((fresh - stale).abs() > 1e-4).any()


@every_case
def test_a_window_without_any_observation_gives_a_finite_forecast(build, sizes):
    window = make_window(sizes)
    nothing = window._replace(observed=torch.zeros_like(window.past, dtype=torch.bool))
    assert make(build, sizes)(nothing).isfinite().all()


@every_case
def test_the_same_seed_gives_the_same_weights(build, sizes):
    one, other = make(build, sizes).state_dict(), make(build, sizes).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    another = make(build, sizes, seed=1).state_dict()
    assert any(not torch.equal(one[name], another[name]) for name in one)


@pytest.mark.parametrize("first", [6, 3], ids=["", "fewer steps than a patch"])
@pytest.mark.parametrize("name", STREAMING)
@pytest.mark.parametrize("sizes", [s for s in DATA.values() if s.autoregressive], ids=lambda s: "")
def test_streaming_equals_the_forward_over_the_growing_prefix(name, sizes, first):
    network, window = make(NETWORKS[name], sizes), make_window(sizes)
    state = network.start(last_steps(window, slice(0, first)))
    for t in range(first, T):
        forecast, state = network.step(state, last_steps(window, slice(t, t + 1)))
        torch.testing.assert_close(forecast, forward_with_frozen_scale(network, window, t + 1, first))


def forward_with_frozen_scale(network, window, length, first):
    """Return the forward over so many steps, scaled by what was known when streaming began."""
    prefix = last_steps(window, slice(0, length))
    if not isinstance(network, InstanceNormalized):
        return network(prefix)
    scale = instance_norm.window_scale(last_steps(window, slice(0, first)), network.targets)
    return instance_norm.unscale_forecast(network.network(instance_norm.scale_window(prefix, scale)), scale)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(STREAMING)))
def test_a_network_that_cannot_stream_refuses_by_name(name):
    network = make(NETWORKS[name], POINT)
    inner = network
    while hasattr(inner, "network"):
        inner = inner.network
    with pytest.raises(UnsupportedError, match=f"{type(inner).__name__} has no state to carry"):
        network.start(make_window(POINT))


def test_attention_sees_no_later_step_and_no_masked_one():
    present = torch.tensor([[False, True, True, False]])
    allowed = ~attention_mask(4, present, 1, torch.device("cpu"), causal=True)[0]
    assert allowed.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def test_positions_are_those_of_the_paper_counted_from_the_origin():
    positions = sinusoidal_positions(3, 4)
    assert positions[-1].tolist() == [0, 1, 0, 1]
    expected = [math.sin(2), math.cos(2), math.sin(2 / 100), math.cos(2 / 100)]
    torch.testing.assert_close(positions[0], torch.tensor(expected))


def test_nlinear_repeats_a_shifted_window_shifted():
    network, window = make(NLinearNetwork, POINT), make_window(POINT)
    torch.testing.assert_close(network(window._replace(past=window.past + 7)), network(window) + 7)


@pytest.mark.parametrize("name", ["lstm, instance norm", "transformer, instance norm"])
def test_instance_norm_makes_a_network_follow_level_and_spread(name):
    network, window = make(NETWORKS[name], POINT), make_window(POINT)
    window = window._replace(past=100 * window.past)  # so that the variance floor is invisible
    scaled = network(window._replace(past=3 * window.past + 500))
    torch.testing.assert_close(scaled, 3 * network(window) + 500, rtol=1e-3, atol=0.05)


@every_case
def test_a_network_moves_to_another_device_with_all_it_computes_with(build, sizes):
    """The meta device computes shapes only, and refuses to mix with a tensor that stayed behind."""
    network, window = make(build, sizes).to("meta"), make_window(sizes, masked=False)
    moved = Window(*(None if field is None else field.to("meta") for field in window))
    with torch.enable_grad():  # PyTorch's shortcut without gradients knows no such device
        forecast = network(moved)
    assert forecast.device.type == "meta"
    assert forecast.shape == (B, H, sizes.targets, sizes.outputs)


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_is_made_for_a_window_of_any_length_with_any_number_of_columns(name, length):
    for features, targets in ((1, 1), (5, 3)):
        sizes = replace(POINT, context=length, horizon=1, past=features, targets=targets)
        forecast = make(NETWORKS[name], sizes)(make_window(sizes, length=length))
        assert forecast.shape == (B, 1, targets, 1)
        assert forecast.isfinite().all()
