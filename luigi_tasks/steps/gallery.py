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
from importlib import resources
from pathlib import Path
from typing import Any

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import gallery_ledger, postgres
from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps.recipes import thumbnails

COLUMNS = (
    *("id", "small", "width", "height", "bytes", "purity", "category", "colors", "tags", "uploader", "views"),
    *("favorites", "uploaded", "found", "state", "cluster", "canonical", "queries"),
)
DETAILS = ("large", "original", "sha256", "fields", "near", "life", "versions", "attempts", "origin")
LIST_PART, DETAIL_PART = 1000, 64
PART_NAME = re.compile(r"(list|detail|duplicates)-[0-9a-f]{16}\.js")
KEPT_IN_REPOSITORY = "README.md"
CONTENT_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "txt": "text/plain"}
PREFIX = "gallery/"
COPIES = "pictures"


@dataclass(frozen=True)
class Content:
    """What a gallery shows. state: changes when a wallpaper or a thumbnail does; the rest as gallery_ledger has it."""

    state: str
    pictures: Sequence[Mapping[str, Any]]
    queries: Sequence[Mapping[str, Any]]
    review: Mapping[str, Any]


def refresh(settings: Settings, store: ObjectStore) -> dict[str, object]:
    """The gallery after a run, as GALLERY says; {} when nothing changed since the last one."""
    index = home(settings) / "data" / "index.js"
    if settings.gallery == "none":
        return {}
    with postgres.transaction(settings) as cursor:
        state = gallery_ledger.state(cursor)
    if index.exists() and f'"state":"{state}"' in index.read_text():
        return {}
    written = write(settings, store, home(settings))
    if settings.gallery == "bucket":
        written |= upload(settings, store, home(settings))
    return written


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
            gallery_ledger.state(cursor),
            list(gallery_ledger.pictures(cursor, recipes[0].digest, recipes[-1].digest)),
            gallery_ledger.queries(cursor),
            {"pairs": gallery_ledger.review(cursor), "verdicts": gallery_ledger.verdicts(cursor)},
        )


def lay_out(content: Content, out: Path, base: str) -> None:
    """Write shell and data into a folder; the same content gives the same bytes. base: from the page to the objects."""
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, body in shell().items():
        _replace(out / name, body)
    index = _parts(data, content) | {"state": content.state, "base": base}
    _replace(data / "index.js", _script("index", index))
    kept = {*index["lists"], *index["details"], index["duplicates"]}
    for path in data.iterdir():
        if PART_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()


def shell() -> dict[str, bytes]:
    """The files that are the same for every collection, by name; a page with all that it loads is at most 100 KiB."""
    folder = resources.files("luigi_tasks") / "gallery"
    files = [file for file in folder.iterdir() if file.name != KEPT_IN_REPOSITORY]
    return {file.name: _slim(file.name, file.read_text()).encode() for file in files}


def _slim(name: str, text: str) -> str:
    """Without indentation and whole lines of comment, which no line of ours means anything by; licences stay."""
    if name.endswith(".css"):
        text = re.sub(r"/\*(?!!).*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"(?<=[a-z-]):\s+", ":", text))
    if name.endswith((".js", ".html")) and ".min." not in name:
        lines = (line.strip() for line in text.splitlines())
        return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"
    return text


def upload(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    """Bring a written gallery to the bucket, under gallery/; what is not part of it any more is taken away there.

    The bucket stays as private as it is. Raises SettingsError without a bucket, StoreError.
    """
    if not settings.bucket_name:
        raise SettingsError("there is no bucket to upload to", mend="Set BUCKET_NAME, or open the folder's index.html.")
    index = (out / "data" / "index.js").read_bytes().replace(f'"base":"{COPIES}/"'.encode(), b'"base":"../"')
    wanted = {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted((out / "data").glob("*-*.js"))}
    wanted |= shell() | {"data/index.js": index}  # last: it names the others
    for name, body in wanted.items():
        _put(store, PREFIX + name, body)
    for head in list(store.list(PREFIX)):
        if head.key.removeprefix(PREFIX) not in wanted:
            store.remove(head.key)
    return {"gallery_in_bucket": store.uri(f"{PREFIX}index.html")}


def _put(store: ObjectStore, key: str, body: bytes) -> None:
    """The one place that renews an object: pages are made again from the tables at any time, originals are not."""
    digest = hashlib.sha256(body).hexdigest()
    content_type = CONTENT_TYPES[key.rpartition(".")[2]] + "; charset=utf-8"
    facts: dict[str, Any] = {"content_type": content_type, "sha256": digest, "metadata": {}}
    if store.put_if_absent(key, body, **facts).sha256 != digest:
        store.remove(key)
        store.put_if_absent(key, body, **facts)


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
