"""The things the twin serves: wallpapers, their pictures, tags and uploaders."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

ID_ALPHABET = "0123456789degjklmnopqrvwxyz"
"""The characters seen in 691 of 691 real ids."""

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as a detail and /tag/{id} show it; `alias` is one comma-joined string."""

    id: int
    name: str
    alias: str = ""
    category_id: int = 1
    category: str = "Anime & Manga"
    purity: str = "sfw"
    created_at: str = "2014-02-02 20:49:23"


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who uploaded a wallpaper; avatar: the file name under wallhaven.cc/images/user/avatar/{size}/."""

    username: str
    group: str = "User"
    avatar: str = "default-avatar.jpg"


class Picture:
    """Image bytes made by `make` when first needed, then kept; None: the site has lost the file. Thread-safe."""

    def __init__(self, make: Callable[[], bytes | None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made = False
        self._body: bytes | None = None

    @property
    def ready(self) -> bool:
        """Whether the bytes are there already."""
        return self._made

    def body(self) -> bytes | None:
        """The bytes of the file."""
        with self._lock:
            if not self._made:
                self._body = self._make()
                self._made = True
            return self._body


@dataclass(frozen=True, slots=True)
class Wallpaper:
    """One wallpaper. created_at: naive UTC. colors: five "#rrggbb". claimed_size: file_size where it is given."""

    id: str
    width: int
    height: int
    file_type: str
    created_at: datetime
    colors: tuple[str, ...]
    picture: Picture
    tags: tuple[Tag, ...]
    uploader: Uploader
    purity: str = "sfw"
    category: str = "general"
    source: str = ""
    views: int = 0
    favorites: int = 0
    ai_art: bool = False
    claimed_size: int | None = None

    @property
    def file_size(self) -> int:
        """Bytes of the original; draws the picture if nobody has asked before."""
        if self.claimed_size is not None:
            return self.claimed_size
        return len(self.picture.body() or b"")

    @property
    def ratio(self) -> str:
        """Width by height with two decimals and no trailing zeros, as the API writes it."""
        return ratio_text(self.width, self.height)

    @property
    def path(self) -> str:
        """Path of the original on the image host."""
        return f"/full/{self.id[:2]}/wallhaven-{self.id}.{EXTENSIONS[self.file_type]}"


def ratio_text(width: int, height: int) -> str:
    """`1920, 1080` is "1.78", `1600, 1000` is "1.6", `900, 900` is "1"."""
    return f"{width / height:.2f}".rstrip("0").rstrip(".")


def id_of(number: int) -> str:
    """The number-th id; distinct for distinct numbers below 27**6, and neighbours look unrelated."""
    size = len(ID_ALPHABET)
    rest = (number * 190_699_573 + 71_993_327) % size**6
    letters = []
    for _ in range(6):
        rest, digit = divmod(rest, size)
        letters.append(ID_ALPHABET[digit])
    return "".join(letters)
