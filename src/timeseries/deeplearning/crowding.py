"""Cores that other work keeps from a training, whose threads then wait for each other."""

import logging
import time

try:
    import resource
except ImportError:  # on Windows, where nobody counts
    resource = None  # type: ignore[assignment]

from timeseries.deeplearning.runtime import number_of_threads

SECONDS = 2.0  # before which a training is over soon anyway
INTERRUPTIONS = 100.0  # a second; beside other work there were 150 to 330, on quiet cores 20 to 45
LOG = logging.getLogger("timeseries")


class CrowdWatch:
    """Say once, while a network trains with several threads, that other work interrupts them.

    The number of threads stays what it is: weights depend on it in their last bits.
    """

    def __init__(self) -> None:
        self.began, self.before, self.has_told = time.perf_counter(), _interruptions(), False

    def look(self) -> None:
        """Log a warning if this process was interrupted too often since the beginning."""
        seconds, threads = time.perf_counter() - self.began, number_of_threads()
        if self.has_told or seconds < SECONDS or threads == 1:
            return
        rate = (_interruptions() - self.before) / seconds
        if rate > INTERRUPTIONS:
            self.has_told = True
            LOG.warning(
                "Other work interrupts this training %.0f times a second, so its %d threads wait for each "
                "other: threads=1 may be many times as fast, and threads='auto' tries.",
                rate,
                threads,
            )


def _interruptions() -> int:
    """Return how often the system took a core away from this process."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
