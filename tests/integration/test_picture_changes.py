"""What the triggers of the pictures' ledgers cost, counted."""

from __future__ import annotations

import contextlib

from psycopg2.extensions import connection as Connection

from tests.conftest import Warehouse
from tests.integration.duplicate_fixtures import Stored, store


def test_a_measured_picture_is_found_by_its_bytes_in_a_table_that_was_never_analysed(warehouse: Warehouse) -> None:
    first, last = 300, 100
    pictures = [Stored(f"p{number:04}", number, number) for number in range(first + last)]
    with contextlib.closing(warehouse.connect()) as connection:
        store(connection, pictures[:first])
        before = _index_entries_read(connection)
        store(connection, pictures[first:])
        read = _index_entries_read(connection) - before
    assert warehouse.rows("select count(*) from ops.picture_changes") == [(2 * 4 * len(pictures),)]
    assert read < 20 * last, "not all that is stored for each that was measured"


def _index_entries_read(connection: Connection) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        connection.commit()
        cursor.execute("select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'uploads'")
        return int((cursor.fetchone() or (0,))[0])
