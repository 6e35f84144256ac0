"""A PUT sent in few steps: the bytes are exact, any answer comes as http.client would read it, no line is forged."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from luigi_tasks.gateways import exchanges
from luigi_tasks.gateways.s3_wire import _pool

USUAL = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n'
BODY = os.urandom(6 << 20)


class Scripted:
    """Reads one PUT after another and answers each with the next pieces of the script; an empty piece hangs up."""

    def __init__(self, *answers: list[bytes]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answers = iter(answers)
        self.got: list[tuple[int, bytes, bytes]] = []  # which connection, head, body
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for number in itertools.count():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # close
                return
            with sock:
                while (request := _request(sock)) and self._answered(sock, number, request):
                    pass

    def _answered(self, sock: socket.socket, number: int, request: tuple[bytes, bytes]) -> bool:
        self.got.append((number, *request))
        for piece in next(self._answers, [b""]):
            if not piece:
                return False
            sock.sendall(piece)
            time.sleep(0.02)
        return True

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


def _request(sock: socket.socket) -> tuple[bytes, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(1 << 16)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"Content-Length: (\d+)", head)
    size = int(found[1]) if found else 0
    while len(body) < size:
        body += sock.recv(1 << 20)
    return head, body


def puts(answers: list[list[bytes]], bodies: list[bytes]) -> tuple[list[tuple[int, bytes]], Scripted]:
    server = Scripted(*answers)
    pool = _pool(f"http://127.0.0.1:{server.port}", True, 1, 10.0)
    try:
        said = [exchanges.put(pool, "/b/k", body, {"Host": "h", "Content-Length": str(len(body))}) for body in bodies]
    finally:
        pool.close()
        server.close()
    return said, server


def test_bodies_arrive_exact_one_after_another_on_one_connection() -> None:
    said, server = puts([[USUAL], [USUAL], [USUAL]], [BODY, b"", BODY[:100]])
    assert said == [(200, b"")] * 3
    assert server.got == [
        (0, f"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}".encode(), body)
        for body in (BODY, b"", BODY[:100])
    ]


@pytest.mark.parametrize(
    ("pieces", "answer", "stays_open"),
    [
        ([b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 4\r\n\r\nword"], (412, b"word"), True),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"wo", b"rd"], (200, b"word"), True),
        ([USUAL[:20], USUAL[20:]], (200, b""), True),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", USUAL], (200, b""), True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nword\r\n", b"0\r\n\r\n"], (200, b"word"), True),
        ([b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 4\r\n\r\nword"], (503, b"word"), False),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"], (200, b""), False),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"word", b""], (200, b"word"), False),
        ([b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", b""], (200, b""), False),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], (204, b""), True),
    ],
)
def test_any_answer_is_read_as_it_is_meant(pieces: list[bytes], answer: tuple[int, bytes], stays_open: bool) -> None:
    said, server = puts([pieces, [USUAL]], [b"body", b"next"])
    assert said == [answer, (200, b"")]
    assert [number for number, _, _ in server.got] == [0, 0 if stays_open else 1]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nword", b"nonsense\r\n\r\n"])
def test_an_answer_that_is_none_or_ends_early_is_no_answer(answer: bytes) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        puts([[answer, b""]], [b"body"])


@pytest.fixture
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/b/k", {"x-amz-meta-name": "a\r\nIf-Match: b"}),
        ("/b/k", {"x-amz-meta\r\nIf-Match": "b"}),
        ("/b/k HTTP/1.1\r\nHost: elsewhere", {}),
        ("/b/a key", {}),
    ],
)
def test_no_header_and_no_address_makes_a_line_of_its_own(silent: int, target: str, headers: dict[str, str]) -> None:
    pool = _pool(f"http://127.0.0.1:{silent}", True, 1, 0.5)
    with pytest.raises(ValueError, match="one line"):
        exchanges.put(pool, target, b"", {"Host": "h", "Content-Length": "0", **headers})


def test_an_answer_that_does_not_come_is_late_in_its_own_time(silent: int) -> None:
    pool, begun = _pool(f"http://127.0.0.1:{silent}", True, 1, 0.3), time.monotonic()
    with pytest.raises(TimeoutError):
        exchanges.put(pool, "/b/k", b"body", {"Host": "h", "Content-Length": "4"})
    assert 0.2 < time.monotonic() - begun < 5


def test_a_body_that_nobody_takes_is_given_up(silent: int) -> None:
    pool, begun = _pool(f"http://127.0.0.1:{silent}", True, 1, 0.3), time.monotonic()
    body = bytes(64 << 20)
    with pytest.raises(OSError, match="not taken in time"):
        exchanges.put(pool, "/b/k", body, {"Host": "h", "Content-Length": str(len(body))})
    assert time.monotonic() - begun < 5
