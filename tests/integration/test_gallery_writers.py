"""Runs of two sources end at once: the gallery's writers take turns, also those who bring it to the bucket."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.gateways import whole_file
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import gallery
from tests.conftest import Warehouse

# Enough for dbt to have built something, and too little to be shown.
BUILT = """
create schema if not exists draenei_content;
create table draenei_content.wallpapers (
    wallhaven_id text, sha256 text, uploaded_at date, updated_at date, upload_status text
);
"""
WRITERS: dict[str, Callable[[Settings, FolderStore], object]] = {
    "write": lambda settings, store: gallery.write(settings, store, gallery.home(settings)),
    "refresh": gallery.refresh,
    "upload": lambda settings, store: gallery.upload(settings, store, gallery.home(settings)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_waits_for_the_one_before(warehouse: Warehouse, writer: str) -> None:
    warehouse.rows(BUILT)
    settings = warehouse.settings(bucket_name="b" if writer == "upload" else None)
    store = FolderStore(warehouse.home / "objects")
    with ThreadPoolExecutor(1) as pool:
        with whole_file.alone(gallery.home(settings)):
            writing = pool.submit(WRITERS[writer], settings, store)
            with pytest.raises(StillWaiting):
                writing.result(0.5)
        with pytest.raises((PipelineError, KeyError)):  # it goes on, and finds nothing that could be shown
            writing.result(20)
