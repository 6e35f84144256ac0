"""Is this body the whole picture that its record describes? Pure: bytes in, facts out.

Only JPEG and PNG are accepted, which is all that the source has. Both are walked marker by marker or chunk by chunk to
the true end first, because a decoder alone accepts a PNG without its IEND and nearly every flipped bit; then decoded in
full, because a good outline says nothing of the pixels. Bytes after the end are flagged, not refused.
What passes all the same: a flipped bit inside a JPEG's scan, and a picture that was encoded with rows missing; only
the record's file_size and the SHA-256 kept from now on speak of those.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from luigi_tasks.domain.publishing import Body, Flag, ManifestItem, Outcome, PictureError, Verified
from luigi_tasks.settings import Settings
from luigi_tasks.steps.decoding import DECODER_ERRORS, JPEG, PNG, decode_whole, decoded_bytes, open_picture, sniff

Room = Callable[[int], AbstractContextManager[None]]
Decode = Callable[[Body, str, Room], tuple[int, int]]

EXTENSIONS = {JPEG: {"jpg", "jpeg"}, PNG: {"png"}}
OTHER_MAGIC = {
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
    b"\x00\x00\x00": "image/avif or the like",
}
HEADER_BYTES = (1 << 15, 1 << 18)  # most headers are in the first; one with a preview may take the second
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


class Corrupt(PictureError):
    """The body is not a whole picture."""

    def __init__(self, reason: str) -> None:
        super().__init__(Outcome.CORRUPT, reason)


class Refused(PictureError):
    """The body may be a picture, but not one that our rules let in."""

    def __init__(self, reason: str) -> None:
        super().__init__(Outcome.REFUSED, reason)


@dataclass(frozen=True)
class Limits:
    """max_pixels: width times height; refuse_mismatch: refuse rather than flag what disagrees with its record;
    full_decode: False for the header alone of what has the outline of a picture."""

    max_pixels: int
    refuse_mismatch: bool
    full_decode: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(settings.image_max_pixels, settings.image_mismatch == "refuse", settings.image_full_decode)


def verify(
    body: Body,
    item: ManifestItem,
    limits: Limits,
    decoding: Room,
    decode: Decode | None = None,
) -> Verified:
    """What the body is, and where it disagrees with its record. Raises PictureError: corrupt or refused.

    decoding(bytes) is entered for the time of the full decode, with the memory that it may take. decode: does it
    elsewhere, as Publish has it done; without it this process decodes, which is for bodies that are known.
    """
    file_type = _accepted_type(body)
    if item.s3_key.rpartition(".")[2] not in EXTENSIONS[file_type]:
        raise Refused(f"type: {file_type} does not fit the key's extension")
    end = _jpeg_end(body) if file_type == JPEG else _png_end(body)
    if not limits.full_decode:
        width, height = _read_header(body, file_type, limits)
    elif decode:
        width, height = decode(body, file_type, decoding)
    else:
        width, height = _decode(body, file_type, limits, decoding)
    disagreements = {
        Flag.FILE_SIZE: len(body) != item.file_size,
        Flag.FILE_TYPE: file_type != item.file_type,
        Flag.DIMENSIONS: (width, height) != (item.width, item.height),
    }
    flags = tuple(flag for flag, disagrees in disagreements.items() if disagrees)
    if flags and limits.refuse_mismatch:
        raise Refused(f"disagrees with its record: {', '.join(flags)}")
    if end < len(body):
        flags += (Flag.TRAILING_BYTES,)
    return Verified(file_type, width, height, hashlib.sha256(body).hexdigest(), flags)


def _accepted_type(body: Body) -> str:
    if file_type := sniff(body):
        return file_type
    for magic, name in OTHER_MAGIC.items():
        if body[: len(magic)] == magic:
            raise Refused(f"type: {name}")
    raise Corrupt("not an image")


def _jpeg_end(body: Body) -> int:
    """Where the end-of-image marker ends (ITU T.81, annex B): segments are skipped by their lengths, scans searched."""
    position = 2
    while marker := _JPEG_MARKER.search(body, position):
        position = marker.end()
        if marker[1] == b"\xd9":
            return position
        position += int.from_bytes(body[position : position + 2])
    raise Corrupt("cut short: no end marker")


def _png_end(body: Body) -> int:
    """Where the IEND chunk ends (PNG specification, section 5); every chunk's CRC-32 is checked on the way."""
    view, position = memoryview(body), 8
    while position + 12 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, position)
        end: int = position + 12 + length
        if end > len(body):
            break
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise Corrupt("damaged: a chunk's checksum is wrong")
        if kind == b"IEND":
            return end
        position = end
    raise Corrupt("cut short: no end marker")


def _decode(body: Body, file_type: str, limits: Limits, decoding: Room) -> tuple[int, int]:
    """Decode every pixel; width and height. The header's pixels are counted before any is allocated."""
    try:
        with open_picture(body, file_type) as picture:
            width, height = picture.size
            if width * height > limits.max_pixels:
                raise Refused("more pixels than IMAGE_MAX_PIXELS")
            with decoding(decoded_bytes(picture)):
                decode_whole(picture)
            return width, height
    except DECODER_ERRORS as problem:
        raise Corrupt(f"does not decode: {type(problem).__name__}") from problem


def _read_header(body: Body, file_type: str, limits: Limits) -> tuple[int, int]:
    """Width and height; of a large body only the beginning is copied for the parser, unless its header is longer."""
    for part in (*(body[:size] for size in HEADER_BYTES), body):
        try:
            with open_picture(part, file_type) as picture:
                width, height = picture.size
        except DECODER_ERRORS as problem:
            if len(part) == len(body):
                raise Corrupt(f"does not decode: {type(problem).__name__}") from problem
        else:
            if width * height > limits.max_pixels:
                raise Refused("more pixels than IMAGE_MAX_PIXELS")
            return width, height
    raise AssertionError("the whole body returns or raises")
