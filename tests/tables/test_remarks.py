"""What is said of numbers that are taken as they are: here, of days of a spreadsheet."""

import datetime

import numpy as np
import pandas as pd
import pytest

from timeseries.errors import DataError
from timeseries.panel import Panel


def serials(days):
    """Number days as spreadsheets do: 1 is 1 January 1900, and 29 February 1900 is counted."""
    return [(day.date() - datetime.date(1900, 1, 1)).days + 2 for day in days]


def frame(stamps):
    return pd.DataFrame({"ds": stamps, "y": np.arange(float(len(stamps)))})


@pytest.mark.parametrize("freq", ["D", "W-WED", "2W-WED"])
def test_day_numbers_of_a_spreadsheet_stay_integers_with_a_note(freq):
    numbers = serials(pd.date_range("2023-03-15", periods=12, freq=freq))
    assert numbers[0] == 45000  # as Excel has it
    panel = Panel.from_frame(frame(numbers))
    assert panel.time.tolist() == numbers
    told = "look like Excel's day numbers (45000 is 2023-03-15): convert them to dates if they are"
    assert f"Numbers in column 'ds' {told} (day 0 is 1899-12-30)." in panel.notes


@pytest.mark.parametrize(
    "stamps", [range(12), range(19_995, 20_007), range(59_990, 60_002), range(1990, 2010)]
)
def test_other_numbers_are_not_taken_for_days(stamps):
    assert "Excel" not in " ".join(Panel.from_frame(frame(stamps)).notes)
    assert "Excel" not in " ".join(Panel.from_frame(frame(pd.date_range("2023", periods=9))).notes)


@pytest.mark.parametrize("freq", ["MS", "B", "QS"])
def test_day_numbers_without_a_regular_step_are_told_to_be_dates_first(freq):
    days = pd.date_range("2023-03-15", periods=24, freq=freq)
    with pytest.raises(DataError, match="To fix this: the numbers look like Excel's day numbers") as caught:
        Panel.from_frame(frame(serials(days)))
    assert f"({serials(days)[0]} is {days[0].date()}): convert them to dates if they are" in str(caught.value)
    assert Panel.from_frame(frame(days)).frequency.season_length > 1
