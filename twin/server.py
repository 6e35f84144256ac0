"""The twin itself: a threading HTTP/1.1 server on loopback that routes, records, throttles and fails on demand."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from twin.admin import Admin
from twin.catalogue import Catalogue
from twin.delivery import deliver
from twin.faults import Fault, FaultPlan, spoil, throttled
from twin.images import image_answer
from twin.messages import API, Request, Response, Route, error_answer, html_answer, route_of
from twin.ratelimit import FixedWindow
from twin.sites import Site, site_of
from twin.sites import answer as site_answer
from twin.wallhaven import Account, Addresses, Wallhaven

MAX_ADMIN_BODY = 1 << 16


class Twin:
    """Serves a catalogue while it is entered (or between start and stop).

    faults: planned from the start; `twin.faults` takes more. rate_per_minute calls are allowed in a fixed window
    of window_seconds for each client address. public_urls: bodies name the real image hosts instead of this
    twin. sites: further sources, each answers below its name. port 0 means a free one, which is kept for a later
    start. Raises OSError if the port is taken.
    """

    def __init__(  # noqa: PLR0913 - one a quality of the stand-in
        self,
        catalogue: Catalogue,
        *,
        faults: Iterable[Fault] = (),
        rate_per_minute: int = 45,
        window_seconds: float = 60.0,
        account: Account | None = None,
        public_urls: bool = False,
        sites: Iterable[Site] = (),
        port: int = 0,
    ) -> None:
        self.catalogue = catalogue
        self.faults = FaultPlan(faults)
        self.port = port
        self.stopping = threading.Event()
        self.after_search: Callable[[str], None] = lambda page: None
        """Called with the page's number when a search was answered, before the answer is sent; changes the site."""
        self._limit = FixedWindow(rate_per_minute, window_seconds)
        self._account = account or Account()
        self._public_urls = public_urls
        self.sites = {site.NAME: site for site in sites}
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._wallhaven: Wallhaven | None = None
        self._admin = Admin(catalogue, self.faults, lambda: self.requests, self.clear_requests)

    @property
    def image_host(self) -> str:
        """host:port of originals and thumbs, as WALLHAVEN_IMAGE_HOSTS wants it."""
        if not self.port:
            raise RuntimeError("the twin has no address yet: start it, or use `with Twin(...) as twin`")
        return f"127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """Base of the API, as WALLHAVEN_API_URL wants it."""
        return f"http://{self.image_host}{API}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far but those of the admin routes, in order of their answers."""
        with self._lock:
            return list(self._requests)

    def site_url(self, name: str) -> str:
        """Address of a further site, as {NAME}_API_URL wants it."""
        return f"http://{self.image_host}/{self.sites[name].NAME}"

    def api_calls(self) -> list[Request]:
        """The recorded requests below /api/v1."""
        return [request for request in self.requests if request.path.startswith(API + "/")]

    def image_requests(self) -> list[Request]:
        """The recorded requests for originals."""
        return [request for request in self.requests if request.route.kind == "image"]

    def clear_requests(self) -> None:
        """Forget the recorded requests."""
        with self._lock:
            self._requests.clear()

    def reset_rate_limit(self) -> None:
        """Open a fresh window for every client."""
        self._limit.forget()

    def start(self) -> None:
        """Listen and serve in a thread."""
        if self._server is not None:
            raise RuntimeError(f"the twin at {self.api_url} runs already")
        self.stopping.clear()
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        own = f"http://{self.image_host}"
        addresses = Addresses() if self._public_urls else Addresses(own, own)
        self._wallhaven = Wallhaven(self.catalogue, self._account, addresses)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="twin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads; no effect when stopped."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, request: Request, body: bytes) -> tuple[Request, Response, Fault | None]:
        """The recorded form of a request, its answer, and the fault that strikes it, if any."""
        if request.route.kind == "admin":
            return request, self._admin.answer(request, body), None
        fault: Fault | None = None
        answer = self._refusal(request)
        if answer is None:
            answer = self._regular(request)
            # A call over the limit never reaches what is broken behind it, so it uses no fault up.
            fault = None if answer.status == 429 else self.faults.take(request.route)
            answer = spoil(fault, answer, request.route) if fault else answer
        kind = fault.kind if fault else ""
        recorded = replace(request, status=0 if kind == "reset" else answer.status, fault=kind)
        with self._lock:
            self._requests.append(recorded)
        if recorded.route.kind == "search":
            self.after_search(recorded.params.get("page", "1"))
        return recorded, answer, fault

    def _refusal(self, request: Request) -> Response | None:
        """What stands before the API: the proxy's challenges. They cost nothing of the rate."""
        if not request.headers.get("user-agent"):
            return html_answer(403, "Forbidden")
        if request.path.startswith(API + "/") and request.query.lower().startswith("q=like"):
            return html_answer(403, "Just a moment...", ("cf-mitigated", "challenge"))
        if request.method not in ("GET", "HEAD"):
            return html_answer(405, "Method Not Allowed", ("allow", "GET, HEAD"))
        return None

    def _regular(self, request: Request) -> Response:
        if request.route.kind in ("image", "thumb"):
            return image_answer(self.catalogue, request)
        if request.route.kind == "site":
            return site_answer(self.sites, request)
        if not request.path.startswith(API + "/") or self._wallhaven is None:
            return html_answer(404, "404 Not Found")
        granted = self._limit.take(request.client)
        if granted.retry_after:
            return throttled(granted.limit, granted.retry_after, granted.reset_epoch)
        answer = self._wallhaven.answer(request)
        return replace(answer, headers=(*granted.headers, *answer.headers))


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # stop() waits for them, so that no socket outlives the twin
    request_queue_size = 256

    def __init__(self, twin: Twin, port: int) -> None:
        self.twin = twin
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        if self.twin.stopping.is_set():
            self.hang_up()

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the client was faster
                    continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # clients may leave whenever they like
            self.close_connection = True

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent: the twin records requests instead."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        if body is None:
            return
        received = Request(
            self.command, unquote(path), query, headers, time.monotonic(), client=str(self.client_address[0])
        )
        site = site_of(received.path, self.server.twin.sites)
        route = Route("site", site) if site else route_of(received.path, received.params)
        received = replace(received, route=route)
        _, answer, fault = self.server.twin.answer(received, body)
        stopping = self.server.twin.stopping
        reusable = deliver(self.connection, answer, fault, stopping, body=self.command != "HEAD")
        if not reusable:
            self.close_connection = True
        if fault and fault.kind == "reset":
            self.server.closed(self.connection)
            self.rfile.close()
            self.connection.close()

    def _body(self, headers: dict[str, str]) -> bytes | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) <= MAX_ADMIN_BODY:
            return self.rfile.read(int(length))
        self.close_connection = True
        deliver(self.connection, error_answer(413, "body too large"), None, self.server.twin.stopping)
        return None

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve
