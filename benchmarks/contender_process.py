"""A contender as a process that is asked line by line; peers/worker.py is its other end."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers.make_environments import PEERS, python_of

WORKER = Path(__file__).parent / "peers" / "worker.py"
OURS = "timeseries"
SECONDS = 180.0  # that an answer may take


class ContenderProcess:
    """Started when it is first asked, and again after it was ended for taking too long."""

    def __init__(self, name: str, threads: int, **variables: str) -> None:
        self.name, self.threads, self.variables = name, threads, variables
        self.process: subprocess.Popen[str] | None = None

    def ask(self, **question: Any) -> Any:
        """Send one line and return the answer to it, or why there is none."""
        process = self.process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS)[0]:
            self.end(kill=True)
            return {"not possible": f"no answer within {SECONDS:.0f} s"}
        answer = process.stdout.readline()
        if not answer:
            self.end()
            return {"not possible": "its process ended without an answer"}
        return json.loads(answer)

    def end(self, *, kill: bool = False) -> None:
        """Close its input and wait for it to end."""
        if self.process is not None:
            if kill:
                self.process.kill()
            self.process.communicate()
        self.process = None

    def _start(self) -> "subprocess.Popen[str]":
        python = python_of(self.name) if self.name in PEERS else sys.executable
        environment = os.environ | _threads(self.threads) | self.variables
        pipe = subprocess.PIPE
        command = [python, WORKER, self.name]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


def _threads(count: int) -> dict[str, str]:
    return {name: str(count) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
