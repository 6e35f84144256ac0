"""A strict JSON API of Google Cloud Storage in memory, for tests: the manners and faults of tests/s3_double.py.

Uploads are multipart ones, their MD5 is verified and ifGenerationMatch=0 holds. Status codes and reasons are those of
https://cloud.google.com/storage/docs/json_api/v1/status-codes. An upload counts as a PUT among requests and faults.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from luigi_tasks.gateways.gcs_store import GcsStore
from luigi_tasks.settings import Settings
from tests.loopback import running
from tests.s3_double import BUCKET, PAGE, Handler, Server, Version
from tests.s3_faults import ERRORS

OBJECTS = f"/storage/v1/b/{BUCKET}/o"
REASONS = {
    "AccessDenied": "forbidden",
    "BadDigest": "invalid",
    "InternalError": "backendError",
    "NoSuchKey": "notFound",
    "NotImplemented": "notImplemented",
    "PreconditionFailed": "conditionNotMet",
    "SlowDown": "backendError",
}


class GcsServer(Server):
    """One bucket, BUCKET. creator_only: whoever asks may create and not delete. tokens: that requests came with.

    made: further buckets, by name: the project and what was asked for; empty ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = GcsHandler
        self.creator_only = False
        self.tokens: list[str | None] = []
        self.made: dict[str, tuple[str, dict[str, Any]]] = {}

    def settings(self) -> dict[str, object]:
        return {"bucket_name": f"gs://{BUCKET}", "storage_emulator_host": self.endpoint}

    def store(self) -> GcsStore:  # type: ignore[override]
        return GcsStore(Settings(**self.settings()), BUCKET)


class GcsHandler(Handler):
    """One connection."""

    server: GcsServer
    about: dict[str, Any]

    def do_POST(self) -> None:
        raw, self.command = self._body(), "PUT"
        if self.path.startswith("/storage/v1/b?"):
            about = json.loads(raw)
            self.server.made[about["name"]] = (self._asked("project"), about)
            return self._json(about)
        if not self.path.startswith(f"/upload{OBJECTS}?") or self._asked("uploadType") != "multipart":
            return self._answer(404, "NoSuchKey")
        boundary = b"--" + self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
        _, first, second = raw.rpartition(b"\r\n" + boundary + b"--")[0].split(boundary + b"\r\n", 2)
        self.about = json.loads(first.partition(b"\r\n\r\n")[2])
        key, body = self.about["name"], second.partition(b"\r\n\r\n")[2]
        if fault := self._before(key):
            return self._fault_of_put(fault, key, body)
        return self._answer(*self._put(key, body))

    def do_GET(self) -> None:
        if urlsplit(self.path).path in {f"/storage/v1/b/{name}/o" for name in self.server.made}:
            return self._json({"kind": "storage#objects"})
        key = self._key()
        fault = self._before(key)
        if fault and fault.kind in ERRORS:
            return self._answer(*ERRORS[fault.kind])
        self.spoil = fault.kind if fault else ""
        if not key:
            return self._list()
        found = self.server.state.versions.get(key)
        if not found:
            return self._answer(404, "NoSuchKey")
        if self._asked("alt") != "media":
            return self._json(self._resource(key, found[-1]))
        body = found[-1].body
        said = {"x-goog-hash": f"md5={found[-1].sha256 or md5(body)}", "Content-Type": found[-1].content_type}
        return self._send(200, body, **said)

    def do_DELETE(self) -> None:
        if self._key() not in self.server.state.versions and not self.server.state.faults:
            return self._answer(404, "NoSuchKey")
        return super().do_DELETE()

    def _before(self, key: str) -> Any:
        self.server.tokens.append(self.headers.get("Authorization"))
        return super()._before(key)

    def _put(self, key: str, body: bytes) -> tuple[int, str]:
        if self.server.creator_only and key in self.server.state.versions:
            return 403, "AccessDenied"
        return super()._put(key, body)

    def _is_conditional(self) -> bool:
        return self._asked("ifGenerationMatch") == "0"

    def _checksums_hold(self, body: bytes) -> bool:
        return self.about.get("md5Hash", md5(body)) == md5(body)

    def _version(self, kept: bytes) -> Version:
        return Version(kept, self.about.get("contentType", ""), None, self.about.get("metadata", {}))

    def _resource(self, key: str, version: Version) -> dict[str, object]:
        return {
            "name": key,
            "size": str(len(version.body)),
            "contentType": version.content_type,
            "md5Hash": md5(version.body),
            "metadata": version.metadata,
        }

    def _list(self) -> None:
        prefix, after = self._asked("prefix"), self._asked("pageToken")
        with self.server.state.lock:
            versions = {k: found[-1] for k, found in self.server.state.versions.items()}
        keys = sorted(key for key in versions if key.startswith(prefix) and key > after)
        page: dict[str, object] = {"kind": "storage#objects"}
        if keys:  # an empty listing has no items at all
            page["items"] = [self._resource(key, versions[key]) for key in keys[:PAGE]]
        self._json(page | ({"nextPageToken": keys[PAGE - 1]} if len(keys) > PAGE else {}))

    def _json(self, content: dict[str, object]) -> None:
        self._send(200, json.dumps(content).encode(), **{"Content-Type": "application/json; charset=UTF-8"})

    def _answer(self, status: int, code: str) -> None:
        if not code:
            return self._json({"generation": "1"})
        message = "Provided MD5 hash is not that of the object" if code == "BadDigest" else "as told"
        reason = REASONS.get(code, code)
        error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
        body = json.dumps({"error": error}).encode()
        return self._send(status, body, **{"Content-Type": "application/json; charset=UTF-8"})

    def _asked(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _key(self) -> str:
        path = urlsplit(self.path).path.removeprefix("/download")  # where Google's own client asks for bytes
        return unquote(path.removeprefix(OBJECTS)).removeprefix("/")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))


def md5(body: bytes) -> str:
    """As Google writes it: base64."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@contextlib.contextmanager
def gcs_double() -> Iterator[GcsServer]:
    """A server for the time of the block."""
    with running(GcsServer()) as server:
        yield server
