"""Bodies of other kinds under a picture's name."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.pictures import picture

Case = tuple[str, str, bytes]


def cases() -> Iterator[Case]:
    """Name, expected outcome, body. A name that starts with jpeg- or png- is stored under that extension, else jpg."""
    yield "png-key-jpeg-bytes", "refused", picture("JPEG")
    yield "jpeg-key-png-bytes", "refused", picture("PNG")
    for kind in ("GIF", "WEBP", "BMP"):
        yield f"other-{kind.lower()}", "refused", picture(kind)
    for kind in ("TIFF", "ICO", "PPM", "TGA"):
        yield f"other-{kind.lower()}", "corrupt", picture(kind)
    yield "other-avif", "refused", b"\0\0\0\x20ftypavif" + bytes(100)
    yield "other-gif-and-script", "refused", b"GIF89a/*" + bytes(20) + b"*/=alert(1)"
    yield "other-empty", "corrupt", b""
    yield "other-one-byte", "corrupt", b"\xff"
    yield "other-page", "corrupt", b"<!DOCTYPE html><title>Just a moment...</title>"
    yield "other-svg", "corrupt", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield (
        "other-xml-entities",
        "corrupt",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    )
    yield "other-pdf", "corrupt", b"%PDF-1.7\n" + bytes(100)
    yield "other-postscript", "corrupt", b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file\n"
    yield "other-zip", "corrupt", b"PK\x03\x04" + bytes(100)
    yield "other-elf", "corrupt", b"\x7fELF" + bytes(100)
    yield "other-gzipped-jpeg", "corrupt", gzip.compress(picture("JPEG"), mtime=0)
    yield "other-jpeg-behind-a-newline", "corrupt", b"\n" + picture("JPEG")
    yield "other-zeros", "refused", bytes(100_000)
