"""Invariants of the tables: nothing lost between a page and a wallpaper, nothing counted twice, nothing invented."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

from luigi_tasks.domain.errors import PipelineError
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.steps.explain import explained
from tests.prove.registry import always, at_rest, holds
from tests.prove.world import NAMELESS, Moment

WALLPAPERS = "draenei_content.wallpapers"
STORED = "outcome = 'stored' and lost_at is null"
RECORDS = " union all ".join(
    f"select '{name}' as source, '{entity}' as entity, body_sha256, position, record_id from {kind.table}"
    for name, source in CATALOGUE.items()
    for entity, kind in source.ENTITIES.items()
)

holds(
    "one_stored_row",
    "a wallpaper has at most one row that says stored",
    f"select format('%s: %s rows', wallhaven_id, count(*)) from ops.uploads where {STORED} group by wallhaven_id"
    " having count(*) > 1",
)
holds(
    "ids_once",
    "every id is once in wallpapers",
    f"select format('%s: %s times', wallhaven_id, count(*)) from {WALLPAPERS} group by wallhaven_id"
    " having count(*) > 1",
    needs=(WALLPAPERS,),
)
holds(
    "received_adds_up",
    "received = loaded + duplicate + quarantined for each page, and the rows are there",
    f"""
    select format('page %s: %s received, %s loaded, %s duplicate, %s quarantined',
                  page_id, received, loaded, duplicate, quarantined)
    from ops.loads where received <> loaded + duplicate + quarantined
    union all
    select format('body %s of %s %s: %s loaded and %s quarantined by the ledger, %s and %s are there',
                  left(body_sha256, 8), source, entity, loaded, quarantined, coalesce(rows, 0), coalesce(bad, 0))
    from (select source, entity, body_sha256, sum(loaded) as loaded, sum(quarantined) as quarantined
          from ops.loads group by source, entity, body_sha256) as bodies
    left join (select source, entity, body_sha256, count(*) as rows from ({RECORDS}) as records
               group by source, entity, body_sha256) as loaded_rows using (source, entity, body_sha256)
    left join (select source, entity, body_sha256, count(*) as bad from ops.quarantine where state = 'open'
               group by source, entity, body_sha256) as bad_rows using (source, entity, body_sha256)
    where loaded <> coalesce(rows, 0) or quarantined <> coalesce(bad, 0)
    """,
)
holds(
    "records_come_with_their_load",
    "a record is never there without the load and the page that brought it",
    f"""
    select format('%s %s %s position %s', source, entity, left(body_sha256, 8), position) from ({RECORDS}) as r
    where not exists (select from ops.loads as l join ops.pages using (page_id) where l.source = r.source
                      and l.entity = r.entity and l.body_sha256 = r.body_sha256)
    """,
)
holds(
    "wallpapers_come_from_records",
    "a wallpaper of the models was loaded by the raw record that it cites",
    f"select wallhaven_id from {WALLPAPERS} as w where not exists"
    " (select from raw.wallhaven_search as r where r.record_id = w.wallhaven_id) and not exists"
    " (select from raw.wallhaven_wallpaper as r where r.record_id = w.wallhaven_id)",
    needs=(WALLPAPERS,),
)
holds(
    "attempts_in_order",
    "attempts at a picture are numbered without a hole, and none follows the one that stored it",
    f"""
    select format('%s: attempts 1 to %s are %s', wallhaven_id, max(attempt), count(*))
    from ops.uploads group by wallhaven_id having max(attempt) <> count(*) or min(attempt) <> 1
    union all
    select format('%s: attempt %s after it was stored', u.wallhaven_id, u.attempt)
    from ops.uploads as u join ops.uploads as s on s.wallhaven_id = u.wallhaven_id and s.attempt < u.attempt
    where s.{STORED.replace("and lost", "and s.lost")}
    """,
)
holds(
    "no_old_fence_writes",
    "a run attempts a picture once, a claim is of a picture without outcome, and what is written has the newest fence"
    " of its time: who lost its claim wrote nothing",
    f"""
    select format('%s: %s outcomes in %s', wallhaven_id, count(*), run_key)
    from ops.uploads where reopened_at is null group by wallhaven_id, run_key having count(*) > 1
    union all
    select format('%s: claimed with fence %s and done', c.wallhaven_id, c.fence)
    from ops.upload_claims as c join ops.uploads as u using (wallhaven_id)
    where u.run_key = c.run_key and u.reopened_at is null or u.{STORED.replace("and lost", "and u.lost")}
    union all
    select format('%s: fence %s was never given', wallhaven_id, fence) from (
        select wallhaven_id, fence from ops.upload_claims union all select wallhaven_id, fence from ops.uploads
        union all select wallhaven_id, fence from ops.upload_intents
    ) as written where fence > (select last_value from ops.upload_fences)
    union all
    select format('%s: attempt %s with fence %s after fence %s', new.wallhaven_id, new.attempt, new.fence, old.fence)
    from ops.uploads as new join ops.uploads as old using (wallhaven_id)
    where new.attempt > old.attempt and new.fence <= old.fence
    union all
    select format('%s: fence %s wrote an outcome when fence %s was at work', old.wallhaven_id, old.fence, new.fence)
    from ops.uploads as new join ops.uploads as old using (wallhaven_id)
    where new.fence > old.fence and new.started_at < old.finished_at
    union all
    select format('%s: claimed with fence %s after %s was done', c.wallhaven_id, c.fence, u.fence)
    from ops.upload_claims as c join ops.uploads as u using (wallhaven_id) where c.fence <= u.fence
    union all
    select format('%s: intent of fence %s over that of fence %s', i.wallhaven_id, i.fence, u.fence)
    from ops.upload_intents as i join ops.uploads as u using (wallhaven_id)
    where u.outcome in ('unstored', 'conflict') and i.fence < u.fence
    """,
)
holds(
    "uploads_are_of_a_manifest",
    "what was attempted, not found by a replay, stands in the manifest of its run, and a manifest has so many items as"
    " it says",
    """
    select format('%s: not in the manifest of %s', u.wallhaven_id, u.run_key) from ops.uploads as u
    join ops.runs as r using (run_key)
    where r.state <> 'replayed' and not exists (
                      select from ops.manifests as m join ops.manifest_items as i using (manifest_id)
                      where m.run_key = u.run_key and i.wallhaven_id = u.wallhaven_id)
    union all
    select format('manifest of %s: %s items, says %s', run_key,
                  (select count(*) from ops.manifest_items as i where i.manifest_id = m.manifest_id), items)
    from ops.manifests as m
    where items <> (select count(*) from ops.manifest_items as i where i.manifest_id = m.manifest_id)
    """,
)
holds(
    "quarantine_is_told_apart",
    "a quarantined record is open and not loaded, or closed at a time and loaded",
    """
    select format('%s: %s, closed at %s', quarantine_id, state, closed_at) from ops.quarantine
    where (state = 'closed') <> (closed_at is not null)
    union all
    select format('%s: open, and loaded at position %s', q.quarantine_id, q.position) from ops.quarantine as q
    where q.state = 'open' and exists (
        select from raw.wallhaven_search as r
        where q.entity = 'search' and r.body_sha256 = q.body_sha256 and r.position = q.position)
    union all
    select format('%s: closed, and %s is nowhere', q.quarantine_id, q.record_id) from ops.quarantine as q
    where q.state = 'closed' and q.entity = 'search' and not exists (
        select from raw.wallhaven_search as r where r.body_sha256 = q.body_sha256 and r.record_id = q.record_id)
    """,
)
holds(
    "taken_down_is_not_stored",
    "what was taken down does not count as stored and is not intended",
    f"""
    select format('%s: stored, and taken down', wallhaven_id) from ops.uploads as u
    where {STORED} and exists (select from ops.tombstones as t where t.wallhaven_id = u.wallhaven_id
                               or t.sha256 = u.sha256)
    union all
    select format('%s: intended, and taken down', wallhaven_id) from ops.upload_intents as u
    where exists (select from ops.tombstones as t where t.wallhaven_id = u.wallhaven_id)
    """,
)
holds(
    "everything_is_loaded",
    "every page that answered 200 is loaded",
    "select format('%s %s', run_key, page_name) from ops.pages as p where status = 200 and lost_at is null"
    " and not exists (select from ops.loads as l where l.page_id = p.page_id)",
    rest=True,
)
holds(
    "every_item_has_its_outcome",
    "every item of a manifest was attempted by its run, or is stored",
    f"""
    select format('%s of %s', i.wallhaven_id, m.run_key) from ops.manifests as m
    join ops.manifest_items as i using (manifest_id)
    where not exists (select from ops.uploads as u where u.wallhaven_id = i.wallhaven_id
                      and (u.run_key = m.run_key or u.{STORED.replace("and lost", "and u.lost")}))
    """,
    rest=True,
)
holds(
    "nothing_is_pending_that_is_stored",
    "the live view of pending pictures lists none that is stored or was taken down",
    f"""
    select p.wallhaven_id from draenei_content.pending_uploads as p
    where exists (select from ops.uploads as u where u.wallhaven_id = p.wallhaven_id
                  and u.{STORED.replace("and lost", "and u.lost")})
    or exists (select from ops.tombstones as t where t.wallhaven_id = p.wallhaven_id)
    """,
    needs=("draenei_content.pending_uploads",),
)


@always("nothing is invented: every id of the tables was on the site")
def nothing_is_invented(moment: Moment) -> list[str]:
    if not moment.world.twin:
        return []
    ids = moment.texts("select record_id from raw.wallhaven_search union select record_id from raw.wallhaven_wallpaper")
    return [f"{one}: never on the site" for one in sorted(set(ids) - moment.world.ever)]


@always("a certificate that counts claims no record that was not read")
def certificate_claims_no_more(moment: Moment) -> list[str]:
    rows = moment.rows(
        """
        select c.run_key, c.ids_seen,
            (select count(distinct record_id) from (
                select r.record_id from ops.loads as l join raw.wallhaven_search as r using (body_sha256)
                where l.run_key = c.run_key and l.entity = 'search'
                union all
                select coalesce(q.record_id, q.quarantine_id::text) from ops.loads as l
                join ops.quarantine as q using (entity, body_sha256)
                where l.run_key = c.run_key and l.entity = 'search') as read)
        from ops.counted_certificates as c
        """
    )
    return [f"{run}: claims {claims} ids, {read} were read" for run, claims, read in rows if claims > read] + _holes(
        moment
    )


def _holes(moment: Moment) -> list[str]:
    """Wallpapers of the site inside an interval that counts and that no run has read; the site stands still here."""
    if not moment.world.twin:
        return []
    known = set(moment.texts("select record_id from raw.wallhaven_search"))
    known |= set(moment.texts("select record_id from ops.quarantine where record_id is not null"))
    known |= {one for one, how in moment.world.planted.items() if how == NAMELESS}
    intervals = moment.rows(
        "select newest_at, oldest_at, to_end from ops.coverage join ops.counted_certificates using (run_key)"
    )
    return [
        f"{one.id}: inside a closed interval, and not read"
        for one in moment.world.twin.catalogue.snapshot()[1]
        if one.id not in known
        and any(
            at <= newest and (to_end or at >= oldest) for newest, oldest, to_end in intervals if (at := one.created_at)
        )
        and one.purity == "sfw"
    ]


@at_rest("explain shows the origin of every wallpaper, link by link")
def explain_resolves(moment: Moment) -> list[str]:
    if not moment.has(WALLPAPERS, "draenei_content.wallpaper_versions", "draenei_content.run_audit"):
        return []
    with moment.connection.cursor() as cursor:
        ids = moment.texts(f"select wallhaven_id from {WALLPAPERS}")
        return [words for one in ids if (words := _unexplained(cursor, one))]


def _unexplained(cursor: Cursor, wallhaven_id: str) -> str:
    try:
        explained(cursor, wallhaven_id)
    except PipelineError as problem:
        return f"{wallhaven_id}: {problem}"
    return ""
