"""What the statements of dbt's last build touch: blocks, which no other job on the machine changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.sources import CATALOGUE

OTHERS = CATALOGUE.keys() - {"wallhaven"}
# A view has a statement for each who asks it.
VIEWS = (
    *("stg_wallhaven__", "int_wallpaper_observations", "int_wallpaper_uploads", "run_audit", "pending_"),
    "wallpaper_lifecycle",
)
UNTESTED = "update ops.batches set tested_in = null where batch_id = (select max(batch_id) from ops.batches)"


def statements(dbt_folder: Path) -> dict[str, str]:
    """The models and tests of the last build that a run of Wallhaven builds, by name."""
    compiled = sorted((dbt_folder / "target" / "compiled").rglob("*.sql"))
    own = [file for file in compiled if not OTHERS & set(file.parts) and not file.stem.startswith(VIEWS)]
    return {file.stem: file.read_text() for file in own}


def built(cursor: Cursor, sql: str) -> dict[str, Any]:
    """The executed plan of a statement of the last build, its batch not tested yet; nothing of it is left."""
    cursor.execute(UNTESTED)
    cursor.execute(f"explain (analyze, buffers, format json) {sql}")
    ((plans,),) = cursor.fetchall()
    cursor.connection.rollback()
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def blocks(plan: dict[str, Any]) -> int:
    """Blocks of 8 kB that a plan touched, temporary ones included."""
    return sum(int(plan[f"{kind} Blocks"]) for kind in ("Shared Hit", "Shared Read", "Temp Read", "Temp Written"))
