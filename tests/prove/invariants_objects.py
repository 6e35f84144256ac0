"""Invariants of the bucket: every object has an owner, every row has its object, no byte is other than it was said."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from luigi_tasks.domain.damage import Part, id_of
from luigi_tasks.domain.envelope import unpack
from luigi_tasks.domain.errors import StoreError
from luigi_tasks.domain.progress import Silent
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps.fsck import fsck
from tests.prove.registry import always, at_rest
from tests.prove.world import FOREVER, NAMELESS, QUARANTINED, Moment, unpacked

# Two that publish, and another that meets them.
PROCESSES_AT_ONCE = 3
STORED = "select wallhaven_id, s3_key, sha256, bytes from ops.uploads where outcome = 'stored' and lost_at is null"
PAGES = "select source, entity, object_key, body_sha256, body_bytes, page_id from ops.pages where lost_at is null"


@always("a row that says stored has its object")
def row_has_object(moment: Moment) -> list[str]:
    return [f"{key}: no object" for _, key, _, _ in moment.rows(STORED) if moment.body(key) is None]


@always("an object is owned by a row or an intent; what was taken down waits for its deletion")
def object_has_owner(moment: Moment) -> list[str]:
    owners = {key for _, key, _, _ in moment.rows(STORED)}
    owners |= set(moment.texts("select s3_key from ops.upload_intents"))
    stones = set(moment.texts("select coalesce(wallhaven_id, sha256) from ops.tombstones"))
    pictures = moment.with_prefix("wallpapers/")
    return [f"{key}: nobody's" for key in pictures if key not in owners and not _names(key, pictures[key]) & stones]


def _names(key: str, body: bytes) -> set[str | None]:
    return {id_of(key), hashlib.sha256(body).hexdigest()}


@always("an object's bytes are those of its row")
def bytes_are_the_rows(moment: Moment) -> list[str]:
    rows = [(key, sha256, size, moment.body(key)) for _, key, sha256, size in moment.rows(STORED)]
    return [
        f"{key}: {len(body)} bytes {hashlib.sha256(body).hexdigest()[:12]}, the row says {size} bytes {sha256[:12]}"
        for key, sha256, size, body in rows
        if body is not None and (len(body), hashlib.sha256(body).hexdigest()) != (size, sha256)
    ]


@always("a key is written once: one version, never other bytes")
def one_version_a_key(moment: Moment) -> list[str]:
    world = moment.world
    puts = {
        key: number
        for prefix in FOREVER
        for key, number in (world.double.state.puts(prefix) if world.double else {}).items()
    }
    changed = (
        f"{key}: other bytes than before"
        for key, sha256 in world.first_seen.items()
        if key in moment.objects and hashlib.sha256(moment.objects[key]).hexdigest() != sha256
    )
    return [*(f"{key}: {number} versions" for key, number in puts.items() if number > 1), *changed]


@always("a picture's key is made of its id, and it has one")
def key_is_the_wallpapers(moment: Moment) -> list[str]:
    rows = moment.rows("select wallhaven_id, s3_key from ops.uploads where s3_key is not null")
    wrong = [f"{key}: of {wallhaven_id}" for wallhaven_id, key in rows if id_of(key) != wallhaven_id]
    objects = Counter(id_of(key) for key in moment.with_prefix("wallpapers/"))
    return wrong + [f"{one}: {number} objects" for one, number in objects.items() if number > 1]


@always("the raw bytes of every accepted response are there and hash to the ledger")
def raw_bytes_kept(moment: Moment) -> list[str]:
    return [
        f"{key}: {words}"
        for _, _, key, sha256, size, _ in moment.rows(PAGES)
        if (words := _raw(moment, key, sha256, size))
    ]


def _raw(moment: Moment, key: str, sha256: str, size: int) -> str:
    packed = moment.body(key)
    if packed is None:
        return "no object"
    try:
        body = unpack(packed)[1]
    except StoreError as problem:
        return str(problem)
    return "" if (hashlib.sha256(body).hexdigest(), len(body)) == (sha256, size) else "another body"


@always("a raw object is entered as a page, or its run may still enter it")
def raw_object_has_owner(moment: Moment) -> list[str]:
    pages = set(moment.texts("select object_key from ops.pages"))
    done = moment.texts(
        "select 'raw/' || query_key || '/' || translate(run_id, '-:', '') || 'Z/' from ops.runs"
        " where state = 'succeeded'"
    )
    strays = (key for key in moment.with_prefix("raw/") if key not in pages and ".refused-" not in key)
    return [f"{key}: no page" for key in strays if key.startswith(tuple(done))]


@always("a page was received as so many records as its bytes hold")
def received_is_the_page(moment: Moment) -> list[str]:
    received = dict(moment.rows("select page_id, received from ops.loads"))
    return [
        f"{key}: received {received[page_id]}, holds {number}"
        for source, entity, key, _, _, page_id in moment.rows(PAGES)
        if page_id in received and (number := _records(moment, source, entity, key)) not in {received[page_id], None}
    ]


def _records(moment: Moment, source: str, entity: str, key: str) -> int | None:
    packed = moment.body(key)
    try:
        return None if packed is None else len(CATALOGUE[source].parse(entity, unpack(packed)[1]).records)
    except StoreError:
        return None  # raw_bytes_kept says so


@always("no secret stands in a file, an object, the database or what was said")
def secrets_nowhere(moment: Moment) -> list[str]:
    canaries = moment.world.canaries
    if not canaries:
        return []
    return [
        f"{place}: {canary[:10]}…"
        for place, text in _everything(moment)
        for canary in canaries
        if canary.encode() in text
    ]


def _everything(moment: Moment) -> Iterator[tuple[str, bytes]]:
    for key, body in moment.objects.items():
        yield key, unpacked(key, body)
    for folder in (moment.world.settings.draenei_home, *moment.world.files):
        for path in [folder, *folder.rglob("*")] if folder.exists() else []:
            if path.is_file() and not {"objects", "postgres"} & set(path.relative_to(folder).parts[:1]):
                yield str(path), unpacked(path.name, path.read_bytes())
    if moment.world.double:
        yield (
            "metadata",
            json.dumps([v.metadata for vs in moment.world.double.state.history.values() for v in vs]).encode(),
        )
    tables = moment.texts(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'"
    )
    for table in tables:
        yield table, "\n".join(moment.texts(f"select to_jsonb(t)::text from {table} as t")).encode()


@always("only hosts of the allow-list are asked")
def allowed_hosts_only(moment: Moment) -> list[str]:
    world = moment.world
    asked = [f"{world.bait.host}{path}: asked {n} times" for path, n in world.bait.asked.items()] if world.bait else []
    addresses = moment.texts(
        "select distinct i.image_url from ops.manifest_items as i inner join ops.uploads as u using (wallhaven_id)"
        " where u.outcome = 'stored'"
    )
    strange = [url for url in addresses if urlsplit(url).netloc not in world.settings.wallhaven_image_hosts]
    return asked + [f"{url}: stored from a host that is not allowed" for url in strange]


@at_rest("what was taken down has no object")
def taken_down_is_gone(moment: Moment) -> list[str]:
    stones = set(moment.texts("select coalesce(wallhaven_id, sha256) from ops.tombstones"))
    objects = {key: body for key, body in moment.objects.items() if not key.startswith("takedowns/")}
    return [f"{key}: taken down" for key, body in objects.items() if _names(key, body) & stones]


@always("only a put that was going on leaves a temporary file: no more of them than puts at once")
def temporary_is_of_puts(moment: Moment) -> list[str]:
    settings = moment.world.settings
    files = [path for path in settings.draenei_home.glob("objects/.tmp/*") if path.is_file()]
    most = PROCESSES_AT_ONCE * settings.upload_concurrency
    return [f"{len(files)} temporary files, at most {most} puts at once"] if len(files) > most else []


@at_rest("no temporary file and no probe object is left")
def temporary_is_empty(moment: Moment) -> list[str]:
    home: Path = moment.world.settings.draenei_home
    kinds = ("objects/.tmp/*", "reports/**/.*", "dbt/.profiles*", "postgres/*.new")
    files = [path for kind in kinds for path in home.glob(kind) if path.is_file()]
    return [str(path.relative_to(home)) for path in files] + list(moment.with_prefix("probe/"))


@at_rest("fsck, which shares no code with publishing, finds no damage")
def fsck_finds_nothing(moment: Moment) -> list[str]:
    checked = fsck(moment.world.settings, moment.world.store, Part(), deep=True, progress=Silent())
    return [f"{finding.damage}: {finding.key}" for finding in checked.findings]


@at_rest("every picture of the source is stored with the source's own bytes; only what was made to fail has failed so")
def everything_is_stored(moment: Moment) -> list[str]:
    world = moment.world
    if not world.twin:
        return []
    taken_down = moment.texts("select wallhaven_id from ops.tombstones where wallhaven_id is not null")
    excused = _failed_as_planted(moment) | set(taken_down)
    bodies = {id_of(key): body for key, body in moment.with_prefix("wallpapers/").items()}
    site = {one.id: one.picture.body() for one in world.twin.catalogue.snapshot()[1]}
    return [
        f"{one}: {'other bytes' if one in bodies else 'not stored'}"
        for one, body in site.items()
        if one not in excused and bodies.get(one) != body
    ]


def _failed_as_planted(moment: Moment) -> set[str]:
    ended = moment.rows(
        "select wallhaven_id, outcome from ops.uploads"
        " union select record_id, case when record_id is null then %s else %s end from ops.quarantine"
        " where state = 'open'",
        *(NAMELESS, QUARANTINED),
    )
    planted = moment.world.planted
    nameless = {one for one, how in planted.items() if how == NAMELESS and (None, NAMELESS) in ended}
    return nameless | {wallhaven_id for wallhaven_id, outcome in ended if planted.get(wallhaven_id) == outcome}
