"""What the last proof came to, kept in var/prove.json: `--again` runs only what it did not prove."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from tests.prove.counting import Count
from tests.prove.document import Ran
from tests.prove.promises import Registry

PATH = Path(__file__).parents[2] / "var" / "prove.json"


def keep(ran: Ran, counts: Mapping[str, Count], path: Path = PATH) -> None:
    """Write a run and its counts, in place of what was kept."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"ran": asdict(ran), "counts": {name: asdict(one) for name, one in counts.items()}}))


def last(path: Path = PATH) -> tuple[Ran, dict[str, Count]]:
    """What was kept. Raises FileNotFoundError when nothing was."""
    kept = json.loads(path.read_text())
    return Ran(**kept["ran"]), {name: Count(**one) for name, one in kept["counts"].items()}


def unproven(registry: Registry, counts: Mapping[str, Count]) -> Registry:
    """The guarantees with those of their proofs alone that had no case, or a violation; all invariants, or none."""

    def wanting(proof: str) -> bool:
        return proof not in counts or not counts[proof].cases or bool(counts[proof].violations)

    campaign = any(map(wanting, registry.invariants)) or bool(counts.get("campaign", Count()).violations)
    return replace(
        registry,
        guarantees=tuple(
            replace(one, tests=tuple(filter(wanting, one.tests)), invariants=one.invariants if campaign else ())
            for one in registry.guarantees
        ),
    )
