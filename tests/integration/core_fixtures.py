"""What the tests of Fetch, Load and the ledgers share: a run on a fresh warehouse against a twin."""

from __future__ import annotations

import datetime
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.objects import ObjectStore, Put, open_store
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps import crawl, load, rounds
from tests.conftest import Warehouse
from twin import Twin

MINUTE = datetime.datetime(2026, 11, 21, 7, 0)
MADE_WITH = run_ledger.Circumstances("test", "0" * 64, "http://127.0.0.1/api/v1")
FAST = {
    "wallhaven_rate_per_minute": 6000,
    "http_timeout_seconds": 5,
    "http_max_attempts": 3,
    "wallhaven_sweep_pages": 0,
}


@dataclass
class Notes:
    """A Progress that remembers its notes."""

    notes: list[str] = field(default_factory=list)

    def update(self, done: int, total: int, *, bytes_done: int = 0, note: str = "") -> None:
        """Remember the note."""
        self.notes.append(note)


class Interrupted(Exception):
    """Stands for the moment at which a process was killed."""


class KilledAfter:
    """The store of a process that is killed around a put: nothing runs after it but what ends with a process."""

    def __init__(self, store: ObjectStore, puts: int, *, last_lands: bool) -> None:
        self._store, self._left, self._last_lands = store, puts, last_lands
        self.get, self.head, self.list, self.uri, self.check = store.get, store.head, store.list, store.uri, store.check

    def put_if_absent(self, key: str, body: bytes | bytearray, **facts: Any) -> Put:
        """Put, until the moment has come."""
        self._left -= 1
        if self._left >= 0 or self._last_lands:
            done = self._store.put_if_absent(key, body, **facts)
        if self._left < 0:
            raise Interrupted
        return done


class Collecting:
    """One query collected again and again on one warehouse; each run() is a minute later."""

    def __init__(self, warehouse: Warehouse, api_url: str, **overrides: Any) -> None:
        self.warehouse = warehouse
        self.settings: Settings = warehouse.settings(**{**FAST, "wallhaven_api_url": api_url, **overrides})
        self.store = open_store(self.settings)
        self._minutes = 0

    def with_settings(self, **overrides: Any) -> Collecting:
        """The same warehouse and objects, with other settings."""
        other = Collecting(self.warehouse, self.settings.wallhaven_api_url, **overrides)
        other._minutes = self._minutes + 100
        return other

    def run(self) -> Run:
        """A new run, entered in ops.runs."""
        query = CATALOGUE["wallhaven"].query(self.settings.wallhaven_query, self.settings.filters())
        run = Run.at(query, MINUTE + datetime.timedelta(minutes=self._minutes))
        self._minutes += 1
        with postgres.transaction(self.settings) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        return run

    def crawl(
        self,
        run: Run,
        store: ObjectStore | None = None,
        progress: Notes | None = None,
        watch: rounds.Watch = rounds.unwatched,
    ) -> dict[str, Any]:
        """Fetch as the task does it, its step entered when it is complete."""
        result = crawl.crawl(self.settings, run, store or self.store, progress or Silent(), watch)
        with postgres.transaction(self.settings) as cursor:
            run_ledger.complete_step(cursor, run.key, "Fetch", datetime.datetime.now(datetime.UTC), result)
        return result

    def load(self, run: Run, entity: str = "search") -> dict[str, Any]:
        """Load as the task does it."""
        return load.load(self.settings, run.key, "wallhaven", entity, self.store, Silent())

    def collect(self) -> dict[str, Any]:
        """A whole new run up to Load."""
        run = self.run()
        return {**self.crawl(run), **self.load(run)}

    def refused(self, run: Run) -> list[dict[str, Any]]:
        """The envelopes of what was kept as evidence, in order."""
        heads = self.store.list(f"{run.raw_prefix}/")
        return [self._envelope(head.key) for head in heads if ".refused-" in head.key]

    def _envelope(self, key: str) -> dict[str, Any]:
        envelope: dict[str, Any] = json.loads(gzip.decompress(self.store.get(key)).partition(b"\n")[0])
        return envelope

    def want_details(self, ids: list[str]) -> None:
        """Stand in for dbt's view of wallpapers that lack details, the first id being the newest."""
        self.warehouse.rows(
            "create schema if not exists draenei_content;"
            "create table draenei_content.pending_details (wallhaven_id text, uploaded_at timestamp,"
            " reason text default 'details')"
        )
        for age, wallhaven_id in enumerate(ids):
            self.warehouse.rows(
                "insert into draenei_content.pending_details values (%s, %s)",
                wallhaven_id,
                MINUTE - datetime.timedelta(hours=age),
            )


def pages_asked(twin: Twin) -> list[str]:
    """The pages that were asked for since the last look."""
    asked = [request.params["page"] for request in twin.api_calls()]
    twin.clear_requests()
    return asked


def ledger(collecting: Collecting) -> list[tuple[Any, ...]]:
    """Every page that the ledger knows, with its object."""
    return collecting.warehouse.rows(
        "select page_name, status, body_sha256, body_bytes, object_key, run_key from ops.pages order by page_id"
    )


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """True as soon as it holds, False when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
