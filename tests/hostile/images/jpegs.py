"""Hostile JPEGs, made from small honest ones by taking the segments apart (ITU T.81, annex B)."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from PIL import Image

from tests.pictures import encoded, picture

Case = tuple[str, str, bytes]
SIZE = (96, 64)
BASELINE = picture("JPEG", SIZE)
PROGRESSIVE = picture("JPEG", SIZE, progressive=True)
SOI, EOI, SOS, DQT, DHT, SOF0, APP1, APP2, COM, DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xC0, 0xE1, 0xE2, 0xFE, 0xDD


def segment(marker: int, data: bytes) -> bytes:
    """One segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def segments(body: bytes) -> list[tuple[int, bytes]]:
    """Marker and whole bytes of every segment between SOI and EOI; a scan's data belongs to its SOS."""
    found, position = [], 2
    while body[position + 1] != EOI:
        marker = body[position + 1]
        end = position + 2 + int.from_bytes(body[position + 2 : position + 4])
        while marker == SOS and not (body[end] == 0xFF and body[end + 1] not in {0, *range(0xD0, 0xD8)}):
            end += 1
        found.append((marker, body[position:end]))
        position = end
    return found


def joined(parts: list[tuple[int, bytes]]) -> bytes:
    """The file of these segments."""
    return b"\xff\xd8" + b"".join(part for _, part in parts) + b"\xff\xd9"


def without(marker: int, body: bytes = BASELINE) -> bytes:
    """The file but for the segments of a kind."""
    return joined([part for part in segments(body) if part[0] != marker])


def with_frame(**changes: int) -> bytes:
    """The baseline file whose frame header says something else, byte by byte: offset0=value of the payload."""
    parts = []
    for marker, part in segments(BASELINE):
        changed = bytearray(part)
        for name, value in changes.items():
            if marker == SOF0:
                changed[4 + int(name.removeprefix("at"))] = value
        parts.append((marker, bytes(changed)))
    return joined(parts)


def as_marker(marker: int) -> bytes:
    """The baseline file with the marker of another coding process."""
    return BASELINE.replace(b"\xff\xc0", bytes([0xFF, marker]), 1)


def inserted(extra: bytes, body: bytes = BASELINE) -> bytes:
    """The file with bytes after SOI."""
    return body[:2] + extra + body[2:]


def scan_of(data: bytes) -> bytes:
    """The baseline file with other bytes as its scan."""
    parts = segments(BASELINE)
    marker, scan = parts[-1]
    header = scan[: 2 + int.from_bytes(scan[2:4])]
    return joined([*parts[:-1], (marker, header + data)])


def deep_scans(times: int, size: tuple[int, int] = (1500, 1500)) -> bytes:
    """A progressive picture one of whose scans comes so often that decoding takes minutes of a few kilobytes."""
    with Image.new("RGB", size, (9, 99, 199)) as image:
        parts = segments(encoded(image, "JPEG", progressive=True))
    last = max(index for index, (marker, _) in enumerate(parts) if marker == SOS)
    return joined([*parts, *[parts[last]] * times])


