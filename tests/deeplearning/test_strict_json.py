"""JSON in and out: nothing that the standard leaves open, nothing unbounded."""

import json
import sys
from collections import OrderedDict
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timeseries.deeplearning.strict_json import NotStrictError, decode, encode, shorten


def nested(depth):
    value = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


class Endless(list):
    """A list that contains itself, twice."""

    def __init__(self):
        super().__init__()
        self.extend([self, self])


def test_the_canonical_form_is_sorted_compact_and_utf8():
    value = {"é": 1, "b": [True, None, -0.0, 1e300, "\n", "🙂"], "a": {}}
    expected = '{"a":{},"b":[true,null,-0.0,1e+300,"\\n","🙂"],"é":1}'
    assert encode(value).decode() == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": float("inf")}, r"^at \['a'\] is inf; JSON has finite numbers only, use None$"),
        ({"a": [0, {"b": np.float32(1)}]}, r"^at \['a'\]\[1\]\['b'\] is of type float32; use"),
        ({"a": (1, 2)}, "of type tuple"),
        ({"a": {1, 2}}, "of type set"),
        ({"a": b"x"}, "of type bytes"),
        ({"a": Decimal(1)}, "of type Decimal"),
        ({"a": np.zeros(2)}, "of type ndarray"),
        ({3: 1}, "^has the key 3; keys must be"),
        ({"a": {None: 1}}, r"^at \['a'\] has the key None"),
        ({"a": "\ud800"}, "lone surrogate"),
        ({"\udfff": 1}, "has the key"),
        ({"a": 10**79}, "too many digits"),
        ({"a": -(10**5000)}, "too many digits"),
        (nested(33), "nested more than 32 levels"),
        ({"a": Endless()}, "nested more than 32 levels"),
        ({"a": [0] * 400_001}, "has more than 400,000 values"),
        ({"a": ["x"] * 200_001}, "has more than 400,000 JSON tokens"),
        ({"a": [float("nan")] * 7}, r"\[4\] is nan.*\(and 2 more\)"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value, reason):
    with pytest.raises(NotStrictError, match=reason):
        encode(value)


def test_the_limits_themselves_are_allowed():
    for value in (nested(32), {"a": [10**79 - 1, -(10**79) + 1]}, {"a": ["x"] * 199_990}):
        assert decode(encode(value)) == value


def test_subclasses_of_plain_types_are_written_as_what_they_are():
    value = OrderedDict(a=np.float64(0.1), b=np.str_("x"))
    assert encode(value) == b'{"a":0.1,"b":"x"}'


@settings(max_examples=200)
@given(
    st.binary(max_size=40)
    | st.text('{}[]",:\\u0d8e1-.NaInfity tr\ud83d', max_size=40).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
@example(b'{"a":"\\ud83d\\ude00"}')
@example(b"\xff")
def test_any_text_is_either_refused_or_an_object_that_can_be_written_again(raw):
    try:
        value = decode(raw)
    except NotStrictError:
        return
    assert value == json.loads(raw)
    assert decode(encode(value)) == value


@pytest.mark.parametrize("raw", [b"[" * 10**6, b'{"a":' * 10**6, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"])
def test_depth_is_bounded_before_the_parser_recurses(raw):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)  # what some programs do; the parser would overflow the stack of the process
    try:
        with pytest.raises(NotStrictError, match="nested more than 32 levels"):
            decode(raw)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_commas_and_quotes_inside_a_string_do_not_count():
    value = {"a": '[{,"\\' * 500_000}
    assert decode(encode(value)) == value


def test_what_is_shown_of_a_hostile_value_is_short_and_printable():
    assert shorten("\x1b[2J" * 1000).isprintable()
    assert len(shorten("x" * 10**6)) <= 80
    assert len(shorten([["x" * 1000] * 1000] * 1000)) <= 80
