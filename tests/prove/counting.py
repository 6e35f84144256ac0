"""A pytest plugin that counts what a proof tried: `-p tests.prove.counting` with DRAENEI_PROVE_COUNTS=FILE.

A test is one case for each of its parameters, unless it says otherwise: `record_property("cases", n)`; a Hypothesis
test is as many cases as examples passed. FILE gets {node id without parameters: a Count's fields}.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

VARIABLE = "DRAENEI_PROVE_COUNTS"
CASES = "cases"


@dataclass
class Count:
    """What one proof came to. violations: a sentence for each."""

    cases: int = 0
    skipped: int = 0
    violations: list[str] = field(default_factory=list)


def read(path: Path) -> dict[str, Count]:
    """The counts that a session wrote; none when it wrote nothing."""
    return {name: Count(**given) for name, given in json.loads(path.read_text()).items()} if path.exists() else {}


class Counter:
    """Listens in the process that gathers the reports of all xdist workers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: defaultdict[str, Count] = defaultdict(Count)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test's cases, and its failure in whatever phase."""
        count = self.counts[report.nodeid.partition("[")[0]]
        if report.failed:
            count.violations.append(f"{report.nodeid}, in {report.when}")
        elif report.skipped:
            count.skipped += 1
        elif report.when == "call":
            count.cases += next((int(str(value)) for name, value in report.user_properties if name == CASES), 1)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        counts = {name: asdict(count) for name, count in self.counts.items()}
        self.path.write_text(json.dumps(counts, indent=1, sort_keys=True))


def pytest_configure(config: pytest.Config) -> None:
    """Listen in the controller alone."""
    path = os.environ.get(VARIABLE)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counter(Path(path)), "prove-counter")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a Hypothesis test's number of examples travel with its report."""
    report = yield
    if statistics := getattr(item, "hypothesis_statistics", None):
        examples = sum(map(int, re.findall(r"(\d+) passing\b", statistics)))
        report.user_properties.append((CASES, examples))
    return report
