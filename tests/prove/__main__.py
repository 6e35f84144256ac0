"""`python -m tests.prove`: run every proof of every guarantee, print what they came to, fail on any violation."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.prove import counting, depth, document, kept, promises, tried
from tests.prove.counting import Count
from tests.prove.document import Ran
from tests.prove.folders import roomiest
from tests.prove.promises import Registry

REPOSITORY = Path(__file__).parents[2]
HISTORIES = 1000
MAY_TAKE, FOR_CORES = 600, 4
MOST_BYTES = 6 << 30


def main() -> int:
    """0 when every guarantee holds, 1 when one does not or the document may not be written."""
    options = _options()
    known = _chosen(promises.load(), options.area, campaign=options.kills > 0)
    ran, counts = _proven_again(known, options) if options.again else _proven(known, options)
    kept.keep(ran, counts)
    print(document.table(known, counts))
    complaints = document.complaints(known, counts)
    for words in complaints:
        print(words)
    cases = sum(counts[proof].cases for proof in (*known.tests, *known.invariants) if proof in counts)
    print(f"{len(known.guarantees)} guarantees, {cases} cases, {len(complaints)} violations, {ran.seconds} s")
    if ran.seconds > MAY_TAKE and ran.cores >= FOR_CORES:
        print(f"TOO SLOW: {ran.seconds} s on {ran.cores} cores, it is to end within {MAY_TAKE} s")
    if complaints or not options.write:
        return 1 if complaints else 0
    return write(counts, ran)


def _proven(known: Registry, options: argparse.Namespace) -> tuple[Ran, dict[str, Count]]:
    begun = time.monotonic()
    counts = _counted(known, options)
    return Ran(options.kills, options.seed, round(time.monotonic() - begun), _cores()), counts


def _proven_again(known: Registry, options: argparse.Namespace) -> tuple[Ran, dict[str, Count]]:
    """What the last run did not prove, and what it did."""
    ran, before = kept.last()
    wanting = kept.unproven(known, before)
    counts = _counted(wanting, options)
    again = len({*wanting.tests, *wanting.invariants})
    return replace(ran, again=ran.again + again), {name: one for name, one in before.items() if one.cases} | counts


def _counted(known: Registry, options: argparse.Namespace) -> dict[str, Count]:
    """Tests and campaign beside each other, files of both in memory where there is room."""
    ground = roomiest(MOST_BYTES)
    with tempfile.TemporaryDirectory(prefix="draenei-prove-", dir=ground) as folder, ThreadPoolExecutor(1) as beside:
        out = Path(folder) / "campaign.json"
        campaign = beside.submit(run_campaign, options.seed, options.kills, out) if known.invariants else None
        counts = run_tests(known.tests, Path(folder) / "tests.json", options.workers) if known.tests else {}
        return counts | campaign.result() if campaign else counts


def write(counts: Mapping[str, Count], ran: Ran, path: Path = document.PATH) -> int:
    """The document anew, and 0; 1 and why when it is not the whole proof that was run."""
    whole = promises.load()
    cases = {name: count.cases for name, count in counts.items()}
    if shortcomings := document.shortcomings(whole, cases, ran):
        print(f"{path.name} stays as it is:", *shortcomings, sep="\n  ")
        return 1
    path.write_text(document.markdown(whole, cases, ran, tried.sentences(tried.patches())))
    return 0


def run_tests(node_ids: Sequence[str], out: Path, workers: str) -> dict[str, Count]:
    """Run the tests, the ones marked `prove` too but for the deep ones, and count. What failed pytest says as well."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.prove.counting", "-n", workers, "--dist", "worksteal"]
    own = {counting.VARIABLE: str(out), "DRAENEI_HISTORIES": str(HISTORIES), "TMPDIR": str(out.parent)}
    environ = {**os.environ, **own}
    subprocess.run([*command, "-m", depth.SHALLOW_ONLY, *node_ids], cwd=REPOSITORY, env=environ, check=False)
    return counting.read(out)


def run_campaign(seed: int, kills: int, out: Path) -> dict[str, Count]:
    """Kill runs at crash points and check every invariant after each; see tests/prove/campaign.py.

    A campaign that ends badly in another way (a point that was never passed, a crash of its own) is a violation too.
    """
    command = [sys.executable, "-m", "tests.prove.campaign", "--seed", str(seed), "--kills", str(kills)]
    command += ["--workers", str(max(1, _cores() * 3 // 4))]
    with (out.parent / "campaign.txt").open("w+") as said:
        ended = subprocess.run([*command, "--out", str(out)], cwd=REPOSITORY, check=False, stdout=said)
        print(said.seek(0) or said.read())
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
    return replace(known, guarantees=chosen if campaign else tuple(replace(one, invariants=()) for one in chosen))


def _cores() -> int:
    return os.cpu_count() or 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/guarantees.md when all was run and holds")
    parser.add_argument("--again", action="store_true", help="only what the last run, kept in var/, did not prove")
    parser.add_argument("--area", action="append", default=[], choices=promises.AREAS, help="only these; repeatable")
    parser.add_argument("--seed", type=int, default=1, help="of the kill campaign (default 1)")
    parser.add_argument("--kills", type=int, default=300, help="of the kill campaign (default 300; 0: none)")
    parser.add_argument(
        "--workers",
        default=str(_cores() + 1),
        metavar="N",
        help="processes for the tests (default: one more than cores, as some wait)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
