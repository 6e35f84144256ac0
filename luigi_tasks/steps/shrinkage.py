"""A source whose answer is everything there is: one that is suddenly much smaller is refused, not believed.

What a file of sales lacks counts as deleted. An extract that was cut short would close the history of all that it lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.domain.run import Run
from luigi_tasks.gateways import page_ledger

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

    from luigi_tasks.settings import Settings


def watched(settings: Settings, source: str) -> bool:
    """Whether {SOURCE}_MIN_SHARE says that the source's answers are compared."""
    return bool(getattr(settings, f"{source}_min_share", 0))


def refuse_a_smaller(cursor: Cursor, settings: Settings, run: Run, entity: str, records: int, where: str) -> None:
    """Raises SourceError when it has a smaller share of the records of the run before than {SOURCE}_MIN_SHARE."""
    name = f"{run.query.source}_min_share"
    share: float = getattr(settings, name)
    before = page_ledger.received_before(cursor, run.query.source, entity, run.run_id)
    if before and records < share * before.records:
        raise SourceError(
            f"it has {records} records, that of {before.run_id} had {before.records}: {name.upper()}={share:g} allows"
            " no such loss, because all that it lacks would count as deleted",
            where=where,
            mend=f"If it is whole, run the same command with {name.upper()}=0 before it.",
        )
