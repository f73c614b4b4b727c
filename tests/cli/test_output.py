"""Tables in JSON documents."""

import json

import numpy as np
import pandas as pd

from timeseries.cli.output import records


def test_rows_hold_what_json_can_absent_values_are_null_and_stamps_are_iso_8601():
    table = pd.DataFrame(
        {
            "ds": [pd.Timestamp("2024-01-01 12:30"), pd.NaT],
            "name": ["a", None],
            7: np.array([1, 2]),
            "y": [0.1 + 0.2, np.nan],
        }
    )
    expected = (
        '[{"ds": "2024-01-01T12:30:00", "name": "a", "7": 1, "y": 0.30000000000000004}, '
        '{"ds": null, "name": null, "7": 2, "y": null}]'
    )
    assert json.dumps(records(table), allow_nan=False) == expected
