"""The invariant checker, used by every proof: `check(world)` at any instant, `check(world, at_rest=True)` at the end.

    from tests.prove.invariants import INVARIANTS, World, check
    assert check(World(settings, twin=twin), at_rest=True) == {}

The invariants stand in invariants_objects (bucket), invariants_ledgers (tables) and invariants_runs (processes).
"""

from __future__ import annotations

from collections.abc import Collection

from tests.prove import invariants_ledgers, invariants_objects, invariants_runs  # noqa: F401 - for what they enter
from tests.prove.registry import INVARIANTS, Invariant
from tests.prove.world import Ended, World

__all__ = ["INVARIANTS", "Ended", "Invariant", "World", "check"]


def check(world: World, *, at_rest: bool = False, without: Collection[str] = ()) -> dict[str, list[str]]:
    """{invariant: what breaks it} of those that do not hold; {} when all do.

    at_rest: check those too that hold only when nothing is left to do. without: names that are not checked.
    """
    unknown = set(without) - INVARIANTS.keys()
    assert not unknown, f"no invariants {unknown}"
    with world.looked_at() as moment:
        asked = INVARIANTS if moment.has("ops.runs") else {"migrated_whole": INVARIANTS["migrated_whole"]}
        found = {
            name: invariant.broken(moment)
            for name, invariant in asked.items()
            if name not in without and (at_rest or not invariant.at_rest)
        }
    return {name: broken for name, broken in found.items() if broken}
