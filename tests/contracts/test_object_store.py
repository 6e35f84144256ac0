# ruff: noqa: F811
"""What every object store promises, held against the folder, an S3 API and Google's JSON API."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ObjectDamaged, ObjectMissing, ObjectStore, Put, StoreUnavailable
from tests.contracts.store_fixtures import (  # noqa: F401
    BODY,
    KEY,
    METADATA,
    OTHER,
    bucket,
    double,
    either_double,
    files_of,
    google,
    put,
    sha256,
    store,
    vouched,
)
from tests.s3_double import Server

TOO_LONG = ("x" * 256, "x/" * 600 + "x")


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_what_was_put_is_there_with_all_that_was_said_of_it(store: ObjectStore, kind: type) -> None:
    assert put(store, kind=kind) == Put(created=True, sha256=sha256(BODY))
    assert store.get(KEY) == BODY
    head = store.head(KEY)
    assert head is not None
    assert (head.key, head.size, head.content_type) == (KEY, len(BODY), "image/jpeg")
    assert vouched(head, BODY) == sha256(BODY)
    assert dict(head.metadata) == METADATA


def test_the_same_bytes_again_create_nothing(store: ObjectStore) -> None:
    put(store)
    assert put(store) == Put(created=False, sha256=sha256(BODY))
    assert [head.key for head in store.list("")] == [KEY]


def test_other_bytes_are_reported_and_never_written(store: ObjectStore) -> None:
    put(store)
    assert put(store, OTHER) == Put(created=False, sha256=sha256(BODY))
    head = store.head(KEY)
    assert store.get(KEY) == BODY
    assert head is not None
    assert vouched(head, BODY) == sha256(BODY)


def test_of_sixteen_at_once_exactly_one_creates(store: ObjectStore) -> None:
    bodies = [os.urandom(50_000) for _ in range(16)]
    gate = threading.Barrier(16)

    def race(body: bytes) -> Put:
        gate.wait()
        return put(store, body)

    with ThreadPoolExecutor(16) as pool:
        puts = list(pool.map(race, bodies))
    winners = [body for body, done in zip(bodies, puts, strict=True) if done.created]
    assert len(winners) == 1
    assert {done.sha256 for done in puts} == {sha256(winners[0])}
    head = store.head(KEY)
    assert store.get(KEY) == winners[0]
    assert head is not None
    assert vouched(head, winners[0]) == sha256(winners[0])
    if isinstance(store, FolderStore):
        assert files_of(store.root) == [f".meta/{KEY}/{head.sha256}.json", KEY], "nothing of the losers is left"


def test_what_is_missing_is_said_to_be(store: ObjectStore) -> None:
    put(store)
    assert store.head("wallpapers") is None
    assert store.head("wallpapers/zzz.jpg") is None
    with pytest.raises(ObjectMissing, match=r"zzz\.jpg"):
        store.get("wallpapers/zzz.jpg")


def test_a_listing_has_every_object_of_the_prefix_in_order(store: ObjectStore) -> None:
    keys = ["raw/a/1.gz", "raw/b", "wallpapers/a.jpg", "wallpapers/ab.jpg", "wallpapers/b.png"]
    for key in reversed(keys):
        put(store, key.encode(), key)
    assert [(head.key, head.size) for head in store.list("")] == [(key, len(key)) for key in keys]
    assert [head.key for head in store.list("wallpapers/a")] == keys[2:4]
    assert [head.key for head in store.list("raw/")] == keys[:2]
    assert list(store.list("nothing/")) == []


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", "../a", "a/../b", "./a", ".meta/a", "a/.tmp", "a\\b", "a\0b", "a\nb", *TOO_LONG],
)
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    for call in (lambda: put(store, key=key), lambda: store.get(key), lambda: store.head(key)):
        with pytest.raises(StoreError, match="no object key"):
            call()


def test_a_usable_store_passes_its_check_and_nothing_stays(store: ObjectStore) -> None:
    store.check()
    assert list(store.list("")) == []


def test_the_address_names_the_object(store: ObjectStore) -> None:
    assert store.uri(KEY).startswith(("file:///", "s3://", "gs://"))
    assert store.uri(KEY).endswith(KEY)


# the strict doubles: faults on demand


@pytest.mark.parametrize("kind", ["lost_reply", "after_500"])
def test_a_put_that_was_committed_and_not_confirmed_is_ours_and_there_once(either_double: Server, kind: str) -> None:
    either_double.state.fault(kind)
    assert put(either_double.store()) == Put(created=False, sha256=sha256(BODY))
    assert either_double.state.puts() == {KEY: 1}


def test_a_body_cut_short_is_unavailable_and_never_taken_for_the_object(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("truncated", "GET", times=9)
    either_double.state.requests.clear()
    with pytest.raises(StoreUnavailable):
        store.get(KEY)
    assert len(either_double.state.requests) == 4


@pytest.mark.parametrize("kind", ["truncated", "reset", "garbled"])
def test_what_breaks_off_or_arrives_damaged_once_is_read_again(either_double: Server, kind: str) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault(kind, "GET")
    either_double.state.requests.clear()
    assert store.get(KEY) == BODY
    assert [method for method, _ in either_double.state.requests] == ["GET", "GET"]


def test_a_listing_cut_short_is_read_again(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("truncated", "GET", prefix="")
    assert [head.key for head in store.list("")] == [KEY]


def test_reads_again_come_to_an_end_and_an_object_damaged_in_the_store_is_called_so(either_double: Server) -> None:
    store = either_double.store()
    put(store)
    either_double.state.fault("garbled", "GET", times=9)
    either_double.state.requests.clear()
    with pytest.raises(ObjectDamaged, match="Two reads say so"):
        store.get(KEY)
    assert len(either_double.state.requests) == 2


@pytest.mark.parametrize(("kind", "mend"), [("denied", "AWS_PROFILE"), ("skewed", "clock"), ("expired", "Renew")])
def test_credentials_and_clock_need_a_person(double: Server, kind: str, mend: str) -> None:
    double.state.fault(kind, times=9)
    with pytest.raises(StoreError, match=mend) as raised:
        put(double.store())
    assert not isinstance(raised.value, StoreUnavailable)
    assert double.state.puts() == {}
