"""Room for a body: taken when its answer has begun and for the size it names, and never waited for at a host's cost."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways import download
from luigi_tasks.gateways.download import Downloader, DownloadStopped
from luigi_tasks.settings import Settings
from tests.image_server import Answer, ImageServer, Request, in_turn, serving, status, whole
from tests.rooms import AnyRoom

BODY = os.urandom(3_000_000)
SOON = 20.0


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with serving() as running:
        yield running


def fetcher(server: ImageServer, stop: threading.Event | None = None, **settings: object) -> Downloader:
    return Downloader(Settings(wallhaven_image_hosts=(server.host,), **settings), stop)


def fetch(server: ImageServer, room: AnyRoom, **settings: object) -> memoryview:
    with fetcher(server, **settings) as downloader:
        return downloader.fetch(server.url("/x"), room).body


def closed(usual: int = 1 << 16) -> AnyRoom:
    room = AnyRoom(usual)
    room.open.clear()
    return room


def test_room_is_taken_for_the_size_that_the_answer_names(server: ImageServer) -> None:
    room = AnyRoom(usual=10)
    server.answers["/x"] = in_turn(
        status(302, Location="/x"), lambda request: (held.append(room.held), whole(BODY)(request))[0]
    )
    held: list[int] = []
    assert fetch(server, room) == BODY
    assert (held, room.asked) == ([0], [len(BODY)])


def hang_up(request: Request) -> None:
    request.hang_up()


@pytest.mark.parametrize(
    "answer",
    [
        status(404),
        status(503),
        status(302, Location="/x"),
        status(302, Location="http://other.test/x"),
        whole(b"<html>", "text/html"),
        whole(b""),
        whole(b"x" * 1001),
        hang_up,
    ],
)
def test_what_is_no_picture_takes_no_room(server: ImageServer, answer: Answer) -> None:
    server.answers["/x"], room = answer, AnyRoom()
    with fetcher(server, image_max_bytes=1000) as downloader, pytest.raises(PictureError):
        downloader.fetch_quickly(server.url("/x"), room)
    assert room.asked == []


def test_a_wait_for_room_is_neither_the_pictures_time_nor_its_hosts_slowness(server: ImageServer) -> None:
    server.answers["/x"], room = whole(BODY), closed()
    with fetcher(server, image_timeout_seconds=0.6, image_answer_seconds=0.3) as downloader:
        for _ in range(4):
            room.open.clear()
            threading.Timer(0.8, room.open.set).start()
            assert downloader.fetch_quickly(server.url("/x"), room).body == BODY
            room.give_back()
        assert downloader.least_answer_seconds() < 0.3
    assert server.asked["/x"] == 4


def left_alone(hung_up: threading.Event) -> Answer:
    """A part of the body, then nothing until the client hangs up."""

    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Content_Length=len(BODY))
        request.wfile.write(BODY[:1000])
        request.connection.settimeout(SOON)
        with contextlib.suppress(ConnectionError):
            assert request.connection.recv(1) == b""
        hung_up.set()

    return answer


@pytest.mark.parametrize("quick", [False, True])
def test_a_host_is_not_kept_waiting_and_asked_again_when_there_is_room(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    monkeypatch.setattr(download, "IDLE_SECONDS", 0.3)
    hung_up, room, held = threading.Event(), closed(), []

    def again(request: Request) -> None:
        held.append(room.held)
        whole(BODY)(request)

    server.answers["/x"] = in_turn(left_alone(hung_up), again)

    def make_room() -> None:
        assert hung_up.wait(SOON)
        time.sleep(0.7)
        held.append(server.asked["/x"])
        room.open.set()

    maker = threading.Thread(target=make_room)
    maker.start()
    with fetcher(server, image_timeout_seconds=0.6) as downloader:
        ask = downloader.fetch_quickly if quick else downloader.fetch
        assert ask(server.url("/x"), room).body == BODY
    maker.join()
    assert held == [1, len(BODY)], "asked a second time once the room was held, not before"


@pytest.mark.parametrize("idle", [SOON, 0.1])
def test_a_stop_ends_a_wait_for_room(server: ImageServer, monkeypatch: pytest.MonkeyPatch, idle: float) -> None:
    monkeypatch.setattr(download, "IDLE_SECONDS", idle)
    server.answers["/x"], stop = whole(BODY), threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with fetcher(server, stop) as downloader, pytest.raises(DownloadStopped):
        downloader.fetch(server.url("/x"), closed())
    assert 0.4 < time.monotonic() - begun < 5


def cut_short(request: Request) -> None:
    request.head(200, Content_Type="image/png", Content_Length=len(BODY))
    request.wfile.write(BODY[:1000])
    request.hang_up()


def test_a_body_that_was_lost_while_we_let_it_wait_is_not_charged(server: ImageServer) -> None:
    server.answers["/x"], room = in_turn(cut_short, whole(BODY)), closed()
    threading.Timer(0.5, room.open.set).start()
    with fetcher(server) as downloader:
        assert downloader.fetch_quickly(server.url("/x"), room).body == BODY
    assert server.asked["/x"] == 2
    server.answers["/x"], room = cut_short, closed()
    threading.Timer(0.5, room.open.set).start()
    with fetcher(server) as downloader, pytest.raises(PictureError, match="unreachable"):
        downloader.fetch_quickly(server.url("/x"), room)
    assert server.asked["/x"] == 4, "the second time it had not to wait"


def test_no_room_is_held_between_two_tries(server: ImageServer) -> None:
    room, held = AnyRoom(), []
    server.answers["/x"] = in_turn(cut_short, lambda request: (held.append(room.held), whole(BODY)(request))[0])
    assert fetch(server, room) == BODY
    assert held == [0]
    server.answers["/x"] = cut_short
    with pytest.raises(PictureError):
        fetch(server, room)
    assert room.held == 0


def test_scarce_room_is_taken_before_its_host_is_asked(server: ImageServer) -> None:
    room, held = AnyRoom(usual=len(BODY) + 10, scarce=True), []
    server.answers["/x"] = lambda request: (held.append(room.held), whole(BODY)(request))[0]
    assert fetch(server, room) == BODY
    assert held == room.asked[:1] == [len(BODY) + 10]
    room = AnyRoom(usual=10**12, scarce=True)
    assert fetch(server, room, image_max_bytes=len(BODY)) == BODY
    assert room.asked == [len(BODY)], "of a picture that is refused anyway nobody waits for the room"


def chunked(body: bytes) -> Answer:
    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Transfer_Encoding="chunked")
        request.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    return answer


def test_a_body_without_a_length_gets_the_usual_room_and_then_all(server: ImageServer) -> None:
    server.answers["/x"], room = chunked(BODY), AnyRoom(usual=len(BODY))
    assert fetch(server, room) == BODY
    assert (room.asked, server.asked["/x"]) == ([len(BODY)], 1)
    room = AnyRoom(usual=len(BODY) - 1)
    assert fetch(server, room, image_max_bytes=4_000_000) == BODY
    assert (room.asked, server.asked["/x"]) == ([len(BODY) - 1, 4_000_000], 3)
    with pytest.raises(PictureError) as raised:
        fetch(server, AnyRoom(usual=10), image_max_bytes=len(BODY) - 1)
    assert (raised.value.outcome, raised.value.reason) == (Outcome.REFUSED, "larger than IMAGE_MAX_BYTES")


def test_a_host_that_names_another_size_each_time_gets_room_for_the_largest(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Never(AnyRoom):
        """Comes only to those who have hung up."""

        def take(self, size: int, seconds: float) -> memoryview | None:
            if self.held < size and seconds > 0.25:
                self.open.set()
            place = super().take(size, seconds)
            self.open.clear()
            return place

    monkeypatch.setattr(download, "IDLE_SECONDS", 0.2)
    room = Never()
    room.open.clear()
    server.answers["/x"] = in_turn(*(whole(BODY[: 1000 * size]) for size in range(1, 9)))
    assert fetch(server, room, image_max_bytes=10_000) == BODY[:3000]
    assert room.asked == [1000, 2000, 10_000]
