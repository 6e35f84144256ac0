"""What is measured of a picture: values that are known beforehand, and hashes that copies of a motif share."""

from __future__ import annotations

import json
import random

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from luigi_tasks.gateways.derivative_ledger import signed
from luigi_tasks.steps.measuring import dhash, measure, phash, readable_exif
from luigi_tasks.steps.rendering import Source
from tests.pictures import encoded, picture

# What imagehash 4.3.2 says of motif(seed, (256, 160)) in grey: [dhash, phash] in hex.
IMAGEHASH = {
    1: ("8c1c56db5a2bd990", "b175f6ce422364ac"),
    2: ("85935224dd490b53", "eb70e9c2147dc3a1"),
    3: ("b284b7a7d6d6a6ef", "e4781f95f70c8d09"),
}


def motif(seed: int, size: tuple[int, int] = (1200, 800)) -> Image.Image:
    """Soft shapes all over, as a photograph has them."""
    coarse = Image.frombytes("RGB", (16, 10), random.Random(seed).randbytes(480))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def distance(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def test_a_plain_picture() -> None:
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 10, 20))
    facts = measure(Source(encoded(image, "PNG")))
    assert (facts.format, facts.mode, facts.width, facts.height) == ("PNG", "RGB", 40, 20)
    assert [(colour.hex, colour.share) for colour in facts.colours] == [("#ff0000", 0.75), ("#0000ff", 0.25)]
    assert facts.brightness == pytest.approx((76 * 0.75 + 29 * 0.25) / 255, abs=0.001)
    assert facts.entropy == pytest.approx(0.8113, abs=0.001)
    assert (facts.exif, facts.orientation, facts.has_profile) == ({}, 1, False)


def test_one_colour_has_no_entropy_and_no_slopes() -> None:
    facts = measure(Source(encoded(Image.new("L", (300, 200), 0), "JPEG")))
    assert (facts.entropy, facts.brightness, facts.dhash) == (0, 0, 0)


def test_the_hashes_by_hand() -> None:
    rising = Image.frombytes("L", (9, 8), bytes(range(0, 90, 10)) * 8)
    assert dhash(rising) == (1 << 64) - 1
    assert dhash(rising.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == 0
    step = Image.frombytes("L", (9, 8), bytes([0] * 8 + [9]) * 8)
    assert dhash(step) == int("00000001" * 8, 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_copies_share_their_hashes_and_others_do_not(seed: int) -> None:
    original = measure(Source(encoded(motif(seed), "PNG", compress_level=1)))
    for size, kind, quality in [((1200, 800), "JPEG", 40), ((300, 200), "PNG", 0), ((1920, 1280), "JPEG", 80)]:
        with motif(seed).resize(size, Image.Resampling.LANCZOS) as resized:
            copy = measure(Source(encoded(resized, kind, quality=quality)))
        assert distance(copy.phash, original.phash) <= 3
        assert distance(copy.dhash, original.dhash) <= 3
    other = measure(Source(encoded(motif(seed + 10), "JPEG")))
    assert distance(other.phash, original.phash) > 16
    assert distance(other.dhash, original.dhash) > 16


def test_the_hash_is_of_the_upright_picture() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    lying = picture("PNG", (256, 160), 3)
    image = Source(lying).at_least(None)
    standing = encoded(image.transpose(Image.Transpose.ROTATE_270), "PNG")
    assert measure(Source(encoded(image, "PNG", exif=turned))).phash == measure(Source(standing)).phash


@pytest.mark.parametrize(("seed", "known"), IMAGEHASH.items())
def test_as_imagehash_has_them(seed: int, known: tuple[str, str]) -> None:
    grey = motif(seed, (256, 160)).convert("L")
    assert (f"{dhash(grey):016x}", f"{phash(grey):016x}") == known


def test_exif_becomes_json_that_postgres_takes() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker\x00\x00"
    exif[0x0110] = "odd\x00inside \udcff"
    exif[0x011A] = IFDRational(72, 1)
    exif[0x011B] = IFDRational(1, 0)
    exif[0xC4A5] = b"\x00\xff" * 5000
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 1.5)
    found = readable_exif(exif)
    assert found["Make"] == "Maker"
    assert found["Model"] == "odd␀inside ?"
    assert (found["XResolution"], found["YResolution"]) == (72.0, None)
    assert found["GPSInfo"] == {"GPSLatitudeRef": "N", "GPSLatitude": [52.0, 30.0, 1.5]}
    assert len(json.dumps(found, allow_nan=False)) < 4000


def test_64_bits_fit_into_a_bigint() -> None:
    assert [signed(bits) for bits in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)] == [0, 1, 2**63 - 1, -(2**63), -1]
