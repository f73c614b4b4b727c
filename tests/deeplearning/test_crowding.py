"""Trainings that other work interrupts say so, once, and only where threads wait for each other."""

import numpy as np
import pytest

from timeseries.deeplearning import crowding
from timeseries.deeplearning.models import NLinearModel

X = np.random.default_rng(0).normal(size=(40, 1))


class Clock:
    """Seconds that pass at every look, in each of which so many interruptions come."""

    def __init__(self, monkeypatch, interruptions, threads):
        self.seconds, self.interruptions = 0.0, interruptions
        monkeypatch.setattr(crowding.time, "perf_counter", self.look)
        monkeypatch.setattr(crowding, "_interruptions", lambda: int(self.seconds * self.interruptions))
        monkeypatch.setattr(crowding, "number_of_threads", lambda: threads)

    def look(self):
        self.seconds += 0.1
        return self.seconds


@pytest.mark.parametrize(
    ("interruptions", "threads", "epochs", "told"),
    [(300, 2, 60, 1), (300, 1, 60, 0), (30, 2, 60, 0), (300, 2, 1, 0)],
    ids=["busy", "one thread", "quiet", "short"],
)
def test_a_training_whose_threads_wait_for_other_work_says_so_once(
    interruptions, threads, epochs, told, monkeypatch, caplog
):
    Clock(monkeypatch, interruptions, threads)
    NLinearModel(sequence_length=4, epochs=epochs).fit(X, X[::-1, 0])
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(found) == told
    if told:
        assert "interrupts this training" in found[0]
        assert "its 2 threads wait for each other: threads=1 may be many times as fast" in found[0]


def test_the_system_counts_interruptions_or_nobody_does(monkeypatch):
    assert crowding._interruptions() >= 0
    monkeypatch.setattr(crowding, "resource", None)
    assert crowding._interruptions() == 0
