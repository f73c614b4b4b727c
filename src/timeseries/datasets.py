"""The data set that comes with the library."""

from importlib.resources import as_file, files

import pandas as pd


def load_airpassengers() -> pd.DataFrame:
    """Return the monthly totals of international airline passengers, 1949 to 1960.

    Returns
    -------
    DataFrame
        144 rows: ``ds``, the first day of the month, and ``y``, thousands of passengers. Series G of
        Box & Jenkins (1976).

    Examples
    --------
    >>> load_airpassengers().tail(1).to_string(header=False, index=False)
    '1960-12-01 432'
    """
    with as_file(files("timeseries") / "data" / "airpassengers.csv") as path:
        return pd.read_csv(path, parse_dates=["ds"])
