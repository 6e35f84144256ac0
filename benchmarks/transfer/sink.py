"""A small S3 API over a folder, fast enough not to be what a benchmark measures: several processes share one port.

What it knows: PUT, GET, HEAD and DELETE of an object, listings, multipart uploads, `If-None-Match: *` (atomic, by
link). No signature is checked. A body is received straight into an arena, memory that was touched before the run; what
arrived is hashed afterwards (arena.stored), outside of the measured time; during it a checksum is verified of small
bodies alone, such as a probe's. Listings know no pages.

Run: python -m benchmarks.transfer.sink HOST PORT FOLDER PROCESSES ARENA_BYTES ROUND_TRIP CAP [PEM]
FOLDER is best on a tmpfs; ROUND_TRIP in seconds and CAP in bytes a second for each connection, 0 for none; PEM: a key
and its certificate, for TLS.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import mimetypes
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from benchmarks.transfer import in_flight, tls
from benchmarks.transfer.arena import Arena, located, read
from benchmarks.transfer.framing import unframed
from benchmarks.transfer.in_flight import InFlight
from benchmarks.transfer.network import Link

BUFFER = 1 << 16
SLICE = 1 << 18  # when a connection has a cap
END = b"\r\n\r\n"
LENGTH = re.compile(rb"(?i)\r\n(?:x-amz-decoded-)?content-length: *(\d+)")
RANGE = re.compile(rb"(?i)\r\nrange: *bytes=(\d+)-(\d*)")
CREATE_ONLY = re.compile(rb"(?i)\r\nif-none-match: *\*")
CHUNKED = re.compile(rb"(?i)\r\ncontent-encoding: *aws-chunked|\r\ntransfer-encoding: *chunked")  # one or both
SHA256 = re.compile(rb"(?i)\r\nx-amz-checksum-sha256: *(\S+)")
CHECKED_BYTES = 1 << 14
EXPECTS = re.compile(rb"(?i)\r\nexpect: *100-continue")
ETAG = '"00000000000000000000000000000000"'
MODIFIED = "Last-Modified: Sat, 01 Nov 2025 00:00:00 GMT\r\n"
numbers = itertools.count()


class Connection:
    """One client; its buffer is used again for every request."""

    def __init__(self, sock: socket.socket, root: Path, arena: Arena, link: Link, requests: InFlight) -> None:
        self._sock, self._root, self._arena, self._link, self._requests = sock, root, arena, link, requests
        self._buffer = memoryview(bytearray(BUFFER))
        self._rest = b""

    def serve(self) -> None:
        """Answer until the client goes."""
        self._link.wait()
        if isinstance(self._sock, ssl.SSLSocket):
            self._link.wait()  # the handshake
        with self._sock, contextlib.suppress(ConnectionError, EOFError, ssl.SSLError):
            while head := self._head():
                method, target, _ = head.split(b" ", 2)
                parts = urlsplit(target.decode())
                with self._requests.one():
                    self._answer(method.decode(), unquote(parts.path).strip("/"), parse_qs(parts.query, True), head)

    def _head(self) -> bytes:
        data = self._rest
        while END not in data:
            got = self._sock.recv_into(self._buffer)
            if not got:
                return b""
            data += self._buffer[:got]
        head, _, self._rest = data.partition(END)
        return head

    def _answer(self, method: str, name: str, query: dict[str, list[str]], head: bytes) -> None:
        key = name.partition("/")[2]
        if method == "PUT" and key:
            self._put(key, query, head)
        elif method == "POST":
            self._post(key, query, b"".join(self._body(head)))
        elif method == "DELETE":
            self._path(key).unlink(missing_ok=True)
            self._say("204 No Content")
        elif key:
            self._object(method, key, RANGE.search(head))
        elif method == "GET":
            self._xml(self._listing(query.get("prefix", [""])[0]))
        else:
            self._say("200 OK", b"".join(self._body(head))[:0])

    def _post(self, key: str, query: dict[str, list[str]], body: bytes) -> None:
        if "uploads" in query:
            self._xml(f"<R><UploadId>{os.getpid()}-{next(numbers)}</UploadId></R>")
        elif "uploadId" in query:
            self._complete(key, query["uploadId"][0])
        else:
            for found in re.findall(rb"<Key>(.*?)</Key>", body):
                self._path(unquote(found.decode())).unlink(missing_ok=True)
            self._xml("<DeleteResult/>")

    def _object(self, method: str, key: str, part: re.Match[bytes] | None) -> None:
        try:
            arena, start, size = located(self._path(key))
        except FileNotFoundError:
            self._say("404 Not Found", b"" if method == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>")
            return
        status, extra = "200 OK", f"Content-Type: {mimetypes.guess_type(key)[0]}\r\n{MODIFIED}"
        if part:
            first, last = int(part[1]), min(int(part[2] or size), size - 1)
            extra += f"Content-Range: bytes {first}-{last}/{size}\r\n"
            status, start, size = "206 Partial Content", start + first, last + 1 - first
        self._say(status, size=size, extra=extra)
        if method == "GET":
            begun, done = time.monotonic(), 0
            with arena.open("rb") as file:
                while done < size:
                    piece = min(SLICE, size - done) if self._link.cap else size
                    done += self._send(file, start + done, piece)
                    self._link.keep_pace(begun, done)

    def _send(self, file: BinaryIO, start: int, count: int) -> int:
        if not isinstance(self._sock, ssl.SSLSocket):
            return self._sock.sendfile(file, start, count)
        self._sock.sendall(os.pread(file.fileno(), count, start))  # its own sendfile reads 8 kB at a time
        return count

    def _put(self, key: str, query: dict[str, list[str]], head: bytes) -> None:
        if EXPECTS.search(head):
            self._link.wait()
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        part = f".parts/{query['uploadId'][0]}-{int(query['partNumber'][0]):06}" if "uploadId" in query else None
        start, size = self._receive(head)
        if self._is_refused(head, self._arena.memory[start : start + size]):
            return self._say("400 Bad Request", b"<Error><Code>BadDigest</Code></Error>")
        target = self._root / part if part else self._path(key)
        if self._register(target, start, size, create_only=bool(CREATE_ONLY.search(head))):
            return self._say("200 OK")
        return self._say("412 Precondition Failed", b"<Error><Code>PreconditionFailed</Code></Error>")

    @staticmethod
    def _is_refused(head: bytes, body: memoryview) -> bool:
        said = SHA256.search(head)
        if not said or len(body) > CHECKED_BYTES:
            return False
        return base64.b64decode(said[1]) != hashlib.sha256(body).digest()

    def _register(self, target: Path, start: int, size: int, *, create_only: bool) -> bool:
        temporary = self._root / f".tmp/{os.getpid()}-{next(numbers)}"
        temporary.write_text(f"{self._arena.path} {start} {size}")
        if not create_only:
            temporary.rename(target)
            return True
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def _complete(self, key: str, upload: str) -> None:
        bodies = [read(part) for part in sorted((self._root / ".parts").glob(f"{upload}-*"))]
        whole = b"".join(bodies)
        start = self._arena.take(len(whole))
        self._arena.memory[start : start + len(whole)] = whole
        self._register(self._path(key), start, len(whole), create_only=False)
        self._xml(f"<CompleteMultipartUploadResult><ETag>{escape(ETAG)}</ETag></CompleteMultipartUploadResult>")

    def _receive(self, head: bytes) -> tuple[int, int]:
        """Where in the arena the body is now, and its size."""
        found = LENGTH.search(head)
        size = max(int(length) for length in LENGTH.findall(head)) if found else 0
        if CHUNKED.search(head):
            body = b"".join(self._chunks())
            body = unframed(body) if len(CHUNKED.findall(head)) > 1 else body
            start = self._arena.take(len(body))
            self._arena.memory[start : start + len(body)] = body
            return start, len(body)
        start = self._arena.take(size)
        room = self._arena.memory[start : start + size]
        first, self._rest = self._rest[:size], self._rest[size:]
        room[: len(first)] = first
        done, begun = len(first), time.monotonic()
        while done < size:
            got = self._sock.recv_into(room[done : done + SLICE] if self._link.cap else room[done:])
            if not got:
                raise EOFError
            done += got
            self._link.keep_pace(begun, done)
        return start, size

    def _body(self, head: bytes) -> Iterator[bytes]:
        if CHUNKED.search(head):
            return self._chunks()
        found = LENGTH.search(head)
        return self._exactly(int(found[1]) if found else 0)

    def _exactly(self, length: int) -> Iterator[bytes]:
        first, self._rest = self._rest[:length], self._rest[length:]
        yield first
        left = length - len(first)
        while left:
            got = self._sock.recv_into(self._buffer, min(left, BUFFER))
            if not got:
                raise EOFError
            left -= got
            yield bytes(self._buffer[:got])

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().partition(b";")[0], 16):
            yield b"".join(self._exactly(size))
            self._line()
        while self._line():
            pass

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            got = self._sock.recv_into(self._buffer, 4096)
            if not got:
                raise EOFError
            self._rest += self._buffer[:got]
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _listing(self, prefix: str) -> str:
        names = sorted(unquote(path.name) for path in (self._root / "objects").iterdir())
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{located(self._path(name))[2]}</Size>"
            f"<ETag>{escape(ETAG)}</ETag><LastModified>2025-11-01T00:00:00.000Z</LastModified></Contents>"
            for name in names
            if name.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"

    def _path(self, key: str) -> Path:
        return self._root / "objects" / quote(key, safe="")

    def _xml(self, text: str) -> None:
        self._say("200 OK", text.encode())

    def _say(self, status: str, body: bytes = b"", *, size: int | None = None, extra: str = "") -> None:
        self._link.wait()
        length = len(body) if size is None else size
        head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: {ETAG}\r\n{extra}\r\n"
        self._sock.sendall(head.encode() + body)


def serve(address: tuple[str, int], root: Path, arena_bytes: int, link: Link, requests: InFlight) -> None:
    """Accept for ever; a thread for each client."""
    arena, presented = Arena(root, arena_bytes), tls.context(Path(link.pem)) if link.pem else None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(256)
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if presented:
                sock = presented.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=Connection(sock, root, arena, link, requests).serve, daemon=True).start()


def main(host: str, port: int, root: Path, processes: int, arena_bytes: int, link: Link) -> None:
    """Serve until SIGTERM, in so many processes."""
    for folder in ("objects", ".tmp", ".parts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children, own = [], 0
    for number in range(1, processes):
        if not (child := os.fork()):
            own = number
            break
        children.append(child)
    try:
        serve((host, port), root, arena_bytes, link, InFlight(root / in_flight.FILE, processes, own))
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)


if __name__ == "__main__":
    host, port, folder, processes, arena_bytes, round_trip, cap, *pem = sys.argv[1:]
    link = Link(float(round_trip), int(cap), *pem)
    main(host, int(port), Path(folder), int(processes), int(arena_bytes), link)
