"""Whatever is given in the place of a setting, table or path: an error of ours, or an answer."""

import inspect
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timeseries.configuration import OWN_SETTINGS
from timeseries.deeplearning.checkpoint import Checkpoints
from timeseries.deeplearning.models import CustomModel
from timeseries.deeplearning.models.lstm import LSTMModel
from timeseries.deeplearning.models.nlinear import NLinearModel
from timeseries.errors import SettingError, TimeSeriesError
from timeseries.forecaster import Forecaster
from timeseries.normalization import DataNormalizer
from timeseries.panel import Panel, TableLayout
from timeseries.settings import setting_names

ROWS = 20
TABLE = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=ROWS), "y": np.sin(np.arange(ROWS)) + 2})
LATER = pd.DataFrame({"ds": pd.date_range("2024-01-21", periods=6), "y": np.sin(np.arange(20, 26)) + 2})
WHOLE = pd.concat([TABLE, LATER])
QUICK = {"horizon": 2, "epochs": 1, "max_steps": 1, "context_length": 4, "coverage": ()}


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


class Unspeakable:
    """A value of which not even a message can be made."""

    def __repr__(self):
        raise KeyError("repr")


ANYTHING = st.sampled_from(
    [
        *[
            None,
            True,
            False,
            -1,
            0,
            1,
            10**30,
            10**5000,
            1.5,
            float("nan"),
            float("inf"),
            -float("inf"),
            1e300,
        ],
        *[
            "",
            "x",
            " ",
            "../x",
            "a\0b",
            "\ud800",
            "x" * 300,
            b"x",
            1j,
            np.int64(3),
            np.float32(0.5),
            np.True_,
        ],
        *[[], (), {}, {"a"}, ["a"], ("y", "y"), [1], [None], [[]], (float("nan"),), {"y": [1]}, range(3)],
        *[np.array(1), np.arange(3), np.zeros((2, 2)), np.array(["y"], dtype=object), nested(3000)],
        *[pd.NA, pd.NaT, pd.Timestamp("2024-01-01"), pd.Series([1.0]), pd.DataFrame({"a": [1.0]})],
        *[object(), str, len, Unspeakable()],
    ]
)
many = settings(max_examples=150, deadline=None)
some = settings(max_examples=60, deadline=None)


def attempt(action, *allowed):
    """Return what an action answers, or None where it is refused as it should be."""
    try:
        return action()
    except TimeSeriesError as error:
        if not 10 < len(str(error)) < 5000:
            pytest.fail(f"This is no sentence: {error}")
    except allowed:
        pass
    return None


@many
@given(st.sampled_from([field.name for field in fields(TableLayout)]), ANYTHING)
def test_a_layout_is_refused_or_reads_the_table(name, value):
    panel = attempt(lambda: Panel.from_frame(TABLE, TableLayout(**{name: value})))
    assert panel is None or np.isfinite(panel.values).all()


FORECASTER_SETTINGS = [
    "model",
    *OWN_SETTINGS,
    *[field.name for field in fields(TableLayout)],
    *[name for name in setting_names(LSTMModel) if name != "sequence_length"],
]


@many
@example("lower", 10**5000)
@example("lower", np.float32(0.5))
@example("head_sizes", [None])
@given(st.sampled_from(FORECASTER_SETTINGS), ANYTHING)
def test_a_forecaster_is_refused_or_forecasts(name, value):
    chosen = {"model": "lstm", "hidden_size": 2} | QUICK | {name: value}
    if name == "model":
        del chosen["hidden_size"]
    answer = attempt(lambda: Forecaster(**chosen).fit(TABLE).predict())
    assert answer is None or np.isfinite(answer.select_dtypes("number")).all(axis=None)


def test_the_settings_that_are_told_of_are_those_that_a_forecaster_takes():
    parameters = inspect.signature(Forecaster.__init__).parameters.values()
    assert tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY) == OWN_SETTINGS


def column(value):
    return np.asarray(value, dtype=np.float64).reshape(len(value), -1)


@many
@given(st.sampled_from([LSTMModel, NLinearModel, CustomModel]), st.data())
def test_an_estimator_is_refused_or_predicts(made, data):
    name = data.draw(st.sampled_from(["config", *setting_names(made)]))
    chosen = {"epochs": 1, "max_steps": 1, "sequence_length": 3, name: data.draw(ANYTHING)}
    X = column(TABLE["y"])
    own = (TypeError,) if name == "network" else ()  # what the caller's network raises is the caller's
    predicted = attempt(lambda: made(**chosen).fit(X, X[:, 0] ** 2).predict(X), *own)
    assert predicted is None or np.isfinite(predicted).all()


