# ruff: noqa: F811
"""What takes an object from its key: takedown's remove, and move_aside, which loses no bytes. Folder and buckets."""

from __future__ import annotations

from pathlib import Path

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import ObjectStore, move_aside
from tests.contracts.store_fixtures import BODY, KEY, METADATA, bucket, double, google, put, store  # noqa: F401


def test_what_is_removed_is_gone_and_removing_it_again_is_nothing(store: ObjectStore) -> None:
    put(store)
    put(store, b"another", "wallpapers/other0.jpg")
    store.remove(KEY)
    store.remove(KEY)
    assert (store.head(KEY), [head.key for head in store.list("")]) == (None, ["wallpapers/other0.jpg"])
    assert put(store).created
    head = store.head(KEY)
    assert head is not None
    assert dict(head.metadata) == METADATA


def test_what_is_moved_aside_keeps_its_bytes_and_its_description(store: ObjectStore) -> None:
    put(store)
    move_aside(store, KEY, f"aside/1/{KEY}")
    assert store.head(KEY) is None
    assert store.get(f"aside/1/{KEY}") == BODY
    head = store.head(f"aside/1/{KEY}")
    assert head is not None
    assert (head.content_type, dict(head.metadata)) == ("image/jpeg", {**METADATA, "moved-from": KEY})


def test_nothing_leaves_its_key_while_other_bytes_stand_where_it_would_go(store: ObjectStore) -> None:
    put(store)
    put(store, b"another", f"aside/1/{KEY}")
    with pytest.raises(StoreError, match="not the same"):
        move_aside(store, KEY, f"aside/1/{KEY}")
    assert (store.get(KEY), store.get(f"aside/1/{KEY}")) == (BODY, b"another")


def test_only_dead_writers_leave_something_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert list(store.leftovers()) == []
    with store._temporary_file():
        (tmp_path / ".tmp" / "dead").write_bytes(b"half")
        assert list(store.leftovers()) == [".tmp/dead"]
    store.check()
    assert list(store.leftovers()) == []
