"""`python -m tests.prove.power`: would the proof notice? Plants each bug of bugs/*.patch in a copy of the tree.

A patch begins with `Bug: SENTENCE` and `Tests: FILE OR NODE ID` (one line each), which git passes over. Of files the
default suite's tests are run; of tests that are all named what `make prove` runs. A bug is caught when one of its tests
fails in its call, not when nothing runs any more; what that test said stands below it, for whoever asks whether it was
for the bug's sake. With a line `Campaign: INVARIANT FAULT…` these kills are made as well, and this invariant has to see
the bug: a test was written for its bug, the checker is not told where to look.
"""

from __future__ import annotations

import argparse
import datetime
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

from tests.prove import counting, depth, tried
from tests.prove.tried import Tried, patches

REPOSITORY = Path(__file__).parents[2]
COPIED = ("luigi_tasks", "twin", "dbt_project", "tests", "pyproject.toml", "luigi.cfg", "deploy", "docs", "README.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "*.egg-info")


@dataclass(frozen=True)
class Bug:
    """A patch that makes one plausible mistake. tests: what is expected to fail. invariant, faults: what is expected to
    see it when processes of the campaign end so; '' and none when the campaign is not asked."""

    path: Path
    says: str
    tests: tuple[str, ...]
    invariant: str = ""
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Bug:
        """Read the head of a patch file."""
        head = path.read_text().partition("\n--- ")[0]
        says = re.findall(r"^Bug: (.+)$", head, re.MULTILINE)
        tests = re.findall(r"^Tests: (.+)$", head, re.MULTILINE)
        invariant, *faults = " ".join(re.findall(r"^Campaign: (.+)$", head, re.MULTILINE)).split() or [""]
        return cls(path, says[0] if says else "", tuple(tests), invariant, tuple(faults))

    @property
    def marks(self) -> tuple[str, ...]:
        """Which of the tests pytest is to run."""
        return ("-m", depth.SHALLOW_ONLY) if all("::" in test for test in self.tests) else ()

    def plant(self, tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """Apply the patch to a tree; `--check`: only try. The exit code is 0 when it applies."""
        command = ["git", "apply", *options, str(self.path)]
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Verdict:
    """What came of a bug. words: of the tests, and of the campaign when it was asked."""

    bug: Bug
    tried: Tried
    words: tuple[str, ...]

    def __str__(self) -> str:
        by = [self.tried.caught_by or "NOBODY"]
        if self.tried.seen_by is not None:
            by.append(self.tried.seen_by or f"NOT {self.bug.invariant}")
        (first, *rest) = [line for pair in zip(by, self.words, strict=True) for line in pair]
        return "\n".join([f"{self.bug.path.stem:36} {first}", *(f"{'':36} {line}" for line in rest)])


def bugs(names: Sequence[str] = ()) -> list[Bug]:
    """All of them, or those with such words in their names, by name."""
    found = [Bug.of(path) for path in sorted(tried.BUGS.glob("*.patch"))]
    return [bug for bug in found if not names or any(name in bug.path.stem for name in names)]


def main() -> int:
    """0 when the tests pass without a bug and every bug is noticed; what came of each is kept."""
    options = _options()
    chosen = bugs(options.bug)
    with tempfile.TemporaryDirectory(prefix="draenei-power-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        sound = pool.submit(_without_bug, chosen, Path(folder) / "sound")
        print(f"{'bug':36} caught by")
        verdicts = []
        for verdict in pool.map(lambda bug: planted(bug, Path(folder) / bug.path.stem), chosen):
            verdicts.append(verdict)
            tried.keep_bugs({verdict.bug.path.stem: verdict.tried})
            print(verdict, flush=True)
        failed = sound.result()
    print(f"without a bug {len(failed)} of the same tests and kills fail")
    for words in failed:
        print(f"  {words}")
    caught = sum(verdict.tried.caught for verdict in verdicts)
    tried.tell(write=options.write)
    print(f"{caught} of {len(verdicts)} caught")
    return 0 if not failed and caught == len(verdicts) else 1


def planted(bug: Bug, tree: Path) -> Verdict:
    """Plant a bug in a copy of the tree, run its tests until the first failure and its kills, remove the copy."""
    copy(tree)
    sha256, today = patches()[bug.path.stem], datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        if (applied := bug.plant(tree)).returncode:
            words = f"the patch does not apply: {applied.stderr.strip()}"
            return Verdict(bug, Tried(sha256, "", None, today), (words,))
        violations, said = run(tree, bug.tests, "-x", *bug.marks)
        seen = campaign(tree, bug.faults) if bug.faults else None
    finally:
        shutil.rmtree(tree)
    caught = [words.partition(",")[0] for words in violations if words.endswith("in call")]
    by_test = caught[0] if caught else ""
    if seen is None:
        return Verdict(bug, Tried(sha256, by_test, None, today), (said,))
    by_invariant = bug.invariant if bug.invariant in seen else ""
    words = seen.get(bug.invariant) or f"it saw {seen or 'nothing'}"
    return Verdict(bug, Tried(sha256, by_test, by_invariant, today), (said, words))


def campaign(tree: Path, faults: Iterable[str], workers: int = 1) -> dict[str, str]:
    """Make kills in a copy: {invariant: the first case that broke it}; `campaign` when it could not be held at all."""
    given = [option for fault in faults for option in ("--fault", fault)]
    command = [sys.executable, "-m", "tests.prove.campaign", "--workers", str(workers), *given]
    environ = {**os.environ, "PYTHONPATH": str(tree)}
    said = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    broken = dict(reversed(re.findall(r"^VIOLATION (\w+): (.+)$", said.stdout, re.MULTILINE)))
    if (said.returncode == 1) == bool(broken) and said.returncode in (0, 1):
        return broken
    return {"campaign": f"exit code {said.returncode}: {said.stdout[-300:]}{said.stderr[-300:]}"}


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
    """What fails of all bugs' tests and kills in an untouched copy: each would prove nothing."""
    copy(tree)
    failed = []
    for marks in {bug.marks for bug in chosen}:
        violations, said = run(
            tree, sorted({test for bug in chosen if bug.marks == marks for test in bug.tests}), *marks
        )
        failed += violations or ([] if " passed" in said else [said])
    faults = sorted({fault for bug in chosen for fault in bug.faults})
    return [*failed, *map(": ".join, (campaign(tree, faults) if faults else {}).items())]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.power", description=__doc__)
    parser.add_argument("bug", nargs="*", help="only bugs with this in their name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="copies at once (default: one a core)")
    parser.add_argument("--write", action="store_true", help="say in docs/guarantees.md how many were caught")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
