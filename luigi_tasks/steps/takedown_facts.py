"""What a takedown leaves in the lake's Parquet: facts of a dataset's pictures (EXIF, colours, hashes), by their bytes.

Each file of facts that speaks of the bytes is written anew without those rows, entered in place of the old one, and the
old one deleted then. Files are found by the listing and read: a run that knows no more of a file has left it there all
the same. Killed in between, the same command finds the old file again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from luigi_tasks.domain.damage import ASIDE, CLEAN
from luigi_tasks.domain.envelope import digest
from luigi_tasks.gateways import clean_ledger, parquet, postgres
from luigi_tasks.gateways.objects import ObjectDamaged, ObjectMissing, ObjectStore, obliterate
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.contract import Archived
from luigi_tasks.steps import clean

OF_PICTURES = re.compile(r"(clean/[a-z0-9_]+/pictures/.+/[0-9]+)-[0-9a-f]{16}\.parquet")
ASIDE_OF_PICTURES = re.compile(r"aside/.+/clean/[a-z0-9_]+/pictures/.+\.parquet")
UNTOUCHED: tuple[None, int] = (None, 0)
UNREAD: tuple[None, int] = (None, -1)


def holding(store: ObjectStore, hashes: Collection[str]) -> dict[str, bool]:
    """The files of facts that speak of these bytes (True), or that nobody can read (False); copies moved aside too."""
    found = {key: _without(store, key, hashes) for key in _files(store)} if hashes else {}
    return {key: left != UNREAD for key, left in found.items() if left != UNTOUCHED}


def rewrite(settings: Settings, store: ObjectStore, key: str, hashes: Collection[str]) -> tuple[str | None, bool]:
    """Put a file's other rows under a key of their own, then delete it; (that key, whether the store let go of it).

    No key where no row is left, for a copy moved aside, and for a file that cannot be read: then the next Collect of
    the dataset makes it. The picture's own rows of the ledger are gone already. A file without such rows stays.
    """
    packed, records = _without(store, key, hashes) if store.head(key) else UNREAD
    if (packed, records) == UNTOUCHED:
        return None, True
    found = OF_PICTURES.fullmatch(key)
    file = None
    if packed and records and found:
        sha256 = digest(packed)
        file = clean_ledger.CleanFile(f"{found[1]}-{sha256[:16]}.parquet", sha256, len(packed), records, 0)
        clean.put(store, file.object_key, packed)
    with postgres.transaction(settings) as cursor:
        if file:
            clean_ledger.replace_facts(cursor, key, file)
        clean_ledger.forget_file(cursor, key)
    return file.object_key if file else None, obliterate(store, key)


def _files(store: ObjectStore) -> Iterator[str]:
    for name, source in CATALOGUE.items():
        if isinstance(source, Archived):
            yield from (head.key for head in store.list(f"{CLEAN}{name}/pictures/"))
    yield from (head.key for head in store.list(ASIDE) if ASIDE_OF_PICTURES.fullmatch(head.key))


def _without(store: ObjectStore, key: str, hashes: Collection[str]) -> tuple[bytes | None, int]:
    """The file without the rows of these bytes, and how many rows that has; UNTOUCHED when it has none of them."""
    try:
        return parquet.without(store.get(key), "sha256", hashes)
    except ObjectMissing:
        return UNTOUCHED
    except (ValueError, OSError, ObjectDamaged):
        return UNREAD
