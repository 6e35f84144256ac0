"""Objects in a bucket of Google Cloud Storage: created under the condition that no generation of them is there.

Google verifies MD5 and knows no SHA-256. So each upload claims the MD5 of its body, which the server compares, and
keeps SHA-256 and MD5 together as metadata of the same request: while the server's own MD5 of the object is that one,
the SHA-256 is that of its bytes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways.gcs_api import Forbidden, GcsApi, Parts
from luigi_tasks.gateways.objects import (
    DAMAGED_MEND,
    Facts,
    ObjectDamaged,
    ObjectHead,
    ObjectMissing,
    Put,
    checked_key,
    put_in_bucket,
)
from luigi_tasks.gateways.store_reads import read_whole
from luigi_tasks.settings import Settings

SCHEME = "gs://"
SHA256, MD5 = "draenei-sha256", "draenei-md5"
NOTHING_THERE = {"ifGenerationMatch": "0"}


class GcsStore:
    """An ObjectStore on a bucket of Google's, or of an emulator. Safe to share between threads."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        self.bucket = bucket
        self._api = GcsApi(settings, bucket)
        self._objects = f"/storage/v1/b/{quote(bucket, safe='')}/o"

    def put_if_absent(
        self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        facts = Facts(content_type=content_type, sha256=sha256, metadata=metadata)
        return put_in_bucket(self, self._api.where, key, body, facts)

    def create(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> bool:
        try:
            return self._upload(key, body, content_type, sha256, metadata, NOTHING_THERE)
        except Forbidden:
            # Who may create and not delete is told so, not 412, where something is there.
            if self.head(key) is None:
                raise
            return False

    def replace(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> None:
        self._upload(key, body, content_type, sha256, metadata, {})

    def get(self, key: str) -> bytes:
        return read_whole(lambda: self._read(key))

    def _read(self, key: str) -> bytes:
        answer = self._api.call(f"get {key}", "GET", self._path(key), {"alt": "media"})
        said = dict(part.strip().split("=", 1) for part in answer.headers.get("x-goog-hash", "").split(",") if part)
        if said.get("md5", _md5(answer.content)) != _md5(answer.content):
            raise ObjectDamaged(f"get {key}: not the bytes of its checksum", where=self._api.where, mend=DAMAGED_MEND)
        return answer.content

    def head(self, key: str) -> ObjectHead | None:
        wanted = {"fields": "name,size,contentType,md5Hash,metadata"}
        try:
            said: dict[str, Any] = self._api.call(f"head {key}", "GET", self._path(key), wanted).json()
        except ObjectMissing:
            return None
        metadata: dict[str, str] = dict(said.get("metadata", {}))
        sha256, md5 = metadata.pop(SHA256, None), metadata.pop(MD5, None)
        vouched = sha256 if md5 is not None and md5 == said.get("md5Hash") else None
        return ObjectHead(key, int(said["size"]), said.get("contentType"), vouched, metadata)

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        wanted = {"prefix": prefix, "fields": "items(name,size),nextPageToken"}
        while True:
            page: dict[str, Any] = self._api.call(f"list {prefix}", "GET", self._objects, wanted).json()
            for item in page.get("items", ()):
                yield ObjectHead(item["name"], int(item["size"]))
            if not page.get("nextPageToken"):
                return
            wanted["pageToken"] = page["nextPageToken"]

    def remove(self, key: str) -> None:
        with contextlib.suppress(ObjectMissing):
            self._api.call(f"remove {key}", "DELETE", self._path(key))

    def remove_versions(self, key: str) -> bool:
        """Not tried: what its soft delete policy keeps, which every bucket has unless told otherwise, stays anyway."""
        return False

    def leftovers(self) -> Iterator[str]:
        """None: an upload is whole or nothing, and none of ours has parts."""
        return iter(())

    def uri(self, key: str) -> str:
        return f"{SCHEME}{self.bucket}/{key}"

    def check(self) -> None:
        """A listing of one object: reachable, there, and ours to read; the bucket itself one may not be allowed to see.

        A missing right to write shows at the first put.
        """
        self._api.call("check", "GET", self._objects, {"maxResults": "1", "fields": "kind"})

    def _upload(
        self,
        key: str,
        body: Body,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
    ) -> bool:
        md5 = _md5(body)
        # Who claims a wrong SHA-256 claims a wrong MD5 too, so that it is the store that refuses the bytes: its probe
        # asks whether it does.
        claimed = md5 if hashlib.sha256(body).hexdigest() == sha256 else _md5(sha256.encode())
        about = {
            "name": checked_key(key),
            "contentType": content_type,
            "md5Hash": claimed,
            "metadata": {**metadata, SHA256: sha256, MD5: md5},
        }
        boundary = uuid.uuid4().hex
        start = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(about)}\r\n"
            f"--{boundary}\r\nContent-Type: {content_type or 'application/octet-stream'}\r\n\r\n"
        )
        answer = self._api.call(
            f"put {key}",
            "POST",
            f"/upload{self._objects}",
            {"uploadType": "multipart", "fields": "generation", **condition},
            Parts(start.encode(), body, f"\r\n--{boundary}--\r\n".encode()),
            {"Content-Type": f"multipart/related; boundary={boundary}"},
        )
        if answer.status_code == 412 and not condition:
            raise StoreError(f"put {key}: refused without a condition", where=self._api.where, mend="Report it.")
        return answer.status_code != 412

    def _path(self, key: str) -> str:
        return f"{self._objects}/{quote(checked_key(key), safe='')}"


def _md5(body: Body) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
