"""Deep learning on time series, recurrent networks first."""

__version__ = "0.1.0.dev0"
