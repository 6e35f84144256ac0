"""ops.image_metadata and ops.derivatives: what is known of pictures and made of them. SQL over a cursor each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from luigi_tasks.domain.derivatives import Derived, DerivedTotals, Facts, Made, Recipe, Wanted

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

SIGN_BIT = 1 << 63

# A failure counts as done once it was tried as often as allowed, or by this run.
MISSING = """
select
    p.sha256, p.object_key, p.bytes,
    not exists (
        select from ops.image_metadata as m
        where
            m.sha256 = p.sha256 and m.measured_with = %(library)s
            and (m.status = 'measured' or m.attempts >= %(most)s or m.run_key = %(run)s)
    ) as measure,
    array(
        select recipe from unnest(%(recipes)s::text[]) as recipe
        where not exists (
            select from ops.derivatives as d
            where
                d.source_sha256 = p.sha256 and d.recipe = recipe.recipe
                and (d.status = 'made' or d.attempts >= %(most)s or d.run_key = %(run)s)
        )
    ) as recipes
from ops.pictures as p
where p.source = %(source)s and {which}
"""
ALL = "true"
QUEUED = "p.sha256 = any(array(select q.sha256 from ops.derive_queue as q where q.source = %(source)s))"
WANTED = """
with missing as ({missing} and p.sha256 > %(after)s)
select distinct on (sha256) sha256, object_key, bytes, measure, recipes
from missing
where measure or cardinality(recipes) > 0
order by sha256, object_key
limit %(limit)s
"""
COUNT_WANTED = """
with missing as ({missing})
select count(distinct sha256) from missing where measure or cardinality(recipes) > 0
"""
# What still lacks something, because it failed, is queued anew; who queued in the meantime is not seen, so not removed.
LOOKED_THROUGH = """
with missing as ({missing}),
looked_at as (delete from ops.derive_queue where source = %(source)s),
left_over as (
    insert into ops.derive_queue (source, sha256)
    select distinct %(source)s, sha256 from missing where measure or cardinality(recipes) > 0
)
insert into ops.derive_passes as p (source, asked) values (%(source)s, %(asked)s)
on conflict (source) do update set asked = excluded.asked, passed_at = clock_timestamp()
"""
COLUMNS = "format mode width height orientation has_profile exif colours brightness entropy dhash phash"
ENTER_FACTS = f"""
insert into ops.image_metadata as m (
    sha256, status, reason, measured_with, bytes, run_key, {", ".join(COLUMNS.split())}
)
values (%s, %s, %s, %s, %s, %s{", %s" * len(COLUMNS.split())})
on conflict (sha256) do update set
    attempts = case when m.measured_with = excluded.measured_with then m.attempts + 1 else 1 end,
    status = excluded.status, reason = excluded.reason, measured_with = excluded.measured_with, bytes = excluded.bytes,
    run_key = excluded.run_key,
    {", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split())}, measured_at = clock_timestamp()
"""  # noqa: S608
ENTER_MADE = """
insert into ops.derivatives as d (
    source_sha256, recipe, operation, parameters, library, status, reason, object_key, sha256, bytes, content_type,
    run_key
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (source_sha256, recipe) do update set
    attempts = d.attempts + 1, status = excluded.status, reason = excluded.reason, sha256 = excluded.sha256,
    bytes = excluded.bytes, run_key = excluded.run_key, made_at = clock_timestamp()
where d.status = 'failed'
"""
REOPEN = """
with
facts as (update ops.image_metadata set attempts = 0, run_key = null where status = 'unreadable' returning sha256),
copies as (update ops.derivatives set attempts = 0, run_key = null where status = 'failed' returning source_sha256)
select count(*) from (select sha256 from facts union select source_sha256 from copies) as pictures
"""
TOTALS = """
with facts as (select sha256, status, reason from ops.image_metadata where run_key = %(run)s),
copies as (select source_sha256 as sha256, status, reason, bytes from ops.derivatives where run_key = %(run)s),
reasons as (
    select reason, count(*) as pictures
    from (select sha256, reason from facts union select sha256, reason from copies) as told
    where reason <> ''
    group by reason
)
select
    (select count(*) from (select sha256 from facts union select sha256 from copies) as pictures),
    (select count(*) from facts where status = 'measured'),
    (select count(*) from facts where status = 'unreadable'),
    count(*) filter (where status = 'made'),
    count(*) filter (where status = 'failed'),
    coalesce(sum(bytes), 0)::bigint,
    (select coalesce(jsonb_object_agg(reason, pictures order by reason), '{}') from reasons)
from copies
"""


class WorkList:
    """What a source's pictures lack. most: attempts at a failing one; run_key: what this run failed at is not tried.

    Of the pictures that are queued, when all were looked through for just this before; else of all.
    """

    def __init__(
        self, source: str, recipes: Sequence[Recipe], library: str, most: int, run_key: str | None = None
    ) -> None:
        digests = [recipe.digest for recipe in recipes]
        self._about: dict[str, object] = {"source": source, "recipes": digests, "library": library, "most": most}
        self._about["run"] = run_key
        self._about["asked"] = json.dumps([sorted(digests), library, most])
        self._which = ALL

    def count(self, cursor: Cursor) -> int:
        """How many pictures lack something. To be asked first."""
        cursor.execute("select asked = %(asked)s from ops.derive_passes where source = %(source)s", self._about)
        self._which = QUEUED if cursor.fetchone() == (True,) else ALL
        cursor.execute(self._of(COUNT_WANTED), self._about)
        row = cursor.fetchone()
        assert row, "an aggregate gives one row"
        return int(row[0])

    def after(self, cursor: Cursor, sha256: str, limit: int) -> list[Wanted]:
        """The next pictures by SHA-256 that lack something; '' for the first."""
        cursor.execute(self._of(WANTED), {**self._about, "after": sha256, "limit": limit})
        return [
            Wanted(sha256, object_key, size, measure, tuple(recipes))
            for sha256, object_key, size, measure, recipes in cursor.fetchall()
        ]

    def passed(self, cursor: Cursor) -> None:
        """Enter that all that was to be looked at was, if anything: the next one reads what is queued from now on."""
        if self._which is QUEUED:
            cursor.execute("select exists (select from ops.derive_queue where source = %(source)s)", self._about)
            if cursor.fetchone() == (False,):
                return
        cursor.execute(self._of(LOOKED_THROUGH), {**self._about, "run": None})  # a later run tries what failed again

    def _of(self, statement: str) -> str:
        return statement.format(missing=MISSING.format(which=self._which))


def enter(cursor: Cursor, derived: Derived, library: str, run_key: str | None = None) -> None:
    """Keep what became of a picture in a run; a derivative that is made stays as it was made."""
    wanted = derived.wanted
    if derived.facts or derived.reason:
        status = "measured" if derived.facts else "unreadable"
        head = (wanted.sha256, status, derived.reason, library, wanted.bytes, run_key)
        cursor.execute(ENTER_FACTS, (*head, *_values(derived.facts)))
    for made in derived.made:
        cursor.execute(ENTER_MADE, (*_row(wanted.sha256, made), run_key))


def totals(cursor: Cursor, run_key: str) -> DerivedTotals:
    """What a run derived by now, in rounds and after them."""
    cursor.execute(TOTALS, {"run": run_key})
    row = cursor.fetchone()
    assert row, "an aggregate gives one row"
    return DerivedTotals(*row)


def reopen(cursor: Cursor) -> int:
    """Let pictures that could not be read, and derivatives that failed, be tried anew; how many pictures."""
    cursor.execute(REOPEN)
    row = cursor.fetchone()
    assert row, "an aggregate gives one row"
    return int(row[0])


def _row(source_sha256: str, made: Made) -> tuple[object, ...]:
    recipe = made.recipe
    return (
        source_sha256,
        recipe.digest,
        recipe.operation,
        json.dumps(asdict(recipe.rendering)),
        recipe.library,
        "failed" if made.reason else "made",
        made.reason,
        made.key,
        made.sha256,
        made.bytes,
        recipe.content_type,
    )


def _values(facts: Facts | None) -> tuple[object, ...]:
    if facts is None:
        return (None,) * len(COLUMNS.split())
    plain = asdict(facts)
    plain |= {"exif": json.dumps(plain["exif"]), "colours": json.dumps(plain["colours"])}
    plain |= {"dhash": signed(facts.dhash), "phash": signed(facts.phash)}
    return tuple(plain[name] for name in COLUMNS.split())


def signed(bits: int) -> int:
    """64 bits as the integer that a bigint column holds."""
    return bits - 2 * SIGN_BIT if bits & SIGN_BIT else bits
