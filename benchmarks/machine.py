"""Where the data lies, and what a figure was measured on: machine, versions, threads and date."""

import datetime
import os
import platform
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import timeseries


def describe() -> str:
    """Return one line for the head of a table."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    versions = f"torch {torch.__version__}, numpy {np.__version__}, pandas {pd.__version__}"
    return (
        f"{datetime.date.today()}  {cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {sys.version.split()[0]}, {versions}, timeseries {timeseries.__version__}"
    )


def data_folder() -> Path:
    """Return the folder with the real data sets, or end with what to do."""
    folder = os.environ.get("TIMESERIES_DATA")
    if not folder:
        raise SystemExit("Set TIMESERIES_DATA to the folder that holds the data sets (ett/, weather/, ...).")
    return Path(folder)
