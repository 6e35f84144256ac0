"""A queue that was emptied takes no room, even when its rows died under an older snapshot."""

from __future__ import annotations

from contextlib import closing

from luigi_tasks.gateways import emptied_queues
from tests.conftest import Warehouse

FILL = "insert into ops.picture_changes (model, wallhaven_id) select 'm', n::text from generate_series(1, 3000) as n"
READ = "explain (analyze, buffers, format json) select from ops.picture_changes where model = 'm'"


def test_what_is_dead_of_a_queue_is_not_read(warehouse: Warehouse) -> None:
    warehouse.rows(FILL)
    with closing(warehouse.connect()) as other, other.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("select from ops.runs")
        warehouse.rows("update ops.picture_changes set claimed_in = 'i'")
        warehouse.rows("delete from ops.picture_changes")
        assert blocks(warehouse) > 20
    emptied_queues.vacuum(warehouse.settings())
    assert blocks(warehouse) < 5
    assert warehouse.rows("select pg_relation_size('ops.picture_changes')") == [(0,)]


def test_a_queue_that_somebody_holds_is_left_alone(warehouse: Warehouse) -> None:
    warehouse.rows(FILL)
    warehouse.rows("delete from ops.picture_changes")
    with closing(warehouse.connect()) as other, other.cursor() as cursor:
        cursor.execute("lock table ops.picture_changes in share update exclusive mode")  # as autovacuum does
        emptied_queues.vacuum(warehouse.settings())
    assert warehouse.rows("select pg_relation_size('ops.picture_changes') > 0") == [(True,)]


def blocks(warehouse: Warehouse) -> int:
    ((plans,),) = warehouse.rows(READ)[:1]
    return int(plans[0]["Plan"]["Shared Hit Blocks"] + plans[0]["Plan"]["Shared Read Blocks"])
