"""Publish against a real warehouse, a real HTTP server and a real folder store."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from hashlib import sha256

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.identity import CODE_VERSION
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.objects import StoreUnavailable
from luigi_tasks.steps.contact_sheet import draw
from luigi_tasks.steps.publish import freeze_step, publish
from tests.conftest import Warehouse
from tests.image_server import Answer, Request, serving, status, whole
from tests.integration.publish_fixtures import Failing, Publishing, Watching
from tests.pictures import picture
from tests.s3_double import s3_double


@pytest.fixture(params=["folder", "double"])
def publishing(warehouse: Warehouse, request: pytest.FixtureRequest) -> Iterator[Publishing]:
    with serving() as server, contextlib.ExitStack() as stack:
        yield Publishing(warehouse, server, stack.enter_context(s3_double()) if request.param == "double" else None)


def offer_some(publishing: Publishing, number: int = 6, first: int = 0) -> None:
    for seed in range(first, first + number):
        publishing.offer(f"w{seed:05}", picture("PNG" if seed % 3 else "JPEG", seed=seed))


def test_freeze_takes_the_newest_first_once_and_up_to_the_limit(publishing: Publishing) -> None:
    offer_some(publishing, 5)
    run_key = publishing.freeze("1", upload_batch_limit=3)
    offer_some(publishing, 2, first=5)
    assert freeze_step(publishing.settings(), run_key) == {"items": 3}
    rows = publishing.warehouse.rows("select position, wallhaven_id from ops.manifest_items order by position")
    assert rows == [(1, "w00004"), (2, "w00003"), (3, "w00002")]
    assert freeze_step(publishing.settings(upload_batch_limit=0), publishing.freeze("2", upload_batch_limit=0)) == {
        "items": 0
    }


def test_every_picture_is_stored_once_with_its_row_and_its_provenance(publishing: Publishing) -> None:
    offer_some(publishing)
    run_key, watching = publishing.freeze("1"), Watching()
    totals = publish(publishing.settings(), run_key, publishing.store, watching)
    publishing.assert_all_stored_once()
    size = sum(map(len, publishing.bodies.values()))
    assert (totals.items, totals.open, totals.attempts, totals.stored_bytes) == (6, 0, 6, size)
    assert totals.as_dict()["outcomes"] == {"stored": 6}
    assert watching.told[0] == (0, 6, 0, "")
    assert [told[0] for told in watching.told] == list(range(7))
    assert watching.told[-1] == (6, 6, size, "")
    head = publishing.store.head("wallpapers/w00000.jpg")
    assert head is not None
    assert head.content_type == "image/jpeg"
    assert dict(head.metadata) == {
        "wallhaven-id": "w00000",
        "source-url": publishing.server.url("/full/w00000"),
        "sha256": head.sha256,
        "run-key": run_key,
        "code-version": CODE_VERSION,
    }
    (row,) = publishing.warehouse.rows(
        "select attempt, content_type, width, height, flags, http_status, started_at <= finished_at"
        " from ops.uploads where wallhaven_id = 'w00000'"
    )
    assert row == (1, "image/jpeg", 64, 40, [], 200, True)
    assert draw(publishing.settings(), run_key, publishing.store)["drawn"] == 6


def test_the_same_run_again_asks_for_nothing_and_changes_nothing(publishing: Publishing) -> None:
    offer_some(publishing)
    publishing.offer("gone00", picture(), status(404))
    run_key = publishing.freeze("1")
    first = publish(publishing.settings(), run_key, publishing.store, Silent())
    asked = publishing.server.asked.copy()
    assert publish(publishing.settings(), run_key, publishing.store, Silent()) == first
    assert publishing.server.asked == asked
    assert freeze_step(publishing.settings(), run_key) == {"items": 7}


def test_one_pictures_failure_is_its_own(publishing: Publishing) -> None:
    offer_some(publishing)
    good = picture(seed=50)
    publishing.offer("gone00", good, status(404))
    publishing.offer("blocked", good, status(403))
    publishing.offer("slow00", good, lambda request: time.sleep(2))
    publishing.offer("half00", good, whole(good[: len(good) // 2]))
    publishing.offer("page00", good, whole(b"<html>", "text/html"))
    publishing.offer("gif000", good, whole(picture("GIF")))
    publishing.offer("hot000", good, status(429, Retry_After=0))
    publishing.offer("else00", good, status(302, Location="http://example.test/x"))
    publishing.offer("odd000", good, file_size=len(good) + 1)
    run_key = publishing.freeze("1")
    settings = publishing.settings(upload_concurrency=3, image_timeout_seconds=1)
    totals = publish(settings, run_key, publishing.store, watching := Watching())
    assert publishing.outcomes(run_key) == {
        **{f"w{seed:05}": "stored" for seed in range(6)},
        "gone00": "gone",
        "blocked": "unreachable",
        "slow00": "unreachable",
        "half00": "corrupt",
        "page00": "corrupt",
        "gif000": "refused",
        "hot000": "throttled",
        "else00": "refused",
        "odd000": "stored",
    }
    assert (totals.flagged, totals.open, totals.attempts) == (1, 0, 15)
    assert watching.told[-1][3] == "8 not stored"
    (blocked,) = publishing.warehouse.rows(
        "select reason, http_status, s3_key from ops.uploads where wallhaven_id = 'blocked'"
    )
    assert blocked == ("blocked: HTTP 403", 403, None)


def test_a_later_run_tries_again_and_counts_on(publishing: Publishing) -> None:
    body = picture()
    publishing.offer("later0", body, status(500))
    publish(publishing.settings(), publishing.freeze("1"), publishing.store, Silent())
    publishing.server.answers["/full/later0"] = whole(body)
    publish(publishing.settings(), publishing.freeze("2"), publishing.store, Silent())
    rows = publishing.warehouse.rows("select attempt, outcome from ops.uploads order by attempt")
    assert rows == [(1, "unreachable"), (2, "stored")]
    publishing.assert_all_stored_once()


def test_other_bytes_under_the_key_are_a_conflict_and_stay(publishing: Publishing) -> None:
    item = publishing.offer("taken0", picture(seed=1))
    publishing.store.put_if_absent(
        item.s3_key, b"other", content_type="image/jpeg", sha256=sha256(b"other").hexdigest(), metadata={}
    )
    run_key = publishing.freeze("1")
    publish(publishing.settings(), run_key, publishing.store, Silent())
    assert publishing.outcomes(run_key) == {"taken0": "conflict"}
    assert publishing.store.get(item.s3_key) == b"other"


def test_a_picture_larger_than_its_record_is_still_stored(publishing: Publishing) -> None:
    large = picture("PNG") + b"\0" * (3 << 20)
    publishing.offer("large0", large, file_size=10)
    run_key = publishing.freeze("1")
    publish(publishing.settings(), run_key, publishing.store, Silent())
    assert publishing.warehouse.rows("select outcome, flags, bytes from ops.uploads") == [
        ("stored", ["file_size", "trailing_bytes"], len(large))
    ]


@pytest.mark.parametrize("committed", [False, True])
def test_a_put_that_was_not_confirmed_keeps_its_intent_until_it_is(publishing: Publishing, committed: bool) -> None:
    offer_some(publishing, 2)
    run_key = publishing.freeze("1")
    failing = Failing(publishing.store, StoreUnavailable("put: SlowDown"), committed=committed)
    publish(publishing.settings(), run_key, failing, Silent())
    assert publishing.outcomes(run_key) == {"w00000": "unstored", "w00001": "unstored"}
    assert len(publishing.warehouse.rows("select * from ops.upload_intents")) == 2
    publish(publishing.settings(), publishing.freeze("2"), publishing.store, Silent())
    publishing.assert_all_stored_once()


def test_a_store_that_needs_a_person_stops_the_run_and_charges_nobody(publishing: Publishing) -> None:
    offer_some(publishing, 12)
    run_key = publishing.freeze("1")
    failing = Failing(publishing.store, StoreError("put: ExpiredToken", mend="Renew the AWS session."), healthy=3)
    settings = publishing.settings(upload_concurrency=2)
    with pytest.raises(StoreError, match="Renew the AWS session"):
        publish(settings, run_key, failing, Silent())
    assert set(publishing.outcomes(run_key).values()) == {"stored"}
    assert len(publishing.outcomes(run_key)) == 3
    publish(settings, run_key, publishing.store, Silent())
    publishing.assert_all_stored_once()


def test_a_store_that_fails_its_check_stops_before_anything_is_asked_for(publishing: Publishing) -> None:
    offer_some(publishing, 1)
    if publishing.double:
        publishing.double.state.fault("denied", "HEAD", "", times=9)
    else:
        publishing.warehouse.home.mkdir(exist_ok=True)
        publishing.folder.write_text("in the way")
    with pytest.raises(StoreError):
        publish(publishing.settings(), publishing.freeze("1"), publishing.store, Silent())
    assert not publishing.server.asked


class Counted:
    """Answers slowly, and knows how many it answered at once."""

    def __init__(self) -> None:
        self._counting, self._now, self.peak = threading.Lock(), 0, 0

    def __call__(self, body: bytes) -> Answer:
        def answer(request: Request) -> None:
            with self.one():
                time.sleep(0.05)
            whole(body)(request)

        return answer

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        with self._counting:
            self._now += 1
            self.peak = max(self.peak, self._now)
        yield
        with self._counting:
            self._now -= 1


def test_no_more_are_fetched_at_once_than_the_setting_says(publishing: Publishing) -> None:
    counted = Counted()
    for seed in range(12):
        publishing.offer(f"w{seed:05}", body := picture(seed=seed), counted(body))
    publish(publishing.settings(upload_concurrency=3), publishing.freeze("1"), publishing.store, Silent())
    publishing.assert_all_stored_once()
    assert counted.peak == 3


@pytest.mark.parametrize("processes", [1, 2])
def test_no_more_of_one_host_are_in_flight_than_the_setting_says(publishing: Publishing, processes: int) -> None:
    counted = Counted()
    for seed in range(20):
        publishing.offer(f"w{seed:05}", body := picture(seed=seed), counted(body))
    own = publishing.settings(image_host_concurrency=2, upload_processes=processes)
    publish(own, publishing.freeze("1"), publishing.store, Silent())
    publishing.assert_all_stored_once()
    assert 1 <= counted.peak <= 2


def test_the_first_pictures_come_while_the_store_is_probed(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = publishing.store
    remove = store.remove

    def late(key: str) -> None:
        give_up = time.monotonic() + 10
        while not publishing.server.asked and time.monotonic() < give_up:
            time.sleep(0.01)
        assert publishing.server.asked
        assert publishing.warehouse.rows("select * from ops.upload_intents where run_key = %s", run_key) == []
        remove(key)

    publishing.offer("w00000", picture())
    run_key = publishing.freeze("1")
    monkeypatch.setattr(store, "remove", late)
    publish(publishing.settings(), run_key, store, Silent())
    publishing.assert_all_stored_once()


def test_the_store_is_probed_while_it_is_checked(publishing: Publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = publishing.store, threading.Event()
    remove, check = store.remove, store.check

    def removed(key: str) -> None:
        asked.set()
        remove(key)

    def checked() -> None:
        assert asked.wait(10)
        assert not publishing.server.asked
        check()

    publishing.offer("w00000", picture())
    monkeypatch.setattr(store, "remove", removed)
    monkeypatch.setattr(store, "check", checked)
    publish(publishing.settings(), publishing.freeze("1"), store, Silent())
    publishing.assert_all_stored_once()


def test_bytes_in_flight_stay_within_the_setting_and_heads_come_before_there_is_room(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, puts = Counted(), Counted()
    bodies = [picture("PNG", seed=seed) + b"\0" * (3 << 20) for seed in range(12)]
    for seed, body in enumerate(bodies):
        publishing.offer(f"w{seed:05}", body, heads(body))
    store = publishing.store
    put = store.put_if_absent

    def counted(*key: object, **more: object) -> object:
        with puts.one():
            time.sleep(0.05)
            return put(*key, **more)

    monkeypatch.setattr(store, "put_if_absent", counted)
    publish(
        publishing.settings(upload_concurrency=8, upload_memory_bytes=3 * min(map(len, bodies)) - 1),
        publishing.freeze("1"),
        store,
        Silent(),
    )
    publishing.assert_all_stored_once()
    assert puts.peak == 2, "two pictures fit; for three there is a byte too few"
    assert heads.peak > 2


def test_two_at_once_on_one_manifest_store_everything_once(publishing: Publishing) -> None:
    offer_some(publishing, 10)
    run_key = publishing.freeze("1")
    crews = [
        threading.Thread(target=publish, args=(publishing.settings(), run_key, publishing.store, Silent()))
        for _ in range(2)
    ]
    for crew in crews:
        crew.start()
    for crew in crews:
        crew.join()
    publishing.assert_all_stored_once()
    assert len(publishing.warehouse.rows("select * from ops.uploads")) == 10
