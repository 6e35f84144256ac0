"""What happens around a process of the campaign, so that it passes its point at all or leaves work to a later one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import closing

from luigi_tasks.gateways import postgres
from tests.prove.arena import Arena
from tests.prove.plan import Case
from tests.prove.world import World
from tests.s3_double import Server, Version
from twin import Fault

# What the source has to do so that a point is passed at all.
NEEDS = {
    "fetch.evidence": Fault("throttle", "search", retry_after=1),
    "fetch.block": Fault("throttle", "search", retry_after=1),
    "run.error": Fault("status", "search", status=403, times=None),
    "publish.heartbeat": Fault("slow", "image", times=4, seconds=0.8),
}
# What their holder has in hand at this moment is left: each could wait for the other for ever.
EXPIRE = """
update ops.upload_claims set leased_until = clock_timestamp()
where fence in (select fence from ops.upload_claims where fence <= 6 for update skip locked)
"""
# Nobody repeats the command: with faults off another run comes, and has to end what this one left.
AFTERWARDS = {"abandoned": "later"}


@contextlib.contextmanager
def company(arena: Arena, world: World, case: Case) -> Iterator[None]:
    """What has to happen around the process so that it passes the point at all; it is over when faults are off."""
    over = threading.Event()
    thief = threading.Thread(target=_expire_leases, args=(world, over))
    for point, fault in NEEDS.items():
        if case.point.startswith(point):
            arena.misbehave(fault)
    if case.scope in AFTERWARDS and world.double:
        _lose_a_reply(arena, world.double)
        if case.action != "stop":  # else it is looked at while this stands there, which is nobody's
            _stand_in_the_way(arena, world, world.double)
    if case.point.startswith("publish.giveback"):
        thief.start()
    try:
        yield
    finally:
        over.set()
        if thief.ident:
            thief.join()
        arena.misbehave()
        if world.double:
            world.double.state.faults.clear()
            if world.planted.get(arena.taken):
                world.double.state.versions.pop(arena.taken_key)


def _lose_a_reply(arena: Arena, double: Server) -> None:
    """One picture is put, nobody hears of it, and the bucket says nothing of its key before the process has ended."""
    key = f"wallpapers/{arena.takedown_target}"
    double.state.fault("lost_reply", "PUT", key)
    for method in ("PUT", "HEAD", "GET"):
        double.state.fault("before_500", method, key, times=99)


def _stand_in_the_way(arena: Arena, world: World, double: Server) -> None:
    """Other bytes are under a picture's key until somebody takes them away: it was not stored."""
    double.state.versions[arena.taken_key] = [Version(b"another program's", "image/jpeg", None, {})]
    world.planted[arena.taken] = "conflict"


def _expire_leases(world: World, over: threading.Event) -> None:
    """Let the first claims run out while their holder is at work, as on a machine that stood still."""
    with closing(postgres.connect(world.settings)) as connection:
        connection.autocommit = True
        while not over.wait(0.002):
            with connection.cursor() as cursor:
                cursor.execute(EXPIRE)
