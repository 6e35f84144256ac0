"""A stand-in of Kaggle's API and its file host: one dataset of the shape of Fashion Product Images, as a zip.

API          GET /datasets/download/{owner}/{name} with HTTP Basic → 302 to a file, as https://www.kaggle.com/docs/api
File host    ETag, Range with If-Range, If-None-Match, x-goog-hash: as Google Cloud Storage answers
Quirks       commas that nobody quoted in productDisplayName, a year that is none, an id that is none, a product without
             a picture and the reverse, a picture that is none, with and without EXIF, CMYK, greyscale, a PNG named .jpg
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import random
import zipfile

from PIL import Image

from twin.messages import Request, Response, error_answer

DATASET = "twin-fashion/fashion-product-images"
USER, KEY = "twin", "twin-key"
HEADER = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
TYPES = (
    ("Apparel", "Topwear", "Tshirts", (60, 80)),
    ("Apparel", "Bottomwear", "Jeans", (60, 80)),
    ("Footwear", "Shoes", "Casual Shoes", (60, 60)),
    ("Accessories", "Watches", "Watches", (80, 60)),
)
COLOURS = {"Black": (25, 25, 28), "White": (240, 240, 238), "Navy Blue": (30, 40, 90), "Red": (190, 30, 45)}
MOMENT = (2026, 11, 1, 12, 0, 0)
FIRST_ID = 1163
BAD_YEAR, BAD_ID, COMMAS, NO_PICTURE, UNREADABLE, CMYK, GREY, PNG, WITH_EXIF = 4, 9, 14, 19, 24, 29, 34, 39, 44
"""Which product, counted from 0, has which quirk. BAD_ID's line has `n/a` for its id; the others keep theirs."""

ORPHAN = "999999.jpg"
"""A picture of no product."""


class Kaggle:
    """The dataset. products: how many lines styles.csv has; sound: without lines that no schema takes."""

    NAME = "kaggle"

    def __init__(self, products: int = 200, *, sound: bool = False) -> None:
        self.archive = archive(products, sound=sound)

    def answer(self, request: Request) -> Response:
        """A redirect from the API, the zip or a part of it from the file host."""
        if request.path == f"/datasets/download/{DATASET}":
            return self._redirect(request)
        if request.path == "/files/archive.zip":
            return self._file(request)
        return error_answer(404, "Not found")

    def _redirect(self, request: Request) -> Response:
        known = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return error_answer(401, "Unauthorized")
        location = f"http://{request.headers['host']}/{self.NAME}/files/archive.zip?signature=one"
        return Response(302, b"", "text/html", (("location", location),))

    def _file(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return error_answer(400, "the file host was sent a credential")
        body, etag = self.archive, f'"{hashlib.md5(self.archive, usedforsecurity=False).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return Response(304, b"", "application/zip", (("etag", etag),))
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        facts = (("etag", etag), ("accept-ranges", "bytes"), ("x-goog-hash", f"crc32c=AAAAAA==,md5={checksum}"))
        asked = request.headers.get("range", "")
        if asked.startswith("bytes=") and request.headers.get("if-range") == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            span = ("content-range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            return Response(206, body[start:], "application/zip", (*facts, span))
        return Response(200, body, "application/zip", facts)


def demo_site(visits: int) -> Kaggle:
    """As the demo has it after so many visits."""
    return Kaggle()


def demo_settings(address: str, file_host: str) -> dict[str, str]:
    """What leads to the dataset, beside the site's address."""
    return {"KAGGLE_FILE_HOSTS": file_host, "KAGGLE_QUERY": DATASET, "KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY}


@functools.cache
def archive(products: int, *, sound: bool = False) -> bytes:
    """The zip; the same number of products gives the same bytes."""
    chance = random.Random(products)
    file = io.BytesIO()
    lines, links = [HEADER], ["filename,link"]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(products):
            kind = TYPES[number % len(TYPES)]
            colour = chance.choice(sorted(COLOURS))
            product = FIRST_ID + 7 * number
            lines.append(_line(chance, number, product, kind, colour, sound=sound))
            links.append(f"{product}.jpg,{'undefined' if number % 10 == 3 else f'http://assets.example/{product}.jpg'}")
            if number != NO_PICTURE:
                _add(packed, f"images/{product}.jpg", _picture(chance, number, kind[3], colour))
        _add(packed, f"images/{ORPHAN}", _picture(chance, products, (60, 80), "Red"))
        _add(packed, "styles.csv", "\n".join(lines).encode() + b"\n")
        _add(packed, "images.csv", "\n".join(links).encode() + b"\n")
    return file.getvalue()


def _line(
    chance: random.Random, number: int, product: int, kind: tuple[str, str, str, object], colour: str, *, sound: bool
) -> str:
    name = f"Brand {number % 7} {colour} {kind[2]}"
    if number == COMMAS:
        name += ", pack of 2, gift box"
    year = (
        "20l2"
        if number == BAD_YEAR and not sound
        else ""
        if number == BAD_YEAR + 1
        else str(chance.randrange(2007, 2019))
    )
    cells = [
        "n/a" if number == BAD_ID and not sound else str(product),
        chance.choice(["Men", "Women", "Boys", "Girls", "Unisex"]),
        *kind[:3],
        colour,
        chance.choice(["Summer", "Winter", "Fall", "Spring"]),
        year,
        chance.choice(["Casual", "Formal", "Sports", "NA"]),
        name,
    ]
    return ",".join(str(cell) for cell in cells)


def _picture(chance: random.Random, number: int, size: tuple[int, int], colour: str) -> bytes:
    if number == UNREADABLE:
        return b"\xff\xd8\xff\xe0 this was a picture once"
    image = Image.new("RGB", size, "white")
    shape = (size[0] // 5, size[1] // 8, size[0] - size[0] // 5, size[1] - size[1] // 8)
    image.paste(COLOURS[colour], shape)
    with Image.frombytes("RGB", (6, 8), chance.randbytes(144)).resize(size, Image.Resampling.BICUBIC) as folds:
        image = Image.blend(image, folds, 0.15)
    options: dict[str, object] = {"quality": 80}
    if number in {CMYK, GREY}:
        image = image.convert("CMYK" if number == CMYK else "L")
    if number == WITH_EXIF:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110], exif[0x0112] = "Twin", "Studio 1", 6
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, "PNG" if number == PNG else "JPEG", **({} if number == PNG else options))
    return file.getvalue()


def _add(packed: zipfile.ZipFile, name: str, body: bytes) -> None:
    packed.writestr(zipfile.ZipInfo(name, MOMENT), body, zipfile.ZIP_DEFLATED)
