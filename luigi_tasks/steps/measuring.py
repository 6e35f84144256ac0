"""What a picture's bytes say of it: size, EXIF, colours, brightness, entropy and two perceptual hashes. Pure.

dhash  is each pixel brighter than its left neighbour? of 9 × 8 grey ones, row by row, the first bit the highest
phash  is each of the 8 × 8 lowest frequencies of the DCT-II of 32 × 32 grey pixels above their median? as dhash
Both are what the library imagehash computes under these names, bit for bit of the same greyscale image, in some lines
rather than with numpy, scipy and PyWavelets. Two copies of a motif differ in few bits whatever their sizes.
"""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Iterable, Sequence

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from luigi_tasks.domain.derivatives import Colour, Facts
from luigi_tasks.steps.rendering import Source

SIDE = 256
COLOURS = 5
DCT_SIDE = 32
LOW = 8
LONGEST_VALUE = 2000
MOST_TAGS = 500
COSINES = [
    [math.cos(math.pi * frequency * (2 * place + 1) / (2 * DCT_SIDE)) for place in range(DCT_SIDE)]
    for frequency in range(LOW)
]


def measure(source: Source) -> Facts:
    """The facts. Raises one of DECODER_ERRORS for a picture that does not decode."""
    small = source.at_least(SIDE).copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=None)
    if small.mode == "RGBA":
        ground = Image.new("RGB", small.size, "white")
        ground.paste(small, mask=small)
        small = ground
    grey = small.convert("L")
    return Facts(
        format=source.format,
        mode=source.mode,
        width=source.size[0],
        height=source.size[1],
        orientation=source.orientation,
        has_profile=source.has_profile,
        exif=readable_exif(source.exif) if source.exif else {},
        colours=dominant_colours(small.convert("RGB")),
        brightness=round(_mean(grey.histogram()) / 255, 4),
        entropy=round(grey.entropy(), 4),
        dhash=dhash(grey),
        phash=phash(grey),
    )


def dominant_colours(image: Image.Image) -> tuple[Colour, ...]:
    """At most five, by median cut; the largest share first."""
    few = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette, counts = few.getpalette() or [], few.getcolors() or []
    whole = sum(count for count, _ in counts)
    found = [
        Colour("#{:02x}{:02x}{:02x}".format(*palette[3 * index : 3 * index + 3]), round(count / whole, 4))
        for count, index in counts
        if isinstance(index, int)
    ]
    return tuple(sorted(found, key=lambda colour: (-colour.share, colour.hex)))


def dhash(grey: Image.Image) -> int:
    """64 bits of a greyscale image's slopes."""
    pixels = _pixels(grey, (9, 8))
    return _bits([pixels[9 * row + column + 1] > pixels[9 * row + column] for row in range(8) for column in range(8)])


def phash(grey: Image.Image) -> int:
    """64 bits of a greyscale image's low frequencies."""
    pixels = _pixels(grey, (DCT_SIDE, DCT_SIDE))
    rows = [pixels[DCT_SIDE * row : DCT_SIDE * (row + 1)] for row in range(DCT_SIDE)]
    across = [[_sumprod(row, wave) for wave in COSINES] for row in rows]
    columns = list(zip(*across, strict=True))
    low = [_sumprod(column, wave) for wave in COSINES for column in columns]
    middle = statistics.median(low)
    return _bits([value > middle for value in low])


def readable_exif(exif: Image.Exif) -> dict[str, object]:
    """Tags by name, as JSON has it: {'Make': …, 'Exif': {…}, 'GPSInfo': {…}}; what is broken says so."""
    found = _named(dict(exif), ExifTags.TAGS)
    for name, ifd, names in (
        ("Exif", ExifTags.IFD.Exif, ExifTags.TAGS),
        ("GPSInfo", ExifTags.IFD.GPSInfo, ExifTags.GPSTAGS),
    ):
        try:
            inner = exif.get_ifd(ifd)
        except (SyntaxError, ValueError, LookupError, TypeError, OSError, EOFError, ArithmeticError) as problem:
            found[name] = f"unreadable: {type(problem).__name__}"
            continue
        if inner:
            found[name] = _named(dict(inner), names)
    found.pop("ExifOffset", None)
    return found


def _named(tags: dict[int, object], names: dict[int, str]) -> dict[str, object]:
    return {names.get(tag, f"0x{tag:04x}"): _plain(value) for tag, value in list(tags.items())[:MOST_TAGS]}


def _plain(value: object) -> object:
    """What jsonb can hold: no bytes, no NUL, no lone surrogate, no infinity, nothing long."""
    if isinstance(value, IFDRational | float):
        number = float(value)
        return round(number, 6) if math.isfinite(number) else None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return f"{value[: LONGEST_VALUE // 2].hex()}"
    if isinstance(value, str):
        return value.rstrip("\x00").replace("\x00", "␀").encode("utf-8", "replace").decode()[:LONGEST_VALUE]
    if isinstance(value, Sequence):
        return [_plain(part) for part in value[:MOST_TAGS]]
    return _plain(str(value))


def _sumprod(one: Iterable[float], other: Iterable[float]) -> float:
    return float(sum(map(operator.mul, one, other)))


def _pixels(grey: Image.Image, size: tuple[int, int]) -> list[int]:
    return list(grey.resize(size, Image.Resampling.LANCZOS).tobytes())


def _bits(bits: Sequence[bool]) -> int:
    return sum(1 << (len(bits) - 1 - position) for position, bit in enumerate(bits) if bit)


def _mean(histogram: Sequence[int]) -> float:
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)