@pytest.fixture(scope="module")
def estimator():
    X = column(TABLE["y"])
    return NLinearModel(max_steps=1, sequence_length=3).fit(X, X[:, 0] ** 2)


@pytest.mark.filterwarnings("ignore:X has feature names")  # scikit-learn's, which is right
@many
@given(ANYTHING, st.data())
def test_an_estimators_verbs_refuse_or_answer(estimator, tmp_path_factory, value, data):
    X = column(TABLE["y"])
    missing = tmp_path_factory.getbasetemp() / "nothing"
    fresh = NLinearModel(max_steps=1, sequence_length=3)
    actions = {
        "fit X": lambda: fresh.fit(value, X[:, 0] ** 2),
        "fit y": lambda: fresh.fit(X, value),
        "validation_split": lambda: fresh.fit(X, X[:, 0] ** 2, validation_split=value),
        "verbose": lambda: fresh.fit(X, X[:, 0] ** 2, verbose=value),
        "checkpoint": lambda: (
            None if isinstance(value, str) else fresh.fit(X, X[:, 0] ** 2, checkpoint=value)
        ),
        "resume": lambda: fresh.fit(X, X[:, 0] ** 2, resume=value),
        "predict X": lambda: estimator.predict(value),
        "steps": lambda: estimator.predict(X, steps=value),
        "evaluate X": lambda: estimator.evaluate(value, X[:, 0]),
        "evaluate y": lambda: estimator.evaluate(X, value),
        "save": lambda: None if isinstance(value, str) else estimator.save(value),
        "load": lambda: NLinearModel.load(value),
        "networks": lambda: NLinearModel.load(missing, networks=value),
        "normalizer": lambda: DataNormalizer(strategy=value).fit(X),
        "range": lambda: DataNormalizer(strategy="minmax", range=value).fit(X),
        "rows": lambda: DataNormalizer().fit(value),
        "columns": lambda: DataNormalizer().fit(X).inverse_transform(X, columns=value),
    }
    attempt(actions[data.draw(st.sampled_from(sorted(actions)))], OSError)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "a.model"
    Forecaster("nlinear", **QUICK).fit(TABLE).save(path)
    return path


@many
@given(ANYTHING, st.data())
def test_a_forecasters_verbs_refuse_or_answer(saved, value, data):
    fresh, fitted, missing = Forecaster("nlinear", **QUICK), Forecaster.load(saved), saved.with_name("c")
    actions = {
        "fit": lambda: fresh.fit(value),
        "val_size": lambda: fresh.fit(TABLE, val_size=value),
        "keep_validation": lambda: fresh.fit(TABLE, keep_validation=value),
        "verbose": lambda: fresh.fit(TABLE, verbose=value),
        "checkpoint": lambda: None if isinstance(value, str) else fresh.fit(TABLE, checkpoint=value),
        **{
            name: lambda name=name: fresh.fit(TABLE, checkpoint=Checkpoints(**{"path": missing, name: value}))
            for name in ("epochs", "steps", "seconds", "resume")
        },
        "predict": lambda: fitted.predict(value),
        "future": lambda: fitted.predict(future=value),
        "update": lambda: fitted.update(value),
        "fine_tune": lambda: fitted.update(LATER, fine_tune=value),
        "evaluate": lambda: fitted.evaluate(value),
        "evaluate step": lambda: fitted.evaluate(WHOLE, step=value),
        "backtest": lambda: fresh.backtest(value),
        **{
            name: lambda name=name: fresh.backtest(TABLE, **{"windows": 2, name: value})
            for name in ("windows", "step", "gap", "refit", "val_size", "verbose")
        },
        "save": lambda: None if isinstance(value, str) else fitted.save(value),
        "history": lambda: fitted.save(saved.with_name("b.model"), history=value),
        "load": lambda: Forecaster.load(value),
        "networks": lambda: Forecaster.load(saved, networks=value),
    }
    attempt(actions[data.draw(st.sampled_from(sorted(actions)))], OSError)


@pytest.fixture(scope="module")
def drawn():
    pytest.importorskip("matplotlib")
    fitted = Forecaster("nlinear", **QUICK).fit(TABLE)
    return fitted.predict(), fitted.backtest(TABLE, windows=2)


