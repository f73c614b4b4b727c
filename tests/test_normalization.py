"""Statistics against numpy and scikit-learn, and DataNormalizer against scikit-learn's own checks."""

import numpy as np
import pandas as pd
import pytest
import sklearn.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.estimator_checks import parametrize_with_checks

from timeseries.errors import DataError, NotFittedError, SettingError
from timeseries.normalization import STRATEGIES, DataNormalizer, segment_statistics

NAN = float("nan")
TINIEST = 5e-324  # one step of the smallest numbers float64 can hold


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@st.composite
def panels(draw):
    """Buffers with empty series, unobserved values, large offsets and large magnitudes."""
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=5))
    number = st.one_of(st.just(NAN), st.floats(-100, 100))
    values = draw(arrays(np.float64, (sum(lengths), draw(st.integers(1, 3))), elements=number))
    return values * draw(st.sampled_from([1e-300, 1e-3, 1.0, 1e298])), offsets_of(lengths)


@settings(max_examples=200, deadline=None)
@given(panels())
def test_statistics_equal_numpy_in_extended_precision_series_by_series(panel):
    values, offsets = panel
    center, scale = segment_statistics(values, offsets)
    for s, c in np.ndindex(*center.shape):
        rows = values[offsets[s] : offsets[s + 1], c]
        rows = rows[~np.isnan(rows)].astype(np.longdouble)
        if len(rows) == 0:
            assert (center[s, c], scale[s, c]) == (0.0, 1.0)
            continue
        peak = float(np.abs(rows).max())
        deviation = float(rows.std())
        limit = 10 * np.finfo(np.float64).eps * peak * len(rows) ** 0.5
        assert center[s, c] == pytest.approx(float(rows.mean()), rel=1e-14, abs=1e-15 * peak + TINIEST)
        if deviation > 2 * limit:
            assert scale[s, c] == pytest.approx(deviation, rel=1e-10, abs=TINIEST)
        elif deviation < limit / 2:
            assert scale[s, c] == 1.0


def test_empty_series_at_the_start_in_the_middle_and_at_the_end_take_nothing_from_their_neighbours():
    values = np.array([[1.0], [3.0], [10.0], [30.0]])
    center, scale = segment_statistics(values, offsets_of([0, 2, 0, 0, 2, 0]))
    assert center.ravel().tolist() == [0.0, 2.0, 0.0, 0.0, 20.0, 0.0]
    assert scale.ravel().tolist() == [1.0, 1.0, 1.0, 1.0, 10.0, 1.0]


def test_no_rows_at_all_give_center_zero_and_scale_one():
    center, scale = segment_statistics(np.empty((0, 2)), offsets_of([0, 0]))
    assert center.tolist() == [[0.0, 0.0]] * 2
    assert scale.tolist() == [[1.0, 1.0]] * 2


def test_a_column_that_is_never_observed_gets_center_zero_and_scale_one():
    center, scale = segment_statistics(np.array([[NAN, 2.0], [NAN, 4.0]]), offsets_of([2]))
    assert center.tolist() == [[0.0, 3.0]]
    assert scale.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("offset", [1e9, 1e12, -1e13])
def test_a_huge_offset_does_not_blur_the_deviation(offset):
    small = np.arange(1000.0)[:, None] % 8  # eighths of the rows each 0..7: variance (8**2 - 1) / 12
    center, scale = segment_statistics(small + offset, offsets_of([1000]))
    assert center[0, 0] == offset + 3.5
    assert scale[0, 0] == pytest.approx((63 / 12) ** 0.5, rel=1e-14, abs=0)


def test_rounding_of_a_mean_far_from_zero_does_not_reach_the_deviation():
    noise = np.random.default_rng(0).normal(size=(100_000, 2))
    values = 1e12 / 3 + noise
    shifted = (values - values[0]).astype(np.longdouble)  # exact: neighbours differ by a few units
    center, scale = segment_statistics(values, offsets_of([100_000]))
    expected = (values[0] + shifted.mean(axis=0)).astype(np.float64)
    np.testing.assert_allclose(center[0], expected, rtol=3e-16)
    np.testing.assert_allclose(scale[0], shifted.std(axis=0).astype(np.float64), rtol=1e-13)


