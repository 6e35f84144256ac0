"""Drawing: pictures of several kinds out of a recipe, the same bytes for the same recipe.

Pillow's own noise is not seedable, so every random byte comes from `random.Random(recipe.seed)`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Size = tuple[int, int]
Palette = tuple[str, ...]

_PALETTE = (
    "660000 990000 cc0000 cc3333 ea4c88 993399 663399 333399 0066cc 0099cc 66cccc 77cc33 669900 336600 666600 "
    "999900 cccc33 ffff00 ffcc33 ff9900 ff6600 cc6633 996633 663300 000000 999999 cccccc ffffff 424153"
)
PALETTE = tuple(f"#{value}" for value in _PALETTE.split())
"""The 29 searchable colours of https://wallhaven.cc/help/api."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to draw one picture. drawn: the size it is drawn in; width × height: the size it is delivered in.

    tweak: "", or what makes it a near duplicate: resized, recompressed, brighter.
    """

    motif: str
    seed: str
    drawn: Size
    width: int
    height: int
    palette: Palette
    file_type: str
    tweak: str = ""


def render(recipe: Recipe) -> bytes:
    """The encoded picture of a recipe."""
    image = (MOTIFS | CHEAP)[recipe.motif](Random(recipe.seed), recipe.drawn, recipe.palette)
    if recipe.tweak == "brighter":
        image = ImageEnhance.Brightness(image).enhance(1.15)
    if image.size != (recipe.width, recipe.height):
        image = image.resize((recipe.width, recipe.height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    if recipe.file_type == "image/png":
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=55 if recipe.tweak == "recompressed" else 86)
    return out.getvalue()


def thumbnail(body: bytes, shape: str) -> bytes:
    """A JPEG as the thumbs host gives: small 300×200 and lg 432×243 are crops, orig is 300 on the long side.

    Raises OSError for bytes that are no picture.
    """
    with Image.open(io.BytesIO(body)) as opened:
        image = opened.convert("RGB")
    if shape == "orig":
        image = ImageOps.contain(image, (300, 300))
    else:
        image = ImageOps.fit(image, (300, 200) if shape == "small" else (432, 243))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=75)
    return out.getvalue()


def _noise(rng: Random, grid: Size, size: Size, resample: Image.Resampling) -> Image.Image:
    return Image.frombytes("L", grid, rng.randbytes(grid[0] * grid[1])).resize(size, resample)


def _gradient(rng: Random, size: Size, palette: Palette) -> Image.Image:
    ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize(size)
    grain = _noise(rng, (max(1, size[0] // 3), max(1, size[1] // 3)), size, Image.Resampling.NEAREST)
    return ImageOps.colorize(Image.blend(ramp, grain, 0.08), palette[0], palette[1], mid=palette[2])


def _plasma(rng: Random, size: Size, palette: Palette) -> Image.Image:
    waves = _noise(rng, (rng.randint(4, 9), rng.randint(3, 7)), size, Image.Resampling.BICUBIC)
    return ImageOps.colorize(waves, palette[0], palette[1], mid=palette[2])


def _stripes(rng: Random, size: Size, palette: Palette) -> Image.Image:
    image = Image.new("RGB", size, palette[0])
    draw = ImageDraw.Draw(image)
    step = max(3, size[0] // rng.randint(6, 24))
    lean = rng.randint(-size[1], size[1])
    for left in range(-abs(lean) - step, size[0] + abs(lean), 2 * step):
        corners = [(left, 0), (left + step, 0), (left + step + lean, size[1]), (left + lean, size[1])]
        draw.polygon(corners, fill=rng.choice(palette))
    return image


def _shapes(rng: Random, size: Size, palette: Palette) -> Image.Image:
    image = Image.new("RGB", size, palette[0])
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(8, 30)):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        reach = rng.randint(2, max(3, min(size) // 3))
        if rng.random() < 0.5:
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=rng.choice(palette))
        else:
            draw.regular_polygon((x, y, reach), rng.randint(3, 7), rng.randrange(360), fill=rng.choice(palette))
    return image


def _stars(rng: Random, size: Size, palette: Palette) -> Image.Image:
    halo = ImageOps.invert(Image.radial_gradient("L")).point(lambda value: max(0, value - 75))  # 75 at the edges
    glow = halo.resize((max(1, size[0] // 2), max(1, size[1] // 2)))
    image = Image.new("RGB", size, "#06060f")
    corner = (rng.randrange(size[0] // 2), rng.randrange(size[1] // 2))
    image.paste(Image.new("RGB", glow.size, palette[0]), corner, glow)
    draw = ImageDraw.Draw(image)
    for _ in range(20 + size[0] * size[1] // 4000):
        x, y, reach = rng.randrange(size[0]), rng.randrange(size[1]), rng.choice((0, 0, 0, 1, 2))
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=rng.choice(("#ffffff", palette[1])))
    return image


def _glyphs(rng: Random, size: Size, palette: Palette) -> Image.Image:
    image = Image.new("RGB", size, palette[0])
    draw = ImageDraw.Draw(image)
    unit = max(2, size[1] // 60)
    for top in range(2 * unit, size[1] - 2 * unit, 3 * unit):
        left = 2 * unit
        end = rng.randint(size[0] // 3, size[0])
        while left < end - 4 * unit:
            width = rng.randint(1, 6) * unit
            draw.rectangle((left, top, left + width, top + unit), fill=rng.choice(palette[1:3]))
            left += width + unit
    return image


def _mosaic(rng: Random, size: Size, _palette: Palette) -> Image.Image:
    tiles = Image.frombytes("RGB", (9, 8), rng.randbytes(9 * 8 * 3))
    return tiles.resize(size, Image.Resampling.NEAREST)


MOTIFS: dict[str, Callable[[Random, Size, Palette], Image.Image]] = {
    "gradient": _gradient,
    "plasma": _plasma,
    "stripes": _stripes,
    "shapes": _shapes,
    "stars": _stars,
    "glyphs": _glyphs,
}
MOSAIC = "mosaic"
"""Quick to draw and to encode, and like no other: for huge catalogues."""
CHEAP: dict[str, Callable[[Random, Size, Palette], Image.Image]] = {MOSAIC: _mosaic}
