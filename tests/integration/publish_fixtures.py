"""A run with pictures to publish: a warehouse with a pending list, a server that has them, a folder to put them in."""

from __future__ import annotations

import datetime
import functools
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.publishing import ManifestItem
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ObjectStore, Put
from luigi_tasks.settings import Settings
from luigi_tasks.steps.publish import freeze_step
from tests.conftest import Warehouse
from tests.image_server import Answer, ImageServer, whole
from tests.pictures import item
from tests.s3_double import Server

EPOCH = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
PENDING = """
create schema if not exists draenei_content;
create table if not exists draenei_content.pending_uploads (
    wallhaven_id text, image_url text, s3_key text, file_type text, file_size bigint, width integer, height integer,
    uploaded_at timestamptz
)
"""
# Stands for the rule of the dbt view: whatever is stored is pending no more.
FORGET_STORED = """
delete from draenei_content.pending_uploads as p
using ops.uploads as u where u.wallhaven_id = p.wallhaven_id and u.outcome = 'stored' and u.lost_at is null
"""


class Publishing:
    """Everything that a publish needs, made on the spot."""

    def __init__(self, warehouse: Warehouse, server: ImageServer, double: Server | None = None) -> None:
        self.warehouse, self.server, self.double = warehouse, server, double
        warehouse.rows(PENDING)
        self.bodies: dict[str, bytes] = {}

    def settings(self, **different: object) -> Settings:
        """Settings that allow the server's address."""
        bucket = self.double.settings() if self.double else {}
        return self.warehouse.settings(**{"wallhaven_image_hosts": (self.server.host,), **bucket, **different})

    @property
    def environ(self) -> dict[str, str]:
        """The same for a process of its own."""
        bucket = self.double.settings() if self.double else {}
        own = {"DRAENEI_HOME": self.warehouse.home, "WALLHAVEN_IMAGE_HOSTS": self.server.host, **bucket}
        return {**self.warehouse.environ, **{name.upper(): str(value) for name, value in own.items()}}

    @property
    def folder(self) -> Path:
        """Where the objects are when they are in a folder."""
        return self.warehouse.home / "objects"

    @functools.cached_property
    def store(self) -> ObjectStore:
        """The store that these settings mean; a client of S3 takes a tenth of a second to make."""
        return self.double.store() if self.double else FolderStore(self.folder)

    def offer(self, wallhaven_id: str, body: bytes, answer: Answer | None = None, **different: object) -> ManifestItem:
        """A pending picture, the later the newer; the server has it, or gives another answer."""
        path = f"/full/{wallhaven_id}"
        self.server.answers[path] = answer or whole(body)
        described = item(body, wallhaven_id=wallhaven_id, url=self.server.url(path), **different)
        self.bodies[wallhaven_id] = body
        values = (*vars(described).values(), EPOCH + datetime.timedelta(seconds=len(self.bodies)))
        marks = ", ".join(["%s"] * len(values))
        self.warehouse.rows(f"insert into draenei_content.pending_uploads values ({marks})", *values)
        return described

    def freeze(self, run_id: str, **different: object) -> str:
        """Open a run and freeze its manifest; the run's key."""
        run = Run(Query.of("wallhaven", "draenei", {}), run_id)
        with postgres.transaction(self.settings()) as cursor:
            run_ledger.open_run(cursor, run, run_ledger.Circumstances("0", "", self.server.host))
        self.warehouse.rows(FORGET_STORED)
        freeze_step(self.settings(**different), run.key)
        return run.key

    def outcomes(self, run_key: str) -> dict[str, str]:
        """Outcome of every attempt of the run, by wallpaper."""
        return dict(self.warehouse.rows("select wallhaven_id, outcome from ops.uploads where run_key = %s", run_key))

    def assert_all_stored_once(self) -> None:
        """Every picture offered: one object with its bytes, one stored row that says so; no intent, no leftover."""
        rows = self.warehouse.rows(
            "select wallhaven_id, s3_key, sha256, bytes from ops.uploads where outcome = 'stored'"
        )
        assert sorted(row[0] for row in rows) == sorted(self.bodies)
        for wallhaven_id, key, sha256, size in rows:
            body = self.bodies[wallhaven_id]
            assert self.store.get(key) == body
            assert (sha256, size) == (hashlib.sha256(body).hexdigest(), len(body))
        assert {head.key for head in self.store.list("")} == {row[1] for row in rows}
        assert self.warehouse.rows("select * from ops.upload_intents") == []
        assert self.warehouse.rows("select * from ops.upload_claims") == []
        if self.double:
            assert set(self.double.state.puts().values()) <= {1}, "one version a key"
        else:
            assert list((self.folder / ".tmp").iterdir()) == []


class Watching:
    """A Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, int, str]] = []
        self._lock = threading.Lock()

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        with self._lock:
            self.told.append((done, total, bytes_done, note))


class Failing:
    """A store, until `healthy` puts are done; then every put fails. committed: only once the object is there."""

    def __init__(self, store: ObjectStore, problem: StoreError, healthy: int = 0, *, committed: bool = False) -> None:
        self.store = store
        self.problem, self.committed = problem, committed
        self.healthy = threading.Semaphore(healthy)

    def put_if_absent(
        self, key: str, body: bytes | bytearray, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        fails = not self.healthy.acquire(blocking=False)
        if fails and not self.committed:
            raise self.problem
        put = self.store.put_if_absent(key, body, content_type=content_type, sha256=sha256, metadata=metadata)
        if fails:
            raise self.problem
        return put

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)
