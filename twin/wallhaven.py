"""The API's routes and bodies, as documented at https://wallhaven.cc/help/api and as captured and probed."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from random import Random

from twin.catalogue import Catalogue, to_text
from twin.messages import API, Request, Response, error_answer, html_answer, json_answer
from twin.search import Found, find
from twin.wallpaper import Tag, Wallpaper

PAGE_SIZE = 24
FAR = 100
"""So many pages past the last one a listing is still an empty 200; where the real 400 begins is unknown."""

SITE = "https://wallhaven.cc"


@dataclass(frozen=True)
class Collection:
    """A user's collection; an empty `ids` holds the 30 oldest wallpapers."""

    id: int = 631782
    label: str = "Default"
    public: bool = True
    views: int = 3
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """The one account of the twin: what its key unlocks and which settings a keyed search falls back to."""

    key: str = "twin-key"
    username: str = "twin"
    per_page: int = 64
    purity: str = "100"
    categories: str = "111"
    tag_blacklist: tuple[str, ...] = ()
    collections: tuple[Collection, ...] = (Collection(),)


@dataclass(frozen=True)
class Addresses:
    """Where bodies say that originals and thumbs are."""

    images: str = "https://w.wallhaven.cc"
    thumbs: str = "https://th.wallhaven.cc"


