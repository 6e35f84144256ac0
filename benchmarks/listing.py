"""A stand-in that lists a generated collection (collection.py), newest first, out of the database it was made in."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from benchmarks.collection import PER_PAGE
from luigi_tasks.gateways import postgres
from luigi_tasks.settings import Settings

RECORDS = """
select payload from raw.wallhaven_search
where body_sha256 = encode(sha256(%s::text::bytea), 'hex') order by position desc
"""


class Listing:
    """Answers searches on loopback. pages: of the collection; total: what it claims. asked: paths, in order."""

    def __init__(self, settings: Settings, pages: int, total: int) -> None:
        self.settings, self.pages, self.total, self.asked = settings, pages, total, list[str]()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Listing:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, number: int) -> bytes:
        """A page of the search, as the API writes it."""
        with closing(postgres.connect(self.settings, as_owner=True)) as connection, connection.cursor() as cursor:
            cursor.execute(RECORDS, (self.pages - number + 1,))
            records = [payload for (payload,) in cursor.fetchall()]
        last = -(-self.total // PER_PAGE)
        meta = {"current_page": number, "last_page": last, "per_page": PER_PAGE, "total": self.total}
        return json.dumps({"data": records, "meta": {**meta, "query": "draenei", "seed": None}}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                listing.asked.append(self.path)
                body = listing.page(int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                """The benchmark counts what was asked."""

        return Handler
