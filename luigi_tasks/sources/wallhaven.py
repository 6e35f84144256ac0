"""Wallhaven: wallpapers of a community site.

Docs         https://wallhaven.cc/help/api
Pages        24 records a page (32 or 64 with a key's account setting); the end is current_page >= last_page
Rate limit   45 API calls a minute; picture hosts are not counted
Credential   optional X-API-Key; anonymous is the reproducible choice
Raw tables   raw.wallhaven_search (18 fields), raw.wallhaven_wallpaper (the same, uploader and tags)
Traps        unknown filter values are ignored, not refused: they are checked here before anything is sent;
             `q` is never sent first, because a URL that begins with q=like is challenged
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping

from luigi_tasks.domain.coverage import Position
from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.run import Query
from luigi_tasks.sources.contract import Entity, Page, Request, parse_json

NAME = "wallhaven"
ENTITIES: Mapping[str, Entity] = {
    "search": Entity("raw.wallhaven_search", "wallhaven_search.json"),
    # 404: deleted; 401: re-rated so that only a key sees it. Both are answers about this one wallpaper.
    "wallpaper": Entity("raw.wallhaven_wallpaper", "wallhaven_wallpaper.json", frozenset({200, 401, 404})),
}
CREDENTIAL_HEADER = "X-API-Key"
EVERY_MINUTES = 30
LISTED, DETAILED = "search", "wallpaper"
ID = re.compile(r"[0-9A-Za-z_-]{1,32}")

_COLORS = (
    "660000 990000 cc0000 cc3333 ea4c88 993399 663399 333399 0066cc 0099cc 66cccc 77cc33 669900 336600 666600 "
    "999900 cccc33 ffff00 ffcc33 ff9900 ff6600 cc6633 996633 663300 000000 999999 cccccc ffffff 424153"
)
_SIZE = "[1-9][0-9]{0,5}x[1-9][0-9]{0,5}"
_ALLOWED = {
    "categories": "[01]{3}",
    "purity": "[01]{3}",
    "sorting": "date_added|relevance|random|views|favorites|toplist",
    "order": "desc|asc",
    "topRange": "1d|3d|1w|1M|3M|6M|1y",
    "atleast": _SIZE,
    "resolutions": f"{_SIZE}(,{_SIZE})*",
    "ratios": f"({_SIZE}|landscape|portrait)(,({_SIZE}|landscape|portrait))*",
    "colors": _COLORS.replace(" ", "|"),
    "ai_art_filter": "0|1",
}
_SETTING = {"topRange": "WALLHAVEN_TOP_RANGE"}


def query(text: str, filters: Mapping[str, str | None]) -> Query:
    """The query for a text and the API's filters (categories purity sorting order topRange atleast …).

    Raises SettingsError for a value that the API would silently ignore and so answer unfiltered.
    """
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise SettingsError(f"the search text {text!r} holds what no URL can", mend="Type it again as plain text.")
    given = {name: value for name, value in filters.items() if value not in {None, ""}}
    for name, value in given.items():
        if name not in _ALLOWED or not re.fullmatch(_ALLOWED[name], str(value)):
            setting = _SETTING.get(name, f"WALLHAVEN_{name.upper()}")
            raise SettingsError(f"{setting}={value} is not a value of the API", mend=f"Allowed: {_ALLOWED.get(name)}.")
    for name in ("categories", "purity"):
        if given.get(name) == "000":
            raise SettingsError(f"WALLHAVEN_{name.upper()}=000 selects nothing", mend="Set at least one bit.")
    if "topRange" in given and given.get("sorting") != "toplist":
        raise SettingsError("WALLHAVEN_TOP_RANGE needs WALLHAVEN_SORTING=toplist", mend="Set both, or neither.")
    return Query.of(NAME, text, {name: str(value) for name, value in given.items()} | ({"q": text} if text else {}))


def first_request(query: Query) -> Request:
    """Page 1 of the search."""
    return _search(query, 1)


def following_request(query: Query, page: Page) -> Request | None:
    """The next page of the search, None after the last."""
    return None if page.is_last else _search(query, page.number + 1)


def detail_request(record_id: str) -> Request:
    """One wallpaper with its tags and uploader."""
    return Request("wallpaper", f"w-{record_id}", f"/w/{record_id}")


def parse(entity: str, body: bytes) -> Page:
    """Read a search listing or a wallpaper's detail. Raises SourceError when the envelope is not the API's."""
    document = parse_json(body)
    if entity == "wallpaper" and isinstance(document, dict) and "error" in document:
        return Page(())
    data = document.get("data") if isinstance(document, dict) else None
    if entity == "wallpaper":
        if not isinstance(data, dict):
            raise SourceError("the detail has no object `data`")
        return Page((data,), total=1)
    meta = document.get("meta") if isinstance(document, dict) else None
    if not isinstance(data, list) or not isinstance(meta, dict):
        raise SourceError("the listing has no list `data` or no object `meta`")
    number, last_number, total = (_count(meta, name) for name in ("current_page", "last_page", "total"))
    if not data and total and number <= last_number:
        raise SourceError(f"page {number} of {last_number} is empty though the source claims {total} records")
    return Page(tuple(data), number, last_number, total)


def record_id(record: object) -> str | None:
    """The wallpaper's id, when it is one that may stand in an object key."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) and ID.fullmatch(found) else None


def position(record: object) -> Position | None:
    """(created_at, id): the API writes '2026-11-20 18:30:05', UTC, and several wallpapers share a second."""
    key, text = record_id(record), record.get("created_at") if isinstance(record, dict) else None
    if key is None or not isinstance(text, str):
        return None
    try:
        return Position(datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S"), key)
    except ValueError:
        return None


def newest_first(query: Query) -> bool:
    """True for sorting by upload date, newest first."""
    parameters = dict(query.parameters)
    return parameters.get("sorting") == "date_added" and parameters.get("order") == "desc"


def _search(query: Query, number: int) -> Request:
    ordered = sorted(query.parameters, key=lambda pair: (pair[0] == "q", pair[0]))
    return Request("search", f"page-{number:05}", "/search", (("page", str(number)), *ordered))


def _count(meta: Mapping[str, object], name: str) -> int:
    value = meta.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SourceError(f"meta.{name} is {value!r}, not a number")
    return value
