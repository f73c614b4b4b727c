"""Where and under which randomness a network runs; the process is left as it was found.

PyTorch has one stream of random numbers and one default type per process, whatever the thread. What draws
from that stream therefore takes turns: fits in several threads give the weights of one after the other.
"""

import ctypes
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import Thread
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

from timeseries.errors import MemoryLimitError, SettingError
from timeseries.process import Turns

PRECISIONS = ("float32", "bfloat16", "auto")

_LIBC: Any = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
_OWN_THRESHOLDS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
_KEPT_BYTES = 1 << 30
_LARGE_BLOCK = 1 << 25  # the largest to which glibc raises its threshold by itself
_SOFTLY = 1  # of omp_pause_resource_all: settings stay
DENORMAL = 1e-40
_stream = Turns()  # of PyTorch's random numbers
_REFUSED = re.compile("can't allocate memory|not enough memory")  # what PyTorch's allocator says on a CPU


def available_devices() -> list[str]:
    """Return the devices that this machine has."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [device for device, available in there.items() if available]


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have."""
    if device not in available_devices():
        there = ", ".join(available_devices())
        raise SettingError(f"device={device!r} is not available here. Available: {there}.")


def has_bfloat16(device: str) -> bool:
    """Tell whether a device computes with bfloat16 itself; a CPU without AVX-512 crashes in recurrent layers.

    With AVX-512 alone a CPU does it by way of float32, which gains nothing.
    """
    if device == "cpu":
        able = torch.cpu.get_capabilities()
        itself = any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # the last of ARM
        return bool(itself and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def check_precision(precision: str, device: str) -> None:
    """Refuse numbers that a device does not compute with."""
    if precision == "bfloat16" and not has_bfloat16(device):
        raise SettingError(
            f"precision='bfloat16' is not available here: {device} does not compute with such numbers. "
            "Set precision='float32', or precision='auto', which tries."
        )


@contextmanager
def forked(device: str) -> Iterator[None]:
    """Let what runs inside draw random numbers without a trace: the stream goes on as if it had not."""
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with _stream.take(), torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Draw from a stream of random numbers of its own, and restore the caller's afterwards.

    What runs inside makes float32 networks on the CPU and can learn in float32, whatever the caller's default
    type, default device, autocast and grad mode.
    """
    with forked(device), _float32(), as_written(device), torch.inference_mode(False), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        if device == "cuda":
            torch.cuda.manual_seed(seed)
        elif device == "mps":
            torch.mps.manual_seed(seed)
        yield


@contextmanager
def threads(number: int | str | None) -> Iterator[None]:
    """Compute with so many threads of the CPU in the thread that calls; no number: with as many as it has.

    PyTorch hands its number on to every thread that begins to compute, so others are told theirs at once.

    Raises
    ------
    SettingError
        For several threads in a forked process, which would wait for those that its parent has.
    """
    found = number_of_threads()
    if not isinstance(number, int) or number == found:
        yield
        return
    if _process.is_forked and number > 1:
        raise SettingError(
            f"threads={number} is not possible in a forked process: the threads that help its parent to "
            "compute are missing there. Set threads=1, or start the process with the method 'spawn'."
        )
    others = _in_new_thread(number_of_threads)
    torch.set_num_threads(number)
    try:
        _in_new_thread(torch.set_num_threads, others)
        yield
    finally:
        torch.set_num_threads(found)
        _in_new_thread(torch.set_num_threads, others)


def _in_new_thread(call: Callable[..., Any], *given: Any) -> Any:
    """Return what a thread says that never computed; a pool would refuse it while the process ends."""
    said: list[Any] = []
    new = Thread(target=lambda: said.append(call(*given)))
    new.start()
    new.join()
    return said[0]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread of the CPU in the thread that calls; others, and the process, keep theirs."""
    libraries = _openmp().lib_controllers
    found = [library.get_num_threads() for library in libraries]
    for library in libraries:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, number in zip(libraries, found, strict=True):
            library.set_num_threads(number)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


def number_of_threads() -> int:
    """Return with how many threads of the CPU the process computes."""
    return torch.get_num_threads()


@contextmanager
def as_written(device: str) -> Iterator[None]:
    """Compute in the types of the given tensors; new ones are on the CPU unless a device is named."""
    elsewhere = torch.empty(0).device.type != "cpu"  # sooner than get_default_device()
    with (
        torch.device("cpu") if elsewhere else nullcontext(),  # which costs a little for every operation
        not_mixed(device),
    ):
        yield


def not_mixed(device: str) -> AbstractContextManager[Any]:
    """Compute in the types of the given tensors, whatever the caller's autocast."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def mixed(precision: str, device: str, *, learning: bool) -> AbstractContextManager[Any]:
    """Compute in bfloat16 where that is asked for, as long as a network learns; its weights stay float32."""
    if precision == "bfloat16" and learning:
        return torch.autocast(device, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the process keep the memory that it frees inside, where the C library is glibc; else do nothing.

    After every step glibc would give the top of its heap back to the system, and in the next step every page
    of it would have to be faulted in again: a quarter of the time of a step, measured. Afterwards memory is
    given back, and the thresholds are those of a process that has once freed a large block. Variables of the
    environment that set them are heeded instead.
    """
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _OWN_THRESHOLDS):
        yield
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
    try:
        yield
    finally:
        mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
        mallopt(_TRIM_THRESHOLD, 2 * _LARGE_BLOCK)
        _LIBC.malloc_trim(0)


