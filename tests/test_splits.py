"""Splits and rolling origins against small cases worked by hand, and against their own promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.errors import DataError, SettingError
from timeseries.splits import Origins, rolling_origins, training_rows


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def test_rolling_origins_by_hand():
    # Ten rows 0..9, horizon 3: the last window forecasts 7, 8, 9 from origin 6; one step of 2 earlier: 4.
    # The second series has rows 10..17: it forecasts 15, 16, 17 from 14, and 13, 14, 15 from 12.
    origins = rolling_origins(offsets_of([10, 8]), horizon=3, windows=2, step=2)
    assert origins.series.tolist() == [0, 0, 1, 1]
    assert origins.row.tolist() == [4, 6, 12, 14]
    assert origins.window.tolist() == [0, 1, 0, 1]
    assert {origins.series.dtype, origins.row.dtype, origins.window.dtype} == {np.dtype(np.int64)}


def test_the_training_rows_by_hand():
    offsets = offsets_of([10, 8])
    origins = rolling_origins(offsets, horizon=3, windows=2, step=2, gap=1)
    # Earliest origins are rows 4 and 2 of their series; with a gap of 1 rows 0..3 and 0..1 may be fitted on.
    assert training_rows(offsets, origins, gap=1).tolist() == [4, 2]


@given(st.data())
def test_targets_end_with_the_series_and_training_ends_a_gap_before_every_one(data):
    horizon, windows, step = (data.draw(st.integers(1, 5)) for _ in range(3))
    gap = data.draw(st.integers(0, 4))
    least = horizon + (windows - 1) * step + gap + 1
    lengths = data.draw(st.lists(st.integers(least, least + 7), min_size=1, max_size=4))
    offsets = offsets_of(lengths)
    origins = rolling_origins(offsets, horizon, windows, step, gap)
    rows = origins.row.reshape(len(lengths), windows)
    assert (rows[:, -1] + horizon == offsets[1:] - 1).all()
    assert (np.diff(rows, axis=1) == step).all()
    assert (origins.row >= offsets[origins.series]).all()
    assert (origins.row < offsets[origins.series + 1]).all()
    fitted = training_rows(offsets, origins, gap)
    assert (fitted >= 1).all()
    last_fitted = offsets[:-1] + fitted - 1
    assert (rows[:, 0] - last_fitted == gap).all()
    first_target = rows[:, 0] + 1
    assert (first_target - last_fitted - 1 == gap).all()


def test_the_shortest_series_leaves_one_row_to_fit_on_and_a_shorter_one_is_refused_with_the_formula():
    settings = {"horizon": 3, "windows": 2, "step": 4, "gap": 2}  # 1 + 2 + 1 * 4 + 3 = 10
    offsets = offsets_of([10])
    assert training_rows(offsets, rolling_origins(offsets, **settings), gap=2).tolist() == [1]
    with pytest.raises(DataError) as caught:
        rolling_origins(offsets_of([10, 9, 20, 0]), **settings)
    assert "= 1 + 2 + 1 * 4 + 3 = 10 rows" in str(caught.value)
    assert "2 of 4 series are shorter (position 1 has 9, position 3 has 0)" in str(caught.value)


def test_only_the_first_five_short_series_are_listed_with_their_number():
    with pytest.raises(DataError, match=r"7 of 7 series are shorter .*position 4 has 1\)"):
        rolling_origins(offsets_of([1] * 7), horizon=3, windows=1, step=1)


def test_all_bad_settings_of_rolling_origins_are_listed_at_once():
    with pytest.raises(SettingError) as caught:
        rolling_origins(offsets_of([10]), horizon=0, windows=-1, step=1.5, gap=-2)
    assert str(caught.value) == (
        "horizon must be a whole number >= 1, got 0; "
        "windows must be a whole number >= 1, got -1; "
        "step must be a whole number >= 1, got 1.5; "
        "gap must be a whole number >= 0, got -2."
    )


def test_a_boolean_is_no_number_of_rows():
    with pytest.raises(SettingError, match="horizon must be a whole number >= 1, got True"):
        rolling_origins(offsets_of([10]), horizon=True, windows=1, step=1)


def test_numpy_integers_are_whole_numbers():
    origins = rolling_origins(offsets_of([10]), horizon=np.int64(3), windows=np.int32(1), step=np.int64(1))
    assert origins.row.tolist() == [6]


def test_no_series_have_no_origins():
    origins = rolling_origins(offsets_of([]), horizon=3, windows=2, step=2)
    assert origins.row.shape == (0,)
    assert training_rows(offsets_of([]), origins).shape == (0,)


def test_training_rows_follow_the_earliest_origin_in_whatever_order_they_come():
    origins = Origins(series=np.array([1, 0, 1]), row=np.array([8, 2, 6]), window=np.array([1, 0, 0]))
    assert training_rows(offsets_of([4, 6]), origins).tolist() == [3, 3]


def test_a_series_without_origin_has_no_training_rows_to_tell():
    origins = Origins(series=np.array([0]), row=np.array([2]), window=np.array([0]))
    with pytest.raises(DataError, match=r"2 of 3 have none \(positions: 1, 2\)"):
        training_rows(offsets_of([4, 6, 0]), origins)


def test_a_gap_that_swallows_all_training_rows_is_refused():
    offsets = offsets_of([10, 12])
    origins = rolling_origins(offsets, horizon=3, windows=1, step=1)
    assert training_rows(offsets, origins, gap=6).tolist() == [1, 3]
    with pytest.raises(DataError, match=r"gap=7 no row is left .* of 1 series \(positions: 0\)"):
        training_rows(offsets, origins, gap=7)


def test_a_negative_gap_is_refused():
    offsets = offsets_of([10])
    origins = rolling_origins(offsets, horizon=3, windows=1, step=1)
    with pytest.raises(SettingError, match="gap must be a whole number >= 0, got -1"):
        training_rows(offsets, origins, gap=-1)
