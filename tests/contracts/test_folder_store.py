"""What is the folder's alone: its files, what killed writers leave in it, and words for what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.gateways.objects import Put
from tests.contracts.store_fixtures import BODY, KEY, OTHER, files_of, put, sha256


def test_a_folder_holds_the_object_its_description_and_nothing_else(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store)
    put(store, OTHER)
    assert files_of(tmp_path) == [f".meta/{KEY}/{sha256(BODY)}.json", KEY]


def test_an_object_without_description_is_still_an_object(tmp_path: Path) -> None:
    (tmp_path / "wallpapers").mkdir()
    (tmp_path / KEY).write_bytes(BODY)
    store = FolderStore(tmp_path)
    head = store.head(KEY)
    assert head is not None
    assert (head.size, head.content_type, head.sha256) == (len(BODY), "image/jpeg", None)
    assert put(store) == Put(created=False, sha256=sha256(BODY))


def test_a_description_left_by_a_killed_writer_of_other_bytes_misleads_nobody(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    sidecar = tmp_path / ".meta" / KEY / f"{'0' * 64}.json"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text('{"content_type": "image/png", "metadata": {}}')
    put(store)
    head = store.head(KEY)
    assert head is not None
    assert (head.content_type, head.sha256) == ("image/jpeg", sha256(BODY))


WRITER = """
    import os, signal, sys
    from pathlib import Path
    from luigi_tasks.gateways.folder_store import FolderStore
    with FolderStore(Path(sys.argv[1]))._temporary_file() as (descriptor, path):
        os.write(descriptor, b"half a picture")
        print(path.name, flush=True)
        signal.pause()
"""


def test_files_of_killed_writers_are_swept_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living,
    ):
        try:
            left, kept = killed.stdout.readline().strip(), living.stdout.readline().strip()
            killed.kill()
            killed.wait()
            assert {path.name for path in (tmp_path / ".tmp").iterdir()} == {left, kept}
            FolderStore(tmp_path).check()
            assert [path.name for path in (tmp_path / ".tmp").iterdir()] == [kept]
        finally:
            living.kill()


def test_a_folder_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where the folder should be")
    store = FolderStore(tmp_path / "objects")
    for call in (store.check, lambda: put(store)):
        with pytest.raises(StoreError, match=r"objects.*Check the permissions"):
            call()
