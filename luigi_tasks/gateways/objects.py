"""The object store as the pipeline sees it: a small create-only interface, over a folder or a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypedDict
from urllib.parse import quote

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.publishing import Body
from luigi_tasks.settings import Settings

PROBE_PREFIX = "probe/"
KEY_MAX_BYTES = 1024  # S3's own limit
SEGMENT_MAX_BYTES = 255  # a file name's limit
DAMAGED_MEND = "Two reads say so. Restore it: `python -m luigi_tasks fsck --deep --repair` looks for a copy."


class StoreUnavailable(StoreError):
    """This call failed, another may succeed: 5xx, throttled, timed out, connection lost."""


class CutShort(StoreUnavailable):
    """The answer began and did not arrive whole."""


class ChecksumRefused(StoreUnavailable):
    """The store says that the bytes are not those of the checksum: damaged on the way."""


class NoConditions(StoreError):
    """The store cannot create conditionally (501)."""


class ObjectDamaged(StoreError):
    """The bytes that came back, twice, are not those of the checksum that the store keeps with them."""


class ObjectMissing(StoreError):
    """There is no object under this key."""


@dataclass(frozen=True)
class Put:
    """created: this call made the object. sha256: hex, of the bytes that are under the key now, whoever put them."""

    created: bool
    sha256: str


@dataclass(frozen=True)
class ObjectHead:
    """size: bytes. sha256: hex, where the store vouches for one; a listing has only key and size for sure."""

    key: str
    size: int
    content_type: str | None = None
    sha256: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Every method may raise StoreUnavailable (this call failed) or StoreError (all will, until someone acts)."""

    def put_if_absent(
        self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]
    ) -> Put:
        """Create the object, durably, or report what is there; never overwrites. sha256: hex, of body."""

    def create(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> bool:
        """One conditional put by the store's own means; False when something is there.

        Raises NoConditions, and ChecksumRefused when sha256 is not that of body.
        """

    def replace(self, key: str, body: Body, *, content_type: str, sha256: str, metadata: Mapping[str, str]) -> None:
        """One put without conditions: only for a caller who knows that nothing is there. Raises ChecksumRefused."""

    def get(self, key: str) -> bytes:
        """The object's bytes, whole, after another read where one broke off.

        Raises ObjectMissing, CutShort, ObjectDamaged.
        """

    def head(self, key: str) -> ObjectHead | None:
        """What is known of the object without reading it; None when there is none."""

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """Every object whose key starts with prefix, in key order."""

    def remove(self, key: str) -> None:
        """Take the object away; nothing happens when there is none. A run does it to probes and the gallery only."""

    def remove_versions(self, key: str) -> bool:
        """Take away every version that the store kept of a key, the newest last; False when it may have kept one that
        it does not show or let go."""

    def leftovers(self) -> Iterator[str]:
        """Names of what killed writers left behind outside of any key; check() may clear it."""

    def uri(self, key: str) -> str:
        """An address for people and logs."""

    def check(self) -> None:
        """Raise StoreError, with what to do about it, when this store cannot be used; cheap, leaves nothing behind."""


class Facts(TypedDict):
    """What is kept beside an object's bytes."""

    content_type: str
    sha256: str
    metadata: Mapping[str, str]


def put_in_bucket(store: ObjectStore, where: str, key: str, body: Body, facts: Facts) -> Put:
    """put_if_absent of a bucket, whatever its API: create, and if something is there already its hash.

    Without conditional puts it looks first; then only a lock of the caller's keeps others out. Raises StoreUnavailable
    when another writer is in the middle of it, or it was deleted since.
    """
    try:
        created = store.create(key, body, **facts)
    except NoConditions:
        if store.head(key) is None:
            store.replace(key, body, **facts)
            return Put(created=True, sha256=facts["sha256"])
        created = False
    if created:
        return Put(created=True, sha256=facts["sha256"])
    there = store.head(key)
    if there is None:
        raise StoreUnavailable(f"another writer holds {key}", where=where)
    return Put(created=False, sha256=there.sha256 or hashlib.sha256(store.get(key)).hexdigest())


def checked_key(key: str) -> str:
    """The key itself, when it is one in every store: no empty or dotted segment, no control character, not too long.

    Raises StoreError.
    """
    segments = key.split("/")
    wrong = (
        any(not segment or segment.startswith(".") for segment in segments)
        or not key.isprintable()
        or "\\" in key
        or len(key.encode()) > KEY_MAX_BYTES
        or any(len(segment.encode()) > SEGMENT_MAX_BYTES for segment in segments)
    )
    if wrong:
        raise StoreError(f"{key[:80]!r} is no object key", mend="Report it: keys are made from checked ids only.")
    return key


def remove_probe(store: ObjectStore, key: str) -> None:
    """Remove an object under probe/, for the probe, which removes nothing else. Raises StoreError."""
    if not key.startswith(PROBE_PREFIX):
        raise StoreError(f"{key[:80]!r} is no probe object", mend="Report it: the probe deletes nothing else.")
    store.remove(key)


def move_aside(store: ObjectStore, key: str, to: str) -> None:
    """Put the object under another key and take it from its own only when the copy was read back and is the same.

    Raises ObjectMissing, StoreError; the original then stands where it stood.
    """
    body, head = store.get(key), store.head(key)
    digest = hashlib.sha256(body).hexdigest()
    content_type = (head and head.content_type) or "application/octet-stream"
    metadata = {**(head.metadata if head else {}), "moved-from": quote(key)}
    crash_point("repair.copy.before")
    put = store.put_if_absent(to, body, content_type=content_type, sha256=digest, metadata=metadata)
    crash_point("repair.copy.after")
    if put.sha256 != digest or store.get(to) != body:
        raise StoreError("the copy is not the same", where=store.uri(to), mend=f"{key} was left where it is.")
    crash_point("repair.remove.before")
    store.remove(key)
    crash_point("repair.remove.after")


def obliterate(store: ObjectStore, key: str) -> bool:
    """Remove an object and what the store kept of it; False when something of it may be left. Repeatable."""
    is_whole = store.remove_versions(key)
    store.remove(key)
    return is_whole


def open_store(settings: Settings) -> ObjectStore:
    """The bucket that BUCKET_NAME names (gs://name: Google's, a bare name: S3), else the folder DRAENEI_HOME/objects.

    Connects to nothing yet. Raises SettingsError, StoreError for credentials that are not there.
    """
    if settings.bucket_name and settings.bucket_name.startswith("gs://"):
        from luigi_tasks.gateways.gcs_store import GcsStore

        return GcsStore(settings, settings.bucket_name.removeprefix("gs://"))
    if settings.bucket_name:
        from luigi_tasks.gateways.s3_store import S3Store

        return S3Store(settings, settings.bucket_name)
    from luigi_tasks.gateways.folder_store import FolderStore

    return FolderStore(settings.draenei_home / "objects")
