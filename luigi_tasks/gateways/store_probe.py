"""What an object store can be trusted with, found out by trying: conditional puts, checksums, a race, the bytes back.

The probe's objects live under probe/ and are removed again. Verdicts: `native` (the store itself creates an object
once), `locked` (it does not, so every put is HEAD, then PUT under an advisory lock, then read back), or StoreError for
a store that gives back other bytes than it was given.
"""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.objects import (
    ChecksumRefused,
    NoConditions,
    ObjectDamaged,
    ObjectMissing,
    ObjectStore,
    StoreUnavailable,
    remove_probe,
)

RACERS = 16
NAMES = ("twice", "race", "checksum")
BODY_BYTES = 4096
TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Manners:
    """conditional: creates only what is not there, also in a race. checksums: refuses bytes with a wrong SHA-256.
    removes: the probe's objects could be deleted."""

    conditional: bool
    checksums: bool
    removes: bool = True

    def as_dict(self) -> dict[str, object]:
        """Plain values, for a ledger row or JSON."""
        return asdict(self)

    def __str__(self) -> str:
        puts = "conditional puts" if self.conditional else "puts under a lock of ours (the store overwrites)"
        sums = "checksums verified" if self.checksums else "read back after each put (the store checks no SHA-256)"
        return f"{puts}, {sums}" + ("" if self.removes else ", probe/ not removed (no right to delete)")


def probe(store: ObjectStore, name: str = "") -> Manners:
    """Try the store. Raises StoreError when it loses data, StoreUnavailable when it does not answer.

    name: of a probe that nobody else makes at the same time; what an earlier, killed one of that name left is removed.
    """
    prefix = f"probe/{name}"
    if not name or not _clear(store, prefix):
        prefix = f"probe/{uuid.uuid4().hex}"
    try:
        with ThreadPoolExecutor(2) as aside:  # far from the store each question is a round trip
            asked = aside.submit(_refuses_wrong_checksum, store, f"{prefix}/checksum")
            raced = aside.submit(_one_wins, store, f"{prefix}/race")
            conditional = _creates_once(store, f"{prefix}/twice") and raced.result()
            checksums = asked.result()
    finally:
        removes = _clear(store, prefix)
    return Manners(conditional, checksums, removes)


def _creates_once(store: ObjectStore, key: str) -> bool:
    first, second = os.urandom(BODY_BYTES), os.urandom(BODY_BYTES)
    try:
        _create(store, key, first)
    except NoConditions:
        _replace(store, key, first)
        _expect(store, key, {first})
        return False
    _expect(store, key, {first})
    try:
        again = _create(store, key, second)
    except NoConditions:
        return False
    _expect(store, key, {second} if again else {first})
    return not again


def _one_wins(store: ObjectStore, key: str) -> bool:
    bodies = [os.urandom(BODY_BYTES) for _ in range(RACERS)]
    gate = threading.Barrier(RACERS)

    def race(body: bytes) -> bool:
        gate.wait()
        return _create(store, key, body)

    with ThreadPoolExecutor(RACERS) as pool:
        created = list(pool.map(race, bodies))
    winners = {body for body, won in zip(bodies, created, strict=True) if won}
    if not winners and store.head(key) is None:
        raise StoreUnavailable("the object store put off all of a race", where=store.uri(key))
    # A reply that was lost and repeated by the driver may leave no winner; the bytes are somebody's all the same.
    _expect(store, key, winners or set(bodies))
    return len(winners) <= 1


def _refuses_wrong_checksum(store: ObjectStore, key: str) -> bool:
    try:
        store.create(key, b"these bytes", content_type=TYPE, sha256="00" * 32, metadata={})
    except ChecksumRefused:
        return True
    except NoConditions:
        try:
            store.replace(key, b"these bytes", content_type=TYPE, sha256="00" * 32, metadata={})
        except ChecksumRefused:
            return True
    return False


def _create(store: ObjectStore, key: str, body: bytes) -> bool:
    return store.create(key, body, content_type=TYPE, sha256=hashlib.sha256(body).hexdigest(), metadata={})


def _replace(store: ObjectStore, key: str, body: bytes) -> None:
    store.replace(key, body, content_type=TYPE, sha256=hashlib.sha256(body).hexdigest(), metadata={})


def _expect(store: ObjectStore, key: str, bodies: set[bytes]) -> None:
    try:
        kept = store.get(key) in bodies
    except (ObjectMissing, ObjectDamaged):
        kept = False
    if not kept:
        raise StoreError(
            "the object store does not keep what it confirmed: a probe object read back otherwise",
            where=store.uri(key),
            mend="Use another store: pictures would be lost here.",
        )


def _clear(store: ObjectStore, prefix: str) -> bool:
    try:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(lambda name: remove_probe(store, f"{prefix}/{name}"), NAMES))
    except StoreUnavailable:
        raise
    except StoreError:
        return False
    return True
