"""Make one environment per peer, from its pinned requirements, in a folder that git ignores.

    python benchmarks/peers/make_environments.py            # all; 1 to 2 GB each, several minutes
    python benchmarks/peers/make_environments.py keras      # one of them

An environment whose requirements have not changed since it was made is left as it is.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".peers"
PEERS = tuple(sorted(path.stem for path in HERE.glob("*.txt")))


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, or end with what to do."""
    python = FOLDER / peer / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{peer} has no environment yet: run benchmarks/peers/make_environments.py {peer}.")
    return python


def make(peer: str) -> None:
    """Make the environment of a peer; what pip prints is shown."""
    wanted = (HERE / f"{peer}.txt").read_text()
    folder = FOLDER / peer
    done = folder / "installed.txt"  # written last: an environment without it is not complete
    if done.exists() and done.read_text() == wanted:
        print(f"{peer}: nothing to do")
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [python_of(peer), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", HERE / f"{peer}.txt"], check=True)
    done.write_text(wanted)
    print(f"{peer}: installed", flush=True)


def main() -> None:
    """Make the environments one after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}; all when absent")
    wanted = parser.parse_args().peers or PEERS
    if unknown := sorted(set(wanted) - set(PEERS)):
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    for peer in wanted:
        make(peer)


if __name__ == "__main__":
    main()
