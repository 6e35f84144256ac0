"""Invented wallpapers: a function of (seed, number), so that every process makes the same ones."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from twin.pictures import MOSAIC, MOTIFS, PALETTE, Recipe, Size, render
from twin.wallpaper import Picture, Tag, Uploader, Wallpaper, id_of

OFF_PALETTE = ("#e7d8b1", "#abbcda", "#fdadc7", "#f5dd01")
"""Values seen in real `colors` that cannot be searched for."""

SIZES: tuple[Size, ...] = (
    *((1920, 1080), (1280, 720), (1600, 900), (1366, 768), (1024, 768), (800, 600), (640, 360)),
    *((1280, 720), (720, 1280), (1280, 1024), (1720, 720), (900, 900), (640, 1136), (1280, 800)),
)
COPIED_ONE_IN = 50
SMALL_SIZES: tuple[Size, ...] = ((64, 36), (48, 48), (36, 64), (63, 27), (60, 40), (64, 48))

WORDS = (
    (2, "digital art", "digital artwork, digital drawing", 2, "Art & Design"),
    (323, "artwork", "art, Art design, artworks", 2, "Art & Design"),
    (175, "fantasy art", "", 2, "Art & Design"),
    (414, "women", "woman, female, females", 34, "People"),
    (1218, "video games", "game, gaming, ゲーム", 17, "Games"),
    (4206, "World of Warcraft", "WoW, 魔兽世界", 17, "Games"),
    (190, "clouds", "cloud, cloudy", 5, "Nature"),
    (740, "Moon", "moonrise, moons", 45, "Space"),
    (1, "anime", "Japanese cartoon, 動漫", 1, "Anime & Manga"),
    (64208, "sky blue", "", 36, "Colors"),
    (711, "landscape", "landscapes", 5, "Nature"),
    (3393, "horns", "horn, horned", 30, "Anatomy"),
    (8891, "blue skin", "", 30, "Anatomy"),
    (2278, "Blizzard Entertainment", "Blizzard", 17, "Games"),
    (1070, "minimalism", "minimalist, minimalistic", 2, "Art & Design"),
    (5512, "stars", "star, starry", 45, "Space"),
    *((20_000 + n, f"motif {n}", "" if n % 4 == 0 else f"motive {n}", 21, "Other") for n in range(24)),
)
VOCABULARY = tuple(Tag(*word) for word in WORDS)

UPLOADERS = (
    *(Uploader(name) for name in ("Owl279", "velen", "fibonacci", "Tishkin", "e__o")),
    Uploader("自由使者", avatar="1038192_0bbb5d87474b.png"),
    Uploader("ドラネイ", avatar="77_aa05e1d20c3f.jpg"),
    Uploader("AksumkA", "Owner/Developer", "3_3339efb2a813.jpg"),
    Uploader("Gandalf", "Moderator"),
)
SOURCES = ("", "", "", "https://www.artstation.com/artwork/{}", "https://www.pixiv.net/en/artworks/{}")


@dataclass(frozen=True)
class Generator:
    """Makes the number-th wallpaper of a seed. query: the word the matching ones are found by."""

    query: str = "draenei"
    seed: int = 1
    small: bool = False
    shared_picture: bool = False
    mosaics: bool = False

    @functools.cached_property
    def query_tag(self) -> Tag:
        """The tag named exactly as the query, as `q=id:N` finds it."""
        known = next((tag for tag in VOCABULARY if tag.name.lower() == self.query.lower()), None)
        return known or Tag(zlib.crc32(self.query.encode()) % 90_000 + 100_000, self.query, "", 17, "Games")

    @functools.cached_property
    def fuzzy_tag(self) -> Tag:
        """A tag that a keyword search for the query also finds, and `q=id:N` does not."""
        return replace(self.query_tag, id=self.query_tag.id + 100_000, name=f"{self.query} (character)")

    @functools.cached_property
    def _tag_sets(self) -> tuple[tuple[Tag, ...], ...]:
        rng = Random(f"tags/{self.seed}")
        spare = [tag for tag in VOCABULARY if self.query.lower() not in f"{tag.name}, {tag.alias}".lower()]
        sizes = (2, 3, 4, 5, 6, 9, 14, min(29, len(spare)))
        return tuple(tuple(rng.sample(spare, rng.choice(sizes))) for _ in range(64))

    @functools.cached_property
    def _shared(self) -> tuple[tuple[Recipe, Picture], ...]:
        return tuple(self._drawn(self._base_recipe(n)) for n in range(6))

    def tags(self, number: int) -> tuple[Tag, ...]:
        """Tags beside the query's own, two to 29 of them."""
        return self._tag_sets[number % len(self._tag_sets)]

    def wallpaper(self, number: int, created_at: datetime, *, matching: bool = True, purity: str = "sfw") -> Wallpaper:
        """The number-th wallpaper; a matching one is found by the query."""
        rng = Random(f"{self.seed}/{number}")
        recipe, picture = self._picture(number)
        views = int(rng.paretovariate(1.1) * 200) % 500_000
        own = self.fuzzy_tag if number % 8 == 3 else self.query_tag
        return Wallpaper(
            id=id_of(self.seed * 1_000_003 + number),
            width=recipe.width,
            height=recipe.height,
            file_type=recipe.file_type,
            created_at=created_at,
            colors=recipe.palette,
            picture=picture,
            tags=((own,) if matching else (VOCABULARY[-1],)) + self.tags(rng.randrange(64)),
            uploader=rng.choice(UPLOADERS),
            purity=purity,
            category=rng.choice(("general", "anime", "people")),
            source=rng.choice(SOURCES).format(rng.randrange(10**8)),
            views=views,
            favorites=views // rng.randint(20, 200),
            ai_art=number % 9 == 4,
        )

    def _picture(self, number: int) -> tuple[Recipe, Picture]:
        if self.shared_picture:
            return self._shared[number % len(self._shared)]
        if self.mosaics:
            original = number - 1 if number % COPIED_ONE_IN == COPIED_ONE_IN - 1 else number
            return self._drawn(replace(self._base_recipe(original), motif=MOSAIC))
        recipe = self._recipe(number)
        if number % 12 == 11:
            recipe = self._recipe(number - 4)
        return self._drawn(recipe)

    @functools.cached_property
    def _pictures(self) -> dict[Recipe, Picture]:
        return {}

    def _drawn(self, recipe: Recipe) -> tuple[Recipe, Picture]:
        return recipe, self._pictures.setdefault(recipe, Picture(functools.partial(render, recipe)))

    def _recipe(self, number: int) -> Recipe:
        tweak = {5: "resized", 8: "recompressed", 10: "brighter"}.get(number % 12)
        if tweak is None:
            return self._base_recipe(number)
        base = self._base_recipe(number - 1)
        if tweak == "resized":
            return replace(base, width=base.width * 3 // 4, height=base.height * 3 // 4, tweak=tweak)
        return replace(base, tweak=tweak, file_type="image/jpeg")

    def _base_recipe(self, number: int) -> Recipe:
        rng = Random(f"picture/{self.seed}/{number}")
        width, height = rng.choice(SMALL_SIZES if self.small else SIZES)
        palette = (*rng.sample(PALETTE, 4), rng.choice(OFF_PALETTE))
        file_type = "image/png" if rng.random() < 0.3 else "image/jpeg"
        motif = rng.choice(tuple(MOTIFS))
        seed = f"{self.seed}/{number}"
        return Recipe(motif, seed, (width, height), width, height, palette, file_type)


def upload_times(count: int, newest: datetime, seed: int) -> list[datetime]:
    """`count` times, oldest first, ending at `newest`; uploads come in groups of one to six in the same second."""
    return sorted(_backwards(count, newest, Random(f"times/{seed}")))


def _backwards(count: int, newest: datetime, rng: Random) -> Iterator[datetime]:
    moment = newest
    while count > 0:
        group = min(count, rng.choice((1, 1, 1, 2, 3, 6)))
        yield from (moment,) * group
        count -= group
        moment -= timedelta(seconds=rng.randrange(1, 7200))
