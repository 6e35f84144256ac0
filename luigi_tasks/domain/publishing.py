"""The words of Publish: a manifest's item, what an attempt at it came to, and what is known of a stored picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

Body = bytes | bytearray | memoryview  # of a picture; whoever gets one only reads it


class Outcome(StrEnum):
    """What one attempt at one picture came to.

    Final until someone re-opens it:
    stored       the object holds the verified bytes, put by this attempt or found there already
    gone         the image host says 404 or 410
    refused      our own rules say no: host, address, size, pixels, type, or a mismatch with the record
    conflict     other bytes are under the key already; they were not overwritten

    Tried again by later runs, until the set number of attempts:
    corrupt      what arrived is not a whole picture
    unreachable  no usable answer from the image host: 5xx, 401, 403, time-out, reset, cut short
    throttled    429, also after waiting as told
    unstored     the picture is good, but the object store did not confirm it; the intent stays
    """

    STORED = "stored"
    GONE = "gone"
    REFUSED = "refused"
    CONFLICT = "conflict"
    CORRUPT = "corrupt"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNSTORED = "unstored"


class PictureError(Exception):
    """One picture failed, and only that one. retry_after: seconds that the host asked us to wait."""

    def __init__(
        self, outcome: Outcome, reason: str, http_status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(outcome, reason, http_status, retry_after)
        self.outcome, self.reason, self.http_status, self.retry_after = outcome, reason, http_status, retry_after

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


@dataclass(frozen=True)
class ManifestItem:
    """One picture to publish, as its record describes it. file_size: bytes; width, height: pixels."""

    wallhaven_id: str
    image_url: str
    s3_key: str
    file_type: str
    file_size: int
    width: int
    height: int


@dataclass(frozen=True)
class Claim:
    """The right to work on an item until the lease runs out; only the newest fence of a picture may register.

    taken_down: why it must not be had, when the claim was made; None: it may.
    """

    item: ManifestItem
    fence: int
    taken_down: str | None = None


class ClaimLost(Exception):
    """The lease ran out: the picture is, or may be, another worker's. Nothing was changed."""


@dataclass(frozen=True)
class Verified:
    """What the bytes themselves say. flags: where they disagree with the record (see Flag)."""

    file_type: str
    width: int
    height: int
    sha256: str
    flags: tuple[str, ...]


class Flag(StrEnum):
    """A whole picture that is not quite what its record says, or not only a picture."""

    FILE_SIZE = "file_size"
    FILE_TYPE = "file_type"
    DIMENSIONS = "dimensions"
    TRAILING_BYTES = "trailing_bytes"


@dataclass(frozen=True)
class UploadOutcome:
    """What ops.uploads keeps of one attempt. seconds: how long it took; bytes: size of the body that was checked."""

    wallhaven_id: str
    outcome: Outcome
    seconds: float
    reason: str = ""
    s3_key: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    flags: tuple[str, ...] = ()
    http_status: int | None = None


@dataclass(frozen=True)
class UploadTotals:
    """A run's manifest in numbers, counted from the tables.

    items: in the manifest; open: neither attempted by this run nor stored by another; stored_bytes: by this run;
    outcomes: attempts of this run by outcome; flagged: stored ones that have a flag; stopped: a sentence for each
    host that was given up; store: what the probe of the object store found.
    """

    items: int
    open: int
    stored_bytes: int
    flagged: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    store: Mapping[str, object] = field(default_factory=dict)

    @property
    def attempts(self) -> int:
        """Attempts of this run, whatever they came to."""
        return sum(self.outcomes.values())

    def as_dict(self) -> dict[str, object]:
        """Plain values, for a ledger row or JSON."""
        return asdict(self) | {"attempts": self.attempts}