def truncations() -> Iterator[Case]:
    """Cut at many places."""
    for name, body, count in (("baseline", BASELINE, 16), ("progressive", PROGRESSIVE, 12)):
        for index in range(1, count + 1):
            length = len(body) * index // (count + 1)
            yield f"jpeg-{name}-cut-at-{length}", "corrupt", body[:length]
    yield "jpeg-cut-before-its-last-byte", "corrupt", BASELINE[:-1]
    yield "jpeg-cut-and-closed", "corrupt", BASELINE[: len(BASELINE) // 3] + b"\xff\xd9"


def broken() -> Iterator[Case]:
    """Segments that are missing, lie or contradict each other."""
    noise = random.Random(7).randbytes(2000).replace(b"\xff", b"\xfe")
    yield "jpeg-without-quantisation-tables", "corrupt", without(DQT)
    yield "jpeg-without-frame", "corrupt", without(SOF0)
    yield "jpeg-without-scan", "corrupt", without(SOS)
    yield (
        "jpeg-with-two-frames",
        "corrupt",
        joined([part for entry in segments(BASELINE) for part in [entry] * (2 if entry[0] == SOF0 else 1)]),
    )
    yield "jpeg-scan-before-frame", "corrupt", joined(segments(BASELINE)[::-1])
    yield "jpeg-of-no-height", "corrupt", with_frame(at1=0, at2=0)
    yield "jpeg-of-no-width", "corrupt", with_frame(at3=0, at4=0)
    yield "jpeg-of-no-components", "corrupt", with_frame(at5=0)
    yield "jpeg-of-five-components", "corrupt", with_frame(at5=5)
    yield "jpeg-sampling-zero", "corrupt", with_frame(at7=0)
    yield "jpeg-sampling-fifteen", "corrupt", with_frame(at7=0xFF)
    yield "jpeg-of-twelve-bits", "corrupt", with_frame(at0=12)
    yield "jpeg-of-65535x65535", "refused", with_frame(at1=255, at2=255, at3=255, at4=255)
    for marker, name in ((0xC3, "lossless"), (0xC5, "differential"), (0xCB, "arithmetic-lossless")):
        yield f"jpeg-{name}", "corrupt", as_marker(marker)
    yield "jpeg-huffman-table-overflows", "corrupt", inserted(segment(DHT, b"\0" + b"\xff" * 16 + b"\0" * 40))
    yield "jpeg-quantisation-table-short", "corrupt", inserted(segment(DQT, b"\0" + b"\x01" * 10))
    yield "jpeg-segment-of-length-zero", "whole", inserted(b"\xff\xe5\0\0")
    yield "jpeg-segment-beyond-the-end", "corrupt", inserted(b"\xff\xe5\xff\xff")
    yield "jpeg-only-start-and-end", "corrupt", b"\xff\xd8\xff\xd9"
    yield "jpeg-only-comments", "corrupt", inserted(segment(COM, b"x" * 65000) * 20, b"\xff\xd8\xff\xd9")
    # What a decoder cannot know: a scan that is short or noise is a picture with odd pixels (see steps/verify.py).
    yield "jpeg-taller-than-its-scan", "whole", with_frame(at1=40, at2=0)
    yield "jpeg-scan-is-empty", "whole", scan_of(b"")
    yield "jpeg-scan-is-noise", "whole", scan_of(noise)
    yield "jpeg-restart-interval-without-markers", "whole", inserted(segment(DRI, b"\0\1"))


def costly() -> Iterator[Case]:
    """Small files that ask for much."""
    yield "jpeg-deep-progressive-scans", "corrupt", deep_scans(30_000)
    yield "jpeg-some-progressive-scans", "whole", deep_scans(20, (200, 200))
    icc = b"ICC_PROFILE\0"
    yield (
        "jpeg-icc-of-255-parts",
        "whole",
        inserted(b"".join(segment(APP2, icc + bytes([part, 255]) + b"\0" * 4000) for part in range(1, 256))),
    )
    yield "jpeg-icc-parts-missing", "whole", inserted(segment(APP2, icc + b"\x09\x0a" + b"\0" * 100))
    yield "jpeg-icc-part-too-short", "corrupt", inserted(segment(APP2, icc))
    yield "jpeg-a-thousand-exif-segments", "whole", inserted(segment(APP1, b"Exif\0\0II*\0") * 1000)


def odd() -> Iterator[Case]:
    """Rare, strange, and all the same pictures."""
    loop = b"Exif\0\0II*\0\x08\0\0\0" + b"\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0" + b"\x08\0\0\0"
    yield "jpeg-exif-directory-loops", "whole", picture("JPEG", SIZE, exif=loop)
    yield "jpeg-exif-is-noise", "whole", inserted(segment(APP1, b"Exif\0\0" + b"\xff\xee" * 300))
    yield "jpeg-exif-offset-beyond", "whole", inserted(segment(APP1, b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    yield "jpeg-mpf-that-lies", "whole", inserted(segment(APP2, b"MPF\0II*\0\xff\xff\xff\x7f"))
    yield "jpeg-photoshop-that-lies", "whole", inserted(segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\xff\xff\xff\xff"))
    yield "jpeg-adobe-transform-nine", "whole", inserted(segment(0xEE, b"Adobe\0d\0\0\0\0\x09"))
    yield "jpeg-end-markers-in-a-comment", "whole", inserted(segment(COM, b"\xff\xd9" * 100))
    yield "jpeg-a-script-in-a-comment", "whole", inserted(segment(COM, b"<script>alert(1)</script>"))
    for mode in ("L", "CMYK"):
        with Image.new(mode, SIZE) as image:
            yield f"jpeg-{mode.lower()}", "whole", encoded(image, "JPEG")
    yield "jpeg-cmyk-progressive", "whole", encoded(Image.new("CMYK", SIZE), "JPEG", progressive=True)
    yield "jpeg-fill-bytes-between-segments", "whole", inserted(b"\xff" * 500)
    yield "jpeg-with-a-zip-behind", "trailing_bytes", BASELINE + b"PK\x05\x06" + b"\0" * 18
    yield "jpeg-with-a-page-behind", "trailing_bytes", BASELINE + b"<html><script>alert(1)</script>"
    yield "jpeg-with-a-jpeg-behind", "trailing_bytes", BASELINE + PROGRESSIVE
    yield "jpeg-with-zeros-behind", "trailing_bytes", BASELINE + b"\0" * 100_000


def cases() -> Iterator[Case]:
    """Name, expected outcome, body."""
    for make in (truncations, broken, costly, odd):
        yield from make()
