"""`python -m tests.prove.power`: would the tests notice? Plants each bug of bugs/*.patch in a copy of the tree.

A patch begins with `Bug: SENTENCE` and `Tests: FILE OR NODE ID` (one line each), which git passes over. Of files the
default suite's tests are run; tests that are all named are run even when they are marked `prove`. A bug is caught when
one of its tests fails in its call, not when nothing runs any more; what that test said stands below it, for whoever
asks whether it was for the bug's sake.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.prove import counting

REPOSITORY = Path(__file__).parents[2]
BUGS = Path(__file__).parent / "bugs"
COPIED = ("luigi_tasks", "twin", "dbt_project", "tests", "pyproject.toml", "luigi.cfg", "deploy", "docs", "README.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "*.egg-info")
MAY_MISS = 1


@dataclass(frozen=True)
class Bug:
    """A patch that makes one plausible mistake. tests: what is expected to fail."""

    path: Path
    says: str
    tests: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> Bug:
        """Read the head of a patch file."""
        head = path.read_text().partition("\n--- ")[0]
        says = re.findall(r"^Bug: (.+)$", head, re.MULTILINE)
        return cls(path, says[0] if says else "", tuple(re.findall(r"^Tests: (.+)$", head, re.MULTILINE)))

    def plant(self, tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Apply the patch to a tree; `--check`: only try. The exit code is 0 when it applies."""
        command = ["git", "apply", *options, str(self.path)]
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Verdict:
    """What came of a bug. caught_by: the node id of the first test that failed, '' when none did. words: why."""

    bug: Bug
    caught_by: str
    words: str = ""


def bugs(names: Sequence[str] = ()) -> list[Bug]:
    """All of them, or those with such words in their names, by name."""
    found = [Bug.of(path) for path in sorted(BUGS.glob("*.patch"))]
    return [bug for bug in found if not names or any(name in bug.path.stem for name in names)]


def main() -> int:
    """0 when the tests pass without a bug and at most one bug goes unnoticed."""
    options = _options()
    chosen = bugs(options.bug)
    with tempfile.TemporaryDirectory(prefix="draenei-power-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        sound = pool.submit(_without_bug, chosen, Path(folder) / "sound")
        print(f"{'bug':36} caught by")
        verdicts = []
        for verdict in pool.map(lambda bug: tried(bug, Path(folder) / bug.path.stem), chosen):
            verdicts.append(verdict)
            print(f"{verdict.bug.path.stem:36} {verdict.caught_by or 'NOBODY'}\n{'':36} {verdict.words}", flush=True)
        failed = sound.result()
    caught = sum(bool(verdict.caught_by) for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} bugs caught; without a bug {len(failed)} of the same tests fail")
    for words in failed:
        print(f"  {words}")
    return 0 if not failed and caught >= len(verdicts) - MAY_MISS else 1


def tried(bug: Bug, tree: Path) -> Verdict:
    """Plant a bug in a copy of the tree, run its tests until the first failure, remove the copy."""
    copy(tree)
    try:
        if (planted := bug.plant(tree)).returncode:
            return Verdict(bug, "", f"the patch does not apply: {planted.stderr.strip()}")
        named = all("::" in test for test in bug.tests)
        violations, said = run(tree, bug.tests, "-x", *(["-m", "prove or not prove"] if named else []))
    finally:
        shutil.rmtree(tree)
    caught = [words.partition(",")[0] for words in violations if words.endswith("in call")]
    return Verdict(bug, caught[0] if caught else "", said)


def copy(tree: Path) -> None:
    """What the tests need of the repository."""
    tree.mkdir()
    for name in (name for name in COPIED if (REPOSITORY / name).exists()):
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, tree / name, ignore=LEFT_OUT)
        else:
            shutil.copy(REPOSITORY / name, tree / name)


def run(tree: Path, tests: Iterable[str], *options: str) -> tuple[list[str], str]:
    """Run tests in a copy; each failure, and pytest's first words of why, or the last of all when it says none."""
    out = tree / "counts.json"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.prove.counting", *options, *tests]
    environ = {**os.environ, "PYTHONPATH": str(tree), counting.VARIABLE: str(out)}
    said = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    counts = counting.read(out)
    if said.returncode > 1 or not counts:
        return [], f"pytest exited with {said.returncode}: {said.stdout[-300:]}"
    why = re.search(r"^E +(\S.*)$", said.stdout, re.MULTILINE)
    return [words for count in counts.values() for words in count.violations], why[1] if why else said.stdout[-300:]


def _without_bug(chosen: Sequence[Bug], tree: Path) -> list[str]:
    """What fails of all bugs' tests in an untouched copy: each would prove nothing."""
    copy(tree)
    violations, said = run(tree, sorted({test for bug in chosen for test in bug.tests}))
    return violations or ([] if " passed" in said else [said])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.power", description=__doc__)
    parser.add_argument("bug", nargs="*", help="only bugs with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="copies at once (default: one a core)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
