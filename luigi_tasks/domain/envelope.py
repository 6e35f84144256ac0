"""An object of the raw zone: gzip of one line of JSON, the envelope, then of the exact bytes of the response's body.

`zcat OBJECT | head -1` shows the envelope, `zcat OBJECT | tail -n +2` the body. One object, so that a response is
kept whole or not at all; the same response gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import datetime
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from luigi_tasks.domain.archive import MOST_EXPANSION
from luigi_tasks.domain.errors import SourceError, StoreError

DAMAGED = "Restore the objects from a backup, or collect anew under another run id."
CONTENT_TYPE = "application/gzip"  # of the object; the body has its own
EVIDENCE = ".refused-"  # in the key of an answer that was none: kept beside a page, and itself no page
# Whoever writes to the bucket does not decide how much is unpacked: it is a page or file of the largest size that the
# settings allow by default, or what packs no better than anything that sources send.
ALWAYS_UNPACKED = 64 << 20
GZIP, PIECE, LONGEST_LINE = 31, 1 << 20, 16 << 20
SECRET_HEADERS = frozenset({"set-cookie", "x-api-key", "authorization", "cookie"})


@dataclass(frozen=True)
class Envelope:
    """Where a body came from. request: method, path, params; never a credential. fetched_at: UTC.

    query: text and parameters of the run's query, so that the run can be entered again from any of its responses;
    source_address, settings_sha256: as in ops.runs. Objects written before these three were kept have None and ''.
    redacted: fields whose values were replaced before the body was kept; sha256 and body_bytes are of what is kept.
    """

    run_key: str
    source: str
    entity: str
    page_name: str
    request: Mapping[str, object]
    status: int
    headers: Mapping[str, str]
    fetched_at: datetime.datetime
    sha256: str
    body_bytes: int
    code_version: str
    query: Mapping[str, object] | None = None
    source_address: str = ""
    settings_sha256: str = ""
    redacted: Sequence[str] = ()

    @property
    def content_type(self) -> str:
        """The media type of the body without its parameters, lower case; '' when the source named none."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Response headers, names lower case, without those that carry a secret."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: lower[name] for name in sorted(lower.keys() - SECRET_HEADERS)}


def digest(body: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(body).hexdigest()


def pack(envelope: Envelope, body: bytes) -> bytes:
    """The bytes of the raw object. Raises SourceError for a body that `unpack` would refuse."""
    fields = dataclasses.asdict(envelope) | {"fetched_at": envelope.fetched_at.isoformat()}
    line = json.dumps(fields, sort_keys=True).encode() + b"\n"
    packed = gzip.compress(line, mtime=0) + gzip.compress(body, mtime=0)
    if len(body) > most_unpacked(len(packed)):
        raise SourceError(
            f"the answer's {len(body)} bytes say so little that they pack to {len(packed)}",
            where=f"{envelope.run_key} {envelope.page_name}",
            mend="Look at it: no listing or file of records is like that.",
        )
    return packed


def most_unpacked(packed: int) -> int:
    """Bytes to which an object of so many may unpack."""
    return max(ALWAYS_UNPACKED, MOST_EXPANSION * packed)


def unpack(packed: bytes) -> tuple[Envelope, bytes]:
    """Envelope and body of a raw object. Raises StoreError when they are not the ones that were packed.

    No more is unpacked than the envelope says that the body has, and never more than `most_unpacked`.
    """
    try:
        pieces = _inflated(packed)
        line, body = _line(pieces)
        fields = json.loads(line)
        most = min(most_unpacked(len(packed)), fields["body_bytes"])
        while len(body) <= most and (piece := next(pieces, b"")):
            body += piece
    except (OSError, EOFError, zlib.error, ValueError) as problem:
        raise StoreError(f"a raw object is damaged: {problem}", mend=DAMAGED) from None
    if len(body) > most:
        raise StoreError(
            f"a raw object is damaged: it unpacks to more than the {most} bytes that it may have",
            where=f"{fields.get('run_key')} {fields.get('page_name')}",
            mend=DAMAGED,
        )
    moment = datetime.datetime.fromisoformat(fields["fetched_at"])
    envelope = Envelope(**fields | {"fetched_at": moment, "redacted": tuple(fields.get("redacted", ()))})
    whole = bytes(body)
    if digest(whole) != envelope.sha256:
        raise StoreError(
            "a raw object is damaged: its body's SHA-256 is not the recorded one",
            where=f"{envelope.run_key} {envelope.page_name}",
            mend=DAMAGED,
        )
    return envelope, whole


def _line(pieces: Iterator[bytes]) -> tuple[bytes, bytearray]:
    """The first line, and what of the body was unpacked with it."""
    text = bytearray()
    for piece in pieces:
        text += piece
        if b"\n" in piece or len(text) > LONGEST_LINE:
            break
    line, _, body = text.partition(b"\n")
    return bytes(line), body


def _inflated(packed: bytes) -> Iterator[bytes]:
    """What gzip members one after another hold, never more than PIECE at once. Raises EOFError, zlib.error."""
    while packed:
        member = zlib.decompressobj(wbits=GZIP)
        while not member.eof:
            before, piece = len(packed), member.decompress(packed, PIECE)
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if not piece and not member.eof and len(packed) == before:
                raise EOFError("it ends too early")
            if piece:
                yield piece
