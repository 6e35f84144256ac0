"""The download of a picture against real servers that misbehave in every way we know of."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from luigi_tasks.domain.identity import USER_AGENT
from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways.download import Downloader, DownloadStopped
from luigi_tasks.settings import Settings
from tests.image_server import ImageServer, Request, in_turn, serving, status, whole
from tests.loopback import running
from tests.rooms import AnyRoom

BODY = os.urandom(300_000)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with serving() as running:
        yield running


def fetch(url: str, *hosts: str, **settings: object):
    with Downloader(Settings(wallhaven_image_hosts=hosts, **settings)) as downloader:
        return downloader.fetch(url, AnyRoom())


def failure(server: ImageServer, answer=None, path: str = "/x", **settings: object) -> PictureError:
    if answer:
        server.answers[path] = answer
    own = Settings(wallhaven_image_hosts=(server.host,), **settings)
    with Downloader(own, Impatient()) as downloader, pytest.raises(PictureError) as raised:
        downloader.fetch(server.url(path), AnyRoom())
    return raised.value


class Impatient(threading.Event):
    """Lets no time pass between two tries."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def test_the_exact_body_arrives_and_the_request_says_who_we_are(server: ImageServer) -> None:
    server.answers["/x"] = whole(BODY)
    found = fetch(server.url("/x"), server.host)
    assert (found.body, found.content_type, found.status) == (BODY, "image/jpeg", 200)
    assert server.headers_of["/x"]["User-Agent"] == USER_AGENT
    assert server.headers_of["/x"]["Accept-Encoding"] == "identity"
    assert USER_AGENT.startswith("draenei-collector/0.1.0 (+https://")


def test_connections_are_reused(server: ImageServer) -> None:
    peers = set()

    def answer(request: Request) -> None:
        peers.add(request.client_address)
        whole(BODY)(request)

    server.answers["/x"] = answer
    with Downloader(Settings(wallhaven_image_hosts=(server.host,))) as downloader:
        for _ in range(5):
            downloader.fetch(server.url("/x"), AnyRoom())
    assert len(peers) == 1


def test_a_chunked_body_without_a_length_arrives(server: ImageServer) -> None:
    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Transfer_Encoding="chunked")
        for start in range(0, len(BODY), 70_000):
            part = BODY[start : start + 70_000]
            request.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        request.wfile.write(b"0\r\n\r\n")

    server.answers["/x"] = answer
    assert fetch(server.url("/x"), server.host).body == BODY


@pytest.mark.parametrize(
    ("code", "outcome", "tries"),
    [
        (404, Outcome.GONE, 1),
        (410, Outcome.GONE, 1),
        (401, Outcome.UNREACHABLE, 1),
        (403, Outcome.UNREACHABLE, 1),
        (418, Outcome.UNREACHABLE, 1),
        (206, Outcome.UNREACHABLE, 3),
        (500, Outcome.UNREACHABLE, 3),
        (503, Outcome.UNREACHABLE, 3),
    ],
)
def test_a_status_has_its_outcome(server: ImageServer, code: int, outcome: Outcome, tries: int) -> None:
    problem = failure(server, status(code))
    assert (problem.outcome, problem.http_status) == (outcome, code)
    assert f"HTTP {code}" in problem.reason
    assert server.asked["/x"] == tries


def test_a_short_outage_is_ridden_out(server: ImageServer) -> None:
    server.answers["/x"] = in_turn(status(502), whole(BODY))
    assert fetch(server.url("/x"), server.host).body == BODY


def test_a_throttling_host_is_asked_once_more_after_the_time_it_names(server: ImageServer) -> None:
    server.answers["/x"] = in_turn(status(429, Retry_After=1), whole(BODY))
    begun = time.monotonic()
    assert fetch(server.url("/x"), server.host).body == BODY
    assert time.monotonic() - begun >= 1


