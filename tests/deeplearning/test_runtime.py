"""What belongs to the process while a network trains."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from timeseries.deeplearning import runtime
from timeseries.deeplearning.models.custom import CustomModel
from timeseries.errors import SettingError

able = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="no such mode of this processor")


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


def elsewhere():
    """Return with how many threads a thread begins to compute."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(torch.get_num_threads).result()


@pytest.mark.parametrize(
    "alone", [runtime.one_thread, partial(runtime.threads, 1), partial(runtime.threads, 3)]
)
def test_a_number_of_threads_is_for_the_calling_thread_alone(alone):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with suppress(KeyError), alone():
            assert torch.get_num_threads() in (1, 3)
            assert elsewhere() == 2
            raise KeyError
        assert torch.get_num_threads() == elsewhere() == 2
    finally:
        torch.set_num_threads(before)


ENDING = """
import threading
import torch
from timeseries.deeplearning import runtime

def work():
    threading.main_thread().join()
    with runtime.threads(torch.get_num_threads() + 1):
        pass
    print("done")

threading.Thread(target=work).start()
"""


def test_a_thread_that_outlives_the_main_one_can_still_set_its_number():
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_several_threads_are_refused_in_a_forked_process(monkeypatch):
    monkeypatch.setattr(runtime._process, "is_forked", True)
    with runtime.threads(1), runtime.threads(None):
        pass
    with pytest.raises(SettingError, match=r"threads=2 is not possible in a forked process.*'spawn'"):
        runtime.threads(2).__enter__()


CONDITIONS = []


class Observer(nn.Module):
    """A linear map that notes under which conditions it learns."""

    def __init__(self, sizes):
        super().__init__()
        self.shape = (sizes.horizon, sizes.targets, sizes.outputs)
        self.map = nn.Linear(sizes.context * sizes.past, math.prod(self.shape))

    def forward(self, window):
        if self.training:
            flushed = torch.tensor(runtime.DENORMAL).mul(1).item() == 0
            CONDITIONS.append((torch.get_num_threads(), flushed, list(runtime._LIBC.told)))
        return self.map(window.past.flatten(1)).unflatten(1, self.shape)


@able
def test_a_fit_and_its_trials_learn_with_the_threads_asked_for_without_denormals_and_keep_memory(library):
    data = np.random.default_rng(0).normal(size=(60, 1))
    model = CustomModel(network=Observer, sequence_length=6, epochs=1, threads=3)
    for job in (model.fit, model.find_batch_size):
        CONDITIONS.clear()
        library.told.clear()
        job(data, data[::-1, 0])
        assert CONDITIONS
        assert all(number == 3 and flushed for number, flushed, _ in CONDITIONS)
        assert all(told[-2:] == [(-1, 1 << 30), (-3, 1 << 30)] for _, _, told in CONDITIONS)


def denormal_gradients():
    """Return how many gradients through an LSTM are below 1e-38 but not zero."""
    torch.manual_seed(0)
    layers, x = torch.nn.LSTM(16, 64, 2, batch_first=True), torch.randn(64, 50, 16)
    states, _ = layers(x.requires_grad_())
    [gradient] = torch.autograd.grad(states, x, torch.full_like(states, 3e-38))
    bits = gradient.contiguous().view(torch.int32)  # since comparing numbers would flush them, too
    return int(((bits & 0x7FFFFFFF > 0) & (bits & 0x7F800000 == 0)).sum())


@able
@pytest.mark.parametrize("threads", [1, 2])
def test_denormals_are_zero_inside_in_helpers_too_and_numbers_again_afterwards_even_after_an_error(threads):
    with runtime.threads(threads):
        assert denormal_gradients()  # which has started a helper where there are two threads
        with suppress(KeyError), runtime.without_denormals("cpu"):
            assert not denormal_gradients()
            raise KeyError
        assert denormal_gradients()
        with runtime.without_denormals("cuda"):
            assert denormal_gradients()


@able
def test_what_the_caller_has_set_for_denormals_stays():
    torch.set_flush_denormal(True)
    try:
        with runtime.without_denormals("cpu"):
            pass
        assert torch.tensor(runtime.DENORMAL).mul(1).item() == 0
    finally:
        torch.set_flush_denormal(False)


def test_gradients_without_denormals_are_bit_for_bit_the_same_where_they_matter():
    torch.manual_seed(0)
    layers, x = torch.nn.LSTM(1, 8, 2, batch_first=True), torch.randn(4, 300, 1)

    def gradients():
        loss = layers(x)[0][:, -1].square().sum()
        return torch.autograd.grad(loss, [*layers.parameters()])

    usual = gradients()
    with runtime.without_denormals("cpu"):
        flushed = gradients()
    assert all(torch.equal(one, other) for one, other in zip(usual, flushed, strict=True))
