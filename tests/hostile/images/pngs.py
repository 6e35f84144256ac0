"""Hostile PNGs, chunk by chunk, every checksum right unless it is the point that it is wrong."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.pictures import encoded, picture, png_chunk

Case = tuple[str, str, bytes]
MAGIC = b"\x89PNG\r\n\x1a\n"
SIZE = (96, 64)
HONEST = picture("PNG", SIZE)
GREY_ROWS = zlib.compress((b"\0" + b"\x7f" * 96) * 64)
END = png_chunk(b"IEND", b"")


def header(  # a PNG header has that many fields
    width: int = 96, height: int = 64, depth: int = 8, colour: int = 0, rest: tuple[int, int, int] = (0, 0, 0)
) -> bytes:
    """IHDR; rest: compression, filter, interlace."""
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *rest))


def png(*chunks: bytes, head: bytes | None = None, pixels: bytes = GREY_ROWS) -> bytes:
    """A grey picture with chunks between its header and its pixels."""
    return MAGIC + (header() if head is None else head) + b"".join(chunks) + png_chunk(b"IDAT", pixels) + END


@functools.cache
def zeros(megabytes: int) -> bytes:
    """So many compressed; about a thousandth of it."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


def truncations() -> Iterator[Case]:
    """Cut at many places."""
    for index in range(1, 19):
        length = len(HONEST) * index // 19
        yield f"png-cut-at-{length}", "corrupt", HONEST[:length]
    yield "png-without-its-end", "corrupt", HONEST[:-12]
    yield "png-cut-before-its-last-byte", "corrupt", HONEST[:-1]


def wrong_checksums() -> Iterator[Case]:
    """One bit of each chunk's checksum is wrong."""
    chunks = {b"IHDR": header(), b"tEXt": png_chunk(b"tEXt", b"a\0b"), b"IDAT": png_chunk(b"IDAT", GREY_ROWS)}
    chunks[b"IEND"] = END
    for kind in chunks:
        spoilt = {**chunks, kind: chunks[kind][:-1] + bytes([chunks[kind][-1] ^ 1])}
        yield f"png-checksum-of-{kind.decode()}", "corrupt", MAGIC + b"".join(spoilt.values())


def bombs() -> Iterator[Case]:
    """Small files that ask for much."""
    yield "png-of-100000x100000", "refused", png(head=header(100_000, 100_000))
    yield "png-of-2147483647x2147483647", "refused", png(head=header(2**31 - 1, 2**31 - 1))
    yield "png-of-4294967295x1", "refused", png(head=header(2**32 - 1, 1))
    yield "png-one-pixel-too-many", "refused", png(head=header(200_000_001, 1))
    yield "png-14000x14000-of-zeros", "whole", png(head=header(14_000, 14_000, depth=1), pixels=zeros(24))
    yield "png-more-pixels-than-its-header-says", "whole", png(pixels=zeros(64))
    for kind, prefix in ((b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"icc\0\0")):
        bomb = png_chunk(kind, prefix + zeros(64))
        yield f"png-{kind.decode()}-that-explodes", "corrupt", png(bomb)
    yield "png-text-that-explodes-in-parts", "corrupt", png(png_chunk(b"zTXt", b"a\0\0" + zeros(1)[:-8]) * 100)
    yield "png-too-much-plain-text", "corrupt", png(png_chunk(b"tEXt", b"a\0" + b"x" * 900_000) * 80)
    yield "png-20000-chunks", "whole", png(png_chunk(b"tEXt", b"a\0b") * 20_000)
    yield "png-unknown-chunk-of-a-megabyte", "whole", png(png_chunk(b"prIv", bytes(1 << 20)))


