"""What /search finds: the filters, the query language and the orders, with the site's quirks.

The rule that surprises: a filter the site cannot read is dropped, not refused. Where no probe tells what the
site does (several plain words, purity 000, a page a little past the end) the comment says what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from twin.pictures import PALETTE
from twin.wallpaper import EXTENSIONS, Wallpaper, ratio_text

Test = Callable[[Wallpaper], bool]

CATEGORIES = ("general", "anime", "people")
PURITIES = ("sfw", "sketchy", "nsfw")
TOP_RANGE_DAYS = {"1d": 1, "3d": 3, "1w": 7, "1M": 30, "3M": 91, "6M": 182, "1y": 365}
ULTRAWIDE = ("2.33", "2.37", "2.39")

ORDERS: dict[str, Callable[[Wallpaper], object]] = {
    "date_added": lambda wallpaper: wallpaper.created_at,
    "relevance": lambda wallpaper: (-len(wallpaper.tags), wallpaper.favorites),
    "views": lambda wallpaper: wallpaper.views,
    "favorites": lambda wallpaper: wallpaper.favorites,
    "toplist": lambda wallpaper: (wallpaper.favorites, wallpaper.views),
    "random": lambda wallpaper: wallpaper.id,
}


@dataclass(frozen=True)
class Found:
    """Everything a search matches, in order. shown: items that pages may show; total: what meta.total says."""

    shown: Sequence[Wallpaper]
    total: int
    query: object = None
    seed: str | None = None


@dataclass(frozen=True)
class Query:
    """A parsed `q`: tests to pass, and what meta.query echoes (null, text, "" or an object)."""

    echo: object = None
    tests: Sequence[Test] = field(default_factory=tuple)


def find(wallpapers: Sequence[Wallpaper], params: Mapping[str, str], *, keyed: bool, seed: str) -> Found:
    """Filter and order `wallpapers` (oldest first) as /search does for these parameters.

    keyed: a valid key came along, so that nsfw may be seen. seed: used for random order when none is given.
    """
    query = parse_query(params.get("q"), wallpapers)
    tests = (*_bit_tests(params, keyed), *_shape_tests(params), *query.tests)
    kept = [wallpaper for wallpaper in wallpapers if all(test(wallpaper) for test in tests)]
    sorting = params.get("sorting", "date_added")
    if sorting not in ORDERS:
        return Found((), len(kept), query.echo)
    if sorting == "toplist":
        kept = _recent(kept, wallpapers, params.get("topRange", "1M"))
    ascending = params.get("order") == "asc"
    if sorting == "random":
        given = params.get("seed", "")
        seed = given if re.fullmatch(r"[a-zA-Z0-9]{6}", given) else seed
        Random(seed).shuffle(kept)
        return Found(kept, len(kept), query.echo, seed)
    ordered = sorted(kept, key=ORDERS[sorting])  # type: ignore[arg-type]
    if not ascending:
        ordered.reverse()
    shown = ordered[:2] if sorting == "views" and ascending else ordered  # as probed: two items, the full total
    return Found(shown, len(kept), query.echo)


def parse_query(text: str | None, wallpapers: Sequence[Wallpaper]) -> Query:
    """Read `q`. Several plain words must all match (unprobed)."""
    if text is None or not text.strip():
        return Query(None if text is None else "")
    whole = text.strip()
    if exact := re.fullmatch(r"id:(\d{1,9})", whole):
        return _exact_tag(int(exact[1]), wallpapers)
    if like := re.fullmatch(r"like:(\w+)", whole):
        return _similar(like[1], wallpapers)
    tests: list[Test] = []
    words: list[str] = []
    for term in re.findall(r'[-+]?"[^"]+"|\S+', whole):
        test, word = _term(term)
        tests.append(test)
        words += [word] if word else []
    return Query(" ".join(words), tests)


def _term(term: str) -> tuple[Test, str]:
    if term.startswith("@"):
        return (lambda wallpaper: wallpaper.uploader.username.lower() == term[1:].lower()), ""
    if term.startswith("type:"):
        extension = "jpg" if term[5:] == "jpeg" else term[5:]
        return (lambda wallpaper: EXTENSIONS[wallpaper.file_type] == extension), ""
    word = term.lstrip("+-").strip('"').lower()
    if term.startswith("-"):
        return (lambda wallpaper: not _mentions(wallpaper, word)), term
    return (lambda wallpaper: _mentions(wallpaper, word)), term


def _mentions(wallpaper: Wallpaper, word: str) -> bool:
    return any(word in tag.name.lower() or word in tag.alias.lower() for tag in wallpaper.tags)


def _exact_tag(tag_id: int, wallpapers: Sequence[Wallpaper]) -> Query:
    names = (tag.name for wallpaper in wallpapers for tag in wallpaper.tags if tag.id == tag_id)
    name = next(names, None)
    echo: object = "" if name is None else {"id": tag_id, "tag": name}
    return Query(echo, [lambda wallpaper: any(tag.id == tag_id for tag in wallpaper.tags)])


def _similar(wallpaper_id: str, wallpapers: Sequence[Wallpaper]) -> Query:
    liked = next((wallpaper for wallpaper in wallpapers if wallpaper.id == wallpaper_id), None)
    wanted = frozenset(tag.id for tag in liked.tags) if liked else frozenset()
    need = max(1, len(wanted) // 2)
    return Query("", [lambda wallpaper: len(wanted.intersection(tag.id for tag in wallpaper.tags)) >= need])


def _bit_tests(params: Mapping[str, str], keyed: bool) -> list[Test]:
    categories = _bits(params.get("categories"), CATEGORIES, "111")
    purities = _bits(params.get("purity"), PURITIES, "100")  # purity 000 finds nothing (unprobed)
    if not keyed:
        purities -= {"nsfw"}
    tests: list[Test] = [
        lambda wallpaper: wallpaper.category in categories,
        lambda wallpaper: wallpaper.purity in purities,
    ]
    if params.get("ai_art_filter") == "1":
        tests.append(lambda wallpaper: not wallpaper.ai_art)
    return tests


def _bits(given: str | None, names: tuple[str, ...], default: str) -> frozenset[str]:
    bits = given if given and re.fullmatch(r"[01]{3}", given) else default
    return frozenset(name for name, bit in zip(names, bits, strict=True) if bit == "1")


def _shape_tests(params: Mapping[str, str]) -> list[Test]:
    tests: list[Test] = []
    if least := _sizes(params.get("atleast", "")):
        width, height = least[0]
        tests.append(lambda wallpaper: wallpaper.width >= width and wallpaper.height >= height)
    sizes = frozenset(_sizes(params.get("resolutions", "")))
    if sizes:
        tests.append(lambda wallpaper: (wallpaper.width, wallpaper.height) in sizes)
    shapes = [shape for word in params.get("ratios", "").split(",") if (shape := _ratio_test(word))]
    if shapes:
        tests.append(lambda wallpaper: any(shape(wallpaper) for shape in shapes))
    color = "#" + params.get("colors", "").lower()
    if color in PALETTE:
        tests.append(lambda wallpaper: color in wallpaper.colors)
    return tests


def _sizes(text: str) -> list[tuple[int, int]]:
    sizes = (re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", word.strip()) for word in text.split(","))
    return [(int(size[1]), int(size[2])) for size in sizes if size]


def _ratio_test(word: str) -> Test | None:
    if word == "landscape":
        return lambda wallpaper: wallpaper.width > wallpaper.height
    if word == "portrait":
        return lambda wallpaper: wallpaper.width < wallpaper.height
    if not (sizes := _sizes(word)):
        return None
    wanted = ULTRAWIDE if word == "21x9" else (ratio_text(*sizes[0]),)
    return lambda wallpaper: wallpaper.ratio in wanted


def _recent(kept: list[Wallpaper], wallpapers: Sequence[Wallpaper], top_range: str) -> list[Wallpaper]:
    newest = max((wallpaper.created_at for wallpaper in wallpapers), default=None)
    if newest is None:
        return kept
    since = newest - timedelta(days=TOP_RANGE_DAYS.get(top_range, TOP_RANGE_DAYS["1M"]))
    return [wallpaper for wallpaper in kept if wallpaper.created_at >= since]
