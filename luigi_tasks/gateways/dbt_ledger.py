"""ops.dbt_nodes: what became of every node of every build."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

    from luigi_tasks.gateways.dbt import BuildResult


def keep_nodes(cursor: Cursor, run_key: str, step: str, result: BuildResult) -> None:
    """Enter the nodes of a build."""
    cursor.executemany(
        "insert into ops.dbt_nodes (run_key, step, invocation_id, unique_id, resource_type, status, execution_seconds,"
        " failures, message) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        [
            (
                run_key,
                step,
                result.invocation_id,
                node.unique_id,
                node.resource_type,
                node.status,
                node.execution_seconds,
                node.failures,
                node.message,
            )
            for node in result.nodes
        ],
    )
