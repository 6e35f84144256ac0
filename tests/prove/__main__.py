"""`python -m tests.prove`: run every proof of every guarantee, print what they came to, fail on any violation."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.prove import counting, document, promises
from tests.prove.counting import Count
from tests.prove.promises import Registry

REPOSITORY = Path(__file__).parents[2]
HISTORIES = 1000


def main() -> int:
    """0 when every guarantee holds, 1 when one does not."""
    options = _options()
    known = _chosen(promises.load(), options.area, campaign=options.kills > 0)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="draenei-prove-") as folder:
        counts = run_tests(known.tests, Path(folder) / "tests.json", options.workers)
        if known.invariants:
            counts |= run_campaign(options.seed, options.kills, Path(folder) / "campaign.json")
    print(document.table(known, counts))
    complaints = document.complaints(known, counts)
    for words in complaints:
        print(words)
    cases = sum(counts[proof].cases for proof in (*known.tests, *known.invariants) if proof in counts)
    held = f"{len(known.guarantees)} guarantees, {cases} cases, {len(complaints)} violations"
    print(f"{held}, {time.monotonic() - begun:.0f} s")
    if options.write and not complaints:
        _write(counts)
    return 1 if complaints else 0


def _write(counts: dict[str, Count]) -> None:
    """The document anew; what was not run now keeps the number that it had."""
    earlier = document.cases_in(document.PATH.read_text()) if document.PATH.exists() else {}
    cases = earlier | {name: count.cases for name, count in counts.items()}
    document.PATH.write_text(document.markdown(promises.load(), cases))


def run_tests(node_ids: Sequence[str], out: Path, workers: str) -> dict[str, Count]:
    """Run the tests, the ones marked `prove` too, and count. What failed is also said by pytest itself."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.prove.counting", "-n", workers, "--dist", "worksteal"]
    environ = {**os.environ, counting.VARIABLE: str(out), "DRAENEI_HISTORIES": str(HISTORIES)}
    subprocess.run([*command, "-m", "prove or not prove", *node_ids], cwd=REPOSITORY, env=environ, check=False)
    return counting.read(out)


def run_campaign(seed: int, kills: int, out: Path) -> dict[str, Count]:
    """Kill runs at crash points and check every invariant after each; see tests/prove/campaign.py.

    A campaign that ends badly in another way (a point that was never passed, a crash of its own) is a violation too.
    """
    command = [sys.executable, "-m", "tests.prove.campaign", "--seed", str(seed), "--kills", str(kills)]
    ended = subprocess.run([*command, "--out", str(out)], cwd=REPOSITORY, check=False)
    counts = of_campaign(json.loads(out.read_text())) if out.exists() else {}
    if ended.returncode and not any(count.violations for count in counts.values()):
        counts["campaign"] = Count(violations=[f"the campaign ended with {ended.returncode}, it said why above"])
    return counts


def of_campaign(said: list[dict[str, object]]) -> dict[str, Count]:
    """The campaign's file: [{"invariant": name, "cases": n, "violations": n, …}]."""
    return {str(one["invariant"]): _count(one) for one in said}


def _count(one: dict[str, object]) -> Count:
    violations = int(str(one["violations"]))
    words = [f"{one['invariant']}: {violations} kills after which it did not hold"] if violations else []
    return Count(cases=int(str(one["cases"])), violations=words)


def _chosen(known: Registry, areas: Sequence[str], *, campaign: bool) -> Registry:
    chosen = tuple(one for one in known.guarantees if not areas or one.area in areas)
    return Registry(chosen if campaign else tuple(replace(one, invariants=()) for one in chosen), known.not_guaranteed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/guarantees.md when every guarantee holds")
    parser.add_argument("--area", action="append", default=[], choices=promises.AREAS, help="only these; repeatable")
    parser.add_argument("--seed", type=int, default=1, help="of the kill campaign (default 1)")
    parser.add_argument("--kills", type=int, default=300, help="of the kill campaign (default 300; 0: none)")
    parser.add_argument("--workers", default="auto", metavar="N", help="processes for the tests (default: one a core)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
