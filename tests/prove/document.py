"""What `make prove` says: the table on the terminal, and docs/guarantees.md with the numbers of the last run in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.prove.cases import SAMPLED
from tests.prove.counting import Count
from tests.prove.promises import AREAS, Deeper, Guarantee, Limit, Registry

PATH = Path(__file__).parents[2] / "docs" / "guarantees.md"
CAMPAIGN = "tests/prove/campaign.py"
HEAD = """\
# Guarantees

Each sentence is held by the proofs beside it: the named test, or the named invariant after each kill of the campaign,
breaks when the sentence is broken. `make prove` runs them all, writes the number of cases here and fails on the first
violation; `make test` runs a sample, and `make prove-deep` [more of the same](#in-another-target). Written from
`tests/prove/guarantees.toml`: change it there.

Whether the proofs would notice is tried as well: `make prove-power` plants plausible bugs, a patch each in
`tests/prove/bugs`, and expects the tests to fail, and the invariants of the campaign for some. `make prove-load` runs
the pipeline over 100,000 records and 10,000 pictures with one request in twenty faulted. `make dialects` compiles the
models for Redshift and BigQuery, with adapters in an environment of their own.
"""
RUN = (
    "The numbers are of a run with {} kills, seed {}, in {} s on {} cores; proofs run again after what they found was"
    " mended: {}."
)
ENOUGH_KILLS = 300
TABLE = "| guarantee | breaks when it is broken | cases |\n|---|---|---|\n"
DEEPER = """\
## In another target

These tests, and cases of the proofs above, vary what `make prove` has shown with others of their kind.
`make prove-deep` runs them; no number here counts them.

"""
LIMITS = "## What is not guaranteed\n\n"
ROW = re.compile(r"\| \[`([^`]+)`\]\(\.\./([^)]+)\) \| (\d+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """The run that the numbers are of. seconds: of the whole run, by the clock; again: proofs that were repeated."""

    kills: int
    seed: int
    seconds: int
    cores: int
    again: int = 0

    def __str__(self) -> str:
        return RUN.format(*astuple(self))


def markdown(registry: Registry, cases: Mapping[str, int], ran: Ran, tried: Sequence[str] = ()) -> str:
    """The document, whole. cases: by proof; a proof that was not run has 0. tried: what came of the rest, as said."""
    areas = (f"## {area.capitalize()}\n\n{TABLE}{''.join(_rows(registry, area, cases))}\n" for area in AREAS)
    deeper = f"{DEEPER}{''.join(map(_deeper, registry.deeper))}\n"
    lead = "".join(f"{words}\n\n" for words in (ran, *tried))
    return f"{HEAD}\n{lead}{''.join(areas)}{deeper}{LIMITS}{''.join(map(_limit, registry.not_guaranteed))}"


def cases_in(text: str) -> dict[str, int]:
    """The numbers of cases that a document tells, by proof."""
    return {_name(label, file): int(number) for label, file, number in ROW.findall(text)}


def ran_in(text: str) -> Ran:
    """The run that a document's numbers are of; of no kills when it does not say."""
    found = re.search(RUN.format(*[r"(\d+)"] * 5), text)
    return Ran(*map(int, found.groups())) if found else Ran(0, 0, 0, 0)


def shortcomings(registry: Registry, cases: Mapping[str, int], ran: Ran) -> list[str]:
    """Why numbers may not stand in the document, a sentence each: it is of whole runs alone."""
    few = [] if ran.kills >= ENOUGH_KILLS else [f"{ran.kills} kills: the document is of at least {ENOUGH_KILLS}"]
    unproven = [proof for one in registry.guarantees for proof in one.proofs if not cases.get(proof)]
    rarely = [
        f"{name}: checked after {cases[name]} kills, every kill is to be followed by it"
        for name in registry.invariants
        if name not in SAMPLED and 0 < cases.get(name, 0) < ENOUGH_KILLS
    ]
    return [*few, *(f"{proof}: no case was run" for proof in unproven), *rarely]


def table(registry: Registry, counts: Mapping[str, Count]) -> str:
    """One line a proof for the terminal: guarantee, proof, cases, violations."""
    lines = [f"{'guarantee':24} {'proof':94} {'cases':>6} violations"]
    for guarantee in registry.guarantees:
        for proof in guarantee.proofs:
            count = counts.get(proof, Count())
            label = proof.rpartition("::")[2]
            lines.append(f"{guarantee.id:24} {label:94} {count.cases:>6} {len(count.violations) or '-':>10}")
    return "\n".join(lines)


def complaints(registry: Registry, counts: Mapping[str, Count]) -> list[str]:
    """A sentence for each violation, whoever found it, and for each proof that proved nothing; none when all holds."""
    named = {proof for guarantee in registry.guarantees for proof in guarantee.proofs}
    others = [words for name, count in counts.items() if name not in named for words in count.violations]
    return [words for guarantee in registry.guarantees for words in _complaints(guarantee, counts)] + others


def _complaints(guarantee: Guarantee, counts: Mapping[str, Count]) -> Iterator[str]:
    for proof in guarantee.proofs:
        if (count := counts.get(proof)) is None:
            yield f"{guarantee.id}: {proof} was not run: is it still there?"
        elif count.violations:
            yield from (f"{guarantee.id}: {violation}" for violation in count.violations)
        elif count.cases == 0:
            yield f"{guarantee.id}: {proof} had no case, {count.skipped} skipped"


def _rows(registry: Registry, area: str, cases: Mapping[str, int]) -> Iterator[str]:
    for guarantee in registry.guarantees:
        if guarantee.area == area:
            for number, proof in enumerate(guarantee.proofs):
                label, file = _link(proof)
                says = guarantee.says if number == 0 else ""
                yield f"| {says} | [`{label}`](../{file}) | {cases.get(proof, 0)} |\n"


def _link(proof: str) -> tuple[str, str]:
    """What a proof is called in the document, and the file that it is in."""
    file, _, test = proof.partition("::")
    return (test, file) if test else (proof, CAMPAIGN)


def _name(label: str, file: str) -> str:
    return label if file == CAMPAIGN else f"{file}::{label}"


def _deeper(deeper: Deeper) -> str:
    label, file = _link(deeper.test)
    return f"- [`{label}`](../{file}): {deeper.says}\n"


def _limit(limit: Limit) -> str:
    return f"- {limit.says} [Decision {limit.decision[:4]}](decisions/{limit.decision})\n"
