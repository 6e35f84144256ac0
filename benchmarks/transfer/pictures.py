"""The pictures of a benchmark: real ones from a folder, or ones that are made here, the same on every machine.

A few bodies are used in turn; each copy carries its number where a decoder skips it, so that no two are the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
MADE = 40
LARGE, SMALL = [(1920, 1080), (2560, 1440), (3840, 2160)], [(480, 270), (640, 360)]
JPEG_HEAD, PNG_HEAD = 2, 33  # bytes before the first place where a comment may stand
JPEG_COMMENT = b"\xff\xfe\x00\x0a%08d"  # its length counts itself
PNG_COMMENT = b"tEXtComment\0%08d"


@dataclass(frozen=True)
class Picture:
    """One that will be asked for. path: where on the server; body's facts as a source's record has them."""

    wallhaven_id: str
    path: str
    s3_key: str
    file_type: str
    file_size: int
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Kind:
    """A body of which numbered copies are offered."""

    body: bytes
    file_type: str
    width: int
    height: int

    def numbered(self, number: int) -> bytes:
        """A copy that differs from every other and decodes to the same pixels."""
        if self.file_type == "image/jpeg":
            return self.body[:JPEG_HEAD] + JPEG_COMMENT % number + self.body[JPEG_HEAD:]
        chunk = PNG_COMMENT % number
        framed = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
        return self.body[:PNG_HEAD] + framed + self.body[PNG_HEAD:]


def kinds(folder: Path | None, *, small: bool = False) -> list[Kind]:
    """The files of the folder that are JPEG or PNG; without one, photographs' stand-ins of 0.3 to 4 MB, or 50 kB."""
    if folder:
        found = [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
        return [_described(body) for body in found if body[:3] == b"\xff\xd8\xff" or body[:4] == b"\x89PNG"]
    chance = random.Random(1)
    return [_described(_made(chance, SMALL if small else LARGE)) for _ in range(MADE)]


def name(folder: Path | None, *, small: bool = False) -> str:
    """What the bodies are called in the history: only measurements of the same ones are compared."""
    return folder.resolve().name if folder else "made, small" if small else "made"


def _made(chance: random.Random, sizes: list[tuple[int, int]]) -> bytes:
    size = chance.choice(sizes)
    noise = Image.frombytes("RGB", (480, 270), chance.randbytes(480 * 270 * 3)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=chance.choice([85, 90, 95] if sizes is LARGE else [20, 30]))
    return file.getvalue()


def offered(found: list[Kind], number: int) -> Iterator[tuple[Picture, bytes]]:
    """So many pictures with their bodies, one at a time: together they may be gigabytes."""
    for index, kind in zip(range(number), itertools.cycle(found)):
        body = kind.numbered(index)
        name, extension = f"b{index:06}", "png" if kind.file_type == "image/png" else "jpg"
        path, key = f"full/{name}.{extension}", f"wallpapers/{name}.{extension}"
        facts = (kind.file_type, len(body), kind.width, kind.height, hashlib.sha256(body).hexdigest())
        yield Picture(name, path, key, *facts), body


def _described(body: bytes) -> Kind:
    with Image.open(io.BytesIO(body)) as image:
        return Kind(body, f"image/{str(image.format).lower()}", image.width, image.height)
