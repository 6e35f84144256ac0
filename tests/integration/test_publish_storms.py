"""Hosts and stores that fail in numbers: the run ends soon, says so, and charges no picture for what it is not."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways.guarded_store import guard
from luigi_tasks.gateways.objects import Put, StoreUnavailable, open_store
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.image_server import Answer, Request, serving, status, whole
from tests.integration.publish_fixtures import Publishing
from tests.pictures import picture
from tests.s3_double import Server, s3_double


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server:
        yield Publishing(warehouse, server)


@pytest.fixture
def bucket(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server, s3_double() as double:
        yield Publishing(warehouse, server, double)


def server_of(publishing: Publishing) -> Server:
    assert publishing.double
    return publishing.double


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def offer_elsewhere(publishing: Publishing, number: int) -> str:
    """So many pictures on a host that nobody listens at."""
    host = f"127.0.0.1:{closed_port()}"
    publishing.warehouse.rows(
        "insert into draenei_content.pending_uploads"
        " select 'd' || n, 'http://' || %s || '/' || n, 'wallpapers/d' || n || '.jpg', 'image/jpeg', 1000, 64, 40,"
        " now() + n * interval '1 s' from generate_series(1, %s) as n",
        host,
        number,
    )
    return host


def test_a_host_that_is_down_costs_seconds_and_charges_nobody(publishing: Publishing) -> None:
    dead = offer_elsewhere(publishing, 1000)
    for seed in range(5):
        publishing.offer(f"w{seed:05}", picture(seed=seed))
    settings = publishing.settings(wallhaven_image_hosts=(publishing.server.host, dead))
    run_key, begun = publishing.freeze("1"), time.monotonic()
    totals = publish(settings, run_key, publishing.store, Silent())
    assert time.monotonic() - begun < 15
    assert publishing.outcomes(run_key) == {f"w{seed:05}": "stored" for seed in range(5)}
    assert (totals.open, totals.attempts) == (1000, 5)
    assert totals.stopped == (
        f"host {dead} does not answer (cannot connect); its other pictures are left for the next run",
    )
    publishing.assert_all_stored_once()


def test_a_host_that_comes_back_in_time_is_gone_on_with(publishing: Publishing) -> None:
    up = threading.Event()
    for seed in range(30):
        body = picture(seed=seed)
        late = lambda request, body=body: (whole(body) if up.is_set() else status(429, Retry_After=0))(request)  # noqa: E731
        publishing.offer(f"w{seed:05}", body, late)
    timer = threading.Timer(0.8, up.set)
    timer.start()
    totals = publish(publishing.settings(), publishing.freeze("1"), publishing.store, Silent())
    timer.join()
    assert (totals.open, totals.stopped, totals.outcomes) == (0, (), {"stored": 30})


def test_nine_dead_addresses_in_ten_slow_nothing(publishing: Publishing) -> None:
    """Half of the dead hang, half are reset. Every picture has had its quick try before any has a patient one."""
    over, asked = threading.Event(), list[str]()

    def hang(request: Request) -> None:
        over.wait(60)

    for seed in range(60):
        name, body = f"w{seed:05}", picture(seed=seed)
        answer = whole(body) if seed % 10 == 0 else hang if seed % 2 else Request.hang_up

        def noted(request: Request, name: str = name, answer: Answer = answer) -> None:
            asked.append(name)
            answer(request)

        publishing.offer(name, body, noted)
    settings = publishing.settings(image_answer_seconds=0.3, image_timeout_seconds=1, upload_concurrency=6)
    run_key = publishing.freeze("1")
    try:
        publish(settings, run_key, publishing.store, Silent())
    finally:
        over.set()
    outcomes = publishing.outcomes(run_key)
    good = {name for name, outcome in outcomes.items() if outcome == "stored"}
    assert good == {name for name in outcomes if int(name[1:]) % 10 == 0}
    assert len(outcomes) == 60
    assert set(outcomes.values()) == {"stored", "unreachable"}
    last_good = max(map(asked.index, good))
    again = [at for at, name in enumerate(asked) if name in asked[:at]]
    assert {asked[at] for at in again} >= set(outcomes) - good, "on a busy machine a good one may be late as well"
    hands = 2 * 6  # what is handed out together may arrive in any order; a second try may ask three times
    assert len({asked[at] for at in again if at < last_good}) < hands, "second tries came before them"


@pytest.mark.parametrize("kind", ["denied", "skewed", "expired"])
def test_credentials_and_clock_stop_the_run_not_the_pictures(bucket: Publishing, kind: str) -> None:
    for seed in range(12):
        bucket.offer(f"w{seed:05}", picture(seed=seed))
    run_key, store = bucket.freeze("1"), bucket.store
    server_of(bucket).state.fault(kind, times=99)
    with pytest.raises(StoreError) as raised:
        publish(bucket.settings(), run_key, store, Silent())
    assert not isinstance(raised.value, StoreUnavailable)
    assert bucket.outcomes(run_key) == {}
    server_of(bucket).state.faults.clear()
    publish(bucket.settings(), run_key, store, Silent())
    bucket.assert_all_stored_once()
    assert set(bucket.warehouse.rows("select attempt from ops.uploads")) == {(1,)}


@pytest.mark.parametrize("kind", ["lost_reply", "after_500", "before_500", "slow_down", "conflict"])
def test_what_passes_is_outlived_and_every_picture_is_there_once(bucket: Publishing, kind: str) -> None:
    for seed in range(4):
        bucket.offer(f"w{seed:05}", picture(seed=seed))
    for seed in range(4):
        server_of(bucket).state.fault(kind, prefix=f"wallpapers/w{seed:05}")
    publish(bucket.settings(), bucket.freeze("1"), bucket.store, Silent())
    publish(bucket.settings(), bucket.freeze("2"), bucket.store, Silent())
    bucket.assert_all_stored_once()


@pytest.mark.parametrize("kind", ["slow", "slow_reply", "slow_cut"])
def test_a_store_that_answers_too_late_has_one_version_and_one_row(bucket: Publishing, kind: str) -> None:
    """It has committed when our time is up, or does so after our second try, or never."""
    for seed in range(4):
        bucket.offer(f"w{seed:05}", picture(seed=seed))
        server_of(bucket).state.fault(kind, prefix=f"wallpapers/w{seed:05}", seconds=1.5)
    settings = bucket.settings(s3_read_timeout_seconds=0.5)
    run_key, begun = bucket.freeze("1"), time.monotonic()
    publish(settings, run_key, open_store(settings), Silent())
    publish(settings, bucket.freeze("2"), open_store(settings), Silent())
    time.sleep(max(0.0, begun + 2.0 - time.monotonic()))  # what came too late has been done by then
    bucket.assert_all_stored_once()
    assert server_of(bucket).state.requests.count(("PUT", "wallpapers/w00000.jpg")) > 1, "the first try was given up"


def test_a_put_of_which_every_reply_was_lost_is_adopted_by_the_next_attempt(bucket: Publishing) -> None:
    bucket.offer("w00000", picture())
    server_of(bucket).state.fault("lost_reply", times=1)
    server_of(bucket).state.fault("slow_down", times=9)
    run_key = bucket.freeze("1")
    publish(bucket.settings(), run_key, bucket.store, Silent())
    assert bucket.outcomes(run_key) == {"w00000": "unstored"}
    ((owner,),) = bucket.warehouse.rows("select s3_key from ops.upload_intents")
    assert server_of(bucket).state.puts() == {owner: 1}
    server_of(bucket).state.faults.clear()
    publish(bucket.settings(), bucket.freeze("2"), bucket.store, Silent())
    bucket.assert_all_stored_once()


def test_a_store_that_confirms_nothing_ends_the_run_soon(bucket: Publishing) -> None:
    for seed in range(40):
        bucket.offer(f"w{seed:05}", picture(seed=seed))
    server_of(bucket).state.fault("conflict", times=999)
    run_key = bucket.freeze("1")
    with pytest.raises(StoreError, match=r"confirmed none of \d+ pictures in a row"):
        publish(bucket.settings(upload_concurrency=4), run_key, bucket.store, Silent())
    assert 8 <= len(bucket.outcomes(run_key)) <= 8 + 2 * 4, (
        "and those in flight: four that are fetched, four that are put"
    )


@pytest.mark.parametrize(
    "manners", [("overwrites",), ("racy",), ("unable",), ("careless",), ("overwrites", "careless")]
)
def test_two_processes_on_a_store_without_manners_still_make_one_version(
    bucket: Publishing, manners: tuple[str, ...]
) -> None:
    for name in manners:
        setattr(server_of(bucket).state.manners, name, True)
    for seed in range(6):
        bucket.offer(f"w{seed:05}", picture(seed=seed))
    keys = [bucket.freeze("1"), bucket.freeze("2")]  # both hold all six
    crews = [threading.Thread(target=publish, args=(bucket.settings(), key, bucket.store, Silent())) for key in keys]
    for crew in crews:
        crew.start()
    for crew in crews:
        crew.join()
    bucket.assert_all_stored_once()
    ((found,),) = bucket.warehouse.rows("select distinct result from ops.store_probes")
    assert found == {"conditional": manners == ("careless",), "checksums": "careless" not in manners, "removes": True}


@pytest.mark.parametrize("manners", [("overwrites",), ("racy",), ("unable",)])
def test_sixteen_writers_of_one_key_are_put_in_a_row_by_our_lock(bucket: Publishing, manners: tuple[str, ...]) -> None:
    for name in manners:
        setattr(server_of(bucket).state.manners, name, True)
    store, found = guard(bucket.settings(), bucket.freeze("1"), bucket.store)
    assert not found.conditional
    bodies = [f"body {number}".encode() for number in range(16)]

    def put(body: bytes) -> Put:
        digest = hashlib.sha256(body).hexdigest()
        return store.put_if_absent("wallpapers/a.jpg", body, content_type="", sha256=digest, metadata={})

    with ThreadPoolExecutor(16) as pool:
        puts = list(pool.map(put, bodies))
    assert sum(done.created for done in puts) == 1
    assert {done.sha256 for done in puts} == {hashlib.sha256(store.get("wallpapers/a.jpg")).hexdigest()}
    assert server_of(bucket).state.puts() == {"wallpapers/a.jpg": 1}


def test_bytes_damaged_on_the_way_to_a_careless_store_are_no_success(bucket: Publishing) -> None:
    server_of(bucket).state.manners.careless = True
    bucket.offer("w00000", picture())
    run_key = bucket.freeze("1")
    store, _ = guard(bucket.settings(), run_key, bucket.store)
    server_of(bucket).state.manners.forgetful = True
    totals = publish(bucket.settings(), run_key, store, Silent())
    assert dict(totals.outcomes) == {"conflict": 1}


def test_a_store_that_loses_data_is_refused_before_anything_is_said_or_put(bucket: Publishing) -> None:
    bucket.offer("w00000", picture())
    server_of(bucket).state.manners.forgetful = server_of(bucket).state.manners.careless = True
    with pytest.raises(StoreError, match="pictures would be lost"):
        publish(bucket.settings(), bucket.freeze("1"), bucket.store, Silent())
    assert not [key for method, key in server_of(bucket).state.requests if method == "PUT" and key.startswith("wall")]
    for table in ("uploads", "upload_intents", "upload_claims"):
        assert bucket.warehouse.rows(f"select * from ops.{table}") == [], table


def test_a_store_that_loses_data_is_told_of_although_no_picture_came_as_far(bucket: Publishing) -> None:
    bucket.offer("w00000", picture(), status(404))
    server_of(bucket).state.manners.forgetful = server_of(bucket).state.manners.careless = True
    with pytest.raises(StoreError, match="pictures would be lost"):
        publish(bucket.settings(), bucket.freeze("1"), bucket.store, Silent())


def test_the_probe_is_made_once_a_run(bucket: Publishing) -> None:
    bucket.offer("w00000", picture(), status(500))
    run_key = bucket.freeze("1")
    totals = publish(bucket.settings(), run_key, bucket.store, Silent())
    assert totals.as_dict()["store"] == {"conditional": True, "checksums": True, "removes": True}
    bucket.warehouse.rows("delete from ops.uploads")
    server_of(bucket).state.requests.clear()
    assert publish(bucket.settings(), run_key, bucket.store, Silent()).store == totals.store
    assert not [key for _, key in server_of(bucket).state.requests if key.startswith("probe/")]
