"""A file as a source: read from a folder or an S3 bucket, answered as an API would, so that Fetch need not know."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.gateways.objects import ObjectMissing
from luigi_tasks.gateways.s3_store import S3Store
from luigi_tasks.gateways.source_api import Response
from luigi_tasks.settings import Settings

S3 = "s3://"
READ_BYTES = 1 << 20
HEADERS: Mapping[str, str] = {"content-type": "text/csv"}


class FileApi:
    """The files of a folder, or of s3://bucket/prefix. max_bytes: a larger file is refused."""

    def __init__(self, settings: Settings, address: str, max_bytes: int) -> None:
        self.settings, self.address, self.max_bytes = settings, address, max_bytes

    def get(self, path: str, params: tuple[tuple[str, str], ...] = ()) -> Response:
        """The file as a response of status 200. params: none, for files take none.

        Raises SourceError when it is not there, is too large, or changes while it is read.
        """
        assert not params, params
        where = self.address + path
        body = self._from_bucket(where) if where.startswith(S3) else self._from_folder(where)
        return Response(where, 200, HEADERS, body, datetime.datetime.now(datetime.UTC))

    def close(self) -> None:
        """Nothing stays open."""

    def _from_folder(self, where: str) -> bytes:
        body = bytearray()
        try:
            with Path(where).open("rb") as file:
                before = os.fstat(file.fileno())
                self._check_size(before.st_size, where)
                while chunk := file.read(READ_BYTES):
                    body += chunk
                    self._check_size(len(body), where)
                after = os.fstat(file.fileno())
        except OSError as problem:
            raise SourceError(
                f"the file cannot be read: {problem.strerror}", where=where, mend="Check --file, or SALES_FILE."
            ) from None
        if (before.st_size, before.st_mtime_ns, len(body)) != (after.st_size, after.st_mtime_ns, before.st_size):
            raise SourceError("the file changed while it was read", where=where, mend="Let its writer finish first.")
        return bytes(body)

    def _from_bucket(self, where: str) -> bytes:
        bucket, _, key = where.removeprefix(S3).partition("/")
        store = S3Store(self.settings, bucket)
        head = store.head(key)
        if head is None:
            raise SourceError("there is no such object", where=where, mend="Check --file, or SALES_FILE.")
        self._check_size(head.size, where)
        try:
            return store.get(key)
        except ObjectMissing:
            raise SourceError("the object went away while it was read", where=where) from None

    def _check_size(self, size: int, where: str) -> None:
        if size > self.max_bytes:
            raise SourceError(
                f"the file is larger than {self.max_bytes} bytes", where=where, mend="See SALES_MAX_BYTES."
            )
