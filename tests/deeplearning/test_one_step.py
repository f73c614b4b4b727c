"""The steps on arrays against the network's own, which is held against its forward elsewhere."""

import numpy as np
import pytest
import torch

from timeseries.deeplearning.compiled_step import CompiledRecurrentStep
from timeseries.deeplearning.layers.heads import HeadShape
from timeseries.deeplearning.networks.instance_normalized import InstanceNormalized
from timeseries.deeplearning.networks.last_value import AroundLastValue
from timeseries.deeplearning.networks.linear_skip import LinearSkip
from timeseries.deeplearning.networks.recurrent import RecurrentNetwork
from timeseries.deeplearning.one_step import NumpyRecurrentStep, TorchRecurrentStep, one_step
from timeseries.deeplearning.window import Sizes, Window

B, T, HISTORY = 3, 15, 7
POINT = Sizes(context=T, horizon=4, past=1)
COVARIATES = Sizes(context=T, horizon=4, past=3, targets=2, outputs=3)
STATIC = Sizes(context=T, horizon=4, past=2, static=2)

ENGINES = [NumpyRecurrentStep, CompiledRecurrentStep, TorchRecurrentStep]


def recurrent(sizes, cell="lstm", hidden_sizes=(6, 6), **options):
    torch.manual_seed(0)
    return RecurrentNetwork(sizes, cell=cell, hidden_sizes=hidden_sizes, **options).eval()


NETWORKS = {
    "lstm": recurrent,
    "gru": lambda sizes: recurrent(sizes, "gru"),
    "rnn": lambda sizes: recurrent(sizes, "rnn"),
    "rnn of relu": lambda sizes: recurrent(sizes, "rnn", activation="relu"),
    "gru of three widths": lambda sizes: recurrent(sizes, "gru", (5, 3, 4)),
    "lstm over patches": lambda sizes: recurrent(sizes, patch_length=4),
    "instance norm": lambda sizes: InstanceNormalized(recurrent(sizes), sizes.targets),
    "last value": lambda sizes: AroundLastValue(recurrent(sizes, "gru"), sizes.targets),
    "linear skip": lambda sizes: LinearSkip(recurrent(sizes, "rnn"), sizes),
    "all of them": lambda sizes: InstanceNormalized(
        AroundLastValue(LinearSkip(recurrent(sizes, patch_length=3), sizes), sizes.targets), sizes.targets
    ),
}


def window_of(sizes, steps, seed=0):
    draw = torch.Generator().manual_seed(seed)
    static = torch.randn(B, sizes.static, generator=draw) if sizes.static else None
    return Window(torch.randn(B, steps, sizes.past, generator=draw), static=static)


@pytest.mark.parametrize("sizes", [POINT, COVARIATES, STATIC], ids=["point", "covariates", "static"])
@pytest.mark.parametrize("missing", [0.0, 0.5], ids=["complete", "with gaps"])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("computed", ENGINES)
def test_a_step_on_arrays_is_the_networks_step(computed, name, missing, sizes):
    network, window = NETWORKS[name](sizes), window_of(sizes, T)
    seen = torch.rand(B, T, sizes.past, generator=torch.Generator().manual_seed(1)) >= missing
    with torch.inference_mode():
        state = network.start(window._replace(past=window.past[:, :HISTORY]))
        one = one_step(network, window, computed)
        own = one.begin(state)
        for t in range(HISTORY, T):
            now = slice(t, t + 1)
            observed = None if not missing or t % 3 == 0 else seen[:, now]
            step = Window(window.past[:, now], observed, static=window.static)
            expected, state = network.step(state, step)
            given = None if observed is None else observed[:, 0].numpy()
            forecast, own = one.step(own, window.past[:, t].numpy(), given)
            np.testing.assert_allclose(forecast, expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("computed", ENGINES)
@pytest.mark.parametrize("name", ["lstm over patches", "all of them"])
def test_single_missing_steps_far_apart_do_not_add_up(computed, name):
    network, window = NETWORKS[name](POINT), window_of(POINT, 5 * T)
    with torch.inference_mode():
        state = network.start(window._replace(past=window.past[:, :HISTORY]))
        one = one_step(network, window, computed)
        own = one.begin(state)
        for t in range(HISTORY, 5 * T):
            now = slice(t, t + 1)
            absent = None if t % 2 else torch.zeros(B, 1, 1, dtype=torch.bool)
            expected, state = network.step(state, Window(window.past[:, now], absent))
            given = None if absent is None else absent[:, 0].numpy()
            forecast, own = one.step(own, window.past[:, t].numpy(), given)
            np.testing.assert_allclose(forecast, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("computed", ENGINES)
def test_a_step_leaves_the_state_that_it_began_with(computed):
    network, window = recurrent(POINT), window_of(POINT, HISTORY)
    with torch.inference_mode():
        one = one_step(network, window, computed)
        state = one.begin(network.start(window))
    x = np.ones((B, 1), dtype=np.float32)
    first, _ = one.step(state, x, None)
    again, _ = one.step(state, x, None)
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    "network",
    [
        recurrent(Sizes(context=T, horizon=4, past=1, masked=True)),
        recurrent(Sizes(context=T, horizon=4, past=2, future=1)),
        recurrent(POINT, activation="leaky_relu"),
        recurrent(POINT, head=HeadShape(hidden_sizes=(3,))),
        LinearSkip(recurrent(POINT, activation="sigmoid"), POINT),
    ],
    ids=["gaps", "covariates ahead", "activation", "deep head", "within"],
)
def test_what_has_no_step_on_arrays_has_none(network):
    assert one_step(network, window_of(POINT, HISTORY), NumpyRecurrentStep) is None