@dataclass
class Wallhaven:
    """Answers API requests out of a catalogue; thread-safe."""

    catalogue: Catalogue
    account: Account
    addresses: Addresses
    _cache: dict[tuple[object, ...], Found] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seeds: Random = field(default_factory=lambda: Random(6))

    def answer(self, request: Request) -> Response:  # noqa: PLR0911 - one return a route
        """The answer to a request below /api/v1."""
        params = request.params
        key = request.headers.get("x-api-key") or params.get("apikey")
        keyed = key == self.account.key
        if key and not keyed and request.route.kind in ("search", "collection"):
            return error_answer(401, "Unauthorized")
        match request.path.removeprefix(API + "/").split("/"):
            case ["search"]:
                return self._search(params, keyed)
            case ["w", wallpaper_id]:
                return self._detail(wallpaper_id, keyed)
            case ["tag", number]:
                return self._tag(number)
            case ["settings"]:
                return self._settings(key, keyed)
            case ["collections", *rest]:
                return self._collections(rest, params, keyed)
        return error_answer(404, "Not Found")

    def _search(self, params: Mapping[str, str], keyed: bool) -> Response:
        given = {name: value for name, value in params.items() if name not in ("page", "apikey")}
        if keyed:
            given = {"purity": self.account.purity, "categories": self.account.categories} | given
        found = self._find(given, keyed)
        echo = {"query": found.query, "seed": found.seed}
        return self._page(found.shown, found.total, params.get("page", "1"), keyed, echo)

    def _find(self, params: Mapping[str, str], keyed: bool) -> Found:
        version, wallpapers = self.catalogue.snapshot()
        seed = self._new_seed()
        cacheable = params.get("sorting") != "random"
        cache_key = (version, keyed, *sorted(params.items()))
        if cacheable and (known := self._cache.get(cache_key)):
            return known
        if keyed and self.account.tag_blacklist:
            wallpapers = tuple(wallpaper for wallpaper in wallpapers if not self._blacklisted(wallpaper))
        found = find(wallpapers, params, keyed=keyed, seed=seed)
        if cacheable:
            with self._lock:
                if len(self._cache) >= 16:
                    self._cache.clear()
                self._cache[cache_key] = found
        return found

    def _blacklisted(self, wallpaper: Wallpaper) -> bool:
        return any(tag.name in self.account.tag_blacklist for tag in wallpaper.tags)

    def _new_seed(self) -> str:
        with self._lock:
            return "".join(self._seeds.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=6))

    def _page(
        self, shown: Sequence[Wallpaper], total: int, number: str, keyed: bool, echo: Mapping[str, object]
    ) -> Response:
        per_page = self.account.per_page if keyed else PAGE_SIZE
        last_page = max(1, -(-total // per_page))
        page = int(number) if re.fullmatch(r"-?\d{1,18}", number, re.ASCII) else 1
        if page < 1:
            return html_answer(500, "It broke")
        if page > last_page + FAR:
            return error_answer(400, "Bad Request")
        items = shown[(page - 1) * per_page : page * per_page]
        _draw(items)
        meta: dict[str, object] = {
            "current_page": page,
            "last_page": last_page,
            "per_page": str(per_page) if keyed else per_page,
            "total": total,
        }
        return json_answer({"data": [self._item(item) for item in items], "meta": meta | dict(echo)})

    def _item(self, wallpaper: Wallpaper) -> dict[str, object]:
        short = f"{wallpaper.id[:2]}/{wallpaper.id}.jpg"
        thumbs = self.addresses.thumbs
        return {
            "id": wallpaper.id,
            "url": f"{SITE}/w/{wallpaper.id}",
            "short_url": f"https://whvn.cc/{wallpaper.id}",
            "views": wallpaper.views,
            "favorites": wallpaper.favorites,
            "source": wallpaper.source,
            "purity": wallpaper.purity,
            "category": wallpaper.category,
            "dimension_x": wallpaper.width,
            "dimension_y": wallpaper.height,
            "resolution": f"{wallpaper.width}x{wallpaper.height}",
            "ratio": wallpaper.ratio,
            "file_size": wallpaper.file_size,
            "file_type": wallpaper.file_type,
            "created_at": to_text(wallpaper.created_at),
            "colors": list(wallpaper.colors),
            "path": self.addresses.images + wallpaper.path,
            "thumbs": {
                "large": f"{thumbs}/lg/{short}",
                "original": f"{thumbs}/orig/{short}",
                "small": f"{thumbs}/small/{short}",
            },
        }

    def _detail(self, wallpaper_id: str, keyed: bool) -> Response:
        wallpaper = self.catalogue.get(wallpaper_id)
        if wallpaper is None:
            return error_answer(404, "Nothing here")
        if wallpaper.purity == "nsfw" and not keyed:
            return error_answer(401, "Unauthorized")
        uploader = wallpaper.uploader
        avatars = f"{SITE}/images/user/avatar"
        item = self._item(wallpaper)
        more = {
            "uploader": {
                "username": uploader.username,
                "group": uploader.group,
                "avatar": {f"{size}px": f"{avatars}/{size}/{uploader.avatar}" for size in (200, 128, 32, 20)},
            },
            "tags": [asdict(tag) for tag in wallpaper.tags],
        }
        return json_answer({"data": item | more})

    def _tag(self, number: str) -> Response:
        tag: Tag | None = self.catalogue.tag(int(number)) if re.fullmatch(r"\d{1,9}", number, re.ASCII) else None
        return json_answer({"data": asdict(tag)}) if tag else error_answer(404, "Nothing here")

    def _settings(self, key: str | None, keyed: bool) -> Response:
        if not keyed:
            return error_answer(404, "Nothing here") if key else error_answer(401, "Unauthorized")
        account = self.account
        names = {"purity": ("sfw", "sketchy", "nsfw"), "categories": ("general", "anime", "people")}
        bits = {"purity": account.purity, "categories": account.categories}
        chosen = {
            name: [word for word, bit in zip(names[name], bits[name], strict=True) if bit == "1"] for name in names
        }
        lists = {"resolutions": [""], "aspect_ratios": [""]}
        settings = {"thumb_size": "small", "per_page": str(account.per_page), **chosen, **lists}
        blacklists = {"tag_blacklist": list(account.tag_blacklist) or [""], "user_blacklist": [""]}
        return json_answer({"data": {**settings, "toplist_range": "1M", **blacklists, "ai_art_filter": 0}})

    def _collections(self, rest: list[str], params: Mapping[str, str], keyed: bool) -> Response:
        visible = [collection for collection in self.account.collections if keyed or collection.public]
        if not rest:
            return json_answer({"data": self._shelf(visible)}) if keyed else error_answer(404, "Nothing here")
        mine = visible if rest[0] == self.account.username else []
        if len(rest) == 1:
            return json_answer({"data": self._shelf([collection for collection in mine if collection.public])})
        wanted = [collection for collection in mine if rest[1:] == [str(collection.id)]]
        if not wanted:
            return error_answer(404, "Nothing here")
        purity = {"purity": params["purity"]} if "purity" in params else {}
        found = find(self._members(wanted[0]), purity, keyed=keyed, seed="")
        return self._page(found.shown, found.total, params.get("page", "1"), keyed, {})

    def _shelf(self, collections: Sequence[Collection]) -> list[dict[str, object]]:
        return [
            {
                "id": collection.id,
                "label": collection.label,
                "views": collection.views,
                "public": int(collection.public),
                "count": len(self._members(collection)),
            }
            for collection in collections
        ]

    def _members(self, collection: Collection) -> list[Wallpaper]:
        wallpapers = self.catalogue.snapshot()[1]
        if not collection.ids:
            return list(wallpapers[:30])
        return [wallpaper for wallpaper in wallpapers if wallpaper.id in collection.ids]


def _draw(items: Sequence[Wallpaper]) -> None:
    """Render what file_size will need, side by side: drawing and encoding leave the interpreter's lock."""
    waiting = [item for item in items if item.claimed_size is None and not item.picture.ready]
    if waiting:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda item: item.file_size, waiting))
