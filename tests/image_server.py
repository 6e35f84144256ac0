"""A tiny HTTP server on loopback whose answers are written by the test, byte by byte where it matters."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

from tests.loopback import QuietHandler, running

Answer = Callable[["Request"], None]


class Request(QuietHandler):
    """One request; answers call these methods."""

    protocol_version = "HTTP/1.1"
    server: ImageServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.counting:
            self.server.asked[path] += 1
            self.server.headers_of[path] = dict(self.headers)
        with contextlib.suppress(ConnectionError):
            self.server.answers.get(path, not_found)(self)

    def head(self, status: int, **headers: object) -> None:
        """Status line and headers; underscores in names stand for hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


class ImageServer(ThreadingHTTPServer):
    """answers: by path; asked: how often each path was asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), Request)
        self.answers: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.headers_of: dict[str, dict[str, str]] = {}
        self.counting = threading.Lock()
        self.host = f"{address}:{self.server_port}"

    def url(self, path: str) -> str:
        """Address of a path here."""
        return f"http://{self.host}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up here on purpose."""


@contextlib.contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[ImageServer]:
    """A server for the time of the block."""
    with running(ImageServer(address)) as server:
        yield server


def whole(body: bytes, content_type: str = "image/jpeg", **headers: object) -> Answer:
    """200 with the body and its length."""

    def answer(request: Request) -> None:
        request.head(200, Content_Type=content_type, Content_Length=len(body), **headers)
        request.wfile.write(body)

    return answer


def status(code: int, **headers: object) -> Answer:
    """That status with an empty body."""
    return lambda request: request.head(code, Content_Length=0, **headers)


def in_turn(*answers: Answer) -> Answer:
    """The first answer first, the last one for ever."""
    left = list(answers)

    def answer(request: Request) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


not_found = status(404)
