"""What a fitted forecaster says of series that never move."""

import numpy as np
import pandas as pd
import pytest

from timeseries.forecaster import Forecaster


def table(constant, rows=60):
    y = np.concatenate([np.full(rows, constant), np.sin(np.arange(rows))])
    ids, ds = np.repeat(["still", "wave"], rows), np.tile(np.arange(rows), 2)
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": y})


def fit(frame, **settings):
    return Forecaster("lstm", horizon=3, context_length=6, max_steps=5, hidden_size=8, **settings).fit(frame)


@pytest.mark.parametrize("constant", [0.0, 7.1, 1e8, -1e-9, 1e300])
def test_a_constant_series_is_forecast_as_that_constant_without_an_interval(constant):
    answer = fit(table(constant)).predict().set_index("unique_id")
    still, wave = answer.loc["still"].drop(columns="ds"), answer.loc["wave"]
    np.testing.assert_allclose(still, constant, rtol=1e-12)
    assert (wave["y_q0.9"] > wave["y_q0.1"]).all()


def test_rounding_does_not_make_a_constant_series_move():
    frame = table(1e8)
    frame.loc[:59, "y"] += 1.5e-8 * (np.arange(60) % 2)  # the last bit
    answer = fit(frame).predict()
    np.testing.assert_allclose(answer["y"][:3], 1e8, rtol=1e-15)


def test_a_constant_series_that_begins_to_move_is_forecast_by_the_network():
    frame = table(7.0)
    forecaster = fit(frame)
    frame.loc[58, "y"] = 9.0
    moved = forecaster.predict(frame)
    assert not np.allclose(moved["y"][:3], 7.0)
    np.testing.assert_allclose(moved["y"][3:], forecaster.predict()["y"][3:])


def test_a_moving_series_that_pauses_is_forecast_by_the_network():
    frame = table(7.0)
    frame.loc[110:, "y"] = frame["y"][60:].mean()  # a whole window at the centre
    forecaster = fit(frame)
    assert forecaster.predict()["y_q0.9"].iloc[-1] > forecaster.predict()["y_q0.1"].iloc[-1]
