"""Takedowns written down beside the objects that they speak of, so that a replay into an empty database knows them.

An object each under takedowns/, another one when it is lifted. Nothing of the picture is in them but its id or hash.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from luigi_tasks.domain.damage import TAKEDOWNS
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways import postgres, takedown_ledger
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.gateways.takedown_ledger import Tombstone
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

TIMES = ("taken_down_at", "lifted_at")


def keep(settings: Settings, store: ObjectStore) -> None:
    """Write an object for each row that has none: also for what an older version or a killed process left out."""
    with postgres.transaction(settings) as cursor:
        stones = takedown_ledger.tombstones(cursor)
    there = {head.key for head in store.list(TAKEDOWNS)}
    for stone in stones:
        if (key := _key(stone)) not in there:
            body = json.dumps(asdict(stone), default=datetime.datetime.isoformat).encode()
            digest = hashlib.sha256(body).hexdigest()
            store.put_if_absent(key, body, content_type="application/json", sha256=digest, metadata={})


def restore(cursor: Cursor, store: ObjectStore) -> int:
    """Enter what ops.tombstones lacks of them; how many it then has. Raises StoreError for a damaged object."""
    stones = [_read(store, head.key) for head in store.list(TAKEDOWNS)]
    for stone in sorted(stones, key=lambda stone: (stone.taken_down_at, stone.lifted_at is not None)):
        takedown_ledger.restore(cursor, stone)
    return len(takedown_ledger.tombstones(cursor))


def _key(stone: Tombstone) -> str:
    moment = stone.taken_down_at.astimezone(datetime.UTC)
    lifted = ".lifted" if stone.lifted_at else ""
    return f"{TAKEDOWNS}{stone.wallhaven_id or stone.sha256}/{moment:%Y%m%dT%H%M%S%fZ}{lifted}.json"


def _read(store: ObjectStore, key: str) -> Tombstone:
    try:
        said = json.loads(store.get(key))
        times = {name: datetime.datetime.fromisoformat(said[name]) for name in TIMES if said[name]}
        return Tombstone(**{**said, **times})
    except (ValueError, TypeError, KeyError):
        raise StoreError(
            "an object that should say what was taken down does not",
            where=store.uri(key),
            mend="Restore it from a copy, or note what it was about, move it away, and take that down again.",
        ) from None
