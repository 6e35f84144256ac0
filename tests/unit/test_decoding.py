"""Decoding to know that it does: as much is proven by it as by making every pixel in its colours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from PIL import Image
from PIL.ImageFile import ImageFile

from luigi_tasks.steps.decoding import DECODER_ERRORS, decode_whole, open_picture
from tests.pictures import encoded, picture

DAMAGED = 250


def noise(mode: str, size: tuple[int, int] = (97, 61), **options: object) -> bytes:
    pixels = random.Random(0).randbytes(3 * size[0] * size[1])
    return encoded(Image.frombytes("RGB", size, pixels).convert(mode), "JPEG", **options)


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Bytes changed, the end or a piece cut off, or bytes put in between; the first two stay, which name the type."""
    place = chance.randrange(2, len(body))
    match chance.randrange(4):
        case 0:
            changed = bytearray(body)
            for _ in range(chance.choice((1, 2, 30))):
                changed[chance.randrange(2, len(body))] = chance.randrange(256)
            return bytes(changed)
        case 1:
            return body[:place]
        case 2:
            return body[:place] + body[place + chance.randrange(1, 200) :]
        case _:
            return body[:place] + chance.randbytes(chance.randrange(1, 50)) + body[place:]


def came_to(body: bytes, decode: Callable[[ImageFile], object]) -> tuple[object, ...]:
    try:
        with open_picture(body, "image/jpeg") as opened:
            size = opened.size
            if size[0] * size[1] > 1_000_000:
                return ("too large for a test",)
            decode(opened)
            return "whole", size, opened.size
    except DECODER_ERRORS as problem:
        return type(problem), str(problem)


@pytest.mark.parametrize(
    "body",
    [
        noise("RGB"),
        noise("RGB", quality=95, subsampling=0),
        noise("RGB", optimize=True, subsampling=1),
        noise("RGB", progressive=True),
        noise("RGB", progressive=True, quality=30),
        noise("RGB", restart_marker_blocks=2),
        noise("RGB", keep_rgb=True, subsampling=0),
        noise("CMYK"),
        noise("L"),
    ],
    ids=["420", "444", "422", "progressive", "progressive, small", "restarts", "RGB", "CMYK", "grey"],
)
def test_a_damaged_jpeg_comes_to_the_same_as_with_all_its_colours(body: bytes) -> None:
    chance, seen = random.Random(len(body)), Counter[object]()
    for _ in range(DAMAGED):
        wrong = damaged(body, chance)
        outcome = came_to(wrong, lambda opened: opened.load())
        assert came_to(wrong, decode_whole) == outcome
        seen[outcome[0]] += 1
    assert seen["whole"] > DAMAGED / 10
    assert seen[OSError] > DAMAGED / 10


def test_every_pixel_of_luma_is_made() -> None:
    body = picture("JPEG", (64, 40))
    with open_picture(body, "image/jpeg") as opened:
        decode_whole(opened)
        assert (opened.mode, opened.size, len(opened.tobytes())) == ("L", (64, 40), 64 * 40)
