"""The words of fsck: every way in which the database and the bucket can disagree, told apart, and what was found."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

PICTURES = "wallpapers/"
RAW = "raw/"
ASIDE = "aside/"
DERIVATIVES = "derivatives/"
DATASETS = "datasets/"
CLEAN = "clean/"
TAKEDOWNS = "takedowns/"
OURS = (PICTURES, RAW, ASIDE, DERIVATIVES, DATASETS, CLEAN, TAKEDOWNS, "gallery/", "releases/", "probe/")
PICTURE_KEY = re.compile(r"wallpapers/([A-Za-z0-9]{1,32})\.(jpg|png)")
RAW_KEY = re.compile(r"raw/.+/[^/]+\.gz")
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


class Damage(StrEnum):
    """One name for one kind. A put that a killed run left unfinished is none of them: its intent or its run says so.

    Told by rows and a listing (quick):
    row_without_object       a stored picture has no object
    empty_object             an object of 0 bytes
    wrong_size               the object is not as long as its row says
    object_without_row       an object of a wallpaper that no stored row and no intent owns
    second_key               a second object of a wallpaper whose row owns another
    foreign_object           an object whose key is none of ours
    key_of_another_id        a row's key names another wallpaper
    wrong_extension          a row's key does not end as its type does
    duplicate_rows           two stored rows of one wallpaper
    unknown_wallpaper        a stored row of a wallpaper that no raw record describes
    stale_intent             an intent although the picture is stored
    tombstoned_object        an object that was taken down
    tombstoned_row           a row that still counts as stored although it was taken down
    temporary_leftover       bytes that a killed writer left behind
    raw_page_without_object  a page of the ledger has no object
    raw_object_without_row   a raw object of a settled run that the ledger does not know
    derivative_without_object  a derivative that the ledger says was made has no object
    wrong_derivative         a derivative is not what was made: its length, or (deep) its bytes
    file_without_object      a stored file of a dataset has no object
    wrong_file               a dataset's file is not what was stored: its length, or (deep) its bytes
    file_without_row         an object under datasets/ that no row owns, and no run that may go on
    clean_without_object     a written file of the clean zone has no object
    wrong_clean              a file of the clean zone is not what was written: its length, or (deep) its bytes
    clean_without_row        an object under clean/ that was made of no response or dataset that the ledger knows
    unknown_object           an object outside of every folder that the pipeline writes to

    Told by reading every byte (deep):
    unreadable_object        the store does not give the object's bytes
    wrong_bytes              as long as its row says, and other bytes
    wrong_metadata_sha256    the right bytes, described by another hash
    wrong_content_type       the right bytes, described as another type
    raw_body_mismatch        a raw object does not unpack to the body that was hashed
    raw_envelope_mismatch    a raw object is whole, and another page's than its row says
    """

    ROW_WITHOUT_OBJECT = "row_without_object"
    EMPTY_OBJECT = "empty_object"
    WRONG_SIZE = "wrong_size"
    OBJECT_WITHOUT_ROW = "object_without_row"
    SECOND_KEY = "second_key"
    FOREIGN_OBJECT = "foreign_object"
    KEY_OF_ANOTHER_ID = "key_of_another_id"
    WRONG_EXTENSION = "wrong_extension"
    DUPLICATE_ROWS = "duplicate_rows"
    UNKNOWN_WALLPAPER = "unknown_wallpaper"
    STALE_INTENT = "stale_intent"
    TOMBSTONED_OBJECT = "tombstoned_object"
    TOMBSTONED_ROW = "tombstoned_row"
    TEMPORARY_LEFTOVER = "temporary_leftover"
    RAW_PAGE_WITHOUT_OBJECT = "raw_page_without_object"
    RAW_OBJECT_WITHOUT_ROW = "raw_object_without_row"
    DERIVATIVE_WITHOUT_OBJECT = "derivative_without_object"
    WRONG_DERIVATIVE = "wrong_derivative"
    FILE_WITHOUT_OBJECT = "file_without_object"
    WRONG_FILE = "wrong_file"
    FILE_WITHOUT_ROW = "file_without_row"
    CLEAN_WITHOUT_OBJECT = "clean_without_object"
    WRONG_CLEAN = "wrong_clean"
    CLEAN_WITHOUT_ROW = "clean_without_row"
    UNKNOWN_OBJECT = "unknown_object"
    UNREADABLE_OBJECT = "unreadable_object"
    WRONG_BYTES = "wrong_bytes"
    WRONG_METADATA_SHA256 = "wrong_metadata_sha256"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    RAW_BODY_MISMATCH = "raw_body_mismatch"
    RAW_ENVELOPE_MISMATCH = "raw_envelope_mismatch"


@dataclass(frozen=True)
class StoredRow:
    """A row of ops.uploads that counts as stored. known: some raw record describes the wallpaper."""

    upload_id: int
    wallhaven_id: str
    run_key: str
    s3_key: str
    sha256: str
    bytes: int
    content_type: str | None
    flags: Sequence[str]
    known: bool


@dataclass(frozen=True)
class RawPage:
    """A row of ops.pages. lost: an earlier fsck gave its object up."""

    page_id: int
    run_key: str
    entity: str
    page_name: str
    object_key: str
    body_sha256: str
    lost: bool


@dataclass(frozen=True)
class DerivativeRow:
    """A row of ops.derivatives that was made. sha256, bytes: of the derivative itself."""

    object_key: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class FileRow:
    """A row of ops.archive_objects. lost: nobody expects the object any more."""

    dataset: str
    object_key: str
    sha256: str
    bytes: int
    lost: bool


@dataclass(frozen=True)
class CleanRow:
    """A file of the clean zone: of a response, or of a dataset's pictures."""

    object_key: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Finding:
    """One damage at one key. row, page: what the ledger says there, when it says something."""

    damage: Damage
    key: str
    detail: str = ""
    row: StoredRow | None = None
    page: RawPage | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        wallhaven_id = self.row.wallhaven_id if self.row else id_of(self.key)
        return {"damage": str(self.damage), "key": self.key, "wallhaven_id": wallhaven_id, "detail": self.detail}


