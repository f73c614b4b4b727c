"""Settings: unpacked from a config, checked all at once, explained."""

from numbers import Integral

import numpy as np
import pytest

from timeseries.deeplearning.training_settings import TrainingSettings
from timeseries.errors import SettingError
from timeseries.settings import setting, settings_class


@settings_class
class Model(TrainingSettings):
    hidden_size: int = setting(64, "Width.", Integral, low=1)


def test_a_config_is_unpacked_beside_keywords():
    model = Model({"hidden_size": 8, "epochs": 3}, batch_size=5)
    assert (model.hidden_size, model.epochs, model.batch_size) == (8, 3, 5)


def test_a_setting_in_config_and_by_keyword_is_refused():
    with pytest.raises(SettingError, match=r"Model was given epochs, hidden_size twice"):
        Model({"hidden_size": 8, "epochs": 3}, epochs=5, hidden_size=8)


@pytest.mark.parametrize("make", [lambda: Model(hiden_size=8), lambda: Model({"hiden_size": 8})])
def test_a_misspelt_setting_is_refused_at_once_with_a_hint(make):
    with pytest.raises(SettingError, match=r"Unknown Model setting 'hiden_size'\. Did you mean"):
        make()


def test_all_problems_are_reported_together():
    model = Model(hidden_size=0, epochs=2.5, loss="msee", learning_rate=float("nan"), instance_norm="yes")
    with pytest.raises(SettingError) as caught:
        model.check_settings()
    for problem in (
        "hidden_size must be at least 1, got 0",
        "epochs must be a whole number, got 2.5",
        "Did you mean 'mse'?",
        "learning_rate must be at least 1e-12, got nan",
        "instance_norm must be True or False, got 'yes'",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("quantiles", "problem"),
    [
        (None, "0.5 among them"),
        ((0.1, 0.9), "0.5 among them"),
        ((0.5, 0.1), "increase strictly"),
        ((0.5, 1.0), "increase strictly"),
    ],
)
def test_quantiles_increase_and_hold_the_median(quantiles, problem):
    with pytest.raises(SettingError, match=problem):
        Model(loss="pinball", quantiles=quantiles).check_settings()


@pytest.mark.parametrize("threads", [None, 1, 1024, np.int64(2), "auto"])
def test_threads_are_a_number_or_left_open(threads):
    Model(threads=threads).check_settings()


@pytest.mark.parametrize(
    ("threads", "problem"),
    [
        (0, "threads must be between 1 and 1024, got 0"),
        (1025, "threads must be between 1 and 1024, got 1025"),
        (1.5, "threads must be a whole number or 'auto', got 1.5"),
        (True, "threads must be a whole number or 'auto', got True"),
        ("all", "threads must be a whole number or 'auto', got 'all'"),
        ("2", "threads must be a whole number or 'auto', got '2'"),
    ],
)
def test_other_threads_are_refused(threads, problem):
    with pytest.raises(SettingError, match=problem):
        Model(threads=threads).check_settings()


def test_quantiles_without_their_loss_are_refused():
    with pytest.raises(SettingError, match="need loss='pinball'"):
        Model(quantiles=(0.1, 0.5, 0.9)).check_settings()


@pytest.mark.parametrize("given", [(5,), ("hidden_size=3",), ([("hidden_size", 3)],), ({}, 2), (64, 2)])
def test_a_config_that_is_no_dictionary_is_refused_at_once(given):
    with pytest.raises(SettingError, match="Model takes one dictionary of settings, or keywords, got"):
        Model(*given)


def test_defaults_are_the_textbook_ones_and_pass():
    model = Model()
    model.check_settings()
    assert (model.sequence_length, model.epochs, model.batch_size, model.learning_rate) == (20, 100, 32, 1e-3)
    assert (model.optimizer, model.loss) == ("adam", "mse")
