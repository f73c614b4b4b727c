"""Lags, rolling statistics and differences against pandas, series by series."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from timeseries.errors import DataError, NotFittedError, SettingError
from timeseries.features import DifferenceFeatures, LagFeatures, RollingFeatures
from timeseries.features.history import CHUNK, STATISTICS

MADE = [
    LagFeatures(lags=(1, 3)),
    RollingFeatures(windows=(1, 3), statistics=tuple(STATISTICS), lag=0),
    RollingFeatures(windows=2, statistics="median", lag=2),
    DifferenceFeatures(periods=(1, 2)),
    DifferenceFeatures(periods=2, lag=0),
]
ORDER_CHECKS = dict.fromkeys(
    ["check_methods_sample_order_invariance", "check_methods_subset_invariance"],
    "rows are one sequence: the rows before a row are what its features are made of",
)
every_one = pytest.mark.parametrize("transformer", MADE, ids=lambda made: type(made).__name__)
NUMBERS = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6))
PLACED = {"groups": "unique_id", "time": "ds"}


@st.composite
def tables(draw, columns=2):
    """Return a long table of one to three series, in any order of rows, with absent numbers."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    lengths[0] = max(lengths[0], 3)  # rows from which a step can be inferred
    values = draw(arrays(np.float64, (sum(lengths), columns), elements=NUMBERS))
    frame = pd.DataFrame(values, columns=[f"v{i}" for i in range(columns)])
    frame.insert(0, "unique_id", np.repeat([f"s{i}" for i in range(len(lengths))], lengths))
    frame.insert(1, "ds", np.concatenate([np.arange(n) + draw(st.integers(0, 4)) for n in lengths]))
    return frame.loc[draw(st.permutations(range(len(frame))))].reset_index(drop=True)


def by_pandas(made, frame):
    """Return the features as pandas makes them, series by series, in the order of the rows."""
    parts = []
    for _, part in frame.groupby("unique_id"):
        part = part.sort_values("ds")
        columns = []
        for name in part.columns[2:]:
            column = part[name]
            if isinstance(made, LagFeatures):
                columns += [column.shift(lag) for lag in np.atleast_1d(made.lags)]
            elif isinstance(made, DifferenceFeatures):
                columns += [column.diff(period).shift(made.lag) for period in np.atleast_1d(made.periods)]
            else:
                for size in np.atleast_1d(made.windows):
                    for statistic in np.atleast_1d(made.statistics):
                        rolled = column.rolling(int(size)).apply(STATISTICS[statistic], raw=True)
                        columns.append(rolled.shift(made.lag))
        parts.append(pd.concat(columns, axis=1))
    return pd.concat(parts).sort_index().to_numpy()


