"""Gallery: a static site over the stored pictures that opens from a folder, without a server and without network.

{out}/index.html, duplicates.html, *.css, *.js   the shell, the same for every collection (luigi_tasks/gallery)
{out}/data/index.js                              what there is; written last, so a killed writer leaves the old gallery
{out}/data/{list,detail,duplicates}-*.js         the rows, in parts named by their content: what is the same stays
{out}/pictures/…                                 thumbnails, only where the objects are in a bucket

Data are scripts because a page from file:// may load scripts and not fetch. A picture is in the part that a checksum of
its id says, so that a new one changes one part of each kind and not all of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.gateways import gallery_ledger, postgres, whole_file
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
COPIES_AT_ONCE = 16


class Packed(NamedTuple):
    """A picture as it is written: JSON of its row in a list, but for the last value, and of its details."""

    id: str
    row: str
    details: str
    thumbnails: tuple[str, str]


@dataclass(frozen=True)
class Content:
    """What a gallery shows. as_of, state: as _as_of() and state() have them; queries and review as gallery_ledger has
    them.

    most: GALLERY_PICTURES, where there are more than that.
    """

    as_of: str
    state: str
    pictures: Sequence[Packed]
    queries: Sequence[Mapping[str, Any]]
    review: Mapping[str, Any]
    most: int | None = None


def refresh(settings: Settings, store: ObjectStore) -> dict[str, object]:
    """The gallery after a run or a takedown, as GALLERY says; {} when what is there is what the tables say.

    Asked of the bucket itself, so that an upload that failed is made good. Raises StoreError.
    """
    if settings.gallery == "none":
        return {}
    with postgres.transaction(settings) as cursor:
        if not gallery_ledger.has_models(cursor):
            return {}
    # Runs of two sources may end at once: what one takes away the other's index would still name.
    with whole_file.alone(home(settings)):
        return _refreshed(settings, store, home(settings))


def _refreshed(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    done = dict[str, object]()
    with postgres.transaction(settings) as cursor:
        there, base = _index(out), _base(settings, out)
        as_of = _as_of(settings, cursor)
        is_there = (there.get("as_of"), there.get("base")) == (as_of, base)
        is_same = is_there or (there.get("state"), there.get("base")) == (state(settings, cursor), base)
    if not is_same:
        done = _written(settings, store, out)
    elif not is_there:
        _write(out / "data" / "index.js", _script("index", _json(there | {"as_of": as_of})))
    if settings.gallery == "bucket" and gallery_bucket.uploaded_state(store) != _index(out)["state"]:
        done |= _uploaded(settings, store, out)
    return done


def state(settings: Settings, cursor: Cursor) -> str:
    """A word that changes when the gallery would: by what it shows, by how, or by how much."""
    most = settings.gallery_pictures
    return f"{gallery_ledger.state(cursor, most)}-{gallery_shell.digest()}-{most}"


def _as_of(settings: Settings, cursor: Cursor) -> str:
    """A word that changes whenever state() may; cheap, so that a run with nothing new need not ask for that."""
    return f"{gallery_ledger.as_of(cursor)}-{gallery_shell.digest()}-{settings.gallery_pictures}"


def home(settings: Settings) -> Path:
    """Where the gallery is when nobody says otherwise."""
    return settings.draenei_home / "gallery"


def write(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    """Write the gallery: {'gallery': the page's path, 'gallery_pictures': how many}.

    Raises WarehouseError before the first dbt build, StoreError when a bucket's thumbnails cannot be read.
    """
    with whole_file.alone(out):
        return _written(settings, store, out)


def _written(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    content = read(settings)
    if settings.bucket_name:
        _copy_thumbnails(store, (key for one in content.pictures for key in one.thumbnails), out / COPIES)
    lay_out(content, out, _base(settings, out))
    return {"gallery": str(out / "index.html"), "gallery_pictures": len(content.pictures)}


def read(settings: Settings) -> Content:
    """What the tables say now. Raises WarehouseError before the first dbt build."""
    recipes, most = thumbnails(settings), settings.gallery_pictures
    with postgres.transaction(settings) as cursor:
        # One moment of the tables: another source's build may commit between two of these questions.
        cursor.execute("set transaction isolation level repeatable read")
        gallery_ledger.require_models(cursor)
        queries = gallery_ledger.queries(cursor)
        pictures = pack(gallery_ledger.pictures(cursor, recipes[0].digest, recipes[-1].digest, most), queries)
        return Content(
            _as_of(settings, cursor),
            state(settings, cursor),
            pictures,
            queries,
            {"pairs": gallery_ledger.review(cursor, most), "verdicts": gallery_ledger.verdicts(cursor)},
            most if gallery_ledger.most_stored(cursor) > most else None,
        )


def pack(pictures: Iterable[Mapping[str, Any]], queries: Sequence[Mapping[str, Any]]) -> list[Packed]:
    """Rows of gallery_ledger one by one, so that no more than one is here as objects."""
    numbers = {query["key"]: number for number, query in enumerate(queries)}
    packed = []
    for picture in pictures:
        found_by = [numbers[key] for key in picture["queries"]]
        row = [found_by if name == "queries" else picture[name] for name in COLUMNS]
        details = {name: picture[name] for name in DETAILS}
        kept = (picture["small"], picture["large"])
        packed.append(Packed(picture["id"], _json(row).removesuffix("]"), _json(details), kept))
    return packed


def lay_out(content: Content, out: Path, base: str) -> None:
    """Write shell and data into a folder; the same content gives the same bytes. base: from the page to the objects."""
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, body in gallery_shell.shell().items():
        _write(out / name, body)
    index = _parts(data, content) | {"as_of": content.as_of, "state": content.state, "base": base}
    _write(data / "index.js", _script("index", _json(index)))
    kept = {*index["lists"], *index["details"], index["duplicates"]}
    for path in data.iterdir():
        if PART_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()


def upload(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    """Bring a written gallery to the bucket, under gallery/. Raises SettingsError without a bucket, StoreError."""
    with whole_file.alone(out):
        return _uploaded(settings, store, out)


def _uploaded(settings: Settings, store: ObjectStore, out: Path) -> dict[str, object]:
    if not settings.bucket_name:
        raise SettingsError("there is no bucket to upload to", mend="Set BUCKET_NAME, or open the folder's index.html.")
    index = _index(out) | {"base": "../"}
    return gallery_bucket.upload(store, out, _script("index", _json(index)).encode(), index["state"])


def _index(out: Path) -> dict[str, Any]:
    """What is written there; {} when nothing is."""
    path = out / "data" / "index.js"
    if not path.exists():
        return {}
    written: dict[str, Any] = json.loads(path.read_text().removeprefix("collection.index(").removesuffix(");\n"))
    return written


def _parts(data: Path, content: Content) -> dict[str, Any]:
    pictures = content.pictures
    lists: list[list[str]] = [[] for _ in range(_power_of_two(len(pictures) / LIST_PART))]
    details: list[list[str]] = [[] for _ in range(_power_of_two(len(pictures) / DETAIL_PART))]
    for picture in pictures:
        checksum = zlib.crc32(picture.id.encode())
        lists[checksum % len(lists)].append(f"{picture.row},{checksum % len(details)}]")
        details[checksum % len(details)].append(f"{_json(picture.id)}:{picture.details}")
    return {
        "size": len(pictures),
        "most": content.most,
        "columns": [*COLUMNS, "part"],
        "queries": content.queries,
        "lists": [_part(data, "list", number, f"[{','.join(part)}]") for number, part in enumerate(lists)],
        "details": [_part(data, "detail", number, f"{{{','.join(part)}}}") for number, part in enumerate(details)],
        "duplicates": _part(data, "duplicates", 0, _json(content.review)),
    }


def _part(data: Path, kind: str, number: int, written: str) -> str:
    text = _script(kind, str(number), written)
    name = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.js"
    if not (data / name).exists():
        _write(data / name, text)
    return name


def _script(kind: str, *written: str) -> str:
    """A call with arguments that are JSON already."""
    return f"collection.{kind}({','.join(written)});\n"


def _json(content: object) -> str:
    """ASCII only, so that nothing in a tag can end a line or a script."""
    return json.dumps(content, default=str, separators=(",", ":"))


def _base(settings: Settings, out: Path) -> str:
    """From the page to the objects."""
    if settings.bucket_name:
        return f"{COPIES}/"
    return f"{Path(os.path.relpath(settings.draenei_home / 'objects', out)).as_posix()}/"


def _copy_thumbnails(store: ObjectStore, keys: Iterable[str], folder: Path) -> None:
    wanted = {key for key in keys if key.startswith("derivatives/")}

    def copy(key: str) -> None:
        with contextlib.suppress(ObjectMissing):  # fsck tells of it; the page shows its colour
            _write(folder / key, store.get(key))

    with ThreadPoolExecutor(COPIES_AT_ONCE, thread_name_prefix="gallery") as pool:
        list(pool.map(copy, sorted(key for key in wanted if not (folder / key).exists())))
    for path in folder.rglob("*.webp"):
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _write(path: Path, content: str | bytes) -> None:
    with whole_file.writing(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


def _power_of_two(number: float) -> int:
    """The least one that is not below."""
    size = 1
    while size < number:
        size *= 2
    return size