@pytest.mark.parametrize("size", [1e300, 1.7e308, 1e-300, 5e-324])
def test_statistics_stay_finite_and_exact_at_the_edge_of_the_number_range(size):
    center, scale = segment_statistics(np.array([[size], [-size], [size], [-size]]), offsets_of([4]))
    assert (center[0, 0], scale[0, 0]) == (0.0, size)


def test_rounding_noise_on_a_constant_counts_as_constant():
    values = 0.1 * np.ones((1000, 1)) + np.finfo(float).eps * 0.1 * (np.arange(1000.0)[:, None] % 2)
    assert values.std() > 0
    center, scale = segment_statistics(values, offsets_of([1000]))
    assert center[0, 0] == pytest.approx(0.1, rel=1e-15, abs=0)
    assert scale[0, 0] == 1.0


def test_the_mean_of_a_long_constant_column_is_the_constant():
    center, scale = segment_statistics(np.full((100_000, 2), 0.1), offsets_of([100_000]))
    assert center[0].tolist() == pytest.approx([0.1, 0.1], rel=3e-16, abs=0)
    assert scale[0].tolist() == [1.0, 1.0]


def test_a_small_but_real_deviation_is_kept():
    _, scale = segment_statistics(np.array([[1.0], [1.0 + 1e-9]]), offsets_of([2]))
    assert scale[0, 0] == pytest.approx(5e-10, rel=1e-6, abs=0)


def test_an_infinite_value_is_refused_with_its_series_and_column():
    values = np.array([[1.0, 2.0], [3.0, np.inf]])
    with pytest.raises(DataError, match="series 1 column 1"):
        segment_statistics(values, offsets_of([1, 1]))


def test_statistics_do_not_change_the_values():
    values = np.array([[1.0], [NAN], [3.0]])
    before = values.copy()
    segment_statistics(values, offsets_of([3]))
    np.testing.assert_array_equal(values, before)


@parametrize_with_checks([DataNormalizer()])
def test_every_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataNormalizer(),
        lambda: DataNormalizer({"strategy": "zscore"}),
        lambda: DataNormalizer(config={"strategy": "zscore"}),
        lambda: DataNormalizer(strategy="zscore"),
        lambda: clone(DataNormalizer({"strategy": "zscore"})),
    ],
)
def test_the_config_is_unpacked_into_the_parameters(make):
    assert make().get_params() == {"strategy": "zscore", "range": (0.0, 1.0)}


def test_every_misspelt_setting_is_refused_at_construction():
    with pytest.raises(SettingError, match=r"'stratgy'. Did you mean 'strategy'\?.*'frobnicate'"):
        DataNormalizer({"stratgy": "zscore", "frobnicate": 1})


def test_a_config_that_is_no_dictionary_is_refused():
    with pytest.raises(SettingError, match="takes one dictionary of settings, or keywords, got 'zscore'"):
        DataNormalizer("zscore")


def test_a_setting_in_config_and_by_keyword_is_refused():
    with pytest.raises(SettingError, match="DataNormalizer was given strategy twice"):
        DataNormalizer({"strategy": "zscore"}, strategy="minmax")


@pytest.mark.parametrize("strategy", ["zscor", 3, None, ["zscore"]])
def test_an_unknown_strategy_is_refused_at_fit_and_not_before(strategy):
    normalizer = DataNormalizer(strategy=strategy)
    with pytest.raises(SettingError, match=r"DataNormalizer: .*strategy"):
        normalizer.fit([[1.0]])