def broken() -> Iterator[Case]:
    """Headers and pixels that contradict each other."""
    yield "png-of-no-width", "corrupt", png(head=header(0, 64))
    yield "png-of-no-height", "corrupt", png(head=header(96, 0))
    yield "png-of-three-bits", "corrupt", png(head=header(depth=3))
    yield "png-of-colour-type-five", "corrupt", png(head=header(colour=5))
    yield "png-compression-nine", "whole", png(head=header(rest=(9, 0, 0)))
    yield "png-header-too-short", "corrupt", png(head=png_chunk(b"IHDR", b"\0\0\0\x60"))
    yield "png-without-header", "corrupt", MAGIC + png_chunk(b"IDAT", GREY_ROWS) + END
    yield "png-without-pixels", "corrupt", MAGIC + header() + END
    yield "png-only-its-end", "corrupt", MAGIC + END
    yield "png-only-its-magic", "corrupt", MAGIC
    yield "png-pixels-are-no-zlib", "corrupt", png(pixels=b"not zlib at all" * 20)
    yield "png-pixels-with-rows-missing", "whole", png(pixels=zlib.compress(b"\0" * 97 * 40))
    yield "png-pixels-want-a-dictionary", "corrupt", png(pixels=b"\x78\xbb" + GREY_ROWS[2:])
    yield "png-filter-nine", "corrupt", png(pixels=zlib.compress((b"\x09" + b"\x7f" * 96) * 64))
    yield "png-interlaced-and-short", "corrupt", png(head=header(rest=(0, 0, 1)), pixels=zlib.compress(b"\0" * 100))
    yield "png-length-of-2147483647", "corrupt", MAGIC + header() + b"\x7f\xff\xff\xffIDAT" + GREY_ROWS + END
    yield "png-length-of-4294967295", "corrupt", MAGIC + header() + b"\xff\xff\xff\xffIDAT" + GREY_ROWS + END
    yield "png-control-frames-short", "corrupt", png(png_chunk(b"acTL", b"\0"))
    yield "png-frame-without-control", "corrupt", png(png_chunk(b"fdAT", b"\0\0\0\0" + GREY_ROWS))


def odd() -> Iterator[Case]:
    """Rare, strange, and all the same pictures."""
    many = [Image.new("RGB", SIZE, (shade, 0, 0)) for shade in (10, 90, 200)]
    yield "png-animated", "whole", encoded(many[0], "PNG", save_all=True, append_images=many[1:])
    yield "png-animated-by-its-word-only", "whole", png(png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        with Image.new(mode, SIZE) as image:
            yield f"png-{mode.lower().replace(';', '-')}", "whole", encoded(image, "PNG")
    yield "png-of-one-pixel-interlaced", "whole", png(head=header(1, 1, rest=(0, 0, 1)), pixels=zlib.compress(b"\0\0"))
    yield "png-palette-missing", "whole", png(head=header(colour=3))
    yield "png-palette-of-nothing", "whole", png(png_chunk(b"PLTE", b""), head=header(colour=3))
    yield "png-pixels-with-a-wrong-checksum", "corrupt", png(pixels=GREY_ROWS[:-4] + b"\0\0\0\0")
    yield "png-pixels-in-empty-parts", "whole", png(png_chunk(b"IDAT", b"") * 500)
    yield "png-icc-is-noise", "whole", png(png_chunk(b"iCCP", b"icc\0\0" + b"\xee" * 100))
    yield "png-exif-is-noise", "whole", png(png_chunk(b"eXIf", b"\xee" * 100))
    yield "png-resolution-of-zero", "whole", png(png_chunk(b"pHYs", bytes(9)))
    yield "png-a-script-as-text", "whole", png(png_chunk(b"tEXt", b"Comment\0<script>alert(1)</script>"))
    yield "png-end-with-data", "whole", MAGIC + header() + png_chunk(b"IDAT", GREY_ROWS) + png_chunk(b"IEND", b"x" * 9)
    yield "png-with-a-zip-behind", "trailing_bytes", HONEST + b"PK\x05\x06" + b"\0" * 18
    yield "png-with-a-png-behind", "trailing_bytes", HONEST + HONEST
    yield "png-with-a-page-behind", "trailing_bytes", HONEST + b"<html><script>alert(1)</script>"


def cases() -> Iterator[Case]:
    """Name, expected outcome, body."""
    for make in (truncations, wrong_checksums, bombs, broken, odd):
        yield from make()
