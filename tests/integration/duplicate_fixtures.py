"""Measured pictures in the ledgers, as Publish and Derive enter them, and builds of the models that compare them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import dbt_profile, postgres, warehouse_roles
from luigi_tasks.gateways.dbt import PROJECT, Dbt
from luigi_tasks.gateways.derivative_ledger import signed
from tests.conftest import Warehouse
from tests.integration.model_fixtures import register_run

RUN_KEY = "wallhaven/duplicates/run-0"
MODELS = ("path:seeds", "int_picture_hashes", "int_picture_bands", "duplicate_pairs", "duplicate_clusters")
TABLES = (
    "draenei_intermediate.int_picture_hashes",
    "draenei_intermediate.int_picture_bands",
    "draenei_content.duplicate_pairs",
    "draenei_content.duplicate_clusters",
)
UPLOADS = """
insert into ops.uploads (run_key, wallhaven_id, attempt, outcome, s3_key, sha256, bytes, started_at) values %s
"""
METADATA = """
insert into ops.image_metadata (
    sha256, status, measured_with, bytes, format, mode, width, height, exif, colours, brightness, entropy, dhash, phash
) values %s on conflict (sha256) do nothing
"""


@dataclass(frozen=True)
class Stored:
    """A stored picture. dhash, phash: 64 bits; body: what its SHA-256 is of, its id when empty."""

    wallhaven_id: str
    dhash: int
    phash: int
    size: tuple[int, int] = (1920, 1080)
    entropy: float = 7.0
    colour: str = "#808080"
    body: str = ""

    @property
    def sha256(self) -> str:
        """Of the bytes that it stands for."""
        return hashlib.sha256((self.body or self.wallhaven_id).encode()).hexdigest()


def store(connection: Connection, pictures: Iterable[Stored]) -> None:
    """Enter pictures as stored and measured, in a transaction of its own."""
    known = list(pictures)
    rows = [
        (RUN_KEY, p.wallhaven_id, 1, "stored", f"wallpapers/{p.wallhaven_id}.jpg", p.sha256, 9, "now") for p in known
    ]
    with connection, connection.cursor() as cursor:
        register_run(connection, RUN_KEY)
        execute_values(cursor, UPLOADS, rows, page_size=1000)
        measured(cursor, known)


def measured(cursor: Cursor, pictures: Iterable[Stored]) -> None:
    """Enter what was measured of them."""
    execute_values(cursor, METADATA, [_measured(picture) for picture in pictures], page_size=1000)


def _measured(p: Stored) -> tuple[object, ...]:
    colours = json.dumps([{"hex": p.colour, "share": 1.0}])
    head = (p.sha256, "measured", "test", 9, "JPEG", "RGB", *p.size, "{}", colours, 0.5, p.entropy)
    return (*head, signed(p.dhash), signed(p.phash))


@dataclass
class Duplicates:
    """A warehouse with the dbt project beside it, whose verdicts a test may write; every build as dbt's own role."""

    warehouse: Warehouse
    project: Path
    folder: Path

    @classmethod
    def of(cls, warehouse: Warehouse, folder: Path) -> Duplicates:
        """With a copy of the project in a folder."""
        project = folder / "dbt_project"
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
        dbt_profile.write_profile(folder / "dbt", None)
        return cls(warehouse, project, folder / "dbt")

    def store(self, *pictures: Stored) -> None:
        """Enter pictures."""
        with contextlib.closing(self.warehouse.connect()) as connection:
            store(connection, pictures)

    def judge(self, *verdicts: tuple[str, str, str]) -> None:
        """The seed's rows, in place of what it had: (SHA-256, SHA-256, verdict)."""
        lines = ["sha256_a,sha256_b,verdict,decided_at", *(f"{','.join(row)},2026-11-21T12:00:00Z" for row in verdicts)]
        (self.project / "seeds" / "duplicate_verdicts.csv").write_text("\n".join(lines) + "\n")

    def build(self, *select: str, tested: bool = True, **variables: str) -> set[str]:
        """Build and test these, without more names the models of duplicates; the names of the nodes that were."""
        with postgres.transaction(self.warehouse.settings(), as_owner=True) as cursor:
            role = warehouse_roles.hand_over(cursor)
        environ = {**postgres.address(self.warehouse.settings()), "DRAENEI_DBT_ROLE": role or "", **variables}
        left_out = ("unit_test",) if tested else ("unit_test", "test")
        result = Dbt(environ, self.folder, self.project).build(Silent(), select or MODELS, left_out)
        result.raise_when_failed()
        return {node.name for node in result.nodes}

    def clusters(self) -> dict[str, tuple[str, ...]]:
        """{canonical picture: all of its cluster, in order}."""
        return {
            canonical: tuple(members)
            for canonical, members in self.warehouse.rows(
                "select max(wallhaven_id) filter (where is_canonical), array_agg(wallhaven_id order by wallhaven_id)"
                " from draenei_content.duplicate_clusters group by cluster_id"
            )
        }

    def tables(self) -> list[list[tuple[object, ...]]]:
        """Every row of the four models."""
        return [self.warehouse.rows(f"select * from {name} order by 1, 2") for name in TABLES]
