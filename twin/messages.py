"""What goes over the wire: a recorded request, an answer, and the route a path belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

API = "/api/v1"
HTML = "text/html; charset=UTF-8"
JSON = "application/json"


@dataclass(frozen=True)
class Route:
    """Which thing of the site a request asks for.

    kind: search, detail, tag, collection, account, image, thumb, admin, site or other. id: wallpaper or tag id, of a
    further site its name.
    page: the listing page asked for, 1 where none was named.
    """

    kind: str
    id: str = ""
    page: int = 1


@dataclass(frozen=True)
class Request:
    """One request as received. Header names are lower case; `at` is in seconds of time.monotonic().

    status 0: no status line was sent (reset). fault: the kind of the fault that hit it, or "".
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    at: float
    status: int = 0
    client: str = "127.0.0.1"
    fault: str = ""
    route: Route = field(default_factory=lambda: Route("other"))

    @property
    def params(self) -> dict[str, str]:
        """The decoded query, last value of a repeated name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True)
class Response:
    """An answer before delivery; Content-Length is added by the delivery."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(value: object, status: int = 200) -> Response:
    """`value` as the API sends it: compact, non-ASCII escaped, plain slashes (as in the captures of 2026)."""
    return Response(status, json.dumps(value, separators=(",", ":")).encode())


def error_answer(status: int, text: str) -> Response:
    """The API's JSON error body."""
    return json_answer({"error": text}, status)


def html_answer(status: int, title: str, *headers: tuple[str, str]) -> Response:
    """An HTML page, as the site and its proxy send for what the API itself does not answer."""
    page = f"<!DOCTYPE html>\n<html lang=en><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(status, page.encode(), HTML, headers)


def route_of(path: str, params: Mapping[str, str]) -> Route:
    """Sort a path into the routes that the faults and the record speak of."""
    parts = path.strip("/").split("/")
    if path.startswith(API + "/"):
        return _api_route(parts[2:], params)
    if parts[0] == "full" and len(parts) == 3:
        return Route("image", parts[2].removeprefix("wallhaven-").partition(".")[0])
    if parts[0] in ("lg", "orig", "small") and len(parts) == 3:
        return Route("thumb", parts[2].partition(".")[0])
    return Route("admin" if parts[0] == "twin" else "other")


def _api_route(parts: list[str], params: Mapping[str, str]) -> Route:
    number = params.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    match parts:
        case ["search"]:
            return Route("search", page=page)
        case ["w", wallpaper]:
            return Route("detail", wallpaper)
        case ["tag", tag]:
            return Route("tag", tag)
        case ["collections", *_]:
            return Route("collection", page=page)
        case ["settings"]:
            return Route("account")
    return Route("other")