@some
@given(ANYTHING, st.data())
def test_pictures_refuse_or_are_drawn(drawn, tmp_path_factory, value, data):
    from timeseries import plotting

    answer, result = drawn
    path = tmp_path_factory.getbasetemp() / "a.png"
    actions = {
        "history": lambda: plotting.plot_forecast(value, answer),
        "forecast": lambda: plotting.plot_forecast(TABLE, value),
        "truth": lambda: plotting.plot_forecast(TABLE, answer, truth=value),
        "series": lambda: plotting.plot_forecast(TABLE, answer, series=value),
        "layout": lambda: plotting.plot_forecast(TABLE, answer, layout=value),
        "backtest": lambda: plotting.plot_backtest(value),
        "backtest series": lambda: plotting.plot_backtest(result, series=value),
        "error": lambda: plotting.plot_error_by_step(value),
        "metric": lambda: plotting.plot_error_by_step(result, metric=value),
        "losses": lambda: plotting.plot_losses(value),
        "rates": lambda: plotting.plot_learning_rate(value),
        "predictions": lambda: plotting.plot_predictions(value, [1.0, 2.0], [1.0, 3.0]),
        "predicted": lambda: plotting.plot_predictions([1.0, 2.0], value),
        "baseline": lambda: plotting.plot_predictions([1.0, 2.0], [1.0, 3.0], value),
        "residuals": lambda: plotting.plot_residuals(value, [1.0, 2.0]),
        "lags": lambda: plotting.plot_residuals([1.0, 2.0], [1.0, 3.0], lags=value),
        "figure": lambda: plotting.save_picture(value, path),
        "picture": lambda: plotting.save_picture(plotting.plot_backtest(result), value),
    }
    attempt(actions[data.draw(st.sampled_from(sorted(actions)))], OSError)


@pytest.mark.parametrize(
    "chosen",
    [
        {"coverage": (0.8, 0.80000001)},
        {"coverage": 0.8, "loss": "pinball", "quantiles": (0.1000000001, 0.5)},
        {"coverage": (), "loss": "pinball", "quantiles": (0.1, 0.1000000001, 0.5)},
    ],
)
def test_levels_that_would_share_a_column_are_refused(chosen):
    with pytest.raises(SettingError, match=r"share the column of the 0\.1 quantile"):
        Forecaster("nlinear", horizon=2, **chosen)


def test_numbers_of_numpy_are_settings_like_any_others(tmp_path):
    given = {
        "hidden_size": np.int64(3),
        "num_layers": np.int32(1),
        "seed": np.int64(5),
        "dropout": np.float32(0),
    }
    X = column(TABLE["y"])
    ours, numpys = (
        LSTMModel(max_steps=2, sequence_length=3, **settings).fit(X, X[:, 0] ** 2)
        for settings in ({name: value.item() for name, value in given.items()}, given)
    )
    np.testing.assert_array_equal(ours.predict(X), numpys.predict(X))
    numpys.save(tmp_path / "m")
    np.testing.assert_array_equal(LSTMModel.load(tmp_path / "m").predict(X), ours.predict(X))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("val_size", r"argument of fit\(\) and backtest\(\)\. .* forecaster\.fit\(\.\.\., val_size="),
        ("windows", r"argument of backtest\(\)\. .* forecaster\.backtest\(\.\.\., windows="),
        ("gap", r"argument of backtest\(\)"),
        ("refit", r"argument of backtest\(\)"),
        ("step", r"argument of backtest\(\) and evaluate\(\)"),
        ("checkpoint", r"argument of fit\(\)"),
        ("resume", r"argument of fit\(\)"),
        ("verbose", r"argument of fit\(\), backtest\(\), predict\(\), update\(\) and evaluate\(\)"),
        ("fine_tune", r"argument of update\(\)"),
        ("df", "Unknown Forecaster setting 'df'"),
        ("coverge", "Did you mean 'coverage'"),
        ("lowr", "Did you mean 'lower'"),
        ("uper", "Did you mean 'upper'"),
        ("integr", "Did you mean 'integer'"),
        ("horizons", "Did you mean 'horizon'"),
    ],
)
def test_a_name_that_is_no_setting_leads_to_the_verb_or_to_the_nearest_setting(name, message):
    with pytest.raises(SettingError, match=message):
        Forecaster(**{"horizon": 3, name: 10})
