"""The image hosts: originals and thumbs, outside the API's rate limit."""

from __future__ import annotations

import zlib

from twin.catalogue import Catalogue
from twin.messages import Request, Response, html_answer
from twin.pictures import thumbnail
from twin.wallpaper import Wallpaper

CACHING = ("cache-control", "public, max-age=2592000")


def image_answer(catalogue: Catalogue, request: Request) -> Response:
    """The original or a thumb that the path names; an HTML 404 for a deleted one or a wrong extension."""
    wallpaper = catalogue.get(request.route.id)
    if wallpaper is None:
        return _nothing()
    return _original(wallpaper, request.path) if request.route.kind == "image" else _thumb(wallpaper, request.path)


def _original(wallpaper: Wallpaper, path: str) -> Response:
    body = wallpaper.picture.body()
    if body is None or path != wallpaper.path:
        return _nothing()
    sharing = ("access-control-allow-origin", "*")
    return Response(200, body, wallpaper.file_type, (_etag(body), CACHING, sharing))


def _thumb(wallpaper: Wallpaper, path: str) -> Response:
    body = wallpaper.picture.body()
    shape = path.split("/")[1]
    if body is None or path != f"/{shape}/{wallpaper.id[:2]}/{wallpaper.id}.jpg":
        return _nothing()
    try:
        small = thumbnail(body, shape)
    except OSError:  # given bytes that are no picture: the site could not have made a thumb of them
        return _nothing()
    return Response(200, small, "image/jpeg", (_etag(small), CACHING))


def _etag(body: bytes) -> tuple[str, str]:
    return ("etag", f'"{len(body):x}-{zlib.crc32(body):08x}"')


def _nothing() -> Response:
    return html_answer(404, "404 Not Found")
