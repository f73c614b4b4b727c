"""``python -m timeseries`` is ``timeseries``."""

from timeseries.cli import main

if __name__ == "__main__":
    main()
