"""The words of derivatives: what is made of a picture, under which key, and what is known of the picture itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from luigi_tasks.domain.damage import DERIVATIVES

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp"}


class Fit(StrEnum):
    """How a picture comes into a frame.

    inside   as large as fits, its ratio kept; never enlarged
    cover    fills the frame, its ratio kept, what stands over cut off evenly
    pad      as inside, then centred on white up to the frame
    stretch  the frame, whatever becomes of the ratio
    """

    INSIDE = "inside"
    COVER = "cover"
    PAD = "pad"
    STRETCH = "stretch"


@dataclass(frozen=True)
class Rendering:
    """The parameters of an operation. frame: width and height in pixels, None: as large as the picture is.

    mode: RGB, L (greyscale) or RGBA (RGB for a picture without transparency). quality: 1 to 100, means nothing to PNG.
    """

    frame: tuple[int, int] | None
    fit: Fit
    mode: str
    format: str
    quality: int


@dataclass(frozen=True)
class Recipe:
    """What makes a derivative what it is, beside the picture: operation, parameters, versions of the libraries."""

    operation: str
    rendering: Rendering
    library: str

    @property
    def digest(self) -> str:
        """16 hex digits over all three: the same recipe and the same picture give the same bytes."""
        text = json.dumps([self.operation, asdict(self.rendering), self.library], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def content_type(self) -> str:
        """Of what it makes."""
        return CONTENT_TYPES[self.rendering.format]

    def key(self, sha256: str) -> str:
        """The object key of the derivative of the picture with this SHA-256 in hex."""
        suffix = SUFFIXES[self.rendering.format]
        return f"{DERIVATIVES}{self.operation}/{self.digest}/{sha256[:2]}/{sha256}.{suffix}"


@dataclass(frozen=True)
class Colour:
    """One of a picture's dominant colours. hex: #rrggbb; share: of its pixels, 0 to 1."""

    hex: str
    share: float


@dataclass(frozen=True)
class Facts:
    """What a picture's bytes say of it. width, height: pixels as stored, before `orientation` (EXIF, 1 to 8).

    exif: {} when there is none. colours: the largest share first. brightness: mean of the luma, 0 (black) to 1.
    entropy: of the luma's histogram, 0 to 8 bits. dhash, phash: 64 bits, see steps/measuring.py.
    """

    format: str
    mode: str
    width: int
    height: int
    orientation: int
    has_profile: bool
    exif: Mapping[str, object]
    colours: tuple[Colour, ...]
    brightness: float
    entropy: float
    dhash: int
    phash: int


@dataclass(frozen=True)
class Wanted:
    """A picture of which something is not there yet: its facts, or derivatives (by the digests of their recipes)."""

    sha256: str
    object_key: str
    bytes: int
    measure: bool
    recipes: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """One derivative. sha256, bytes: of the derivative; reason: why there is none, '' when there is one."""

    recipe: Recipe
    key: str
    sha256: str | None = None
    bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Derived:
    """What became of a Wanted. facts: None when not asked for, or when the picture was unreadable for `reason`."""

    wanted: Wanted
    facts: Facts | None = None
    made: tuple[Made, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class DerivedTotals:
    """What one run derived, counted from the tables. pictures: that it was about; bytes: of what was made;
    reasons: pictures by what was wrong with them."""

    pictures: int
    measured: int
    unreadable: int
    made: int
    failed: int
    bytes: int
    reasons: Mapping[str, int]
