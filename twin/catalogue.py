"""What the site holds at a moment: a set of wallpapers that may change while it is being served."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from twin.generation import UPLOADERS, Generator, upload_times
from twin.pictures import PALETTE
from twin.wallpaper import Picture, Tag, Uploader, Wallpaper, id_of

NOW = datetime(2026, 11, 20, 18, 30, 5)
"""Newest upload of a generated catalogue unless told otherwise: fixed, so that runs can be compared."""

TIME = "%Y-%m-%d %H:%M:%S"
FILE_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}


class Catalogue:
    """Wallpapers by id, oldest first; every method may be called while a twin serves it."""

    def __init__(self, wallpapers: Iterable[Wallpaper], *, generator: Generator | None = None) -> None:
        self._lock = threading.RLock()
        self._by_id = {wallpaper.id: wallpaper for wallpaper in wallpapers}
        self._generator = generator or Generator()
        self._numbers = itertools.count(len(self._by_id))
        self._version = 0
        self._snapshot: tuple[Wallpaper, ...] | None = None

    @classmethod
    def generate(
        cls,
        count: int,
        *,
        query: str = "draenei",
        seed: int = 1,
        small: bool = False,
        shared_picture: bool = False,
        others: int = 0,
        now: datetime = NOW,
    ) -> Catalogue:
        """`count` invented SFW wallpapers that match `query`; the same arguments give the same bytes.

        others: so many more that `q=query&purity=100` does not find (sketchy, nsfw, other tags), mixed in.
        small: pictures of at most 64 px. shared_picture: all items share six pictures, for huge catalogues.
        now: naive UTC, when the newest was uploaded.
        """
        return cls._generated(Generator(query, seed, small, shared_picture), count, others, now)

    @classmethod
    def of_mosaics(cls, count: int, *, seed: int = 1) -> Catalogue:
        """A huge catalogue as generate() makes it, of small pictures that are quick to make and like no other.

        One in fifty has its predecessor's bytes.
        """
        return cls._generated(Generator(seed=seed, small=True, mosaics=True), count, 0, NOW)

    @classmethod
    def _generated(cls, generator: Generator, count: int, others: int, now: datetime) -> Catalogue:
        total, seed = count + others, generator.seed
        odd = {number: n for n, number in enumerate(Random(f"others/{seed}").sample(range(total), others))}
        times = upload_times(total, now, seed)
        wallpapers = (
            _other(generator, number, times[number], odd[number])
            if number in odd
            else generator.wallpaper(number, times[number])
            for number in range(total)
        )
        return cls(wallpapers, generator=generator)

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        pictures: Mapping[str, bytes],
        *,
        query: str = "draenei",
    ) -> Catalogue:
        """Serve given listing items (18 fields; a detail's `tags` and `uploader` are used where present).

        pictures: bytes by id; an id without bytes is listed and its image answers 404.
        An item without tags gets the query's tag, so that the query finds it.
        """
        generator = Generator(query)
        listed = [
            _recorded(record, pictures.get(record["id"]), generator.query_tag) for record in reversed(list(records))
        ]
        # A listing has the newest first; reversed, items of one second keep the order they were listed in.
        return cls(sorted(listed, key=lambda wallpaper: wallpaper.created_at), generator=generator)

    @classmethod
    def from_files(cls, paths: Iterable[Path | str], *, query: str = "draenei", now: datetime = NOW) -> Catalogue:
        """Serve real picture files: size and type are read from each; ValueError if one is no JPEG or PNG."""
        generator = Generator(query)
        files = [Path(path) for path in paths]
        times = upload_times(len(files), now, generator.seed)
        return cls(
            [_filed(generator, number, path, times[number]) for number, path in enumerate(files)],
            generator=generator,
        )

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, wallpaper_id: object) -> bool:
        return wallpaper_id in self._by_id

    def get(self, wallpaper_id: str) -> Wallpaper | None:
        """The wallpaper of an id, None if there is none or it was deleted."""
        return self._by_id.get(wallpaper_id)

    @property
    def ids(self) -> list[str]:
        """All ids, oldest first."""
        return [wallpaper.id for wallpaper in self.snapshot()[1]]

    @property
    def query_tag(self) -> Tag:
        """The tag of the query this catalogue was made for."""
        return self._generator.query_tag

    def snapshot(self) -> tuple[int, tuple[Wallpaper, ...]]:
        """The version, which moves with every change, and the wallpapers of that version, oldest first."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = tuple(self._by_id.values())
            return self._version, self._snapshot

    def tag(self, tag_id: int) -> Tag | None:
        """The tag of an id, if any wallpaper bears it."""
        tags = (tag for wallpaper in self.snapshot()[1] for tag in wallpaper.tags)
        return next((tag for tag in tags if tag.id == tag_id), None)

    def upload(self, count: int = 1) -> list[Wallpaper]:
        """Add `count` new SFW wallpapers that match the query: one bulk upload, all in one second, the newest."""
        with self._lock:
            newest = max((wallpaper.created_at for wallpaper in self._by_id.values()), default=NOW)
            moment = newest + timedelta(seconds=60)
            fresh: list[Wallpaper] = []
            while len(fresh) < count:
                wallpaper = self._generator.wallpaper(next(self._numbers), moment)
                if wallpaper.id not in self._by_id:
                    fresh.append(wallpaper)
            self._by_id.update({wallpaper.id: wallpaper for wallpaper in fresh})
            self._changed()
        return fresh

    def delete(self, wallpaper_id: str) -> None:
        """Take a wallpaper off the site; KeyError if it is not there."""
        with self._lock:
            del self._by_id[wallpaper_id]
            self._changed()

    def retag(self, wallpaper_id: str, tags: Iterable[Tag]) -> None:
        """Give a wallpaper other tags; KeyError if it is not there."""
        self._edit(wallpaper_id, lambda old: replace(old, tags=tuple(tags)))

    def rerate(self, wallpaper_id: str, purity: str) -> None:
        """Set purity to sfw, sketchy or nsfw; KeyError if it is not there, ValueError for another word."""
        if purity not in ("sfw", "sketchy", "nsfw"):
            raise ValueError(f"purity {purity!r} is none of sfw, sketchy, nsfw")
        self._edit(wallpaper_id, lambda old: replace(old, purity=purity))

    def bump_views(self, wallpaper_id: str, views: int = 1, favorites: int = 0) -> None:
        """Add to the two counters that move on the real site; KeyError if it is not there."""
        self._edit(
            wallpaper_id,
            lambda old: replace(old, views=old.views + views, favorites=old.favorites + favorites),
        )

    def _edit(self, wallpaper_id: str, change: Callable[[Wallpaper], Wallpaper]) -> None:
        with self._lock:
            self._by_id[wallpaper_id] = change(self._by_id[wallpaper_id])
            self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._snapshot = None


def _other(generator: Generator, number: int, created_at: datetime, n: int) -> Wallpaper:
    purity = ("sketchy", "sfw", "nsfw", "sfw")[n % 4]
    return generator.wallpaper(number, created_at, matching=purity != "sfw", purity=purity)


def _recorded(record: Mapping[str, Any], body: bytes | None, tag: Tag) -> Wallpaper:
    uploader = record.get("uploader")
    return Wallpaper(
        id=record["id"],
        width=record["dimension_x"],
        height=record["dimension_y"],
        file_type=record["file_type"],
        created_at=datetime.strptime(record["created_at"], TIME),
        colors=tuple(record["colors"]),
        picture=Picture(lambda: body),
        tags=tuple(Tag(**given) for given in record["tags"]) if record.get("tags") else (tag,),
        uploader=_uploader(uploader) if uploader else UPLOADERS[0],
        purity=record["purity"],
        category=record["category"],
        source=record["source"],
        views=record["views"],
        favorites=record["favorites"],
        claimed_size=record["file_size"],
    )


def _uploader(given: Mapping[str, Any]) -> Uploader:
    return Uploader(given["username"], given["group"], given["avatar"]["200px"].rpartition("/")[2])


def _filed(generator: Generator, number: int, path: Path, created_at: datetime) -> Wallpaper:
    with Image.open(path) as image:
        file_type = FILE_TYPES.get(image.format or "")
        width, height = image.size
    if file_type is None:
        raise ValueError(f"{path} is {image.format}; the site has only JPEG and PNG")
    return Wallpaper(
        id=id_of(number),
        width=width,
        height=height,
        file_type=file_type,
        created_at=created_at,
        colors=PALETTE[:5],
        picture=Picture(path.read_bytes),
        tags=(generator.query_tag, *generator.tags(number)),
        uploader=UPLOADERS[number % len(UPLOADERS)],
        claimed_size=path.stat().st_size,
    )


def to_text(moment: datetime) -> str:
    """created_at as the API writes it: UTC without a zone."""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime(TIME)