def test_a_host_that_goes_on_throttling_is_left_alone(server: ImageServer) -> None:
    problem = failure(server, status(429, Retry_After=0))
    assert (problem.outcome, problem.retry_after, server.asked["/x"]) == (Outcome.THROTTLED, 0, 2)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_beyond_the_deadline_is_not_waited(server: ImageServer, form: str) -> None:
    value = "3600" if form == "seconds" else formatdate(time.time() + 3600, usegmt=True)
    begun = time.monotonic()
    problem = failure(server, status(429, Retry_After=value), image_timeout_seconds=60)
    assert time.monotonic() - begun < 20
    assert problem.retry_after == pytest.approx(3600, abs=60)
    assert server.asked["/x"] == 1


@pytest.mark.parametrize("value", ["soon", "", "-1", "Mon, 99 Nov 2026 99:99:99 GMT"])
def test_a_retry_after_that_means_nothing_is_ignored(server: ImageServer, value: str) -> None:
    assert failure(server, status(429, Retry_After=value)).retry_after in (None, 0)


def test_a_page_instead_of_a_picture_is_not_an_image(server: ImageServer) -> None:
    problem = failure(server, whole(b"<html>Just a moment...", "text/html; charset=utf-8"))
    assert (problem.outcome, problem.reason) == (Outcome.CORRUPT, "not an image: text/html")


def test_an_encoded_body_is_not_accepted(server: ImageServer) -> None:
    assert failure(server, whole(BODY, Content_Encoding="gzip")).outcome is Outcome.CORRUPT


def test_an_empty_body_is_corrupt(server: ImageServer) -> None:
    assert failure(server, whole(b"")).outcome is Outcome.CORRUPT


def test_a_body_shorter_than_its_length_is_noticed(server: ImageServer) -> None:
    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Content_Length=len(BODY))
        request.wfile.write(BODY[:-1])
        request.close_connection = True

    problem = failure(server, answer)
    assert (problem.outcome, problem.reason) == (Outcome.UNREACHABLE, "cut short")


def test_a_chunked_body_cut_short_is_noticed(server: ImageServer) -> None:
    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Transfer_Encoding="chunked")
        request.wfile.write(b"%x\r\n%b\r\n" % (len(BODY), BODY))
        request.close_connection = True

    assert failure(server, answer).outcome is Outcome.UNREACHABLE


def test_a_body_cut_short_without_a_length_is_all_that_the_wire_can_tell(server: ImageServer) -> None:
    """verify finds the missing end marker."""

    def answer(request: Request) -> None:
        request.head(200, Content_Type="image/png", Connection="close")
        request.wfile.write(BODY[:1000])
        request.close_connection = True

    server.answers["/x"] = answer
    assert fetch(server.url("/x"), server.host).body == BODY[:1000]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", b"nonsense\r\n\r\n"])
def test_a_connection_that_is_reset_is_unreachable(server: ImageServer, sent: bytes) -> None:
    def answer(request: Request) -> None:
        request.connection.sendall(sent)
        request.hang_up()

    problem = failure(server, answer)
    assert problem.outcome is Outcome.UNREACHABLE
    assert "0x" not in problem.reason, "a reason is a group in the report, not one object's address"
    assert server.asked["/x"] == 3


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(PictureError) as raised:
        fetch(f"http://{host}/x", host)
    assert (raised.value.outcome, raised.value.reason) == (Outcome.UNREACHABLE, "cannot connect")


def drip_body(request: Request) -> None:
    request.head(200, Content_Type="image/png", Content_Length=1000)
    for _ in range(400):
        request.wfile.write(b"x")
        time.sleep(0.05)


def drip_headers(request: Request) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 400:
        request.connection.sendall(bytes([byte]))
        time.sleep(0.05)


def say_nothing(request: Request) -> None:
    time.sleep(20)


@pytest.mark.parametrize("answer", [drip_body, drip_headers, say_nothing])
def test_the_deadline_is_for_everything_together(server: ImageServer, answer) -> None:
    begun = time.monotonic()
    problem = failure(server, answer, image_timeout_seconds=0.6)
    assert problem.outcome is Outcome.UNREACHABLE
    assert 0.5 < time.monotonic() - begun < 10


def test_a_stop_ends_a_download_at_once_and_charges_nothing(server: ImageServer) -> None:
    server.answers["/x"] = drip_body
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with (
        Downloader(Settings(wallhaven_image_hosts=(server.host,)), stop) as downloader,
        pytest.raises(DownloadStopped),
    ):
        downloader.fetch(server.url("/x"), AnyRoom())
    assert time.monotonic() - begun < 10


