"""What an invariant is checked against: a database, an object store, what was served, and how processes ended."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection

from luigi_tasks.gateways import canonical_export, postgres
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore, open_store
from luigi_tasks.settings import Settings
from tests.image_server import ImageServer
from tests.s3_double import Server
from twin import Twin

NAMES = [table.name for table in canonical_export.TABLES]
UPLOADS = """
select md5(coalesce(string_agg(concat_ws(' ', wallhaven_id, attempt, outcome, sha256), ',' order by upload_id), ''))
from ops.uploads
"""
QUARANTINED = "quarantined"
# Of a record without an id nobody can say later whose it was.
NAMELESS = "quarantined without a name"
FOREVER = ("wallpapers/", "raw/")


@dataclass(frozen=True)
class Ended:
    """How a process of ours ended. step: the one whose row says that what was asked for is complete."""

    run_key: str
    step: str
    exit_code: int


@dataclass
class World:
    """One pipeline's surroundings. Only settings are needed; an invariant that asks for more than is given holds.

    twin: the source, empty of requests when the world began; double: the bucket, when there is one; bait: a host that
    is not allowed, to which things lead; planted: {id: outcome} of what was made to go wrong, QUARANTINED or
    NAMELESS for a bad record; per_minute: the request budget; canaries: secrets that were given;
    files: folders and files to look for them in, beside the home; ended: processes that have ended, whose output
    is among the files; told: what processes told people; reruns, refreshes, replays: canonical digests before and
    after; replayed: those that a replay into this world has to come to.
    """

    settings: Settings
    twin: Twin | None = None
    double: Server | None = None
    bait: ImageServer | None = None
    planted: dict[str, str] = field(default_factory=dict)
    per_minute: int | None = None
    canaries: tuple[str, ...] = ()
    files: list[Path] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    reruns: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    refreshes: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    replays: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    replayed: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    ever: set[str] = field(default_factory=set)
    first_seen: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        """The store that the settings mean."""
        return open_store(self.settings)

    @contextmanager
    def looked_at(self) -> Iterator[Moment]:
        """One moment of it. The bucket is read before the database, as fsck does it and for its reason."""
        if self.twin:
            self.ever |= set(self.twin.catalogue.ids)
        objects = self._objects()
        for key, body in objects.items():
            if key.startswith(FOREVER):
                self.first_seen.setdefault(key, hashlib.sha256(body).hexdigest())
        with closing(postgres.connect(self.settings, "prove", as_owner=True)) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            yield Moment(self, objects, connection)

    def _objects(self) -> dict[str, bytes]:
        """What is in the bucket; a double is looked at from inside: to ask for each of thousands takes minutes."""
        if self.double is None:
            return dict(_bodies(self.store))
        with self.double.state.lock:
            return {key: versions[-1].body for key, versions in self.double.state.versions.items()}

    def digests(self) -> dict[str, str]:
        """What stands in the warehouse and in the bucket, hash by table and key, and what people were told.

        Times of writing are left out.
        """
        with (
            closing(postgres.connect(self.settings, "prove", as_owner=True)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select name from unnest(%s) as name where to_regclass(name) is not null", (NAMES,))
            there = {name for (name,) in cursor.fetchall()}
            own = [table for table in canonical_export.TABLES if table.name in there]
            tables = {table.name: canonical_export.digest(connection, table)[0] for table in own}
            if "ops.pages" not in tables:
                return {}
            cursor.execute(UPLOADS)
            tables["ops.uploads"] = (cursor.fetchone() or ("",))[0]
        bodies = {key: hashlib.sha256(body).hexdigest() for key, body in self._objects().items()}
        told = {"messages": " ".join(self.told)}
        return tables | told | {key: digest for key, digest in bodies.items() if ".refused-" not in key}


@dataclass
class Moment:
    """A world as it is now: objects by key, and a connection that sees one moment of the database."""

    world: World
    objects: dict[str, bytes]
    connection: Connection

    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return cursor.fetchall()

    def texts(self, sql: str, *arguments: object) -> list[str]:
        """The one column of a query."""
        return [text for (text,) in self.rows(sql, *arguments)]

    def has(self, *relations: str) -> bool:
        """True when the relations are there: marts are not before the first build."""
        return all(self.rows("select to_regclass(%s) is not null", name) == [(True,)] for name in relations)

    def body(self, key: str) -> bytes | None:
        """The object's bytes; one that came after the listing is asked for by name."""
        if key not in self.objects:
            try:
                self.objects[key] = self.world.store.get(key)
            except ObjectMissing:
                return None
        return self.objects[key]

    def with_prefix(self, prefix: str) -> dict[str, bytes]:
        """Objects below a prefix."""
        return {key: body for key, body in self.objects.items() if key.startswith(prefix)}


def _bodies(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    for head in list(store.list("")):
        try:
            yield head.key, store.get(head.key)
        except ObjectMissing:
            continue


def unpacked(name: str, body: bytes) -> bytes:
    """The bytes as a person would read them: gunzipped where the name says so and they are whole."""
    if not name.endswith(".gz"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError):
        return body
