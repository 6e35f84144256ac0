"""One picture's way: fetch the bytes, check them, say the intent, put them once, name the outcome.

The one seam where bytes move. Everything that bounds a picture (room for its body, room to decode it) is held here;
everything that decides which pictures, in what order and how many at once, is in publish.
"""

from __future__ import annotations

import contextlib
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.identity import CODE_VERSION
from luigi_tasks.domain.publishing import ManifestItem, Outcome, PictureError, UploadOutcome, Verified
from luigi_tasks.gateways.buffers import Buffers
from luigi_tasks.gateways.decoders import Decoders
from luigi_tasks.gateways.download import Download, Downloader
from luigi_tasks.gateways.objects import ObjectStore, StoreUnavailable
from luigi_tasks.settings import Settings
from luigi_tasks.steps.flow import OneAtATime, WeightGate
from luigi_tasks.steps.room import BodyRoom
from luigi_tasks.steps.verify import Limits, verify

SLACK_BYTES = 1 << 14  # a body that much larger than its record says, and says nothing itself, is not asked for twice
Intend = Callable[[str], None]


@dataclass(frozen=True)
class Share:
    """What one publishing process may take. at_once: pictures that are fetched, and as many others that are put; first:
    of both together, to begin with; bytes: of bodies in flight, and as many of decodes; decoders: children that decode;
    large_bodies, large_decodes: the turns of what is above `bytes`, where processes share them; per_host: pictures of
    one image host in flight at most, None for no such limit."""

    at_once: int
    first: int
    bytes: int
    decoders: int
    per_host: int | None
    large_bodies: OneAtATime | None = None
    large_decodes: OneAtATime | None = None


class Transfer:
    """Moves pictures of one run; shared by its threads. Both gates count bytes, each against all of `share`."""

    def __init__(
        self,
        settings: Settings,
        run_key: str,
        store: Callable[[], ObjectStore],
        downloader: Downloader,
        decoders: Decoders,
        share: Share,
    ) -> None:
        self._run_key, self._store, self._downloader, self._decoders = run_key, store, downloader, decoders
        self._limits = Limits.of(settings)
        self._bodies = WeightGate(share.bytes, share.large_bodies)
        self._buffers = Buffers(share.bytes)
        self._decoding = WeightGate(share.bytes, share.large_decodes)
        self._fetching, self._putting = threading.Semaphore(share.at_once), threading.Semaphore(share.at_once)

    def move(self, item: ManifestItem, intend: Intend, *, quick: bool = False) -> UploadOutcome:
        """Store one picture. intend(sha256) must have committed the intent when it returns.

        quick: ask its host once and only briefly. A failure of this picture is an outcome, not an exception. Raises
        StoreError when the store needs a person, DownloadStopped when the run is stopping, and what intend raises:
        then nothing is to be registered.
        """
        begun = time.monotonic()
        try:
            with contextlib.closing(BodyRoom(self._bodies, self._buffers, item.file_size + SLACK_BYTES)) as room:
                return self._checked_and_put(item, intend, begun, self._fetch(item, room, quick=quick))
        except PictureError as problem:
            return _outcome(item, problem.outcome, begun, reason=problem.reason, http_status=problem.http_status)

    def _fetch(self, item: ManifestItem, room: BodyRoom, *, quick: bool) -> Download:
        with self._fetching:
            crash_point("publish.download.before")
            download = (self._downloader.fetch_quickly if quick else self._downloader.fetch)(item.image_url, room)
            crash_point("publish.download.after")
            return download

    def _checked_and_put(self, item: ManifestItem, intend: Intend, begun: float, download: Download) -> UploadOutcome:
        crash_point("publish.verify.before")
        verified = verify(download.body, item, self._limits, self._decoding.hold, self._decoders.decode)
        crash_point("publish.verify.after")
        store = self._store()
        intend(verified.sha256)
        with self._putting:
            crash_point("publish.put.before")
            outcome, reason = self._put(store, item, download, verified)
            crash_point("publish.put.after")
        return _outcome(item, outcome, begun, reason=reason, download=download, verified=verified)

    def _put(
        self, store: ObjectStore, item: ManifestItem, download: Download, verified: Verified
    ) -> tuple[Outcome, str]:
        try:
            put = store.put_if_absent(
                item.s3_key,
                download.body,
                content_type=verified.file_type,
                sha256=verified.sha256,
                metadata=self._provenance(item, verified.sha256),
            )
        except StoreUnavailable as problem:
            return Outcome.UNSTORED, problem.what
        if put.sha256 != verified.sha256:
            return Outcome.CONFLICT, "other bytes are under the key"
        return Outcome.STORED, ""

    def _provenance(self, item: ManifestItem, sha256: str) -> dict[str, str]:
        """Where the object comes from, in the printable ASCII that S3 allows in metadata."""
        known = {
            "wallhaven-id": item.wallhaven_id,
            "source-url": item.image_url,
            "sha256": sha256,
            "run-key": self._run_key,
            "code-version": CODE_VERSION,
        }
        return {name: quote(value, safe=string.punctuation) for name, value in known.items()}


def _outcome(
    item: ManifestItem,
    outcome: Outcome,
    begun: float,
    *,
    reason: str,
    http_status: int | None = None,
    download: Download | None = None,
    verified: Verified | None = None,
) -> UploadOutcome:
    return UploadOutcome(
        wallhaven_id=item.wallhaven_id,
        outcome=outcome,
        seconds=time.monotonic() - begun,
        reason=reason,
        s3_key=item.s3_key if verified else None,
        sha256=verified.sha256 if verified else None,
        bytes=len(download.body) if download else None,
        content_type=verified.file_type if verified else None,
        width=verified.width if verified else None,
        height=verified.height if verified else None,
        flags=verified.flags if verified else (),
        http_status=download.status if download else http_status,
    )
