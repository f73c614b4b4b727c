"""A network of the caller's own: the same doors, the same checks, and a file that only names it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from timeseries.deeplearning.models import CustomModel
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.deeplearning.networks.nlinear import NLinearNetwork
from timeseries.errors import ArtifactError, SettingError

X = np.sin(np.arange(60.0))[:, None]
Y = np.cos(np.arange(60.0))


class Mine(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        self.map = nn.Linear(sizes.context * sizes.past, int(np.prod(self.shape)))

    def forward(self, window):
        return self.map(window.past.flatten(1)).unflatten(1, self.shape)  # (B, H, D, P)


class Flat(Mine):
    def forward(self, window):
        return super().forward(window).flatten(1)  # (B, H*D*P)


def make(network=Mine, **settings):
    return CustomModel(network=network, sequence_length=6, epochs=3, **settings)


def test_a_module_of_the_caller_is_fitted_cloned_saved_and_loaded(tmp_path):
    model = make().fit(X, Y)
    assert clone(model).network is Mine
    model.save(tmp_path / "mine.model")
    loaded = CustomModel.load(tmp_path / "mine.model", networks={"Mine": Mine})
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.title == "Mine"


def test_a_file_names_the_network_and_never_brings_it(tmp_path):
    make().fit(X, Y).save(tmp_path / "mine.model")
    with pytest.raises(ArtifactError, match=r"of your own, 'Mine'.*networks=\{'Mine': Mine\}"):
        CustomModel.load(tmp_path / "mine.model")
    with pytest.raises(ArtifactError, match="should be"):
        CustomModel.load(tmp_path / "mine.model", networks={"Mine": lambda sizes: nn.Linear(1, 1)})


def test_a_forecast_of_the_wrong_shape_is_named():
    with pytest.raises(SettingError, match=r"Flat should map a window to .* = \(32, 1, 1, 1\).*\(32, 1\)"):
        make(Flat).fit(X, Y)


def test_a_network_of_the_library_is_taken_as_it_is():
    theirs = NLinearModel(sequence_length=6, epochs=3).fit(X, Y)
    assert np.array_equal(make(NLinearNetwork).fit(X, Y).predict(X), theirs.predict(X))


def test_the_seed_decides_the_weights_of_the_callers_network():
    one, other, another = (make(seed=seed).fit(X, Y).network_.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], another[name]) for name in one)


@pytest.mark.parametrize(("network", "message"), [(None, "takes Sizes"), (3, "must be a class or function")])
def test_what_makes_no_network_is_refused(network, message):
    with pytest.raises(SettingError, match=message):
        make(network).fit(X, Y)


class Normed(Mine):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.norm = nn.BatchNorm1d(sizes.context)  # counts its batches in a whole number
        self.register_buffer("ones", torch.ones(1), persistent=False)
        self.half = torch.full((1,), 0.5)

    def forward(self, window):
        past = self.norm(window.past) * self.ones + self.half
        return self.map(past.flatten(1)).unflatten(1, self.shape)


def test_a_network_with_counters_and_tensors_that_no_file_stores_is_loaded(tmp_path):
    model = make(Normed).fit(X, Y)
    model.save(tmp_path / "normed.model")
    loaded = CustomModel.load(tmp_path / "normed.model", networks={"Normed": Normed})
    np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-6)


@pytest.mark.parametrize("network", [lambda sizes: None, lambda sizes: nn.Identity()])
def test_what_cannot_be_trained_is_named(network):
    with pytest.raises(SettingError, match="with parameters to train"):
        make(network).fit(X, Y)
