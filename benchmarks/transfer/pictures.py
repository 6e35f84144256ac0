"""The pictures of a benchmark: real ones from a folder, or ones that are made here, the same on every machine."""

from __future__ import annotations

import hashlib
import io
import itertools
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
MADE = 40


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


def bodies(folder: Path | None) -> list[bytes]:
    """The files of the folder that are JPEG or PNG; without one, photographs' stand-ins of 0.3 to 4 MB."""
    if folder:
        found = [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
        return [body for body in found if body[:3] == b"\xff\xd8\xff" or body[:4] == b"\x89PNG"]
    chance = random.Random(1)
    return [_made(chance) for _ in range(MADE)]


def _made(chance: random.Random) -> bytes:
    size = chance.choice([(1920, 1080), (2560, 1440), (3840, 2160)])
    noise = Image.frombytes("RGB", (480, 270), chance.randbytes(480 * 270 * 3)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=chance.choice([85, 90, 95]))
    return file.getvalue()


def offered(folder: Path | None, number: int) -> tuple[list[Picture], dict[str, bytes]]:
    """So many pictures, the bodies used in turn, and what the server has under each path."""
    kinds = [_described(body) for body in bodies(folder)]
    pictures, served = [], {}
    for index, (body, kind, width, height, digest) in zip(range(number), itertools.cycle(kinds)):
        name, extension = f"b{index:06}", "png" if kind == "image/png" else "jpg"
        path = f"full/{name}.{extension}"
        served[path] = body
        pictures.append(Picture(name, path, f"wallpapers/{name}.{extension}", kind, len(body), width, height, digest))
    return pictures, served


def _described(body: bytes) -> tuple[bytes, str, int, int, str]:
    with Image.open(io.BytesIO(body)) as image:
        return body, f"image/{str(image.format).lower()}", image.width, image.height, hashlib.sha256(body).hexdigest()
