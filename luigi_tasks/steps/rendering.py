"""Copies of a picture: pure, bytes in and bytes out; the same bytes, recipe and libraries give the same bytes.

Every copy is turned as its EXIF says, converted from its colour profile to sRGB, and holds nothing but pixels. A JPEG
is decoded at the smallest of libjpeg's scales (1/1 to 1/8) that is still twice as large as what is wanted; the scale
depends on the picture and the recipe alone, never on what else is made of it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

from PIL import Image, ImageCms, ImageOps, WebPImagePlugin, features  # noqa: F401  (WebP: no file can be opened later)

from luigi_tasks.domain.derivatives import Fit, Rendering
from luigi_tasks.steps.decoding import open_picture, sniff

SCALES = (8, 4, 2)
FINER = 2
# Copies of the pixels that may be there at once, at 4 bytes each: turned, converted, and one under work.
BYTES_PER_PIXEL = 12
# Counts what this module makes of the same pixels: another number is another recipe, as another library's version is.
REVISION = 2
LIBRARIES = ("pil", "libjpeg_turbo", "webp", "littlecms2", "zlib")
_srgb = ImageCms.createProfile("sRGB")
_converting = threading.Lock()  # littlecms2 profiles made by Pillow say nothing of threads
Image.preinit()


class NotAPicture(ValueError):
    """The bytes are neither JPEG nor PNG."""


def library() -> str:
    """Versions of everything that has a say in the bytes: 'rendering 2, pil 13.0.0, libjpeg_turbo 3.1.2, …'."""
    return ", ".join((f"rendering {REVISION}", *(f"{name} {features.version(name)}" for name in LIBRARIES)))


class Source:
    """One picture from which several copies are made; each scale is decoded once."""

    def __init__(self, body: bytes | bytearray) -> None:
        file_type = sniff(body)
        if file_type is None:
            raise NotAPicture("neither JPEG nor PNG")
        self._open: Callable[[], Image.Image] = lambda: open_picture(body, file_type)
        with self._open() as picture:
            self.exif = _exif(picture)
            self.size, self.orientation = picture.size, _orientation(self.exif)
            self.format, self.mode = picture.format or "", picture.mode
            self.has_profile = bool(picture.info.get("icc_profile"))
        self._decoded: dict[int, Image.Image] = {}

    def at_least(self, smallest: int | None) -> Image.Image:
        """The picture upright and in sRGB (RGB, RGBA or L), its shorter side at least so many pixels if it has them."""
        scale = self._scale(smallest)
        if scale not in self._decoded:
            self._decoded[scale] = _upright_srgb(self._open(), scale, self.orientation)
        return self._decoded[scale]

    def _scale(self, smallest: int | None) -> int:
        if self.format not in {"JPEG", "MPO"} or smallest is None:
            return 1
        return next((scale for scale in SCALES if min(self.size) >= scale * smallest), 1)


def render(body: bytes | bytearray, rendering: Rendering) -> bytes:
    """One copy. Raises NotAPicture or one of DECODER_ERRORS."""
    return render_from(Source(body), rendering)


def render_from(source: Source, rendering: Rendering) -> bytes:
    """One copy of a picture that others are made of too; the bytes are those that render gives."""
    frame = rendering.frame
    image = source.at_least(None if frame is None else FINER * _shorter_side(source, frame, rendering.fit))
    fitted = _in_mode(image if frame is None else _fitted(image, frame, rendering.fit), rendering.mode)
    return _encoded(fitted, rendering)


def _shorter_side(source: Source, frame: tuple[int, int], fit: Fit) -> int:
    """Of the picture once it is in the frame."""
    width, height = source.size if source.orientation < 5 else source.size[::-1]
    ratios = frame[0] / width, frame[1] / height
    ratio = min(ratios) if fit in {Fit.INSIDE, Fit.PAD} else max(ratios)
    return max(1, round(ratio * min(width, height)))


def _upright_srgb(picture: Image.Image, scale: int, orientation: int) -> Image.Image:
    with picture:
        if scale > 1:
            picture.draft(picture.mode, (picture.width // scale, picture.height // scale))
        profile = picture.info.get("icc_profile")
        picture.load()
        image = _in_srgb(picture, profile)
    turn = _TURNS.get(orientation)
    return image.transpose(turn) if turn is not None else image


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _exif(picture: Image.Image) -> Image.Exif | None:
    """None when there is none, or none that can be read: the picture itself is good.

    A PNG is not decoded in full for the rare EXIF that stands behind its pixels.
    """
    if picture.format == "PNG" and not {"exif", "Raw profile type exif"} & picture.info.keys():
        return None
    try:
        return picture.getexif() or None
    except (SyntaxError, ValueError, LookupError, TypeError, OSError, EOFError, ArithmeticError):
        return None


def _orientation(exif: Image.Exif | None) -> int:
    value = exif.get(0x0112, 1) if exif else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, of which Pillow would keep the lower eight
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.mode in {"L", "LA"} and picture.has_transparency_data:
        return _grey_and_clear(picture.convert("LA"), profile)
    if picture.mode in {"P", "PA"} or picture.has_transparency_data:
        picture = picture.convert("RGBA")
    if profile and (converted := _by_profile(picture, profile)):
        return converted
    return picture.copy() if picture.mode in {"RGB", "RGBA", "L"} else picture.convert("RGB")


def _grey_and_clear(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Grey with transparency: its profile speaks of grey alone, so the two are parted for it."""
    grey, alpha = picture.split()
    found = _in_srgb(grey, profile).convert("RGB")
    found.putalpha(alpha)
    return found


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """None when the profile is broken or another mode's; every viewer then shows the picture as sRGB."""
    try:
        with _converting:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGBA" if picture.mode == "RGBA" else "RGB"
            return ImageCms.profileToProfile(picture, theirs, _srgb, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return None


def _fitted(image: Image.Image, frame: tuple[int, int], fit: Fit) -> Image.Image:
    lanczos = Image.Resampling.LANCZOS
    if fit is Fit.STRETCH:
        return image.resize(frame, lanczos)
    if fit is Fit.COVER:
        return ImageOps.fit(image, frame, lanczos)
    ratio = min(frame[0] / image.width, frame[1] / image.height, 1.0)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    small = image if size == image.size else image.resize(size, lanczos)
    if fit is Fit.INSIDE:
        return small
    ground = Image.new("RGB", frame, "white")
    centred = ((frame[0] - size[0]) // 2, (frame[1] - size[1]) // 2)
    ground.paste(small, centred, mask=small if small.mode == "RGBA" else None)
    return ground


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "RGBA":
        return image if image.mode == "RGBA" else image.convert("RGB")
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image)
        image = ground
    return image.convert(mode)


def _encoded(image: Image.Image, rendering: Rendering) -> bytes:
    bare = image.copy()
    bare.info.clear()  # profiles, comments, resolutions: some writers take them from here
    file = io.BytesIO()
    options: dict[str, object] = {"quality": rendering.quality}
    if rendering.format == "webp":
        options["method"] = 4
    elif rendering.format == "png":
        options = {"compress_level": 6}
    bare.save(file, rendering.format.upper(), **options)
    return file.getvalue()
