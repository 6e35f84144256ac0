"""replay --diff: what the present code would make of what was loaded, compared with what the tables say.

The pages that the live ledger has are replayed into a database that is dropped afterwards; the live database is read
in one read-only transaction.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luigi_tasks.domain.errors import SettingsError
from luigi_tasks.domain.progress import Progress
from luigi_tasks.gateways import canonical_export, databases, postgres, replay_ledger
from luigi_tasks.gateways.canonical_export import Table
from luigi_tasks.gateways.objects import ObjectStore
from luigi_tasks.settings import Settings
from luigi_tasks.steps import replay, session

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES = 3
Row = dict[str, object]
Keyed = tuple[str, Row]


@dataclass
class TableDifference:
    """What a replay changes in one table.

    fields: how many rows differ in each field; examples: (key, field, value here, value in the replay).
    """

    table: str
    same: int = 0
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    added_rows: int = 0
    removed_rows: int = 0
    changed_rows: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, object, object]] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True when nothing changes."""
        return not (self.added_rows or self.removed_rows or self.changed_rows)

    def compare(self, live: Keyed | None, replayed: Keyed | None) -> None:
        """Count one key in; None on the side that lacks it."""
        if live is None and replayed is not None:
            self.added_rows += 1
            self.added += [replayed[0]] if len(self.added) < EXAMPLES else []
        elif replayed is None and live is not None:
            self.removed_rows += 1
            self.removed += [live[0]] if len(self.removed) < EXAMPLES else []
        elif live is not None and replayed is not None:
            self._compare_fields(live[0], live[1], replayed[1])

    def _compare_fields(self, key: str, live: Row, replayed: Row) -> None:
        changed = [name for name in sorted(live.keys() | replayed.keys()) if live.get(name) != replayed.get(name)]
        self.same += not changed
        self.changed_rows += bool(changed)
        for name in changed:
            self.fields[name] += 1
            if self.fields[name] <= EXAMPLES:
                self.examples.append((key, name, live.get(name), replayed.get(name)))


def differences(settings: Settings, source: str, store: ObjectStore, progress: Progress) -> list[TableDifference]:
    """What a replay by the present code changes, a TableDifference a table. Raises what replay raises."""
    with contextlib.closing(postgres.connect(settings, "draenei-collector replay --diff", as_owner=True)) as live:
        replay_ledger.as_of_now(live)
        with live.cursor() as cursor:
            keys = replay_ledger.entered_keys(cursor, source)
        if not keys:
            raise SettingsError("nothing is loaded, so there is nothing to compare", mend="Run `replay` instead.")
        with databases.scratch(settings) as own:
            session.open_warehouse(own)
            replay.replay(own, source, store, progress, only=keys)
            with contextlib.closing(postgres.connect(own, as_owner=True)) as replayed:
                replay_ledger.as_of_now(replayed)
                return [compare(live, replayed, table) for table in canonical_export.tables_of(source)]


def compare(live: Connection, replayed: Connection, table: Table) -> TableDifference:
    """Compare the canonical exports of one table of two warehouses."""
    difference = TableDifference(table.name)
    for pair in _paired(canonical_export.rows(live, table), canonical_export.rows(replayed, table)):
        difference.compare(*pair)
    return difference


def _paired(left: Iterator[Keyed], right: Iterator[Keyed]) -> Iterator[tuple[Keyed | None, Keyed | None]]:
    """Rows of equal key side by side; both sides are in the byte order of the key."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0].encode() < other[0].encode()):
            yield one, None
            one = next(left, None)
        elif one is None or other[0].encode() < one[0].encode():
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def lines(found: list[TableDifference]) -> list[str]:
    """The differences for people."""
    return [line for difference in found for line in _lines(difference)]


def _lines(difference: TableDifference) -> list[str]:
    name = f"{difference.table:<42}"
    if difference.equal:
        return [f"{name} {difference.same} rows, equal"]
    text = [
        f"{name} {difference.same} equal, {difference.changed_rows} changed, {difference.added_rows} only in the"
        f" replay, {difference.removed_rows} only here"
    ]
    text += [f"    + {key}" for key in difference.added] + [f"    - {key}" for key in difference.removed]
    for name, number in sorted(difference.fields.items()):
        text.append(f"    {name}: {number}")
        text += [
            f"        {key}  {_short(live)} → {_short(replayed)}"
            for key, changed, live, replayed in difference.examples
            if changed == name
        ]
    return text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