@dataclass(frozen=True)
class Part:
    """The number-th of `of` shares of everything, by a hash of the wallpaper's id, else of the key."""

    number: int = 1
    of: int = 1

    def has(self, name: str) -> bool:
        """True when what has this id or key belongs to the part."""
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1

    def has_key(self, key: str) -> bool:
        """The same for an object's key, by the wallpaper that it names."""
        return self.has(id_of(key) or key)


@dataclass
class Checked:
    """What one fsck looked at. unfinished: puts of killed runs, which the next run takes up; lost: pages given up."""

    objects: int = 0
    rows: int = 0
    pages: int = 0
    derivatives: int = 0
    files: int = 0
    bytes_read: int = 0
    unfinished: int = 0
    lost_pages: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, damage: Damage, key: str, detail: str = "", *, row: StoredRow | None = None) -> None:
        """One more finding about pictures."""
        self.findings.append(Finding(damage, key, detail, row))

    def counts(self) -> dict[str, int]:
        """How often each damage was found, by name."""
        return dict(sorted(Counter(str(finding.damage) for finding in self.findings).items()))


@dataclass(frozen=True)
class Repair:
    """What was done about a finding. action: 'restored', 'reopened', 'moved aside', 'mended', 'given up' or 'left'."""

    damage: Damage
    key: str
    action: str
    detail: str = ""

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return asdict(self)


def id_of(key: str) -> str | None:
    """The wallpaper that an original's key names, None for any other key."""
    found = PICTURE_KEY.fullmatch(key)
    return found.group(1) if found else None


def speaks_of(key: str, names: frozenset[str]) -> bool:
    """True when a segment of the key, with or without its extension, is one of the names (ids or hashes).

    What only says that something was taken down does not count.
    """
    segments = key.split("/") if not key.startswith(TAKEDOWNS) else []
    return any(segment in names or segment.split(".")[0] in names for segment in segments)
