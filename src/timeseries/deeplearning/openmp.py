"""How long threads that compute together wait for each other before they sleep: said before PyTorch is there.

PyTorch for Linux brings the OpenMP of GCC. There a thread that waits for the others turns round in a loop for
up to 15 ms before it sleeps; it reads how often from the environment when it is loaded, once. Where other
work holds the cores, the one waited for does not run meanwhile, and as the layers of an LSTM wait at every
step, a training takes ten times as long, now and then hundreds of times. Some 100 µs bridge what lies between
two operations. Who waits how long changes no result.
"""

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

TURNS = "2000"  # of the loop: some 100 µs where a processor's pause is long, 30 where it is short
CHOSEN_BY = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def load_with_short_waits() -> None:
    """Load the OpenMP of PyTorch ahead of PyTorch, told to wait shortly; the environment stays as it is.

    Nothing is done where PyTorch is loaded already, where a variable of the environment says how long to
    wait, or where PyTorch comes with another OpenMP.
    """
    spec = find_spec("torch")
    if "torch" in sys.modules or spec is None or spec.origin is None or set(CHOSEN_BY) & os.environ.keys():
        return
    for library in Path(spec.origin).parent.glob("lib/libgomp*.so*"):
        os.environ[CHOSEN_BY[0]] = TURNS
        try:
            ctypes.CDLL(str(library))
        finally:
            del os.environ[CHOSEN_BY[0]]
