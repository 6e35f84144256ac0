"""The list of invariants: each has a name, a sentence, and a function that returns what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.prove.world import Moment

Broken = Callable[[Moment], list[str]]
INVARIANTS: dict[str, Invariant] = {}


@dataclass(frozen=True)
class Invariant:
    """says: the sentence that must be true. at_rest: only when nothing runs and nothing is left to do; else always,
    also in the middle of a crash. broken: what contradicts it, empty when it holds."""

    name: str
    says: str
    at_rest: bool
    broken: Broken


def always(says: str) -> Callable[[Broken], Broken]:
    """Enter a function whose name is the invariant's: it must hold at any instant."""
    return _entering(says, at_rest=False)


def at_rest(says: str) -> Callable[[Broken], Broken]:
    """The same for what must hold once everything is done."""
    return _entering(says, at_rest=True)


def holds(name: str, says: str, sql: str, *, needs: tuple[str, ...] = (), rest: bool = False) -> None:
    """Enter a query with one text column: a row for each violation; not asked before the relations it needs exist."""

    def broken(moment: Moment) -> list[str]:
        return moment.texts(sql) if moment.has(*needs) else []

    _enter(Invariant(name, says, rest, broken))


def _entering(says: str, *, at_rest: bool) -> Callable[[Broken], Broken]:
    def enter(function: Broken) -> Broken:
        _enter(Invariant(function.__name__, says, at_rest, function))
        return function

    return enter


def _enter(invariant: Invariant) -> None:
    assert invariant.name not in INVARIANTS, f"two invariants {invariant.name}"
    INVARIANTS[invariant.name] = invariant
