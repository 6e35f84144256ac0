"""The planted bugs of `make prove-power` still apply to this tree, and name tests that there are."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.prove.invariants import INVARIANTS
from tests.prove.plan import PLACED, case_of
from tests.prove.power import REPOSITORY, Bug, bugs


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.path.stem)
def test_a_bug_applies_and_says_what_it_is_and_who_should_notice(bug: Bug) -> None:
    tried = bug.plant(REPOSITORY, "--check")
    assert tried.returncode == 0, f"the lines it touches have changed, write it anew: {tried.stderr}"
    assert bug.says.endswith(".")
    assert bug.tests
    assert [test for test in bug.tests if not (REPOSITORY / test.partition("::")[0]).exists()] == []
    assert bool(bug.faults) == bool(bug.invariant)
    assert {bug.invariant} <= {"", *INVARIANTS}
    assert [case_of(fault, Random(1)).point for fault in bug.faults if not fault.startswith(tuple(PLACED))] == []


def test_there_are_at_least_twelve_and_five_that_the_invariants_have_to_see() -> None:
    assert len(bugs()) >= 12
    assert sum(bool(bug.invariant) for bug in bugs()) >= 5


def test_a_patch_of_lines_that_are_not_there_does_not_apply(tmp_path: Path) -> None:
    bug = bugs()[0]
    for line in bug.path.read_text().splitlines():
        if line.startswith("--- a/"):
            target = tmp_path / line.removeprefix("--- a/")
            target.parent.mkdir(parents=True)
            target.write_text("something else\n")
    assert bug.plant(tmp_path, "--check").returncode != 0
