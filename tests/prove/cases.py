"""One case of the campaign, from a state's copy to rest."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.gateways import embedded_postgres, fsck_ledger, postgres
from tests.prove import lines
from tests.prove.arena import LEASE_SECONDS, Arena
from tests.prove.company import AFTERWARDS, company
from tests.prove.invariants import INVARIANTS, Ended, World, check
from tests.prove.plan import Case
from tests.prove.process import LINE, PATIENCE, Child

PICTURE_SCOPES = frozenset({"publish", "publish2", "told", "whole", "rounds", "abandoned", "later"})
STEP = {"load": "Load", "model": "Model", **dict.fromkeys(PICTURE_SCOPES, "Report")}
PEER_SECONDS = 3.0
# Scopes that hold the pipeline's lock, the points at which they do not, and how another process of them ends then.
LOCKED, KEPT_OUT = frozenset({"load", "model", "publish", "told", "abandoned"}), 10
WITHOUT_LOCK = ("run.lock.", "run.unlock.", "run.settle.", "notify.")
# Here the second process is stopped too, with the first one's claims in its hands, until the first has ended.
TAKEN_OVER, HOLDING = ("publish.register.before", "publish.verify.before:1:stop")
REFRESHED_SCOPES = frozenset({"whole", "rounds"})
MODELS = "draenei_"
# What is asked only of cases that show something about it; every other invariant is asked of every case.
SAMPLED = frozenset(
    {
        *("everything_is_stored", "one_version_a_key"),
        *("again_changes_nothing", "incremental_is_full", "replay_is_live"),
    }
)
# What fsck --repair is there to mend, so what is broken until it has.
DAMAGED = frozenset(
    {
        *("row_has_object", "object_has_owner", "bytes_are_the_rows", "one_version_a_key", "key_is_the_wallpapers"),
        *("raw_object_has_owner", "nothing_is_pending_that_is_stored"),
    }
)
# Mid-crash a repair has not mended yet, and a replay not registered what stands in the bucket.
NOT_YET = {"repair": DAMAGED, "replay": frozenset({"object_has_owner"})}


@dataclass
class Result:
    """violations: {invariant: what breaks it}; checked: names of all that were asked; struck: the fault fired."""

    case: Case
    struck: bool = False
    seconds: float = 0.0
    last_words: str = ""
    checked: set[str] = field(default_factory=set)
    violations: dict[str, list[str]] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """True when a point was never passed; how many lines there are differs from time to time."""
        return not self.struck and self.case.point != LINE

    def look(self, world: World, *, at_rest: bool = False, without: frozenset[str] = frozenset()) -> None:
        """Check the invariants now."""
        self.checked |= {n for n, i in INVARIANTS.items() if n not in without and (at_rest or not i.at_rest)}
        for name, broken in check(world, at_rest=at_rest, without=without).items():
            when = "at rest" if at_rest else "mid-crash"
            self.violations.setdefault(name, []).extend(f"{when}: {words}" for words in broken)

    def expect(self, name: str, *, holds: bool, words: str) -> None:
        """One more invariant, of processes."""
        self.checked.add(name)
        if not holds:
            self.violations.setdefault(name, []).append(words)


def run(arena: Arena, case: Case) -> Result:
    """Make the case. When the harness itself fails, that is a violation too: nothing was shown."""
    begun, result = time.monotonic(), Result(case)
    try:
        _make(arena, case, result)
    except (psycopg2.Error, PipelineError, OSError, RuntimeError, LookupError, AssertionError) as problem:
        result.expect("harness", holds=False, words=f"{type(problem).__name__}: {problem}")
    result.seconds = time.monotonic() - begun
    return result


def lines_of(arena: Arena, scope: str, state: str) -> int:
    """How many lines of luigi_tasks a scope executes from a state to its end."""
    counting = Case(f"{LINE}:0:kill", scope, state, "folder")
    child = arena.start(_begin(arena, counting), scope, counting.fault)
    child.wait()
    return int(child.said().rpartition(f"{lines.SAID} ")[2].split()[0])


def _begin(arena: Arena, case: Case) -> World:
    world = arena.world(case.state, case.store, *(["collected"] if case.scope == "replay" else []))
    if case.scope == "postgres":
        nothing = dict.fromkeys(("pghost", "pgport", "pguser", "pgpassword", "pgdatabase"))
        world.settings = world.settings.model_copy(update=nothing)
    _plant(arena, world, case)
    return world


def _make(arena: Arena, case: Case, result: Result) -> None:
    world = _begin(arena, case)
    try:
        _strike(arena, world, case, result)
        _settle(arena, world, case, result)
    finally:
        if case.scope == "postgres":
            embedded_postgres.stop(world.settings.draenei_home)


def _strike(arena: Arena, world: World, case: Case, result: Result) -> None:
    children = []
    with company(arena, world, case):
        child = arena.start(world, case.scope, case.fault)
        children.append(child)
        if case.action == "stop" and child.process.wait_until_stopped(PATIENCE):
            result.struck = child.struck(case.fault)
            children.append(_peer(arena, world, case))
            _look_mid_crash(world, case, result)
            child.go_on()
            if case.point == TAKEN_OVER:
                child.wait()
                _look_mid_crash(world, case, result)
                children[1].go_on()
        codes = [one.wait() for one in children]
    if children[1:] and children[1].scope in LOCKED and not case.point.startswith(WITHOUT_LOCK):
        result.expect("one_run_at_a_time", holds=codes[1] == KEPT_OUT, words=f"a second process ended with {codes[1]}")
    for one, code in zip(children, codes, strict=True):
        result.expect("zombie_ends", holds=code != 124, words=f"did not end: {one.said()[-500:]}")
        world.ended.append(Ended(run_key(world), STEP.get(one.scope, ""), code))
    result.struck = child.struck(case.fault)
    result.last_words = "" if result.struck else child.said()[-300:]
    _look_mid_crash(world, case, result)


def _peer(arena: Arena, world: World, case: Case) -> Child:
    """A second process while the first is stopped, once the first one's lease is over; it gets some time to act."""
    publishing = case.point.startswith("publish.") and case.point != "publish.release.after"
    time.sleep(LEASE_SECONDS * 1.2 if publishing else 0)
    peer = arena.start(world, "crew" if publishing else case.scope, HOLDING if case.point == TAKEN_OVER else "")
    if case.point == TAKEN_OVER:
        peer.process.wait_until_stopped(PATIENCE)
        return peer
    deadline = time.monotonic() + PEER_SECONDS
    while peer.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return peer


