"""How often each fault was brought about: counted by the tests, told at the end of `make test-faults`."""

from collections import Counter

import pytest


@pytest.fixture
def tried(record_property):
    """Return a function that says how often a test brought its fault about; once when it does not say."""
    return lambda times: record_property("tried", times)


def pytest_terminal_summary(terminalreporter, config):
    if not any("faults" in str(argument) for argument in config.args):
        return
    counts = {outcome: Counter() for outcome in ("passed", "failed", "skipped")}
    for outcome, counter in counts.items():
        for report in terminalreporter.getreports(outcome):
            if "faults/" not in report.nodeid:
                continue
            name = report.nodeid.split("::")[-1].split("[")[0].removeprefix("test_").replace("_", " ")
            counter[name] += dict(report.user_properties).get("tried", 1)
    terminalreporter.section("faults: tried, survived")
    for name in sorted(counts["passed"] | counts["failed"] | counts["skipped"]):
        survived, failed, skipped = (counts[outcome][name] for outcome in ("passed", "failed", "skipped"))
        not_run = f"  ({skipped} not run here)" if skipped else ""
        terminalreporter.write_line(f"{survived + failed:>7,}{survived:>7,}  {name}{not_run}")
