"""The gate that every picture passes: whole ones through, everything else named."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from luigi_tasks.domain.publishing import Flag
from luigi_tasks.steps.verify import Corrupt, Limits, Refused, verify
from tests.pictures import encoded, item, picture, png_chunk, png_of

LIMITS = Limits(max_pixels=200_000_000, refuse_mismatch=False)
STRICT = Limits(max_pixels=200_000_000, refuse_mismatch=True)
JPEG, PNG = picture("JPEG"), picture("PNG")


@contextlib.contextmanager
def freely(weight: int) -> Iterator[None]:
    yield


def check(body: bytes, limits: Limits = LIMITS, **different: object):
    kind = JPEG if body.startswith(b"\xff\xd8") else PNG
    return verify(body, item(kind, **{"file_size": len(body), **different}), limits, freely)


@pytest.mark.parametrize(
    "body",
    [
        JPEG,
        PNG,
        picture("JPEG", progressive=True),
        picture("JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + b"\xff\xd9" * 8),
        picture("JPEG", restart_marker_blocks=1),
        encoded(Image.new("L", (64, 40), 99), "JPEG"),
        encoded(Image.new("CMYK", (64, 40)), "JPEG"),
        encoded(Image.new("P", (64, 40)), "PNG"),
        encoded(Image.new("RGBA", (64, 40)), "PNG"),
        encoded(Image.new("I;16", (64, 40)), "PNG"),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_whole_picture_passes_without_a_flag(body: bytes, kind: type) -> None:
    found = check(kind(body))
    assert (found.width, found.height, found.flags) == (64, 40, ())
    assert found.sha256 == hashlib.sha256(body).hexdigest()
    assert found.file_type == ("image/png" if body.startswith(b"\x89PNG") else "image/jpeg")


@pytest.mark.parametrize("body", [JPEG, PNG, picture("JPEG", progressive=True)])
def test_no_part_of_a_picture_passes(body: bytes) -> None:
    for length in range(len(body)):
        with pytest.raises(Corrupt):
            check(body[:length])


def test_no_flipped_bit_of_a_png_passes() -> None:
    for position in range(len(PNG)):
        damaged = bytearray(PNG)
        damaged[position] ^= 0x10
        with pytest.raises((Corrupt, Refused)):
            check(damaged)


def test_a_jpeg_whose_end_was_overwritten_is_corrupt() -> None:
    middle = len(JPEG) // 2
    with pytest.raises(Corrupt):
        check(JPEG[:middle] + b"\0" * (len(JPEG) - middle))


def test_a_png_that_is_whole_but_for_its_pixels_is_corrupt() -> None:
    assert check(png_of(zlib.compress(b"\0" * 65 * 40))).flags == ()
    for pixels in (b"", b"no zlib stream", zlib.compress(b"\0" * 65 * 40)[:-8]):
        with pytest.raises(Corrupt, match="decode"):
            check(png_of(pixels))


@pytest.mark.parametrize("body", [JPEG, PNG])
def test_bytes_after_the_end_are_flagged(body: bytes) -> None:
    assert check(body + b"\0" * 3000).flags == (Flag.TRAILING_BYTES,)
    assert check(body + JPEG).flags == (Flag.TRAILING_BYTES,)


@pytest.mark.parametrize(
    ("different", "flag"),
    [
        ({"file_size": 1}, Flag.FILE_SIZE),
        ({"file_type": "image/webp"}, Flag.FILE_TYPE),
        ({"width": 1}, Flag.DIMENSIONS),
        ({"height": 1}, Flag.DIMENSIONS),
    ],
)
def test_a_whole_picture_that_disagrees_is_flagged_or_refused(different: dict[str, object], flag: Flag) -> None:
    assert check(JPEG, **different).flags == (flag,)
    with pytest.raises(Refused, match=flag):
        check(JPEG, STRICT, **different)


def test_trailing_bytes_alone_are_not_a_mismatch() -> None:
    assert check(JPEG + b"\0", STRICT).flags == (Flag.TRAILING_BYTES,)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP"])
def test_other_types_are_refused(kind: str) -> None:
    with pytest.raises(Refused, match="type"):
        check(picture(kind))


def test_bytes_that_do_not_fit_the_keys_extension_are_refused() -> None:
    with pytest.raises(Refused, match="extension"):
        verify(JPEG, item(PNG), LIMITS, freely)


@pytest.mark.parametrize("body", [b"", b"<html>Just a moment...</html>", b"\0\0\1", b"\xff\xd8", b"\xff\xd8\xff\xd9"])
def test_what_is_no_image_is_corrupt(body: bytes) -> None:
    with pytest.raises(Corrupt):
        check(body)


def test_too_many_pixels_are_refused_before_any_is_allocated() -> None:
    body = png_of(zlib.compress(b"\0" * 30_000), 30_000, 30_000)
    with pytest.raises(Refused, match="IMAGE_MAX_PIXELS"):
        verify(body, item(PNG), LIMITS, decoding=lambda weight: pytest.fail("a full decode was begun"))


def test_the_largest_known_wallpaper_passes() -> None:
    """A 19680x8640 one exists at the source: above Pillow's own warning, here as a PNG of one bit a pixel."""
    with Image.new("1", (19680, 8640)) as image:
        body = encoded(image, "PNG")
    found = check(body, width=19680, height=8640)
    assert (found.width, found.height, found.flags) == (19680, 8640, ())


def test_a_text_chunk_that_explodes_does_not_get_through() -> None:
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * (64 << 20), 9))
    with pytest.raises(Corrupt, match="decode"):
        check(PNG[:33] + bomb + PNG[33:])


def test_the_decoders_memory_is_asked_for_and_given_back() -> None:
    asked: list[int] = []

    @contextlib.contextmanager
    def decoding(weight: int) -> Iterator[None]:
        asked.append(weight)
        yield
        asked.append(-weight)

    verify(JPEG, item(JPEG), LIMITS, decoding)
    progressive = picture("JPEG", progressive=True)
    verify(progressive, item(progressive), LIMITS, decoding)
    assert asked == [64 * 40 * 4, -64 * 40 * 4, 64 * 40 * 10, -64 * 40 * 10]


def test_no_warning_of_the_decoder_leaks() -> None:
    broken_exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x0f\x01\x02\0\xff\xff\xff\x7f\x01\0\0\0" * 3
    body = picture("JPEG", exif=broken_exif)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        with contextlib.suppress(OSError, SyntaxError, ValueError), Image.open(io.BytesIO(body)) as image:
            image.getexif()
        assert leaked, "the case is of no use unless Pillow warns about it"
        leaked.clear()
        assert check(body).flags == ()
        assert leaked == []
