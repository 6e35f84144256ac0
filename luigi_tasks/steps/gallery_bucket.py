"""The gallery in the bucket, under gallery/: pages that are renewed in place, and a word that says which they are.

gallery/index.html, gallery/data/…   as steps/gallery.py writes them, for the objects one folder up
gallery/state.txt                    the state of what is there; written when all else is, so an upload that failed
                                     half-way is made good by the next run
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from luigi_tasks.gateways.objects import ObjectMissing, ObjectStore
from luigi_tasks.steps.gallery_shell import shell

CONTENT_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "txt": "text/plain"}
PREFIX = "gallery/"
STATE = "state.txt"


def uploaded_state(store: ObjectStore) -> str | None:
    """The state of the gallery that the bucket has whole; None when there is none. Raises StoreError."""
    try:
        return store.get(PREFIX + STATE).decode()
    except ObjectMissing:
        return None


def upload(store: ObjectStore, out: Path, index: bytes, state: str) -> dict[str, object]:
    """Bring a written gallery there; what is not part of it any more is taken away.

    index: of its data, as the bucket's readers need it. The bucket stays as private as it is. Raises StoreError.
    """
    wanted = {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted((out / "data").glob("*-*.js"))}
    wanted |= shell() | {"data/index.js": index}  # last: it names the others
    for name, body in wanted.items():
        _put(store, PREFIX + name, body)
    for head in list(store.list(PREFIX)):
        if head.key.removeprefix(PREFIX) not in {*wanted, STATE}:
            store.remove(head.key)
    _put(store, PREFIX + STATE, state.encode())
    return {"gallery_in_bucket": store.uri(f"{PREFIX}index.html")}


def _put(store: ObjectStore, key: str, body: bytes) -> None:
    """The one place that renews an object: pages are made again from the tables at any time, originals are not."""
    digest = hashlib.sha256(body).hexdigest()
    content_type = CONTENT_TYPES[key.rpartition(".")[2]] + "; charset=utf-8"
    facts: dict[str, Any] = {"content_type": content_type, "sha256": digest, "metadata": {}}
    if store.put_if_absent(key, body, **facts).sha256 != digest:
        store.replace(key, body, **facts)
