"""Small pictures made on the spot, for tests that need real ones."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from luigi_tasks.domain.publishing import ManifestItem


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 40), seed: int = 0, **options: object) -> bytes:
    """A whole picture with some detail in it, different for every seed."""
    with (
        Image.effect_mandelbrot(size, (-3.0, -2.5, 2.0, 2.5 - seed / 500), 60) as fractal,
        Image.new("RGB", size, (seed * 37 % 256, seed * 101 % 256, 90)) as image,
    ):
        image.paste(fractal, (0, 0, *size), mask=fractal)
        return encoded(image, kind, **options)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of that kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def item(
    body: bytes, *, wallhaven_id: str = "abc123", url: str = "http://127.0.0.1/x", **different: object
) -> ManifestItem:
    """The manifest item whose record describes body truly, but for what is given."""
    with Image.open(io.BytesIO(body)) as image:
        file_type = f"image/{image.format.lower()}"
        true = {"file_type": file_type, "file_size": len(body), "width": image.width, "height": image.height}
    extension = "png" if file_type == "image/png" else "jpg"
    key = f"wallpapers/{wallhaven_id}.{extension}"
    return ManifestItem(**{"wallhaven_id": wallhaven_id, "image_url": url, "s3_key": key, **true, **different})


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(pixels: bytes, width: int = 64, height: int = 40) -> bytes:
    """A grey PNG of that size with these bytes as its compressed pixels, every checksum right."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks
