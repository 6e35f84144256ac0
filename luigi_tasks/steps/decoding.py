"""Opening a JPEG or PNG whoever made it: header first, nothing allocated by pixels, no warning let out."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from luigi_tasks.domain.publishing import Body

JPEG, PNG = "image/jpeg", "image/png"
MAGIC = {JPEG: b"\xff\xd8\xff", PNG: b"\x89PNG\r\n\x1a\n"}
# What Pillow raises for bodies that are not what they seem.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    MemoryError,
    EOFError,
    struct.error,
    zlib.error,
)
_opening = threading.Lock()  # warnings.catch_warnings is not thread-safe


def sniff(body: Body) -> str | None:
    """image/jpeg or image/png by the first bytes, else None."""
    return next((file_type for file_type, magic in MAGIC.items() if body[: len(magic)] == magic), None)


def open_picture(body: Body, file_type: str) -> ImageFile:
    """The picture with its header read and its pixels not. Raises one of DECODER_ERRORS.

    The classes are called directly because Image.open has one pixel limit for the whole process; ours is the caller's.
    """
    opener = JpegImageFile if file_type == JPEG else PngImageFile
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return opener(io.BytesIO(body))


def decode_whole(picture: ImageFile) -> None:
    """Decode all of the body, to know that it does. Raises one of DECODER_ERRORS.

    Of a JPEG only luma becomes pixels. Every bit of every scan is read for that; what is left out, the transform of
    chroma and the colours, takes whatever was read, and a quarter of the time.
    """
    picture.draft("L", picture.size)
    picture.load()


def decoded_bytes(picture: ImageFile) -> int:
    """Memory of a full decode, at most: 4 bytes a pixel in Pillow, and libjpeg's 2 for each coefficient of a
    progressive one."""
    width, height = picture.size
    return width * height * (10 if picture.info.get("progressive") else 4)
