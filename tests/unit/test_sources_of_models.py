"""What the dbt project declares of the ledgers is read there: dbt's role may read every table that is declared."""

from __future__ import annotations

import re

from luigi_tasks.gateways.dbt import PROJECT
from luigi_tasks.gateways.warehouse_roles import declared_sources

READ = re.compile(r"source\('ops', *'(\w+)'\)")


def test_every_declared_ledger_is_read() -> None:
    texts = [file.read_text() for folder in ("models", "macros", "tests") for file in (PROJECT / folder).rglob("*.sql")]
    read = {f"ops.{table}" for text in texts for table in READ.findall(text)}
    assert {name for name in declared_sources() if name.startswith("ops.")} == read
