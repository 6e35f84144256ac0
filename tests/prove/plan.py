"""Which kills a campaign makes: points x ends, shuffled by a seed, every point once before any twice."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from luigi_tasks.domain.faults import POINTS, SIGNALS

ACTIONS = (*SIGNALS, "exception")
# Where a point is passed, by the longest prefix: (scope, state to begin from, stores).
FOLDER, ANY, OVERWRITES = ("folder",), ("folder", "s3", "overwrites"), ("overwrites",)
PLACES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "line": ("publish", "modelled", FOLDER),
    "fetch": ("load", "empty", ("folder", "s3")),
    "crawl": ("load", "empty", FOLDER),
    "sweep": ("load", "empty", FOLDER),
    "load": ("load", "empty", FOLDER),
    "model": ("model", "loaded", FOLDER),
    "profile": ("model", "loaded", FOLDER),
    "run": ("publish", "modelled", FOLDER),
    "run.error": ("load", "empty", FOLDER),
    "step": ("publish", "modelled", FOLDER),
    "freeze": ("publish", "modelled", FOLDER),
    "details": ("publish", "modelled", FOLDER),
    "report": ("publish", "modelled", FOLDER),
    "report.rename.after": ("abandoned", "modelled", ("s3",)),
    "notify": ("told", "modelled", FOLDER),
    "publish": ("publish", "modelled", ANY),
    "derive": ("publish", "modelled", FOLDER),
    "publish.lock": ("publish", "modelled", OVERWRITES),
    "publish.replace": ("publish", "modelled", OVERWRITES),
    "publish.readback": ("publish", "modelled", OVERWRITES),
    "folder": ("publish", "modelled", FOLDER),
    "folder.remove": ("takedown", "collected", FOLDER),
    "replay": ("replay", "empty", FOLDER),
    "adopt": ("replay", "empty", FOLDER),
    "redrive": ("redrive", "collected", FOLDER),
    "retry": ("retry", "collected", FOLDER),
    "repair": ("repair", "collected", FOLDER),
    "takedown": ("takedown", "collected", ("folder", "s3")),
    "migrate": ("migrate", "blank", FOLDER),
    "postgres": ("postgres", "blank", FOLDER),
}
# Steps that write to the bucket and have no point, and why; tests/unit/test_faults.py knows of no other.
WITHOUT_POINTS = {
    "gallery_bucket": "made of nothing but the tables; its last word says which, and every run compares it with them",
    "tombstones": "an object for each row that has none, looked for at every takedown and every lift",
}
# Of the other sources' steps, and of erasing a person: their own kill tests do that.
ELSEWHERE = ("archive.", "clean.", "erase.")
PLACED = frozenset(point for point in POINTS if not point.startswith(ELSEWHERE))
# Points that every picture passes: any of the first few turns is as good. All others: the first; claims come in sets.
BY_PICTURE = (
    *("publish.download.", "publish.verify.", "publish.intent.", "publish.put.", "publish.register."),
    "adopt.register.",
)
TURNS = 6
# Points around a build of dbt, which costs several times what another case does: struck in every other turn.
BUILDING = ("model.", "profile.")
# Of so many cases at such a point one is made where more goes on: {scope: (every, state, points)}.
VARIANTS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "publish2": (
        *(3, "modelled"),
        tuple(f"publish.{step}." for step in ("claim", "download", "verify", "intent", "put", "register")),
    ),
    "rounds": (14, "empty", ("load", "model", "freeze", "publish.put", "publish.register")),
    "whole": (
        *(18, "empty"),
        ("fetch", "crawl", "load", "details", "model", "freeze", "publish.put", "publish.register", "report", "step"),
    ),
}
# A process of two is not the one that was started, nobody would see it stop; the whole would only wait.
NOT_VARIED = "stop"


@dataclass(frozen=True)
class Case:
    """One kill: 'publish.put.after:2:kill' in a scope that begins from a state, over a store."""

    fault: str
    scope: str
    state: str
    store: str

    @property
    def point(self) -> str:
        """The fault's name."""
        return self.fault.partition(":")[0]

    @property
    def action(self) -> str:
        """How the process is to end."""
        return self.fault.rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.fault} in {self.scope} over {self.store}"


def place(point: str) -> tuple[str, str, tuple[str, ...]]:
    """Scope, state and stores of a point."""
    step, _, effect = point.rpartition(".")[0].partition(".")
    return PLACES.get(point) or PLACES.get(f"{step}.{effect}") or PLACES[step or point]


def case_of(fault: str, dice: random.Random) -> Case:
    """The case of a fault as --fault gives it."""
    scope, state, stores = place(fault.partition(":")[0])
    return Case(fault, scope, state, dice.choice(stores))


def plan(seed: int, kills: int, prefix: str = "") -> list[Case]:
    """So many cases; the same for the same seed. prefix: only of points that start so. Raises ValueError for none."""
    points = sorted(point for point in PLACED if point.startswith(prefix))
    if not points:
        raise ValueError(f"no crash point starts with {prefix!r}")
    dice = random.Random(seed)
    return list(_varied(case_of(fault, dice) for fault in itertools.islice(_faults(dice, points), kills)))


def _varied(cases: Iterable[Case]) -> Iterator[Case]:
    """Here and there the same fault in the whole pipeline, in a round of it, or in one of two publishing processes."""
    turns = dict.fromkeys(VARIANTS, 0)
    for case in cases:
        fits = [scope for scope, (_, _, points) in VARIANTS.items() if case.point.startswith(points)]
        for scope in fits if case.action != NOT_VARIED else ():
            turns[scope] += 1
            if turns[scope] >= VARIANTS[scope][0]:
                turns[scope] = 0
                yield Case(f"{case.point}:1:{case.action}", scope, VARIANTS[scope][1], case.store)
                break
        else:
            yield case


def _faults(dice: random.Random, points: list[str]) -> Iterator[str]:
    ends = {point: itertools.cycle(dice.sample(ACTIONS, len(ACTIONS))) for point in points}
    for turn in itertools.count():
        due = [point for point in points if turn % 2 == 0 or not point.startswith(BUILDING)]
        for point in dice.sample(due, len(due)):
            nth = dice.randint(1, TURNS) if point.startswith(BY_PICTURE) else 1
            yield f"{point}:{nth}:{next(ends[point])}"
