"""What the planner is told before a build is told in a transaction that holds nothing else."""

from __future__ import annotations

import pytest
from psycopg2.extensions import cursor as Cursor

from luigi_tasks.domain.progress import Silent
from luigi_tasks.gateways import table_statistics
from luigi_tasks.steps import model
from tests.conftest import Warehouse


class Enough(Exception):
    """Ends the build before dbt begins."""


def test_grants_are_over_before_tables_are_analyzed(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def look(cursor: Cursor) -> list[str]:
        cursor.execute("select pg_current_xact_id_if_assigned()")
        written.extend(cursor.fetchall())
        raise Enough

    monkeypatch.setattr(table_statistics, "analyze_changed", look)
    with pytest.raises(Enough):
        model.build(warehouse.settings(), "r", "Model", Silent())
    assert written == [(None,)], "else autovacuum and the analyze wait for each other in a circle"
