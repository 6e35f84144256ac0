"""The words of archives: an entry of a zip, and why one is not let in."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Deflate reaches 1,032 to 1; pictures are hardly smaller than what they were compressed to.
MOST_EXPANSION = 200
SMALL = 1 << 20
LONGEST_SEGMENT, LONGEST_NAME = 200, 800  # bytes; a key holds more than the name, and ends at 255 and 1,024
DRIVE = re.compile(r"[A-Za-z]:")


def unpacks_too_far(size: int, packed: int) -> bool:
    """True for so many bytes from so many compressed ones when no honest file does that; a small one may."""
    return size > SMALL and size > MOST_EXPANSION * packed


@dataclass(frozen=True)
class Entry:
    """One file of a zip by its central directory. name: as written there; size, packed: bytes; mode: of Unix, or 0."""

    name: str
    size: int
    packed: int
    crc32: int
    encrypted: bool = False
    mode: int = 0


def refusal(entry: Entry, largest: int) -> str:
    """Why an entry is not let in, '' when it is. largest: bytes."""
    segments = entry.name.split("/")
    if (
        entry.name.startswith("/")
        or DRIVE.match(entry.name)
        or "\\" in entry.name
        or not entry.name.isprintable()
        or any(not segment or segment.startswith(".") for segment in segments)
        or len(entry.name.encode()) > LONGEST_NAME
        or any(len(segment.encode()) > LONGEST_SEGMENT for segment in segments)
    ):
        return "name: it leads out of the archive, is none, or is too long"
    if entry.mode & 0o170000 not in {0, 0o100000}:
        return "a link or a device, not a file"
    if entry.encrypted:
        return "encrypted"
    if entry.size > largest:
        return f"{entry.size} bytes, IMAGE_MAX_BYTES allows {largest}"
    if unpacks_too_far(entry.size, entry.packed):
        return f"unpacks to more than {MOST_EXPANSION} times its size"
    return ""
