"""The default install is locked: exact versions, hashes of every file, nothing missing and nothing more."""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked():
    """Return version and hashes of every distribution in the lock."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if re.match(r"\w", line)]
    return {canonical(pin.split("==")[0]): (pin.split("==")[1], hashes) for pin, *hashes in lines}


def default_install():
    """Return the names of what is installed because the project needs it, with what that needs in turn."""
    found, pending = set(), ["timeseries-deeplearning"]
    while pending:
        name = canonical(pending.pop())
        if name not in found:
            found.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or [])
            pending += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    return found - {"timeseries-deeplearning"}


def test_the_lock_holds_the_default_install_and_nothing_else():
    assert set(locked()) == default_install()
    assert len(locked()) <= 30


def test_the_lock_and_the_constraints_name_the_same_versions():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = dict(line.split("==") for line in lines if re.match(r"\w", line))
    constraints = {canonical(name): version for name, version in constraints.items()}
    found = {name: version.removesuffix("+cpu") for name, (version, _) in locked().items()}
    assert found == {name: constraints[name] for name in found}


def test_every_file_has_a_sha256():
    for name, (_, hashes) in locked().items():
        assert hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in hashes), name
        assert len(set(hashes)) == len(hashes), name


def test_the_lock_names_no_place_of_its_own_to_fetch_from():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"--(index-url|extra-index-url|find-links|trusted-host)|://", text)
