"""After a replay into an empty database the pictures in the bucket are registered, and none is downloaded again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.settings import Settings
from luigi_tasks.steps import adopt, crawl, load, model, publish, takedown
from tests.conftest import Warehouse
from tests.integration.core_fixtures import MADE_WITH, Collecting
from tests.integration.replay_fixtures import another_database, build, digests, replayed
from twin import Catalogue, Twin

SIZE = 6


@pytest.fixture
def twin() -> Iterator[Twin]:
    """6 wallpapers."""
    with Twin(Catalogue.generate(SIZE, small=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin, its pictures published."""
    found = Collecting(warehouse, twin.api_url, wallhaven_image_hosts=twin.image_host)
    run = found.run()
    found.crawl(run)
    found.load(run)
    build(found, run)
    publish.freeze_step(found.settings, run.key)
    publish.publish(found.settings, run.key, found.store, Silent())
    build(found, run)
    return found


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with postgres.transaction(settings) as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


STORED = "select wallhaven_id, s3_key, sha256, bytes, content_type, run_key from ops.uploads order by 1"


@pytest.mark.prove
def test_after_a_replay_nothing_is_pending_and_no_picture_is_asked_for(
    collecting: Collecting, twin: Twin, warehouse: Warehouse, tmp_path: Path
) -> None:
    live, stored = digests(collecting.settings), rows(collecting.settings, STORED)
    assert len(stored) == SIZE
    # Taken down, and its bytes back again: of a killed takedown, or of somebody's copy of the bucket.
    (struck, key, *_, content_type, _), *stored = stored
    body = collecting.store.get(key)
    plan = takedown.plan(collecting.settings, collecting.store, struck)
    takedown.take_down(collecting.settings, collecting.store, plan, "the artist asked")
    digest = hashlib.sha256(body).hexdigest()
    collecting.store.put_if_absent(key, body, content_type=content_type, sha256=digest, metadata={})
    twin.clear_requests()
    with another_database(warehouse, tmp_path / "replayed") as own:
        assert replayed(collecting, own)["adopted"] == SIZE - 1
        assert digests(own) == live
        assert rows(own, STORED) == stored
        assert rows(own, "select count(*) from draenei_content.pending_uploads") == [(0,)]
        statuses = rows(own, "select upload_status, count(*) from draenei_content.wallpapers group by 1 order by 1")
        assert statuses == [("stored", SIZE - 1), ("taken_down", 1)]

        asked = ("wallhaven_api_url", "wallhaven_rate_per_minute", "wallhaven_image_hosts", "wallhaven_sweep_pages")
        asking = own.model_copy(update={name: getattr(collecting.settings, name) for name in asked})
        run = collecting.run()
        with postgres.transaction(asking) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        crawl.crawl(asking, run, collecting.store, Silent())
        load.load(asking, run.key, "wallhaven", "search", collecting.store, Silent())
        model.build(asking, run.key, "Model", Silent(), model.selection("wallhaven"))
        publish.freeze_step(asking, run.key)
        publish.publish(asking, run.key, collecting.store, Silent())
    assert twin.image_requests() == [], "everything was there"


def test_what_the_object_does_not_say_is_read_and_what_contradicts_itself_is_left(collecting: Collecting) -> None:
    first, second, third, *_ = rows(collecting.settings, STORED)
    store = collecting.store

    def put_anew(row: tuple[Any, ...], metadata: dict[str, str]) -> bytes:
        body = store.get(row[1])
        store.remove(row[1])
        digest = hashlib.sha256(body).hexdigest()
        store.put_if_absent(row[1], body, content_type=row[4], sha256=digest, metadata=metadata)
        return body

    put_anew(first, {})
    put_anew(second, {"sha256": "0" * 64})
    put_anew(third, {"wallhaven-id": "another"})
    rows(collecting.settings, "delete from ops.uploads returning 1")
    rows(collecting.settings, "update ops.runs set state = 'replayed', finished_at = now() returning 1")
    with postgres.transaction(collecting.settings) as cursor:
        counts = adopt.adopt(cursor, store, Silent())
    found = rows(collecting.settings, STORED)
    assert (counts["adopted"], len(found)) == (SIZE - 2, SIZE - 2)
    assert found[0] == first, "a store that keeps no checksum has the object read"
    assert not {second[0], third[0]} & {row[0] for row in found}
    with postgres.transaction(collecting.settings) as cursor:
        assert adopt.adopt(cursor, store, Silent())["adopted"] == 0
