"""What the planner knows of the tables, told to it when a run has changed much; autovacuum takes a minute or more.

The build after a first load, or the publish after a first build, would be planned for the tables as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

# Autovacuum's own rule, with its own share and a larger least number: a small table is read whole whatever is known.
# But of a model's table of which nothing is known, an empty one too, the planner takes it that it has ten blocks.
LEAST_ROWS, SHARE = 1000, 0.1
CHANGED = """
select c.oid::regclass::text
from pg_stat_user_tables as s
inner join pg_class as c on s.relid = c.oid
where
    (s.schemaname in ('raw', 'ops') or s.schemaname like 'draenei\\_%%')
    and (
        s.n_mod_since_analyze > %s + %s * greatest(c.reltuples, 0)
        or (c.reltuples < 0 and s.schemaname like 'draenei\\_%%')
    )
    and pg_has_role(c.relowner, 'member')
order by 1
"""


def analyze_changed(cursor: Cursor) -> list[str]:
    """Analyze the pipeline's tables of which a good part is new; their names. Those of others are left alone."""
    cursor.execute(CHANGED, (LEAST_ROWS, SHARE))
    tables = [table for (table,) in cursor.fetchall()]
    for table in tables:
        cursor.execute(f"analyze {table}")
    return tables