@contextmanager
def without_denormals(device: str) -> Iterator[None]:
    """Take numbers below 1e-38 for zero where a CPU computes, in this thread and in those that help it.

    Gradients that reach back through hundreds of steps become that small, and some CPUs take many times as
    long for such numbers: up to ten times for a step, measured. Helpers compute as the thread that started
    them did at that time, so they are started anew; a thread that a callback starts keeps it. What a caller
    has set already stays.
    """
    flushes = not torch.tensor(DENORMAL, dtype=torch.float32, device="cpu").mul(1).item()
    if device != "cpu" or flushes or not torch.set_flush_denormal(True):
        yield
        return
    _dismiss_helpers()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        _dismiss_helpers()


def _dismiss_helpers() -> None:
    """End the threads that help this one to compute; the next operation that needs some starts others."""
    if number_of_threads() == 1:  # after a fork, whose helpers stayed behind and would be waited for
        return
    for library in _openmp().lib_controllers:
        pause = getattr(library.dynlib, "omp_pause_resource_all", None)
        if library.prefix == "libgomp" and pause is not None:  # others would end those of all threads
            pause(_SOFTLY)


@contextmanager
def _float32() -> Iterator[None]:
    """Make float32 tensors by default, within a turn: the default belongs to the process."""
    found = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(found)


@contextmanager
def told_of_memory(job: str, advice: str) -> Iterator[None]:
    """Say which job got no more memory, and what to do, where PyTorch raises a fault of its allocator.

    Raises
    ------
    MemoryLimitError
        With the number of bytes, where PyTorch says it.
    """
    try:
        yield
    except MemoryLimitError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not _REFUSED.search(str(error)):
            raise
        wanted = re.search(r"allocate ([\d.]+ ?(bytes|[KMG]iB))", str(error))
        bytes_wanted = f" on asking for {wanted[1]} more" if wanted else ""
        raise MemoryLimitError(f"{job} ran out of memory{bytes_wanted}. {advice}") from error


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was told to."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def random_state(device: str) -> dict[str, torch.Tensor]:
    """Return where the streams of random numbers are that training on a device draws from, uint8 each."""
    states = {"cpu": torch.get_rng_state()}
    if device == "cuda":
        states["cuda"] = torch.cuda.get_rng_state()
    elif device == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_state(device: str, states: dict[str, torch.Tensor]) -> None:
    """Put the streams where ``random_state`` found them."""
    torch.set_rng_state(states["cpu"])
    if device == "cuda":
        torch.cuda.set_rng_state(states["cuda"])
    elif device == "mps":
        torch.mps.set_rng_state(states["mps"])


class _Process:
    """Whether this process was forked from one that may have computed."""

    is_forked = False

    def forked(self) -> None:
        """Compute with one thread: others stay behind at a fork, and would be waited for without end."""
        self.is_forked = True
        torch.set_num_threads(1)


_process = _Process()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_process.forked)
