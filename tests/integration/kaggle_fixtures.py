"""A dataset of Kaggle's, collected again and again on one warehouse."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

from luigi_tasks.domain.progress import Silent
from luigi_tasks.domain.run import Query, Run
from luigi_tasks.gateways import postgres, run_ledger
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.steps import archive, clean, derive, load
from tests.conftest import Warehouse

DATASET = "owner/name"
PRODUCTS = 50
MADE_WITH = run_ledger.Circumstances("test", "0" * 64, "http://127.0.0.1/kaggle")


class Dataset:
    """One dataset collected again and again; each run() is a minute later."""

    def __init__(self, warehouse: Warehouse, body: bytes) -> None:
        self.warehouse = warehouse
        self.settings = warehouse.settings(kaggle_derivatives="greyscale")
        self.store = FolderStore(warehouse.home / "objects")
        self.path = warehouse.home / "archive.zip"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(body)
        self._minute = 0

    def run(self) -> Run:
        """A new run."""
        run = Run(Query.of("kaggle", DATASET, {}), f"2026-11-21T07:{self._minute:02}")
        self._minute += 1
        with postgres.transaction(self.settings) as cursor:
            run_ledger.open_run(cursor, run, MADE_WITH)
        return run

    def fetch(self, run: Run) -> dict[str, object]:
        """Open the archive."""
        return archive.fetch_archive(self.settings, run, str(self.path), self.store, Silent())

    def keep(self, run: Run, store: Any = None) -> dict[str, object]:
        """Store the folder."""
        return archive.store_folder(self.settings, run, "images", store or self.store, Silent())

    def collect(self) -> tuple[Run, dict[str, Any]]:
        """A whole run up to the models."""
        run, told = self.run(), {}
        told["fetch"] = self.fetch(run)
        told["load"] = load.load_entities(self.settings, run.key, "kaggle", ("styles", "images"), self.store, Silent())
        told["clean"] = clean.clean(self.settings, run.key, "kaggle", self.store, Silent())
        told["keep"] = self.keep(run)
        told["derive"] = derive.derive(self.settings, run.key, "kaggle", self.store, Silent())
        told["facts"] = archive.clean_pictures(self.settings, run, self.store)
        return run, told

    def objects(self) -> dict[str, bytes]:
        """Everything in the lake."""
        return {head.key: self.store.get(head.key) for head in self.store.list("")}


def pictures(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return {name: packed.read(name) for name in packed.namelist() if name.startswith("images/")}


def changed(body: bytes, **other: bytes | None) -> bytes:
    """The zip with other files; None leaves one out."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            if name not in other:
                new.writestr(name, old.read(name))
        for name, content in other.items():
            if content is not None:
                new.writestr(name, content)
    return file.getvalue()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
