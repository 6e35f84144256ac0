"""One plant for each kind of damage: puts it into a collection behind everybody's back and tells the key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from luigi_tasks.domain.damage import Damage
from luigi_tasks.domain.envelope import pack
from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import page_ledger, postgres
from luigi_tasks.steps import clean
from tests.integration.fsck_fixtures import IDS, KEYS, Collection

TODOS = b'[{"userId": 1, "id": 1, "title": "sweep", "completed": false}]'


def plant_row_without_object(c: Collection) -> str:
    c.store.remove(KEYS[0])
    return KEYS[0]


def plant_empty_object(c: Collection) -> str:
    c.write(KEYS[1], b"")
    return KEYS[1]


def plant_wrong_size(c: Collection) -> str:
    c.write(KEYS[1], c.body(1)[:-1])
    return KEYS[1]


def plant_wrong_bytes(c: Collection) -> str:
    c.write(KEYS[1], c.body(1)[:-1] + bytes([c.body(1)[-1] ^ 1]))
    return KEYS[1]


def plant_wrong_metadata_sha256(c: Collection) -> str:
    c.write(KEYS[1], c.body(1), sha256="ab" * 32)
    return KEYS[1]


def plant_wrong_content_type(c: Collection) -> str:
    c.write(KEYS[1], c.body(1), content_type="text/plain")
    return KEYS[1]


def plant_object_without_row(c: Collection) -> str:
    c.write("wallpapers/zzzzz9.png", c.body(1))
    return "wallpapers/zzzzz9.png"


def plant_second_key(c: Collection) -> str:
    c.write("wallpapers/aaaaa1.jpg", b"another picture")
    return "wallpapers/aaaaa1.jpg"


def plant_foreign_object(c: Collection) -> str:
    c.write("wallpapers/notes/readme.txt", b"hello")
    return "wallpapers/notes/readme.txt"


def plant_foreign_raw_object(c: Collection) -> str:
    c.write("raw/notes.txt", b"hello")
    return "raw/notes.txt"


def plant_key_of_another_id(c: Collection) -> str:
    c.warehouse.rows("update ops.uploads set s3_key = %s where wallhaven_id = %s", KEYS[2], IDS[1])
    c.store.remove(KEYS[1])
    return KEYS[2]


def plant_wrong_extension(c: Collection) -> str:
    c.warehouse.rows(
        "update ops.uploads set s3_key = %s where wallhaven_id = %s", key := "wallpapers/aaaaa1.jpg", IDS[1]
    )
    c.store.remove(KEYS[1])
    c.write(key, c.body(1))
    return key


def plant_duplicate_rows(c: Collection) -> str:
    c.warehouse.rows(
        "drop index ops.uploads_stored; insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key,"
        " sha256, bytes, content_type, started_at) select run_key, wallhaven_id, 2, outcome, s3_key, sha256, bytes,"
        " content_type, started_at from ops.uploads where wallhaven_id = 'aaaaa1'"
    )
    return KEYS[1]


def plant_unknown_wallpaper(c: Collection) -> str:
    c.warehouse.rows("delete from raw.wallhaven_search where record_id = %s", IDS[1])
    return KEYS[1]


def plant_stale_intent(c: Collection) -> str:
    c.warehouse.rows("insert into ops.upload_intents values (%s, %s, %s, 'ab')", IDS[1], c.run_key, KEYS[1])
    return KEYS[1]


def plant_temporary_leftover(c: Collection) -> str:
    (c.publishing.store.root / ".tmp" / "dead").write_bytes(b"half a pict")
    return ".tmp/dead"


def plant_raw_page_without_object(c: Collection) -> str:
    c.store.remove(c.pages[0])
    return c.pages[0]


def plant_raw_object_without_row(c: Collection) -> str:
    key, packed, _ = c.packed("page-00009", c.run_key, IDS)
    c.write(key, packed)
    return key


def plant_empty_raw_object(c: Collection) -> str:
    c.write(c.pages[0], b"")
    return c.pages[0]


def plant_raw_body_mismatch(c: Collection) -> str:
    _, packed, _ = c.packed("page-00001", c.run_key, ("other",))
    c.write(c.pages[0], packed)
    return c.pages[0]


def plant_raw_garbage(c: Collection) -> str:
    c.write(c.pages[0], c.store.get(c.pages[0])[:-9])
    return c.pages[0]


def plant_raw_envelope_mismatch(c: Collection) -> str:
    _, packed, _ = c.packed("page-00007", c.run_key, IDS[:2])
    c.write(c.pages[0], packed)
    return c.pages[0]


def plant_tombstoned_row(c: Collection) -> str:
    c.warehouse.rows("insert into ops.tombstones (wallhaven_id, reason) values (%s, 'asked')", IDS[1])
    c.store.remove(KEYS[1])
    return KEYS[1]


def plant_tombstoned_object(c: Collection) -> str:
    c.warehouse.rows("insert into ops.tombstones (wallhaven_id, reason) values ('zzzzz9', 'asked')")
    c.write("derivatives/thumb/zzzzz9.webp", b"small")
    return "derivatives/thumb/zzzzz9.webp"


Plant = Callable[[Collection], str]


def plant_derivative_without_object(c: Collection) -> str:
    (key, *_) = c.derivatives()
    c.store.remove(key)
    return key


def plant_wrong_derivative(c: Collection) -> str:
    (key, *_) = c.derivatives()
    c.write(key, b"short", "image/webp")
    return key


def plant_file(c: Collection, name: str) -> str:
    """A file of a dataset that was stored by a run that succeeded."""
    key, body = f"datasets/owner/name/images/{name}", name.encode()
    c.write(key, body, "image/jpeg")
    c.warehouse.rows(
        "insert into ops.archive_entries (dataset, name, folder, run_key, outcome, object_key, sha256, bytes, crc32)"
        " select 'owner/name', %s, 'images', run_key, 'stored', %s, %s, %s, 1 from ops.runs limit 1",
        *(f"images/{name}", key, hashlib.sha256(body).hexdigest(), len(body)),
    )
    return key


def plant_file_without_object(c: Collection) -> str:
    key = plant_file(c, "1.jpg")
    c.store.remove(key)
    return key


def plant_short_file(c: Collection) -> str:
    key = plant_file(c, "2.jpg")
    c.write(key, b"", "image/jpeg")
    return key


def plant_file_without_row(c: Collection) -> str:
    c.write("datasets/owner/name/images/3.jpg", b"a stranger's", "image/jpeg")
    return "datasets/owner/name/images/3.jpg"


def plant_taken_down_file(c: Collection) -> str:
    key = plant_file(c, "4.jpg")
    c.warehouse.rows("update ops.archive_entries set lost_at = now()")
    c.warehouse.rows("insert into ops.tombstones (sha256, reason) select sha256, 'asked' from ops.archive_entries")
    return key


def clean_file(c: Collection) -> str:
    """The file of the clean zone of a response of another source."""
    run_key = "jsonplaceholder/all-00000000/2026-11-21T06:00"
    c.warehouse.rows(
        "insert into ops.runs (run_key, source, query_key, query, parameters, run_id, state, code_version,"
        " settings_sha256, source_address) values (%s, 'jsonplaceholder', 'jsonplaceholder/all-00000000', '', '{}',"
        " '2026-11-21T06:00', 'succeeded', '', '', '')",
        run_key,
    )
    key, _, envelope = c.packed("todos", run_key, (), TODOS)
    envelope = replace(envelope, source="jsonplaceholder", entity="todos")
    c.write(key, pack(envelope, TODOS))
    with postgres.transaction(c.settings()) as cursor:
        page_ledger.enter_page(cursor, envelope, key)
    clean.clean(c.settings(), run_key, "jsonplaceholder", c.store, Silent())
    ((found,),) = c.warehouse.rows("select object_key from ops.clean_files")
    return str(found)


def plant_clean_without_object(c: Collection) -> str:
    key = clean_file(c)
    c.store.remove(key)
    return key


def plant_wrong_clean(c: Collection) -> str:
    key = clean_file(c)
    body = c.store.get(key)
    c.write(key, body[:-1] + bytes([body[-1] ^ 1]), "application/vnd.apache.parquet")
    return key


def plant_short_clean(c: Collection) -> str:
    key = clean_file(c)
    c.write(key, c.store.get(key)[:-1], "application/vnd.apache.parquet")
    return key


def plant_clean_without_row(c: Collection) -> str:
    key = f"clean/jsonplaceholder/todos/{'0' * 16}-{'0' * 16}.parquet"
    c.write(key, b"a stranger's")
    return key


def plant_facts_without_object(c: Collection) -> str:
    key = "clean/kaggle/pictures/owner/name/0001-0123456789abcdef.parquet"
    c.warehouse.rows(
        "insert into ops.clean_facts (object_key, source, dataset, run_key, sha256, bytes, records)"
        " select %s, 'kaggle', 'owner/name', run_key, %s, 1, 1 from ops.runs limit 1",
        *(key, "0" * 64),
    )
    return key


def plant_facts_without_row(c: Collection) -> str:
    c.write(key := "clean/kaggle/pictures/owner/name/0001-0123456789abcdef.parquet", b"a stranger's")
    return key


def plant_unknown_object(c: Collection) -> str:
    c.write("notes/readme.txt", b"hello")
    return "notes/readme.txt"


DEEP = {Damage.WRONG_BYTES, Damage.WRONG_METADATA_SHA256, Damage.WRONG_CONTENT_TYPE, Damage.UNREADABLE_OBJECT}
DEEP |= {Damage.RAW_BODY_MISMATCH, Damage.RAW_ENVELOPE_MISMATCH}
PLANTS: dict[Plant, tuple[Damage, str]] = {
    plant_row_without_object: (Damage.ROW_WITHOUT_OBJECT, "reopened"),
    plant_empty_object: (Damage.EMPTY_OBJECT, "reopened"),
    plant_wrong_size: (Damage.WRONG_SIZE, "reopened"),
    plant_wrong_bytes: (Damage.WRONG_BYTES, "reopened"),
    plant_wrong_metadata_sha256: (Damage.WRONG_METADATA_SHA256, "restored"),
    plant_wrong_content_type: (Damage.WRONG_CONTENT_TYPE, "restored"),
    plant_object_without_row: (Damage.OBJECT_WITHOUT_ROW, "moved aside"),
    plant_second_key: (Damage.SECOND_KEY, "moved aside"),
    plant_foreign_object: (Damage.FOREIGN_OBJECT, "moved aside"),
    plant_foreign_raw_object: (Damage.FOREIGN_OBJECT, "moved aside"),
    plant_key_of_another_id: (Damage.KEY_OF_ANOTHER_ID, "reopened"),
    plant_wrong_extension: (Damage.WRONG_EXTENSION, "reopened"),
    plant_duplicate_rows: (Damage.DUPLICATE_ROWS, "mended"),
    plant_unknown_wallpaper: (Damage.UNKNOWN_WALLPAPER, "reopened"),
    plant_stale_intent: (Damage.STALE_INTENT, "mended"),
    plant_temporary_leftover: (Damage.TEMPORARY_LEFTOVER, "mended"),
    plant_raw_page_without_object: (Damage.RAW_PAGE_WITHOUT_OBJECT, "given up"),
    plant_raw_object_without_row: (Damage.RAW_OBJECT_WITHOUT_ROW, "moved aside"),
    plant_empty_raw_object: (Damage.EMPTY_OBJECT, "given up"),
    plant_derivative_without_object: (Damage.DERIVATIVE_WITHOUT_OBJECT, "mended"),
    plant_wrong_derivative: (Damage.WRONG_DERIVATIVE, "mended"),
    plant_file_without_object: (Damage.FILE_WITHOUT_OBJECT, "mended"),
    plant_short_file: (Damage.WRONG_FILE, "mended"),
    plant_file_without_row: (Damage.FILE_WITHOUT_ROW, "moved aside"),
    plant_taken_down_file: (Damage.TOMBSTONED_OBJECT, "left"),
    plant_clean_without_object: (Damage.CLEAN_WITHOUT_OBJECT, "mended"),
    plant_wrong_clean: (Damage.WRONG_CLEAN, "mended"),
    plant_short_clean: (Damage.WRONG_CLEAN, "mended"),
    plant_clean_without_row: (Damage.CLEAN_WITHOUT_ROW, "moved aside"),
    plant_facts_without_object: (Damage.CLEAN_WITHOUT_OBJECT, "mended"),
    plant_facts_without_row: (Damage.CLEAN_WITHOUT_ROW, "moved aside"),
    plant_unknown_object: (Damage.UNKNOWN_OBJECT, "left"),
    plant_raw_body_mismatch: (Damage.RAW_BODY_MISMATCH, "given up"),
    plant_raw_garbage: (Damage.RAW_BODY_MISMATCH, "given up"),
    plant_raw_envelope_mismatch: (Damage.RAW_ENVELOPE_MISMATCH, "given up"),
    plant_tombstoned_row: (Damage.TOMBSTONED_ROW, "mended"),
    plant_tombstoned_object: (Damage.TOMBSTONED_OBJECT, "left"),
}
ON_S3 = [
    plant_wrong_clean,
    plant_row_without_object,
    plant_wrong_size,
    plant_wrong_bytes,
    plant_wrong_metadata_sha256,
    plant_wrong_content_type,
    plant_object_without_row,
    plant_raw_page_without_object,
]
