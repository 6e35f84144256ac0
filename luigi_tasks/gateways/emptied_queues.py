"""Queues whose rows come and go: what is dead of them is taken out after each build, not when autovacuum comes by.

Every statement of a build asks such a queue several times, and a bitmap scan reads all rows that are dead there unless
its index was told of them. That is luck: an ordinary index scan tells it, if no older snapshot was open at the time.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from luigi_tasks.gateways import postgres

if TYPE_CHECKING:
    from luigi_tasks.settings import Settings

QUEUES = ("ops.picture_changes",)


def vacuum(settings: Settings) -> None:
    """Take out what is dead of the queues; one that is being vacuumed, or is somebody else's, is left alone.

    Raises WarehouseError when the server cannot be reached.
    """
    with closing(postgres.connect(settings, as_owner=True)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for queue in QUEUES:
                cursor.execute(f"vacuum (skip_locked, index_cleanup on) {queue}")
