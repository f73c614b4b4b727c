"""How much memory is left, and the refusal of a job that needs more: before it starts, with the numbers."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from timeseries.errors import MemoryLimitError

with suppress(ImportError):  # Windows has no limits of this kind
    import resource

GIB = 1 << 30
_MEMINFO = Path("/proc/meminfo")
_USED = Path("/proc/self/statm")
_GROUPS = (  # limit, use, and the line of its statistics that counts what can be given up at once
    (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory.current",
        "/sys/fs/cgroup/memory.stat",
        "inactive_file",
    ),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


def available_memory() -> int | None:
    """Return the bytes that this process can still take.

    Returns
    -------
    int or None
        The least of what the machine, its control group (a container's limit) and the limit of the process's
        address space leave; None where the system tells none of them.

    Examples
    --------
    >>> from timeseries.memory import available_memory
    >>> (available_memory() or 1) > 0
    True
    """
    known = [left for left in (_of_machine(), *map(_of_group, _GROUPS), _of_process()) if left is not None]
    return max(0, min(known)) if known else None


def refuse_beyond_memory(needed: float, job: str, fix: str) -> None:
    """Refuse a job that needs more memory than there is.

    Parameters
    ----------
    needed : float
        Bytes, estimated.
    job : str
        What needs them, as the begin of a sentence.
    fix : str
        What helps, as a sentence.

    Raises
    ------
    MemoryLimitError
        With both numbers.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise MemoryLimitError(
            f"{job} needs about {needed / GIB:.1f} GiB of memory, but {available / GIB:.1f} GiB are "
            f"available. {fix}"
        )


def _of_machine() -> int | None:
    """Return what the machine has left: Linux says it, elsewhere all its memory is the bound."""
    for line in _lines(_MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_group(files: tuple[str, str, str, str]) -> int | None:
    """Return what a control group leaves; its cache of files is not counted as used."""
    limit, used, statistics, cache = files
    bounds = [line.strip() for path in (limit, used) for line in _lines(Path(path))[:1]]
    if len(bounds) < 2 or not all(bound.isdigit() for bound in bounds):  # "max" is no limit
        return None
    given_up = [int(line.split()[1]) for line in _lines(Path(statistics)) if line.startswith(f"{cache} ")]
    return int(bounds[0]) - int(bounds[1]) + sum(given_up)


def _of_process() -> int | None:
    """Return what the limit of the address space leaves."""
    if sys.platform == "win32":
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _lines(_USED)
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return limit - int(pages[0].split()[0]) * resource.getpagesize()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