def _look_mid_crash(world: World, case: Case, result: Result) -> None:
    if case.scope == "postgres":
        return  # to ask it would be to start it
    result.look(world, without=NOT_YET.get(case.scope, frozenset()))


def _settle(arena: Arena, world: World, case: Case, result: Result) -> None:
    """Faults off: the same command twice, or a later one, then everything must hold."""
    scope = AFTERWARDS.get(case.scope, case.scope)
    first = arena.start(world, scope)
    codes = [first.wait()]
    before = {} if case.scope == "postgres" else world.digests()
    second = arena.start(world, scope)
    codes.append(second.wait())
    for code in codes:
        world.ended.append(Ended(run_key(world), STEP.get(case.scope, ""), code))
    if before:
        world.reruns.append((before, world.digests()))
    if world.replayed:
        world.replays.append((world.replayed, {name: before[name] for name in world.replayed}))
    if case.scope in REFRESHED_SCOPES:
        _refresh(arena, world, result)
    result.expect("quiescence", holds=codes[-1] == 0, words=f"exit codes {codes}: {second.said()[-500:]}")
    _wait_for_backends(world)
    result.look(world, at_rest=True, without=_says_nothing_about(world, case))


def _refresh(arena: Arena, world: World, result: Result) -> None:
    before = world.digests()
    child = arena.start(world, "refresh")
    code = child.wait()
    result.expect("incremental_is_full", holds=code == 0, words=f"the refresh ended with {code}: {child.said()[-500:]}")
    world.refreshes.append((_models(before), _models(world.digests())))


def _models(digests: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in digests.items() if name.startswith(MODELS)}


def _says_nothing_about(world: World, case: Case) -> frozenset[str]:
    """What this case does not show at rest; the repair is there to write another version."""
    shown = {
        "everything_is_stored": case.scope in PICTURE_SCOPES,
        "one_version_a_key": case.scope != "repair",
        "again_changes_nothing": bool(world.reruns),
        "incremental_is_full": bool(world.refreshes),
        "replay_is_live": bool(world.replays),
    }
    assert shown.keys() == SAMPLED
    return frozenset(name for name, there in shown.items() if not there)


def run_key(world: World) -> str:
    """The run of the campaign's processes, once it was entered."""
    with closing(postgres.connect(world.settings)) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('ops.runs') is not null")
        if cursor.fetchone() != (True,):
            return ""
        cursor.execute("select run_key from ops.runs order by started_at desc limit 1")
        return (cursor.fetchone() or ("",))[0]


def _wait_for_backends(world: World) -> None:
    """A killed client is noticed by the server within a second."""
    deadline = time.monotonic() + 5
    # The loader does not see what other sessions are.
    with closing(postgres.connect(world.settings, as_owner=True)) as connection:
        connection.autocommit = True
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute(
                    "select count(*) from pg_stat_activity where datname = current_database()"
                    " and pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
                if cursor.fetchone() == (0,):
                    return
            time.sleep(0.05)


def _plant(arena: Arena, world: World, case: Case) -> None:
    """What a scope needs beyond its state."""
    if case.scope == "replay":
        arena.give_raw_zone(world)
    if case.scope == "repair":
        _damage(world)


def _damage(world: World) -> None:
    """One object gone, one with other bytes and a true copy aside, one that is nobody's."""
    root = world.settings.draenei_home / "objects"
    gone, spoilt = sorted((root / "wallpapers").iterdir())[:2]
    gone.unlink()
    key, body = f"wallpapers/{spoilt.name}", spoilt.read_bytes()
    aside = f"aside/20261101T000000Z/{key}"
    (root / aside).parent.mkdir(parents=True)
    (root / aside).write_bytes(body)
    spoilt.write_bytes(body[:-1] + b"?")
    (root / "wallpapers" / "zzzzzz.jpg").write_bytes(b"nobody's")
    with postgres.transaction(world.settings) as cursor:
        fsck_ledger.enter_repair(cursor, "wrong_bytes", key, None, "moved aside", aside)
