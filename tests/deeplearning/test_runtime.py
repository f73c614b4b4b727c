"""What belongs to the process while a network trains."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from timeseries.deeplearning import runtime


class Recorder:
    """A C library that only remembers what it was told."""

    def __init__(self):
        self.told = []

    def mallopt(self, parameter, value):
        self.told.append((parameter, value))

    def malloc_trim(self, pad):
        self.told.append("trim")


@pytest.fixture
def library(monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    recorder = Recorder()
    monkeypatch.setattr(runtime, "_LIBC", recorder)
    return recorder


def test_freed_memory_is_kept_while_training_and_given_back_afterwards_even_after_an_error(library):
    trim, mmap = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3)
    while_training = []

    def training():
        with runtime.kept_memory():
            while_training.extend(library.told)
            library.told.clear()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training()
    assert {parameter for parameter, size in while_training if size >= 1 << 30} == {trim, mmap}
    assert dict(library.told[:-1]) == {mmap: 32 << 20, trim: 64 << 20}
    assert library.told[-1] == "trim"


def test_thresholds_of_the_environment_are_heeded(library, monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    with runtime.kept_memory():
        pass
    assert library.told == []


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(runtime, "_LIBC", None)
    with runtime.kept_memory():
        pass


def test_one_thread_is_for_the_calling_thread_alone():
    def elsewhere():
        with ThreadPoolExecutor(1) as other:
            return other.submit(torch.get_num_threads).result()

    with runtime.threads(2):
        with runtime.one_thread():
            assert torch.get_num_threads() == 1
            assert elsewhere() == 2
        assert torch.get_num_threads() == 2
