"""The framing that drivers put around an object's bytes when its checksum follows them (aws-chunked)."""

from __future__ import annotations


def unframed(body: bytes) -> bytes:
    """The object's own bytes; what trails them is dropped. Raises ValueError for what is not framed so."""
    parts, at = [], 0
    while True:
        head = body.index(b"\r\n", at)
        size = int(body[at:head].partition(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[head + 2 : head + 2 + size])
        at = head + 2 + size + 2