def test_scaling_equals_that_of_scikit_learn_with_unobserved_and_constant_columns():
    rows = np.random.default_rng(0).normal([0, 1e6, -3], [1, 50, 1e-4], size=(200, 3))
    rows = np.column_stack([rows, np.full(200, 7.0)])
    rows[::7, 1] = NAN
    theirs = StandardScaler().fit(rows)
    ours = DataNormalizer().fit(rows)
    np.testing.assert_allclose(ours.center_, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.scale_, theirs.scale_, rtol=1e-9)
    np.testing.assert_allclose(ours.transform(rows), theirs.transform(rows), rtol=1e-7, atol=1e-9)


@settings(deadline=None)
@given(arrays(np.float64, (5, 2), elements=st.one_of(st.just(NAN), st.floats(-1e6, 1e6))))
def test_the_inverse_brings_the_rows_back_and_nothing_is_changed_in_place(rows):
    before = rows.copy()
    normalizer = DataNormalizer().fit(rows)
    scaled = normalizer.transform(rows)
    largest = np.nanmax(np.abs(rows), initial=0.0)
    np.testing.assert_allclose(normalizer.inverse_transform(scaled), rows, rtol=1e-12, atol=1e-12 * largest)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(rows))


def test_the_inverse_takes_any_number_of_leading_axes():
    normalizer = DataNormalizer().fit([[0.0, 10.0], [2.0, 30.0]])  # center 1 and 20, scale 1 and 10
    assert normalizer.inverse_transform([1.0, -1.0]).tolist() == [2.0, 10.0]
    forecasts = np.ones((3, 4, 2), dtype=np.float32)
    restored = normalizer.inverse_transform(forecasts)
    assert restored.dtype == np.float64
    assert restored.tolist() == [[[2.0, 30.0]] * 4] * 3
    assert normalizer.inverse_transform(np.empty((0, 4, 2))).shape == (0, 4, 2)


def test_both_directions_refuse_another_number_of_columns():
    normalizer = DataNormalizer().fit([[1.0, 2.0], [3.0, 5.0]])
    with pytest.raises(DataError, match="X has 3 features, but DataNormalizer is expecting 2"):
        normalizer.transform(np.ones((4, 3)))
    with pytest.raises(DataError, match=r"fitted on 2 columns.*\(\.\.\., 2\).*shape \(4, 5, 3\)"):
        normalizer.inverse_transform(np.ones((4, 5, 3)))
    with pytest.raises(DataError, match=r"shape \(\)"):
        normalizer.inverse_transform(1.0)


def test_both_directions_refuse_columns_in_another_order():
    frame = pd.DataFrame({"load": [1.0, 2.0], "wind": [3.0, 5.0]})
    normalizer = DataNormalizer().fit(frame)
    swapped = frame[["wind", "load"]]
    with pytest.raises(DataError, match="same order"):
        normalizer.transform(swapped)
    with pytest.raises(DataError, match="same order"):
        normalizer.inverse_transform(swapped)


def test_both_directions_before_fit_raise_what_we_and_what_scikit_learn_promise():
    for use in (DataNormalizer().transform, DataNormalizer().inverse_transform):
        for promised in (NotFittedError, sklearn.exceptions.NotFittedError):
            with pytest.raises(promised, match=r"Call fit\(training_rows\) first"):
                use([[1.0]])


def test_infinite_values_are_named_by_row_and_column():
    frame = pd.DataFrame({"load": [1.0, 2.0, 3.0], "wind": [3.0, -np.inf, 5.0]})
    with pytest.raises(DataError, match=r"1 value\(s\) are infinity \(row 1 column 'wind'\)"):
        DataNormalizer().fit(frame)
    normalizer = DataNormalizer().fit([[1.0], [2.0]])
    with pytest.raises(DataError, match="row 0, 1 column 0"):
        normalizer.inverse_transform([[[0.0], [np.inf]]])


def test_only_the_first_five_infinite_values_are_listed_with_their_number():
    rows = np.full((9, 1), np.inf)
    with pytest.raises(DataError, match=r"9 value\(s\) .*row 4 column 0\)"):
        DataNormalizer().fit(rows)