# ------------------------------------------------------------------------------------------ the numbers


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(MADE))
def test_features_are_those_of_pandas_series_by_series(frame, transformer):
    made = clone(transformer).set_params(**PLACED)
    np.testing.assert_allclose(made.fit_transform(frame), by_pandas(made, frame), rtol=1e-9, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(tables(), st.sampled_from(MADE))
def test_rows_that_are_in_order_need_no_stamps(frame, transformer):
    frame = frame.sort_values(["unique_id", "ds"]).reset_index(drop=True)
    placed = clone(transformer).set_params(**PLACED).fit_transform(frame)
    grouped = clone(transformer).set_params(groups="unique_id").fit_transform(frame.drop(columns="ds"))
    np.testing.assert_array_equal(grouped, placed)
    one = frame[frame["unique_id"] == "s0"]
    np.testing.assert_array_equal(
        clone(transformer).fit_transform(one[["v0", "v1"]].to_numpy()), placed[: len(one)]
    )


def test_statistics_are_taken_of_the_rows_before_unless_told_otherwise():
    rows = np.array([[4.0], [1.0], [1.0], [7.0], [2.0]])
    made = RollingFeatures(windows=3, statistics=("mean", "std", "min", "max", "median", "sum"))
    found = made.fit_transform(rows)
    assert np.isnan(found[:3]).all()
    np.testing.assert_allclose(found[3], [2, 2**0.5, 1, 4, 1, 6], rtol=1e-15)
    np.testing.assert_allclose(found[4], [3, 8**0.5, 1, 7, 1, 9], rtol=1e-15)


def test_many_windows_are_cut_in_parts_without_a_seam():
    rows = np.random.default_rng(0).normal(size=(CHUNK // 100 + 7, 1))
    found = RollingFeatures(windows=101, lag=0).fit_transform(rows)[100:, 0]
    np.testing.assert_allclose(found, np.convolve(rows[:, 0], np.ones(101) / 101, mode="valid"), rtol=1e-9)


# ------------------------------------------------------------------------------------------ no look ahead


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(MADE), st.integers(0, 9), st.floats(-1e6, 1e6))
def test_nothing_after_a_row_moves_its_features_bit_for_bit(frame, transformer, last, noise):
    made = clone(transformer).set_params(**PLACED)
    changed = frame.copy()
    later = changed["ds"] > last
    changed.loc[later, ["v0", "v1"]] = noise
    before = made.fit_transform(frame)
    after = made.fit_transform(changed)
    np.testing.assert_array_equal(after[~later], before[~later])
    if (~later).any():  # nor do rows that are not there yet
        np.testing.assert_array_equal(made.fit(frame).transform(frame[~later]), before[~later])


@every_one
def test_features_of_the_target_itself_do_not_hold_it_unless_asked_to(transformer):
    if getattr(transformer, "lag", 1) == 0:
        pytest.skip("asked to")
    y = np.random.default_rng(0).normal(size=(20, 1))
    changed = y.copy()
    changed[10] = 1e6
    before, after = (clone(transformer).fit_transform(rows) for rows in (y, changed))
    np.testing.assert_array_equal(after[:11], before[:11])
    assert (after[11:14] != before[11:14]).any()


# ------------------------------------------------------------------------------------------ continuing


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(MADE), st.integers(3, 12))
def test_new_rows_continue_from_the_end_of_the_fitted_ones(frame, transformer, cut):
    made = clone(transformer).set_params(**PLACED)
    whole = made.fit_transform(frame)
    new = (frame["ds"] >= cut).to_numpy()
    lengths = frame[~new].groupby("unique_id").size()
    if not new.any() or lengths.empty or lengths.max() < 2:
        return
    np.testing.assert_array_equal(made.fit(frame[~new]).transform(frame[new]), whole[new])


def test_the_fitted_rows_themselves_are_never_continued():
    frame = pd.DataFrame({"ds": range(6), "y": np.arange(6.0)})
    made = LagFeatures(lags=2, time="ds").fit(frame)
    assert made.transform(frame)[:, 0].tolist()[2:] == [0, 1, 2, 3]
    assert np.isnan(made.transform(frame)[:2]).all()
    assert np.isnan(made.transform(frame[5:])).all()  # of the rows before it, only the last one was kept


def test_absent_rows_are_seen_within_the_table_and_before_it():
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-31", periods=8, freq="ME"), "y": np.arange(8.0)})
    made = LagFeatures(lags=(1, 3), time="ds").fit(frame[:4])
    found = made.transform(frame.loc[[5, 7]])
    np.testing.assert_array_equal(found, [[np.nan, 2], [np.nan, np.nan]])
    np.testing.assert_array_equal(made.transform(frame.loc[[6]]), [[np.nan, 3]])


def test_without_stamps_every_call_stands_for_itself():
    made = LagFeatures(lags=1).fit(np.arange(5.0)[:, None])
    np.testing.assert_array_equal(made.transform([[7.0], [8.0]]), [[np.nan], [7.0]])


def test_a_pipeline_learns_on_the_training_rows_and_goes_on_from_them():
    y = np.sin(np.arange(60) / 3)
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60, freq="h"), "y": y})
    lags = LagFeatures(lags=(1, 2), time="ds")
    known = lags.fit_transform(frame[:40])
    keep = ~np.isnan(known).any(axis=1)
    assert keep.tolist() == [False, False] + [True] * 38
    model = LinearRegression().fit(known[keep], y[:40][keep])
    answer = make_pipeline(lags, model).predict(frame[40:])  # a sine is linear in its last two values
    np.testing.assert_allclose(answer, y[40:], atol=1e-9)


# ------------------------------------------------------------------------------------------ scikit-learn


@parametrize_with_checks(MADE, expected_failed_checks=lambda _: ORDER_CHECKS, xfail_strict=True)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


