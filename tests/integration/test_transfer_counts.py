"""What the transfer spends, by counts that are the same on every machine: commits, bytes on both sides, memory."""

from __future__ import annotations

import contextlib
import mmap
import random
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import psycopg2.extensions
import pytest
from PIL import Image

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.publishing import Claim
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.upload_claims import Worker
from luigi_tasks.steps.clerk import Clerk
from luigi_tasks.steps.publish import publish
from tests.conftest import Warehouse
from tests.image_server import Answer, Request, serving
from tests.integration.embedded_postgres_probes import wait_until
from tests.integration.publish_fixtures import Publishing
from tests.pictures import encoded, picture
from tests.s3_double import s3_double

PICTURES, HANDS = 200, 8


class Counted(psycopg2.extensions.connection):
    """A connection whose statements and commits are counted."""

    said: ClassVar[Counter[str]] = Counter()

    def cursor(self, *arguments: object, **more: object):
        return super().cursor(*arguments, cursor_factory=CountedCursor, **more)

    def __exit__(self, kind: type[BaseException] | None, *more: Any) -> None:
        Counted.said["commit" if kind is None else "rollback"] += 1
        super().__exit__(kind, *more)


class CountedCursor(psycopg2.extensions.cursor):
    def execute(self, query, values=None) -> None:
        Counted.said["statement"] += 1
        super().execute(query, values)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    connect = psycopg2.connect
    monkeypatch.setattr(psycopg2, "connect", lambda *given, **more: connect(*given, connection_factory=Counted, **more))
    Counted.said.clear()
    return Counted.said


@pytest.fixture
def publishing(warehouse: Warehouse) -> Iterator[Publishing]:
    with serving() as server:
        yield Publishing(warehouse, server)


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every block that was mapped."""
    sizes: list[int] = []
    real: Callable[..., mmap.mmap] = mmap.mmap

    def counted(descriptor: int, length: int, *more: Any, **named: Any) -> mmap.mmap:
        sizes.append(length)
        return real(descriptor, length, *more, **named)

    monkeypatch.setattr(mmap, "mmap", counted)
    return sizes


def sending(body: bytes, sent: list[int]) -> Answer:
    """The body; what went out is noted."""

    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/jpeg", Content_Length=len(body))
        request.wfile.write(body)
        sent.append(len(body))

    return answer


def test_bytes_move_once_commits_are_shared_and_memory_is_used_again(
    warehouse: Warehouse, said: Counter[str], mapped: list[int]
) -> None:
    sent: list[int] = []
    with serving() as server, s3_double() as double:
        publishing = Publishing(warehouse, server, double)
        bodies = [picture(seed=seed) for seed in range(PICTURES)]
        for number, body in enumerate(bodies):
            publishing.offer(f"w{number:05}", body, sending(body, sent))
        run_key, settings = publishing.freeze("1"), publishing.settings(upload_concurrency=HANDS)
        store = publishing.store
        said.clear()
        mapped.clear()
        publish(settings, run_key, store, Silent())
        assert sum(sent) == sum(map(len, bodies)), "each body left the image server once"
        kept = [
            version.body for key, found in double.state.history.items() if key in _keys(bodies) for version in found
        ]
        assert sorted(map(len, kept)) == sorted(map(len, bodies)), "and reached the store once"
        asked = Counter(method for method, key in double.state.requests if key.startswith("wallpapers/"))
        assert asked == {"PUT": PICTURES}, "nothing is read back"
    assert 0 < said["commit"] <= 2 * PICTURES + 3 * HANDS, "at most one for its intent and one for its outcome"
    assert 0 < len(mapped) <= 2 * HANDS + 2, "a block for each that is fetched or put at once, used again"


def _keys(bodies: list[bytes]) -> set[str]:
    return {f"wallpapers/w{number:05}.jpg" for number in range(len(bodies))}


def test_what_waits_for_the_clerk_is_one_set(publishing: Publishing, said: Counter[str]) -> None:
    together = 32
    for seed in range(together):
        publishing.offer(f"w{seed:05}", picture(seed=seed))
    run_key, settings = publishing.freeze("1"), publishing.settings()
    with (
        Worker(settings, run_key, lambda: None) as worker,
        Clerk(settings, run_key, lambda outcome: None, lambda: None, together) as clerk,
        ThreadPoolExecutor(together) as hands,
        contextlib.closing(publishing.warehouse.connect()) as blocking,
    ):
        with contextlib.closing(postgres.connect(settings)) as connection:
            claims, _ = worker.take(connection, 0, together)
        first, *others = claims
        with blocking.cursor() as cursor:
            cursor.execute("select from ops.upload_claims where fence = %s for update", (first.fence,))
        said.clear()
        idents: list[int] = []

        def hand_in(claim: Claim) -> None:
            idents.append(threading.get_ident())
            clerk.intend(claim, "00" * 32)

        waiting = [hands.submit(hand_in, first)]
        wait_until(lambda: said["statement"] == 1)  # it is being written, and held up
        waiting += [hands.submit(hand_in, claim) for claim in others]
        wait_until(lambda: len(idents) == together and all(map(_waits, idents)))
        assert said["statement"] == 1
        blocking.rollback()
        for hand in waiting:
            hand.result(20)
        assert said == {"statement": 4, "commit": 2}, "as much for all others as for the first"
    assert publishing.warehouse.rows("select count(*) from ops.upload_intents") == [(together,)]


def _waits(ident: int) -> bool:
    return sys._current_frames()[ident].f_code.co_name == "wait"


def test_a_body_is_never_copied(publishing: Publishing) -> None:
    publishing.offer("small", picture())
    publish(publishing.settings(), publishing.freeze("1"), publishing.store, Silent())
    # What else goes on in this process counts too, but not every time.
    peaks = [peak_of(publishing, number) for number in range(3)]
    assert min(peaks) < 1_500_000, f"{peaks} bytes of Python's memory for bodies of more than 3,000,000"


def peak_of(publishing: Publishing, number: int) -> int:
    """The most bytes of Python's memory at once while a picture of more than 3 MB is published."""
    size = (1200, 1000)
    with Image.frombytes("RGB", size, random.Random(number).randbytes(3 * size[0] * size[1])) as noise:
        body = encoded(noise, "PNG")
    assert len(body) > 3_000_000
    publishing.offer(f"large{number}", body)
    run_key, settings, store = publishing.freeze(f"large{number}"), publishing.settings(), publishing.store
    tracemalloc.start()
    try:
        publish(settings, run_key, store, Silent())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(publishing.outcomes(run_key).values()) == {"stored"}
    return peak