def endless(request: Request) -> None:
    request.head(200, Content_Type="image/png", Connection="close")
    request.close_connection = True
    while True:
        request.wfile.write(BODY)


def huge_by_its_word(request: Request) -> None:
    request.head(200, Content_Type="image/png", Content_Length=10**12)


@pytest.mark.parametrize("answer", [endless, huge_by_its_word])
def test_a_body_over_the_cap_is_refused(server: ImageServer, answer) -> None:
    problem = failure(server, answer, image_max_bytes=1_000_000)
    assert (problem.outcome, problem.reason) == (Outcome.REFUSED, "larger than IMAGE_MAX_BYTES")


def test_a_redirect_is_followed_to_listed_hosts_only(server: ImageServer) -> None:
    with serving() as other:
        other.answers["/there"] = whole(BODY)
        server.answers["/x"] = status(302, Location=other.url("/there"))
        problem = failure(server)
        assert (problem.outcome, other.asked["/there"]) == (Outcome.REFUSED, 0)
        assert fetch(server.url("/x"), server.host, other.host).body == BODY


def test_a_relative_redirect_stays_on_its_host(server: ImageServer) -> None:
    server.answers["/a/x"], server.answers["/b"] = status(301, Location="../b?c=1"), whole(BODY)
    assert fetch(server.url("/a/x"), server.host).body == BODY


def test_a_redirect_that_never_ends_is_given_up(server: ImageServer) -> None:
    problem = failure(server, status(302, Location="/x"))
    assert "redirects" in problem.reason
    assert server.asked["/x"] == 4 * 3


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}@{other}/x",
        "http://user:secret@{host}/x",
        "http://:@{host}/x",
        "http://{host}.evil.test/x",
        "http://{other}/x",
        "http://{other}#@{host}/x",
        "http://{other}?@{host}/x",
        "http://127.1:{port}/x",
        "http://2130706433:{port}/x",
        "http://0x7f000001:{port}/x",
        "http://[::ffff:127.0.0.1]:{port}/x",
        "http://localhost:{port}/x",
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "ftp://{host}/x",
        "file:///etc/passwd",
        "//{host}/x",
        "{host}/x",
        "http:///x",
        "http://",
        "http://{host}0/x",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "",
    ],
)
def test_an_address_that_is_not_listed_is_refused(server: ImageServer, url: str) -> None:
    with serving() as other:
        full = url.format(host=server.host, other=other.host, port=server.server_port)
        with pytest.raises(PictureError) as raised:
            fetch(full, server.host)
        assert raised.value.outcome is Outcome.REFUSED
        assert "secret" not in str(raised.value)
        assert not server.asked
        assert not other.asked


def test_host_and_path_are_told_apart_as_they_are_connected_to(server: ImageServer) -> None:
    with serving() as other:
        problem = failure(server, path=f"\\@{other.host}/x")
        assert problem.outcome is Outcome.GONE
        assert not other.asked


def test_a_listed_name_that_resolves_to_a_private_address_is_refused(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    host = f"w.example.test:{server.server_port}"
    server.answers["/x"] = whole(BODY)
    with pytest.raises(PictureError) as raised:
        fetch(f"http://{host}/x", host)
    assert (raised.value.outcome, raised.value.reason) == (Outcome.REFUSED, "host resolves to a private address")
    assert not server.asked


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST"])
def test_localhost_listed_literally_is_allowed(server: ImageServer, name: str) -> None:
    server.answers["/x"] = whole(BODY)
    assert fetch(f"http://{name}:{server.server_port}/x", f"localhost:{server.server_port}").body == BODY


def test_an_ipv6_address_listed_literally_is_allowed() -> None:
    class Server6(ImageServer):
        address_family = socket.AF_INET6

    with running(Server6("::1")) as server:
        server.answers["/x"] = whole(BODY)
        host = f"[::1]:{server.server_port}"
        assert fetch(f"http://{host}/x", host).body == BODY


def test_proxies_of_the_environment_are_not_used(server: ImageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers["/x"] = whole(BODY)
    assert fetch(server.url("/x"), server.host).body == BODY
