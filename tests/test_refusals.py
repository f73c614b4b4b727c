"""Everything that is wrong with what was asked for is told at once."""

import numpy as np
import pytest

from timeseries import Forecaster, LSTMModel, load_airpassengers
from timeseries.errors import Refusals, SettingError, did_you_mean, unknown_name


def refusal(make):
    with pytest.raises(SettingError) as error:
        make()
    return str(error.value)


def test_every_misspelt_setting_of_a_forecaster_is_named_and_the_known_ones_once():
    told = refusal(lambda: Forecaster("lstm", horizon=3, hiddn_size=4, max_step=3))
    assert "'hiddn_size'. Did you mean 'hidden_size'?" in told
    assert "'max_step'. Did you mean 'max_steps'?" in told
    assert told.count("Known:") == 1


def test_every_misspelt_setting_of_an_estimator_is_named_and_the_known_ones_once():
    told = refusal(lambda: LSTMModel(hiddn_size=4, max_step=3, dropout=2))
    assert told.count("Unknown LSTMModel setting") == 2
    assert told.count("Known:") == 1
    assert "Besides: dropout must be" in told


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"horizon": -3, "hidden_size": -4, "dropout": 2}, ["horizon", "hidden_size", "dropout"]),
        ({"horizon": 3, "hidden_size": -4, "coverage": (1.5,)}, ["coverage", "hidden_size"]),
        ({"horizon": 3, "target_transform": "lgo", "dropout": 2}, ["Did you mean 'log'", "dropout"]),
        ({"horizon": 3, "context_length": -3, "epochs": 0}, ["context_length must be", "epochs"]),
        ({"horizon": 3, "lower": "a", "missing": "?", "max_step": 1}, ["lower", "missing", "max_steps"]),
        ({"horizn": 3}, ["Did you mean 'horizon'", "needs to know how far: horizon=24"]),
        ({}, ["needs to know how far"]),
        ({"horizon": 3, "verbose": True, "hiddn_size": 3}, ["an argument of fit()", "hidden_size"]),
    ],
    ids=str,
)
def test_a_forecaster_lists_all_problems_at_once(settings, parts):
    told = refusal(lambda: Forecaster("lstm", **settings).fit(load_airpassengers()))
    assert [part for part in parts if part not in told] == []
    assert "sequence_length" not in told.partition("Known:")[0]


def test_backtests_list_all_problems_too():
    forecaster = Forecaster("lstm", horizon=3, hidden_size=-4, dropout=2)
    told = refusal(lambda: forecaster.backtest(load_airpassengers()))
    assert "hidden_size" in told
    assert "dropout" in told


def test_every_augmentation_that_is_wrong_is_named():
    settings = {"augmentation": {"jiter": 0.1, "mixp": 0.2, "scaling": -1}, "epochs": 0}
    X = np.arange(40.0)[:, None]
    told = refusal(lambda: LSTMModel(**settings).fit(X, np.sin(X[:, 0])))
    for part in ("'jitter'", "'mixup'", "The strength of scaling", "epochs"):
        assert part in told


def test_capitals_do_not_hide_what_was_meant():
    assert did_you_mean("LSTM", ["lstm", "gru"]) == " Did you mean 'lstm'?"
    assert "Did you mean 'lstm'?" in refusal(lambda: Forecaster("LSTM", horizon=3))


def test_several_names_share_one_list_of_those_known():
    assert str(unknown_name("fruit", "aple", "grap", known=["grape", "apple"])) == (
        "Unknown fruit 'aple'. Did you mean 'apple'? Unknown fruit 'grap'. Did you mean 'grape'? "
        "Known: apple, grape."
    )


def test_refusals_keep_what_settings_refuse_and_nothing_else():
    refusals = Refusals()

    def refuse(error):
        raise error

    assert refusals.of(lambda: 3) == 3
    assert refusals.of(lambda: refuse(SettingError("no."))) is None
    assert refusals.told == ["no."]
    with pytest.raises(KeyError):
        refusals.of(lambda: refuse(KeyError("x")))
