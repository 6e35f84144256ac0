"""A body of known length: exact in pieces, over when the host goes silent, and never later than a stop is seen."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways.download import Downloader, DownloadStopped
from luigi_tasks.gateways.receiving import WAIT_BYTES
from luigi_tasks.settings import Settings
from tests.image_server import Answer, ImageServer, Request, serving
from tests.rooms import AnyRoom

BODY = os.urandom(2 * WAIT_BYTES + 12345)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with serving() as running:
        yield running


def in_two(pause: float, whole: threading.Event) -> Answer:
    """Half of the body, and the other half after so many seconds unless the client has hung up."""

    def answer(request: Request) -> None:
        half = len(BODY) // 2
        request.head(200, Content_Type="image/png", Content_Length=len(BODY))
        request.wfile.write(BODY[:half])
        whole.wait(pause)
        request.wfile.write(BODY[half:])

    return answer


def test_a_body_in_pieces_arrives_whole_and_its_connection_serves_again(server: ImageServer) -> None:
    server.answers["/x"] = in_two(0.7, threading.Event())  # longer than a single wait
    peers = set()
    with Downloader(Settings(wallhaven_image_hosts=(server.host,))) as downloader:
        for _ in range(2):
            assert downloader.fetch(server.url("/x"), AnyRoom()).body == BODY
            pool = downloader._pools.connection_from_host(*server.server_address[:2], "http")
            sock = pool.pool.queue[-1].sock
            peers.add(sock.getsockname())
            assert sock.gettimeout(), "the next request does not wait for ever"
    assert len(peers) == 1


def test_a_host_that_falls_silent_in_the_middle_is_given_up(server: ImageServer) -> None:
    over = threading.Event()
    server.answers["/x"] = in_two(20, over)
    settings = Settings(wallhaven_image_hosts=(server.host,), image_answer_seconds=0.6)
    begun = time.monotonic()
    with Downloader(settings) as downloader, pytest.raises(PictureError) as raised:
        downloader.fetch_quickly(server.url("/x"), AnyRoom())
    assert (raised.value.outcome, raised.value.reason) == (Outcome.UNREACHABLE, "timed out")
    assert 0.5 < time.monotonic() - begun < 10
    over.set()


def test_a_stop_is_seen_while_nothing_comes(server: ImageServer) -> None:
    over, stop = threading.Event(), threading.Event()
    server.answers["/x"] = in_two(20, over)
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    settings = Settings(wallhaven_image_hosts=(server.host,))
    with Downloader(settings, stop) as downloader, pytest.raises(DownloadStopped):
        downloader.fetch(server.url("/x"), AnyRoom())
    assert time.monotonic() - begun < 10
    over.set()