@every_one
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_any_library_are_taken_and_given(transformer, library):
    frame = pd.DataFrame({"unique_id": ["a", "b"] * 4, "ds": [1, 1, 2, 2, 3, 3, 4, 4], "y": np.arange(8.0)})
    given = frame if library == "pandas" else pl.from_dict(frame.to_dict("list"))
    made = clone(transformer).set_params(**PLACED).set_output(transform=library)
    answer = made.fit_transform(given)
    assert type(answer) is type(given)
    names = made.get_feature_names_out().tolist()
    assert list(answer.columns) == names
    assert all(name.startswith("y_") for name in names)
    np.testing.assert_array_equal(
        answer.to_numpy(), clone(transformer).set_params(**PLACED).fit_transform(frame)
    )


def test_names_say_what_was_made_of_which_column():
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert LagFeatures(lags=(1, 7)).fit(rows).get_feature_names_out().tolist() == [
        "a_lag_1",
        "a_lag_7",
        "b_lag_1",
        "b_lag_7",
    ]
    rolling = RollingFeatures(windows=(2, 3), statistics=("mean", "std")).fit(rows[["a"]])
    assert rolling.get_feature_names_out().tolist() == ["a_mean_2", "a_std_2", "a_mean_3", "a_std_3"]
    assert DifferenceFeatures(periods=12).fit(rows[["a"]]).get_feature_names_out().tolist() == [
        "a_difference_12"
    ]


def test_zoned_stamps_are_placed_by_the_moment_they_name():
    stamps = pd.date_range("2024-10-27", periods=6, freq="h", tz="Europe/Berlin")  # 2 o'clock comes twice
    frame = pd.DataFrame({"ds": stamps, "y": np.arange(6.0)})
    found = LagFeatures(time="ds").fit_transform(frame[::-1])
    np.testing.assert_array_equal(found[:, 0], [4, 3, 2, 1, 0, np.nan])


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (LagFeatures(lags=0), "lags must be at least 1"),
        (LagFeatures(lags=(1, -2)), "every lags must be at least 1"),
        (RollingFeatures(windows=0), "windows must be at least 1"),
        (RollingFeatures(statistics="mode"), "Unknown every statistics|Unknown statistics"),
        (DifferenceFeatures(lag=-1), "lag must be at least 0"),
        (DifferenceFeatures(groups=3), "groups must be a name"),
    ],
)
def test_settings_that_make_no_sense_are_refused(made, problem):
    with pytest.raises(SettingError, match=problem):
        made.fit(np.zeros((4, 1)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"y": ["a", "b", "c", "d"]}, "could not convert string"),
        ({"y": [1.0, np.inf, 2.0, 3.0]}, "infinity"),
        ({"ds": [1, 2, 2, 3]}, "From 2 to 2 of series 'a' is no whole number of steps"),
        ({"ds": ["1", "2", "3", "4"]}, "needs dates or whole numbers"),
        ({"ds": [1.0, 2.0, np.nan, 3.0]}, "holds empty cells"),
        ({"ds": [1, 3, 6, 11]}, "in no regular step"),
        ({"unique_id": ["a", "a", None, "a"]}, "Row 2 has no name"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(changes, problem):
    frame = pd.DataFrame({"unique_id": ["a"] * 4, "ds": [1, 2, 3, 4], "y": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(DataError, match=problem):
        LagFeatures(**PLACED).fit(frame.assign(**changes))


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(DataError, match=r"no column 'shop', its groups. Columns: 'y'"):
        LagFeatures(groups="shop").fit(pd.DataFrame({"y": [1.0]}))


def test_new_rows_need_stamps_of_the_kind_and_step_of_the_fitted_ones():
    frame = pd.DataFrame({"ds": [10, 20, 30], "y": [1.0, 2.0, 3.0]})
    made = LagFeatures(time="ds").fit(frame)
    with pytest.raises(DataError, match="no whole number of steps 10"):
        made.transform(frame.assign(ds=[41, 51, 61]))
    with pytest.raises(DataError, match="held other stamps at fit"):
        made.transform(frame.assign(ds=pd.date_range("2024-01-01", periods=3)))


def test_features_beyond_the_largest_number_are_refused():
    with pytest.raises(DataError, match="beyond what float64 can hold"):
        RollingFeatures(windows=2, statistics="sum").fit_transform(np.full((4, 1), 1.7e308))


def test_features_of_an_unfitted_transformer_are_refused():
    with pytest.raises(NotFittedError, match="LagFeatures is not fitted"):
        LagFeatures().transform([[1.0]])
