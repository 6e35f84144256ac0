"""Adopt: after a replay, the pictures that stand in the bucket are registered again, without asking for one of them.

What a put wrote beside the bytes says whose they are: the store's checksum, else the hash in the metadata; an object
with neither is read. What cannot be told for certain (no record of the wallpaper, two objects of it, a checksum
that contradicts the metadata) is left alone: fsck names it, and Publish finds out by the way of every other picture.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from luigi_tasks.domain.damage import EXTENSIONS, PICTURES, id_of
from luigi_tasks.domain.faults import crash_point
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import adoption_ledger
from luigi_tasks.gateways.adoption_ledger import Found
from luigi_tasks.gateways.objects import ObjectHead, ObjectStore

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

AT_ONCE = 500
TYPES = {extension: content_type for content_type, extension in EXTENSIONS.items()}


def adopt(cursor: Cursor, store: ObjectStore, progress: Progress) -> dict[str, int]:
    """Register every original of a described wallpaper; returns how many, and of these how many had to be read.

    In the caller's transaction, who holds the pipeline's lock. Raises StoreError.
    """
    counts: Counter[str] = Counter(adopted=0, rehashed=0)
    for batch in _batches(store):
        wanted = adoption_ledger.unregistered(cursor, list(batch))
        for wallhaven_id in sorted(wanted):
            found, was_read = _found(store, wallhaven_id, batch[wallhaven_id])
            if found:
                crash_point("adopt.register.before")
                adoption_ledger.adopt(cursor, found)
                crash_point("adopt.register.after")
                counts.update(adopted=1, rehashed=int(was_read))
        progress.update(0, 0, note=f"{counts['adopted']} pictures found in the bucket")
    return dict(counts)


def _batches(store: ObjectStore) -> Iterator[dict[str, ObjectHead]]:
    """Originals by wallpaper, in the order of their keys, so that two of one wallpaper are neighbours."""
    heads = ((id_of(head.key), head) for head in store.list(PICTURES) if id_of(head.key))
    groups = ((wallhaven_id, list(group)) for wallhaven_id, group in itertools.groupby(heads, lambda pair: pair[0]))
    single = ((wallhaven_id, group[0][1]) for wallhaven_id, group in groups if wallhaven_id and len(group) == 1)
    while batch := dict(itertools.islice(single, AT_ONCE)):
        yield batch


def _found(store: ObjectStore, wallhaven_id: str, listed: ObjectHead) -> tuple[Found | None, bool]:
    head = store.head(listed.key)
    if head is None or not head.size:
        return None, False
    noted = {head.sha256, head.metadata.get("sha256")} - {None}
    if len(noted) > 1 or head.metadata.get("wallhaven-id", wallhaven_id) != wallhaven_id:
        return None, False
    sha256 = noted.pop() if noted else hashlib.sha256(store.get(head.key)).hexdigest()
    assert sha256
    content_type = head.content_type or TYPES[head.key.rpartition(".")[2]]
    run_key = unquote(head.metadata.get("run-key", ""))
    return Found(wallhaven_id, run_key, head.key, sha256, head.size, content_type), not (
        head.sha256 or head.metadata.get("sha256")
    )
