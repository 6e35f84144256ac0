"""The registry of guarantees: guarantees.toml, typed. What each proof is called and where the document puts it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
AREAS = (
    *("crawl", "replay", "quarantine", "lifecycle", "upload", "budget", "fsck", "overlap", "audit", "security"),
    *("sources", "duplicates"),
)


@dataclass(frozen=True)
class Guarantee:
    """One promise. says: a sentence to users. tests: pytest node ids without parameters. invariants: names that the
    kill campaign checks after each kill."""

    id: str
    area: str
    says: str
    tests: tuple[str, ...]
    invariants: tuple[str, ...] = ()

    @property
    def proofs(self) -> tuple[str, ...]:
        """Every proof by its name."""
        return self.tests + self.invariants


@dataclass(frozen=True)
class Limit:
    """What is not promised, and the decision record that says why."""

    says: str
    decision: str


@dataclass(frozen=True)
class Deeper:
    """Cases of a proof that `make prove` leaves to `make prove-deep`. says: which, in words."""

    test: str
    says: str


@dataclass(frozen=True)
class Registry:
    """Everything that docs/guarantees.md says, but for the numbers."""

    guarantees: tuple[Guarantee, ...]
    not_guaranteed: tuple[Limit, ...]
    deeper: tuple[Deeper, ...] = ()

    @property
    def tests(self) -> tuple[str, ...]:
        """The node ids of all guarantees, each once."""
        return tuple(dict.fromkeys(test for one in self.guarantees for test in one.tests))

    @property
    def invariants(self) -> tuple[str, ...]:
        """The campaign's invariants of all guarantees, each once."""
        return tuple(dict.fromkeys(name for one in self.guarantees for name in one.invariants))


def load(path: Path = FOLDER / "guarantees.toml") -> Registry:
    """The registry of a file. Raises TypeError for a field that there is not, ValueError for an unknown area."""
    given = tomllib.loads(path.read_text())
    guarantees = tuple(_guarantee(entry) for entry in given["guarantee"])
    if unknown := [one.id for one in guarantees if one.area not in AREAS]:
        raise ValueError(f"{path}: {unknown[0]} is of no known area; there are {', '.join(AREAS)}")
    deeper = tuple(Deeper(**entry) for entry in given["deeper"])
    return Registry(guarantees, tuple(Limit(**entry) for entry in given["not_guaranteed"]), deeper)


def _guarantee(entry: dict[str, Any]) -> Guarantee:
    listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Guarantee(**listed)
