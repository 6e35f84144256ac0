"""Copies of pictures: deterministic, upright, in sRGB, silent about everything but their pixels."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from luigi_tasks.domain.derivatives import Fit, Recipe, Rendering
from luigi_tasks.steps import orders
from luigi_tasks.steps.rendering import NotAPicture, library, render
from tests import profiles
from tests.hostile.images.pngs import header, png
from tests.pictures import encoded, picture

THUMBNAIL = Rendering((32, 32), Fit.INSIDE, "RGBA", "webp", 80)
STANDARD = Rendering((50, 50), Fit.PAD, "RGB", "jpeg", 90)
GREY = Rendering(None, Fit.INSIDE, "L", "png", 90)
RED, BLUE = (200, 30, 40), (20, 40, 220)


def opened(body: bytes) -> Image.Image:
    with Image.open(io.BytesIO(body)) as image:
        image.load()
    return image


def near(one: tuple[int, ...], other: tuple[int, ...], most: int = 12) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= most


def halves(size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image


@pytest.mark.parametrize("rendering", [THUMBNAIL, STANDARD, GREY], ids=["thumbnail", "standard", "grey"])
def test_the_same_bytes_whatever_else_is_made(rendering: Rendering) -> None:
    body = picture("JPEG", (900, 700))
    alone = render(body, rendering)
    others = [Rendering((700, 700), Fit.COVER, "RGB", "jpeg", 50), rendering, GREY]
    facts, copies = orders.read(orders.perform(body, orders.write(others, measured=True)))
    assert copies[1] == alone == render(bytearray(body), rendering)
    assert facts is not None
    assert (facts.width, facts.height) == (900, 700)


@pytest.mark.parametrize(
    ("fit", "size"),
    [(Fit.INSIDE, (60, 30)), (Fit.PAD, (60, 50)), (Fit.COVER, (60, 50)), (Fit.STRETCH, (60, 50))],
)
def test_each_fit(fit: Fit, size: tuple[int, int]) -> None:
    body = encoded(halves((400, 200)), "JPEG", quality=95)
    image = opened(render(body, Rendering((60, 50), fit, "RGB", "png", 90)))
    assert image.size == size
    corner, left = image.getpixel((0, 0)), image.getpixel((4, size[1] // 2))
    assert near(left, RED)
    assert near(corner, (255, 255, 255) if fit is Fit.PAD else RED)


def test_inside_enlarges_nothing() -> None:
    assert opened(render(picture("PNG", (20, 10)), THUMBNAIL)).size == (20, 10)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_not_said_again(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "secret camera"
    body = encoded(halves(), "JPEG", exif=exif, quality=95, comment=b"secret comment")
    for form in ("jpeg", "png", "webp"):
        copy = render(body, Rendering((40, 40), Fit.INSIDE, "RGB", form, 95))
        image = opened(copy)
        assert not image.getexif()
        assert b"secret" not in copy
        assert image.size == ((40, 20) if orientation < 5 else (20, 40))
        where = {1: (2, 9), 2: (37, 9), 3: (37, 9), 4: (2, 9), 5: (9, 2), 6: (9, 2), 7: (9, 37), 8: (9, 37)}
        assert near(image.getpixel(where[orientation]), RED, 25)


def test_a_profile_is_converted_and_left_out() -> None:
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The red and the blue primary of sRGB change places: a profile under which red pixels are blue ones.
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    for form in ("JPEG", "PNG"):
        body = encoded(halves(), form, icc_profile=bytes(swapped))
        image = opened(render(body, Rendering((40, 40), Fit.INSIDE, "RGB", "png", 90)))
        red_now, _, blue_now = image.getpixel((2, 9))
        assert blue_now > red_now, form
        assert "icc_profile" not in image.info


LIGHTER = 188
"""What 128 of linear grey is in sRGB: 255 × (1.055 × (128 / 255) ** (1 / 2.4) - 0.055)."""


@pytest.mark.parametrize(
    ("mode", "value", "shown"),
    [
        ("L", 128, (LIGHTER,) * 3),
        ("LA", (128, 77), (LIGHTER, LIGHTER, LIGHTER, 77)),
        ("I;16", 0x8080, (LIGHTER,) * 3),
    ],
)
def test_a_grey_profile_is_converted(mode: str, value: int, shown: tuple[int, ...]) -> None:
    body = encoded(Image.new(mode, (40, 20), value), "PNG", icc_profile=profiles.grey(1.0))
    assert opened(body).mode == mode
    image = opened(render(body, Rendering((40, 40), Fit.INSIDE, "RGBA", "png", 90)))
    assert near(image.getpixel((3, 3)), shown, 2)
    assert "icc_profile" not in image.info


def test_sixteen_bits_of_colour_are_eight() -> None:
    row = b"\0" + struct.pack(">3H", 0xC81E, 0x1E28, 0x28C8) * 40
    deep = png(head=header(40, 20, 16, 2), pixels=zlib.compress(row * 20))
    image = opened(render(deep, Rendering((40, 40), Fit.INSIDE, "RGB", "png", 90)))
    assert near(image.getpixel((3, 3)), (0xC8, 0x1E, 0x28), 1)


def test_a_profile_of_inks_is_converted() -> None:
    """Cyan ink that looks red: an sRGB viewer without the profile would show it as cyan."""
    red = (135, 208, 195)
    body = encoded(Image.new("CMYK", (40, 20), (255, 0, 0, 0)), "JPEG", quality=95, icc_profile=profiles.inks(red))
    assert opened(body).mode == "CMYK"
    found = opened(render(body, Rendering((40, 40), Fit.INSIDE, "RGB", "png", 90))).getpixel((3, 3))
    assert found[0] > 80 + max(found[1:])


def test_a_broken_profile_is_as_none() -> None:
    plain, broken = (encoded(halves(), "JPEG", icc_profile=profile) for profile in (None, b"no profile" * 20))
    assert render(plain, THUMBNAIL) == render(broken, THUMBNAIL)


def test_modes() -> None:
    cmyk = encoded(halves().convert("CMYK"), "JPEG", quality=95)
    assert near(opened(render(cmyk, STANDARD)).getpixel((5, 25)), RED, 40)
    deep = Image.new("I;16", (40, 20), 0x8000)
    assert opened(render(encoded(deep, "PNG"), GREY)).getpixel((3, 3)) in {127, 128}
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert opened(render(encoded(clear, "PNG"), THUMBNAIL)).getpixel((0, 0))[3] == 0
    assert opened(render(encoded(clear, "PNG"), STANDARD)).getpixel((25, 25)) == (255, 255, 255)
    palette = halves().quantize(4)
    assert near(opened(render(encoded(palette, "PNG"), THUMBNAIL)).convert("RGB").getpixel((2, 8)), RED, 30)
    assert opened(render(picture("JPEG"), GREY)).mode == "L"


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(NotAPicture):
        render(b"GIF89a" + bytes(40), THUMBNAIL)
    with pytest.raises(OSError, match="truncated"):
        render(picture("JPEG", (400, 300))[:2000], THUMBNAIL)


def test_a_key_says_operation_recipe_and_picture() -> None:
    recipe = Recipe("thumbnail", THUMBNAIL, library())
    sha256 = "ab" * 32
    assert recipe.key(sha256) == f"derivatives/thumbnail/{recipe.digest}/ab/{sha256}.webp"
    others = {
        Recipe("thumbnail", Rendering((32, 32), Fit.INSIDE, "RGBA", "webp", 81), library()).digest,
        Recipe("standard", THUMBNAIL, library()).digest,
        Recipe("thumbnail", THUMBNAIL, "pil 1.0").digest,
        recipe.digest,
    }
    assert len(others) == 4
