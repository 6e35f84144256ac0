"""A raw page whose object is lost comes back only as the very same bytes; what Fetch puts first stays."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from luigi_tasks.domain.damage import Part, Repair
from luigi_tasks.domain.envelope import digest, pack, unpack
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.objects import Put
from luigi_tasks.steps.fsck import fsck
from luigi_tasks.steps.refetch import Refetcher
from luigi_tasks.steps.repair import Repairer
from tests.conftest import Warehouse
from tests.integration.core_fixtures import Collecting
from twin import Catalogue, Twin

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


@pytest.fixture
def twin() -> Iterator[Twin]:
    """Two pages."""
    with Twin(Catalogue.generate(30, small=True, shared_picture=True), rate_per_minute=10_000) as running:
        yield running


@pytest.fixture
def collecting(warehouse: Warehouse, twin: Twin) -> Collecting:
    """The query, collected from the twin; the object of its page 2 is lost."""
    found = Collecting(warehouse, twin.api_url)
    found.collect()
    return found


def lose(collecting: Collecting) -> tuple[str, bytes]:
    """Take the object of page 2 away; its key and what it was."""
    ((key,),) = collecting.warehouse.rows("select object_key from ops.pages where page_name = 'page-00002'")
    packed = collecting.store.get(key)
    collecting.store.remove(key)
    return key, packed


def repaired(collecting: Collecting, api_url: str | None = None) -> list[Repair]:
    """fsck --repair."""
    own = collecting.settings.model_copy(update={"wallhaven_api_url": api_url or collecting.settings.wallhaven_api_url})
    checked = fsck(own, collecting.store, Part(), deep=True, progress=Silent())
    return Repairer(own, collecting.store, NOW, Refetcher(own, collecting.store).refetch).repair(checked, Silent())


def clean(collecting: Collecting) -> bool:
    """True when a deep fsck finds nothing."""
    return not fsck(collecting.settings, collecting.store, Part(), deep=True, progress=Silent()).findings


def test_a_lost_page_that_the_source_still_answers_identically_is_fetched_again(collecting: Collecting) -> None:
    collecting.warehouse.rows("update ops.runs set source_address = %s", collecting.settings.wallhaven_api_url)
    key, before = lose(collecting)
    assert [(repair.action, repair.key) for repair in repaired(collecting)] == [("restored", key)]
    (then, body), (now, same) = unpack(before), unpack(collecting.store.get(key))
    assert body == same
    assert (now.run_key, now.page_name, now.fetched_at, now.request) == (
        then.run_key,
        then.page_name,
        then.fetched_at,
        then.request,
    )
    assert clean(collecting)


def test_a_lost_page_that_is_answered_otherwise_is_lost_for_good_and_says_what_that_means(
    collecting: Collecting, twin: Twin
) -> None:
    collecting.warehouse.rows("update ops.runs set source_address = %s", collecting.settings.wallhaven_api_url)
    key, _ = lose(collecting)
    twin.catalogue.upload(1)
    (repair,) = repaired(collecting)
    assert repair.action == "given up"
    assert "lost for good, and a replay goes without them" in repair.detail
    assert "other bytes" in repair.detail
    assert collecting.store.head(key) is None
    assert clean(collecting)


def test_another_source_and_one_that_is_silent_are_not_taken_for_the_same(collecting: Collecting) -> None:
    lose(collecting)
    (repair,) = repaired(collecting)
    assert "not the source of these settings" in repair.detail, "the run says another address"


def test_the_answer_that_was_put_first_is_the_page(collecting: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    run, put = collecting.run(), collecting.store.put_if_absent

    def somebody_is_first(key: str, body: bytes, **facts: Any) -> Put:
        if "page-00001" in key:
            envelope, answer = unpack(body)
            first = pack(dataclasses.replace(envelope, fetched_at=NOW), answer)
            put(key, first, **{**facts, "sha256": digest(first)})
        return put(key, body, **facts)

    monkeypatch.setattr(collecting.store, "put_if_absent", somebody_is_first)
    collecting.crawl(run)
    assert collecting.warehouse.rows(
        "select fetched_at from ops.pages where run_key = %s and page_name = 'page-00001'", run.key
    ) == [(NOW,)]
