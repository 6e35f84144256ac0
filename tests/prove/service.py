"""A service on loopback that takes digests and pings, and remembers them."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Service(http.server.ThreadingHTTPServer):
    """heard: method and path of every message, in the order in which they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.heard: list[str] = []

    @property
    def environ(self) -> dict[str, str]:
        """The settings of a process that tells it of every run."""
        host = f"127.0.0.1:{self.server_port}"
        return {"NOTIFY_URLS": f"json://{host}/digest", "DEADMAN_URL": f"http://{host}/ping", "NOTIFY_WHEN": "always"}


class _Listener(http.server.BaseHTTPRequestHandler):
    server: Service

    def _hear(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.heard.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _hear

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listening() -> Iterator[Service]:
    """A service for the time of the block."""
    with Service() as service:
        threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield service
        finally:
            service.shutdown()
