"""Gallery: a static site over the stored pictures that opens from a folder, without a server and without network.

{out}/index.html, duplicates.html, *.css, *.js   the shell, the same for every collection (luigi_tasks/gallery)
{out}/data/index.js                              what there is; written last, so a killed writer leaves the old gallery
{out}/data/{list,detail,duplicates}-*.js         the rows, in parts named by their content: what is the same stays
{out}/pictures/…                                 thumbnails, only where the objects are in a bucket

Data are scripts because a page from file:// may load scripts and not fetch. A picture is in the part that a checksum of
its id says, so that a new one changes one part of each kind and not all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import gallery_ledger, postgres
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import gallery_bucket, gallery_shell
from luigi_tasks.steps.recipes import thumbnails

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

COLUMNS = (
    *("id", "source", "title", "small", "width", "height", "bytes", "purity", "category", "colors", "tags"),
    *("uploader", "views", "favorites", "uploaded", "found", "state", "cluster", "canonical", "queries"),
)
DETAILS = ("large", "original", "sha256", "fields", "near", "life", "versions", "attempts", "origin")
LIST_PART, DETAIL_PART = 1000, 64
PART_NAME = re.compile(r"(list|detail|duplicates)-[0-9a-f]{16}\.js")
COPIES = "pictures"


@dataclass(frozen=True)
class Content:
    """What a gallery shows. as_of, state: as _as_of() and state() have them; the rest as gallery_ledger has it."""

    as_of: str
    state: str
    pictures: Sequence[Mapping[str, Any]]
    queries: Sequence[Mapping[str, Any]]
    review: Mapping[str, Any]


def refresh(settings: Settings, store: ObjectStore) -> dict[str, object]:
    """The gallery after a run or a takedown, as GALLERY says; {} when what is there is what the tables say.

    Asked of the bucket itself, so that an upload that failed is made good. Raises StoreError.
    """
    if settings.gallery == "none":
        return {}
    with postgres.transaction(settings) as cursor:
        if not gallery_ledger.has_models(cursor):
            return {}
        out, done = home(settings), dict[str, object]()
        there, base = _index(out), _base(settings, out)
        as_of = _as_of(cursor)
        is_there = (there.get("as_of"), there.get("base")) == (as_of, base)
        is_same = is_there or (there.get("state"), there.get("base")) == (state(cursor), base)
    if not is_same:
        done = write(settings, store, out)
    elif not is_there:
        _replace(out / "data" / "index.js", _script("index", there | {"as_of": as_of}))
    if settings.gallery == "bucket" and gallery_bucket.uploaded_state(store) != _index(out)["state"]:
        done |= upload(settings, store, out)
    return done


def state(cursor: Cursor) -> str:
    """A word that changes when the gallery would: by what it shows, or by how."""
    return f"{gallery_ledger.state(cursor)}-{gallery_shell.digest()}"


def _as_of(cursor: Cursor) -> str:
    """A word that changes whenever state() may; cheap, so that a run with nothing new need not ask for that."""
    return f"{gallery_ledger.as_of(cursor)}-{gallery_shell.digest()}"


def home(settings: Settings) -> Path:
    """Where the gallery is when nobody says otherwise."""
    return settings.draenei_home / "gallery"


def write(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    """Write the gallery: {'gallery': the page's path, 'gallery_pictures': how many}.

    Raises WarehouseError before the first dbt build, StoreError when a bucket's thumbnails cannot be read.
    """
    content = read(settings)
    if settings.bucket_name:
        _copy_thumbnails(store, content.pictures, out / COPIES)
    lay_out(content, out, _base(settings, out))
    return {"gallery": str(out / "index.html"), "gallery_pictures": len(content.pictures)}


def read(settings: Settings) -> Content:
    """What the tables say now. Raises WarehouseError before the first dbt build."""
    recipes = thumbnails(settings)
    with postgres.transaction(settings) as cursor:
        gallery_ledger.require_models(cursor)
        return Content(
            _as_of(cursor),
            state(cursor),
            list(gallery_ledger.pictures(cursor, recipes[0].digest, recipes[-1].digest)),
            gallery_ledger.queries(cursor),
            {"pairs": gallery_ledger.review(cursor), "verdicts": gallery_ledger.verdicts(cursor)},
        )


def lay_out(content: Content, out: Path, base: str) -> None:
    """Write shell and data into a folder; the same content gives the same bytes. base: from the page to the objects."""
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, body in gallery_shell.shell().items():
        _replace(out / name, body)
    index = _parts(data, content) | {"as_of": content.as_of, "state": content.state, "base": base}
    _replace(data / "index.js", _script("index", index))
    kept = {*index["lists"], *index["details"], index["duplicates"]}
    for path in data.iterdir():
        if PART_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()


def upload(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    """Bring a written gallery to the bucket, under gallery/. Raises SettingsError without a bucket, StoreError."""
    if not settings.bucket_name:
        raise SettingsError("there is no bucket to upload to", mend="Set BUCKET_NAME, or open the folder's index.html.")
    index = _index(out) | {"base": "../"}
    return gallery_bucket.upload(store, out, _script("index", index).encode(), index["state"])


def _index(out: Path) -> dict[str, Any]:
    """What is written there; {} when nothing is."""
    path = out / "data" / "index.js"
    if not path.exists():
        return {}
    written: dict[str, Any] = json.loads(path.read_text().removeprefix("collection.index(").removesuffix(");\n"))
    return written


def _parts(data: Path, content: Content) -> dict[str, Any]:
    pictures, queries = content.pictures, content.queries
    numbers = {query["key"]: number for number, query in enumerate(queries)}
    detail_parts = _power_of_two(len(pictures) / DETAIL_PART)
    lists: list[list[list[Any]]] = [[] for _ in range(_power_of_two(len(pictures) / LIST_PART))]
    details: list[dict[str, Any]] = [{} for _ in range(detail_parts)]
    for picture in pictures:
        checksum = zlib.crc32(picture["id"].encode())
        found_by = [numbers[key] for key in picture["queries"]]
        row = [found_by if name == "queries" else picture[name] for name in COLUMNS]
        lists[checksum % len(lists)].append([*row, checksum % detail_parts])
        details[checksum % detail_parts][picture["id"]] = {name: picture[name] for name in DETAILS}
    return {
        "size": len(pictures),
        "columns": [*COLUMNS, "part"],
        "queries": queries,
        "lists": [_part(data, "list", number, part) for number, part in enumerate(lists)],
        "details": [_part(data, "detail", number, part) for number, part in enumerate(details)],
        "duplicates": _part(data, "duplicates", 0, content.review),
    }


def _part(data: Path, kind: str, number: int, content: object) -> str:
    text = _script(kind, number, content)
    name = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.js"
    if not (data / name).exists():
        _replace(data / name, text)
    return name


def _script(kind: str, *arguments: object) -> str:
    """A call with JSON arguments. ASCII only, so that nothing in a tag can end a line or a script."""
    written = (json.dumps(argument, default=str, separators=(",", ":")) for argument in arguments)
    return f"collection.{kind}({','.join(written)});\n"


def _base(settings: Settings, out: Path) -> str:
    """From the page to the objects."""
    if settings.bucket_name:
        return f"{COPIES}/"
    return f"{Path(os.path.relpath(settings.draenei_home / 'objects', out)).as_posix()}/"


def _copy_thumbnails(store: ObjectStore, pictures: Iterable[Mapping[str, Any]], folder: Path) -> None:
    wanted = {picture[size] for picture in pictures for size in ("small", "large")}
    wanted = {key for key in wanted if key.startswith("derivatives/")}
    for key in sorted(wanted):
        if not (folder / key).exists():
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            try:
                _replace(folder / key, store.get(key))
            except ObjectMissing:
                continue  # fsck tells of it; the page shows its colour
    for path in folder.rglob("*.webp"):
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _replace(path: Path, content: str | bytes) -> None:
    """Write whole or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
    unfinished.replace(path)


def _power_of_two(number: float) -> int:
    """The least one that is not below."""
    size = 1
    while size < number:
        size *= 2
    return size
