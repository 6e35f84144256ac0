"""What bounds Load: records a second through each part of it, beside the upsert that a row-by-row loader uses.

Run: python -m benchmarks.load [records]; default 50000. Records of 0.7 kB on pages of 24, from memory. CPU seconds are
this process's; server seconds are what the backends were active.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from benchmarks import collection, measurements
from luigi_tasks.domain.envelope import Envelope, digest, pack
from luigi_tasks.domain.loading import GoodRecord
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import embedded_postgres, postgres
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.validation import RecordCheck
from luigi_tasks.steps.load import load
from luigi_tasks.warehouse import migrate

ACTIVE = "select active_time / 1000 from pg_stat_database where datname = current_database()"
FRESH = """
truncate raw.wallhaven_search, ops.loads;
create table if not exists raw.upserted (record_id text primary key, payload jsonb not null)
"""
UPSERT = """
insert into raw.upserted (record_id, payload) values %s on conflict (record_id) do update set payload = excluded.payload
"""


class FromMemory:
    """The raw zone of the benchmark: its objects are those of the real one, its disk is none."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self.get = pages.__getitem__


def made_pages(cursor: Cursor, records: int) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Pages as the pipeline keeps them, entered in the ledger, and their bodies alone."""
    collection.add_items(cursor, 1, -(-records // collection.PER_PAGE))
    cursor.execute(
        "select p.object_key, p.page_name, p.fetched_at, jsonb_agg(r.payload order by r.position)"
        " from ops.pages p join raw.wallhaven_search r using (body_sha256) group by p.page_id"
    )
    kept, bodies = {}, {}
    for key, name, fetched_at, items in cursor.fetchall():
        body = json.dumps({"data": items, "meta": {"current_page": 1, "last_page": 1, "total": records}}).encode()
        facts: dict[str, Any] = {"request": {}, "status": 200, "headers": {}, "fetched_at": fetched_at}
        facts |= {"sha256": digest(body), "body_bytes": len(body), "code_version": "benchmark"}
        kept[key] = pack(Envelope(collection.RUN, "wallhaven", "search", name, **facts), body)
        bodies[key] = body
        cursor.execute("update ops.pages set body_sha256 = %s where object_key = %s", (facts["sha256"], key))
    return kept, bodies


def measure(settings: Settings, name: str, records: int, work: Callable[[], object]) -> dict[str, float]:
    """Print one line; its rates."""
    before, begun, cpu = active(settings), time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
    server = active(settings) - before
    own, both = records / max(cpu, 1e-9), records / max(cpu + server, 1e-9)
    rates = f"{own:>12,.0f}/s of CPU{both:>12,.0f}/s with the server's"
    print(f"{name:<34}{wall:>8.2f} s wall{cpu:>8.2f} s CPU{server:>8.2f} s server{rates}", flush=True)
    return {"records/s of CPU": own, "records/s with the server's": both}


def active(settings: Settings) -> float:
    """Seconds that backends were active so far."""
    time.sleep(0.2)
    with postgres.transaction(settings, as_owner=True) as cursor:
        cursor.execute(ACTIVE)
        (seconds,) = cursor.fetchone() or (0.0,)
    return float(seconds)


def upsert(settings: Settings, bodies: dict[str, bytes]) -> None:
    """Parse, then execute_values with ON CONFLICT, a page a statement, in one transaction."""
    with postgres.transaction(settings, as_owner=True) as cursor:
        for body in bodies.values():
            execute_values(cursor, UPSERT, [(item["id"], json.dumps(item)) for item in json.loads(body)["data"]])


def judge(bodies: dict[str, bytes]) -> None:
    """Parse and validate, nothing else."""
    source = CATALOGUE["wallhaven"]
    check = RecordCheck(source, source.ENTITIES["search"])
    for body in bodies.values():
        for position, record in enumerate(source.parse("search", body).records):
            assert isinstance(check.sort(position, record), GoodRecord)


def main(records: int) -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        settings = Settings(draenei_home=Path(folder))
        try:
            with closing(postgres.connect(settings, as_owner=True)) as connection:
                migrate.migrate(connection)
            with postgres.transaction(settings, as_owner=True) as cursor:
                kept, bodies = made_pages(cursor, records)
                cursor.execute(FRESH)
            records = len(bodies) * collection.PER_PAGE
            store: Any = FromMemory(kept)
            parts: dict[str, Callable[[], object]] = {
                "parse alone (json.loads)": lambda: [json.loads(body) for body in bodies.values()],
                "parse and validate": lambda: judge(bodies),
                "Load, all of it": lambda: load(settings, collection.RUN, "wallhaven", "search", store, Silent()),
                "execute_values upsert, unchecked": lambda: upsert(settings, bodies),
            }
            figures = {name: measure(settings, name, records, work) for name, work in parts.items()}
        finally:
            embedded_postgres.stop(Path(folder))
    measures = {measure for row in figures.values() for measure in row}
    return measurements.keep("load", {"records": records}, figures, more_is_better=measures)


if __name__ == "__main__":
    sys.exit(main(*map(int, measurements.words() or ["50000"])))
