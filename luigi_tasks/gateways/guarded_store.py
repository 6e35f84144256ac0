"""An object store made safe where its own manners are not: a lock of ours a key, and the bytes read back."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.objects import ObjectHead, ObjectMissing, ObjectStore, Put, StoreUnavailable
from luigi_tasks.gateways.store_probe import Manners, probe
from luigi_tasks.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# A holder of one of the locks here that hangs loses it then; a put that is repeated four times ends before.
HANGING = "set local idle_in_transaction_session_timeout = '300s'"
# Another process that takes longer over the probe, or hangs in it, is not waited for: this one asks the store itself.
PATIENCE = "set local lock_timeout = '5s'"


def guard(settings: Settings, run_key: str, store: ObjectStore) -> tuple[ObjectStore, Manners]:
    """The store to put pictures into and what its probe found; probed once a run, whoever of its processes is first."""
    address = store.uri("")
    with postgres.transaction(settings) as cursor:
        cursor.execute(HANGING)
        cursor.execute(PATIENCE)
        is_first = _waited(cursor, "select pg_advisory_xact_lock(hashtextextended('probe ' || %s, 0))", address)
        cursor.execute("select result from ops.store_probes where run_key = %s and store = %s", (run_key, address))
        row = cursor.fetchone()
        crash_point("publish.probe.before")
        manners = Manners(**row[0]) if row else probe(store, _own_name(cursor, run_key) if is_first else "")
        _waited(
            cursor,
            "insert into ops.store_probes (run_key, store, result) values (%s, %s, %s) on conflict do nothing",
            *(run_key, address, json.dumps(manners.as_dict())),
        )
    crash_point("publish.probe.after")
    safe = manners.conditional and manners.checksums
    return (store if safe else GuardedStore(settings, store, manners)), manners


def _waited(cursor: Cursor, statement: str, *arguments: object) -> bool:
    """Execute what may have to wait for another process; False when that took too long."""
    from psycopg2.errors import LockNotAvailable

    cursor.execute("savepoint waiting")
    try:
        cursor.execute(statement, arguments)
    except LockNotAvailable:
        cursor.execute("rollback to savepoint waiting")
        return False
    return True


def _own_name(cursor: Cursor, run_key: str) -> str:
    """A name for the run's probe that no other warehouse on the same store has: it was migrated at another time."""
    cursor.execute("select md5(min(applied_at)::text || %s) from ops.migrations", (run_key,))
    return str((cursor.fetchone() or ("",))[0])


class GuardedStore:
    """An ObjectStore over one whose probe found it wanting; safe among all processes that share the warehouse.

    Who writes past this pipeline, with other programs, is not held back by its lock.
    """

    def __init__(self, settings: Settings, store: ObjectStore, manners: Manners) -> None:
        self._settings, self._store, self._manners = settings, store, manners
        self.create, self.replace = store.create, store.replace
        self.remove, self.remove_versions, self.leftovers = store.remove, store.remove_versions, store.leftovers

    def put_if_absent(
        self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        """As promised by ObjectStore; `sha256` of the result is that of bytes that were read back."""
        if self._manners.conditional:
            put = self._store.put_if_absent(key, body, content_type=content_type, sha256=sha256, metadata=metadata)
            return Put(put.created, self._read_back(key))
        with self._locked(key):
            created = self._store.head(key) is None
            if created:
                crash_point("publish.replace.before")
                self._store.replace(key, body, content_type=content_type, sha256=sha256, metadata=metadata)
                crash_point("publish.replace.after")
            return Put(created, self._read_back(key))

    def get(self, key: str) -> bytes:
        """As the store."""
        return self._store.get(key)

    def head(self, key: str) -> ObjectHead | None:
        """As the store."""
        return self._store.head(key)

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """As the store."""
        return self._store.list(prefix)

    def uri(self, key: str) -> str:
        """As the store."""
        return self._store.uri(key)

    def check(self) -> None:
        """As the store."""
        self._store.check()

    def _read_back(self, key: str) -> str:
        crash_point("publish.readback.before")
        try:
            there = hashlib.sha256(self._store.get(key)).hexdigest()
        except ObjectMissing:
            raise StoreUnavailable(f"put {key}: confirmed, and not there", where=self._store.uri(key)) from None
        crash_point("publish.readback.after")
        return there

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        with postgres.transaction(self._settings, "draenei-collector put") as cursor:
            crash_point("publish.lock.before")
            cursor.execute(
                "select pg_advisory_xact_lock(hashtextextended('object ' || %s, 0))", (self._store.uri(key),)
            )
            crash_point("publish.lock.after")
            yield
