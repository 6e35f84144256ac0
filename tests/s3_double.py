"""A strict S3 API in memory, for tests: checksums verified, conditional puts atomic, versions kept, faults at will.

Signatures are not verified. Error codes and status codes are those of the Amazon S3 API reference.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.settings import Settings
from tests.loopback import QuietHandler, running
from tests.s3_faults import ERRORS, Fault, spoilt

BUCKET = "pictures"
PAGE = 1000


@dataclass(frozen=True)
class Version:
    """One put that was committed."""

    body: bytes
    content_type: str
    sha256: str | None
    metadata: dict[str, str]


@dataclass
class Manners:
    """How this server differs from S3. overwrites: ignores If-None-Match; careless: takes any checksum; unable: 501 to
    conditions; racy: looks and then writes; forgetful: confirms a put and keeps other bytes."""

    overwrites: bool = False
    careless: bool = False
    unable: bool = False
    racy: bool = False
    forgetful: bool = False


@dataclass
class State:
    """Everything that the server knows; tests read and write it."""

    versions: dict[str, list[Version]] = field(default_factory=dict)
    history: dict[str, list[Version]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    manners: Manners = field(default_factory=Manners)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, kind: str, method: str = "PUT", prefix: str = "wallpapers/", **more: float) -> None:
        """Arm one."""
        self.faults.append(Fault(kind, method, prefix, int(more.get("times", 1)), more.get("seconds", 0.0)))

    def take_fault(self, method: str, key: str) -> Fault | None:
        """The fault that this request meets, once less."""
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and key.startswith(fault.prefix):
                    fault.times -= 1
                    return fault
            return None

    def puts(self, prefix: str = "wallpapers/") -> dict[str, int]:
        """How many versions were ever committed under each key, deleted ones too."""
        return {key: len(found) for key, found in self.history.items() if key.startswith(prefix)}


class Server(ThreadingHTTPServer):
    """One bucket, BUCKET."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State()

    @property
    def endpoint(self) -> str:
        """For S3_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def settings(self) -> dict[str, object]:
        """The settings that lead here."""
        return {
            "bucket_name": BUCKET,
            "s3_endpoint_url": self.endpoint,
            "s3_force_path_style": True,
            "aws_access_key_id": "double",
            "aws_secret_access_key": "double",
            "aws_default_region": "us-east-1",
        }

    def store(self) -> S3Store:
        """A store on the bucket."""
        return S3Store(Settings(**self.settings()), BUCKET)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed here on purpose."""


class Handler(QuietHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    spoil = ""

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_PUT(self) -> None:
        body, key = self._body(), self._key()
        if fault := self._before(key):
            return self._fault_of_put(fault, key, body)
        return self._answer(*self._put(key, body))

    def do_GET(self) -> None:
        key, fault = self._key(), self._before(self._key())
        if fault and fault.kind in ERRORS:
            return self._answer(*ERRORS[fault.kind])
        self.spoil = fault.kind if fault else ""
        return self._object() if key else self._list()

    def do_HEAD(self) -> None:
        key, fault = self._key(), self._before(self._key())
        if fault and fault.kind in ERRORS:
            return self._answer(*ERRORS[fault.kind])
        return self._object() if key else self._send(200, b"")

    def do_DELETE(self) -> None:
        key, fault = self._key(), self._before(self._key())
        if fault and fault.kind in ERRORS:
            return self._answer(*ERRORS[fault.kind])
        with self.server.state.lock:
            self.server.state.versions.pop(key, None)
        return self._send(204, b"")

    def _before(self, key: str) -> Fault | None:
        state = self.server.state
        with state.lock:
            state.requests.append((self.command, key))
        fault = state.take_fault(self.command, key)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
            return None
        return fault

    def _fault_of_put(self, fault: Fault, key: str, body: bytes) -> None:
        if fault.kind in ERRORS:
            return self._answer(*ERRORS[fault.kind])
        said = self._put(key, body) if fault.kind != "slow_cut" else (0, "")
        time.sleep(fault.seconds)
        answer = {"after_500": (500, "InternalError"), "slow_reply": said}.get(fault.kind)
        return self._answer(*answer) if answer else self.hang_up()

    def _put(self, key: str, body: bytes) -> tuple[int, str]:
        state, conditional = self.server.state, self._is_conditional()
        if conditional and state.manners.unable:
            return 501, "NotImplemented"
        if not state.manners.careless and not self._checksums_hold(body):
            return 400, "BadDigest"
        binding = conditional and not state.manners.overwrites
        if state.manners.racy:
            taken = key in state.versions
            time.sleep(0.2)  # long enough for the other racers of a busy machine
            with state.lock:
                return self._commit(key, body, refused=binding and taken)
        with state.lock:
            return self._commit(key, body, refused=binding and key in state.versions)

    def _commit(self, key: str, body: bytes, *, refused: bool) -> tuple[int, str]:
        if refused:
            return 412, "PreconditionFailed"
        state = self.server.state
        version = self._version(body[:-1] if state.manners.forgetful else body)
        state.versions.setdefault(key, []).append(version)
        state.history.setdefault(key, []).append(version)
        return 200, ""

    def _is_conditional(self) -> bool:
        return self.headers.get("If-None-Match") == "*"

    def _version(self, kept: bytes) -> Version:
        named = "x-amz-meta-"
        metadata = {n.lower().removeprefix(named): v for n, v in self.headers.items() if n.lower().startswith(named)}
        said = None if self.server.state.manners.careless else self.headers.get("x-amz-checksum-sha256")
        return Version(kept, self.headers.get("Content-Type", ""), said, metadata)

    def _checksums_hold(self, body: bytes) -> bool:
        said = {
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
            "Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode(),
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        found = {name: self.headers.get(name) for name in said}
        return all(value in {None, said[name], "UNSIGNED-PAYLOAD"} for name, value in found.items())

    def _object(self) -> None:
        versions = self.server.state.versions.get(self._key())
        if not versions:
            return self._answer(404, "NoSuchKey")
        newest = versions[-1]
        headers = {"Content-Type": newest.content_type, "ETag": f'"{hashlib.md5(newest.body).hexdigest()}"'}
        headers |= {f"x-amz-meta-{name}": value for name, value in newest.metadata.items()}
        if newest.sha256:
            headers |= {"x-amz-checksum-sha256": newest.sha256, "x-amz-checksum-type": "FULL_OBJECT"}
        return self._send(200, newest.body, **headers)

    def _list(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        with self.server.state.lock:
            keys = sorted(key for key in self.server.state.versions if key.startswith(prefix) and key > after)
            sizes = {key: len(self.server.state.versions[key][-1].body) for key in keys[:PAGE]}
        entries = "".join(f"<Contents><Key>{escape(k)}</Key><Size>{n}</Size></Contents>" for k, n in sizes.items())
        more = len(keys) > PAGE
        token = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
        xml = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        self._send(200, xml.encode(), **{"Content-Type": "application/xml"})

    def _answer(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode() if code else b""
        self._send(status, body, **{"Content-Type": "application/xml"})

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(spoilt(body, self.spoil))
        if self.spoil == "truncated":
            self.close_connection = True
        if self.spoil == "reset":
            self.wfile.flush()
            self.hang_up()
        self.spoil = ""

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue" and self.request_version < "HTTP/1.1":
            self.send_response_only(100)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}").removeprefix("/")


@contextlib.contextmanager
def s3_double() -> Iterator[Server]:
    """A server for the time of the block."""
    with running(Server()) as server:
        yield server