def test_set_output_gives_a_frame_with_the_names_and_the_index_of_the_input():
    frame = pd.DataFrame(
        {"load": [1.0, 3.0], "wind": [3.0, 3.0]}, index=pd.to_datetime(["2024-01-01", "2024-01-02"])
    )
    pipeline = make_pipeline(DataNormalizer()).set_output(transform="pandas")
    scaled = pipeline.fit_transform(frame)
    expected = pd.DataFrame({"load": [-1.0, 1.0], "wind": [0.0, 0.0]}, index=frame.index)
    pd.testing.assert_frame_equal(scaled, expected)
    assert pipeline[0].feature_names_in_.tolist() == ["load", "wind"]
    assert pipeline[0].get_feature_names_out().tolist() == ["load", "wind"]


# ------------------------------------------------------------------------------------------ strategies

ORACLES = {
    "minmax": MinMaxScaler(),
    "robust": RobustScaler(),
    "maxabs": MaxAbsScaler(),
    "zscore": StandardScaler(),
    "none": FunctionTransformer(),
    "log1p": FunctionTransformer(np.log1p),
}
every_strategy = pytest.mark.parametrize("strategy", sorted(ORACLES))


def make_rows():
    rows = np.random.default_rng(0).gamma(2.0, [1, 50, 1e-4], size=(200, 3))
    rows[7, 1] = np.nan
    return rows


def test_every_strategy_has_an_oracle():
    assert set(STRATEGIES) == set(ORACLES)


@every_strategy
def test_a_strategy_equals_that_of_scikit_learn(strategy):
    rows = make_rows()
    expected = ORACLES[strategy].fit(rows[:150]).transform(rows)
    normalizer = DataNormalizer(strategy=strategy).fit(rows[:150])
    np.testing.assert_allclose(normalizer.transform(rows), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(normalizer.inverse_transform(expected), rows, rtol=1e-10)


@every_strategy
def test_a_constant_column_is_divided_by_one(strategy):
    rows = np.column_stack([np.full(50, 0.1) * 3, np.zeros(50)])
    scale = DataNormalizer(strategy=strategy).fit(rows).scale_
    assert scale.tolist() == ([rows[0, 0], 1] if strategy == "maxabs" else [1, 1])


@every_strategy
@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_a_strategy_survives_extreme_values(strategy, size):
    rows = np.array([[0.1], [0.9], [0.5]]) * size
    normalizer = DataNormalizer(strategy=strategy).fit(rows)
    scaled = normalizer.transform(rows)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(normalizer.inverse_transform(scaled), rows, rtol=1e-6)


def test_minmax_maps_to_the_range_that_is_asked_for():
    scaled = DataNormalizer({"strategy": "minmax", "range": (-1, 1)}).fit_transform([[2.0], [4.0], [3.0]])
    assert scaled.ravel().tolist() == [-1, 1, 0]
    with pytest.raises(SettingError, match="range must be two numbers, the smaller first"):
        DataNormalizer(strategy="minmax", range=(1, 0)).fit([[1.0]])


def test_some_columns_can_be_brought_back_alone():
    frame = pd.DataFrame(make_rows(), columns=["wind", "load", "sun"])
    normalizer = DataNormalizer().fit(frame)
    scaled = normalizer.transform(frame)
    np.testing.assert_allclose(
        normalizer.inverse_transform(scaled[:, [2, 0]], ["sun", 0]), frame[["sun", "wind"]]
    )
    with pytest.raises(SettingError, match="Did you mean 'wind'"):
        normalizer.inverse_transform(scaled[:, :1], ["wnd"])
    with pytest.raises(DataError, match=r"expects shape \(..., 1\)"):
        normalizer.inverse_transform(scaled, ["wind"])


def test_a_logarithm_of_minus_one_or_less_is_refused_by_row_and_column():
    frame = pd.DataFrame({"load": [0.0, 1.0], "price": [3.0, -1.5]})
    with pytest.raises(DataError, match=r"row 1 column 'price': -1\.5"):
        DataNormalizer(strategy="log1p").fit(frame)
