"""ops.builds: what each build was made of, so that a run which changed none of it has nothing to build.

What a build reads of a source is of two kinds. Ledgers say themselves what no build has taken in yet: loads that do
not repeat, in batches that are not tested; uploads that are not modelled or not tested; pictures to be looked at.
Everything else is compared with what it had come to when the last good build began: who is taken down or erased, what
is in quarantine, an archive's files, and whether anybody but Load, which only adds, has changed the raw tables.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

EVERYTHING = json.dumps([])  # the selection of a build that selects nothing

WAITING = {
    "loads": """
        exists (
            select from ops.batches as b inner join ops.loads as l on b.batch_id = l.batch_id
            where b.tested_in is null and l.source = %(source)s and not l.repeats
        )""",
    "uploads": "exists (select from ops.uploads where modelled_in is null)"
    " or exists (select from ops.uploads where tested_in is null)",
    "pictures": "exists (select from ops.picture_changes)",
}
STANDING = {
    # A redrive restates what stays bad.
    "quarantine": """(
        select jsonb_build_array(
            count(*), sum(hashtextextended(concat_ws('|', quarantine_id, record_id, record), 0)::numeric)
        )
        from ops.quarantine where source = %(source)s and state = 'open'
    )""",
    "raw": """(
        select jsonb_object_agg(c.relname, jsonb_build_array(c.relfilenode, s.n_tup_upd + s.n_tup_del))
        from pg_class as c left join pg_stat_user_tables as s on c.oid = s.relid
        where c.oid = any(%(tables)s::regclass[])
    )""",
    "takedowns": "(select jsonb_build_array(count(*), count(lifted_at)) from ops.tombstones)",
    "erasures": "(select count(*) from ops.erasures where source = %(source)s)",
    "files": """(
        select jsonb_build_array(count(*), count(lost_at), max(entered_at), count(sha256)) from ops.archive_entries
    )""",
    "versions": "(select jsonb_build_array(count(*), count(lost_at), max(replaced_at)) from ops.archive_versions)",
    "measured": """(
        select jsonb_build_array(count(*), max(m.measured_at))
        from ops.archive_entries as e inner join ops.image_metadata as m on e.sha256 = m.sha256
    )""",
}
ALWAYS, OF_PICTURES = ("loads", "quarantine", "raw"), ("uploads", "pictures", "takedowns")
OF_PEOPLE, OF_AN_ARCHIVE = ("erasures",), ("files", "versions", "measured")

# A build that somebody else began since, or one of everything, may have left other models behind.
LAST = """
select b.build_id, b.settled_at
from (select * from ops.builds where selection = %(selection)s order by build_id desc limit 1) as b
where
    b.asked = %(asked)s
    and b.settled_at > clock_timestamp() - %(oldest)s
    and b.inputs = {standing}
    and not ({waiting})
    and not exists (
        select from ops.builds as others where others.selection = %(everything)s and others.build_id > b.build_id
    )
    and not exists (
        select from ops.dbt_builds as invoked
        where
            invoked.started_at > b.begun_at
            and not exists (select from ops.builds as known where known.invocation_id = invoked.invocation_id)
    )
    and cardinality(b.relations) = (
        select count(distinct c.relname)
        from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid
        where n.nspname like 'draenei\\_%%' and c.relkind in ('r', 'p', 'v', 'm') and c.relname = any(b.relations)
    )
"""


@dataclass(frozen=True)
class Reads:
    """What the models of a source read. tables: its raw tables; the rest says which ledgers are theirs too."""

    source: str
    tables: tuple[str, ...]
    pictures: bool = False
    people: bool = False
    archive: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Names in WAITING and STANDING."""
        own = [(True, ALWAYS), (self.pictures, OF_PICTURES), (self.people, OF_PEOPLE), (self.archive, OF_AN_ARCHIVE)]
        return tuple(part for is_read, parts in own if is_read for part in parts)

    def standing(self) -> str:
        """SQL of an object of what is compared."""
        pairs = [f"'{part}', {STANDING[part]}" for part in self.parts if part in STANDING]
        return f"jsonb_build_object({', '.join(pairs)})"

    def waiting(self) -> str:
        """SQL of whether a ledger has something that no good build has taken in."""
        return " or ".join(f"({WAITING[part]})" for part in self.parts if part in WAITING)

    def arguments(self) -> dict[str, object]:
        """Of these two."""
        return {"source": self.source, "tables": list(self.tables)}


@dataclass(frozen=True)
class Build:
    """A build that ended well."""

    number: int
    settled_at: datetime.datetime


@dataclass(frozen=True)
class Asked:
    """What is to be built: dbt's selection, and a digest of the project and the settings that it is built with."""

    select: tuple[str, ...]
    digest: str

    @property
    def selection(self) -> str:
        """As the ledger has it."""
        return json.dumps(self.select)


def unchanged_since(cursor: Cursor, asked: Asked, reads: Reads, oldest: datetime.timedelta) -> Build | None:
    """The last build of the selection, when a build would find nothing else than it did and it is not older."""
    statement = LAST.format(standing=reads.standing(), waiting=reads.waiting())
    what = {"selection": asked.selection, "asked": asked.digest, "oldest": oldest, "everything": EVERYTHING}
    cursor.execute(statement, {**what, **reads.arguments()})
    row = cursor.fetchone()
    return Build(*row) if row else None


def begin(cursor: Cursor, asked: Asked, reads: Reads | None) -> int:
    """Enter a build before it reads anything; returns its number. Without `reads` no run will rely on it."""
    standing, arguments = (reads.standing(), reads.arguments()) if reads else ("null", {})
    cursor.execute(
        "insert into ops.builds (selection, asked, inputs)"  # noqa: S608
        f" values (%(selection)s, %(asked)s, {standing}) returning build_id",
        {"selection": asked.selection, "asked": asked.digest, **arguments},
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def end(cursor: Cursor, number: int, invocation_id: str, relations: Sequence[str], *, well: bool) -> None:
    """Enter how a build ended; well: all of it was built, and every test passed."""
    cursor.execute(
        "update ops.builds set invocation_id = %s, relations = %s,"
        " settled_at = case when %s then clock_timestamp() end where build_id = %s",
        (invocation_id or None, list(relations), well, number),
    )
